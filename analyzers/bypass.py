"""The bypass analyzer: which host goes to the outside directly although there is a proxy?

Flows in, findings out, one for each host, destination and kind of traffic, with what became of the attempts. Without a
proxy that is known, everything would be "direct", so then the analyzer says so and reports nothing.
No destination is excused for who it belongs to. What is not seen: a proxy on the mirrored side of which the sensor
sees nothing, and traffic that an intercepting proxy takes without being asked.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from analyzers.egress_kind import Kind, kind_of
from analyzers.finding import Finding, by_score, severity_of
from analyzers.flow_table import FlowTable
from analyzers.outcome import ESTABLISHED, OUTCOMES, REFUSED, UNANSWERED, outcome_of
from analyzers.proxies import LearnedProxy, ProxySet
from analyzers.text import count, duration, size
from sensor.site import Site, parse_address

REPORT_FROM = 0.3

MANY_DESTINATIONS = 12
"""A host with more direct destinations of one kind than this does not use the proxy for it at all: one finding says so
better than hundreds."""

MAX_ADDRESSES = 50
MAX_NAMES_TOLD = 5
MANY_ATTEMPTS = 5
LARGE_UPLOAD_BYTES = 10_000_000


@dataclass(slots=True)
class _Direct:
    """The direct flows of one host to one destination (or to many) of one kind."""

    orig_ip: str
    dest: str
    kind: Kind
    ips: dict[str, None] = field(default_factory=dict)
    named: bool = False
    endpoints: Counter[tuple[str, int]] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    orig_bytes: int = 0
    resp_bytes: int = 0
    first_ts: int = 2**63 - 1
    last_ts: int = -(2**63)
    dests: Counter[str] = field(default_factory=Counter)

    @property
    def flows(self) -> int:
        return self.outcomes.total()

    @property
    def blocked(self) -> int:
        return self.outcomes[REFUSED] + self.outcomes[UNANSWERED]

    def absorb(self, other: "_Direct") -> None:
        """Add the flows of another destination."""
        self.ips |= other.ips
        self.named |= other.named
        self.endpoints += other.endpoints
        self.outcomes += other.outcomes
        self.orig_bytes += other.orig_bytes
        self.resp_bytes += other.resp_bytes
        self.first_ts = min(self.first_ts, other.first_ts)
        self.last_ts = max(self.last_ts, other.last_ts)
        self.dests += other.dests


def find_bypass(
    flows: FlowTable, site: Site, learned_proxies: Sequence[LearnedProxy] = ()
) -> tuple[list[Finding], list[str]]:
    """Findings, the highest score first, and notes: sentences on what was judged with which proxies.

    A host is told once for each destination and kind of traffic; beyond MANY_DESTINATIONS, once for the kind.

    Raises: ValueError when the columns of `flows` contradict each other
    """
    flows.check()
    proxies = ProxySet(site, learned_proxies)
    if not proxies:
        return [], [
            "no proxy is declared in the site file and none was seen at work: direct traffic was not judged as bypass"
        ]
    notes = [
        f"proxy {proxy.ip}:{proxy.port} was learned from {count(proxy.requests, 'flow')} "
        f"of {count(proxy.clients, 'client')}; declare it in the site file to keep it"
        for proxy in learned_proxies
        if not site.is_proxy(proxy.ip, proxy.port)
    ]
    users = _proxy_users(flows, proxies)
    findings = [
        finding
        for group in _fold(_direct_groups(flows, site, proxies))
        if (finding := _judge(group, users)) is not None
    ]
    return sorted(findings, key=by_score), notes


def _proxy_users(flows: FlowTable, proxies: ProxySet) -> frozenset[str]:
    """The hosts that are seen to talk to a proxy."""
    columns = zip(flows.orig_ip, flows.resp_ip, flows.resp_port, strict=True)
    return frozenset(orig_ip for orig_ip, resp_ip, port in columns if proxies.has(resp_ip, int(port)))


def _direct_groups(flows: FlowTable, site: Site, proxies: ProxySet) -> Iterator[_Direct]:
    """Flows from the inside to the outside that no proxy carried, by host, destination and kind."""
    groups: dict[tuple[str, str, str], _Direct] = {}
    outside: dict[str, bool] = {}
    judged: dict[str, bool] = {}
    for i, (orig_ip, resp_ip) in enumerate(zip(flows.orig_ip, flows.resp_ip, strict=True)):
        goes_out = outside.get(resp_ip)
        if goes_out is None:
            goes_out = outside[resp_ip] = site.is_outside(resp_ip)
        if not goes_out:
            continue
        is_judged = judged.get(orig_ip)
        if is_judged is None:
            is_judged = site.is_internal(orig_ip) and not site.is_excluded(orig_ip)
            is_judged = judged[orig_ip] = is_judged and not proxies.has_address(orig_ip)
        port = int(flows.resp_port[i])
        if not is_judged or proxies.has(resp_ip, port):
            continue
        proto = flows.proto[i]
        kind = kind_of(proto, port, flows.app[i], flows.via_proxy[i])
        if kind is None:
            continue
        dest = resp_ip if flows.via_proxy[i] else flows.name[i] or resp_ip
        group = groups.get((orig_ip, dest, kind.words))
        if group is None:
            group = groups[orig_ip, dest, kind.words] = _Direct(orig_ip, dest, kind)
        group.ips[resp_ip] = None
        group.named |= bool(flows.name[i]) and parse_address(flows.name[i]) is None
        group.endpoints[proto, port] += 1
        group.outcomes[outcome_of(flows.conn_state[i], int(flows.resp_pkts[i]), int(flows.resp_bytes[i]))] += 1
        group.orig_bytes += int(flows.orig_bytes[i])
        group.resp_bytes += int(flows.resp_bytes[i])
        group.first_ts = min(group.first_ts, int(flows.first_ts[i]))
        group.last_ts = max(group.last_ts, int(flows.last_ts[i]))
        group.dests[dest] += 1
    yield from groups.values()


def _fold(groups: Iterator[_Direct]) -> Iterator[_Direct]:
    """Put the destinations of a host together where there are too many of one kind."""
    by_host: defaultdict[tuple[str, str], list[_Direct]] = defaultdict(list)
    for group in groups:
        by_host[group.orig_ip, group.kind.words].append(group)
    for (orig_ip, words), same in by_host.items():
        if len(same) <= MANY_DESTINATIONS:
            yield from same
            continue
        folded = _Direct(orig_ip, f"many destinations ({words})", same[0].kind)
        for group in same:
            folded.absorb(group)
        yield folded


def _score(group: _Direct) -> float:
    """0 to 1: the kind's weight on how often it happened, how stubbornly, how much was sent, and whether it has a name.

    One web connection that got through scores 0.45; a hundred 0.65. Attempts that are blocked and repeated add up to
    0.2, a destination without any name 0.1, an upload above 10 MB 0.1.
    """
    often = min(math.log10(group.flows) / 2, 1.0)
    stubborn = min(group.blocked / (4 * MANY_ATTEMPTS), 1.0) if group.blocked >= MANY_ATTEMPTS else 0.0
    score = 0.45 + 0.2 * often + 0.2 * stubborn
    score += 0.0 if group.named else 0.1
    score += 0.1 if group.orig_bytes >= LARGE_UPLOAD_BYTES else 0.0
    return min(score, 1.0) * group.kind.weight


def _judge(group: _Direct, users: frozenset[str]) -> Finding | None:
    """A finding, or None below REPORT_FROM."""
    score = _score(group)
    if score < REPORT_FROM:
        return None
    proto, port = min(group.endpoints, key=lambda endpoint: (-group.endpoints[endpoint], endpoint))
    return Finding(
        analyzer="bypass",
        orig_ip=group.orig_ip,
        dest=group.dest,
        dest_ips=tuple(sorted(group.ips)[:MAX_ADDRESSES]),
        resp_port=port,
        proto=proto,
        score=round(score, 4),
        severity=severity_of(score, at_most="high"),
        first_ts=group.first_ts,
        last_ts=group.last_ts,
        events=group.flows,
        outcome=next(outcome for outcome in OUTCOMES if group.outcomes[outcome]),
        reasons=list(_reasons(group, users)),
        techniques=list(group.kind.techniques),
    )


def _reasons(group: _Direct, users: frozenset[str]) -> Iterator[str]:
    told = ", ".join(f"{group.outcomes[outcome]:,} {outcome}" for outcome in OUTCOMES if group.outcomes[outcome])
    span_s = (group.last_ts - group.first_ts) / 1e9
    yield f"{count(group.flows, 'direct flow')} to the outside within {duration(span_s)}, not through a proxy: {told}"
    endpoints = sorted(group.endpoints, key=lambda endpoint: (-group.endpoints[endpoint], endpoint))
    ports = ", ".join(f"{port}/{proto}" for proto, port in endpoints[:MAX_NAMES_TOLD])
    more = f" and {len(endpoints) - MAX_NAMES_TOLD:,} more ports" if len(endpoints) > MAX_NAMES_TOLD else ""
    yield f"{group.kind.words}: {ports}{more}"
    if len(group.dests) > 1:
        busiest = sorted(group.dests, key=lambda dest: (-group.dests[dest], dest))[:MAX_NAMES_TOLD]
        yield f"{len(group.dests):,} destinations, the busiest: {', '.join(busiest)}"
    elif not group.named:
        yield "the destination has no name, only an address"
    if not group.outcomes[ESTABLISHED]:
        yield "no attempt got through: something here does not know the proxy, and is stopped elsewhere"
    if group.blocked >= MANY_ATTEMPTS:
        yield f"{count(group.blocked, 'attempt')} blocked, and still repeated"
    if group.outcomes[ESTABLISHED]:
        yield f"sent {size(group.orig_bytes)}, received {size(group.resp_bytes)}"
    if group.orig_ip in users:
        yield "this host uses the proxy for other traffic"
    else:
        yield "this host was never seen using the proxy: perhaps a server or a device that nobody told about it"
