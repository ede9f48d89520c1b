"""What is known around a channel: is its destination outside, who else goes there, is it everyday infrastructure.

Context labels and may lower; it never raises a score and never drops a channel to an outside host.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from analyzers.series import Series, destination
from sensor.networks import is_public_name, split_endpoint
from sensor.site import Site, parse_address

_INFRASTRUCTURE = {
    ("udp", 123): "NTP: clients ask their time server at a fixed pace",
    ("udp", 53): "DNS: a resolver is asked all day by everything on the host",
    ("tcp", 53): "DNS: a resolver is asked all day by everything on the host",
    ("tcp", 853): "DNS over TLS: a resolver is asked all day by everything on the host",
    ("udp", 67): "DHCP: leases are renewed at a fixed pace",
    ("udp", 547): "DHCPv6: leases are renewed at a fixed pace",
    ("udp", 137): "NetBIOS name service: announcements repeat at a fixed pace",
    ("udp", 138): "NetBIOS datagrams: announcements repeat at a fixed pace",
    ("udp", 1900): "SSDP: devices announce themselves at a fixed pace",
    ("udp", 3478): "STUN: calls keep their way through a NAT open at a fixed pace",
    ("udp", 5353): "mDNS: devices announce themselves at a fixed pace",
}

_WEB_PORTS = frozenset({80, 443, 8000, 8008, 8080, 8443, 8888, 3128})
_STANDARD_PORTS = frozenset({21, 22, 25, 53, 80, 110, 123, 143, 443, 465, 587, 853, 993, 995, 8080, 8443})

DNS_PORT = 53
"""Where names are asked of a resolver; questions at other ports (mDNS, LLMNR, NetBIOS) are put to the neighbours."""


def infrastructure_label(proto: str, resp_port: int) -> str:
    """Which regular everyday service the port is, in a few words, or empty."""
    return _INFRASTRUCTURE.get((proto, resp_port), "")


def outside_mask(series: Series, site: Site) -> NDArray[np.bool_]:
    """Which channels go to another party's host and may be judged, bool[n].

    Behind a proxy the destination is the name asked for, and a resolver is to DNS what a proxy is to the web; elsewhere
    at least one of the addresses has to be outside.
    """
    outside = cache(site.is_outside)  # channels are many, destinations few
    asked = cache(lambda dest: parse_address(dest) is None or site.is_outside(dest))
    resolved = cache(is_public_name)
    mask = [
        (asked(dest) if via_proxy else any(map(outside, dest_ips)) or outside(dest))
        or (kind == "query" and port == DNS_PORT and resolved(dest))
        for dest, dest_ips, via_proxy, kind, port in zip(
            series.dest, series.dest_ips, series.via_proxy, series.kind, series.resp_port, strict=True
        )
    ]
    if site.excluded:
        excluded = cache(site.is_excluded)
        mask = [is_outside and not excluded(ip) for is_outside, ip in zip(mask, series.orig_ip, strict=True)]
    return np.array(mask, np.bool_)


def no_mere_lookups(series: Series) -> NDArray[np.bool_]:
    """Which channels are more than questions for the address of what the host then goes to, bool[n].

    A name that is asked for and visited is told by its visits: they have the same clock, and more to see.
    """
    is_query = np.array([kind == "query" for kind in series.kind], np.bool_)
    pairs = list(zip(series.orig_ip, series.dest, strict=True))
    visited = {pair for pair, asks in zip(pairs, is_query.tolist(), strict=True) if not asks}
    return ~is_query | np.array([pair not in visited for pair in pairs], np.bool_)


BUSY_DESTS = 5
"""A host that was seen with fewer destinations only announces itself to the network; it is nobody to compare with."""


@dataclass(frozen=True, slots=True)
class Population:
    """How many hosts there are and how many of them go where: what one channel is compared with.

    n_hosts : internal clients seen
    clients_of : for each destination, how many have to do with it; proxies, which do for others, are left out
    span_ns : first and last event; None: those of each series that is looked at
    n_busy : internal clients with BUSY_DESTS destinations or more: those that can be compared; None: all
    askers_of : for each name, how many ask DNS for it; resolvers, which ask for others, are left out
    middlemen : addresses of those who were left out, and whether as a resolver
    """

    n_hosts: int
    clients_of: Mapping[str, int]
    span_ns: tuple[int, int] | None = None
    n_busy: int | None = None
    askers_of: Mapping[str, int] = field(default_factory=dict)
    middlemen: frozenset[tuple[str, bool]] = frozenset()

    def clients(self, series: Series) -> NDArray[np.int64]:
        """How many hosts do what each channel does, its own among them: have to do with its destination, or ask for it.

        Returns: int64[n], 1 or more
        """
        counts = (self.clients_of, self.askers_of)
        clients = np.ones(len(series), np.int64)
        for i, client in enumerate(series.orig_ip):
            dest, is_query = destination(series, i)
            own = int((client, is_query) in self.middlemen)
            clients[i] = max(counts[is_query].get(dest, 1 - own) + own, 1)
        return clients


def asked_of(series: Series) -> set[tuple[str, str, bool]]:
    """Who is asked for what: address of a proxy or resolver, destination, whether in DNS."""
    asked: set[tuple[str, str, bool]] = set()
    for i, via_proxy in enumerate(series.via_proxy):
        dest, is_query = destination(series, i)
        servers = series.dest_ips[i] if is_query else (split_endpoint(via_proxy)[0],) if via_proxy else ()
        asked.update((server, dest, is_query) for server in servers)
    return asked


def population_of(series: Series, site: Site) -> Population:
    """The population of a series alone; where channels are scored in parts, count over all parts instead."""
    clients_of: defaultdict[tuple[str, bool], set[str]] = defaultdict(set)
    dests_of: defaultdict[str, set[str]] = defaultdict(set)
    middlemen = frozenset((server, is_query) for server, _, is_query in asked_of(series))
    for i, client in enumerate(series.orig_ip):
        dests_of[client].add(series.dest[i])
        dest, is_query = destination(series, i)
        if (client, is_query) not in middlemen:
            clients_of[dest, is_query].add(client)
    internal = [client for client in dests_of if site.is_internal(client)]
    n_busy = sum(len(dests_of[client]) >= BUSY_DESTS for client in internal)
    counts, askers = (
        {dest: len(who) for (dest, is_query), who in clients_of.items() if is_query == of_queries}
        for of_queries in (False, True)
    )
    span_ns = (int(series.ts_ns.min()), int(series.ts_ns.max())) if len(series.ts_ns) else None
    return Population(len(internal), counts, span_ns, n_busy, askers, middlemen)


def techniques(series: Series, i: int, n_answered: int) -> list[str]:
    """MITRE ATT&CK ids that channel i would be, were it command and control.

    T1071 application layer protocol (.001 web, .004 DNS), T1573 encrypted channel, T1095 no application protocol seen,
    T1571 a port that is not the protocol's own, T1008 fallback channels: silent addresses tried in turn.
    """
    port, proto, source = series.resp_port[i], series.proto[i], series.name_source[i]
    ids = []
    is_web = source in ("sni", "quic", "http", "proxy") or (proto == "tcp" and port in _WEB_PORTS)
    if series.kind[i] == "query" or port in (53, 853):
        ids.append("T1071.004")
    elif is_web:
        ids.append("T1071.001")
    else:
        ids.append("T1095")
    if source in ("sni", "quic"):
        ids.append("T1573")
    if proto in ("tcp", "udp") and not series.via_proxy[i] and port not in _STANDARD_PORTS and port != 0:
        ids.append("T1571")
    if n_answered == 0 and len(series.dest_ips[i]) > 1:
        ids.append("T1008")
    return ids
