"""Event series for the analyzers: made from times, and the kinds of timing that traffic has."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analyzers.series import Series

START_NS = 1_767_571_200_000_000_000
"""2026-01-05T00:00:00Z"""

Times = NDArray[np.float64]


def make_series(channels: Sequence[Times | Sequence[float]], **columns: object) -> Series:
    """One channel for each list of times (seconds after START_NS, any order).

    `columns` replaces whole columns; a plain value for a per-event array fills it.
    """
    n = len(channels)
    times = [np.sort(np.asarray(times, np.float64)) for times in channels]
    m = sum(len(t) for t in times)
    whole = np.concatenate([*times, np.zeros(0)])
    values: dict[str, object] = {
        "off": np.concatenate([[0], np.cumsum([len(t) for t in times])]).astype(np.int64),
        "ts_ns": START_NS + np.round(whole * 1e9).astype(np.int64),
        "orig_bytes": np.full(m, 310, np.int64),
        "resp_bytes": np.full(m, 1200, np.int64),
        "duration_s": np.full(m, 0.2),
        "answered": np.ones(m, np.bool_),
        "orig_ip": [f"10.0.0.{i + 1}" for i in range(n)],
        "dest": [f"c{i}.example" for i in range(n)],
        "dest_ips": [(f"198.51.100.{i % 250 + 1}",) for i in range(n)],
        "resp_port": [443] * n,
        "proto": ["tcp"] * n,
        "name_source": ["sni"] * n,
        "via_proxy": [""] * n,
        "kind": ["connection"] * n,
        "ja4": [""] * n,
        "certificate": [""] * n,
    }
    for name, value in columns.items():
        base = values[name]
        values[name] = np.full_like(base, value) if isinstance(base, np.ndarray) and np.isscalar(value) else value
    return Series(**values)  # type: ignore[arg-type]


def clock(rng: np.random.Generator, n: int, period_s: float = 60.0, jitter: float = 0.0) -> Times:
    """A sleep loop: every sleep uniform in period * [1 - jitter, 1 + jitter]."""
    return np.cumsum(rng.uniform(period_s * (1 - jitter), period_s * (1 + jitter), n))


def missed(rng: np.random.Generator, times: Times, share: float) -> Times:
    """Some of the events did not happen or were not seen."""
    return times[rng.random(len(times)) >= share]


def office_hours(times: Times, start_h: float = 9.0, end_h: float = 18.0) -> Times:
    """What is left when the host is on during office hours only."""
    hour = times / 3600 % 24
    return times[(hour >= start_h) & (hour < end_h)]


def poisson(rng: np.random.Generator, n: int, mean_s: float = 60.0) -> Times:
    """Memoryless polling."""
    return np.cumsum(rng.exponential(mean_s, n))


def log_normal(rng: np.random.Generator, n: int, median_s: float = 60.0, sigma: float = 1.0) -> Times:
    """Think times with a long tail."""
    return np.cumsum(rng.lognormal(np.log(median_s), sigma, n))


def browsing(rng: np.random.Generator, n: int) -> Times:
    """A person: sessions with heavy-tailed pauses between, page views with think times, a burst for each page."""
    times: list[float] = []
    now = 0.0
    while len(times) < n:
        now += 300.0 + 600.0 * rng.pareto(1.1)
        for _ in range(rng.geometric(1 / 8)):
            now += rng.lognormal(np.log(20), 1.3)
            burst = now + np.cumsum(rng.exponential(0.4, 1 + rng.poisson(2)))
            times.extend(burst)
            now = burst[-1]
    return np.array(times[:n])
