"""What a person says about their network: which addresses are inside, which are left out, where the proxies are.

In: a TOML site file and the words of `--internal`. Out: one immutable `Site` that answers "is this address inside?".
The standard library only, so that the quick commands may import it. This module never guesses: a word it does not
know in a site file is an error, and all errors of a file are told at once.
"""

import tomllib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
    ip_address,
    ip_network,
)
from pathlib import Path
from typing import Any

from sensor.errors import UsageError

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

DEFAULT_INTERNAL: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "10.0.0.0/8",  # RFC 1918
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",  # shared address space of carrier NAT, RFC 6598
        "169.254.0.0/16",  # link-local, RFC 3927
        "127.0.0.0/8",
        "fc00::/7",  # unique local, RFC 4193
        "fe80::/10",
        "::1/128",
    )
)


DEFAULT_GAP_S, MIN_GAP_S, MAX_GAP_S = 0.8, 0.05, 3600.0
"""The silence between two exchanges of a connection, seconds: the default, and what is allowed."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A web proxy of the organisation. `port` None: every port of the address is the proxy."""

    address: Address
    port: int | None = None


@dataclass(frozen=True, slots=True)
class _Ranges:
    """Networks as sorted, disjoint integer ranges, one list per IP version: membership is one bisection."""

    starts4: list[int]
    ends4: list[int]
    starts6: list[int]
    ends6: list[int]

    @classmethod
    def of(cls, networks: Iterable[Network]) -> "_Ranges":
        networks = tuple(networks)
        v4 = list(collapse_addresses([net for net in networks if isinstance(net, IPv4Network)]))
        v6 = list(collapse_addresses([net for net in networks if isinstance(net, IPv6Network)]))
        return cls(
            [int(net.network_address) for net in v4],
            [int(net.broadcast_address) for net in v4],
            [int(net.network_address) for net in v6],
            [int(net.broadcast_address) for net in v6],
        )

    def holds(self, address: Address) -> bool:
        value = int(address)
        starts, ends = (self.starts4, self.ends4) if address.version == 4 else (self.starts6, self.ends6)
        i = bisect_right(starts, value) - 1
        return i >= 0 and value <= ends[i]


@dataclass(frozen=True)
class Site:
    """The organisation's network, as far as a person told us.

    internal : networks whose hosts are one's own; the default is `DEFAULT_INTERNAL`
    excluded : networks that no analyzer judges, at either end of a flow; flows are stored all the same
    proxies : declared web proxies
    exchange_gap_s : seconds of silence that separate two exchanges of one connection
    """

    internal: tuple[Network, ...] = DEFAULT_INTERNAL
    excluded: tuple[Network, ...] = ()
    proxies: tuple[Proxy, ...] = ()
    exchange_gap_s: float = DEFAULT_GAP_S
    _internal: _Ranges = field(init=False, repr=False, compare=False)
    _excluded: _Ranges = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_internal", _Ranges.of(self.internal))
        object.__setattr__(self, "_excluded", _Ranges.of(self.excluded))

    def is_internal(self, address: str | Address) -> bool:
        """Whether an address lies in the internal networks; False for text that is no address."""
        parsed = parse_address(address)
        return parsed is not None and self._internal.holds(parsed)

    def is_excluded(self, address: str | Address) -> bool:
        """Whether an address lies in the networks that are not judged; False for text that is no address."""
        parsed = parse_address(address)
        return parsed is not None and self._excluded.holds(parsed)

    def is_outside(self, address: str | Address) -> bool:
        """Whether an address is some other party's host: unicast, neither internal nor excluded.

        Multicast, broadcast, loopback, link-local and the unspecified address never leave the network, also where
        the site file does not list them. False for text that is no address.
        """
        parsed = parse_address(address)
        if parsed is None or parsed.is_multicast or parsed.is_unspecified or parsed.is_loopback or parsed.is_link_local:
            return False
        if int(parsed) >> 28 == 0xF and parsed.version == 4:  # 240.0.0.0/4 with the limited broadcast address
            return False
        return not (self._internal.holds(parsed) or self._excluded.holds(parsed))

    def is_proxy(self, address: str | Address, port: int) -> bool:
        """Whether address and port are a declared proxy."""
        parsed = parse_address(address)
        return any(proxy.address == parsed and proxy.port in (None, port) for proxy in self.proxies)

    def internal_mask(self, addresses: Sequence[str]) -> list[bool]:
        """`is_internal` of each of many (distinct) addresses."""
        return [self.is_internal(address) for address in addresses]


def parse_address(value: str | Address) -> Address | None:
    """An address from its text, None for other text; an IPv4-mapped IPv6 address is its IPv4 address, as in rows."""
    if isinstance(value, str):
        try:
            value = ip_address(value)
        except ValueError:
            return None
    if isinstance(value, IPv6Address) and value.ipv4_mapped is not None:
        return value.ipv4_mapped
    return value


def load_site(path: Path | None, internal: Sequence[str] = ()) -> Site:
    """Read a site file (None: the defaults); `internal` (CIDR texts of `--internal`) replaces its internal networks.

    Raises: UsageError that lists every mistake with file, key, value and what is allowed there.
    """
    errors: list[str] = []
    values: dict[str, Any] = {}
    if path is not None:
        for section, table in _read_toml(path).items():
            values |= _read_section(str(path), section, table, errors)
    if internal:
        values["internal"] = _networks("--internal", "", list(internal), errors)
    site = Site(**values)
    if not site.internal and not errors:
        errors.append(f"{path}: [networks] internal is empty; allowed: at least one network")
    errors += _contradictions(str(path) if path else "--internal", site)
    if errors:
        raise UsageError("\n".join(errors))
    return site


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot read the site file: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: a site file is UTF-8 text; byte {error.start} is not") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error


