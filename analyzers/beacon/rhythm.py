"""Kernels: what the beats of a channel show beyond the densest window, and what its sizes do.

All of it is in ratios, so neither the unit of time nor of size matters, and nothing here knows a clock time.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzers.beacon.window import densest_window
from sensor.jit import kernel

NEAR = 8.0
"""Gaps within this factor of the median belong to the same rhythm; the rest are absences or bursts."""

DRIFT_GAPS = 6
CHANGE_GAPS, CHANGE_ENOUGH = 6, 1024
"""A change leaves at least so many gaps on either side; of more than a thousand, every second, third, ... is taken."""

PARTS_FROM = (24, 64)
"""Gaps from which a channel is judged in two and in four parts as well."""


@kernel()
def describe_gaps(gaps: NDArray[np.float64], ordered: NDArray[np.float64], beat_s: float, row: Any) -> None:
    """Fill the fields of `row` that describe all gaps from beat to beat.

    gaps : float64[n], seconds, in time order, above 0; n of 3 or more
    ordered : float64[n], the same, ascending
    beat_s : the beat that was found, or 0
    """
    n = gaps.shape[0]
    median = ordered[n // 2]
    row["median_s"] = median
    row["low_log"] = math.log(median / ordered[n // 10])
    row["high_log"] = math.log(ordered[n - 1 - n // 10] / median)
    total, squares, near = 0.0, 0.0, 0
    for i in range(n):
        if median <= gaps[i] * NEAR and gaps[i] <= median * NEAR:
            x = math.log(gaps[i] / median)
            total, squares, near = total + x, squares + x * x, near + 1
    row["spread_log"] = math.sqrt(max(squares / near - (total / near) ** 2, 0.0))
    row["drift_log"] = _drift(gaps, beat_s if beat_s > 0 else median)


@kernel()
def change_of(gaps: NDArray[np.float64]) -> tuple[float, int]:
    """ln of how much longer gaps are on one side of a moment, times the share of their variance that this explains;
    and how many gaps lie before the moment.

    A sleep that is set anew stays so; what polls faster while people are there goes to and fro. The moment is the best
    of all that leave CHANGE_GAPS gaps on either side. Bursts are left in, for a slower loop would take the faster one
    for a burst. gaps : float64[n], seconds, in time order, above 0
    """
    stride = 1 + gaps.shape[0] // CHANGE_ENOUGH
    logs = np.log(gaps[::stride])
    n = logs.shape[0]
    if n < 2 * CHANGE_GAPS:
        return 0.0, 0
    middle, most = np.median(logs), math.log(NEAR)
    logs = np.minimum(np.maximum(logs - middle, -most), most)
    total, best, before, at = logs.sum(), 0.0, 0.0, 0
    variance = (logs * logs).sum() - total * total / n
    if variance <= 0:
        return 0.0, 0
    for i in range(n - CHANGE_GAPS):
        before += logs[i]
        if i + 1 >= CHANGE_GAPS:
            step = abs(before / (i + 1) - (total - before) / (n - i - 1))
            worth = step * step * step * (i + 1) * (n - i - 1) / n
            if worth > best:
                best, at = worth, (i + 1) * stride
    return best / variance, at


@kernel()
def _drift(gaps: NDArray[np.float64], beat_s: float) -> float:
    """ln of how much the sums of DRIFT_GAPS gaps vary over what independent gaps would; 0 where too few to tell.

    A sleep loop forgets (0); a wall clock makes up for a late beat (negative); work that comes in phases drifts off.
    """
    single, n_single, summed, n_summed, run, total = 0.0, 0, 0.0, 0, 0, 0.0
    for i in range(gaps.shape[0]):
        x = gaps[i] - beat_s
        if abs(x) > 0.6 * beat_s:  # an absence, a burst or a beat missed: start anew after it
            run, total = 0, 0.0
            continue
        single, n_single = single + x * x, n_single + 1
        run, total = run + 1, total + x
        if run == DRIFT_GAPS:
            summed, n_summed, run, total = summed + total * total, n_summed + 1, 0, 0.0
    if n_summed < 2 or single <= 0:
        return 0.0
    return math.log(summed / n_summed / (DRIFT_GAPS * single / n_single) + 1e-3)


@kernel()
def judge_parts(gaps: NDArray[np.float64], ordered: NDArray[np.float64], row: Any) -> None:
    """Evidence for a timer in parts of the channel: a sleep that was changed is a clock in each part, not in the whole.

    gaps, ordered : as for describe_gaps
    """
    n = gaps.shape[0]
    parts = 1
    for most in PARTS_FROM:
        if n >= most:
            parts *= 2
    best, total = -np.inf, 0.0
    for k in range(parts):
        begin, end = n * k // parts, n * (k + 1) // parts
        part = ordered if parts == 1 else np.sort(gaps[begin:end])
        nats = densest_window(part, 0, 0.0, 0.0)[0]
        gain = (nats - math.log(end - begin)) / (end - begin)
        best, total = max(best, gain), total + gain
    row["part_best_nats"], row["part_mean_nats"] = best, total / parts


@kernel()
def commonest(sizes: NDArray[np.int64]) -> tuple[int, int]:
    """(size, how many) of the densest window of sizes, 5 % or 8 bytes wide; `sizes` ascending and not empty."""
    top, at, end = 0, 0, 0
    for i in range(sizes.shape[0]):
        limit = max(sizes[i] + 8, sizes[i] + sizes[i] // 20)
        while end < sizes.shape[0] and sizes[end] <= limit:
            end += 1
        if end - i > top:
            top, at = end - i, i
    return sizes[at + top // 2], top


@kernel()
def describe_sizes(sizes: NDArray[np.int64]) -> tuple[float, float, float, float]:
    """(share of the commonest size, ln(1 + median), ln(largest / median), ln(75th / 25th percentile)).

    sizes : int64[n], bytes, ascending, not empty; ratios are taken over 64 bytes more, so that small ones do not count
    """
    n = sizes.shape[0]
    median = sizes[n // 2]
    return (
        commonest(sizes)[1] / n,
        math.log(1.0 + median),
        math.log((sizes[n - 1] + 64.0) / (median + 64.0)),
        math.log((sizes[3 * (n - 1) // 4] + 64.0) / (sizes[(n - 1) // 4] + 64.0)),
    )
