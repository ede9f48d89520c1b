"""The suspicious channels, whose packets a live sensor keeps whole: those of findings that still stand.

Loads neither DuckDB nor numba nor sqlite-utils. Asked every few seconds, so it reads no more than it needs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sensor.networks import packet_address, packet_protos, parse_address, split_endpoint
from sensor.store.desk import allowed
from sensor.store.schema import SETTLED_STATES
from sensor.store.store import Store

KEPT_SEVERITIES = ("medium", "high", "critical")

Channel = tuple[int, int, int, int]
"""(client, server, port, IP protocol): addresses as packet rows have them; ICMP has port 0."""

_ENDS = ("dest", "dest_ips", "resp_port", "proto", "via_proxy")


def suspicious_channels(store: Store, now_ns: int, limit: int) -> tuple[list[Channel], int]:
    """The channels of findings of at least medium severity that are neither settled nor allowed, gravest first.

    Of a channel through a proxy that is the client and the proxy: what is asked of it stands in few of its packets.

    now_ns : ns, by which allow entries expire; limit : most channels to give
    Returns: the channels, each once, and how many there are in all.
    """
    entries = allowed(store, now_ns)
    channels: dict[Channel, None] = {}
    for finding, channel in _standing(store):
        if not any(entry.covers(finding) for entry in entries):
            channels.update(dict.fromkeys(_between(finding["orig_ip"], channel)))
    return list(channels)[:limit], len(channels)


def _standing(store: Store) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Grave findings that nobody settled, each with itself or with every channel beneath it; highest score first."""
    columns = ", ".join(f"{table}.{name}" for table in ("finding", "channel") for name in _ENDS)
    rows = store.db.execute(
        f"""SELECT finding.orig_ip, channel.finding_id IS NULL, {columns} FROM finding
        LEFT JOIN finding_channel AS channel ON channel.finding_id = finding.id
        WHERE severity IN ({_marks(KEPT_SEVERITIES)}) AND state NOT IN ({_marks(SETTLED_STATES)})
        ORDER BY score DESC, finding.id""",
        (*KEPT_SEVERITIES, *SETTLED_STATES),
    )
    for orig_ip, is_alone, *values in rows:
        finding = _ends(values[: len(_ENDS)]) | {"orig_ip": orig_ip}
        yield finding, finding if is_alone else _ends(values[len(_ENDS) :])


def _ends(values: list[Any]) -> dict[str, Any]:
    row = dict(zip(_ENDS, values, strict=True))
    return row | {"dest_ips": json.loads(row["dest_ips"])}


def _marks(values: tuple[str, ...]) -> str:
    return ", ".join("?" * len(values))


def _between(orig_ip: str, channel: Mapping[str, Any]) -> Iterator[Channel]:
    client = parse_address(orig_ip)
    proxy_ip, proxy_port = split_endpoint(channel["via_proxy"])
    port = int(proxy_port) if proxy_ip else channel["resp_port"]
    servers = [proxy_ip] if proxy_ip else [channel["dest"], *channel["dest_ips"]]
    for server in map(parse_address, servers):
        if client is not None and server is not None:
            for proto in packet_protos(channel["proto"]):
                yield packet_address(client), packet_address(server), 0 if channel["proto"] == "icmp" else port, proto
