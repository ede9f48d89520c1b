"""Which client goes out although it should not, or tries to: around the proxy, or in ways that are odd anywhere.

Where all web goes through a proxy, every direct channel is judged. Behind a proxy that nobody asks, all but plain web.
Without a proxy only what is odd in any network: outside resolvers where there is one inside, addresses that DNS never
told, tunnels to them, and attempts at a beat that are all blocked. Servers are judged in `servers`.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analyzers.egress.category import DNS, DOH, DOT, PAYLOAD_PING, TOR, WEB, Category, benign_label, categorize
from analyzers.egress.groups import Group, finding_of, group_channels
from analyzers.egress.mode import Mode
from analyzers.egress.score import LARGE_UPLOAD_BYTES, REPORT_FROM, company, score_channel, score_parts
from analyzers.egress.table import Channel, ChannelKey, EgressTable, channels_of
from analyzers.finding import Finding, by_score
from analyzers.text import count
from analyzers.words import english as say
from sensor.networks import is_holding, parse_address
from sensor.site import EXPLICIT, NO_PROXY, TRANSPARENT, Site

MIN_LOOKED_UP = 0.5
"""Only where DNS told a host most of its destinations' addresses is an address that it never told odd."""

MIN_RAW_FLOWS = 5


@dataclass(slots=True)
class Surroundings:
    """What is known of the whole network.

    users : hosts that ask a proxy; n_hosts : hosts inside
    has_resolver : whether a host inside answers DNS for others
    beats : channels whose attempts are all blocked and come at a beat: interval in seconds, spread
    """

    mode: Mode
    users: frozenset[str] = frozenset()
    n_hosts: int = 0
    has_resolver: bool = False
    beats: Mapping[ChannelKey, tuple[float, float]] = field(default_factory=dict)


@dataclass(slots=True)
class Kept:
    """What stayed below the threshold: how many channels and hosts by explanation, and what many hosts share."""

    labels: Counter[str] = field(default_factory=Counter)
    shared: dict[str, tuple[int, str]] = field(default_factory=dict)
    excused: int = 0
    small: int = 0

    def sentences(self) -> list[str]:
        """What to tell of it."""
        told = []
        if self.labels:
            parts = ", ".join(f"{n:,} {label}" for label, n in self.labels.most_common())
            told.append(f"direct channels with a benign explanation, below the threshold: {parts}")
        for dest, (clients, outcome) in sorted(self.shared.items(), key=lambda item: -item[1][0])[:5]:
            told.append(
                f"{dest} is contacted directly by {count(clients, 'host')} alike ({outcome}): software of the house?"
            )
        if self.excused:
            told.append(f"{count(self.excused, 'direct channel')} allowed by [direct] in the site file")
        if self.small:
            told.append(f"{count(self.small, 'direct channel')} below the threshold")
        return told


def judge_clients(
    table: EgressTable, site: Site, around: Surroundings, servers: frozenset[str], kept: Kept
) -> list[Finding]:
    """Findings for the hosts of a table that are neither servers nor proxies, the highest score first.

    kept : what stays below the threshold is counted there

    Raises: ValueError when the columns of the table contradict each other
    """
    judged = []
    channels = [
        channel
        for channel in channels_of(table)
        if channel.orig_ip not in servers and not around.mode.is_proxy(channel.orig_ip)
    ]
    seen_dns = _hosts_with_lookups(channels)
    for channel in channels:
        category = prepare(channel, site, around.beats)
        if not _is_judged(channel, category, around, seen_dns):
            continue
        if is_excused(channel, site):
            kept.excused += 1
            continue
        channel.is_shared = company(channel, around.n_hosts) < 1
        channel.score = score_channel(channel, category, around.n_hosts)
        judged.append((channel, category))
    groups = group_channels(judged)
    beside: defaultdict[str, list[str]] = defaultdict(list)
    for group in groups:
        if group.score < REPORT_FROM:
            _keep(group, kept)
            beside[group.host] += [_excuse(channel) for channel in group.channels]
    findings = [_finding(group, around, beside[group.host]) for group in groups if group.score >= REPORT_FROM]
    return sorted(findings, key=by_score)


