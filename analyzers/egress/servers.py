"""Which server goes out to what its role does not allow: directly, or through the proxy.

A directory or file server that talks to the outside beyond updates and clocks is rare enough to be looked at each time,
whether or not it got there. What is allowed stands in the site file, else in sensor/policy.py by role.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from analyzers.egress.bypass import is_excused, prepare
from analyzers.egress.category import PING
from analyzers.egress.groups import Group, finding_of, group_channels
from analyzers.egress.roles import Server
from analyzers.egress.score import MAX_SCORE, is_away
from analyzers.egress.table import ESTABLISHED, HALF, Channel, ChannelKey, EgressTable, channels_of
from analyzers.finding import Finding, by_score
from analyzers.parts import points
from analyzers.words import english as say
from sensor.networks import parse_address
from sensor.site import Site

BASE, GOT_OUT, FIRST_TIME, NAMELESS, BEAT, UPLOAD, AWAY = 0.62, 0.12, 0.08, 0.04, 0.25, 0.1, 0.06
UPLOAD_BYTES = 1_000_000
LABEL_FACTOR = 0.5
NEW_AFTER_S = 6 * 3600.0
"""A server that was watched for so long without going out does so for the first time."""


def judge_servers(
    table: EgressTable,
    proxied: Iterable[Sequence[Any]],
    site: Site,
    servers: Mapping[str, Server],
    first_seen: Mapping[str, int],
    beats: Mapping[ChannelKey, tuple[float, float]],
) -> list[Finding]:
    """Findings for the servers of a table, the highest score first.

    proxied : what they asked of proxies: originator, destination, port, protocol, proxy, requests, denied requests,
        bytes sent and received, first and last (ns), requests while nobody works
    first_seen : when each was first seen at all, ns

    Raises: ValueError when the columns of the table contradict each other
    """
    channels = [channel for channel in channels_of(table) if channel.orig_ip in servers]
    channels += [_asked(row) for row in proxied if row[0] in servers]
    judged = []
    for channel in channels:
        category = prepare(channel, site, beats)
        if category is not PING and not _is_allowed(channel, site, servers[channel.orig_ip]):
            channel.score = sum(_score_parts(channel, first_seen).values())
            judged.append((channel, category))
    findings = [_finding(group, servers[group.host], first_seen) for group in group_channels(judged)]
    return sorted(findings, key=by_score)


def _asked(row: Sequence[Any]) -> Channel:
    """What a server asked of a proxy, as a channel."""
    orig_ip, dest, port, proto, via_proxy, requests, denied, sent, received, first_ts, last_ts, away = row
    addresses = (dest,) if parse_address(dest) is not None else ()
    return Channel(
        orig_ip, dest, port, proto, "http", False, 1, addresses, False, requests, 0, denied, 0, requests - denied,
        sent, received, requests, first_ts, last_ts, away, 1, via_proxy=via_proxy,
    )  # fmt: skip


def _is_allowed(channel: Channel, site: Site, server: Server) -> bool:
    if not channel.via_proxy and is_excused(channel, site):
        return True
    address = parse_address(channel.dest_ips[0]) if channel.dest_ips else None
    # behind a proxy the port is the proxy's; names are what a role allows
    port = 0 if channel.via_proxy else channel.resp_port
    sets = [known.name for known in site.destinations.sets_of(channel.dest, port, channel.proto)]
    return server.role.allowed.covers(channel.dest, address, port, channel.proto, sets)


def _waited_s(channel: Channel, first_seen: Mapping[str, int]) -> float:
    """How long the server had been watched before, seconds."""
    return (channel.first_ts - first_seen.get(channel.orig_ip, channel.first_ts)) / 1e9


def _score_parts(channel: Channel, first_seen: Mapping[str, int]) -> dict[str, float]:
    """What the score, 0 to MAX_SCORE, is made of: that it went out, that it got out, that it never did before, that it
    keeps a beat, sent much, and at what hours."""
    added = {
        "a server went out, or tried to": BASE,
        "it got out": GOT_OUT if channel.outcome in (ESTABLISHED, HALF) else 0.0,
        "for the first time": FIRST_TIME if _waited_s(channel, first_seen) >= NEW_AFTER_S else 0.0,
        "blocked every time, at a beat": BEAT if channel.beat_s else 0.0,
        "a large upload": UPLOAD if channel.orig_bytes >= UPLOAD_BYTES else 0.0,
        "while nobody is at work": AWAY if is_away(channel) else 0.0,
        "no name, only an address": 0.0 if channel.is_named else NAMELESS,
    }
    return points(added, {f"explained by: {channel.label}": LABEL_FACTOR if channel.label else 1.0}, MAX_SCORE)


def _finding(group: Group, server: Server, first_seen: Mapping[str, int]) -> Finding:
    first = min(group.channels, key=lambda channel: channel.first_ts)
    role = server.role.name
    more = [say.guessed_server(role, server.why) if server.why else say.declared_server(role)]
    more.append(say.role_allows(sorted(server.role.allowed.words | server.role.allowed.names)))
    waited_s = _waited_s(first, first_seen)
    if waited_s >= NEW_AFTER_S:
        more.append(say.first_time(waited_s))
    is_proxied = all(channel.via_proxy for channel in group.channels)
    way = "disallowed through proxy" if is_proxied else "disallowed"
    return finding_of(group, "server-egress", way, more, _score_parts(group.channels[0], first_seen))
