"""What the site file says of servers, of traffic that may go out directly, and of working hours.

In: tables of a TOML file. Out: `Role`, `DirectRule` and `Calendar`. All mistakes are gathered, none is guessed away.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, time
from ipaddress import ip_network
from typing import Any
from zoneinfo import ZoneInfo

from sensor.destinations import suffixes_of
from sensor.networks import Address, Network, is_holding
from sensor.workdays import WEEKDAYS, Calendar, is_country

SERVER_SETS = ("windows-update", "linux-update", "revocation", "ntp")

ROLE_DEFAULTS = {
    "directory": ("dns", *SERVER_SETS),
    "dns": ("dns", *SERVER_SETS),
    "file": SERVER_SETS,
    "mail": ("dns", "mail", *SERVER_SETS),
    "print": SERVER_SETS,
    "database": SERVER_SETS,
    "update": ("dns", *SERVER_SETS),
    "server": SERVER_SETS,
}
"""Role -> what a server may contact outside where the site file does not say: sets, and the words of SERVICES."""

SERVICES = {
    "dns": frozenset({(53, "udp"), (53, "tcp")}),
    "ntp": frozenset({(123, "udp")}),
    "mail": frozenset({(25, "tcp"), (465, "tcp"), (587, "tcp")}),
}
"""Words that allow a service at any destination. "ntp" is a set of names as well."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Destinations: ready-made sets and services by their words, names with all under them, networks."""

    words: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    def covers(self, name: str, address: Address | None, port: int, proto: str, sets: Iterable[str]) -> bool:
        """Whether a destination is one of them. sets : the sets that its name is in"""
        if any((port, proto) in SERVICES[word] for word in self.words & SERVICES.keys()):
            return True
        if not self.words.isdisjoint(sets) or not self.names.isdisjoint(suffixes_of(name)):
            return True
        return address is not None and any(is_holding(network, address) for network in self.networks)


@dataclass(frozen=True, slots=True)
class Role:
    """Servers of one kind. name : one of ROLE_DEFAULTS; hosts : networks; allowed : what they may contact outside"""

    name: str
    hosts: tuple[Network, ...]
    allowed: Allowed


@dataclass(frozen=True, slots=True)
class DirectRule:
    """What may go out without the proxy. ports : empty for any; sources : networks, empty for every host"""

    allowed: Allowed
    ports: frozenset[int]
    sources: tuple[Network, ...]
    why: str


def default_role(name: str) -> Role:
    """A role as it is where the site file says nothing of it, for no host yet."""
    return Role(name, (), Allowed(words=frozenset(ROLE_DEFAULTS[name])))


def read_texts(file: str, key: str, value: Any, allowed: str, errors: list[str]) -> list[str]:
    """The strings of a list; anything else is an error."""
    if not isinstance(value, list):
        errors.append(f"{file}: {key} = {value!r} must be a list of {allowed}")
        return []
    errors += [f"{file}: {key} holds {item!r}; allowed: {allowed}" for item in value if not isinstance(item, str)]
    return [item for item in value if isinstance(item, str)]


def read_networks(file: str, key: str, value: Any, errors: list[str]) -> tuple[Network, ...]:
    """The networks of a list of CIDR texts."""
    allowed = 'networks in CIDR form, such as "10.0.0.0/8" or "fd00::/8"'
    place = f"{file}: {key}" if key else file
    networks = []
    for text in read_texts(file, key, value, allowed, errors):
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


def read_allowed(file: str, key: str, value: Any, errors: list[str]) -> Allowed:
    """Destinations from a list of words, names and networks. Whether a word is a set is checked by `unknown_sets`."""
    allowed = 'sets ("windows-update"), services ("dns"), names ("example.com") and addresses or networks'
    words, names, networks = set(), set(), []
    for text in read_texts(file, key, value, allowed, errors):
        try:
            networks.append(ip_network(text))
            continue
        except ValueError:
            pass
        if "/" in text or " " in text or not text:
            errors.append(f"{file}: {key} holds {text!r}{_meant(text)}; allowed: {allowed}")
        elif "." in text:
            names.add(text.lower().rstrip(".").removeprefix("*."))
        else:
            words.add(text)
    return Allowed(frozenset(words), frozenset(names), tuple(networks))


def unknown_sets(
    file: str, roles: Iterable[Role], direct: Iterable[DirectRule], sets: Mapping[str, object]
) -> list[str]:
    """Words that are neither a set of destinations nor a service, as errors."""
    known = {**sets, **SERVICES}
    used = [(f"[[roles]] {role.name} allow", role.allowed) for role in roles]
    used += [("[direct] allow dest", rule.allowed) for rule in direct]
    return [
        f"{file}: {place} holds {word!r}; known sets and services: {', '.join(sorted(known))}"
        for place, allowed in used
        for word in sorted(allowed.words - known.keys())
    ]


