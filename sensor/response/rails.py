"""Why a value must not be put on a blocklist: the checks that every value of every list passes.

A wrong entry cuts off one's own people, so every doubt holds back. In: values as the network gave them. Out: a reason
in words, or nothing. This module never asks the store.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from sensor.destinations import Destinations
from sensor.networks import LOCAL_SUFFIXES
from sensor.response.infrastructure import is_public_resolver, need_of_name, shared_network
from sensor.response.seen import History, Seen
from sensor.site import Address, Site
from sensor.store.desk import Allowed
from sensor.store.match import Target, parse_target

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+(?!\d+\Z){_LABEL}")
"""RFC 1123 section 2.1: letters, digits, hyphens; the last label is not a number, or it would be an address."""

_DOCUMENTATION = tuple(map(ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")))
"""Addresses of examples (RFC 5737, RFC 3849): nobody has them, so listing them cuts off nobody, and demos need some."""

_TRANSLATED = tuple(map(ip_network, ("64:ff9b::/96", "::/96")))
"""IPv6 forms of IPv4 addresses besides the mapped one: NAT64 (RFC 6052), IPv4-compatible (RFC 4291)."""

MANY_CLIENTS, MANY_SHARE = 10, 0.25
"""A destination that so many of one's own hosts contact, and so large a share of them, is more likely a service."""

SURE_CLIENTS = 3
"""A service that answers so many of one's own hosts is one's own choice; fewer may be implants and their server."""

_AS_PROXY, _AS_RESOLVER = "was seen at work as a proxy", "was seen at work as a DNS resolver"

FORCE = "--force lists it all the same"


@dataclass(frozen=True)
class Rails:
    """What values are checked against.

    allows : allow entries that hold
    history : what the flow history knows; what is not in it is unknown to it
    force_shared : let pass what is only doubted: shared hosts
    """

    site: Site
    allows: Sequence[Allowed] = ()
    history: History = field(default_factory=History)
    force_shared: bool = False

    def objection(self, value: str, finding: Mapping[str, Any]) -> str:
        """Why a value must not be listed for a finding; empty when it may.

        finding : a mapping with dest, dest_ips and via_proxy
        """
        words = self.never(value) or self._internal_host(value, finding)
        if words or self.force_shared:
            return words
        doubt = self.doubt(value, finding)
        return f"{doubt} ({FORCE})" if doubt else ""

    def never(self, value: str) -> str:
        """Why a value must not be listed for anything, by all that needs no finding."""
        address = as_address(value)
        if address is not None:
            words = self._never_address(address)
        elif not is_domain(value):
            words = "is neither an address nor a plain domain name"
        else:
            words = _never_name(lowered(value), self.site.destinations)
        return words or self._allowed(value)

    def _never_address(self, address: Address) -> str:
        if isinstance(address, IPv6Address):
            if address.scope_id:
                return "is an address of one link only"
            inner = _embedded(address)
            if inner is not None and (words := self._never_address(inner)):
                return f"stands for {inner}, which {words}"
        if self.site.is_internal(address):
            return "is internal"
        if self.site.is_excluded(address):
            return "is in a network that the site file leaves out"
        if any(proxy.address == address for proxy in self.site.proxies):
            return "is a proxy of the site file"
        use = self.history.seen.get(str(address), Seen())
        if use.n_proxied >= SURE_CLIENTS:
            return _AS_PROXY
        if use.n_resolved >= SURE_CLIENTS:
            return _AS_RESOLVER
        if is_public_resolver(address, self.site.destinations):
            return "is a public DNS resolver"
        if any(address in network for network in _DOCUMENTATION):
            return ""
        if address.is_multicast:
            return "is a multicast address"
        if address.is_loopback or address.is_link_local or address.is_unspecified:
            return "never leaves a host or a link"
        return "" if address.is_global else "is private or reserved"

    def _allowed(self, value: str) -> str:
        target = parse_target(canonical(value))
        address = as_address(value)
        inner = _embedded(address) if isinstance(address, IPv6Address) else None
        for entry in self.allows:
            if entry.touches(target) or (inner is not None and entry.touches(Target(address=str(inner)))):
                return f"is allowed by entry {entry.row['id']}"
        return ""

    def _internal_host(self, value: str, finding: Mapping[str, Any]) -> str:
        """A name that only addresses of one's own stand behind."""
        if as_address(value) is not None or finding["via_proxy"] or not finding["dest_ips"]:
            return ""
        return "is an internal host" if all(map(self.site.is_internal, finding["dest_ips"])) else ""

    def doubt(self, value: str, finding: Mapping[str, Any]) -> str:
        """Why a value may be shared with parties that are not meant; empty when nothing says so."""
        address = as_address(value)
        use, n_hosts = self.history.seen.get(canonical(value), Seen()), self.history.n_hosts
        if use.n_clients >= MANY_CLIENTS and use.n_clients >= MANY_SHARE * n_hosts:
            return f"is contacted by {use.n_clients:,} of the {n_hosts:,} hosts seen"
        if address is None:
            return ""
        if use.n_proxied:
            return _AS_PROXY
        if use.n_resolved:
            return _AS_RESOLVER
        if use.is_time_server:
            return "was seen at work as a time server"
        others = sorted(name for name in use.names if lowered(name) != lowered(finding["dest"]))
        if others:
            more = f" and {len(others) - 1} other names" if len(others) > 1 else ""
            return f"also serves {others[0]}{more}"
        operator = shared_network(address)
        return f"is a front end of {operator}, which many sites share" if operator else ""


def is_domain(value: str) -> bool:
    """Whether a value is a domain name of two labels or more, in the form that zone files and proxies take."""
    return _DOMAIN.fullmatch(lowered(value)) is not None


def lowered(value: str) -> str:
    """A name in lower case without the dot at its end."""
    return value.lower().removesuffix(".")


def as_address(value: str) -> Address | None:
    """An address from its text, None for other text; an IPv4-mapped IPv6 address is its IPv4 address."""
    try:
        address = ip_address(value)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def canonical(value: str) -> str:
    """The one way a value is written on a list."""
    address = as_address(value)
    return lowered(value) if address is None else str(address)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one is another form of: 6to4 (RFC 3056), NAT64, IPv4-compatible."""
    if address.sixtofour is not None:
        return address.sixtofour
    is_translated = any(address in network for network in _TRANSLATED)
    return IPv4Address(int(address) & 0xFFFFFFFF) if is_translated and int(address) > 1 else None


def _never_name(name: str, destinations: Destinations) -> str:
    if name.rpartition(".")[2] in LOCAL_SUFFIXES:
        return "is a name of the local network"
    suffix = _suffixes().publicsuffix(name)
    if suffix is None or suffix == name:
        return "is a public suffix: everybody's names are below it"
    need = need_of_name(name, destinations)
    return f"is {need}" if need else ""


@cache
def _suffixes() -> Any:
    from publicsuffixlist import PublicSuffixList  # half of this module's start-up time

    return PublicSuffixList()
