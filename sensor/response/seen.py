"""What the flow history knows of values that a list is about to name: whose they are besides, and what they do.

In: an open store and values. Out: a `Seen` for each that was met. Best effort: what was never mirrored is not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sensor.errors import StoreError

if TYPE_CHECKING:
    from sensor.store.store import Store

MAX_NAMES = 100


@dataclass(frozen=True, slots=True)
class Seen:
    """What an address or a name was seen to be.

    names : names that flows to the address had, at most MAX_NAMES
    n_proxied, n_resolved : different hosts that it answered as a proxy, as a DNS resolver
    n_clients : different hosts that contacted it; a name: it or any name below it
    """

    names: frozenset[str] = frozenset()
    n_proxied: int = 0
    n_resolved: int = 0
    n_clients: int = 0
    is_time_server: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """seen : by the value in canonical text; n_hosts : hosts that the store knows."""

    seen: Mapping[str, Seen] = field(default_factory=dict)
    n_hosts: int = 0


def history_of(store: Store, values: Sequence[str]) -> History:
    """What all kept history says of addresses (canonical text) and names (lower case).

    An address that answers requests to a proxy is one, and one that answers DNS questions a resolver. Most lists block
    a name with all that is below it, so who goes there counts as well.

    Raises: StoreError when the lake cannot be read.
    """
    if not values:
        return History()
    import duckdb

    flows, flow_files = store.lake.relation("flow")
    dns, dns_files = store.lake.relation("dns")
    wanted = list(values)
    try:
        with store.lake.connect() as lake:
            met = lake.execute(
                f"""SELECT resp_ip, list(DISTINCT name) FILTER (name <> ''),
                count(DISTINCT orig_ip) FILTER (via_proxy <> '' AND resp_bytes > 0),
                count(DISTINCT orig_ip) FILTER (via_proxy = ''), bool_or(app = 'ntp' AND resp_bytes > 0) FROM {flows}
                WHERE resp_ip IN (SELECT unnest(?::VARCHAR[])) GROUP BY resp_ip""",
                [*flow_files, wanted],
            ).fetchall()
            named = lake.execute(
                f"""SELECT value, count(DISTINCT orig_ip)
                FROM (SELECT DISTINCT lower(name) AS met, orig_ip FROM {flows} WHERE name <> '')
                JOIN (SELECT DISTINCT unnest(?::VARCHAR[]) AS value) ON met = value OR ends_with(met, '.' || value)
                GROUP BY value""",
                [*flow_files, wanted],
            ).fetchall()
            resolvers = lake.execute(
                f"""SELECT resp_ip, count(DISTINCT orig_ip) FROM {dns}
                WHERE rcode <> '' AND resp_ip IN (SELECT unnest(?::VARCHAR[])) GROUP BY resp_ip""",
                [*dns_files, wanted],
            ).fetchall()
    except duckdb.Error as error:
        raise StoreError(f"cannot read the flow history: {error}") from error
    asked = dict(resolvers)
    seen = {address: Seen(n_resolved=n) for address, n in asked.items()} | {
        name: Seen(n_clients=n_clients) for name, n_clients in named
    }
    for address, names, n_proxied, n_clients, is_time_server in met:
        kept = frozenset(sorted(names or ())[:MAX_NAMES])
        seen[address] = Seen(kept, n_proxied, asked.get(address, 0), n_clients, bool(is_time_server))
    n_hosts = store.db.execute("SELECT count(*) FROM host").fetchone()[0]
    return History(seen, n_hosts)
