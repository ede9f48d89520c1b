"""What is known around a channel: is its destination outside, who else goes there, is it everyday infrastructure.

Context labels and may lower; it never raises a score and never drops a channel to an outside host.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from analyzers.series import Series
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


def infrastructure_label(proto: str, resp_port: int) -> str:
    """Which regular everyday service the port is, in a few words, or empty."""
    return _INFRASTRUCTURE.get((proto, resp_port), "")


def outside_mask(series: Series, site: Site) -> NDArray[np.bool_]:
    """Which channels go to another party's host and may be judged, bool[n].

    Behind a proxy the destination is the name asked for; elsewhere at least one of the addresses has to be outside.
    """
    outside = cache(site.is_outside)  # channels are many, destinations few
    asked = cache(lambda dest: parse_address(dest) is None or site.is_outside(dest))
    mask = [
        asked(dest) if via_proxy else any(map(outside, dest_ips)) or outside(dest)
        for dest, dest_ips, via_proxy in zip(series.dest, series.dest_ips, series.via_proxy, strict=True)
    ]
    if site.excluded:
        excluded = cache(site.is_excluded)
        mask = [is_outside and not excluded(ip) for is_outside, ip in zip(mask, series.orig_ip, strict=True)]
    return np.array(mask, np.bool_)


BUSY_DESTS = 5
"""A host that was seen with fewer destinations only announces itself to the network; it is nobody to compare with."""


@dataclass(frozen=True, slots=True)
class Population:
    """How many hosts there are and how many of them go where: what one channel is compared with.

    n_hosts : internal clients seen
    clients_of : for each destination, its different clients
    span_ns : first and last event; None: those of each series that is looked at
    n_busy : internal clients with BUSY_DESTS destinations or more: those that can be compared; None: all
    """

    n_hosts: int
    clients_of: Mapping[str, int]
    span_ns: tuple[int, int] | None = None
    n_busy: int | None = None


def population_of(series: Series, site: Site) -> Population:
    """The population of a series alone; where channels are scored in parts, count over all parts instead."""
    clients_of: defaultdict[str, set[str]] = defaultdict(set)
    dests_of: defaultdict[str, set[str]] = defaultdict(set)
    for client, destination in zip(series.orig_ip, series.dest, strict=True):
        clients_of[destination].add(client)
        dests_of[client].add(destination)
    internal = [client for client in dests_of if site.is_internal(client)]
    n_busy = sum(len(dests_of[client]) >= BUSY_DESTS for client in internal)
    counts = {destination: len(clients) for destination, clients in clients_of.items()}
    span_ns = (int(series.ts_ns.min()), int(series.ts_ns.max())) if len(series.ts_ns) else None
    return Population(len(internal), counts, span_ns, n_busy)


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
