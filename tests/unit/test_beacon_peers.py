"""How a channel differs from others at its destination, against a naive twin; which channels take turns."""

from statistics import median

import numpy as np
import pytest

from analyzers.beacon.peers import (
    ENOUGH_PEERS,
    SAME_PERIOD_LOG,
    TWIN_COUNT_LOG,
    TWIN_ORIG_LOG,
    TWIN_RESP_LOG,
    TWIN_SPAN,
    Habits,
    compare_with_peers,
    twin_pairs,
)


def random_habits(rng: np.random.Generator, n: int) -> Habits:
    dest = rng.integers(-5, 5, n) * 2**60
    counts = {int(d): int((dest == d).sum() + rng.integers(0, 3)) for d in dest}
    return Habits(
        dest=dest,
        clock=rng.random(n),
        timed=rng.random(n) < 0.5,
        period_log=np.log(rng.choice([10.0, 60.0, 64.0, 3600.0], n)),
        orig_log=rng.normal(6, 0.3, n),
        resp_log=rng.normal(7, 0.5, n),
        events_log=np.log(rng.integers(4, 50, n)),
        orig_share=rng.random(n),
        clients=np.array([counts[int(d)] for d in dest]),
    )


@pytest.mark.parametrize("seed", range(10))
def test_naive_twin_of_the_comparison(seed: int) -> None:
    rng = np.random.default_rng(seed)
    habits = random_habits(rng, int(rng.integers(1, 60)))
    peers = compare_with_peers(habits)
    for i, row in enumerate(peers):
        same = np.flatnonzero(habits.dest == habits.dest[i])
        timed = [j for j in same if habits.timed[j]]
        others = max(int(habits.clients[i]) - 1, 1)
        n_same = 0
        if habits.timed[i]:
            near = np.abs(habits.period_log[timed] - habits.period_log[i]) <= SAME_PERIOD_LOG
            n_same = int(near.sum()) - 1
        assert row["n_same_log"] == pytest.approx(np.log1p(n_same))
        assert row["same_share"] == pytest.approx(min(n_same / others, 1))
        expected = min((len(timed) - habits.timed[i]) / others, 1) if habits.clients[i] > 1 else 0
        assert row["timed_share"] == pytest.approx(expected)
        enough = len(same) >= ENOUGH_PEERS
        off = habits.orig_log[i] - median(habits.orig_log[same])
        assert row["orig_off"] == pytest.approx(abs(off) if enough else 0)
        off = habits.events_log[i] - median(habits.events_log[same])
        assert row["events_off"] == pytest.approx(off if enough else 0)
        if habits.timed[i] and len(timed) > 1:
            assert row["period_off"] == pytest.approx(abs(habits.period_log[i] - median(habits.period_log[timed])))
        else:
            assert row["period_off"] == 0


def test_nobody_to_compare() -> None:
    assert len(compare_with_peers(random_habits(np.random.default_rng(0), 0))) == 0


@pytest.mark.parametrize("seed", range(6))
def test_naive_twin_of_twins(seed: int) -> None:
    """All pairs of the definition, as long as no more than eight look alike at once."""
    rng = np.random.default_rng(seed)
    n = 9
    habits = random_habits(rng, n)
    client, lone = rng.integers(0, 2, n), rng.random(n) < 0.8
    first, last = rng.uniform(0, 100, n), rng.uniform(900, 1000, n)
    found = {tuple(sorted(pair)) for pair in twin_pairs(client, lone, first, last, habits).tolist()}
    expected = set()
    for i in range(n):
        for j in range(i + 1, n):
            span = TWIN_SPAN * max(last[i] - first[i], last[j] - first[j]) + 1
            if (
                lone[i]
                and lone[j]
                and client[i] == client[j]
                and abs(habits.events_log[i] - habits.events_log[j]) < TWIN_COUNT_LOG
                and abs(first[i] - first[j]) < span
                and abs(last[i] - last[j]) < span
                and abs(habits.orig_log[i] - habits.orig_log[j]) < TWIN_ORIG_LOG
                and abs(habits.resp_log[i] - habits.resp_log[j]) < TWIN_RESP_LOG
            ):
                expected.add((i, j))
    assert found == expected
