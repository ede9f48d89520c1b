"""Copies the rows behind findings from the lake into the results database, where they outlive the lake's retention."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sensor.errors import StoreError
from sensor.store.columns import LAKE_TABLES
from sensor.store.findings import dns_of_finding, events_of_finding, flows_of_finding
from sensor.store.store import Store

if TYPE_CHECKING:
    import duckdb

MAX_ROWS, LEAST_ROWS = 1_000, 20
"""Events and DNS questions kept for one finding, the newest; a finding's own `events` says how many there were."""

MAX_ROWS_IN_ALL = 2_000_000
"""Of all findings of one analysis: where they are very many, each keeps fewer rows, but LEAST_ROWS."""

_PIECE_ROWS = 10_000
LOOKUP_NS = 3_600_000_000_000
"""Questions for the destination count from so long before its first event: a name is asked for before it is gone to."""

_WANTED = """SELECT id, orig_ip, dest, resp_port, proto, first_ts, last_ts FROM finding
    WHERE id IN (SELECT value FROM json_each(:ids)) AND id NOT IN (SELECT finding_id FROM finding_channel)
    UNION ALL SELECT finding.id, orig_ip, channel.dest, channel.resp_port, channel.proto, channel.first_ts,
    channel.last_ts FROM finding JOIN finding_channel AS channel ON finding_id = finding.id
    WHERE finding.id IN (SELECT value FROM json_each(:ids))"""


def keep_evidence(store: Store, finding_ids: Sequence[int]) -> None:
    """Keep the events of findings, the flows those happened in, and the DNS questions for their destination.

    What is kept already stays as it is, so doing it again changes nothing.

    Raises: StoreError when the lake cannot be read or the database cannot be written.
    """
    import duckdb

    found = store.db.execute(_WANTED, {"ids": json.dumps(list(finding_ids))}).fetchall()
    if not found:
        return
    lists = [list(column) for column in zip(*found, strict=True)]
    most = min(MAX_ROWS, max(LEAST_ROWS, MAX_ROWS_IN_ALL // len(finding_ids)))
    span_ns = min(lists[5]), max(lists[6]) + 1
    try:
        with store.lake.connect() as lake:
            lake.execute(
                """CREATE TEMP TABLE wanted AS SELECT unnest(?::BIGINT[]) AS id, unnest(?::VARCHAR[]) AS orig_ip,
                unnest(?::VARCHAR[]) AS dest, unnest(?::INTEGER[]) AS resp_port, unnest(?::VARCHAR[]) AS proto,
                unnest(?::BIGINT[]) AS first_ts, unnest(?::BIGINT[]) AS last_ts""",
                lists,
            )
            for buckets in store.lake.pieces(*span_ns):
                _keep(store, lake, buckets, span_ns, most)
    except duckdb.Error as error:
        raise StoreError(f"cannot collect evidence from the lake: {error}") from error


def _keep(store: Store, lake: duckdb.DuckDBPyConnection, buckets: range, span_ns: tuple[int, int], most: int) -> None:
    """Keep what some client buckets have of the findings in the table `wanted`, `most` rows of each."""
    since_ns, until_ns = span_ns
    events, files = store.lake.relation("event", since_ns=since_ns, until_ns=until_ns, buckets=buckets)
    lake.execute(
        f"""CREATE OR REPLACE TEMP TABLE kept_event AS SELECT wanted.id, event.* FROM {events} AS event JOIN wanted
        USING (orig_ip, dest, resp_port, proto) WHERE ts BETWEEN first_ts AND last_ts
        QUALIFY row_number() OVER (PARTITION BY id ORDER BY ts DESC, uid) <= {most}""",
        files,
    )
    flows, flow_files = store.lake.relation("flow", since_ns=since_ns, buckets=buckets)
    dns, dns_files = store.lake.relation("dns", since_ns=since_ns - LOOKUP_NS, until_ns=until_ns, buckets=buckets)
    kept: tuple[tuple[str, str, list[object]], ...] = (
        ("flow", f"SELECT {_names('flow')} FROM {flows} WHERE uid IN (SELECT uid FROM kept_event)", flow_files),
        ("event", f"SELECT {_names('event')} FROM kept_event", []),
        (
            "dns_query",
            f"""SELECT {_names("dns", "dns")} FROM {dns} AS dns JOIN wanted ON dns.orig_ip = wanted.orig_ip
            AND dns.qname = wanted.dest WHERE ts BETWEEN first_ts - {LOOKUP_NS} AND last_ts
            QUALIFY row_number() OVER (PARTITION BY id ORDER BY ts DESC, qtype) <= {most}""",
            dns_files,
        ),
        ("finding_flow", "SELECT DISTINCT id, uid FROM kept_event", []),
    )
    with store.transaction():
        for table, sql, values in kept:
            _insert(store, table, lake.execute(sql, values))


def whole_evidence(store: Store, finding: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """All that history holds of a finding, in time order: `flow`, `event` and `dns` rows of its channel and its time.

    Where the lake has less than was kept for the finding (its retention is shorter), what was kept.

    Raises: StoreError when the lake cannot be read.
    """
    import duckdb

    since_ns, until_ns = finding["first_ts"], finding["last_ts"] + 1
    channel = [finding[name] for name in ("orig_ip", "dest", "resp_port", "proto")]
    found: dict[str, list[dict[str, Any]]] = {}
    try:
        with store.lake.connect() as lake:
            events, files = store.lake.relation("event", since_ns=since_ns, until_ns=until_ns)
            mine = "orig_ip = ? AND dest = ? AND resp_port = ? AND proto = ? AND ts >= ? AND ts < ?"
            lake.execute(
                f"CREATE TEMP TABLE mine AS SELECT * FROM {events} WHERE {mine}", [*files, *channel, since_ns, until_ns]
            )
            flows, files = store.lake.relation("flow", since_ns=since_ns)
            dns, dns_files = store.lake.relation("dns", since_ns=since_ns - LOOKUP_NS, until_ns=until_ns)
            asked = [finding["orig_ip"], finding["dest"], since_ns - LOOKUP_NS, until_ns]
            for table, sql, values in (
                ("event", "FROM mine ORDER BY ts, uid", []),
                ("flow", f"FROM {flows} WHERE uid IN (SELECT uid FROM mine) ORDER BY first_ts, uid", files),
                (
                    "dns",
                    f"FROM {dns} WHERE orig_ip = ? AND qname = ? AND ts >= ? AND ts < ? ORDER BY ts",
                    [*dns_files, *asked],
                ),
            ):
                names = [field.name for field in LAKE_TABLES[table]]
                rows = lake.execute(f"SELECT {_names(table)} {sql}", values).fetchall()
                found[table] = [dict(zip(names, row, strict=True)) for row in rows]
    except duckdb.Error as error:
        raise StoreError(f"cannot collect evidence from the lake: {error}") from error
    kept = {
        "flow": flows_of_finding(store, finding["id"]),
        "event": events_of_finding(store, finding["id"]),
        "dns": dns_of_finding(store, finding["id"]),
    }
    return {table: max(rows, kept[table], key=len) for table, rows in found.items()}


def _names(table: str, qualifier: str = "") -> str:
    dot = f"{qualifier}." if qualifier else ""
    return ", ".join(f'{dot}"{field.name}"' for field in LAKE_TABLES[table])


def _insert(store: Store, table: str, result: duckdb.DuckDBPyConnection) -> None:
    """Insert whole rows, in the table's column order, piece by piece; those that are there already are left alone."""
    while rows := result.fetchmany(_PIECE_ROWS):
        store.db.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
