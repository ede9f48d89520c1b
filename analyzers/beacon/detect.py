"""The beacon analyzer: channels in, findings out. Which machine keeps calling the same outside host by a clock?

Buckets of clients are looked at one by one. What was seen of a bucket is laid aside; in memory stays of each channel
what it is compared by. Then the channels are compared, wherever they were, and judged bucket by bucket: by the model of
malice where there are hosts enough to compare, else by the clock alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from analyzers.beacon.context import Population, asked_of, no_mere_lookups, outside_mask, population_of
from analyzers.beacon.groups import Group, busiest, leader, merge_groups, related_groups
from analyzers.beacon.judge import Look, features_of, look_at
from analyzers.beacon.keepalive import Told, fold_keepalives
from analyzers.beacon.measure import measure_channels
from analyzers.beacon.model import load_model
from analyzers.beacon.peers import Habits, compare_with_peers
from analyzers.beacon.place import place_groups
from analyzers.beacon.score import FULL_BEATS, MAX_ALONE, MAX_SCORE, REPORT_FROM, common_cost, score_channels
from analyzers.beacon.tell import MAX_BENEATH, Channel, channel_of, tell
from analyzers.finding import SEVERITY_FROM, Finding, by_score
from analyzers.series import Series
from sensor.site import Site

Floats = NDArray[np.float64]
Table = dict[str, Floats]

NETWORK_FROM, SMALL_NETWORK_FROM = 10, 5
"""From so many busy hosts inside on, channels are compared and the model judges: from five where they are half of all
hosts or more. The smallest networks it was fitted on have four, all busy. Else a clock is all that is known."""

TURNS_FROM = 10
"""Where fewer hosts are compared, nearly every destination has one client: channels that look like taking turns are
alike by chance, and make no group; and a clock at a destination of its own is nothing special."""

KEEP_FROM = 0.02
"""Channels whose clock scores less are never told; their names are not kept."""

CERTAIN_CLOCK, QUIET_BEATS = 0.8, 5
"""A clock that scores so much, and so many beats while no people are at work, are a machine's doing. Whose, only a
person can say who sees it in the list."""

ODD_PERIOD_LOG = 0.3
"""Where others keep a period at a destination and a host keeps one this far off (35 %), it does not do what they do."""

GROUP_GAIN = 0.05
"""How much better a merged group has to score than its best member to be told instead of it. Where two members or more
would be told, about as good is good enough: they are one behaviour."""


def score_beacons(series: Series, site: Site, population: Population | None = None) -> list[Finding]:
    """Findings for the channels that look like a beacon to the outside, the highest score first.

    Every channel with at least REPORT_FROM is in it, at most once: alone, or in a group of related channels.
    The same series gives the same list; the order of its channels does not matter.

    population : of the whole network, when `series` is only a part of it; None: of the series

    Raises: ValueError when the series contradicts itself (see Series.check)
    """
    beacons = Beacons(site, population or population_of(series, site))
    beacons.look(series)
    return [finding for findings in beacons.findings() for finding in findings]


@dataclass(slots=True)
class _Bucket:
    """What is kept of a bucket: the look at its channels and at its groups, and who the told ones would be.

    members : for each group, the channels of the series that it holds
    judged : for each group, the positions in `look` of those members that can be judged on their own
    channels, groups : by position; only those that may be told
    """

    look: Look
    merged: Look
    members: list[tuple[int, ...]]
    judged: list[list[int]]
    outside: NDArray[np.bool_]
    channels: dict[int, Channel]
    groups: dict[int, Channel]


class Shelf(Protocol):
    """Where buckets lie between the two steps, in order: a list, or what takes less memory."""

    def append(self, item: Any, /) -> None: ...

    def __iter__(self) -> Iterator[Any]: ...


class Beacons:
    """Takes bucket after bucket of clients, then gives the findings of each."""

    def __init__(self, site: Site, population: Population, shelf: Shelf | None = None) -> None:
        self.site = site
        self.population = population
        self._buckets: Shelf = [] if shelf is None else shelf
        self._habits: list[Habits] = []
        self._asked: set[tuple[str, str, bool]] = set()  # proxy or resolver, what it was asked for, is resolver

    @property
    def is_network(self) -> bool:
        """Whether there are hosts enough to compare."""
        n_hosts = self.population.n_hosts
        n_busy = n_hosts if self.population.n_busy is None else self.population.n_busy
        return n_busy >= (SMALL_NETWORK_FROM if 2 * n_busy >= n_hosts else NETWORK_FROM)

    def look(self, series: Series) -> None:
        """Look at the channels of some clients, which have to be there with all of their channels.

        Raises: ValueError when the series contradicts itself (see Series.check)
        """
        self._asked |= asked_of(series)
        told_apart = no_mere_lookups(series)
        clients = self.population.clients(series)
        look = look_at(series, clients, self.population.span_ns)
        takes_turns = not self.is_network or self.population.n_hosts >= TURNS_FROM
        groups = related_groups(series, look.channel[look.pairs].tolist() if takes_turns else [], among=told_apart)
        merged, members, channels_of_groups = self._merge(series, groups, look, clients)
        position = dict(zip(look.channel.tolist(), range(len(look)), strict=True))
        outside = outside_mask(series, self.site) & told_apart
        may_be_told = outside[look.channel] & (look.clock >= KEEP_FROM)
        self._habits.append(look.habits)
        self._buckets.append(
            _Bucket(
                look,
                merged,
                members,
                [[position[i] for i in group if i in position] for group in members],
                outside[look.channel],
                {
                    k: channel_of(series, int(look.channel[k]), int(look.stats["n_answered"][k]))
                    for k in np.flatnonzero(may_be_told).tolist()
                },
                channels_of_groups,
            )
        )

    def findings(self) -> Iterator[list[Finding]]:
        """The findings of one bucket after the other, the highest score first."""
        for bucket, own, merged, table, group_table in self._judged():
            made: list[Told] = []
            told: set[int] = set()
            replaced: set[int] = set()
            for g in sorted(bucket.groups, key=lambda g: (-merged[g], -len(bucket.members[g]), g)):
                best = np.nan_to_num(np.append(own[bucket.judged[g]], 0.0))
                gain = -GROUP_GAIN if (best >= REPORT_FROM).sum() > 1 else GROUP_GAIN
                if merged[g] >= max(REPORT_FROM, best.max() + gain) and told.isdisjoint(bucket.members[g]):
                    channel = bucket.groups[g]
                    made.append((self._tell(channel, bucket.merged, g, merged[g], group_table), channel))
                    told.update(bucket.members[g])
                    replaced.update(bucket.judged[g])
            made += [
                (self._tell(channel, bucket.look, k, own[k], table), channel)
                for k, channel in bucket.channels.items()
                if own[k] >= REPORT_FROM and k not in replaced
            ]
            yield sorted(fold_keepalives(made), key=by_score)

    def channel_scores(self) -> list[tuple[NDArray[np.int64], Floats, Floats]]:
        """For each bucket: the channels that were judged, the score of each and its beat in seconds (NaN: none).

        A member of a group has the score and the beat of the group where that explains it as well.
        """
        results = []
        for bucket, own, merged, *_ in self._judged():
            score = own.copy()
            beat_s = _beat_s(bucket.look)
            group_beat_s = _beat_s(bucket.merged)
            for g, judged in enumerate(bucket.judged):
                for k in judged:
                    if merged[g] >= own[k] - GROUP_GAIN:
                        score[k], beat_s[k] = max(score[k], merged[g]), group_beat_s[g]
            results.append((bucket.look.channel, score, beat_s))
        return results

    def _merge(
        self, series: Series, groups: list[Group], look: Look, clients: NDArray[np.int64]
    ) -> tuple[Look, list[tuple[int, ...]], dict[int, Channel]]:
        """The look at the groups that may be told, the channels that they hold, and the groups as channels."""
        if not groups:
            return look.none(), [], {}
        together = merge_groups(series, groups)
        stats = measure_channels(together)
        clock = np.nan_to_num(score_channels(stats))
        may_be_told = np.flatnonzero(outside_mask(together, self.site) & (clock >= KEEP_FROM))
        if len(may_be_told) == 0:
            return look.none(), [], {}
        timed = np.zeros(len(series), np.bool_)
        timed[look.channel] = look.timed
        places = place_groups(series, timed, together, stats, self.population.span_ns)
        told = [groups[g] for g in may_be_told.tolist()]
        leaders = np.array([leader(series, group) for group in told], np.int64)
        twins = np.zeros(len(series), np.int64)
        twins[look.channel] = look.twins
        merged = Look(
            channel=leaders,
            stats=stats[may_be_told],
            places=places[may_be_told],
            clock=clock[may_be_told],
            dest=np.zeros(len(told), np.int64),  # a group is compared by its leader's row
            clients=np.array([clients[list(group.members)].max() for group in told], np.int64),
            twins=twins[leaders],
            pairs=look.pairs[:0],
        )
        channels = {}
        for k, (g, group) in enumerate(zip(may_be_told.tolist(), told, strict=True)):
            names = sorted({series.dest[i] for i in group.members})
            parts = [channel_of(series, i, 0).row for i in busiest(series, group, MAX_BENEATH)]
            channels[k] = channel_of(together, g, int(stats["n_answered"][g]), parts, names, group.words)
        return merged, [group.members for group in told], channels

    def _judged(self) -> Iterator[tuple[_Bucket, Floats, Floats, Table, Table]]:
        """Each bucket with the scores of its channels (NaN where the destination is not outside), the scores of its
        groups, and the features of both. Without a network there are no features.
        """
        n = self.population.n_hosts
        if not self.is_network:
            for bucket in self._buckets:
                yield bucket, np.where(bucket.outside, _alone(bucket.look, n), np.nan), _alone(bucket.merged, n), {}, {}
            return
        model = load_model()
        peers = compare_with_peers(Habits.together(self._habits))
        begin = 0
        for bucket in self._buckets:
            end = begin + len(bucket.look)
            table, group_table = features_of(bucket.look, bucket.merged, peers[begin:end], n)
            own = _at_least(model.scores(model.logits(table), n), bucket.look, n)
            merged = _at_least(model.scores(model.logits(group_table), n), bucket.merged, n)
            yield bucket, np.where(bucket.outside, own, np.nan), merged, table, group_table
            begin = end

    def _tell(self, channel: Channel, look: Look, k: int, score: float, table: Table) -> Finding:
        n_hosts = self.population.n_hosts
        dests = [part["dest"] for part in channel.finding.channels] or [channel.finding.dest]
        is_question = channel.kind == "query"
        is_forwarded = all((channel.finding.orig_ip, dest, is_question) in self._asked for dest in dests)
        if not table:
            cost = float(common_cost(look.clients[k : k + 1], n_hosts)[0])
            return tell(channel, look, k, float(score), self.site, n_hosts, is_forwarded, cost=cost)
        own = {name: values[k : k + 1] for name, values in table.items()}
        parts = {name: float(values[0]) for name, values in load_model().parts(own).items()}
        is_odd = float(own["period_off"][0]) > ODD_PERIOD_LOG
        return tell(channel, look, k, float(score), self.site, n_hosts, is_forwarded, parts=parts, is_odd=is_odd)


def _at_least(score: Floats, look: Look, n_hosts: int) -> Floats:
    """The scores, where the clock is certain at least that of a finding if nobody else goes there and it goes on while
    no people are at work, and medium if nothing ever answered: the model was never shown such channels. With few hosts,
    that nobody else goes there says nothing."""
    stats = look.stats
    is_certain = (look.clock >= CERTAIN_CLOCK) & (stats["n_beats"] >= FULL_BEATS)
    is_lone = (
        is_certain
        & (n_hosts >= TURNS_FROM)
        & (look.clients <= 1)
        & (np.expm1(look.places["n_quiet_log"]) >= QUIET_BEATS)
    )
    is_dead = (stats["n_answered"] == 0) & (stats["n_beats"] >= FULL_BEATS) & (look.clock >= SEVERITY_FROM[1])
    score = np.where(is_lone, np.maximum(score, REPORT_FROM), score)
    return np.where(is_dead, np.maximum(score, SEVERITY_FROM[1]), score)


def _alone(look: Look, n_hosts: int) -> Floats:
    """The scores of channels that cannot be compared: the clock's, kept below MAX_ALONE without changing the order."""
    score = np.maximum(look.clock - common_cost(look.clients, n_hosts), 0.0)
    return np.interp(score, [0.0, SEVERITY_FROM[1], MAX_SCORE], [0.0, SEVERITY_FROM[1], MAX_ALONE])


def _beat_s(look: Look) -> Floats:
    beat_s = look.stats["beat_s"]
    return np.where(beat_s > 0, beat_s, np.nan)
