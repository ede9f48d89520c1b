"""Kernel driver: where each channel stands in the day of its host.

A program that runs whenever the host does is told from one that a person drives: the host's day is cut into bins, and a
bin in which many channels without a clock are active has people in it. All channels of a client have to be in the
series, also those with a single event, for they are what people leave behind.
"""

import math
from collections.abc import Sequence
from typing import Any, cast

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

from analyzers.beacon.dtypes import PLACE, STATS
from analyzers.beacon.pause import RESOLUTION_S
from analyzers.beacon.window import densest_window
from analyzers.series import Series
from sensor.jit import kernel

BIN_S = 600.0
SHORTEST_BIN_S = 10.0
BINS_OF_A_SHORT_DAY = 96
"""A capture shorter than 16 hours is cut into this many bins instead, none shorter than SHORTEST_BIN_S."""

MOST_BINS = 8192
"""So many bins of ten minutes make 56 days; beyond, they grow: a senseless time in a packet must not cost memory."""

PEOPLE_SHARE = 0.3
PEOPLE_LEAST = 2.0
"""People are there when as many untimed channels are active as this share of the host's busy times, and this many."""

_PLACE_REC = numba.from_dtype(PLACE)
_STATS_REC = numba.from_dtype(STATS)
_I64 = types.int64[::1]


@kernel()
def _bin(ts_ns: int, start_ns: int, width_s: float) -> int:
    return int((ts_ns - start_ns) / 1e9 / width_s)


