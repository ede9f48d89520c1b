"""Other hosts that share something with a finding: its destination, certificate, fingerprints, requests, or rhythm.

In: a dossier. Out: what is shared with whom, the most telling first. What many hosts share tells little: each trait is
weighed by how few of the hosts seen have it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from sensor.errors import StoreError
from sensor.response.dossier import Dossier
from sensor.store.findings import findings
from sensor.store.store import Store

WEIGHTS = {
    "destination": 1.0,
    "certificate": 0.95,
    "address": 0.8,
    "rhythm": 0.7,
    "hassh": 0.6,
    "ja4": 0.6,
    "ja3": 0.55,
    "user-agent": 0.55,
    "request": 0.5,
    "block": 0.4,
}
"""How telling a trait is that no third host shares."""

SAME_RHYTHM_RATIO = 1.05
MAX_VALUES = 50
_MAX_THREADS = 4
_BLOCK_BITS = {4: 24, 6: 48}
_SHAPE = (
    """regexp_replace(regexp_replace(split_part(uri, '?', 1), '[0-9a-fA-F]{{8,}}', '#', 'g'), '[0-9]+', '#', 'g')"""
)
_HEX, _DIGITS = re.compile(r"[0-9a-fA-F]{8,}"), re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class Relation:
    """One trait that another host shares.

    strength : 0 to 1
    hosts : how many of the hosts seen have the trait, the finding's own too
    """

    orig_ip: str
    kind: str
    value: str
    strength: float
    hosts: int
    dests: tuple[str, ...]
    events: int
    first_ts: int
    last_ts: int


def uri_shape(uri: str) -> str:
    """A request target without its query, numbers and long hexadecimal runs as #."""
    return _DIGITS.sub("#", _HEX.sub("#", uri.partition("?")[0]))


def related(store: Store, dossier: Dossier) -> list[Relation]:
    """What other hosts share with a finding, the strongest first.

    Raises: StoreError when the lake cannot be read.
    """
    host = dossier.finding["orig_ip"]
    found: list[Relation] = []
    traits = _traits(dossier)
    own_addresses = traits["address"][2]
    for kind, (table, expression, values) in traits.items():
        wanted = sorted(values)[:MAX_VALUES]
        if wanted and kind == "block":
            found += _same_block(store, host, wanted, own_addresses)
        elif wanted:
            found += _sharing(store, host, kind, table, expression, wanted)
    found += _same_rhythm(store, dossier)
    return sorted(found, key=lambda one: (-one.strength, one.orig_ip, one.kind, one.value))


def _traits(dossier: Dossier) -> dict[str, tuple[str, str, set[str]]]:
    """Kind of trait -> table, SQL of its value, and the finding's values."""
    flows = dossier.flows

    def of(name: str) -> set[str]:
        return {flow[name] for flow in flows if flow.get(name)}

    addresses = set() if dossier.finding["via_proxy"] else {flow["resp_ip"] for flow in flows}
    shapes = {uri_shape(event["uri"]) for event in dossier.events if event.get("uri")} - {"", "/", "#"}
    agents = of("user_agent") | {event["user_agent"] for event in dossier.events if event.get("user_agent")}
    return {
        # a finding of many destinations is filed under their category; the destinations lie beneath it
        "destination": ("event", "dest", {one["dest"] for one in (dossier.finding, *dossier.channels)}),
        "certificate": ("flow", "cert_sha256", of("cert_sha256")),
        "address": ("flow", "resp_ip", addresses),
        "hassh": ("flow", "hassh", of("hassh")),
        "ja4": ("flow", "ja4", of("ja4")),
        "ja3": ("flow", "ja3", of("ja3")),
        "user-agent": ("event", "user_agent", agents),
        "request": ("event", _SHAPE, shapes),
        "block": ("flow", "block", {str(block) for block in map(_block, addresses) if block}),
    }


