"""Worked examples of the score, and the kinds of timing it has to tell apart, from fixed seeds."""

import numpy as np
import pytest

from analyzers.beacon import measure_channels, score_channels
from analyzers.beacon.dtypes import STATS
from analyzers.beacon.score import MAX_SCORE, REPORT_FROM, WEIGHTS, ceiling, common_cost, score_parts
from tests.support.series import (
    Times,
    browsing,
    clock,
    log_normal,
    make_series,
    missed,
    office_hours,
    poisson,
)

SEEDS = range(20)


def stats(**values: float) -> np.ndarray:
    row = np.zeros(1, STATS)
    for name, value in values.items():
        row[name] = value
    return row


CLOCK_OF_100 = {
    "surplus_nats": 400.0,
    "n_beats": 100,
    "n_window": 99,
    "chance_share": 0.008,
    "ratio": 1.01,
    "coverage": 1.0,
    "n_stretches": 1,
    "n_sized": 100,
    "n_same_size": 100,
}


@pytest.mark.parametrize(
    ("changed", "part", "value"),
    [
        ({}, "timing", 1.0),
        ({}, "sharpness", 1.0),
        ({}, "sizes", 1.0),
        ({}, "persistence", 1.0),
        ({"surplus_nats": 0.0}, "timing", 0.0),
        ({"surplus_nats": -3.0}, "timing", 0.0),
        ({"surplus_nats": 24.75}, "timing", 0.5),  # a quarter of a nat a gap
        ({"surplus_nats": 4.5, "n_beats": 5, "n_window": 4}, "timing", 0.5),  # certain enough only half
        ({"n_beats": 11, "n_window": 4, "surplus_nats": 20.0}, "timing", 0.5),  # four gaps of ten keep it
        ({"n_beats": 101, "n_window": 15}, "timing", 0.5),  # 15 of 100 do
        ({"n_beats": 101, "n_window": 20, "n_multiple": 5}, "timing", 1.0),
        ({"coverage": 0.1, "n_stretches": 99}, "timing", 0.5),
        ({"coverage": 0.1, "n_stretches": 1}, "timing", 1.0),  # long stretches make up for absences
        ({"chance_share": 0.417}, "sharpness", 0.03),
        ({"n_same_size": 30}, "sizes", 0.0),
        ({"n_same_size": 60}, "sizes", 0.5),
        ({"n_sized": 3, "n_same_size": 3}, "sizes", 0.0),  # too few requests with payload
        ({"n_sized": 0, "n_same_size": 0}, "sizes", 0.0),
        ({"n_beats": 4, "n_window": 3}, "persistence", 0.0),
        ({"n_beats": 20}, "persistence", 0.5),
    ],
)
def test_parts(changed: dict[str, float], part: str, value: float) -> None:
    assert score_parts(stats(**{**CLOCK_OF_100, **changed}))[part][0] == pytest.approx(value, abs=0.01)


@pytest.mark.parametrize(
    ("changed", "score"),
    [
        ({}, MAX_SCORE),
        ({"surplus_nats": 0.0}, 0.18),  # without timing: sizes and persistence
        ({"n_same_size": 0}, 0.90),
        ({"n_beats": 4, "n_window": 3, "n_sized": 4, "n_same_size": 4}, 0.46),
        ({"n_beats": 12, "n_window": 11, "n_sized": 12, "n_same_size": 12}, 0.80),
        ({"n_beats": 3}, float("nan")),
    ],
)
def test_scores(changed: dict[str, float], score: float) -> None:
    assert score_channels(stats(**{**CLOCK_OF_100, **changed}))[0] == pytest.approx(score, abs=0.01, nan_ok=True)


def test_nothing_but_timing_makes_a_beacon() -> None:
    assert sum(WEIGHTS.values()) == pytest.approx(1)
    assert 1 - WEIGHTS["timing"] < REPORT_FROM


@pytest.mark.parametrize(("n_beats", "most"), [(4, 0.5), (6, 0.626), (8, 0.715), (12, 0.841), (20, 1.0), (5000, 1.0)])
def test_ceiling(n_beats: int, most: float) -> None:
    assert ceiling(np.array([n_beats]))[0] == pytest.approx(most, abs=1e-3)


