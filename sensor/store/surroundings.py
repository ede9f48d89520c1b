"""What stands around a finding in the history: who else, since when, what came before, whether the host was on.

Each function is one question to the lake; what a person typed or the network said reaches SQL only as parameters.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from sensor.errors import StoreError
from sensor.store.columns import NANOSECONDS_A_DAY
from sensor.store.health import health_rows, is_lossy
from sensor.store.store import Store

_NS = 1_000_000_000
_MAX_THREADS = 4  # the sensor may be capturing on the same machine
MINUTE_NS = 60 * _NS

_TO_MANY = r"^(22[4-9]|23\d|255)\.|\.255$|^ff"
"""Addresses of many hosts: multicast and, as far as it can be told, broadcast. What goes there is no contact."""


def peers(store: Store, finding: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every host with events to the finding's destination, also by another port: orig_ip, first_ts, last_ts, events.

    The one with the most events first.
    """
    names = ("orig_ip", "first_ts", "last_ts", "events")
    sql = """SELECT orig_ip, min(ts), max(ts), count(*) FROM event WHERE dest = ? AND kind <> 'query' GROUP BY orig_ip
        ORDER BY count(*) DESC, orig_ip"""
    return [dict(zip(names, row, strict=True)) for row in _ask(store, sql, [finding["dest"]])]


def first_contact_ts(store: Store, finding: Mapping[str, Any]) -> int | None:
    """When the finding's host first went to the destination, in all kept history, ns; None where nothing is kept."""
    sql = "SELECT min(ts) FROM event WHERE orig_ip = ? AND dest = ? AND kind <> 'query'"
    return _ask(store, sql, [finding["orig_ip"], finding["dest"]])[0][0]


def before(store: Store, host: str, ts_ns: int, limit: int) -> list[dict[str, Any]]:
    """What a host did in the minute before a time, the newest `limit` of it, in time order.

    Each: ts, kind (connection, request, ... or lookup), what (destination or question), detail (request, or answers),
    orig_bytes, resp_bytes.
    """
    names = ("ts", "kind", "what", "detail", "orig_bytes", "resp_bytes")
    span = "orig_ip = ? AND ts >= ? AND ts < ?"
    values: list[object] = [host, ts_ns - MINUTE_NS, ts_ns]
    sql = f"""SELECT * FROM (
            SELECT ts, kind, dest, trim(concat(method, ' ', uri)), orig_bytes, resp_bytes FROM event
            WHERE {span} AND kind <> 'query' AND NOT regexp_matches(resp_ip, ?)
            UNION ALL SELECT ts, 'lookup', qname, answers, 0, 0 FROM dns WHERE {span}
        ) AS one ORDER BY ts DESC, kind, dest LIMIT {int(limit)}"""
    rows = _ask(store, sql, [*values, _TO_MANY, *values], since_ns=ts_ns - MINUTE_NS, until_ns=ts_ns)
    return [dict(zip(names, row, strict=True)) for row in reversed(rows)]


def activity(store: Store, finding: Mapping[str, Any], since_ns: int, until_ns: int, n_slots: int) -> list[int]:
    """Events of the finding's host to anything else, counted in equal parts of a span (until is exclusive)."""
    width = max(1, until_ns - since_ns)
    sql = """SELECT ((ts - ?) * ?::HUGEINT // ?)::INTEGER AS slot, count(*) FROM event
        WHERE orig_ip = ? AND dest <> ? AND ts >= ? AND ts < ? GROUP BY slot"""
    values = [since_ns, n_slots, width, finding["orig_ip"], finding["dest"], since_ns, until_ns]
    counts = [0] * n_slots
    for slot, n in _ask(store, sql, values, since_ns=since_ns, until_ns=until_ns):
        counts[min(slot, n_slots - 1)] = n
    return counts


def captures(store: Store, since_ns: int, until_ns: int) -> list[dict[str, Any]]:
    """The sources that cover some of a span: name, path, state, error, packets, first_ts, last_ts, counted.

    counted : what was odd or lost while reading it, by kind and name
    """
    names = ("content_hash", "name", "path", "state", "error", "packets", "first_ts", "last_ts")
    rows = store.db.execute(
        f"SELECT {', '.join(names)} FROM source WHERE last_ts >= ? AND first_ts < ? ORDER BY first_ts, name",
        (since_ns, until_ns),
    )
    found = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
    for one in found:
        counters = store.db.execute(
            "SELECT kind, name, value FROM counter WHERE source = ? AND value > 0 ORDER BY kind, name",
            (one["content_hash"],),
        ).fetchall()
        one["counted"] = {
            f"{kind}.{name}": value
            for kind, name, value in counters
            if kind == "capture" or (kind == "decode" and name not in ("ok", "not_ip")) or name in _LOST
        }
    return found


def lossy(store: Store, since_ns: int, until_ns: int) -> list[dict[str, int]]:
    """The minutes of live captures in a span in which something was lost: first_ts, last_ts (ns, exclusive)."""
    return [
        {"first_ts": row["ts"], "last_ts": row["ts"] + int(row["span_s"] * _NS)}
        for row in health_rows(store, since_ns, until_ns)
        if is_lossy(row)
    ]


_LOST = ("evicted", "messages_lost", "names_lost")


def _ask(
    store: Store, sql: str, values: list[object], *, since_ns: int | None = None, until_ns: int | None = None
) -> list[tuple[Any, ...]]:
    """Rows of one question, in which `event` and `dns` are the rows of these tables, of a span with a day to spare."""
    import duckdb

    since_ns = None if since_ns is None else since_ns - NANOSECONDS_A_DAY
    tables, files = [], []
    for table in ("event", "dns"):
        if f"FROM {table}" in sql:
            relation, paths = store.lake.relation(table, since_ns=since_ns, until_ns=until_ns)
            tables.append(f"{table} AS (SELECT * FROM {relation})")
            files += paths
    try:
        with store.lake.connect(threads=min(os.cpu_count() or 1, _MAX_THREADS)) as lake:
            return lake.execute(f"WITH {', '.join(tables)} {sql}", [*files, *values]).fetchall()
    except duckdb.Error as error:
        raise StoreError(f"cannot read the history: {error}") from error