def _block(address: str) -> str:
    """The /24 or /48 around an address, as its text begins; empty for what has none."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    return str(ip_network((parsed, _BLOCK_BITS[parsed.version]), strict=False))


def _sharing(store: Store, host: str, kind: str, table: str, expression: str, values: list[str]) -> list[Relation]:
    """The hosts that have one of the values in a column, except the finding's own."""
    time, dest = ("ts", "dest") if table == "event" else ("last_ts", "CASE WHEN name <> '' THEN name ELSE resp_ip END")
    sql = f"""SELECT {expression} AS value, orig_ip, count(*), min({time}), max({time}), list(DISTINCT {dest})
        FROM {{source}} WHERE value IN (SELECT unnest(?::VARCHAR[])){" AND kind <> 'query'" if table == "event" else ""}
        GROUP BY value, orig_ip"""
    return _relations(host, kind, _ask(store, table, sql, [values]))


def _same_block(store: Store, host: str, values: list[str], own_addresses: set[str]) -> list[Relation]:
    """Hosts that contacted other addresses of the finding's blocks; the same ones are a trait of their own."""
    found: list[tuple[Any, ...]] = []
    for value in values:
        network = ip_network(value)
        start = str(network.network_address).rsplit(".", 1)[0] + "." if network.version == 4 else ""
        condition, given = ("starts_with(resp_ip, ?)", [start]) if start else ("contains(resp_ip, ?)", [":"])
        sql = f"""SELECT resp_ip, orig_ip, count(*), min(last_ts), max(last_ts),
            list(DISTINCT CASE WHEN name <> '' THEN name ELSE resp_ip END)
            FROM {{source}} WHERE {condition} GROUP BY resp_ip, orig_ip"""
        for resp_ip, *rest in _ask(store, "flow", sql, given):
            if resp_ip not in own_addresses and _block(resp_ip) == value:
                found.append((value, *rest))
    return _relations(host, "block", found)


def _relations(host: str, kind: str, rows: list[tuple[Any, ...]]) -> list[Relation]:
    """Rows (value, orig_ip, n, first, last, dests) as relations of all hosts but the finding's."""
    hosts: dict[str, set[str]] = {}
    merged: dict[tuple[str, str], list[Any]] = {}
    for value, orig_ip, n, first_ts, last_ts, dests in rows:
        hosts.setdefault(value, {host}).add(orig_ip)
        one = merged.setdefault((value, orig_ip), [0, first_ts, last_ts, set()])
        one[0] += n
        one[1], one[2] = min(one[1], first_ts), max(one[2], last_ts)
        one[3] |= set(dests)
    return [
        Relation(
            orig_ip, kind, value, _strength(kind, len(hosts[value])), len(hosts[value]), _few(dests), n, first, last
        )
        for (value, orig_ip), (n, first, last, dests) in merged.items()
        if orig_ip != host
    ]


def _same_rhythm(store: Store, dossier: Dossier) -> list[Relation]:
    """Findings of other hosts that repeat at nearly the same interval."""
    own = dossier.finding
    interval_s = own["interval_s"] or 0
    if interval_s <= 0:
        return []
    others = [
        row
        for row in findings(store)[0]
        if row["orig_ip"] != own["orig_ip"] and row["interval_s"] and _is_near(row["interval_s"], interval_s)
    ]
    n_hosts = len({row["orig_ip"] for row in others}) + 1
    return [
        Relation(
            row["orig_ip"],
            "rhythm",
            f"{row['interval_s']:.3g} s",
            _strength("rhythm", n_hosts),
            n_hosts,
            (row["dest"],),
            row["events"],
            row["first_ts"],
            row["last_ts"],
        )
        for row in others
    ]


def _is_near(one: float, other: float) -> bool:
    return max(one, other) <= SAME_RHYTHM_RATIO * min(one, other)


def _strength(kind: str, n_hosts: int) -> float:
    """Halved for every doubling of the hosts beyond two."""
    return round(WEIGHTS[kind] * 2 / max(2, n_hosts), 4)


def _few(dests: set[str]) -> tuple[str, ...]:
    return tuple(sorted(dests)[:20])


def _ask(store: Store, table: str, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
    import duckdb

    relation, files = store.lake.relation(table)
    try:
        with store.lake.connect(threads=min(os.cpu_count() or 1, _MAX_THREADS)) as lake:
            return lake.execute(sql.format(source=relation), [*files, *values]).fetchall()
    except duckdb.Error as error:
        raise StoreError(f"cannot read the history: {error}") from error


def as_row(relation: Relation) -> Mapping[str, Any]:
    """The fields by name, lists as lists."""
    return {name: getattr(relation, name) for name in Relation.__slots__} | {"dests": list(relation.dests)}
