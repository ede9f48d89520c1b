"""The mean wait from the gaps of a channel: loops as frameworks have them, with beats missed and foreign gaps."""

import numpy as np
import pytest

from analyzers.beacon.measure import measure_channels
from analyzers.beacon.period import mean_wait, waits
from tests.support.series import make_series


def wait_of(gaps: np.ndarray) -> float:
    ordered = np.sort(gaps)
    return mean_wait(ordered, *waits(ordered), 0.0)


def share_right(make: object, mean_s: float, off: float = 0.05) -> float:
    """How often, of 100 channels, the wait is found within `off`."""
    found = np.array([wait_of(make(np.random.default_rng(seed))) for seed in range(100)])  # type: ignore[operator]
    return float((np.abs(found / mean_s - 1) <= off).mean())


@pytest.mark.parametrize(("jitter", "share"), [(0.0, 1.0), (0.2, 0.95), (0.5, 0.93), (0.9, 0.85), (1.0, 0.75)])
def test_uniform_waits(jitter: float, share: float) -> None:
    assert share_right(lambda rng: rng.uniform(60 * (1 - jitter), 60 * (1 + jitter), 80) + 1e-3, 60) >= share


@pytest.mark.parametrize("jitter", [0.1, 0.4])
def test_missed_beats_do_not_stretch_the_wait(jitter: float) -> None:
    def make(rng: np.random.Generator) -> np.ndarray:
        times = np.cumsum(rng.uniform(60 * (1 - jitter), 60 * (1 + jitter), 150))
        return np.diff(times[rng.random(150) > 0.25])

    assert share_right(make, 60) >= 0.9


def test_absences_and_an_operator_at_work_are_foreign() -> None:
    def make(rng: np.random.Generator) -> np.ndarray:
        return np.concatenate([rng.uniform(30, 90, 100), rng.uniform(2_000, 40_000, 5), rng.uniform(0.5, 3, 15)])

    assert share_right(make, 60) >= 0.9


def test_the_ends_tell_more_than_the_mean() -> None:
    """Ten gaps of +-50 %: the mean is within 5 % in four of ten channels; the middle of the ends does better."""

    def make(rng: np.random.Generator) -> np.ndarray:
        return rng.uniform(30, 90, 10)

    by_mean = np.mean([abs(make(np.random.default_rng(seed)).mean() / 60 - 1) <= 0.05 for seed in range(100)])
    assert share_right(make, 60) > by_mean


def test_time_has_no_unit() -> None:
    gaps = np.random.default_rng(5).uniform(30, 90, 60)
    assert wait_of(gaps * 1e-3) == pytest.approx(wait_of(gaps) * 1e-3, rel=1e-6)


def test_a_pause_does_not_cut_into_a_wide_jitter() -> None:
    """Two connections a check-in, a second apart, and waits from 12 to 108 seconds: no two beats become one."""
    rng = np.random.default_rng(6)
    beats = np.cumsum(rng.uniform(12, 108, 300))
    row = measure_channels(make_series([np.concatenate([beats, beats + rng.uniform(0.5, 1.2, 300)])]))[0]
    assert row["n_beats"] == pytest.approx(300, rel=0.03)
    assert row["beat_s"] == pytest.approx(60, rel=0.05)


def test_thousands_of_quick_commands_do_not_hide_a_wide_hourly_sleep() -> None:
    rng = np.random.default_rng(7)
    beats = np.cumsum(rng.uniform(1_200, 6_000, 60))
    session = beats[20] + 60 + np.cumsum(rng.uniform(0.3, 0.6, 3_000))
    row = measure_channels(make_series([np.concatenate([beats, session])]))[0]
    assert row["beat_s"] == pytest.approx(3_600, rel=0.08)


@pytest.mark.parametrize("gap_s", [0.35, 2.0])
def test_the_sleep_that_fills_the_time_is_told_though_its_jitter_leaves_no_evidence(gap_s: float) -> None:
    """Forty sleeps of half a minute to half an hour, and an operator who types all evening by a far clearer clock."""
    found = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        beats = np.cumsum(rng.uniform(30, 1_800, 40))
        session = beats[25] + 20 + np.cumsum(gap_s * rng.uniform(0.8, 1.2, 2_000))
        beats = beats[(beats < session[0]) | (beats > session[-1])]
        found.append(measure_channels(make_series([np.sort(np.concatenate([beats, session]))]))[0]["beat_s"])
    assert np.median(found) == pytest.approx(915, rel=0.1)


def test_a_burst_is_no_slower_loop() -> None:
    """Of two speeds the one that fills more of the time is told."""
    rng = np.random.default_rng(8)
    times = np.cumsum(np.concatenate([part for _ in range(3) for part in (np.full(4, 100.0), rng.uniform(9, 11, 200))]))
    assert measure_channels(make_series([times]))[0]["beat_s"] == pytest.approx(10, rel=0.05)


def test_few_gaps_of_a_moderate_jitter_are_told_by_their_ends() -> None:
    """Nine gaps of +-13 %: the median is within 2 % in half of the channels, the middle of the ends in more."""
    gaps = [np.random.default_rng(seed).uniform(52, 68, 9) for seed in range(60)]
    rows = measure_channels(make_series([np.cumsum(np.append(0.0, row)) for row in gaps]))
    near = np.mean(np.abs(rows["beat_s"] / 60 - 1) <= 0.02)
    assert near > np.mean([abs(np.median(row) / 60 - 1) <= 0.02 for row in gaps])


def test_waits_that_reach_down_to_the_pause_go_on_below() -> None:
    ordered = np.sort(np.random.default_rng(9).uniform(6, 100, 300))
    assert mean_wait(ordered, 6.0, 100.0, 6.0) == pytest.approx(51.5)
    assert mean_wait(ordered, 6.0, 100.0, 0.25) == pytest.approx(53, rel=0.05)
