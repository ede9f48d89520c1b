"""One host's time in order: what it asked, where it went, and where findings begin. Runs of the same are one row."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from sensor.errors import StoreError
from sensor.store.columns import NANOSECONDS_A_DAY
from sensor.store.findings import findings
from sensor.store.match import canonical_address
from sensor.store.store import Store

FIELDS = (
    *("ts", "last_ts", "kind", "dest", "resp_port", "proto", "detail", "count", "orig_bytes", "resp_bytes", "answered"),
    *("via_proxy", "finding_id"),
)
_MAX_THREADS = 4
_LAST_NS = 2**63 - 1  # that the store can tell
_SAME = ("kind", "dest", "resp_port", "proto", "via_proxy", "answered")
"""What makes two rows one after another the same thing going on."""


def last_day(store: Store, host: str) -> tuple[int, int] | None:
    """The UTC day on which a host was last seen, as since and until in ns; None for one that never was."""
    rows = _ask(store, "SELECT max(ts) FROM {event} WHERE orig_ip = ?", [host], None, None)
    last_ts = rows[0][0]
    if last_ts is None:
        return None
    start = last_ts // NANOSECONDS_A_DAY * NANOSECONDS_A_DAY
    return start, min(start + NANOSECONDS_A_DAY, _LAST_NS)


def timeline(store: Store, host: str, since_ns: int, until_ns: int) -> list[dict[str, Any]]:
    """What a host did in a span of time, in order, in FIELDS.

    kind : connection, exchange, request, attempt, lookup; finding, where one of this host begins
    detail : of a request its method and target, of a lookup its answers, of a finding what it is

    Raises: StoreError when the lake cannot be read.
    """
    host = canonical_address(host)
    span: list[object] = [host, since_ns, until_ns]
    events = _ask(
        store,
        """SELECT ts, ts, kind, dest, resp_port, proto, trim(concat(method, ' ', uri)), 1, orig_bytes, resp_bytes,
        answered, via_proxy FROM {event} WHERE orig_ip = ? AND ts >= ? AND ts < ? AND kind <> 'query'""",
        span, since_ns, until_ns,
    )  # fmt: skip
    lookups = _ask(
        store,
        """SELECT ts, ts, 'lookup', qname, 53, CASE WHEN proto = '' THEN 'udp' ELSE proto END,
        trim(concat(qtype, ' ', CASE WHEN answers <> '' THEN answers ELSE rcode END)), 1, 0, 0, rcode <> '', ''
        FROM {dns} WHERE orig_ip = ? AND ts >= ? AND ts < ?""",
        span, since_ns, until_ns,
    )  # fmt: skip
    rows = [dict(zip(FIELDS, (*row, None), strict=True)) for row in (*events, *lookups)]
    rows += _beginnings(store, host, since_ns, until_ns)
    rows.sort(key=lambda row: (row["ts"], row["kind"] != "lookup", row["kind"], row["dest"]))
    return list(_runs(rows))


def _beginnings(store: Store, host: str, since_ns: int, until_ns: int) -> Iterator[dict[str, Any]]:
    for row in findings(store, host=host, since_ns=since_ns, until_ns=until_ns)[0]:
        if row["first_ts"] >= since_ns:
            detail = f"{row['analyzer']}, {row['severity']}: {'; '.join(row['reasons'][:1])}"
            values = (row["first_ts"], row["last_ts"], "finding", row["dest"], row["resp_port"], row["proto"], detail,
                      row["events"], 0, 0, True, row["via_proxy"], row["id"])  # fmt: skip
            yield dict(zip(FIELDS, values, strict=True))


def _runs(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows with those of the same that follow each other made one."""
    run: dict[str, Any] | None = None
    for row in rows:
        if run is not None and run["kind"] != "finding" and all(run[name] == row[name] for name in _SAME):
            run["last_ts"] = row["last_ts"]
            for name in ("count", "orig_bytes", "resp_bytes"):
                run[name] += row[name]
            continue
        if run is not None:
            yield run
        run = row
    if run is not None:
        yield run


def _ask(
    store: Store, sql: str, values: list[object], since_ns: int | None, until_ns: int | None
) -> list[tuple[Any, ...]]:
    import duckdb

    table = "event" if "{event}" in sql else "dns"
    relation, files = store.lake.relation(table, since_ns=since_ns, until_ns=until_ns)
    try:
        with store.lake.connect(threads=min(os.cpu_count() or 1, _MAX_THREADS)) as lake:
            return lake.execute(sql.format(**{table: relation}), [*files, *values]).fetchall()
    except duckdb.Error as error:
        raise StoreError(f"cannot read the history: {error}") from error
