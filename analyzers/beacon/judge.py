"""Two steps from series to what the model weighs: look at each client's channels, then compare clients.

The first step takes the channels of any set of clients, so a store is looked at one bucket of clients at a time. What
it keeps is a row a channel, for the second step compares the clients of a destination, wherever they were.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from analyzers.beacon.features import feature_table
from analyzers.beacon.groups import MAX_MEMBERS, connected, merge_groups, taken_in_turn
from analyzers.beacon.measure import measure_channels
from analyzers.beacon.peers import Habits, twin_pairs
from analyzers.beacon.place import place_channels
from analyzers.beacon.score import score_channels
from analyzers.beacon.search import MIN_BEATS
from analyzers.series import Series, destination

Floats = NDArray[np.float64]

TIMED_FROM = 0.35
"""A channel whose clock scores this or more is taken to be driven by one when it is compared with others."""


@dataclass(slots=True)
class Look:
    """What was seen of n channels that have enough beats to be judged.

    channel : int64[n], their numbers in the series
    stats, places : STATS[n], PLACE[n]
    clock : float64[n], 0 to 1
    dest : int64[n], a number for the destination, the same in every look
    clients : int64[n], different clients of the destination
    twins : int64[n], how many other channels of the host are its twins, where one clock drives them together
    pairs : int64[k, 2], which are twins, as positions in these arrays
    """

    channel: NDArray[np.int64]
    stats: NDArray[np.void]
    places: NDArray[np.void]
    clock: Floats
    dest: NDArray[np.int64]
    clients: NDArray[np.int64]
    twins: NDArray[np.int64]
    pairs: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.channel)

    def none(self) -> Self:
        """No channels."""
        return type(self)(**{field.name: getattr(self, field.name)[:0] for field in fields(self)})

    @property
    def timed(self) -> NDArray[np.bool_]:
        """Which channels are taken to be driven by a clock, bool[n]."""
        return self.clock >= TIMED_FROM

    @property
    def habits(self) -> Habits:
        """What the channels are compared by."""
        return Habits.of(self.stats, self.clock, self.timed, self.dest, self.clients)


def look_at(series: Series, clients: NDArray[np.int64], span_ns: tuple[int, int] | None = None) -> Look:
    """Measure the channels of some clients, which have to be there with all of their channels.

    span_ns : first and last event of the whole network; None: of the series
    clients : int64[n], different clients of each channel's destination in the whole network
    Raises: ValueError when the series contradicts itself (see Series.check)
    """
    stats = measure_channels(series)
    clock = np.nan_to_num(score_channels(stats))
    places = place_channels(series, stats, clock >= TIMED_FROM, span_ns)
    channel = np.flatnonzero(stats["n_beats"] >= MIN_BEATS)
    client = np.array([hash(series.orig_ip[i]) for i in channel.tolist()], np.int64)
    look = Look(
        channel=channel,
        stats=stats[channel],
        places=places[channel],
        clock=clock[channel],
        dest=np.array([hash(destination(series, i)) for i in channel.tolist()], np.int64),
        clients=clients[channel],
        twins=np.zeros(len(channel), np.int64),
        pairs=np.zeros((0, 2), np.int64),
    )
    first_s, last_s = series.ts_ns[series.off[channel]] / 1e9, series.ts_ns[series.off[channel + 1] - 1] / 1e9
    look.pairs = _on_one_clock(series, look, twin_pairs(client, look.clients <= 1, first_s, last_s, look.habits))
    look.twins = np.bincount(look.pairs.ravel(), minlength=len(channel))
    return look


def _on_one_clock(series: Series, look: Look, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """The pairs of those twins that a clock drives together; others are alike by chance, as shops and papers are."""
    sets = [members for members in connected(pairs.tolist()) if len(members) <= MAX_MEMBERS]
    if not sets:
        return pairs[:0]
    groups = [taken_in_turn(tuple(look.channel[list(members)].tolist())) for members in sets]
    clock = np.nan_to_num(score_channels(measure_channels(merge_groups(series, groups))))
    driven = {k for members, score in zip(sets, clock, strict=True) if score >= TIMED_FROM for k in members}
    return pairs[[a in driven for a, _ in pairs.tolist()]]


def features_of(
    look: Look, groups: Look, peers: NDArray[np.void], n_hosts: int
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """The features of the channels of a look and of its groups.

    groups : a group is compared as its busiest member is, or with nobody
    peers : PEERS[len(look)], how the channels differ from others at their destinations
    n_hosts : internal clients seen
    """
    leaders = _rows_of(peers, look.channel, groups)
    return (
        feature_table(look.stats, look.places, peers, look.clock, look.twins, n_hosts),
        feature_table(groups.stats, groups.places, leaders, groups.clock, groups.twins, n_hosts),
    )


def _rows_of(peers: NDArray[np.void], channel: NDArray[np.int64], groups: Look) -> NDArray[np.void]:
    """The row of each group's busiest member; where that one has too few beats of its own, only how many go there."""
    at = np.minimum(np.searchsorted(channel, groups.channel), max(len(channel) - 1, 0))
    rows = np.zeros(len(groups), peers.dtype)
    if len(channel):
        known = channel[at] == groups.channel
        rows[known] = peers[at[known]]
    rows["clients_log"] = np.log(np.maximum(groups.clients, 1))
    return rows
