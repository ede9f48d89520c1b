"""What the beats of a channel show beyond the densest window: worked examples."""

import numpy as np
import pytest

from analyzers.beacon import measure_channels
from tests.support.series import clock, make_series, poisson


def measured(times: object, **columns: object) -> np.void:
    return measure_channels(make_series([times], **columns))[0]  # type: ignore[list-item]


def test_a_wall_clock_makes_up_for_a_late_beat_and_a_sleep_loop_does_not() -> None:
    rng = np.random.default_rng(1)
    wall = measured(np.arange(600) * 60.0 + rng.uniform(0, 5, 600))
    sleep = measured(clock(rng, 600, 60, 0.1))
    assert wall["drift_log"] < -1
    assert sleep["drift_log"] == pytest.approx(0, abs=0.5)


def test_a_sleep_that_changes_is_a_clock_in_its_parts() -> None:
    rng = np.random.default_rng(2)
    first = clock(rng, 100, 60, 0.1)
    whole = measured(np.concatenate([first, first[-1] + clock(rng, 100, 400, 0.1)]))
    assert whole["part_best_nats"] > 1
    assert whole["part_mean_nats"] > 1
    assert measured(poisson(rng, 200))["part_best_nats"] < 0.6


def test_a_sleep_set_anew_is_a_change_and_going_to_and_fro_is_none() -> None:
    rng = np.random.default_rng(3)
    gaps = np.concatenate([rng.uniform(50, 60, 80), rng.uniform(250, 300, 40)])
    assert measured(np.cumsum(gaps))["change_log"] == pytest.approx(np.log(5), rel=0.05)
    assert measured(np.cumsum(rng.permutation(gaps)))["change_log"] < 0.1
    assert measured(clock(rng, 200, 60, 0.3))["change_log"] < 0.02
    assert measured(np.cumsum(gaps[75:86]))["change_log"] == 0  # too few on either side


@pytest.mark.parametrize("n_connections", [1, 3])
@pytest.mark.parametrize("jitter", [0.0, 0.3])
def test_before_and_after_a_sleep_was_set_anew_there_is_a_beat_each(n_connections: int, jitter: float) -> None:
    """Also where each check-in is several connections, whose own pauses hide the change among the raw gaps."""
    rng = np.random.default_rng(4)
    first = clock(rng, 150, 60, jitter)
    times = np.concatenate([first, first[-1] + clock(rng, 360, 25, jitter)])
    row = measured((times[:, None] + 0.6 * np.arange(n_connections)).ravel())
    assert row["changed_ns"] / 1e9 == pytest.approx(first[-1] - first[0], abs=120)
    assert row["beat_s"] == row["first_beat_s"]
    assert row["first_beat_s"] == pytest.approx(60, rel=0.05)
    assert row["last_beat_s"] == pytest.approx(25, rel=0.05)


def test_what_is_no_sleep_set_anew() -> None:
    rng = np.random.default_rng(5)
    beats = clock(rng, 300, 60, 0.2)
    commands = beats[-1] + np.cumsum(rng.uniform(0.5, 2, 600))  # an operator's quarter of an hour
    followed = np.cumsum(np.where(np.arange(400) // 40 % 2, 240.0, 60.0) + rng.exponential(0.5, 400))
    halves = np.concatenate([poisson(rng, 150, 60), 150 * 60 + poisson(rng, 450, 15)])
    for times in (beats, np.concatenate([beats, commands]), followed, halves, clock(rng, 11, 60)):
        row = measured(times)
        assert (row["changed_ns"], row["first_beat_s"], row["last_beat_s"]) == (0, 0, 0)


def test_the_spread_of_gaps() -> None:
    exact = measured(np.arange(50) * 60.0)
    assert exact["spread_log"] == exact["low_log"] == exact["high_log"] == 0
    uneven = measured(np.cumsum(np.tile([60.0, 100.0, 160.0], 20)))
    assert uneven["median_s"] == pytest.approx(100)
    assert uneven["low_log"] == pytest.approx(np.log(100 / 60))
    assert uneven["high_log"] == pytest.approx(np.log(1.6))


def test_sizes() -> None:
    series = make_series([np.arange(20) * 60.0])
    series.orig_bytes = np.array([300] * 15 + [900] * 4 + [2_000_000])
    series.resp_bytes = np.array([100] * 10 + [10_000] * 10)
    series.duration_s = np.array([0.0] * 5 + [0.5] * 15)
    row = measure_channels(series)[0]
    assert row["orig_share"] == pytest.approx(0.75)
    assert row["orig_log"] == pytest.approx(np.log(301))
    assert row["orig_top_log"] == pytest.approx(np.log((2_000_000 + 64) / (300 + 64)))
    assert row["resp_share"] == pytest.approx(0.5)
    assert row["resp_spread_log"] == pytest.approx(np.log((10_000 + 64) / (100 + 64)))
    assert row["instant_share"] == pytest.approx(0.25)
    assert measured([0.0, 60.0, 120.0])["orig_share"] == 0  # too few to say anything
