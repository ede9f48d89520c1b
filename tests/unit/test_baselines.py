"""The detectors we compare with: what each can and cannot see, on a small network made here."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from benchmarks.baselines import baywatch, cv, elastic, fisher, flare, mad, rita, sentinel
from benchmarks.baselines.gaps import medians
from benchmarks.detection_table import Measured, comparison, first_pairs, load

DAY_S, BEAT_S = 86_400.0, 60.0
CLOCK, JITTER, CHANCE, FEW, EMPTY = range(5)


@dataclass
class Events:
    """What the evaluation hands to a detector: the pairs CLOCK, JITTER (+-50 %), CHANCE (Poisson), FEW and EMPTY."""

    n: int = 5
    n_hosts: int = 5
    off: Any = None
    ts: Any = None
    window: tuple[float, float] = (0.0, DAY_S)
    pair_src: Any = field(default_factory=lambda: np.arange(5))
    pair_dst: Any = field(default_factory=lambda: np.arange(5))

    def __post_init__(self) -> None:
        rng = np.random.default_rng(1)
        n = int(DAY_S / BEAT_S) - 1
        pairs = [
            BEAT_S * np.arange(1, n),
            np.cumsum(rng.uniform(0.5 * BEAT_S, 1.5 * BEAT_S, n)),
            np.cumsum(rng.exponential(BEAT_S, n)),
            np.array([10.0, 20.0, 40.0, 41.0]),
            np.zeros(0),
        ]
        pairs = [ts[ts < DAY_S] for ts in pairs]
        self.off = np.cumsum([0, *map(len, pairs)])
        self.ts = np.concatenate(pairs)
        self.orig_bytes = rng.integers(300, 900, len(self.ts))
        self.resp_bytes = rng.integers(300, 900, len(self.ts))
        self.duration = np.full(len(self.ts), 0.5)

    def eligible(self) -> Any:
        return np.flatnonzero(np.diff(self.off) >= 4)

    def prevalence(self) -> Any:
        return np.ones(self.n, np.int64)


EV = Events()
SCORERS = {
    "rita": rita.score, "elastic": elastic.score, "sentinel": sentinel.score, "flare": flare.score,
    "baywatch": baywatch.score, "cv": cv.score, "mad": mad.score, "fisher": fisher.score,
}  # fmt: skip


@pytest.mark.parametrize("name", SCORERS)
def test_an_exact_clock_scores_above_chance_and_its_period_is_found(name: str) -> None:
    got = SCORERS[name](EV)
    score = np.asarray(got["score"])
    assert score.shape == (EV.n,)
    assert np.isfinite(score).all()
    assert score[CLOCK] > score[CHANCE]
    assert score[EMPTY] == 0
    if name != "elastic":  # its shortest period is two buckets of a minute
        assert got["period"][CLOCK] == pytest.approx(BEAT_S, rel=0.02)


@pytest.mark.parametrize("name", SCORERS)
def test_events_are_left_as_they_were(name: str) -> None:
    before = EV.ts.copy()
    SCORERS[name](EV)
    assert (before == EV.ts).all()


def test_rita_hardly_tells_jitter_from_chance() -> None:
    """Why another score is needed: Poisson polling of one destination stands where a jittered beacon does."""
    score = rita.score(EV)["score"]
    assert score[CHANCE] > 0.7
    assert score[JITTER] - score[CHANCE] < 0.15


def test_exact_gap_rules_are_blind_to_jitter() -> None:
    assert flare.score(EV)["score"][JITTER] < 0.5
    assert sentinel.score(EV)["score"][JITTER] < 1 < sentinel.score(EV)["score"][CLOCK]


def test_ranking_puts_long_connections_and_strobes_above_quiet_pairs() -> None:
    ev = Events()
    ev.duration[ev.off[FEW] : ev.off[FEW + 1]] = 4 * 3600.0
    ranked = rita.ranking(ev)["score"]
    assert ranked[FEW] > rita.ranking(EV)["score"][FEW]
    assert ranked[EMPTY] == 0


def test_medians_are_numpys() -> None:
    rng = np.random.default_rng(2)
    pair = np.sort(rng.integers(0, 9, 100))
    value = rng.normal(size=100)
    expected = [np.median(value[pair == i]) if (pair == i).any() else np.nan for i in range(12)]
    assert medians(value, pair, 12) == pytest.approx(expected, nan_ok=True)


def test_fishers_p_value_is_the_share_of_white_noise_that_stands_out_as_much() -> None:
    rng = np.random.default_rng(3)
    power = rng.exponential(size=(20_000, 30))
    g = power.max(1) / power.sum(1)
    for at in (0.12, 0.16, 0.2):
        assert math.exp(fisher.log_p_value(at, 30)) == pytest.approx((g >= at).mean(), rel=0.1)
    assert fisher.log_p_value(0.05, 2000) == pytest.approx(math.log(2000) - 100)
    assert fisher.log_p_value(1.0, 30) == -math.inf


def test_a_fast_length_is_long_enough_and_smooth() -> None:
    for n in range(1, 3000):
        length = baywatch.fast_length(n)
        assert n <= length < 1.34 * n + 1
        assert length // (length & -length) in (1, 3, 5)


def test_a_detector_that_is_not_here_is_named() -> None:
    found, absent = load(["CV=benchmarks.baselines.cv:score", "other=no_such_package.at_all:score"])
    assert list(found) == ["CV"]
    assert absent == ["other was left out: No module named 'no_such_package'"]


def test_the_first_pairs_stand_alone() -> None:
    few = first_pairs(EV, 2)
    assert (few.n, len(few.ts), len(EV.ts)) == (2, EV.off[2], EV.off[-1])
    assert cv.score(few)["score"] == pytest.approx(cv.score(EV)["score"][:2])


def test_a_row_shows_what_is_not_known_as_a_dash() -> None:
    result = {"TPR@0.0001": 0.5, "TPR@0.001": 0.6, "TPR@0.01": 0.7, "TPRnp@0.0001": 0.8}
    rows = list(comparison({"x": Measured(result, result | {"AP": 0.25}, 12.34)}))
    assert rows[2] == "| x | no | - | 0.500 | 0.600 | 0.700 | 0.800 | - | 12.3 |"
    assert rows[3].startswith("| x | yes | 0.250 |")
