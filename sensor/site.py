"""What a person says about their network: which addresses are inside, which are left out, where the proxies are, what
servers may do, when people work.

In: a TOML site file and the words of `--internal`. Out: one immutable `Site` that answers "is this address inside?".
Quick to import, as the quick commands need it. This module never guesses: a word it does not know in a site file is an
error, and all errors of a file are told at once.
"""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from sensor import policy
from sensor.destinations import Destinations, load_destinations
from sensor.errors import UsageError
from sensor.networks import Address, Network, Ranges, is_holding, parse_address
from sensor.policy import DirectRule, Role, read_networks, read_texts
from sensor.settings import OUTLET, SECTIONS, Outlets, Reader, number
from sensor.workdays import Calendar

__all__ = ["Address", "Network", "Proxy", "Site", "load_site", "parse_address"]

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


AUTO, EXPLICIT, TRANSPARENT, NO_PROXY = "auto", "explicit", "transparent", "none"
PROXY_MODES = (AUTO, EXPLICIT, TRANSPARENT, NO_PROXY)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A web proxy of the organisation. `port` None: every port of the address is the proxy."""

    address: Address
    port: int | None = None


@dataclass(frozen=True)
class Site:
    """The organisation's network, as far as a person told us.

    internal : networks whose hosts are one's own; the default is `DEFAULT_INTERNAL`
    excluded : networks that no analyzer judges, at either end of a flow; flows are stored all the same
    proxies : declared web proxies
    proxy_mode : explicit, transparent or none; auto: learned from the traffic
    direct : what may go out without the proxy
    roles : servers and what each may contact outside
    calendar : when people work; None: not said, and hours are not judged
    destination_files : files with sets of destinations beside the bundled ones
    exchange_gap_s : seconds of silence that separate two exchanges of one connection
    flush_s : seconds between two writings of a live capture
    max_flows : live flows followed at once by a live capture
    filter, workers : of a live capture, as `kagami watch` has them, where its command line does not say otherwise
    ring_mib : MiB of the ring that the kernel puts packets in
    keep_packets : whether a live capture keeps packets: the first keep_flow_bytes of each flow (IP lengths, both ways),
        and all of suspicious channels, the newest keep_gib GiB of them
    lake_days, lake_gib : how long, and up to which size, the flow history is kept; 0: no limit
    results_days : how long findings that are settled, and what was counted, are kept; 0: no limit
    free_gib : GiB of the disk that are always left free
    outlets : where new findings are told
    """

    internal: tuple[Network, ...] = DEFAULT_INTERNAL
    excluded: tuple[Network, ...] = ()
    proxies: tuple[Proxy, ...] = ()
    proxy_mode: str = AUTO
    direct: tuple[DirectRule, ...] = ()
    roles: tuple[Role, ...] = ()
    calendar: Calendar | None = None
    destination_files: tuple[Path, ...] = ()
    exchange_gap_s: float = DEFAULT_GAP_S
    flush_s: float = 10.0
    max_flows: int = 1 << 19
    filter: str = ""
    workers: int = 1
    ring_mib: int = 128
    keep_packets: bool = False
    keep_flow_bytes: int = 16_384
    keep_gib: float = 10.0
    lake_days: float = 90.0
    lake_gib: float = 0.0
    results_days: float = 400.0
    free_gib: float = 1.0
    outlets: Outlets = field(default_factory=Outlets)
    _internal: Ranges = field(init=False, repr=False, compare=False)
    _excluded: Ranges = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_internal", Ranges.of(self.internal))
        object.__setattr__(self, "_excluded", Ranges.of(self.excluded))

    def is_internal(self, address: str | Address) -> bool:
        """Whether an address lies in the internal networks; False for text that is no address."""
        parsed = parse_address(address)
        return parsed is not None and self._internal.holds(parsed)

    def is_host(self, address: str | Address) -> bool:
        """Whether an address can be one host's: neither multicast nor broadcast of its internal network."""
        parsed = parse_address(address)
        if parsed is None or parsed.is_multicast or parsed.is_unspecified or parsed.is_loopback:
            return False
        return int(parsed) != 0xFFFFFFFF and parsed not in {net.broadcast_address for net in self.internal}

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

    def role_of(self, address: str | Address) -> Role | None:
        """The declared role of a server, the first that names it."""
        parsed = parse_address(address)
        if parsed is None:
            return None
        return next((role for role in self.roles if any(is_holding(net, parsed) for net in role.hosts)), None)

    @cached_property
    def destinations(self) -> Destinations:
        """The sets of destinations, those of the site's own files included. Raises: UsageError."""
        return load_destinations(self.destination_files)

    def internal_mask(self, addresses: Sequence[str]) -> list[bool]:
        """`is_internal` of each of many (distinct) addresses."""
        return [self.is_internal(address) for address in addresses]


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
        values["internal"] = read_networks("--internal", "", list(internal), errors)
    outlets = {name.removeprefix(OUTLET): values.pop(name) for name in list(values) if name.startswith(OUTLET)}
    site = Site(**values, outlets=Outlets(**outlets))
    base = path.parent if path is not None else Path()
    site = replace(site, destination_files=tuple(base / file for file in site.destination_files))
    if not site.internal and not errors:
        errors.append(f"{path}: [networks] internal is empty; allowed: at least one network")
    errors += _contradictions(str(path) if path else "--internal", site)
    try:
        errors += policy.unknown_sets(str(path), site.roles, site.direct, site.destinations.sets)
    except UsageError as wrong:
        errors.append(str(wrong))
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
    if section == "roles":
        return {"roles": policy.read_roles(file, table, errors)}
    if section == "calendar":
        return {"calendar": policy.read_calendar(file, table, errors)}
    keys = _SECTIONS.get(section)
    if keys is None:
        known = _listed(["[[roles]]", "[calendar]", *(f"[{name}]" for name in _SECTIONS)])
        errors.append(f"{file}: unknown section [{section}]; known: {known}")
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


