"""How this network reaches the web: all through a proxy that is asked, through one that nobody asks, or directly.

Declared in the site file, or learned from who asks proxies and who does without. What was assumed, and why, is said.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from analyzers.text import count
from sensor.site import AUTO, EXPLICIT, NO_PROXY, TRANSPARENT, Site

MIN_REQUESTS = 3
"""A proxy is learned from at least so many flows that asked it for something."""

MIN_CLIENTS_DOUBTED = 3
"""An outside address is learned as the organisation's proxy (a cloud proxy) only when so many hosts ask it: a single
host that asks an outside proxy goes around ours. So it is with one inside where others are declared: a host that a few
ask may be an implant that passes on."""

DIRECT_DESTINATIONS = 3
"""A host that reaches so many web destinations directly lives without a proxy; fewer are exceptions or a bypass."""

INTERCEPTED_SHARE, INTERCEPTED_DESTINATIONS = 0.8, 5
"""A proxy that nobody asks names itself in the answers of most destinations; a CDN only in its own."""


class LearnedProxy(NamedTuple):
    """A proxy seen at work: how many different clients asked it, in how many flows."""

    ip: str
    port: int
    clients: int
    requests: int


@dataclass(frozen=True, slots=True)
class Mode:
    """word : explicit, transparent or none; why : a sentence; proxies : address, port (None: any)"""

    word: str
    why: str
    proxies: tuple[tuple[str, int | None], ...] = ()

    def is_proxy(self, ip: str) -> bool:
        """Whether a host is a proxy: what it sends out, it sends for others."""
        return any(ip == address for address, _ in self.proxies)


def learn_proxies(asked: Iterable[tuple[str, str, int, int]], site: Site) -> list[LearnedProxy]:
    """The proxies that hosts were seen to ask, the busiest first. asked : originator, responder, port, flows"""
    clients: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    requests: defaultdict[tuple[str, int], int] = defaultdict(int)
    for orig_ip, resp_ip, port, flows in asked:
        clients[resp_ip, port].add(orig_ip)
        requests[resp_ip, port] += flows
    learned = [
        LearnedProxy(ip, port, len(who), requests[ip, port])
        for (ip, port), who in clients.items()
        if requests[ip, port] >= MIN_REQUESTS
        and len(who) >= (1 if site.is_internal(ip) and not site.proxies else MIN_CLIENTS_DOUBTED)
    ]
    return sorted(learned, key=lambda proxy: (-proxy.requests, proxy.ip, proxy.port))


def proxies_of(site: Site, learned: Sequence[LearnedProxy]) -> tuple[tuple[str, int | None], ...]:
    """Declared and learned proxies."""
    declared = [(str(proxy.address), proxy.port) for proxy in site.proxies]
    return (*declared, *((proxy.ip, proxy.port) for proxy in learned))


def decide_mode(
    site: Site,
    learned: Sequence[LearnedProxy],
    users: frozenset[str],
    web_hosts: Iterable[tuple[str, int]],
    via: tuple[Sequence[tuple[str, int, int]], int],
) -> Mode:
    """The mode of a network.

    users : hosts that ask a proxy
    web_hosts : hosts with direct web connections that got through, and to how many destinations
    via : what answers name as their last proxy (word, hosts, destinations), and how many destinations answered
    """
    proxies = proxies_of(site, learned)
    if site.proxy_mode != AUTO:
        return Mode(site.proxy_mode, "the site file says so", () if site.proxy_mode == NO_PROXY else proxies)
    if site.proxies:
        return Mode(EXPLICIT, "the site file names a proxy", proxies)
    own = {ip for ip, _ in proxies}
    direct = {host for host, n in web_hosts if n >= DIRECT_DESTINATIONS and host not in own} - users
    if learned:
        first = learned[0]
        seen = f"{first.ip}:{first.port} was asked by {count(first.clients, 'host')} in {count(first.requests, 'flow')}"
        if len(users) >= len(direct):
            return Mode(EXPLICIT, f"{seen}, and {count(len(direct), 'host')} live without a proxy", proxies)
        why = f"{seen}, but {count(len(direct), 'host')} reach the web without it; say [proxies] mode in the site file"
        return Mode(NO_PROXY, why, proxies)
    words, answered = via
    if words and words[0][2] >= max(INTERCEPTED_DESTINATIONS, INTERCEPTED_SHARE * answered):
        word, hosts, dests = words[0]
        why = f"{dests:,} of {answered:,} web sites answer {count(hosts, 'host')} through {word!r}, which nobody asked"
        return Mode(TRANSPARENT, why)
    return Mode(NO_PROXY, "no proxy is declared in the site file and none was seen at work")