def prepare(channel: Channel, site: Site, beats: Mapping[ChannelKey, tuple[float, float]]) -> Category:
    """Find a channel's category, and note its benign explanation and its beat in it."""
    category = categorize(channel, site.destinations)
    if channel.orig_bytes < LARGE_UPLOAD_BYTES:  # nothing explains that much
        channel.label = benign_label(channel, category, site.destinations)
    key = (channel.orig_ip, channel.dest, channel.resp_port, channel.proto)
    if not channel.label and channel.blocked == channel.flows:
        channel.beat_s, channel.spread = beats.get(key, (0.0, 0.0))
    return category


def is_excused(channel: Channel, site: Site) -> bool:
    """Whether a rule of [direct] in the site file lets it out."""
    if not site.direct:
        return False
    origin = parse_address(channel.orig_ip)
    address = parse_address(channel.dest_ips[0]) if channel.dest_ips else None
    sets = [known.name for known in site.destinations.sets_of(channel.dest, channel.resp_port, channel.proto)]
    return any(
        (not rule.ports or channel.resp_port in rule.ports)
        and (not rule.sources or (origin is not None and any(is_holding(net, origin) for net in rule.sources)))
        and rule.allowed.covers(channel.dest, address, channel.resp_port, channel.proto, sets)
        for rule in site.direct
    )


def _hosts_with_lookups(channels: Sequence[Channel]) -> frozenset[str]:
    """Hosts to which DNS told most of their destinations' addresses."""
    all_of, told = Counter[str](), Counter[str]()
    for channel in channels:
        all_of[channel.orig_ip] += 1
        told[channel.orig_ip] += not channel.no_lookup
    return frozenset(host for host, n in all_of.items() if told[host] >= MIN_LOOKED_UP * n)


def _is_judged(channel: Channel, category: Category, around: Surroundings, seen_dns: frozenset[str]) -> bool:
    """Whether the network's mode makes this channel something to judge."""
    if around.mode.word == EXPLICIT or channel.beat_s:
        return True
    if around.mode.word == TRANSPARENT:
        return not (category is WEB and channel.proto == "tcp")
    if category in (DNS, DOT, DOH):
        return around.has_resolver
    if category in (PAYLOAD_PING, TOR):
        return True
    is_raw = channel.no_lookup and not channel.is_named and channel.orig_ip in seen_dns
    return is_raw and not channel.label and channel.flows >= MIN_RAW_FLOWS


def _finding(group: Group, around: Surroundings, beside: list[str]) -> Finding:
    """beside : the explanations of the host's channels that stayed below the threshold"""
    more = []
    if around.mode.word == EXPLICIT and group.host in around.users:
        more.append(say.uses_proxy())
    elif around.mode.word == EXPLICIT:
        more.append(say.never_uses_proxy())
    if explained := [label for label in beside if label]:
        more.append(say.beside_it(Counter(explained).most_common()))
    parts = score_parts(group.channels[0], group.category, around.n_hosts)
    if around.mode.word == NO_PROXY:
        return finding_of(group, "egress", "out", more, parts)
    return finding_of(group, "bypass", "uncarried" if around.mode.word == TRANSPARENT else "past", more, parts)


def _excuse(channel: Channel) -> str:
    return channel.label or (say.as_hosts_do(channel.dest, channel.clients) if channel.is_shared else "")


def _keep(group: Group, kept: Kept) -> None:
    for channel in group.channels:
        if channel.label:
            kept.labels[channel.label] += 1
        elif channel.is_shared:
            kept.shared[channel.dest] = (channel.clients, channel.outcome)
        else:
            kept.small += 1
