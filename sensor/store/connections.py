"""Connections of some clients, grouped by who talked to whom: what the analyzers of counts and durations are fed.

Pairs are client, destination by its best name, and proxy; ports are told, not part of the pair. DuckDB groups; only
pairs beyond the thresholds asked for, which are few, become Python objects. This module never judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sensor.errors import StoreError
from sensor.store.lake import DEFAULT_MEMORY_LIMIT
from sensor.store.store import Store

MAX_ADDRESSES = 50

MAX_SILENCE_S = 7_500
"""A TCP connection that nothing was seen to open goes on from an earlier piece if no more than this lies between: flows
end after minutes of silence, while hosts keep a connection with a packet every two hours (RFC 1122 section 4.2.3.6)."""

_DEST = "coalesce(nullif(name, ''), resp_ip)"
_OPENS = "(contains(history, 'S') OR contains(history, 'h'))"

_BUSY = """
CREATE TEMP TABLE busy AS SELECT orig_ip, {dest} AS dest, via_proxy, first_ts // {slot_ns} AS slot
FROM {flows} WHERE end_reason <> 'active' AND {begun} GROUP BY ALL HAVING count(*) >= {least}
"""

_BUSY_SLOTS = """
SELECT orig_ip, dest, via_proxy, count(DISTINCT uid) AS connections,
    count(DISTINCT uid) FILTER (resp_pkts = 0) AS silent, count(DISTINCT resp_port) AS ports,
    mode(resp_port) AS resp_port, mode(proto) AS proto, list_sort(list(DISTINCT resp_ip))[:{addresses}] AS dest_ips,
    sum(orig_bytes)::BIGINT AS orig_bytes, sum(resp_bytes)::BIGINT AS resp_bytes,
    min(first_ts) AS first_ts, max(last_ts) AS last_ts
