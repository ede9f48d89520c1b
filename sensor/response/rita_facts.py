"""What the flow history says of clients and destinations that RITA's table has columns for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sensor.errors import StoreError
from sensor.site import parse_address
from sensor.store.contacts import first_contacts
from sensor.store.store import Store

_FACTS = """
SELECT orig_ip, dest, count(DISTINCT uid), sum(duration_s), sum(orig_ip_bytes + resp_ip_bytes)::BIGINT,
    list_sort(list(DISTINCT concat(resp_port, ':', proto, ':', CASE app WHEN 'tls' THEN 'ssl' ELSE app END)))
FROM (
    SELECT flow.*, wanted.dest FROM {flows} AS flow JOIN wanted ON flow.orig_ip = wanted.orig_ip
        AND flow.name = wanted.dest AND NOT wanted.is_address
    UNION ALL
    SELECT flow.*, wanted.dest FROM {flows} AS flow JOIN wanted ON flow.orig_ip = wanted.orig_ip
        AND flow.resp_ip = wanted.dest AND wanted.is_address
) JOIN wanted USING (orig_ip, dest) WHERE last_ts >= since AND first_ts <= until GROUP BY orig_ip, dest
"""

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Facts:
    """One client and one destination in the time of their findings.

    open_s : sum of the connections' durations, also of those that were still open
    ip_bytes : both ways, from the IP total length
    services : port:protocol:service, the service by Zeek's name
    """

    connections: int
    open_s: float
    ip_bytes: int
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class History:
    """facts : of each client and destination; those that the lake has no more are missing.

    n_hosts : internal hosts there are
    clients_of : how many of them contacted each destination
    first_ts : when any host was first seen at each destination, ns
    newest_ts : the newest packet there is, ns; 0: none
    """

    facts: dict[Key, Facts]
    n_hosts: int
    clients_of: dict[str, int]
    first_ts: dict[str, int]
    newest_ts: int


def history_of(store: Store, pairs: Iterable[tuple[str, str, int, int]]) -> History:
    """Look up pairs of client, destination, first and last time (ns); a destination that is an address means its flows.

    Raises: StoreError when the lake cannot be read.
    """
    import duckdb

    wanted = [(*pair, parse_address(pair[1]) is not None) for pair in pairs]
    facts: dict[Key, Facts] = {}
    contacts: dict[str, Any] = first_contacts(store, {dest for _, dest, *_ in wanted})
    if wanted:
        flows, files = store.lake.relation("flow", since_ns=min(pair[2] for pair in wanted))
        try:
            with store.lake.connect() as lake:
                lake.execute(
                    """CREATE TEMP TABLE wanted AS SELECT unnest(?::VARCHAR[]) AS orig_ip, unnest(?::VARCHAR[]) AS dest,
                    unnest(?::BIGINT[]) AS since, unnest(?::BIGINT[]) AS until, unnest(?::BOOLEAN[]) AS is_address""",
                    [list(column) for column in zip(*wanted, strict=True)],
                )
                for orig_ip, dest, connections, open_s, ip_bytes, services in lake.execute(
                    _FACTS.format(flows=flows), [*files, *files]
                ).fetchall():
                    facts[orig_ip, dest] = Facts(connections, open_s, ip_bytes, tuple(services))
        except duckdb.Error as error:
            raise StoreError(f"cannot read the flows: {error}") from error
    hosts = {ip for (ip,) in store.db.execute("SELECT ip FROM host")}
    return History(
        facts,
        len(hosts),
        {dest: len(hosts & clients.keys()) for dest, clients in contacts["of"].items()},
        {dest: min(clients.values()) for dest, clients in contacts["of"].items()},
        store.db.execute("SELECT max(last_ts) FROM source").fetchone()[0] or 0,
    )
