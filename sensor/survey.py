"""What a store shows of one's own network: its hosts, servers, proxies and resolvers.

In: a store, a site, a span of time. Out: one `Survey`, from which `kagami hosts` makes rows and `kagami site init` a
file. Needs no numba. This module never decides what is allowed.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

from analyzers.egress import WEB_PORTS, decide_mode, guess_roles, learn_proxies, proxies_of
from analyzers.egress.mode import LearnedProxy, Mode
from sensor.networks import Network, is_holding, parse_address
from sensor.site import Site
from sensor.store import hosts
from sensor.store.egress import SERVICE_PORTS, Egress
from sensor.store.hosts import Span
from sensor.store.store import Store


@dataclass(slots=True)
class Survey:
    """What was seen.

    hosts : rows with the fields of columns.HOST, by address
    networks : networks of 256 addresses (IPv6: a /64) with their hosts inside
    strangers : such networks outside the internal ones from which flows begin, with how many; they may be one's own
    roles : address -> role and evidence
    resolvers_outside : outside addresses that hosts ask on port 53, and how many ask
    """

    mode: Mode
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    networks: Counter[Network] = field(default_factory=Counter)
    strangers: Counter[Network] = field(default_factory=Counter)
    proxies: list[LearnedProxy] = field(default_factory=list)
    roles: dict[str, tuple[str, str]] = field(default_factory=dict)
    resolvers_outside: list[tuple[str, int]] = field(default_factory=list)


def gather_egress(
    egress: Egress, site: Site
) -> tuple[list[tuple[str, str, int, int]], list[LearnedProxy], frozenset[str], Mode]:
    """Sum up the way out around the proxies that are declared or seen at work.

    Returns: who asked whom as a proxy (as `Egress.proxies`), the proxies learned, the hosts that use one, and the mode.
    Raises: StoreError.
    """
    asked = egress.proxies()
    learned = learn_proxies(asked, site)
    own = proxies_of(site, learned)
    egress.gather(own)
    users = frozenset(orig for orig, resp, port, _ in asked if (resp, port) in own or (resp, None) in own)
    return asked, learned, users, decide_mode(site, learned, users, egress.web_hosts(WEB_PORTS), egress.via_words())


def survey(
    store: Store, site: Site, span: Span = (None, None), during: Sequence[tuple[int, int]] | None = None
) -> Survey:
    """Look at what a store holds of a span of time.

    during : list only hosts that were up in one of these spans, ns; what they are is told from the whole span
    Raises: StoreError.
    """
    with Egress(store, site, *span) as egress:
        asked, learned, _, mode = gather_egress(egress, site)
        services = egress.services()
        found = Survey(mode, proxies=learned, resolvers_outside=egress.resolvers())
        direct = egress.direct_flows()
        strangers = egress.strangers()
    found.roles = {ip: role for ip, role in guess_roles(services, SERVICE_PORTS).items() if not mode.is_proxy(ip)}
    found.strangers = _networks((ip, n) for ip, n in strangers if parse_address(ip) is not None)
    proxied: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for orig, resp, port, flows in asked:
        proxied[orig][f"[{resp}]:{port}" if ":" in resp else f"{resp}:{port}"] += flows
    answered: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for ip, port, proto, *_ in services:
        answered[ip][f"{SERVICE_PORTS[port]} ({port}/{proto})"] = None
    named, told = hosts.names(store, site, span), hosts.facts(store)
    for ip, row in sorted(hosts.seen(store, site, span, during).items(), key=lambda item: _sort_key(item[0])):
        carried, alone = proxied[ip].total(), direct.get(ip, 0)
        found.hosts[ip] = {
            "ip": ip,
            "names": _names(told.get(ip, {}), named.get(ip, [])),
            "macs": [mac for mac, _ in told.get(ip, {}).get("mac", [])],
            "vendor": next((vendor for _, vendor in told.get(ip, {}).get("mac", [])), ""),
            "role": _role(ip, site, mode, found),
            "first_ts": row["first_ts"],
            "last_ts": row["last_ts"],
            "flows": row["flows"],
            "services": list(answered[ip]),
            "proxies": [proxy for proxy, _ in proxied[ip].most_common()],
            "direct_frac": round(alone / (alone + carried), 4) if alone + carried else 0.0,
        }
    found.networks = _networks((ip, 1) for ip in found.hosts)
    return found


def _names(told: dict[str, list[tuple[str, str]]], named: Sequence[str]) -> list[str]:
    """The newest names of each kind that a host told, then those that answers gave it."""
    own = [name for kind in ("dhcp", "netbios") for name, _ in told.get(kind, [])[: hosts.MAX_NAMES]]
    return list(dict.fromkeys([*own, *named]))


def _role(ip: str, site: Site, mode: Mode, found: Survey) -> str:
    """A host's role, with a question mark where it is guessed."""
    declared = site.role_of(ip)
    if declared is not None:
        return declared.name
    if mode.is_proxy(ip):
        return "proxy" if any(str(proxy.address) == ip for proxy in site.proxies) else "proxy?"
    return f"{found.roles[ip][0]}?" if ip in found.roles else ""


def _networks(hosts: Any) -> Counter[Network]:
    """How many hosts, or flows, each network of a common size has."""
    counts: Counter[Network] = Counter()
    for ip, n in hosts:
        counts[ip_network(f"{ip}/{64 if ':' in ip else 24}", strict=False)] += n
    return counts


def _sort_key(ip: str) -> tuple[int, int]:
    address = parse_address(ip)
    return (address.version, int(address)) if address is not None else (0, 0)


def enclosing(networks: Sequence[Network], wide: Sequence[Network]) -> list[Network]:
    """Those of the wide networks that hold one of the networks."""
    return [net for net in wide if any(is_holding(net, inner.network_address) for inner in networks)]