def read_roles(file: str, value: Any, errors: list[str]) -> tuple[Role, ...]:
    """The [[roles]] of a site file."""
    if not isinstance(value, list):
        errors.append(f"{file}: roles = {value!r} must be tables, each written [[roles]]")
        return ()
    roles = []
    for number, table in enumerate(value, 1):
        place = f"[[roles]] {number}"
        known = _known_keys(file, place, table, {"role", "hosts", "allow"}, errors)
        name = known.get("role")
        if name not in ROLE_DEFAULTS:
            errors.append(f"{file}: {place} role = {name!r}; allowed: {', '.join(sorted(ROLE_DEFAULTS))}")
            continue
        hosts = read_networks(file, f"{place} hosts", known.get("hosts", []), errors)
        if "hosts" not in known:
            errors.append(f"{file}: {place} has no hosts; allowed: addresses or networks of the servers")
        allowed = default_role(name).allowed
        if "allow" in known:
            allowed = read_allowed(file, f"{place} allow", known["allow"], errors)
        roles.append(Role(name, hosts, allowed))
    return tuple(roles)


def read_direct(file: str, key: str, value: Any, errors: list[str]) -> tuple[DirectRule, ...]:
    """The rules of [direct] allow (or [[direct.allow]])."""
    if not isinstance(value, list):
        errors.append(f"{file}: {key} = {value!r} must be tables, each written [[direct.allow]]")
        return ()
    rules = []
    for number, table in enumerate(value, 1):
        place = f"[[direct.allow]] {number}"
        known = _known_keys(file, place, table, {"dest", "port", "from", "why"}, errors)
        dest, ports = known.get("dest", []), known.get("port", [])
        allowed = read_allowed(file, f"{place} dest", [dest] if isinstance(dest, str) else dest, errors)
        if allowed == Allowed():
            errors.append(f"{file}: {place} names no dest; allowed: a set, a service, a name, an address or a network")
        ports = [ports] if isinstance(ports, int) else ports
        if not isinstance(ports, list) or not all(isinstance(port, int) and 0 < port < 65536 for port in ports):
            errors.append(f"{file}: {place} port = {known['port']!r}; allowed: a port or a list of ports, 1 to 65535")
            ports = []
        sources = read_networks(file, f"{place} from", known.get("from", []), errors)
        rules.append(DirectRule(allowed, frozenset(ports), sources, str(known.get("why", ""))))
    return tuple(rules)


def read_calendar(file: str, value: Any, errors: list[str]) -> Calendar | None:
    """The [calendar] of a site file."""
    readers: dict[str, tuple[str, str, Callable[[Any], Any]]] = {
        "time_zone": ("time_zone", 'an IANA name, such as "Asia/Tokyo"', _time_zone),
        "working_hours": ("", 'from and to in local time, such as "08:30-17:30"', _hours),
        "working_days": ("weekdays", f"a list of {', '.join(WEEKDAYS)}", _weekdays),
        "holidays": ("country", 'the ISO 3166 code of a country, such as "JP"', _country),
        "closed": ("closed", "a list of dates, such as 2026-12-29", _dates),
    }
    fields: dict[str, Any] = {}
    for key, given in _known_keys(file, "[calendar]", value, set(readers), errors).items():
        name, allowed, read = readers[key]
        try:
            found = read(given)
        except (ValueError, TypeError, KeyError, OSError):
            errors.append(f"{file}: [calendar] {key} = {given!r}; allowed: {allowed}")
            continue
        fields |= {name: found} if name else found
    return Calendar(**fields)


def _known_keys(file: str, place: str, table: Any, keys: set[str], errors: list[str]) -> dict[str, Any]:
    if not isinstance(table, dict):
        errors.append(f"{file}: {place} = {table!r} must be a table")
        return {}
    unknown = sorted(table.keys() - keys)
    errors += [f"{file}: {place} unknown key {key!r}; known: {', '.join(sorted(keys))}" for key in unknown]
    return {key: value for key, value in table.items() if key in keys}


def _time_zone(value: Any) -> str:
    return ZoneInfo(value).key


def _hours(value: Any) -> dict[str, time]:
    opens, closes = (time.fromisoformat(text.strip()) for text in value.split("-"))
    if opens == closes or opens.tzinfo or closes.tzinfo:
        raise ValueError
    return {"opens": opens, "closes": closes}


def _weekdays(value: Any) -> frozenset[int]:
    if isinstance(value, str):
        raise TypeError
    return frozenset(WEEKDAYS.index(day.lower()[:3]) for day in value)


def _country(value: Any) -> str:
    if not isinstance(value, str) or (value and not is_country(value)):
        raise ValueError
    return value


def _dates(value: Any) -> frozenset[date]:
    if isinstance(value, str):
        raise TypeError
    return frozenset(day if type(day) is date else date.fromisoformat(day) for day in value)
