"""What chance makes: of processes without a timer, hardly any channel has evidence for one."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from analyzers.beacon import measure_channels
from tests.support.series import make_series

Times = NDArray[np.float64]
N_CHANNELS, LENGTHS = 500, (8, 20, 60, 200)


def memoryless(rng: np.random.Generator, n: int) -> Times:
    return np.cumsum(rng.exponential(60, n))


def heavy(rng: np.random.Generator, n: int) -> Times:
    """Pauses of people: log-normal."""
    return np.cumsum(rng.lognormal(4, 1, n))


def bursts(rng: np.random.Generator, n: int) -> Times:
    """Each visit is several connections, a second apart or so."""
    times = np.cumsum(rng.exponential(600, n))[:, None] + np.cumsum(rng.exponential(1, (n, 5)), axis=1)
    return times.ravel()[:n]


def by_day(rng: np.random.Generator, n: int) -> Times:
    """Memoryless, five times as often in office hours."""
    times = np.cumsum(rng.exponential(400, 3 * n))
    kept = rng.random(3 * n) < np.where((times / 3600 % 24 > 9) & (times / 3600 % 24 < 18), 1.0, 0.2)
    return times[kept][:n]


@pytest.mark.parametrize("process", [memoryless, heavy, bursts, by_day])
def test_chance_makes_no_timer(process: Callable[[np.random.Generator, int], Times]) -> None:
    rng = np.random.default_rng(20)
    rows = measure_channels(make_series([process(rng, n) for n in LENGTHS for _ in range(N_CHANNELS)]))
    assert (rows["surplus_nats"] > 5).mean() < 0.006
    assert (rows["surplus_nats"] > 10).mean() < 0.001
    assert not rows["changed_ns"].any()
