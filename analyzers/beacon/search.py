"""Kernel: the window of gaps that holds a channel's beats, and the pause up to which events are one beat.

A burst (several connections of one check-in) leaves gaps far below the beat, so the search runs on all gaps and again
on only the gaps above a few pauses taken from the gaps' own quantiles.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzers.beacon.pause import BURST_FRACTION, RESOLUTION_S, lull
from analyzers.beacon.window import (
    MAX_MULTIPLE,
    MULTIPLE_MAX_RATIO,
    count_multiples,
    densest_window,
    evidence,
)
from sensor.jit import kernel

MIN_BEATS = 4
"""Fewer beats than this have two gaps or less: nothing can be said of their regularity."""

BURST_QUANTILES = np.array([0.5, 0.8, 0.95])
"""Pauses tried for bursts: these quantiles of the gaps, and the gap from which on gaps fill half the time (thousands of
quick events of an operator take few minutes), each divided by BURST_FRACTION."""

CERTAIN_NATS = 20.0
"""Beyond this a timer is certain, and which of two clocks is the channel's is a matter of the time that they fill,
and of how many of the gaps."""

SEARCH_NATS = 3.5
"""Evidence that choosing the best window gives to chance, besides ln(gaps): measured over the null processes of
tests/unit/test_beacon_null.py (by process and length, up to six channels of a thousand exceed it by 5 nats)."""

FULL_COVERAGE = 0.2
"""Beats that fill this share of the observed time are no burst; an office-hours beacon fills a quarter of a week."""


@kernel()
def search_window(gaps: NDArray[np.float64], base: int, quantum_s: float, row: Any) -> tuple[float, float, bool]:
    """Find the window of gaps with the most evidence for a timer, over all gaps and over those between bursts.

    gaps : float64[n], seconds, ascending; gaps[base:] are above RESOLUTION_S
    Fills the evidence in `row`. Returns (shortest, longest gap of the window, whether multiples of it count); the
    longest is 0 where no window holds more than chance puts there.
    """
    best, low, high, has_multiples = -np.inf, 0.0, 0.0, False
    span_s = gaps.sum()
    half, rest_s = gaps.shape[0] - 1, gaps[-1]
    while rest_s < 0.5 * span_s:
        half -= 1
        rest_s += gaps[half]
    for b in range(BURST_QUANTILES.shape[0] + 3):
        pause_s = RESOLUTION_S
        if b == BURST_QUANTILES.shape[0] + 2:
            pause_s = lull(gaps, base)
        elif b > 0:
            at = half
            if b <= BURST_QUANTILES.shape[0]:
                at = base + np.int64(BURST_QUANTILES[b - 1] * (gaps.shape[0] - base - 1))
            pause_s = gaps[at] / BURST_FRACTION
        if b > 0 and pause_s < gaps[base]:  # there is nothing to take together
            continue
        first = np.searchsorted(gaps, pause_s, side="right")
        n = gaps.shape[0] - first
        if n + 1 < MIN_BEATS:
            continue
        shift_s = gaps[first - 1] if first > 0 else 0.0
        nats, at, inside, chance = densest_window(gaps, first, shift_s, quantum_s)
        if inside == 0:
            continue
        is_narrow = gaps[at + inside - 1] <= MULTIPLE_MAX_RATIO * gaps[at]
        if is_narrow:
            n_all, chance_all = inside, chance
            for k in range(2, MAX_MULTIPLE + 1):
                more, chance_more = count_multiples(gaps, at, inside, k)
                n_all += more
                chance_all += chance_more
            nats = max(nats, evidence(n_all, n, chance_all))
        surplus = nats - math.log(n) - SEARCH_NATS
        # Retries half a second apart are very regular, and fill no time: the beat of the storms is what counts.
        filled = gaps[at : at + inside].sum() / span_s
        worth = surplus
        if surplus > 0:
            worth = min(surplus, CERTAIN_NATS) * min(filled / FULL_COVERAGE, 1.0) * (filled + inside / n)
        if worth > best:
            best, low, high, has_multiples = worth, gaps[at], gaps[at + inside - 1], is_narrow
            row["surplus_nats"] = surplus
            row["ratio"] = high / low
            row["chance_share"] = chance
            row["n_window"] = inside
            row["burst_gap_s"] = pause_s
    return low, high, has_multiples
