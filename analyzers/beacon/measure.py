"""Kernel driver: the statistics of every channel of a series, in one pass over the flat arrays.

For each channel the gaps between its events are sorted once, the window is searched that holds its beats, and events
closer than the pause that belongs to it are one beat. Where the gaps change at one moment, what lies before and after
it is measured likewise. Cost: one sort and a few scans per channel.
Time is only ever compared with itself, except for `RESOLUTION_S`. Nothing here knows names or addresses.
"""

from typing import Any, cast

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

from analyzers.beacon.dtypes import STATS
from analyzers.beacon.pause import RESOLUTION_S, lower_pause, slow_wait
from analyzers.beacon.period import mean_wait, waits
from analyzers.beacon.rhythm import change_of, commonest, describe_gaps, describe_sizes, judge_parts
from analyzers.beacon.search import MIN_BEATS, search_window
from analyzers.beacon.window import MAX_MULTIPLE, multiple_window
from analyzers.series import Series
from sensor.jit import kernel

NARROW_RATIO, MOST_KEEP, NO_CHANCE_NATS = 1.35, 0.6, 10.0
"""Up to this ratio of longest to shortest gap, and where it holds this share of the gaps or so much evidence, the
window holds the whole jitter, and its median is the beat."""

NARROW_RATIO_OF_FEW, NARROW_GAPS = 1.15, 30
"""The ratio where the window has fewer gaps than this: the median of few is farther off than the middle of the ends."""

HOPELESS_NATS = -3.0
"""With less evidence a channel is hardly ever told; its mean wait is not worth the search."""

ABSENCE_BEATS = 20.0
"""A pause above this many beats is an absence (host off), which starts a new stretch."""

CHANGE_FROM, CHANGED_RATIO, CHANGED_NATS, HALF_BEATS, LEAST_HALF = 0.2, 1.25, 5.0, 12, 0.1
"""A change of the gaps that tells so much is looked at; before and after it there have to be clocks whose beats differ
by this factor, with so much evidence and so many beats each, over such a share of the time, to be a sleep set anew."""

BY_HAND_RATIO = 20.0
"""Farther apart, somebody is at work in the faster part, and the slower one is the sleep."""

_STATS_REC = numba.from_dtype(STATS)
_I64 = types.int64[::1]


