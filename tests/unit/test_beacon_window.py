"""The kernels that look for a window of gaps, against slow and obvious twins."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from analyzers.beacon.rhythm import commonest
from analyzers.beacon.window import RATIOS, chance_share, count_multiples, densest_window, evidence

SEED = 20260105


def slow_window(gaps: NDArray[np.float64], begin: int, shift_s: float, quantum_s: float) -> tuple[float, int, float]:
    """(evidence, gaps inside, chance share): for every width, count from every gap."""
    kept = [gap - shift_s for gap in gaps[begin:]]
    best = (0.0, 0, 1.0)
    for width in RATIOS:
        counts = [sum(low <= gap <= low * width for gap in kept[i:]) for i, low in enumerate(kept)]
        top = max(counts)
        lasts = [i for i, count in enumerate(counts) if count == top]
        i = lasts[0]
        ratio = max(kept[i + top - 1] / max(kept[i], 1e-9), RATIOS[0]) + quantum_s / max(kept[i], 1e-9)
        chance = math.erf(math.log(ratio) / math.sqrt(8))
        share = top / len(kept)
        if share > chance:
            nats = share * math.log(share / chance)
            nats += (1 - share) * math.log((1 - share) / (1 - chance)) if share < 1 else 0.0
            if nats * len(kept) > best[0]:
                best = (nats * len(kept), top, chance)
    return best


def test_window_equals_its_slow_twin() -> None:
    rng = np.random.default_rng(SEED)
    for _ in range(300):
        n = int(rng.integers(3, 60))
        gaps = np.sort(rng.choice([rng.exponential(60, n), rng.uniform(30, 90, n), rng.lognormal(3, 2, n)]))
        begin = int(rng.integers(0, n - 2))
        shift = float(gaps[begin - 1]) if begin else 0.0
        quantum = float(rng.choice([0.0, 0.001, 1.0]))
        nats, at, inside, chance = densest_window(gaps, begin, shift, quantum)
        slow_nats, slow_inside, slow_chance = slow_window(gaps, begin, shift, quantum)
        assert nats == pytest.approx(slow_nats, rel=1e-9, abs=1e-9), f"seed {SEED}"
        if nats > 0:
            assert (inside, chance) == (slow_inside, pytest.approx(slow_chance, rel=1e-9))
            assert begin <= at <= n - inside


@pytest.mark.parametrize(
    ("ratio", "share"),
    [(1.0, 0.0), (1.02, 0.0079), (1.5, 0.161), (2.0, 0.271), (3.0, 0.417), (1e9, 1.0)],
)
def test_chance_share(ratio: float, share: float) -> None:
    assert chance_share(ratio) == pytest.approx(share, abs=1e-3)


@pytest.mark.parametrize("ratio", RATIOS)
def test_chance_is_above_what_any_poisson_process_gives(ratio: float) -> None:
    low = np.linspace(1e-3, 5, 5000)
    assert chance_share(ratio) >= (np.exp(-low) - np.exp(-ratio * low)).max()


@pytest.mark.parametrize(
    ("inside", "n", "chance", "nats"),
    [
        (10, 10, 0.1, 10 * math.log(10)),
        (5, 10, 0.5, 0.0),
        (1, 10, 0.5, 0.0),  # fewer than chance gives is no evidence
        (10, 10, 1.0, 0.0),
        (5, 10, 0.1, 10 * (0.5 * math.log(5) + 0.5 * math.log(0.5 / 0.9))),
    ],
)
def test_evidence(inside: int, n: int, chance: float, nats: float) -> None:
    assert evidence(inside, n, chance) == pytest.approx(nats)


def test_multiples_are_counted_once_each() -> None:
    gaps = np.sort(np.array([58.0, 60.0, 62.0, 119.0, 121.0, 150.0, 180.0, 400.0]))
    twice, chance_twice = count_multiples(gaps, 0, 3, 2)
    thrice, chance_thrice = count_multiples(gaps, 0, 3, 3)
    assert (twice, thrice) == (2, 1)
    assert 0 < chance_thrice < chance_twice < 0.1


def test_multiples_of_an_exact_beat_get_some_room() -> None:
    gaps = np.array([60.0, 60.0, 60.0, 120.5])
    assert count_multiples(gaps, 0, 3, 2)[0] == 1


@pytest.mark.parametrize(
    ("sizes", "common", "n"),
    [
        ([310] * 5, 310, 5),
        ([100, 104, 108, 117, 5000], 104, 3),
        ([1000, 1050, 1051, 9000], 1050, 2),
        ([7], 7, 1),
    ],
)
def test_the_commonest_size(sizes: list[int], common: int, n: int) -> None:
    assert commonest(np.array(sizes, np.int64)) == (common, n)
