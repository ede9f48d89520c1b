"""Gaps between the events of every pair at once, without a loop over pairs."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_GAPS = 3


def positive_gaps(ev: Any) -> tuple[Floats, Ints]:
    """Gaps above 0 between neighbouring events of one pair, in order, and the number of the pair of each."""
    pair = np.repeat(np.arange(ev.n), np.diff(ev.off))
    gap = np.diff(ev.ts)
    kept = (pair[1:] == pair[:-1]) & (gap > 0)
    return gap[kept], pair[1:][kept]


def medians(value: Floats, pair: Ints, n: int) -> Floats:
    """The median of each pair's values, float64[n]; NaN where a pair has none. pair : ascending"""
    ordered = value[np.lexsort((value, pair))]
    count = np.bincount(pair, minlength=n)
    begin = np.cumsum(count) - count
    result = np.full(n, np.nan)
    some = count > 0
    low, high = (begin + (count - 1) // 2)[some], (begin + count // 2)[some]
    result[some] = (ordered[low] + ordered[high]) / 2
    return result
