"""Channels of one host, one category and one outcome become one finding, with the channels beneath.

A host that reaches forty places directly is one thing to look at, not forty; what got out and what was stopped are two.
A finding of one destination is filed under it. One of several is filed under their category and its usual port, so that
it keeps its number when a destination is added.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from analyzers.egress.category import Category
from analyzers.egress.score import LARGE_UPLOAD_BYTES, MANY_ATTEMPTS, MAX_SCORE, is_away
from analyzers.egress.table import ESTABLISHED, HALF, OUTCOMES, Channel
from analyzers.finding import Finding, severity_of
from analyzers.parts import rows
from analyzers.words import english as say
from analyzers.words.phrase import Phrase

MAX_ADDRESSES = 50
MAX_CHANNELS = 50
MAX_TOLD = 5
EACH_MORE, MOST_MORE = 0.02, 0.1
"""What each further destination adds to the score of the worst, and all together at most."""


@dataclass
class Group:
    """The channels of one host, category and outcome, the worst first."""

    category: Category
    channels: list[Channel]
    is_beat: bool

    @property
    def host(self) -> str:
        """The host they belong to."""
        return self.channels[0].orig_ip

    @property
    def outcome(self) -> str:
        """The outcome they share."""
        return self.channels[0].outcome

    def total(self, name: str) -> int:
        """The sum of a field."""
        return sum(getattr(channel, name) for channel in self.channels)

    @cached_property
    def dests(self) -> Counter[str]:
        """The destinations by their connections; the rest of very many is not among them."""
        found: Counter[str] = Counter()
        for channel in self.channels:
            if channel.dest:
                found[channel.dest] += channel.flows
        return found

    @cached_property
    def n_dests(self) -> int:
        """How many destinations there are in all."""
        return len(self.dests) + sum(channel.n_dests for channel in self.channels if not channel.dest)

    @cached_property
    def score(self) -> float:
        """That of the worst channel, and a little for each further destination."""
        return min(self.channels[0].score + min(EACH_MORE * (self.n_dests - 1), MOST_MORE), MAX_SCORE)


def group_channels(channels: Iterable[tuple[Channel, Category]]) -> list[Group]:
    """Groups of scored channels; what has an excuse stands apart, so that it neither hides nor dilutes the rest."""
    groups: defaultdict[tuple[str, str, str, bool, bool], list[tuple[Channel, Category]]] = defaultdict(list)
    for channel, category in channels:
        is_beat, has_excuse = channel.beat_s > 0, bool(channel.label) or channel.is_shared
        groups[channel.orig_ip, category.words, channel.outcome, is_beat, has_excuse].append((channel, category))
    made = []
    for (_, _, _, is_beat, _), members in groups.items():
        members.sort(key=lambda member: (-member[0].score, member[0].dest, member[0].resp_port, member[0].proto))
        made.append(Group(members[0][1], [channel for channel, _ in members], is_beat))
    return made


def finding_of(group: Group, analyzer: str, way: str, more: Sequence[Phrase], parts: Mapping[str, float]) -> Finding:
    """The group as a finding.

    way : how it went out, of words.english_terms.WAYS
    more : sentences about the host
    parts : what the score of the first channel is made of
    """
    score, dests = group.score, group.dests
    lead = group.channels[0]
    ips = dict.fromkeys(ip for channel in group.channels for ip in channel.dest_ips)
    if group.n_dests == 1:
        ports = Counter[tuple[int, str]]()
        for channel in group.channels:
            ports[channel.resp_port, channel.proto] += channel.flows
        dest = lead.dest
        port, proto = min(ports, key=lambda service: (-ports[service], service))
    else:
        is_explained = bool(lead.label) or lead.is_shared
        dest = say.many_destinations(group.category.words, group.outcome, group.is_beat, is_explained)
        port, proto = group.category.port, group.category.proto
    busiest = [name for name, _ in dests.most_common()]
    return Finding(
        analyzer=analyzer,
        orig_ip=group.host,
        dest=dest,
        dest_ips=tuple(sorted(ips)[:MAX_ADDRESSES]),
        resp_port=port,
        proto=proto,
        score=round(score, 4),
        severity=severity_of(score, at_most="high"),
        first_ts=min(channel.first_ts for channel in group.channels),
        last_ts=max(channel.last_ts for channel in group.channels),
        events=group.total("flows"),
        interval_s=round(lead.beat_s, 3) if group.is_beat else None,
        jitter_frac=round(lead.spread, 4) if group.is_beat else None,
        via_proxy=lead.via_proxy if all(channel.via_proxy == lead.via_proxy for channel in group.channels) else "",
        outcome=group.outcome,
        reasons=[*_reasons(group, way, busiest), *more],
        techniques=list(group.category.techniques),
        channels=[_row(channel) for channel in group.channels[:MAX_CHANNELS] if channel.dest],
        parts=rows({**parts, "further destinations": score - lead.score} if score > lead.score else parts),
    )


def _row(channel: Channel) -> dict[str, object]:
    """A channel as the store keeps it beneath its finding."""
    return {
        "dest": channel.dest,
        "dest_ips": list(channel.dest_ips),
        "resp_port": channel.resp_port,
        "proto": channel.proto,
        "via_proxy": channel.via_proxy,
        "outcome": channel.outcome,
        "events": channel.flows,
        "orig_bytes": channel.orig_bytes,
        "resp_bytes": channel.resp_bytes,
        "first_ts": channel.first_ts,
        "last_ts": channel.last_ts,
        "label": channel.label,
    }


def _reasons(group: Group, way: str, busiest: Sequence[str]) -> Iterator[Phrase]:
    channels, flows = group.channels, group.total("flows")
    span_s = (max(c.last_ts for c in channels) - min(c.first_ts for c in channels)) / 1e9
    if group.is_beat:
        yield say.blocked_beat(channels[0].beat_s, channels[0].spread)
    yield say.connections_out(flows, way, span_s, [(outcome, n) for outcome in OUTCOMES if (n := group.total(outcome))])
    yield say.came_of_it(group.outcome)
    services = Counter[str]()
    for channel in channels:
        services[f"{channel.resp_port}/{channel.proto}"] += channel.flows
    told = [service for service, _ in services.most_common(MAX_TOLD)]
    yield say.category_and_ports(group.category.words, told, len(services) - len(told))
    if group.n_dests > 1:
        yield say.busiest_destinations(group.n_dests, busiest[:MAX_TOLD])
    if not any(channel.is_named for channel in channels):
        yield say.no_name(all(channel.no_lookup for channel in channels))
    if group.total("blocked") >= MANY_ATTEMPTS and not group.is_beat:
        yield say.blocked_and_repeated(group.total("blocked"))
    sent = group.total("orig_bytes")
    if group.outcome in (ESTABLISHED, HALF):
        yield say.sent_and_received(sent, group.total("resp_bytes"))
    if sent >= LARGE_UPLOAD_BYTES:
        yield say.large_upload()
    if away := group.total("away"):
        yield say.out_of_hours(away, flows, is_away(channels[0]))
    for label in dict.fromkeys(channel.label for channel in channels if channel.label):
        yield say.explained_by(sum(channel.n_dests for channel in channels if channel.label == label), label)
