"""RITA's port against the worked values of RITA's own tests (activecm/rita, analysis/beacons_test.go).

The values are facts of RITA's documentation and tests; the code they are held against is our own.
"""

import numpy as np
import pytest

from benchmarks.baselines import rita

T0, HOUR_S = 1_517_338_924, 3600
TOLERANCE = 0.001
"""RITA's own."""

RANDOM_GAPS = [1, 299, 25, 4975, 90, 2, 42, 500, 1500]
RANDOM_SIZES = [524885, 1, 5000, 98654, 50, 41, 965842, 3]


def times(*gaps: int) -> np.ndarray:
    return T0 + np.cumsum([0, *gaps])


def ordered(*values: float) -> np.ndarray:
    return np.sort(np.array(values, np.float64))


@pytest.mark.parametrize(
    ("ts", "score"),
    [
        (np.arange(1, 11), 1.0),
        (times(*[60] * 9), 1.0),
        (times(98, 99, 99, 100, 100, 100, 101, 101, 102), 0.995),
        (times(*[98, 300] * 5), 0.746),
        (times(*RANDOM_GAPS), 0.083),
    ],
)
def test_timestamp_score(ts: np.ndarray, score: float) -> None:
    assert rita.timestamp_score(ts.astype(np.int64)) == pytest.approx(score, abs=TOLERANCE)


@pytest.mark.parametrize(
    ("values", "default", "score"),
    [
        (range(1, 11), 0.0, 0.773),
        ([60] * 9, 0.0, 1.0),
        ([98, 99, 99, 100, 100, 100, 101, 101, 102], 0.0, 0.995),
        (RANDOM_SIZES, 0.0, 0.008),
        (RANDOM_GAPS, 1.0, 0.083),
        ([0] * 10, 0.0, 0.5),
        ([0] * 10, 1.0, 1.0),
        (range(-10, 0), 0.0, 0.5),
        ([7, 8] * 4 + [7], 1.0, 1.0),
        ([1, 1, 2, 2, 2, 2], 1.0, 1.0),
    ],
)
def test_statistical_score(values: list[float], default: float, score: float) -> None:
    assert rita.statistical_score(ordered(*values), default) == pytest.approx(score, abs=TOLERANCE)


@pytest.mark.parametrize(
    ("values", "skew"),
    [(range(1, 11), 0.0), ([98, 300] * 5, 0.0), (RANDOM_GAPS, 0.845), (RANDOM_SIZES, 0.984)],
)
def test_bowley_skew(values: list[float], skew: float) -> None:
    assert rita.bowley_skew(ordered(*values)) == pytest.approx(skew, abs=TOLERANCE)


@pytest.mark.parametrize(
    ("first", "last", "ts", "bars", "min_bars", "counts", "run", "score"),
    [
        (1, 11, np.repeat(np.arange(1, 11), np.arange(1, 11)), 10, 6, [*range(1, 11)], 10, 0.478),
        (T0, T0 + 24 * HOUR_S, T0 + HOUR_S * np.arange(24), 24, 11, [1] * 24, 24, 1.0),
        (98, 102, [98, 99, 99, 100, 100, 100, 101, 101, 102], 8, 6, [1, 0, 2, 0, 3, 0, 2, 1], 3, 0.064),
        (
            *(0, 1_000_000),
            [1, 3, 41, 50, 5000, 12001, 98654, 104001, 199999, 200400, 524885, 965842],
            *(10, 6, [7, 2, 1, 0, 0, 1, 0, 0, 0, 1], 4, 0.0),
        ),
        (
            *(0, 100),
            [at + base for base in range(0, 100, 20) for at in (1, 2, 3, 4, 15)],
            *(10, 6, [4, 1] * 5, 10, 1.0),
        ),
        (0, 250, [10, 20, 100, 110, 110, 220], 5, 6, [2, 0, 3, 0, 1], 2, 0.028),
        (T0, T0 + 24 * HOUR_S, T0 + 60 * np.arange(10), 24, 11, [10] + [0] * 23, 1, 0.0),
    ],
)
def test_histogram_score(
    first: int, last: int, ts: list[int], bars: int, min_bars: int, counts: list[int], run: int, score: float
) -> None:
    got = rita.histogram(np.array(ts, np.int64), first, last, bars)
    assert got.tolist() == counts
    assert rita.longest_run(got) == run
    assert rita.histogram_score(got, min_bars) == pytest.approx(score, abs=TOLERANCE)


@pytest.mark.parametrize(
    ("seen_first_h", "seen_last_h", "bars", "run", "score"),
    [
        (0, 24, 24, 24, 1.0),
        (0, 24, 6, 0, 1.0),
        (12, 24, 6, 0, 0.5),
        (6, 24, 6, 0, 0.75),
        (12, 24, 12, 12, 1.0),
        (12, 18, 6, 6, 0.5),
        (6, 18, 12, 6, 0.5),
        (6, 18, 3, 1, 0.0),
    ],
)
def test_duration_score(seen_first_h: int, seen_last_h: int, bars: int, run: int, score: float) -> None:
    seen = (T0 + seen_first_h * HOUR_S, T0 + seen_last_h * HOUR_S)
    got = rita.duration_score(T0, T0 + 24 * HOUR_S, *seen, bars, run)
    assert got == pytest.approx(score, abs=TOLERANCE)


@pytest.mark.parametrize(("parts", "score"), [((1, 1, 1, 1), 1.0), ((0.1, 0.2, 0.3, 0.4), 0.25)])
def test_beacon_score(parts: tuple[float, float, float, float], score: float) -> None:
    assert rita.beacon_score(*parts) == pytest.approx(score, abs=TOLERANCE)


def test_steps_of_the_threat_score() -> None:
    """The thresholds of RITA's default configuration: 50, 70, 90 and 100 % are low to the cap of high."""
    values = np.array([0, 49.9, 50, 60, 70, 90, 95, 100, 120])
    assert rita.stepped(values, rita.BEACON_STEPS) == pytest.approx([0, 0, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.8])
