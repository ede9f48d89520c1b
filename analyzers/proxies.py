"""Which addresses are web proxies: those a person declared, and those that hosts are seen to ask."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from analyzers.flow_table import FlowTable
from sensor.site import Site

MIN_REQUESTS = 3
"""A proxy is learned from at least so many flows that asked it for something."""

MIN_CLIENTS_OUTSIDE = 3
"""An outside address is learned as the organisation's proxy (a cloud proxy) only when so many hosts ask it: a single
host that asks an outside proxy goes around ours."""


class LearnedProxy(NamedTuple):
    """A proxy seen at work: how many different clients asked it, in how many flows."""

    ip: str
    port: int
    clients: int
    requests: int


def learn_proxies(flows: FlowTable, site: Site) -> list[LearnedProxy]:
    """The proxies that the flows show: those with via_proxy set go to one. The busiest first.

    A proxy's own flows to the outside carry no via_proxy, so chained proxies are learned one by one.
    """
    clients: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    requests: defaultdict[tuple[str, int], int] = defaultdict(int)
    columns = zip(flows.via_proxy, flows.orig_ip, flows.resp_ip, flows.resp_port, strict=True)
    for via_proxy, orig_ip, resp_ip, port in columns:
        if via_proxy and site.is_internal(orig_ip):
            clients[resp_ip, int(port)].add(orig_ip)
            requests[resp_ip, int(port)] += 1
    learned = [
        LearnedProxy(ip, port, len(who), requests[ip, port])
        for (ip, port), who in clients.items()
        if requests[ip, port] >= MIN_REQUESTS and (site.is_internal(ip) or len(who) >= MIN_CLIENTS_OUTSIDE)
    ]
    return sorted(learned, key=lambda proxy: (-proxy.requests, proxy.ip, proxy.port))


class ProxySet:
    """Declared and learned proxies, asked by address and port."""

    def __init__(self, site: Site, learned: Sequence[LearnedProxy]) -> None:
        self._ports: defaultdict[str, set[int | None]] = defaultdict(set)
        for proxy in site.proxies:
            self._ports[str(proxy.address)].add(proxy.port)
        for seen in learned:
            self._ports[seen.ip].add(seen.port)

    def __bool__(self) -> bool:
        return bool(self._ports)

    def has_address(self, ip: str) -> bool:
        """Whether the host is a proxy: what it sends out, it sends for others."""
        return ip in self._ports

    def has(self, ip: str, port: int) -> bool:
        """Whether this port of the host is a proxy."""
        ports = self._ports.get(ip)
        return ports is not None and (port in ports or None in ports)