@kernel()
def _time_quantum(ts_ns: NDArray[np.int64], begin: int, end: int) -> float:
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
def _walk_beats(
    ts_ns: NDArray[np.int64],
    orig_bytes: NDArray[np.int64],
    begin: int,
    end: int,
    low: float,
    high: float,
    has_multiples: bool,
    burst_gap_s: float,
    beats: NDArray[np.float64],
    pauses: NDArray[np.float64],
    sizes: NDArray[np.int64],
    row: Any,
) -> tuple[int, int]:
    """Fill the fields of `row` that need the order of events: beats, coverage, stretches, and the size of each beat.

    Returns (beats in the window, beats with payload). Of the former, `beats` holds the time from start to start and
    `pauses` the time from the end of one to the start of the next, seconds; of the latter, `sizes` the largest request.
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
            pauses[n_hits] = gap_s
            n_hits += 1
            filled_s += gap_s
        elif has_multiples:
            for k in range(2, MAX_MULTIPLE + 1):
                low_k, high_k = multiple_window(low, high, k)
                if low_k <= gap_s <= high_k:
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
def _middle(beats: NDArray[np.float64]) -> tuple[float, float, float]:
    """Median, 5th and 95th percentile; sorts `beats`, which is not empty."""
    beats.sort()
    last = beats.shape[0] - 1
    return beats[(last + 1) // 2], beats[np.int64(0.05 * last)], beats[np.int64(np.ceil(0.95 * last))]


@kernel()
def _describe(
    ts_ns: NDArray[np.int64],
    begin: int,
    end: int,
    burst_gap_s: float,
    window: tuple[float, float],
    gaps: NDArray[np.float64],
    raw_gaps: NDArray[np.float64],
    row: Any,
) -> int:
    """Fill the fields of `row` about all gaps from beat to beat; `gaps` is room for them, float64[events]. Returns how
    many there are.

    window : shortest and longest beat of the densest window, start to start, seconds; 0 where there is none
    raw_gaps : float64[events - 1], seconds, ascending, from event to event
    """
    n, start = 0, ts_ns[begin]
    for i in range(begin + 1, end):
        if (ts_ns[i] - ts_ns[i - 1]) / 1e9 > burst_gap_s:
            gaps[n] = (ts_ns[i] - start) / 1e9
            n, start = n + 1, ts_ns[i]
    if n >= MIN_BEATS - 1:
        ordered = np.sort(gaps[:n])
        describe_gaps(gaps[:n], ordered, row["interval_s"], row)
        judge_parts(gaps[:n], ordered, row)
        if window[1] > 0:
            row["beat_s"] = row["interval_s"]
            few_keep = row["n_window"] + row["n_multiple"] < MOST_KEEP * n and row["surplus_nats"] < NO_CHANCE_NATS
            narrow = NARROW_RATIO if row["n_window"] >= NARROW_GAPS else NARROW_RATIO_OF_FEW
            if row["surplus_nats"] > HOPELESS_NATS and (row["ratio"] > narrow or few_keep):
                low, high = waits(ordered)
                row["beat_s"] = mean_wait(ordered, low, high, burst_gap_s if burst_gap_s > RESOLUTION_S else 0.0)
            slow_s = slow_wait(raw_gaps, max(window[1], 2.0 * row["beat_s"]), row["coverage"] * row["span_s"])
            if slow_s > 0:
                row["beat_s"] = slow_s
    return n


@kernel()
def _measure_channel(
    ts_ns: NDArray[np.int64],
    orig_bytes: NDArray[np.int64],
    resp_bytes: NDArray[np.int64],
    duration_s: NDArray[np.float64],
    begin: int,
    end: int,
    room: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]],
    row: Any,
) -> int:
    """Fill `row` for the events begin:end, of which there are some; all but whether they were answered.

    room : for beats, pauses and sizes, one of each for each event
    Returns: the event after which the gaps change much (see change_of), or begin.
    """
    beats, pauses, sizes = room
    row["n_events"] = end - begin
    gaps = np.empty(end - begin - 1, np.float64)
    for i in range(gaps.shape[0]):
        gaps[i] = (ts_ns[begin + i + 1] - ts_ns[begin + i]) / 1e9
    in_order = gaps[gaps > RESOLUTION_S]
    gaps.sort()
    base = np.searchsorted(gaps, RESOLUTION_S, side="right")
    row["n_beats"] = gaps.shape[0] - base + 1
    if row["n_beats"] < MIN_BEATS:
        return begin
    share, median, top, _ = describe_sizes(np.sort(orig_bytes[begin:end]))
    row["orig_share"], row["orig_log"], row["orig_top_log"] = share, median, top
    share, median, top, spread = describe_sizes(np.sort(resp_bytes[begin:end]))
    row["resp_share"], row["resp_log"], row["resp_top_log"], row["resp_spread_log"] = share, median, top, spread
    for i in range(begin, end):
        row["instant_share"] += (duration_s[i] == 0.0) / (end - begin)
    row["change_log"], n_before = change_of(in_order)
    low, high, has_multiples = search_window(gaps, base, _time_quantum(ts_ns, begin, end), row)
    if high == 0.0:
        row["burst_gap_s"] = RESOLUTION_S
        n_gaps = _describe(ts_ns, begin, end, RESOLUTION_S, (0.0, 0.0), beats, gaps, row)
    else:
        row["burst_gap_s"] = lower_pause(gaps, low, high, row["burst_gap_s"])
        n_hits, n_sized = _walk_beats(
            ts_ns, orig_bytes, begin, end, low, high, has_multiples, row["burst_gap_s"], beats, pauses, sizes, row
        )
        middle, early, late = _middle(beats[:n_hits])
        shortest, longest = beats[0], beats[n_hits - 1]
        pause, pause_early, pause_late = _middle(pauses[:n_hits])
        if (pause_late - pause_early) * middle < (late - early) * pause:  # a sleep after work of varying length
            middle, early, late = pause, pause_early, pause_late
        row["interval_s"], row["low_s"], row["high_s"] = middle, early, late
        row["n_sized"] = n_sized
        if n_sized > 0:
            row["same_size_bytes"], row["n_same_size"] = commonest(np.sort(sizes[:n_sized]))
        n_gaps = _describe(ts_ns, begin, end, row["burst_gap_s"], (shortest, longest), beats, gaps, row)
    change, pause_s = row["change_log"], RESOLUTION_S
    if change < CHANGE_FROM and n_gaps < in_order.shape[0]:  # it may be hidden by what is quick within each burst
        pause_s = row["burst_gap_s"]
        change, n_before = change_of(beats[:n_gaps])
    if change < CHANGE_FROM:
        return begin
    at = begin
    while n_before > 0:
        n_before -= (ts_ns[at + 1] - ts_ns[at]) / 1e9 > pause_s
        at += 1
    return at


@kernel()
def _is_set_anew(first: Any, last: Any) -> bool:
    """Whether the events before and after a moment are clocks of different periods."""
    if min(first["n_beats"], last["n_beats"]) < HALF_BEATS or min(first["beat_s"], last["beat_s"]) <= 0.0:
        return False
    if min(first["span_s"], last["span_s"]) < LEAST_HALF * (first["span_s"] + last["span_s"]):
        return False
    apart = max(first["beat_s"], last["beat_s"]) / min(first["beat_s"], last["beat_s"])
    return apart >= CHANGED_RATIO and min(first["surplus_nats"], last["surplus_nats"]) >= CHANGED_NATS


@kernel(types.void(_I64, _I64, _I64, _I64, types.float64[::1], types.boolean[::1], _STATS_REC[::1]))
def _measure(
    off: NDArray[np.int64],
    ts_ns: NDArray[np.int64],
    orig_bytes: NDArray[np.int64],
    resp_bytes: NDArray[np.int64],
    duration_s: NDArray[np.float64],
    answered: NDArray[np.bool_],
    stats: NDArray[np.void],
) -> None:
    """Fill one row of `stats` (zeros before) for each channel off[i]:off[i + 1]."""
    longest = 0
    for c in range(off.shape[0] - 1):
        longest = max(longest, off[c + 1] - off[c])
    room = np.empty(longest, np.float64), np.empty(longest, np.float64), np.empty(longest, np.int64)
    for c in range(off.shape[0] - 1):
        begin, end = off[c], off[c + 1]
        row = stats[c]
        for i in range(begin, end):
            row["n_answered"] += answered[i]
        if end - begin == 0:
            continue
        at = _measure_channel(ts_ns, orig_bytes, resp_bytes, duration_s, begin, end, room, row)
        if at > begin:
            halves = np.zeros(2, STATS)
            _measure_channel(ts_ns, orig_bytes, resp_bytes, duration_s, begin, at + 1, room, halves[0])
            _measure_channel(ts_ns, orig_bytes, resp_bytes, duration_s, at, end, room, halves[1])
            if _is_set_anew(halves[0], halves[1]):
                row["changed_ns"] = ts_ns[at] - ts_ns[begin]
                first_s, last_s = halves[0]["beat_s"], halves[1]["beat_s"]
                row["first_beat_s"], row["last_beat_s"] = first_s, last_s
                row["beat_s"] = last_s if last_s > BY_HAND_RATIO * first_s else first_s


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
        np.ascontiguousarray(series.resp_bytes, np.int64),
        np.ascontiguousarray(series.duration_s, np.float64),
        _answered(series),
        stats,
    )
    return cast("NDArray[np.void]", stats)


def _answered(series: Series) -> NDArray[np.bool_]:
    """Which events got an answer, bool[m].

    Of an attempt no answer to its SYN was seen. If payload followed all the same there was one (RFC 9293 section 3.5),
    and the mirror carries only the client's side.
    """
    channels = zip(series.proto, series.kind, strict=True)
    is_attempt = np.array([proto == "tcp" and kind == "attempt" for proto, kind in channels], np.bool_)
    is_half = np.repeat(is_attempt, np.diff(series.off)) & (np.asarray(series.orig_bytes) > 0)
    return np.asarray(series.answered, np.bool_) | is_half
