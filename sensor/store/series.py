"""The events of some client buckets as series, one a channel: what the analyzers are fed.

A channel is client, destination, port, protocol and proxy. What the client began and its replies to a server that spoke
first follow different clocks, so a channel has the one of which there is more. Events stay in arrays from DuckDB to
the analyzer; only channels, which are few, become Python objects. This module never judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sensor.errors import StoreError
from sensor.store.lake import DEFAULT_MEMORY_LIMIT
from sensor.store.store import Store

if TYPE_CHECKING:
    import duckdb

_PIECE_ROWS = 50_000
_OF_CHANNEL = ("orig_ip", "dest", "resp_port", "proto", "via_proxy", "dest_ips", "name_source", "kind", "ja4",
               "certificate")  # fmt: skip

_CERTIFICATES = """
CREATE TEMP TABLE certificate AS
SELECT orig_ip, if(name = '', resp_ip, name) AS dest, resp_port, proto, via_proxy, max(cert_sha256) AS certificate
FROM {flows} WHERE cert_sha256 <> '' GROUP BY ALL HAVING count(DISTINCT cert_sha256) = 1
"""

_CHANNELS = """
CREATE TEMP TABLE channel AS
SELECT * REPLACE (coalesce(certificate, '') AS certificate),
    (row_number() OVER (ORDER BY orig_ip, dest, resp_port, proto, via_proxy) - 1)::INTEGER AS number
