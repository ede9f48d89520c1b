"""What the analyzers of pairs (client, destination, proxy) share: who is judged, and what lowers the severity."""

from collections.abc import Mapping
from dataclasses import dataclass

from analyzers.beacon.context import Population, infrastructure_label
from analyzers.finding import Finding, severity_of
from analyzers.known import SEVERITY_CAP, label_of
from analyzers.parts import rows
from analyzers.words import english as say
from analyzers.words.phrase import Phrase
from sensor.site import Site, parse_address

MIN_HOSTS, COMMON_SHARE = 5, 0.25
"""From five hosts on, a destination that a quarter of them contact is one of everyday: it stays low."""

MOST_ALONE = "medium"
"""Counts and durations alone say that a machine does this, not whose: never above it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The connections of a client to a destination, taken together.

    dest : by its best name, behind a proxy the name asked for
    resp_port, proto : the commonest; behind a proxy the proxy's
    first_ts, last_ts : int nanoseconds since 1970 UTC
    """

    orig_ip: str
    dest: str
    dest_ips: list[str]
    via_proxy: str
    resp_port: int
    proto: str
    orig_bytes: int
    resp_bytes: int
    first_ts: int
    last_ts: int
    connections: int

    def is_judged(self, site: Site) -> bool:
        """Whether the destination is another party's host and the client is not excluded."""
        if site.is_excluded(self.orig_ip):
            return False
        if self.via_proxy:
            return parse_address(self.dest) is None or site.is_outside(self.dest)
        return any(site.is_outside(address) for address in self.dest_ips)


def what_lowers(pair: Pair, population: Population) -> list[Phrase]:
    """Sentences on why the severity is low: known software, everyday infrastructure, a destination of many hosts."""
    label = infrastructure_label(pair.proto, pair.resp_port)
    label = label or label_of(pair.dest, pair.proto, 0 if pair.via_proxy else pair.resp_port)
    sentences = [say.looks_like(label, "severity")] if label else []
    contacting = population.clients_of.get(pair.dest, 1)
    if population.n_hosts >= MIN_HOSTS and contacting >= COMMON_SHARE * population.n_hosts:
        sentences.append(say.many_hosts(contacting, population.n_hosts))
    return sentences


def highest_severity(lowered: list[Phrase]) -> str:
    """The most that a pair's finding may be."""
    return SEVERITY_CAP if lowered else MOST_ALONE


def finding_of(
    analyzer: str, pair: Pair, parts: Mapping[str, float], reasons: list[Phrase], lowered: list[Phrase]
) -> Finding:
    """The finding of a pair.

    parts : amounts that add up to its score
    lowered : the sentences of `what_lowers`, which cap its severity
    """
    score = sum(parts.values())
    return Finding(
        analyzer=analyzer,
        orig_ip=pair.orig_ip,
        dest=pair.dest,
        dest_ips=tuple(pair.dest_ips),
        resp_port=pair.resp_port,
        proto=pair.proto,
        score=round(score, 4),
        severity=severity_of(score, at_most=highest_severity(lowered)),
        first_ts=pair.first_ts,
        last_ts=pair.last_ts,
        events=pair.connections,
        via_proxy=pair.via_proxy,
        reasons=reasons,
        techniques=["T1071"],
        parts=rows(parts),
    )


def surroundings(pair: Pair, site: Site) -> list[Phrase]:
    """Facts that everything said of a pair ends with."""
    sentences = [say.asked_of_proxy(pair.via_proxy)] if pair.via_proxy else []
    if not site.is_internal(pair.orig_ip):
        sentences.append(say.not_internal(pair.orig_ip))
    return sentences
