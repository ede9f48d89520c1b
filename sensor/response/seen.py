"""What the flow history knows of addresses that a list is about to name: whose they are besides, and what they do.

In: an open store and addresses. Out: a `Seen` for each that was met. Best effort: what was never mirrored is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensor.errors import StoreError

if TYPE_CHECKING:
    from sensor.store.store import Store

MAX_NAMES = 100


@dataclass(frozen=True, slots=True)
class Seen:
    """names : names that flows to the address had, at most MAX_NAMES; the rest says what it was seen doing."""

    names: frozenset[str] = frozenset()
    is_proxy: bool = False
    is_resolver: bool = False


def seen_at(store: Store, addresses: Sequence[str]) -> dict[str, Seen]:
    """What all kept history says of these addresses (canonical text).

    An address is a proxy when a flow to it carried a proxy request, a resolver when DNS rows have it as such.

    Raises: StoreError when the lake cannot be read.
    """
    if not addresses:
        return {}
    import duckdb

    flows, flow_files = store.lake.relation("flow")
    dns, dns_files = store.lake.relation("dns")
    try:
        with store.lake.connect() as lake:
            met = lake.execute(
                f"""SELECT resp_ip, list(DISTINCT name) FILTER (name <> ''), bool_or(via_proxy <> '')
                FROM {flows} WHERE resp_ip IN (SELECT unnest(?::VARCHAR[])) GROUP BY resp_ip""",
                [*flow_files, list(addresses)],
            ).fetchall()
            resolvers = lake.execute(
                f"SELECT DISTINCT resp_ip FROM {dns} WHERE resp_ip IN (SELECT unnest(?::VARCHAR[]))",
                [*dns_files, list(addresses)],
            ).fetchall()
    except duckdb.Error as error:
        raise StoreError(f"cannot read the flow history: {error}") from error
    asked = {address for (address,) in resolvers}
    seen = {address: Seen(is_resolver=True) for address in asked}
    for address, names, is_proxy in met:
        seen[address] = Seen(frozenset(sorted(names or ())[:MAX_NAMES]), bool(is_proxy), address in asked)
    return seen