FROM (
    SELECT orig_ip, dest, resp_port, proto, via_proxy, kind = 'reply' AS is_reply, count(*) AS n,
        list_sort(list(DISTINCT resp_ip)) AS dest_ips, min_by(name_source, ts) AS name_source, mode(kind) AS kind,
        CASE WHEN count(DISTINCT nullif(ja4, '')) = 1 THEN max(ja4) ELSE '' END AS ja4
    FROM {events} WHERE {span} GROUP BY orig_ip, dest, resp_port, proto, via_proxy, is_reply
    QUALIFY row_number() OVER (PARTITION BY orig_ip, dest, resp_port, proto, via_proxy ORDER BY n DESC, is_reply) = 1
) LEFT JOIN certificate USING (orig_ip, dest, resp_port, proto, via_proxy)
"""

_EVENTS = """
SELECT number, ts, orig_bytes, resp_bytes, answered, duration_s
FROM (SELECT *, kind = 'reply' AS is_reply FROM {events} WHERE {span})
JOIN channel USING (orig_ip, dest, resp_port, proto, via_proxy, is_reply)
ORDER BY number, ts, orig_bytes, resp_bytes, duration_s
"""


def series_columns(
    store: Store,
    buckets: Sequence[int],
    since_ns: int | None = None,
    until_ns: int | None = None,
    *,
    threads: int = 1,
    memory_limit: str = DEFAULT_MEMORY_LIMIT,
) -> dict[str, Any]:
    """The events of some client buckets in a time span, by the names that analyzers.series.Series gives them.

    Channel c has the events off[c] to off[c + 1], ascending in time; channels are sorted by their names, so the same
    events always give the same series.

    buckets : 0 to columns.N_BUCKETS - 1 each
    since_ns, until_ns : nanoseconds; events from `since` on and before `until`
    memory_limit : for DuckDB's sort, which spills beyond it; the arrays come on top
    Raises: StoreError when the lake cannot be read.
    """
    import duckdb

    events, values = store.lake.relation("event", since_ns=since_ns, until_ns=until_ns, buckets=buckets)
    flows, paths = store.lake.relation("flow", since_ns=since_ns, until_ns=until_ns, buckets=buckets)
    span = _span(since_ns, until_ns, values)
    try:
        with store.lake.connect(threads=threads, memory_limit=memory_limit) as lake:
            lake.execute(_CERTIFICATES.format(flows=flows), paths)
            lake.execute(_CHANNELS.format(events=events, span=span), values)
            columns = lake.execute(_EVENTS.format(events=events, span=span), values).fetchnumpy()
            channels = _shared(lake.execute(f"SELECT n, {', '.join(_OF_CHANNEL)} FROM channel ORDER BY number"))
    except duckdb.Error as error:
        raise StoreError(f"cannot read the events: {error}") from error
    counts, *names = channels
    off = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=off[1:])
    columns |= zip(_OF_CHANNEL, names, strict=True)
    columns["ts_ns"] = columns.pop("ts")
    del columns["number"]
    return {"off": off, **columns}


def _shared(result: duckdb.DuckDBPyConnection) -> list[list[Any]]:
    """The columns of a result. Equal values are one object: a bucket may have a million channels of a few hosts."""
    columns: list[list[Any]] = [[] for _ in result.description or ()]
    known: dict[Any, Any] = {}
    while rows := result.fetchmany(_PIECE_ROWS):
        for column, values in zip(columns, zip(*rows, strict=True), strict=True):
            plain = map(tuple, values) if isinstance(values[0], list) else values
            column += [known.setdefault(value, value) for value in plain]
    return columns


def population_columns(store: Store, since_ns: int | None = None, until_ns: int | None = None) -> dict[str, Any]:
    """What there is in a time span, over all buckets.

    A client of a destination is who has something to do with it. Who only asks DNS for its name is none, nor is a
    proxy, which goes there for others; nor is a resolver one of those who ask.

    Returns: `clients`, with the number of their destinations; `clients_of`, for each destination that has several, how
    many; `askers_of`, the same for who asks DNS for it; `middlemen`, those who were left out, and whether as resolvers;
    `span_ns`, first and last event, or None.
    """
    import duckdb

    spans: list[tuple[int, int]] = []
    clients: dict[str, int] = {}
    try:
        with store.lake.connect() as lake:
            lake.execute("CREATE TEMP TABLE visited (dest VARCHAR, is_query BOOLEAN, orig_ip VARCHAR)")
            lake.execute("CREATE TEMP TABLE middleman (ip VARCHAR, is_query BOOLEAN)")
            for piece in store.lake.pieces(since_ns, until_ns):  # a client is in one, so what they count adds up
                events, values = store.lake.relation("event", since_ns=since_ns, until_ns=until_ns, buckets=piece)
                chosen = f"FROM {events} WHERE {_span(since_ns, until_ns, values)}"
                pairs = f"SELECT DISTINCT dest, kind = 'query' AS is_query, orig_ip {chosen}"
                lake.execute(f"CREATE OR REPLACE TEMP TABLE pair AS {pairs}", values)
                clients |= lake.execute("SELECT orig_ip, count(DISTINCT dest) FROM pair GROUP BY orig_ip").fetchall()
                lake.execute("INSERT INTO visited FROM pair")
                asked = "answered AND (via_proxy <> '' OR kind = 'query')"
                servers = f"SELECT DISTINCT resp_ip, kind = 'query' {chosen} AND {asked}"
                lake.execute(f"INSERT INTO middleman {servers}", values)
                spans += lake.execute(f"SELECT min(ts), max(ts) {chosen}", values).fetchall()
            counted = """SELECT dest, count(*) FILTER (ip IS NULL)
                FROM visited LEFT JOIN (SELECT DISTINCT * FROM middleman WHERE is_query = ?) ON ip = orig_ip
                WHERE visited.is_query = ? GROUP BY dest HAVING count(*) > 1"""
            contacts, askers = (lake.execute(counted, [kind, kind]).fetchall() for kind in (False, True))
            middlemen = lake.execute("SELECT DISTINCT ip, is_query FROM middleman SEMI JOIN visited ON ip = orig_ip")
            middle = frozenset(middlemen.fetchall())
    except duckdb.Error as error:
        raise StoreError(f"cannot read the events: {error}") from error
    seen = [span for span in spans if span[0] is not None]
    span_ns = (min(first for first, _ in seen), max(last for _, last in seen)) if seen else None
    return {
        "clients": clients,
        "clients_of": dict(contacts),
        "askers_of": dict(askers),
        "middlemen": middle,
        "span_ns": span_ns,
    }


def _span(since_ns: int | None, until_ns: int | None, values: list[object]) -> str:
    """SQL for a span of event times; its parameters are added to `values`."""
    span = "true"
    for condition, value in (("ts >= ?", since_ns), ("ts < ?", until_ns)):
        if value is not None:
            span += f" AND {condition}"
            values.append(value)
    return span
