"""Channels and hosts in the results database: a few rows that say who talked to whom, and since when.

They outlive the lake's retention. Times only ever widen; everything else is what the last analysis said.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sensor.store.store import Store

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
