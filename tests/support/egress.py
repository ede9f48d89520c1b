"""Channels to the outside for tests of the egress analyzers."""

from dataclasses import fields
from typing import Any

from analyzers.egress.table import Channel, EgressTable, channels_of

DAY_NS = 86_400_000_000_000
T0 = 20_000 * DAY_NS
HOST, DEST, DEST_IP = "10.0.0.20", "www.example", "198.51.100.7"

_CHANNEL: dict[str, Any] = {
    "orig_ip": HOST, "dest": DEST, "resp_port": 443, "proto": "tcp", "app": "tls", "is_foreign_proxy": False,
    "n_dests": 1, "dest_ips": (DEST_IP,), "no_lookup": False, "flows": 1, "unanswered": 0, "refused": 0, "half": 0,
    "established": 1, "orig_bytes": 1_500, "resp_bytes": 9_000, "orig_pkts": 10, "first_ts": T0,
    "last_ts": T0 + 5_000_000_000, "away": 0, "clients": 1,
}  # fmt: skip

SILENT: dict[str, Any] = {
    "app": "",
    "established": 0,
    "unanswered": 1,
    "orig_bytes": 0,
    "resp_bytes": 0,
    "orig_pkts": 3,
}
RAW: dict[str, Any] = {"dest": DEST_IP, "no_lookup": True}


def times(n: int, outcome: str = "established") -> dict[str, Any]:
    """So many connections of one outcome."""
    return {"flows": n, "established": 0, outcome: n}


def egress_table(*rows: dict[str, Any]) -> EgressTable:
    """A table; what a row does not say is an ordinary web connection that worked."""
    return EgressTable(**{f.name: [row.get(f.name, _CHANNEL[f.name]) for row in rows] for f in fields(EgressTable)})


def channel(**values: Any) -> Channel:
    """One channel."""
    return channels_of(egress_table(values))[0]
