"""Channels and hosts in the results database: a few rows that say who talked to whom, and since when.

They outlive the lake's retention. Times only ever widen; everything else is what the last analysis said.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sensor.store.store import Store

MAC = "mac"

_CHANNEL_KEY = ("orig_ip", "dest", "resp_port", "proto", "via_proxy")
_CHANNEL_TOLD = ("name_source", "dest_ips", "events", "orig_bytes", "resp_bytes")
_SPAN = ("first_ts", "last_ts")
_WIDEN = "first_ts = min(first_ts, excluded.first_ts), last_ts = max(last_ts, excluded.last_ts)"


def save_channels(store: Store, channels: Iterable[Mapping[str, Any]]) -> None:
    """Keep channels.

    channels : mappings with orig_ip, dest, resp_port, proto, via_proxy, name_source, dest_ips (a list), events,
        orig_bytes, resp_bytes, first_ts and last_ts (nanoseconds)
    Raises: StoreError when the database cannot be written.
    """
    names = (*_CHANNEL_KEY, *_CHANNEL_TOLD, *_SPAN)
    told = ", ".join(f"{name} = excluded.{name}" for name in _CHANNEL_TOLD)
    sql = (
        f"INSERT INTO channel ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) "
        f"ON CONFLICT ({', '.join(_CHANNEL_KEY)}) DO UPDATE SET {told}, {_WIDEN}"
    )
    rows = (
        [json.dumps(channel[name]) if name == "dest_ips" else channel[name] for name in names] for channel in channels
    )
    with store.transaction():
        store.db.executemany(sql, rows)


def save_hosts(store: Store, hosts: Iterable[tuple[str, int, int]]) -> None:
    """Keep hosts: address in canonical text, first and last seen in nanoseconds.

    Raises: StoreError when the database cannot be written.
    """
    sql = f"INSERT INTO host (ip, first_ts, last_ts) VALUES (?, ?, ?) ON CONFLICT (ip) DO UPDATE SET {_WIDEN}"
    with store.transaction():
        store.db.executemany(sql, hosts)


def hosts_first_seen(store: Store, hosts: Iterable[str]) -> dict[str, int]:
    """When each of some hosts was first seen to begin something, over all analyses, nanoseconds."""
    found = dict(store.db.execute("SELECT ip, first_ts FROM host"))
    return {ip: found[ip] for ip in hosts if ip in found}


def save_host_facts(store: Store, facts: Mapping[tuple[str, str, str], Sequence[int]]) -> None:
    """Keep what hosts told of themselves: (address, kind, value) with first and last told in nanoseconds.

    kind : mac, dhcp or netbios (the name told so)
    Raises: StoreError when the database cannot be written.
    """
    if not facts:
        return
    known = dict(store.db.execute("SELECT value, vendor FROM host_fact WHERE kind = ?", (MAC,)))
    macs = {value for _, kind, value in facts if kind == MAC} - known.keys()
    known |= vendors(macs) if macs else {}
    rows = [
        (ip, kind, value, known.get(value, "") if kind == MAC else "", *span)
        for (ip, kind, value), span in facts.items()
    ]
    with store.transaction():
        store.db.executemany(
            f"INSERT INTO host_fact VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (ip, kind, value) DO UPDATE SET {_WIDEN}",
            rows,
        )


def vendors(macs: Iterable[str]) -> dict[str, str]:
    """Who the IEEE gave the beginnings of MAC addresses to, as Wireshark's list in scapy has it; "" for local ones.

    The longest prefix counts: 36, 28 or 24 bits.
    """
    from scapy.libs.manuf import DATA

    listed = "\n" + DATA
    return {mac: "" if int(mac[1], 16) & 2 else _vendor(mac, listed) for mac in macs}


def _vendor(mac: str, listed: str) -> str:
    for bits in (36, 28, 24):
        at = listed.find(f"\n{_prefix(mac, bits)}") + 1
        if at:
            return listed[at : listed.find("\n", at)].rpartition("\t")[2].strip()
    return ""


def _prefix(mac: str, bits: int) -> str:
    """The beginning of a MAC address as the list has it: "00:11:22 ", 00:11:22:30/28 or 00:11:22:33:40/36."""
    if bits == 24:
        return mac[:8].upper() + " "
    value = int(mac.replace(":", ""), 16) >> (48 - bits) << (48 - bits)
    return f"{value.to_bytes(6).hex(':')[: 3 * -(-bits // 8) - 1].upper()}/{bits}"
