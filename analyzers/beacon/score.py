"""From the statistics of a channel to one number between 0 and 1: a sum of four parts, each with its weight.

    timing       0.74   the gaps keep to one beat far more than chance would have it, for long enough
    sharpness    0.08   and keep to it closely
    sizes        0.10   the requests have the same size
    persistence  0.08   many beats

Everything but timing together stays below REPORT_FROM: no channel is called a beacon for its sizes. The sum is scaled
down for fewer than 20 beats and, at the end, for a destination that many of one's own hosts contact. Timing alone
cannot say whose timer it is, so the sum never passes MAX_SCORE. Country, popularity and certificates have no part.
"""

import numpy as np
from numpy.typing import NDArray

from analyzers.beacon.search import FULL_COVERAGE, MIN_BEATS

Floats = NDArray[np.float64]

WEIGHTS = {"timing": 0.74, "sharpness": 0.08, "sizes": 0.10, "persistence": 0.08}
REPORT_FROM = 0.4
MAX_SCORE = 0.94

MAX_ALONE = 0.79
"""Below the high level: a clock says that a machine keeps calling, not whose machine asked it to. Where there are no
hosts to compare with, nothing else can tell a beacon from software that keeps time."""

FULL_GAIN_NATS = 0.5
"""Evidence per gap that earns the whole timing part: +-50 % jitter has 0.84, 30 % missed beats at +-10 % 1.3,
a log-normal of log-deviation 0.5 has 0.2, a Poisson process 0."""

EVIDENCE_FROM_NATS, FULL_EVIDENCE_NATS = 1.0, 8.0
"""Evidence in all that starts to earn it, and earns it whole: one unclocked channel of some thousands gets so far."""

SHARE_FROM, FULL_SHARE = 0.2, 0.6
ENOUGH_FROM, ENOUGH = 5.0, 25.0
"""A beat that most gaps keep counts whole, and so does one that 25 gaps keep among many others. Four gaps out of
eleven that agree to 2 % are what chance brings first."""

FULL_BEATS = 20
MIN_HOSTS = 5
"""With fewer clients than this in view, how many of them contact a destination says nothing."""
COMMON_FROM, COMMON_FULL, COMMON_COST = 0.25, 0.75, 0.15
"""From a quarter of the hosts on, a shared destination costs up to 0.15 (at three quarters)."""


def score_parts(stats: NDArray[np.void]) -> dict[str, Floats]:
    """The four parts of each channel, float64[n] in 0 to 1 before weighting. stats : STATS[n]"""
    gaps = np.maximum(stats["n_beats"] - 1.0, 1.0)
    timed = stats["n_window"] + stats["n_multiple"]
    gain = _ramp(stats["surplus_nats"] / gaps, 0.0, FULL_GAIN_NATS)
    certain = _ramp(stats["surplus_nats"], EVIDENCE_FROM_NATS, FULL_EVIDENCE_NATS)
    kept = np.maximum(_ramp(timed / gaps, SHARE_FROM, FULL_SHARE), _ramp(timed, ENOUGH_FROM, ENOUGH))
    lasting = np.maximum(
        _ramp(stats["coverage"], 0.0, FULL_COVERAGE),
        _ramp(timed / np.maximum(stats["n_stretches"], 1), 5.0, 45.0),
    )
    timing = gain * certain * kept * lasting
    chance = np.where(stats["n_window"] > 0, np.clip(stats["chance_share"], 1e-6, 1.0), 1.0)
    same_size = stats["n_same_size"] / np.maximum(stats["n_sized"], 1)
    return {
        "timing": timing,
        "sharpness": _ramp(-np.log(chance), 0.8, 3.3) * timing,
        "sizes": np.where(stats["n_sized"] >= MIN_BEATS, _ramp(same_size, 0.3, 0.9), 0.0),
        "persistence": _ramp(np.log(np.maximum(stats["n_beats"], 1)), np.log(4.0), np.log(100.0)) * lasting,
    }


def score_channels(stats: NDArray[np.void]) -> Floats:
    """The score of each channel, float64[n]; NaN below MIN_BEATS beats: too few to be judged."""
    parts = score_parts(stats)
    total = sum((WEIGHTS[name] * part for name, part in parts.items()), np.zeros(len(stats)))
    score = np.minimum(total * ceiling(stats["n_beats"]), MAX_SCORE)
    return np.where(stats["n_beats"] < MIN_BEATS, np.nan, score)


def ceiling(n_beats: NDArray[np.int64]) -> Floats:
    """The most that a channel of so many beats can score: 0.5 at 4 beats, 0.63 at 6, 0.84 at 12, 1 from 20."""
    return 0.5 + 0.5 * _ramp(np.log(np.maximum(n_beats, 1)), np.log(MIN_BEATS), np.log(FULL_BEATS))


def common_cost(n_contacting: NDArray[np.int64], n_hosts: int) -> Floats:
    """What a destination loses because many of one's own hosts contact it, float64[n], 0 to COMMON_COST."""
    if n_hosts < MIN_HOSTS:
        return np.zeros(len(n_contacting))
    return COMMON_COST * _ramp(n_contacting / n_hosts, COMMON_FROM, COMMON_FULL)


def _ramp(value: Floats, low: float, high: float) -> Floats:
    """0 up to low, 1 from high, straight in between."""
    return np.clip((value - low) / (high - low), 0.0, 1.0)
