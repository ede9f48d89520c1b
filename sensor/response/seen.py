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
    """names : names that flows to the address had, at most MAX_NAMES; n_clients : different hosts that contacted it."""

    names: frozenset[str] = frozenset()
    is_proxy: bool = False
    is_resolver: bool = False
    n_clients: int = 0
    is_time_server: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """seen : by the value in canonical text; n_hosts : hosts that the store knows."""

    seen: Mapping[str, Seen] = field(default_factory=dict)
    n_hosts: int = 0


def history_of(store: Store, values: Sequence[str]) -> History:
    """What all kept history says of addresses (canonical text) and names (lower case).

    An address is a proxy when a flow to it carried a proxy request, a resolver when DNS rows have it as such.

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
                f"""SELECT resp_ip, list(DISTINCT name) FILTER (name <> ''), bool_or(via_proxy <> ''),
                count(DISTINCT orig_ip) FILTER (via_proxy = ''), bool_or(app = 'ntp' AND resp_bytes > 0) FROM {flows}
                WHERE resp_ip IN (SELECT unnest(?::VARCHAR[])) GROUP BY resp_ip""",
                [*flow_files, wanted],
            ).fetchall()
            named = lake.execute(
                f"""SELECT lower(name) AS value, count(DISTINCT orig_ip) FROM {flows}
                WHERE lower(name) IN (SELECT unnest(?::VARCHAR[])) GROUP BY value""",
                [*flow_files, wanted],
            ).fetchall()
            resolvers = lake.execute(
                f"SELECT DISTINCT resp_ip FROM {dns} WHERE resp_ip IN (SELECT unnest(?::VARCHAR[]))",
                [*dns_files, wanted],
            ).fetchall()
    except duckdb.Error as error:
        raise StoreError(f"cannot read the flow history: {error}") from error
    asked = {address for (address,) in resolvers}
    seen = {address: Seen(is_resolver=True) for address in asked} | {
        name: Seen(n_clients=n_clients) for name, n_clients in named
    }
    for address, names, is_proxy, n_clients, is_time_server in met:
        kept = frozenset(sorted(names or ())[:MAX_NAMES])
        seen[address] = Seen(kept, bool(is_proxy), address in asked, n_clients, bool(is_time_server))
    n_hosts = store.db.execute("SELECT count(*) FROM host").fetchone()[0]
    return History(seen, n_hosts)
