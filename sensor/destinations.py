"""Destinations known by name: ready-made sets for roles, benign explanations, resolvers of DNS over HTTPS.

In: the bundled data/destinations.toml, and files in its form that the site file names. Out: one immutable
`Destinations`. Matched by name only, and by address where a resolver's address is its documented name; never by who
owns an address.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from sensor.errors import UsageError


@dataclass(frozen=True, slots=True)
class DestinationSet:
    """names : a name stands for itself and all under it; ports : (port, protocol), empty: any; label : or empty"""

    name: str
    names: frozenset[str]
    ports: frozenset[tuple[int, str]]
    label: str
    source: str
    date: str

    def has_port(self, port: int, proto: str) -> bool:
        """Whether a port belongs to the set."""
        return not self.ports or (port, proto) in self.ports


@dataclass(frozen=True)
class Destinations:
    """Every set by its name; the names and the addresses of resolvers of DNS over HTTPS, with the date of that list."""

    sets: Mapping[str, DestinationSet]
    doh_names: frozenset[str]
    doh_addresses: frozenset[str]
    doh_date: str

    def sets_of(self, name: str, port: int, proto: str) -> list[DestinationSet]:
        """The sets that a destination is in."""
        found = dict.fromkeys(known for suffix in suffixes_of(name) for known in self._by_name.get(suffix, ()))
        return [self.sets[known] for known in found if self.sets[known].has_port(port, proto)]

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        """Names to the sets that have them."""
        index: dict[str, list[str]] = {}
        for known in self.sets.values():
            for name in known.names:
                index.setdefault(name, []).append(known.name)
        return index

    def is_doh(self, name: str, addresses: Iterable[str]) -> bool:
        """Whether a destination is a known resolver of DNS over HTTPS, by its name or one of its addresses."""
        if not self.doh_names.isdisjoint(suffixes_of(name)):
            return True
        return not self.doh_addresses.isdisjoint(addresses)


@lru_cache(maxsize=1 << 16)
def suffixes_of(name: str) -> tuple[str, ...]:
    """A name and the domains it is in, without the dot at its end, in lower case: a.b.c gives a.b.c, b.c and c."""
    labels = name.lower().rstrip(".").split(".")
    return tuple(".".join(labels[i:]) for i in range(len(labels)))


def load_destinations(files: Sequence[Path] = ()) -> Destinations:
    """The bundled sets with those of the files, later ones replacing earlier ones of the same name.

    Raises: UsageError with everything that is wrong in a file.
    """
    bundled = _bundled()
    if not files:
        return bundled
    sets = dict(bundled.sets)
    names, addresses, date = bundled.doh_names, bundled.doh_addresses, bundled.doh_date
    errors: list[str] = []
    for file in files:
        values = _read(file, errors)
        for name, table in values.get("sets", {}).items():
            sets[name] = _set_of(str(file), name, table, errors)
        if "doh" in values:
            place, table = f"{file}: [doh]", values["doh"]
            names, addresses = (
                frozenset(_texts(place, table, "names", errors)),
                frozenset(_texts(place, table, "addresses", errors)),
            )
            date = str(table.get("date", "")) if isinstance(table, dict) else ""
    if errors:
        raise UsageError("\n".join(errors))
    return Destinations(sets, names, addresses, date)


@cache
def _bundled() -> Destinations:
    text = resources.files("sensor").joinpath("data", "destinations.toml").read_text(encoding="utf-8")
    values, errors = tomllib.loads(text), list[str]()
    sets = {name: _set_of("destinations.toml", name, table, errors) for name, table in values["sets"].items()}
    doh = values["doh"]
    assert not errors, errors
    return Destinations(sets, frozenset(doh["names"]), frozenset(doh["addresses"]), doh["date"])


def _read(file: Path, errors: list[str]) -> dict[str, Any]:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        errors.append(f"{file}: cannot read the destinations: {error.strerror}")
        return {}
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        errors.append(f"{file}: not valid TOML: {error}")
        return {}
    errors += [f"{file}: unknown section [{key}]; known: [sets.NAME], [doh]" for key in values.keys() - {"sets", "doh"}]
    if not isinstance(values.get("sets", {}), dict):
        errors.append(f"{file}: sets must be tables, written [sets.NAME]")
        values.pop("sets")
    return values


def _set_of(file: str, name: str, table: Any, errors: list[str]) -> DestinationSet:
    place = f"{file}: [sets.{name}]"
    known = {"names", "ports", "label", "source", "date"}
    if not isinstance(table, dict):
        errors.append(f"{place} must be a table")
        table = {}
    errors += [f"{place} unknown key {key!r}; known: {', '.join(sorted(known))}" for key in table.keys() - known]
    ports = set()
    for text in _texts(place, table, "ports", errors):
        port, _, proto = text.partition("/")
        if not port.isdigit() or not 0 < int(port) < 65536 or proto not in ("tcp", "udp"):
            errors.append(f'{place} ports holds {text!r}; allowed: such as "123/udp" or "443/tcp"')
        else:
            ports.add((int(port), proto))
    names = frozenset(name.lower().rstrip(".").removeprefix("*.") for name in _texts(place, table, "names", errors))
    words = (str(table.get(key, "")) for key in ("label", "source", "date"))
    return DestinationSet(name, names, frozenset(ports), *words)


def _texts(place: str, table: Any, key: str, errors: list[str]) -> list[str]:
    value = table.get(key, []) if isinstance(table, dict) else None
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        errors.append(f"{place} {key} = {value!r}; allowed: a list of texts")
        return []
    return value
