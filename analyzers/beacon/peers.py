"""What others do at the same destination, and what else this host does in the same manner.

Software does the same on every host that has it: its clients share a period and sizes. An implant that hides at a
destination others use as well is the one that does not. And an implant that takes its servers in turn leaves several
channels of one host that look alike, at destinations nobody else visits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from analyzers.beacon.dtypes import PEERS

Floats = NDArray[np.float64]

SAME_PERIOD_LOG = 0.12
"""Periods within 12 % are the same: clocks of one program differ by their jitter's luck."""

ENOUGH_PEERS = 3
"""Fewer channels than this at a destination have no middle to differ from."""

TWIN_NEIGHBOURS = 8
TWIN_COUNT_LOG, TWIN_ORIG_LOG, TWIN_RESP_LOG, TWIN_SPAN = 0.5, 0.4, 0.6, 0.15
"""Twins agree in events (factor 1.65), median request and answer, and in start and end to a share of their span."""


@dataclass(frozen=True, slots=True)
class Habits:
    """The manner of n scored channels, of any clients, for comparison by destination.

    dest : int64[n], the same number for the same destination
    clock : float64[n], 0 to 1, how much each is driven by a clock
    timed : bool[n], whether it is taken for driven by one
    period_log, orig_log, resp_log, events_log : float64[n], logarithms of period, sizes and number of events
    orig_share : float64[n], share of events with the commonest request size
    clients : int64[n], different clients of the destination, in the whole network
    """

    dest: NDArray[np.int64]
    clock: Floats
    timed: NDArray[np.bool_]
    period_log: Floats
    orig_log: Floats
    resp_log: Floats
    events_log: Floats
    orig_share: Floats
    clients: NDArray[np.int64]

    @classmethod
    def of(cls, stats: NDArray[np.void], clock: Floats, timed: NDArray[np.bool_], dest: NDArray[np.int64],
           clients: NDArray[np.int64]) -> Self:  # fmt: skip
        """The habits that the statistics of channels show. stats : STATS[n]"""
        period_s = np.where(stats["interval_s"] > 0, stats["interval_s"], stats["median_s"])
        return cls(
            dest=dest,
            clock=clock,
            timed=timed,
            period_log=np.log(np.maximum(period_s, 1e-9)),
            orig_log=stats["orig_log"],
            resp_log=stats["resp_log"],
            events_log=np.log(np.maximum(stats["n_events"], 1)),
            orig_share=stats["orig_share"],
            clients=clients,
        )

    @classmethod
    def together(cls, parts: Sequence["Habits"]) -> Self:
        """The channels of all parts, one part after the other; `parts` not empty."""
        return cls(
            **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)}
        )


def compare_with_peers(habits: Habits) -> NDArray[np.void]:
    """How each channel differs from the others at its destination, PEERS[n]; zeros where there are no others."""
    n = len(habits.dest)
    peers = np.zeros(n, PEERS)
    dest = np.unique(habits.dest, return_inverse=True)[1]
    n_channels, n_timed = np.bincount(dest)[dest], np.bincount(dest, weights=habits.timed)[dest]
    others = np.maximum(habits.clients - 1, 1)
    peers["clients_log"] = np.log(np.maximum(habits.clients, 1))
    peers["timed_share"] = np.where(habits.clients > 1, np.minimum((n_timed - habits.timed) / others, 1.0), 0.0)
    n_same = _same_period(dest, habits)
    peers["n_same_log"] = np.log1p(n_same)
    peers["same_share"] = np.minimum(n_same / others, 1.0)
    enough = n_channels >= ENOUGH_PEERS
    for name, values, absolute in (
        ("orig_off", habits.orig_log, True),
        ("resp_off", habits.resp_log, True),
        ("events_off", habits.events_log, False),
        ("share_off", habits.orig_share, False),
        ("clock_off", habits.clock, False),
    ):
        off = values - _median_of_group(dest, values)
        peers[name] = np.where(enough, np.abs(off) if absolute else off, 0.0)
    timed = np.flatnonzero(habits.timed & (n_timed > 1))
    period = habits.period_log[timed]
    peers["period_off"][timed] = np.abs(
        period - _median_of_group(np.unique(dest[timed], return_inverse=True)[1], period)
    )
    return peers


def _median_of_group(group: NDArray[np.int64], values: Floats) -> Floats:
    """The median of each row's group, float64[n]. group : int64[n], numbers from 0 without holes"""
    order = np.lexsort((values, group))
    counts = np.bincount(group)
    begins = np.cumsum(counts) - counts
    middle = values[order]
    return (0.5 * (middle[begins + (counts - 1) // 2] + middle[begins + counts // 2]))[group] if len(group) else values


def _same_period(dest: NDArray[np.int64], habits: Habits) -> NDArray[np.int64]:
    """How many others at the destination keep the same period, int64[n]."""
    n_same = np.zeros(len(dest), np.int64)
    timed = np.flatnonzero(habits.timed)
    # one axis for all destinations: each begins far beyond where the one before ends
    place = dest[timed] * 128.0 + np.clip(habits.period_log[timed], -30, 30)
    ordered = np.sort(place)
    above = np.searchsorted(ordered, place + SAME_PERIOD_LOG, side="right")
    n_same[timed] = above - np.searchsorted(ordered, place - SAME_PERIOD_LOG, side="left") - 1
    return n_same


def twin_pairs(client: NDArray[np.int64], lone: NDArray[np.bool_], first_s: Floats, last_s: Floats, habits: Habits
               ) -> NDArray[np.int64]:  # fmt: skip
    """Channels of one host that look like taking turns, int64[k, 2].

    client : int64[n], the same number for the same client
    lone : bool[n], channels whose destination no other client contacts
    first_s, last_s : float64[n], first and last event, seconds
    """
    index = np.flatnonzero(lone)
    index = index[np.lexsort((habits.events_log[index], client[index]))]
    pairs = [np.zeros((0, 2), np.int64)]
    for step in range(1, TWIN_NEIGHBOURS + 1):
        a, b = index[:-step], index[step:]
        span = TWIN_SPAN * np.maximum(last_s[a] - first_s[a], last_s[b] - first_s[b]) + 1.0
        alike = (client[a] == client[b]) & (habits.events_log[b] - habits.events_log[a] < TWIN_COUNT_LOG)
        alike &= np.abs(first_s[a] - first_s[b]) < span
        alike &= np.abs(last_s[a] - last_s[b]) < span
        alike &= np.abs(habits.orig_log[a] - habits.orig_log[b]) < TWIN_ORIG_LOG
        alike &= np.abs(habits.resp_log[a] - habits.resp_log[b]) < TWIN_RESP_LOG
        pairs.append(np.stack([a[alike], b[alike]], axis=1))
    return np.concatenate(pairs)