def _proxies(file: str, key: str, value: Any, errors: list[str]) -> tuple[Proxy, ...]:
    allowed = 'addresses with or without a port, such as "10.0.0.5:3128", "10.0.0.5" or "[fd00::5]:3128"'
    proxies = []
    for text in read_texts(file, key, value, allowed, errors):
        proxy = _proxy(text)
        if proxy is None:
            errors.append(f"{file}: {key} holds {text!r}; allowed: {allowed}, port 1 to 65535")
        elif proxy in proxies:
            errors.append(f"{file}: {key} holds {text!r} twice")
        else:
            proxies.append(proxy)
    return tuple(proxies)


def _mode(file: str, key: str, value: Any, errors: list[str]) -> str:
    if value not in PROXY_MODES:
        errors.append(f"{file}: {key} = {value!r}; allowed: {', '.join(PROXY_MODES)}")
        return AUTO
    return str(value)


def _files(file: str, key: str, value: Any, errors: list[str]) -> tuple[Path, ...]:
    return tuple(map(Path, read_texts(file, key, value, "names of TOML files with sets of destinations", errors)))


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
    if site.proxy_mode == NO_PROXY and site.proxies:
        errors.append(f'{file}: [proxies] mode = "none", but addresses names {len(site.proxies)}')
    errors += [
        f"{file}: [[roles]] {role.name} hosts holds {net}, which is not in [networks] internal"
        for role in site.roles
        for net in role.hosts
        if not any(net.version == own.version and net.subnet_of(own) for own in site.internal)  # type: ignore[arg-type]
    ]
    errors += [
        f"{file}: [proxies] addresses holds {proxy.address} with port {proxy.port} and also without a port"
        for proxy in site.proxies
        if proxy.port is not None and Proxy(proxy.address) in site.proxies
    ]
    return errors


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


_SECTIONS: dict[str, dict[str, tuple[str, Reader]]] = {
    "networks": {"internal": ("internal", read_networks), "excluded": ("excluded", read_networks)},
    "proxies": {"addresses": ("proxies", _proxies), "mode": ("proxy_mode", _mode)},
    "direct": {"allow": ("direct", policy.read_direct)},
    "destinations": {"files": ("destination_files", _files)},
    **SECTIONS,
    "capture": {
        "exchange_gap_s": ("exchange_gap_s", number(MIN_GAP_S, MAX_GAP_S, DEFAULT_GAP_S, "seconds")),
        **SECTIONS["capture"],
    },
}
"""Section -> key -> (field of Site, reader of the value)."""
