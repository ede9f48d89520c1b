"""What is measured of a channel: beats, bursts, missed beats, stretches, sizes."""

import numpy as np
import pytest

from analyzers.beacon import measure_channels
from tests.support.series import clock, make_series

SEED = 20260106


def measured(times: object, **columns: object) -> np.void:
    return measure_channels(make_series([times], **columns))[0]  # type: ignore[list-item]


def test_an_exact_clock() -> None:
    row = measured(np.arange(20) * 60.0)
    assert row["n_beats"] == row["n_events"] == 20
    assert row["n_window"] == 19
    assert row["n_missed"] == 0
    assert row["interval_s"] == pytest.approx(60)
    assert row["high_s"] - row["low_s"] == pytest.approx(0)
    assert row["coverage"] == pytest.approx(1)
    assert row["span_s"] == pytest.approx(19 * 60)
    assert (row["same_size_bytes"], row["n_same_size"], row["n_sized"]) == (310, 20, 20)


def test_missed_beats_are_counted() -> None:
    times = np.delete(np.arange(40) * 60.0, [5, 11, 12, 30])
    row = measured(times)
    assert row["n_beats"] == 36
    assert row["n_window"] == 32
    assert row["n_multiple"] == 3
    assert row["n_missed"] == 4
    assert row["coverage"] == pytest.approx(1)


def test_bursts_are_beats() -> None:
    starts = np.arange(20) * 60.0
    row = measured(np.concatenate([starts, starts + 0.7, starts + 1.9]))
    assert (row["n_events"], row["n_beats"], row["n_window"]) == (60, 20, 19)
    assert row["interval_s"] == pytest.approx(60)
    assert 1.2 <= row["burst_gap_s"] < 58


def test_parallel_connections_are_one_beat() -> None:
    starts = np.arange(20) * 60.0
    row = measured(np.concatenate([starts, starts + 0.1, starts + 0.3]))
    assert (row["n_beats"], row["n_window"]) == (20, 19)


def test_a_sleep_after_work_of_varying_length() -> None:
    """The pause is what the timer sets: its spread is told, not that of the work."""
    rng = np.random.default_rng(SEED)
    times, now = [], 0.0
    for _ in range(40):
        for _ in range(int(rng.integers(1, 12))):
            times.append(now)
            now += rng.uniform(0.5, 2.0)
        now = times[-1] + 60.0
    row = measured(times)
    assert row["n_beats"] == 40, f"seed {SEED}"
    assert row["interval_s"] == pytest.approx(60)
    assert (row["high_s"] - row["low_s"]) / row["interval_s"] < 0.01


def test_absences_split_stretches() -> None:
    day = np.arange(100) * 60.0
    row = measured(np.concatenate([day, day + 86_400, day + 2 * 86_400]))
    assert row["n_stretches"] == 3
    assert row["n_window"] == 297


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_too_few_events_are_counted_only(n: int) -> None:
    row = measured(np.arange(n) * 60.0)
    assert row["n_events"] == n
    assert row["n_window"] == 0
    assert row["n_beats"] == n


def test_all_events_at_one_time() -> None:
    row = measured(np.zeros(50))
    assert (row["n_events"], row["n_beats"], row["n_window"]) == (50, 1, 0)


def test_times_of_whole_seconds_are_not_taken_for_exact() -> None:
    """Gaps of 2 s in a log with whole seconds say 1 to 3 s: less evidence than gaps of 2.000 s."""
    rng = np.random.default_rng(SEED)
    fine = measured(np.arange(50) * 2.0 + rng.uniform(0, 1e-4, 50))
    coarse = measured(np.arange(50) * 2.0)
    assert coarse["surplus_nats"] < 0.6 * fine["surplus_nats"]


def test_sizes_are_those_of_the_largest_request_of_a_beat() -> None:
    starts = np.arange(10) * 60.0
    series = make_series([np.concatenate([starts, starts + 0.1])])
    series.orig_bytes = np.tile(np.array([20, 500], np.int64), 10)
    row = measure_channels(series)[0]
    assert (row["same_size_bytes"], row["n_same_size"], row["n_sized"]) == (500, 10, 10)


def test_channels_do_not_touch_each_other() -> None:
    rng = np.random.default_rng(SEED)
    channels = [clock(rng, int(n), 30, 0.2) for n in rng.integers(0, 60, 40)]
    together = measure_channels(make_series(channels))
    for i, times in enumerate(channels):
        assert together[i] == measured(times)


def test_empty_series() -> None:
    assert len(measure_channels(make_series([]))) == 0


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("off", np.array([0, 5], np.int64), "off must ascend"),
        ("ts_ns", np.arange(10, dtype=np.int64)[::-1].copy(), "ts_ns must ascend"),
        ("answered", np.ones(3, np.bool_), "answered has 3 rows for 10 events"),
        ("dest", [], "dest has 0 rows for 1 channels"),
    ],
)
def test_a_series_that_contradicts_itself(column: str, value: object, said: str) -> None:
    series = make_series([np.arange(10) * 60.0])
    setattr(series, column, value)
    with pytest.raises(ValueError, match=said):
        measure_channels(series)
