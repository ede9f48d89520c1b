"""Coefficient of variation: 1 / (1 + SD / mean) of the gaps. The first thing that anybody tries."""

from typing import Any

import numpy as np

from benchmarks.baselines.gaps import MIN_GAPS, medians, positive_gaps


def score(ev: Any) -> dict[str, Any]:
    """1 for equal gaps, 0.5 for a Poisson process; the period is the median gap."""
    gap, pair = positive_gaps(ev)
    count = np.maximum(np.bincount(pair, minlength=ev.n), 1)
    mean = np.bincount(pair, gap, ev.n) / count
    variance = np.bincount(pair, (gap - mean[pair]) ** 2, ev.n) / count
    with np.errstate(invalid="ignore", divide="ignore"):
        even = 1 / (1 + np.sqrt(variance) / mean)
    return {"score": np.where(count < MIN_GAPS, 0.0, even), "period": medians(gap, pair, ev.n)}
