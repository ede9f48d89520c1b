"""Kernel driver: the statistics of every channel of a series, in one pass over the flat arrays.

For each channel the gaps between its events are sorted once. A burst (several connections of one check-in) leaves gaps
far below the beat, so the window search runs on all gaps and again on only the gaps above a few pauses taken from the
gaps' own quantiles; events closer than that pause are then one beat. Cost: one sort and four scans per channel.
Time is only ever compared with itself, except for `RESOLUTION_S`. Nothing here knows names or addresses.
"""

import math
from typing import cast

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

from analyzers.beacon.dtypes import STATS
from analyzers.beacon.window import (
    MAX_MULTIPLE,
    MULTIPLE_MAX_RATIO,
    count_multiples,
    densest_window,
    evidence,
)
from analyzers.series import Series
from sensor.jit import kernel

RESOLUTION_S = 0.25
"""Events closer than this are one exchange (parallel connections, pipelined requests), whatever their regularity."""

BURST_QUANTILES = np.array([0.5, 0.8, 0.95])
BURST_FRACTION = 3.0
"""Pauses tried for bursts: these quantiles of the gaps, divided by this."""

SEARCH_NATS = 3.0
"""Evidence that choosing the best window gives to chance, besides ln(gaps): measured over the null processes of
tests/unit/test_beacon_null.py (about one channel of a thousand exceeds it by 5 nats)."""

ABSENCE_BEATS = 20.0
"""A pause above this many beats is an absence (host off), which starts a new stretch."""

MIN_BEATS = 4
"""Fewer beats than this have two gaps or less: nothing can be said of their regularity."""

_STATS_REC = numba.from_dtype(STATS)
_I64 = types.int64[::1]


@kernel()
def _time_quantum(ts_ns, begin, end):
    """The resolution of the times in seconds when it is a whole second or millisecond, else 0."""
    second, milli = True, True
    for i in range(begin, end):
        second = second and ts_ns[i] % 1_000_000_000 == 0
        if ts_ns[i] % 1_000_000 != 0:
            milli = False
            break
    if second and milli:
        return 1.0
    return 0.001 if milli else 0.0


@kernel()
def _walk_beats(ts_ns, orig_bytes, begin, end, low, high, has_multiples, burst_gap_s, beats, sizes, row):
    """Fill the fields of `row` that need the order of events: beats, coverage, stretches, and the size of each beat.

    Returns (beats in the window, beats with payload), whose lengths and sizes are in `beats` and `sizes`.
    """
    n_hits, n_sized, largest = 0, 0, np.int64(0)
    filled_s, absent_from_s = 0.0, ABSENCE_BEATS * high
    beat_start = ts_ns[begin]
    row["n_beats"] = 1
    row["n_stretches"] = 1
    for i in range(begin, end):
        largest = max(largest, orig_bytes[i])
        gap_s = np.inf if i + 1 == end else (ts_ns[i + 1] - ts_ns[i]) / 1e9
        if gap_s <= burst_gap_s:
            continue
        if largest > 0:
            sizes[n_sized] = largest
            n_sized += 1
        largest = np.int64(0)
        if i + 1 == end:
            break
        row["n_beats"] += 1
        if low <= gap_s <= high:
            beats[n_hits] = (ts_ns[i + 1] - beat_start) / 1e9
            n_hits += 1
            filled_s += gap_s
        elif has_multiples:
            for k in range(2, MAX_MULTIPLE + 1):
                if k * low <= gap_s <= k * high:
                    row["n_multiple"] += 1
                    row["n_missed"] += k - 1
                    filled_s += gap_s
                    break
        if gap_s > absent_from_s:
            row["n_stretches"] += 1
        beat_start = ts_ns[i + 1]
    span_s = (ts_ns[end - 1] - ts_ns[begin]) / 1e9
    row["span_s"] = span_s
    row["coverage"] = filled_s / span_s
    return n_hits, n_sized


