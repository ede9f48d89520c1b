"""The events of one client bucket as series, one a channel: what the analyzers are fed.

A channel is client, destination, port, protocol and proxy. Events stay in arrays from DuckDB to the analyzer; only
channels, which are few, become Python objects. This module never judges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sensor.errors import StoreError
from sensor.store.lake import DEFAULT_MEMORY_LIMIT
from sensor.store.store import Store


@dataclass(frozen=True, slots=True)
class Series:
    """Events grouped by channel. Channel c has the events off[c] to off[c + 1], ascending in time.

    Channels are sorted by their names, so the same events always give the same series.

    off : int64[n_channels + 1], from 0 to n_events
    ts_ns : int64[n_events], nanoseconds since 1970 UTC
    orig_bytes, resp_bytes : int64[n_events], bytes
    answered : bool[n_events]
    duration_s : float64[n_events], seconds
    orig_ip, dest, resp_port, proto, via_proxy : n_channels each, the channel
    dest_ips : n_channels, the addresses contacted, sorted
    name_source, kind : n_channels, of the channel's first event
    """

    off: NDArray[np.int64]
    ts_ns: NDArray[np.int64]
    orig_bytes: NDArray[np.int64]
    resp_bytes: NDArray[np.int64]
    answered: NDArray[np.bool_]
    duration_s: NDArray[np.float64]
    orig_ip: list[str]
    dest: list[str]
    resp_port: list[int]
    proto: list[str]
    via_proxy: list[str]
    dest_ips: list[list[str]]
    name_source: list[str]
    kind: list[str]

    def __len__(self) -> int:
        return len(self.orig_ip)


_CHANNELS = """
CREATE TEMP TABLE channel AS
SELECT *, (row_number() OVER (ORDER BY orig_ip, dest, resp_port, proto, via_proxy) - 1)::INTEGER AS number FROM (
    SELECT orig_ip, dest, resp_port, proto, via_proxy, count(*) AS n, list_sort(list(DISTINCT resp_ip)) AS dest_ips,
        min_by(name_source, ts) AS name_source, min_by(kind, ts) AS kind
    FROM {events} WHERE {span} GROUP BY orig_ip, dest, resp_port, proto, via_proxy
)
"""

_EVENTS = """
SELECT number, ts, orig_bytes, resp_bytes, answered, duration_s
FROM {events} JOIN channel USING (orig_ip, dest, resp_port, proto, via_proxy) WHERE {span}
ORDER BY number, ts, orig_bytes, resp_bytes, duration_s
"""


def series(
    store: Store,
    bucket: int,
    since_ns: int | None = None,
    until_ns: int | None = None,
    *,
    threads: int = 1,
    memory_limit: str = DEFAULT_MEMORY_LIMIT,
) -> Series:
    """The events of one client bucket in a time span.

    bucket : 0 to columns.N_BUCKETS - 1
    since_ns, until_ns : nanoseconds; events from `since` on and before `until`
    memory_limit : for DuckDB's sort, which spills beyond it; the arrays come on top
    Raises: StoreError when the lake cannot be read.
    """
    import duckdb

    events, values = store.lake.relation("event", since_ns=since_ns, until_ns=until_ns, buckets=[bucket])
    span = "true"
    for condition, value in (("ts >= ?", since_ns), ("ts < ?", until_ns)):
        if value is not None:
            span += f" AND {condition}"
            values.append(value)
    try:
        with store.lake.connect(threads=threads, memory_limit=memory_limit) as lake:
            lake.execute(_CHANNELS.format(events=events, span=span), values)
            columns = lake.execute(_EVENTS.format(events=events, span=span), values).fetchnumpy()
            channels = lake.execute(
                """SELECT n, orig_ip, dest, resp_port, proto, via_proxy, dest_ips, name_source, kind FROM channel
                ORDER BY number"""
            ).fetchall()
    except duckdb.Error as error:
        raise StoreError(f"cannot read the events of bucket {bucket}: {error}") from error
    counts, *names = zip(*channels, strict=True) if channels else [()] * 9
    off = np.zeros(len(channels) + 1, np.int64)
    np.cumsum(counts, out=off[1:])
    orig_ip, dest, resp_port, proto, via_proxy, dest_ips, name_source, kind = (list(column) for column in names)
    return Series(
        off=off,
        ts_ns=columns["ts"],
        orig_bytes=columns["orig_bytes"],
        resp_bytes=columns["resp_bytes"],
        answered=columns["answered"],
        duration_s=columns["duration_s"],
        orig_ip=orig_ip,
        dest=dest,
        resp_port=resp_port,
        proto=proto,
        via_proxy=via_proxy,
        dest_ips=dest_ips,
        name_source=name_source,
        kind=kind,
    )
