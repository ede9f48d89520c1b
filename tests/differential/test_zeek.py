"""Zeek's own recorded answers for its test captures, row by row."""

import csv
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.support.flows import collect

ACCEPTED = Path(__file__).parent / "zeek_accepted.toml"
PROTOS = {1: "icmp", 58: "icmp", 6: "tcp", 17: "udp", 132: "unknown_transport"}
FOUND_SHARE = EQUAL_SHARE = 0.97


def oracle_rows(shared_data: Path) -> dict[tuple[str, str], list[dict[str, str]]]:
    rows = defaultdict(list)
    with (shared_data / "oracles" / "zeek_conn.csv").open() as f:
        for row in csv.DictReader(f):
            rows[row["test"], row["pcap"]].append(row)
    return rows


def our_key(row: dict[str, Any]) -> tuple[str, str, str, str, str]:
    ports = ("0", "0") if row["proto"] == 132 else (str(row["orig_port"]), str(row["resp_port"]))
    return (PROTOS.get(row["proto"], "?"), row["orig_ip"], ports[0], row["resp_ip"], ports[1])


def their_key(row: dict[str, str]) -> tuple[str, str, str, str, str]:
    ports = ("0", "0") if row["proto"] == "unknown_transport" else (row["id.orig_p"], row["id.resp_p"])
    return (row["proto"], row["id.orig_h"], ports[0], row["id.resp_h"], ports[1])


def differences(ours: dict[str, Any], theirs: dict[str, str]) -> list[str]:
    """Names of the judged fields that differ; '-' in Zeek's answer says nothing."""
    found = []
    if ours["conn_state"] != theirs["conn_state"]:
        found.append("state")
    for name, fields in (
        ("packets", ("orig_pkts", "resp_pkts")),
        ("ip_bytes", ("orig_ip_bytes", "resp_ip_bytes")),
        ("payload", ("orig_bytes", "resp_bytes")),
    ):
        if any(theirs[f] != "-" and int(theirs[f]) != ours[f] for f in fields):
            found.append(name)
    if theirs["history"] not in ("-", ours["history"]):
        found.append("history")
    return found


def compare(shared_data: Path) -> tuple[int, list[tuple[str, str, tuple[str, ...], str]]]:
    """(number of oracle rows, [(test, pcap, key, what differs)])."""
    n = 0
    seen = []
    for (test, pcap), theirs in sorted(oracle_rows(shared_data).items()):
        ours = defaultdict(list)
        for row in collect(shared_data / "oracles" / "zeek" / pcap).flows:
            ours[our_key(row)].append(row)
        for row in theirs:
            n += 1
            same_key = ours[their_key(row)]
            if not same_key:
                seen.append((test, pcap, their_key(row), "missing"))
                continue
            best = min(same_key, key=lambda r: len(differences(r, row)))
            same_key.remove(best)
            seen.extend((test, pcap, their_key(row), what) for what in differences(best, row))
    return n, seen


@pytest.mark.differential
def test_agrees_with_zeek(shared_data: Path) -> None:
    n, seen = compare(shared_data)
    accepted = {tuple(a["pcap"]) if isinstance(a["pcap"], list) else a["pcap"] for a in tomllib.loads(ACCEPTED.read_text())["accepted"]}
    missing = [s for s in seen if s[3] == "missing"]
    n_found = n - len(missing)
    assert n_found >= FOUND_SHARE * n, missing
    for what in ("state", "packets", "ip_bytes", "payload"):
        wrong = [s for s in seen if s[3] == what]
        assert n_found - len(wrong) >= EQUAL_SHARE * n_found, wrong
    unnamed = [s for s in seen if s[3] != "history" and s[1] not in accepted]
    assert not unnamed