@kernel()
def _people_in_bins(
    ts_ns: NDArray[np.int64],
    off: NDArray[np.int64],
    channels: NDArray[np.int64],
    timed: NDArray[np.bool_],
    start_ns: int,
    width_s: float,
    busy: NDArray[np.int32],
    people: NDArray[np.int32],
) -> float:
    """Make of a host's channels the running counts of busy bins and of bins with people, int32[n_bins + 1].

    Returns: untimed channels active in a bin at the host's busiest, the 90th percentile of its busy bins.
    """
    n_bins = busy.shape[0] - 1
    active = np.zeros(n_bins, np.int32)
    busy[:] = 0
    for c in channels:
        last = -1
        for i in range(off[c], off[c + 1]):
            b = _bin(ts_ns[i], start_ns, width_s)
            if b != last:
                busy[b + 1] = 1
                active[b] += not timed[c]
                last = b
    ranked = np.sort(active[busy[1:] > 0])
    top = float(ranked[9 * (ranked.shape[0] - 1) // 10])
    least = max(PEOPLE_LEAST, PEOPLE_SHARE * top)
    people[0] = 0
    for b in range(n_bins):
        busy[b + 1] += busy[b]
        people[b + 1] = people[b] + (active[b] >= least)
    return top


@kernel()
def _place_channel(
    ts_ns: NDArray[np.int64],
    begin: int,
    end: int,
    burst_gap_s: float,
    start_ns: int,
    width_s: float,
    busy: NDArray[np.int32],
    people: NDArray[np.int32],
    quiet_gaps: NDArray[np.float64],
    row: Any,
) -> None:
    """Fill the fields of one channel; `quiet_gaps` is room for its gaps."""
    first, last = _bin(ts_ns[begin], start_ns, width_s), _bin(ts_ns[end - 1], start_ns, width_s)
    n_busy, n_between = busy[-1], busy[last + 1] - busy[first]
    row["before"] = busy[first] / n_busy
    row["after"] = (n_busy - busy[last + 1]) / n_busy
    n_beats, n_with_people, n_bins, n_quiet_gaps = 0, 0, 0, 0
    bin_before, was_quiet, beat_ns = -1, False, ts_ns[begin]
    for i in range(begin, end):
        if i > begin and (ts_ns[i] - ts_ns[i - 1]) / 1e9 <= burst_gap_s:
            continue
        b = _bin(ts_ns[i], start_ns, width_s)
        quiet = people[b + 1] == people[b]
        n_beats += 1
        n_with_people += not quiet
        n_bins += b != bin_before
        if quiet and was_quiet and ts_ns[i] > beat_ns:
            quiet_gaps[n_quiet_gaps] = (ts_ns[i] - beat_ns) / 1e9
            n_quiet_gaps += 1
        bin_before, was_quiet, beat_ns = b, quiet, ts_ns[i]
    row["fill"] = n_bins / n_between
    row["spread"] = n_bins / min(n_beats, n_between)
    chance = (people[last + 1] - people[first] + 1.0) / (n_between + 2.0)
    row["follow"] = math.log((n_with_people + 2.0 * chance) / (n_beats + 2.0) / chance)
    row["n_quiet_log"] = math.log(1.0 + n_beats - n_with_people)
    if n_quiet_gaps >= 3:
        gaps = np.sort(quiet_gaps[:n_quiet_gaps])
        nats = densest_window(gaps, 0, 0.0, 0.0)[0]
        row["quiet_nats"] = (nats - math.log(n_quiet_gaps)) / n_quiet_gaps


@kernel(
    types.void(
        _I64, _I64, _I64, _I64, _STATS_REC[::1], types.boolean[::1], types.int64, types.float64, types.int64,
        _PLACE_REC[::1],
    )
)  # fmt: skip
def _place(
    off: NDArray[np.int64],
    ts_ns: NDArray[np.int64],
    order: NDArray[np.int64],
    client_off: NDArray[np.int64],
    stats: NDArray[np.void],
    timed: NDArray[np.bool_],
    start_ns: int,
    width_s: float,
    n_bins: int,
    places: NDArray[np.void],
) -> None:
    """Client k has the channels order[client_off[k]:client_off[k + 1]], each with an event or more."""
    longest = 0
    for c in range(off.shape[0] - 1):
        longest = max(longest, off[c + 1] - off[c])
    quiet_gaps = np.empty(longest, np.float64)
    busy, people = np.empty(n_bins + 1, np.int32), np.empty(n_bins + 1, np.int32)
    for k in range(client_off.shape[0] - 1):
        channels = order[client_off[k] : client_off[k + 1]]
        top = _people_in_bins(ts_ns, off, channels, timed, start_ns, width_s, busy, people)
        n_timed = 0
        for c in channels:
            n_timed += timed[c]
        for c in channels:
            row = places[c]
            _place_channel(
                ts_ns, off[c], off[c + 1], max(stats[c]["burst_gap_s"], RESOLUTION_S), start_ns, width_s, busy, people,
                quiet_gaps, row,
            )  # fmt: skip
            row["people_share"] = people[-1] / busy[-1]
            row["people_top"] = top
            row["n_timed_log"] = math.log(1.0 + n_timed)


def place_channels(
    series: Series, stats: NDArray[np.void], timed: NDArray[np.bool_], span_ns: tuple[int, int] | None = None
) -> NDArray[np.void]:
    """Where each channel stands among the others of its client.

    stats : STATS[n], of these channels
    timed : bool[n], which of them a clock drives
    span_ns : first and last event of all clients, also of those in other series; None: there are no others
    Returns: PLACE[n]; zeros for a channel without events.
    """
    return _places(series.off, series.ts_ns, series.orig_ip, stats, timed, span_ns)


def place_groups(
    series: Series,
    timed: NDArray[np.bool_],
    together: Series,
    stats: NDArray[np.void],
    span_ns: tuple[int, int] | None = None,
) -> NDArray[np.void]:
    """Where groups stand in the day that the channels of their clients make.

    series, timed, span_ns : as for place_channels
    together, stats : the groups as channels of their own, and STATS[k] of these
    Returns: PLACE[k].
    """
    places = _places(
        np.concatenate([series.off, series.off[-1] + together.off[1:]]),
        np.concatenate([series.ts_ns, together.ts_ns]),
        [*series.orig_ip, *together.orig_ip],
        np.concatenate([np.zeros(len(series), STATS), stats]),
        np.append(timed, np.ones(len(together), np.bool_)),  # a group is no further thing that people do
        span_ns,
    )
    return places[len(series) :]


def _places(
    off: NDArray[np.int64],
    ts_ns: NDArray[np.int64],
    orig_ip: Sequence[str],
    stats: NDArray[np.void],
    timed: NDArray[np.bool_],
    span_ns: tuple[int, int] | None,
) -> NDArray[np.void]:
    places = np.zeros(len(off) - 1, PLACE)
    used = np.flatnonzero(np.diff(off))
    if len(used):
        numbers: dict[str, int] = {}
        clients = np.array([numbers.setdefault(orig_ip[i], len(numbers)) for i in used.tolist()], np.int64)
        by_client = np.argsort(clients, kind="stable")
        # a sensor at work may have brought events since the span was asked for, and the kernel trusts its bins
        start_ns, end_ns = int(ts_ns.min()), int(ts_ns.max())
        if span_ns is not None:
            start_ns, end_ns = min(start_ns, span_ns[0]), max(end_ns, span_ns[1])
        span_s = (end_ns - start_ns) / 1e9
        width_s = max(min(BIN_S, max(span_s / BINS_OF_A_SHORT_DAY, SHORTEST_BIN_S)), span_s / MOST_BINS)
        _place(
            np.ascontiguousarray(off, np.int64),
            np.ascontiguousarray(ts_ns, np.int64),
            used[by_client],
            np.concatenate([[0], np.cumsum(np.bincount(clients))]).astype(np.int64),
            stats,
            np.ascontiguousarray(timed, np.bool_),
            start_ns,
            width_s,
            int(span_s / width_s) + 2,
            places,
        )
    return cast("NDArray[np.void]", places)
