"""What the flow history shows of one's own hosts: when each was up, what it is called, what it asked of proxies.

One question a function, answered by DuckDB; addresses are told inside from outside by the site. Judges nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sensor.errors import StoreError
from sensor.site import Site
from sensor.store.store import Store

MAX_NAMES = 5

Span = tuple[int | None, int | None]
"""From and until, nanoseconds; None: open."""


def seen(store: Store, site: Site, span: Span, during: Sequence[tuple[int, int]] | None) -> dict[str, dict[str, int]]:
    """Hosts inside that sent or answered something: address -> first_ts, last_ts, flows begun by it.

    during : only what began in one of these spans (ns, each without its end); None: any time
    """
    flows, values = _relation(store, "flow", span, "last_ts", "first_ts")
    condition, more = "true", list[object]()
    if during is not None:
        condition = "EXISTS (FROM spans WHERE first_ts >= start AND first_ts < stop)"
        more = [[start for start, _ in during], [stop for _, stop in during]]
    spans = "(SELECT unnest(?::BIGINT[]) AS start, unnest(?::BIGINT[]) AS stop)" if during is not None else "(SELECT 1)"
    rows = _ask(
        store,
        f"""WITH spans AS {spans}, flow AS MATERIALIZED (SELECT orig_ip, resp_ip, first_ts, last_ts, resp_pkts
            FROM {flows} WHERE {condition})
        SELECT ip, min(first_ts), max(last_ts), sum(began) FROM (
            SELECT orig_ip AS ip, first_ts, last_ts, 1 AS began FROM flow
            UNION ALL SELECT resp_ip, first_ts, last_ts, 0 FROM flow WHERE resp_pkts > 0
        ) GROUP BY ip""",
        [*more, *values],
    )
    return {
        ip: {"first_ts": first, "last_ts": last, "flows": int(flows)}
        for ip, first, last, flows in rows
        if site.is_internal(ip) and site.is_host(ip)
    }


def names(store: Store, site: Site, span: Span) -> dict[str, list[str]]:
    """What DNS, multicast DNS, LLMNR and NetBIOS answers call hosts inside, the commonest first."""
    dns, values = _relation(store, "dns", span, "ts", "ts")
    rows = _ask(
        store,
        f"""SELECT answer, lower(rtrim(qname, '.')), count(*) AS n FROM (
            SELECT qname, unnest(string_split(answers, ',')) AS answer FROM {dns} WHERE answers <> '' AND qtype IN
            ('A', 'AAAA', 'NB', 'TYPE32')) GROUP BY ALL ORDER BY answer, n DESC, 2""",
        values,
    )
    found: dict[str, list[str]] = {}
    for address, name, _ in rows:
        if site.is_internal(address) and len(found.setdefault(address, [])) < MAX_NAMES:
            found[address].append(name)
    return found


def facts(store: Store) -> dict[str, dict[str, list[tuple[str, str]]]]:
    """What hosts told of themselves: address -> kind -> values with their vendors, the newest first."""
    found: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for ip, kind, value, vendor in store.db.execute(
        "SELECT ip, kind, value, vendor FROM host_fact ORDER BY last_ts DESC, value"
    ):
        found.setdefault(ip, {}).setdefault(kind, []).append((value, vendor))
    return found


def _relation(store: Store, table: str, span: Span, last: str, first: str) -> tuple[str, list[object]]:
    """SQL for the rows of a table that touch a span, and its parameters."""
    since_ns, until_ns = span
    relation, values = store.lake.relation(table, since_ns=since_ns, until_ns=until_ns)
    conditions = ["true"]
    for condition, value in ((f"{last} >= ?", since_ns), (f"{first} < ?", until_ns)):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    return f"(SELECT * FROM {relation} WHERE {' AND '.join(conditions)})", values


def _ask(store: Store, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
    import duckdb

    try:
        with store.lake.connect() as lake:
            return lake.execute(sql, list(values)).fetchall()
    except duckdb.Error as error:
        raise StoreError(f"cannot read the history of hosts: {error}") from error
