"""Which values of findings may be put on a blocklist, and the list itself.

In: findings, the site, and what the flow history knows of the addresses (`seen.py`). Out: values with where they come
from, what was held back with the reason, and a file that is written whole or not at all.
A wrong entry cuts off one's own people, so every doubt holds back. This module never touches a firewall.
"""

import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any

from sensor.errors import UsageError
from sensor.response.seen import Seen
from sensor.site import Address, Site

SETTLED_STATES = ("false-positive", "resolved")
"""States in which a finding brings nothing to a list."""

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+(?!\d+\Z){_LABEL}")
"""RFC 1123 section 2.1: letters, digits, hyphens; the last label is not a number, or it would be an address."""

_LOCAL_SUFFIXES = ("local", "localhost", "internal", "lan", "home", "corp", "intranet", "arpa", "invalid", "onion")
"""Names that the public DNS does not know (RFC 6761, RFC 6762, RFC 8375, ICANN's list of colliding names)."""

_DOCUMENTATION = tuple(map(ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")))
"""Addresses of examples (RFC 5737, RFC 3849): nobody has them, so listing them cuts off nobody, and demos need some."""

_TRANSLATED = tuple(map(ip_network, ("64:ff9b::/96", "::/96")))
"""IPv6 forms of IPv4 addresses besides the mapped one: NAT64 (RFC 6052), IPv4-compatible (RFC 4291)."""

_FILE_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Entry:
    """A value to block and the finding that asks for it (the one with the highest score)."""

    value: str
    finding_id: int
    analyzer: str
    severity: str
    first_ts: int
    last_ts: int


@dataclass(frozen=True, slots=True)
class Held:
    """A value that was asked for but is not on the list, and why not."""

    value: str
    finding_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Blocklist:
    """Entries sorted by value, each value once; and what was held back, each value once."""

    entries: list[Entry]
    held: list[Held]


def wanted(findings: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The findings that may bring something to a list: those that nobody settled."""
    return [finding for finding in findings if finding["state"] not in SETTLED_STATES]


def addresses_of(findings: Iterable[Mapping[str, Any]]) -> list[str]:
    """Every address that findings could bring to a list, for `seen.seen_at`."""
    return sorted({value for finding in findings for value in _values(finding) if _address(value) is not None})


def build(
    findings: Sequence[Mapping[str, Any]], site: Site, seen: Mapping[str, Seen], *, force_shared: bool = False
) -> Blocklist:
    """Choose what goes on the list.

    findings : finding rows, the highest score first
    seen : what the flow history knows of the addresses; one that is not in it is unknown to it
    force_shared : list also addresses that serve other names
    """
    entries: dict[str, Entry] = {}
    held: dict[str, Held] = {}
    for finding in wanted(findings):
        for value in _values(finding):
            canonical = _canonical(value)
            reason = "" if canonical in entries else _objection(value, finding, site, seen, force_shared)
            if reason:
                held.setdefault(value, Held(value, finding["id"], reason))
            elif canonical not in entries:
                words = (finding[name] for name in ("id", "analyzer", "severity", "first_ts", "last_ts"))
                entries[canonical] = Entry(canonical, *words)
    kept = [one for one in held.values() if _canonical(one.value) not in entries]
    return Blocklist(sorted(entries.values(), key=lambda entry: entry.value), sorted(kept, key=lambda one: one.value))


def plain(entries: Iterable[Entry]) -> str:
    """One value a line and nothing else, for whatever reads lists of lines. No entries: an empty text."""
    return "".join(f"{entry.value}\n" for entry in entries)


def write_atomically(path: Path, text: str) -> None:
    """Replace a file by one with this text, so that a reader meets the old or the new and never a part.

    Raises: UsageError where the path is something else than a file or cannot be written.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is not a plain file; name one, or leave -o away to have the list on standard output")
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".new")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), _FILE_MODE)
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)  # the new name, too, survives a power cut
        finally:
            os.close(folder)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def _values(finding: Mapping[str, Any]) -> list[str]:
    """The values of a finding: its destination, and the addresses that stand for it.

    Behind a proxy the addresses are the proxy's. A destination that is neither address nor name is a summary of many
    (a host that does not use the proxy at all), whose addresses are no one party's.
    """
    dest = finding["dest"]
    is_name = _DOMAIN.fullmatch(_lower(dest)) is not None
    return [dest, *finding["dest_ips"]] if is_name and not finding["via_proxy"] else [dest]


def _lower(value: str) -> str:
    return value.lower().removesuffix(".")


def _address(value: str) -> Address | None:
    try:
        address = ip_address(value)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _canonical(value: str) -> str:
    address = _address(value)
    return _lower(value) if address is None else str(address)


def _objection(value: str, finding: Mapping[str, Any], site: Site, seen: Mapping[str, Seen], force_shared: bool) -> str:
    """Why a value must not be listed; empty when it may."""
    address = _address(value)
    if address is not None:
        return _objection_to_address(address, site) or _objection_by_use(
            seen.get(str(address), Seen()), finding, force_shared
        )
    if not _DOMAIN.fullmatch(_lower(value)):
        return "is neither an address nor a plain domain name"
    return _objection_to_name(_lower(value), finding, site)


def _objection_to_address(address: Address, site: Site) -> str:
    if isinstance(address, IPv6Address):
        if address.scope_id:
            return "is an address of one link only"
        inner = _embedded(address)
        if inner is not None and (words := _objection_to_address(inner, site)):
            return f"stands for {inner}, which {words}"
    if site.is_internal(address):
        return "is internal"
    if any(proxy.address == address for proxy in site.proxies):
        return "is a proxy of the site file"
    if any(address in network for network in _DOCUMENTATION):
        return ""
    if address.is_multicast:
        return "is a multicast address"
    if address.is_loopback or address.is_link_local or address.is_unspecified:
        return "never leaves a host or a link"
    return "" if address.is_global else "is private or reserved"


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one is another form of: 6to4 (RFC 3056), NAT64, IPv4-compatible."""
    if address.sixtofour is not None:
        return address.sixtofour
    is_translated = any(address in network for network in _TRANSLATED)
    return IPv4Address(int(address) & 0xFFFFFFFF) if is_translated and int(address) > 1 else None


def _objection_by_use(use: Seen, finding: Mapping[str, Any], force_shared: bool) -> str:
    if use.is_proxy:
        return "was seen at work as a proxy"
    if use.is_resolver:
        return "was seen at work as a DNS resolver"
    others = sorted(name for name in use.names if _lower(name) != _lower(finding["dest"]))
    if others and not force_shared:
        more = f" and {len(others) - 1} other names" if len(others) > 1 else ""
        return f"also serves {others[0]}{more} (--force lists it all the same)"
    return ""


def _objection_to_name(name: str, finding: Mapping[str, Any], site: Site) -> str:
    if name.rpartition(".")[2] in _LOCAL_SUFFIXES:
        return "is a name of the local network"
    suffix = _suffixes().publicsuffix(name)
    if suffix is None or suffix == name:
        return "is a public suffix: everybody's names are below it"
    addresses = finding["dest_ips"]
    if addresses and not finding["via_proxy"] and all(site.is_internal(address) for address in addresses):
        return "is an internal host"
    return ""


@cache
def _suffixes() -> Any:
    from publicsuffixlist import PublicSuffixList  # half of this module's start-up time

    return PublicSuffixList()
