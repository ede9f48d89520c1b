"""Zeek's own recorded answers for its test captures, row by row.

Every difference has to be accepted by name in zeek_accepted.toml, with its reason; an acceptance that nothing needs
any more fails as well.
"""

import csv
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.flows import Collected, collect

ACCEPTED = Path(__file__).parent / "zeek_accepted.toml"
PROTOS = {1: "icmp", 58: "icmp", 6: "tcp", 17: "udp", 132: "unknown_transport"}
LEAST_EQUAL = 0.95
FIELDS = {
    "state": ("conn_state",),
    "history": ("history",),
    "packets": ("orig_pkts", "resp_pkts"),
    "ip_bytes": ("orig_ip_bytes", "resp_ip_bytes"),
    "payload": ("orig_bytes", "resp_bytes"),
}

Key = tuple[str, str, str, str, str]


@dataclass(frozen=True)
class Difference:
    """One row that differs. what : names of FIELDS, or "missing" in ours, or "extra" there"""

    test: str
    pcap: str
    key: Key
    what: frozenset[str]


def oracle_rows(shared_data: Path) -> dict[tuple[str, str], list[dict[str, str]]]:
    """Zeek's rows by (test, capture)."""
    rows = defaultdict(list)
    with (shared_data / "oracles" / "zeek_conn.csv").open() as f:
        for row in csv.DictReader(f):
            rows[row["test"], row["pcap"]].append(row)
    return rows


def our_key(row: dict[str, Any]) -> Key:
    """Endpoints as Zeek writes them: it knows no ports of SCTP."""
    ports = ("0", "0") if row["proto"] == 132 else (str(row["orig_port"]), str(row["resp_port"]))
    return (PROTOS.get(row["proto"], "?"), row["orig_ip"], ports[0], row["resp_ip"], ports[1])


def their_key(row: dict[str, str]) -> Key:
    ports = ("0", "0") if row["proto"] == "unknown_transport" else (row["id.orig_p"], row["id.resp_p"])
    return (row["proto"], row["id.orig_h"], ports[0], row["id.resp_h"], ports[1])


def differing(ours: dict[str, Any], theirs: dict[str, str]) -> frozenset[str]:
    """Names of the judged fields that differ; '-' in Zeek's answer says nothing."""
    return frozenset(
        name
        for name, fields in FIELDS.items()
        if any(theirs[field] != "-" and theirs[field] != str(ours[field]) for field in fields)
    )


@cache
def tracked(path: Path) -> Collected:
    """Several of Zeek's tests use the same capture."""
    return collect(path)


def compare(shared_data: Path) -> tuple[int, list[Difference]]:
    """(number of Zeek's rows, what differs)."""
    n = 0
    found: list[Difference] = []
    for (test, pcap), theirs in sorted(oracle_rows(shared_data).items()):
        ours = defaultdict(list)
        for row in tracked(shared_data / "oracles" / "zeek" / pcap).flows:
            ours[our_key(row)].append(row)
        for row in theirs:
            n += 1
            key = their_key(row)
            if not ours[key]:
                found.append(Difference(test, pcap, key, frozenset({"missing"})))
                continue
            best = min(ours[key], key=lambda r: len(differing(r, row)))
            ours[key].remove(best)
            if what := differing(best, row):
                found.append(Difference(test, pcap, key, what))
        found += [
            Difference(test, pcap, key, frozenset({"extra"}))
            for key, rows in ours.items()
            for _ in rows
            if key[0] != "?"  # other protocols than these have no row in Zeek's conn.log
        ]
    return n, found


def covers(accepted: dict[str, Any], difference: Difference) -> bool:
    """Whether an entry of the file names a difference; without `key` it holds for every row of its tests."""
    return (
        difference.test in accepted["tests"]
        and difference.pcap == accepted["pcap"]
        and difference.what <= set(accepted["what"])
        and accepted.get("key", list(difference.key)) == list(difference.key)
    )


@pytest.mark.differential
def test_agrees_with_zeek(shared_data: Path) -> None:
    n, found = compare(shared_data)
    assert n > 300
    accepted = tomllib.loads(ACCEPTED.read_text())["accepted"]
    unnamed = [difference for difference in found if not any(covers(entry, difference) for entry in accepted)]
    assert not unnamed, "\n".join(map(str, unnamed))
    stale = [entry for entry in accepted if not any(covers(entry, difference) for difference in found)]
    assert not stale, "accepted, but equal by now"
    assert all(entry["reason"] for entry in accepted)
    differ = [difference for difference in found if "extra" not in difference.what]
    assert len(differ) <= (1 - LEAST_EQUAL) * n