def _read_section(file: str, section: str, table: Any, errors: list[str]) -> dict[str, Any]:
    """The Site fields that one table of the file sets."""
    keys = _SECTIONS.get(section)
    if keys is None:
        errors.append(f"{file}: unknown section [{section}]; known: {_listed(f'[{name}]' for name in _SECTIONS)}")
        return {}
    if not isinstance(table, dict):
        errors.append(f"{file}: {section} = {table!r} must be a table, written [{section}]")
        return {}
    values = {}
    for key, value in table.items():
        if key not in keys:
            errors.append(f"{file}: [{section}] unknown key {key!r}; known: {_listed(keys)}")
            continue
        site_field, read = keys[key]
        values[site_field] = read(file, f"[{section}] {key}", value, errors)
    return values


def _texts(file: str, key: str, value: Any, allowed: str, errors: list[str]) -> list[str]:
    """The strings of a list; anything else is an error."""
    if not isinstance(value, list):
        errors.append(f"{file}: {key} = {value!r} must be a list of {allowed}")
        return []
    errors += [f"{file}: {key} holds {item!r}; allowed: {allowed}" for item in value if not isinstance(item, str)]
    return [item for item in value if isinstance(item, str)]


def _networks(file: str, key: str, value: Any, errors: list[str]) -> tuple[Network, ...]:
    allowed = 'networks in CIDR form, such as "10.0.0.0/8" or "fd00::/8"'
    place = f"{file}: {key}" if key else file
    networks = []
    for text in _texts(file, key, value, allowed, errors):
        try:
            networks.append(ip_network(text))
        except ValueError:
            errors.append(f"{place} holds {text!r}{_meant(text)}; allowed: {allowed}")
    return tuple(networks)


def _meant(text: str) -> str:
    """A hint for a network whose host bits are set, the usual slip."""
    try:
        return f", which has host bits set (meant {ip_network(text, strict=False)}?)"
    except ValueError:
        return ""


def _proxies(file: str, key: str, value: Any, errors: list[str]) -> tuple[Proxy, ...]:
    allowed = 'addresses with or without a port, such as "10.0.0.5:3128", "10.0.0.5" or "[fd00::5]:3128"'
    proxies = []
    for text in _texts(file, key, value, allowed, errors):
        proxy = _proxy(text)
        if proxy is None:
            errors.append(f"{file}: {key} holds {text!r}; allowed: {allowed}, port 1 to 65535")
        elif proxy in proxies:
            errors.append(f"{file}: {key} holds {text!r} twice")
        else:
            proxies.append(proxy)
    return tuple(proxies)


def _gap(file: str, key: str, value: Any, errors: list[str]) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not MIN_GAP_S <= value <= MAX_GAP_S:  # the latter is also false of a NaN
        errors.append(f"{file}: {key} = {value!r}; allowed: a number of seconds from {MIN_GAP_S:g} to {MAX_GAP_S:g}")
        return DEFAULT_GAP_S
    return float(value)


def _proxy(text: str) -> Proxy | None:
    whole = parse_address(text)
    if whole is not None:
        return Proxy(whole)
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    address = parse_address(host[1:-1] if bracketed else host)
    if address is None or (":" in host and not bracketed):
        return None
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
        return None
    return Proxy(address, int(port))


def _contradictions(file: str, site: Site) -> list[str]:
    """What cannot all be meant: a site that sees everything as inside, judges nothing, or lists a thing two ways."""
    errors = []
    errors += [
        f"{file}: [networks] internal holds {net}: with every address inside, nothing could be outside"
        for net in site.internal
        if net.prefixlen == 0
    ]
    errors += [
        f"{file}: [networks] internal holds {net}, which is multicast; allowed: networks of hosts"
        for net in site.internal
        if net.is_multicast
    ]
    errors += [
        f"{file}: [networks] excluded holds {out}, which takes in the whole internal network {net}"
        for out in site.excluded
        for net in site.internal
        if out.version == net.version and net.subnet_of(out)  # type: ignore[arg-type]
    ]
    errors += [
        f"{file}: [proxies] addresses holds {proxy.address}, which [networks] excluded leaves out"
        for proxy in site.proxies
        if site.is_excluded(proxy.address)
    ]
    errors += [
        f"{file}: [proxies] addresses holds {proxy.address} with port {proxy.port} and also without a port"
        for proxy in site.proxies
        if proxy.port is not None and Proxy(proxy.address) in site.proxies
    ]
    return errors


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


_Reader = Callable[[str, str, Any, list[str]], Any]
_SECTIONS: dict[str, dict[str, tuple[str, _Reader]]] = {
    "networks": {"internal": ("internal", _networks), "excluded": ("excluded", _networks)},
    "proxies": {"addresses": ("proxies", _proxies)},
    "capture": {"exchange_gap_s": ("exchange_gap_s", _gap)},
}
"""Section -> key -> (field of Site, reader of the value)."""