@kernel()
def _commonest_size(sizes):
    """(size, how many) of the densest window of sizes, 5 % or 8 bytes wide; `sizes` ascending and not empty."""
    top, at, end = 0, 0, 0
    for i in range(sizes.shape[0]):
        limit = max(sizes[i] + 8, sizes[i] + sizes[i] // 20)
        while end < sizes.shape[0] and sizes[end] <= limit:
            end += 1
        if end - i > top:
            top, at = end - i, i
    return sizes[at + top // 2], top


@kernel(types.void(_I64, _I64, _I64, types.boolean[::1], _STATS_REC[::1]))
def _measure(off, ts_ns, orig_bytes, answered, stats):
    """Fill one row of `stats` for each channel off[i]:off[i + 1]."""
    longest = 0
    for c in range(off.shape[0] - 1):
        longest = max(longest, off[c + 1] - off[c])
    beats = np.empty(longest, np.float64)
    sizes = np.empty(longest, np.int64)
    for c in range(off.shape[0] - 1):
        begin, end = off[c], off[c + 1]
        row = stats[c]
        row["n_events"] = end - begin
        for i in range(begin, end):
            row["n_answered"] += answered[i]
        if end - begin == 0:
            continue
        gaps = np.empty(end - begin - 1, np.float64)
        for i in range(gaps.shape[0]):
            gaps[i] = (ts_ns[begin + i + 1] - ts_ns[begin + i]) / 1e9
        gaps.sort()
        base = np.searchsorted(gaps, RESOLUTION_S, side="right")
        row["n_beats"] = gaps.shape[0] - base + 1
        if row["n_beats"] < MIN_BEATS:
            continue
        quantum_s = _time_quantum(ts_ns, begin, end)
        best, low, high = -np.inf, 0.0, 0.0
        multiples_help = False
        for b in range(BURST_QUANTILES.shape[0] + 1):
            pause_s = RESOLUTION_S
            if b > 0:
                at = base + np.int64(BURST_QUANTILES[b - 1] * (gaps.shape[0] - base - 1))
                pause_s = gaps[at] / BURST_FRACTION
                if pause_s <= gaps[base]:  # would collapse nothing
                    continue
            first = np.searchsorted(gaps, pause_s, side="right")
            n = gaps.shape[0] - first
            if n + 1 < MIN_BEATS:
                continue
            shift_s = gaps[first - 1] if first > 0 else 0.0
            nats, at, inside, chance = densest_window(gaps, first, shift_s, quantum_s)
            with_multiples = False
            if inside > 0 and gaps[at + inside - 1] <= MULTIPLE_MAX_RATIO * gaps[at]:
                n_all, chance_all = inside, chance
                for k in range(2, MAX_MULTIPLE + 1):
                    more, chance_more = count_multiples(gaps, at, inside, k)
                    n_all += more
                    chance_all += chance_more
                nats_all = evidence(n_all, n, chance_all)
                if nats_all > nats:
                    nats, with_multiples, chance = nats_all, True, chance
            surplus = nats - math.log(n) - SEARCH_NATS
            if inside > 0 and surplus > best:
                best = surplus
                low, high = gaps[at], gaps[at + inside - 1]
                multiples_help = with_multiples
                row["surplus_nats"] = surplus
                row["ratio"] = high / low
                row["chance_share"] = chance
                row["n_window"] = inside
                row["burst_gap_s"] = pause_s
        if best == -np.inf:
            continue
        n_hits, n_sized = _walk_beats(
            ts_ns, orig_bytes, begin, end, low, high, multiples_help, row["burst_gap_s"], beats, sizes, row
        )
        hits = np.sort(beats[:n_hits])
        row["interval_s"] = hits[n_hits // 2]
        row["low_s"] = hits[np.int64(0.05 * (n_hits - 1))]
        row["high_s"] = hits[np.int64(np.ceil(0.95 * (n_hits - 1)))]
        row["n_sized"] = n_sized
        if n_sized > 0:
            ordered = np.sort(sizes[:n_sized])
            row["same_size_bytes"], row["n_same_size"] = _commonest_size(ordered)


def measure_channels(series: Series) -> NDArray[np.void]:
    """The statistics of every channel.

    Returns: STATS[n]; a channel with fewer than MIN_BEATS beats has only n_events, n_answered and n_beats.
    Raises: ValueError when the series contradicts itself (see Series.check)
    """
    series.check()
    stats = np.zeros(len(series), STATS)
    _measure(
        np.ascontiguousarray(series.off, np.int64),
        np.ascontiguousarray(series.ts_ns, np.int64),
        np.ascontiguousarray(series.orig_bytes, np.int64),
        np.ascontiguousarray(series.answered, np.bool_),
        stats,
    )
    return cast("NDArray[np.void]", stats)
