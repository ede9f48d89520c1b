"""Where a channel stands in its host's day, against a naive twin, and worked examples."""

import math
from collections import defaultdict

import numpy as np
import pytest

from analyzers.beacon.measure import measure_channels
from analyzers.beacon.pause import RESOLUTION_S
from analyzers.beacon.place import (
    BIN_S,
    BINS_OF_A_SHORT_DAY,
    PEOPLE_LEAST,
    PEOPLE_SHARE,
    SHORTEST_BIN_S,
    place_channels,
)
from analyzers.series import Series
from tests.support.series import browsing, clock, make_series

COUNTS = ("before", "after", "fill", "spread", "follow", "n_quiet_log", "people_share", "people_top", "n_timed_log")


def naive(series: Series, pauses: np.ndarray, timed: np.ndarray) -> list[dict[str, float]]:
    start = int(series.ts_ns.min())
    span = (int(series.ts_ns.max()) - start) / 1e9
    width = min(BIN_S, max(span / BINS_OF_A_SHORT_DAY, SHORTEST_BIN_S))
    bins = [
        [int((int(t) - start) / 1e9 / width) for t in series.ts_ns[series.off[c] : series.off[c + 1]]]
        for c in range(len(series))
    ]
    rows = []
    for c in range(len(series)):
        own = [d for d in range(len(series)) if series.orig_ip[d] == series.orig_ip[c] and bins[d]]
        busy = sorted({b for d in own for b in bins[d]})
        active: defaultdict[int, set[int]] = defaultdict(set)
        for d in own:
            for b in bins[d]:
                if not timed[d]:
                    active[b].add(d)
        ranked = sorted(len(active[b]) for b in busy)
        top = ranked[9 * (len(ranked) - 1) // 10]
        people = {b for b in busy if len(active[b]) >= max(PEOPLE_LEAST, PEOPLE_SHARE * top)}
        times = series.ts_ns[series.off[c] : series.off[c + 1]]
        beats = [b for i, b in enumerate(bins[c]) if i == 0 or (times[i] - times[i - 1]) / 1e9 > pauses[c]]
        between = [b for b in busy if bins[c][0] <= b <= bins[c][-1]]
        with_people = sum(b in people for b in beats)
        chance = (sum(b in people for b in between) + 1) / (len(between) + 2)
        rows.append(
            {
                "before": sum(b < bins[c][0] for b in busy) / len(busy),
                "after": sum(b > bins[c][-1] for b in busy) / len(busy),
                "fill": len(set(beats)) / len(between),
                "spread": len(set(beats)) / min(len(beats), len(between)),
                "follow": math.log((with_people + 2 * chance) / (len(beats) + 2) / chance),
                "n_quiet_log": math.log(1 + len(beats) - with_people),
                "people_share": len(people) / len(busy),
                "people_top": top,
                "n_timed_log": math.log(1 + sum(timed[d] for d in own)),
            }
        )
    return rows


@pytest.mark.parametrize("seed", range(12))
def test_naive_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    channels = []
    for _ in range(int(rng.integers(2, 30))):
        begin, n = rng.uniform(0, 20_000), int(rng.integers(1, 60))
        made = clock(rng, n, rng.uniform(5, 900), 0.2) if rng.random() < 0.4 else browsing(rng, n)
        channels.append(begin + made)
    series = make_series(channels, orig_ip=[f"10.0.0.{rng.integers(1, 4)}" for _ in channels])
    stats = measure_channels(series)
    timed = rng.random(len(channels)) < 0.3
    places = place_channels(series, stats, timed)
    pauses = np.maximum(stats["burst_gap_s"], RESOLUTION_S)
    for row, expected in zip(places, naive(series, pauses, timed), strict=True):
        assert {name: row[name] for name in COUNTS} == pytest.approx(expected, abs=1e-9), f"seed {seed}"


def day(rng: np.random.Generator) -> list[np.ndarray]:
    """Thirty things a person does between 9 and 12, and the events of one more channel to be appended."""
    return [9 * 3600 + np.sort(rng.uniform(0, 3 * 3600, 40)) for _ in range(30)]


def test_what_goes_on_when_people_left_does_not_follow_them() -> None:
    rng = np.random.default_rng(2)
    beacon = np.arange(0, 86_400, 300.0)
    series = make_series([*day(rng), beacon], orig_ip=["10.0.0.1"] * 31)
    places = place_channels(series, measure_channels(series), np.array([False] * 30 + [True]))
    person, timer = places[0], places[-1]
    assert timer["follow"] == pytest.approx(0, abs=0.1)
    assert timer["quiet_nats"] > 2
    assert timer["fill"] == pytest.approx(1)
    assert person["follow"] == pytest.approx(0, abs=0.1)  # it is never there without people
    assert person["n_quiet_log"] == 0


def test_what_follows_people_stands_out() -> None:
    rng = np.random.default_rng(3)
    visits = [*day(rng), np.arange(0, 86_400, 300.0), np.append(9 * 3600 + np.sort(rng.uniform(0, 10_000, 50)), 80_000)]
    series = make_series(visits, orig_ip=["10.0.0.1"] * 32)
    places = place_channels(series, measure_channels(series), np.array([False] * 30 + [True, False]))
    assert places[-1]["follow"] > 0.9


def test_no_events_no_place() -> None:
    series = make_series([[], [1.0, 2.0]])
    places = place_channels(series, measure_channels(series), np.zeros(2, np.bool_))
    assert places[0] == np.zeros(1, places.dtype)[0]
    assert len(place_channels(make_series([]), measure_channels(make_series([])), np.zeros(0, np.bool_))) == 0


def test_events_outside_the_span_that_was_said_have_a_place() -> None:
    """As when a sensor brings events between the question for the span and the one for the events."""
    series = make_series([np.arange(20) * 3600.0, [0.0, 90 * 3600.0]], orig_ip=["10.0.0.1"] * 2)
    stats, timed = measure_channels(series), np.zeros(2, np.bool_)
    middle = (int(series.ts_ns[3]), int(series.ts_ns[9]))
    assert (place_channels(series, stats, timed, middle) == place_channels(series, stats, timed)).all()


def test_a_senseless_time_costs_no_memory() -> None:
    century = 100 * 365 * 86_400.0
    series = make_series([[*(np.arange(20) * 60.0), century]])
    (place,) = place_channels(series, measure_channels(series), np.zeros(1, np.bool_))
    assert place["fill"] == pytest.approx(1)  # two bins of the century's 8,192
    assert place["spread"] == pytest.approx(1)
