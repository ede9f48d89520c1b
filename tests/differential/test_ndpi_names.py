"""nDPI's recorded host names of its own captures: TLS, HTTP and QUIC rows, each named by us as by nDPI.

Every difference has to be accepted by name in ndpi_accepted.toml, with its reason; an acceptance that nothing needs any
more fails as well.
"""

import csv
import ipaddress
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support.flows import collect

ACCEPTED = Path(__file__).parent / "ndpi_accepted.toml"
LEAST_EQUAL = 0.99

Ends = frozenset[tuple[str, int]]
Row = tuple[str, str, str]
"""Capture, one end as "address:port", host name."""


def canonical(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:  # some of nDPI's own texts are no addresses
        return address


def named_rows(shared_data: Path) -> dict[str, list[tuple[Ends, Row]]]:
    """The rows with a host name, by capture."""
    rows = defaultdict(list)
    with (shared_data / "oracles" / "ndpi_flows.csv").open() as f:
        for row in csv.DictReader(f):
            if row["hostname"] and row["ndpi_proto"].split(".")[0] in ("TLS", "HTTP", "QUIC"):
                a, b = ((canonical(row[f"{side}_ip"]), int(row[f"{side}_port"])) for side in "ab")
                rows[row["pcap"]].append((frozenset((a, b)), (row["pcap"], f"{a[0]}:{a[1]}", row["hostname"].lower())))
    return rows


def our_names(path: Path) -> dict[Ends, set[str]]:
    """Every name that a flow goes by, or gives in its hello, by its ends."""
    names = defaultdict(set)
    for flow in collect(path).flows:
        ends = frozenset(((flow["orig_ip"], flow["orig_port"]), (flow["resp_ip"], flow["resp_port"])))
        names[ends] |= {flow["name"].lower(), flow["sni"].lower()}
    return names


@pytest.mark.differential
def test_hosts_are_named_as_ndpi_names_them(shared_data: Path) -> None:
    different, n_rows = set(), 0
    for capture, rows in named_rows(shared_data).items():
        names = our_names(shared_data / "oracles" / "ndpi" / capture)
        n_rows += len(rows)
        different |= {row for ends, row in rows if row[2] not in names[ends]}
    accepted = {tuple(entry["row"]) for entry in tomllib.loads(ACCEPTED.read_text())["accepted"]}
    assert different == accepted
    assert n_rows - len(different) >= LEAST_EQUAL * n_rows > 500