@pytest.mark.parametrize(
    ("contacting", "hosts", "cost"),
    [(1, 100, 0.0), (25, 100, 0.0), (50, 100, 0.075), (75, 100, 0.15), (100, 100, 0.15), (4, 4, 0.0), (5, 5, 0.15)],
)
def test_common_destinations_cost(contacting: int, hosts: int, cost: float) -> None:
    assert common_cost(np.array([contacting]), hosts)[0] == pytest.approx(cost)


def scores(channels: list[Times], **columns: object) -> np.ndarray:
    return np.nan_to_num(score_channels(measure_channels(make_series(channels, **columns))))


@pytest.mark.parametrize("sizes", ["same", "all different"])
@pytest.mark.parametrize("n", [20, 40, 300])
@pytest.mark.parametrize("jitter", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
def test_a_clock_with_jitter_is_a_beacon(jitter: float, n: int, sizes: str) -> None:
    channels = [clock(np.random.default_rng(seed), n, 60, jitter) for seed in SEEDS]
    series = make_series(channels)
    if sizes == "all different":
        series.orig_bytes = np.geomspace(100, 1e6, len(series.ts_ns)).astype(np.int64)
        np.random.default_rng(0).shuffle(series.orig_bytes)
    found = score_channels(measure_channels(series))
    assert found.min() >= 0.7, f"seed {found.argmin()}"


@pytest.mark.parametrize(("jitter", "n"), [(0.0, 40), (0.1, 40), (0.2, 100), (0.25, 300)])
def test_missed_beats(jitter: float, n: int) -> None:
    rngs = [np.random.default_rng(seed) for seed in SEEDS]
    found = scores([missed(rng, clock(rng, n, 60, jitter), 0.3) for rng in rngs])
    assert found.min() >= 0.7, f"seed {found.argmin()}"


@pytest.mark.parametrize("jitter", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("period_s", [60.0, 1800.0])
def test_office_hours(period_s: float, jitter: float) -> None:
    rngs = [np.random.default_rng(seed) for seed in SEEDS]
    week = int(5 * 86_400 / period_s)
    found = scores([office_hours(clock(rng, week, period_s, jitter)) for rng in rngs])
    assert found.min() >= 0.7, f"seed {found.argmin()}"


def test_cobalt_strike_jitter() -> None:
    """Sleep uniform in [(1 - j) * s, s], j = 50 %."""
    rngs = [np.random.default_rng(seed) for seed in SEEDS]
    found = scores([np.cumsum(rng.uniform(30, 60, 30)) for rng in rngs])
    assert found.min() >= 0.7, f"seed {found.argmin()}"


NULLS = {
    "poisson": poisson,
    "fast poisson": lambda rng, n: poisson(rng, n, 0.5),
    "log-normal": log_normal,
    "log-normal 1.5": lambda rng, n: log_normal(rng, n, 60, 1.5),
    "browsing": browsing,
    "pareto": lambda rng, n: np.cumsum(10 * rng.pareto(1.2, n)),
}


@pytest.mark.parametrize("n", [30, 50, 200, 1000])
@pytest.mark.parametrize("process", NULLS)
def test_what_has_no_clock_is_no_beacon(process: str, n: int) -> None:
    """Even with constant sizes. 200 channels each; those above REPORT_FROM would be false findings."""
    found = scores([NULLS[process](np.random.default_rng(1000 + seed), n) for seed in range(200)])
    assert found.max() < 0.5, f"seed {1000 + found.argmax()}"
    assert (found >= REPORT_FROM).sum() <= 1, f"seeds {1000 + np.flatnonzero(found >= REPORT_FROM)}"


@pytest.mark.parametrize("n", [4, 5, 6, 8, 12, 20])
@pytest.mark.parametrize("process", NULLS)
def test_few_events_without_a_clock_are_rarely_reported(process: str, n: int) -> None:
    """Chance makes a few gaps alike now and then: about 2 in 1,000 channels, here at most 8 in 1,000."""
    found = scores([NULLS[process](np.random.default_rng(5000 + seed), n) for seed in range(1000)])
    assert (found >= REPORT_FROM).sum() <= 8, f"seeds {5000 + np.flatnonzero(found >= REPORT_FROM)}"
