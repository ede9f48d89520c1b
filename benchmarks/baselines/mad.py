"""Median absolute deviation: 1 - MAD / median of the gaps, at least 0. Half of RITA's timestamp score."""

from typing import Any

import numpy as np

from benchmarks.baselines.gaps import MIN_GAPS, medians, positive_gaps


def score(ev: Any) -> dict[str, Any]:
    """1 when half of the gaps or more are equal; the period is the median gap."""
    gap, pair = positive_gaps(ev)
    middle = medians(gap, pair, ev.n)
    deviation = medians(np.abs(gap - middle[pair]), pair, ev.n)
    with np.errstate(invalid="ignore"):
        even = np.maximum(1 - deviation / middle, 0.0)
    return {"score": np.where(np.bincount(pair, minlength=ev.n) < MIN_GAPS, 0.0, even), "period": middle}