FROM (SELECT *, {dest} AS dest, first_ts // {slot_ns} AS slot FROM {flows} WHERE end_reason <> 'active' AND {begun})
JOIN busy USING (orig_ip, dest, via_proxy, slot)
GROUP BY orig_ip, dest, via_proxy, slot HAVING connections >= {least} ORDER BY orig_ip, dest, via_proxy, slot
"""

_LONG = """
CREATE TEMP TABLE long AS SELECT DISTINCT community_id FROM {flows}
WHERE (end_reason = 'active' OR duration_s >= {least} OR (proto = 'tcp' AND NOT {opens})) AND {alive}
"""

_LONG_PAIRS = """
WITH piece AS (
    SELECT *, lag(uid) OVER pieces IS NULL OR (uid <> lag(uid) OVER pieces
        AND (proto <> 'tcp' OR {opens} OR first_ts - lag(last_ts) OVER pieces > {silence_ns})) AS begins
    FROM {flows} SEMI JOIN long USING (community_id) WHERE {alive}
    WINDOW pieces AS (PARTITION BY orig_ip, community_id ORDER BY first_ts, last_ts)
), numbered AS (
    SELECT *, count_if(begins) OVER (
        PARTITION BY orig_ip, community_id ORDER BY first_ts, last_ts ROWS UNBOUNDED PRECEDING) AS number FROM piece
), connection AS (
    SELECT orig_ip, coalesce(nullif(max(name), ''), min(resp_ip)) AS dest, max(via_proxy) AS via_proxy,
        min(resp_ip) AS resp_ip, min(resp_port) AS resp_port, min(proto) AS proto, min(first_ts) AS first_ts,
        max(last_ts) AS last_ts, (max(last_ts) - min(first_ts)) / 1e9 AS open_s, sum(orig_bytes) AS orig_bytes,
        sum(resp_bytes) AS resp_bytes, bool_or(end_reason = 'forced') AS is_open,
        count(DISTINCT uid) AS pieces
    FROM numbered GROUP BY orig_ip, community_id, number HAVING open_s >= {least}
)
SELECT orig_ip, dest, via_proxy, count(*) AS connections, max(open_s) AS longest_s, sum(open_s) AS open_s,
    bool_or(is_open) AS is_open, sum(pieces)::BIGINT AS pieces, mode(resp_port) AS resp_port, mode(proto) AS proto,
    list_sort(list(DISTINCT resp_ip))[:{addresses}] AS dest_ips, sum(orig_bytes)::BIGINT AS orig_bytes,
    sum(resp_bytes)::BIGINT AS resp_bytes, min(first_ts) AS first_ts, max(last_ts) AS last_ts
FROM connection GROUP BY orig_ip, dest, via_proxy ORDER BY orig_ip, dest, via_proxy
"""


def busy_slots(
    store: Store,
    buckets: Sequence[int],
    slot_s: int,
    min_connections: int,
    since_ns: int | None = None,
    until_ns: int | None = None,
    *,
    memory_limit: str = DEFAULT_MEMORY_LIMIT,
) -> list[dict[str, Any]]:
    """Pairs of some client buckets in each stretch of time in which they began many connections.

    slot_s : length of a stretch in seconds; stretches begin at its multiples since 1970
    since_ns, until_ns : nanoseconds; connections begun from `since` on and before `until`
    Returns: orig_ip, dest, via_proxy, connections, silent (connections without an answering packet), ports (different
        ones), resp_port and proto (the commonest), dest_ips, orig_bytes, resp_bytes, first_ts, last_ts of each,
        sorted by pair and time.
    Raises: StoreError when the lake cannot be read.
    """
    flows, values = store.lake.relation("flow", since_ns=since_ns, until_ns=until_ns, buckets=buckets)
    begun = _conditions(values, ("first_ts >= ?", since_ns), ("first_ts < ?", until_ns))
    words = {"flows": flows, "begun": begun, "dest": _DEST, "least": int(min_connections)}
    words |= {"slot_ns": int(slot_s) * 10**9, "addresses": MAX_ADDRESSES}
    return _two_steps(store, _BUSY.format(**words), _BUSY_SLOTS.format(**words), values, memory_limit)


def long_pairs(
    store: Store,
    buckets: Sequence[int],
    min_open_s: float,
    since_ns: int | None = None,
    until_ns: int | None = None,
    *,
    memory_limit: str = DEFAULT_MEMORY_LIMIT,
) -> list[dict[str, Any]]:
    """Pairs of some client buckets with connections that stayed open long, the pieces of one connection put together.

    min_open_s : shortest connection that counts, seconds
    since_ns, until_ns : nanoseconds; reports alive in this span
    Returns: orig_ip, dest, via_proxy, connections, pieces (flows that they consist of), longest_s, open_s (sum),
        is_open (one was when the capture ended), resp_port and proto (the commonest), dest_ips, orig_bytes,
        resp_bytes, first_ts, last_ts of each, sorted by pair.
    Raises: StoreError when the lake cannot be read.
    """
    flows, values = store.lake.relation("flow", since_ns=since_ns, until_ns=until_ns, buckets=buckets)
    alive = _conditions(values, ("last_ts >= ?", since_ns), ("first_ts < ?", until_ns))
    words = {"flows": flows, "alive": alive, "least": float(min_open_s), "addresses": MAX_ADDRESSES}
    words |= {"opens": _OPENS, "silence_ns": MAX_SILENCE_S * 10**9}
    return _two_steps(store, _LONG.format(**words), _LONG_PAIRS.format(**words), values, memory_limit)


def _two_steps(store: Store, choose: str, tell: str, values: list[object], memory_limit: str) -> list[dict[str, Any]]:
    """Run a query that chooses and one that tells about what was chosen, over the same files."""
    import duckdb

    try:
        with store.lake.connect(memory_limit=memory_limit) as lake:
            lake.execute(choose, values)
            told = lake.execute(tell, values)
            names = [column[0] for column in told.description or ()]
            return [dict(zip(names, row, strict=True)) for row in told.fetchall()]
    except duckdb.Error as error:
        raise StoreError(f"cannot read the flows: {error}") from error


def _conditions(values: list[object], *conditions: tuple[str, int | None]) -> str:
    """SQL that holds all conditions that have a value; their parameters are added to `values`."""
    chosen = [(condition, value) for condition, value in conditions if value is not None]
    values += [value for _, value in chosen]
    return " AND ".join(condition for condition, _ in chosen) or "true"
