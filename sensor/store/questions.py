"""Questions to the flow history, one function each: which rows, and how many there are in all.

Rows come as dictionaries in the order of `columns`, read while the caller iterates. Times are nanoseconds. What
a person typed reaches SQL only as parameters. This module loads neither numba nor sqlite-utils.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sensor.errors import StoreError, UsageError
from sensor.store.columns import LAKE_TABLES
from sensor.store.match import Target, parse_target
from sensor.store.store import Store

if TYPE_CHECKING:
    import duckdb

Rows = tuple[Iterator[dict[str, Any]], int]

_FETCH_ROWS = 5_000
_MAX_THREADS = 4  # the sensor may be capturing on the same machine


def flows(
    store: Store,
    *,
    host: str | None = None,
    dest: str | None = None,
    port: int | None = None,
    proto: str | None = None,
    state: str | None = None,
    since_ns: int | None = None,
    until_ns: int | None = None,
    limit: int | None = None,
    order: str = "-first_ts",
) -> Rows:
    """Flows that were alive in a time span, newest first.

    host : address or network of either end
    dest : address or network of the responder, or its name or a domain it is in
    port : the responder's
    proto, state : as in the columns proto and conn_state
    since_ns, until_ns : nanoseconds; a flow counts when it ended at `since` or later and began before `until`
    limit : most rows to give; the total is exact all the same
    order : a column, with a minus for descending
    Returns: the rows, and how many match in all.
    Raises: UsageError for values that make no sense, StoreError when the lake cannot be read.
    """
    question = _Question(store, "flow", since_ns, until_ns)
    question.span("last_ts", "first_ts")
    question.any_of(host, addresses=("orig_ip", "resp_ip"), names=())
    question.any_of(dest, addresses=("resp_ip",), names=("name",))
    question.equals("resp_port", port)
    question.equals("proto", proto.lower() if proto else None)
    question.equals("conn_state", state.upper() if state else None)
    return question.ask(order, ("uid", "first_ts"), limit)


def events(
    store: Store,
    *,
    host: str | None = None,
    dest: str | None = None,
    port: int | None = None,
    proto: str | None = None,
    kind: str | None = None,
    since_ns: int | None = None,
    until_ns: int | None = None,
    limit: int | None = None,
    order: str = "-ts",
) -> Rows:
    """Events, newest first; parameters as in `flows`, but `host` is the client and `kind` one of the event kinds."""
    question = _Question(store, "event", since_ns, until_ns)
    question.span("ts", "ts")
    question.any_of(host, addresses=("orig_ip",), names=())
    question.any_of(dest, addresses=("resp_ip", "dest"), names=("dest",))
    question.equals("resp_port", port)
    question.equals("proto", proto.lower() if proto else None)
    question.equals("kind", kind)
    return question.ask(order, ("uid", "dest"), limit)


def dns(
    store: Store,
    *,
    host: str | None = None,
    dest: str | None = None,
    qtype: str | None = None,
    rcode: str | None = None,
    since_ns: int | None = None,
    until_ns: int | None = None,
    limit: int | None = None,
    order: str = "-ts",
) -> Rows:
    """DNS questions and answers, newest first.

    host : address or network of the client that asked
    dest : the name asked for or a domain it is in; or an address (not a network) among the answers
    qtype, rcode : as in the columns
    Everything else as in `flows`.
    """
    question = _Question(store, "dns", since_ns, until_ns)
    question.span("ts", "ts")
    question.any_of(host, addresses=("orig_ip",), names=())
    if dest is not None:
        target = parse_target(dest)
        if target.network is not None:
            raise UsageError(f"{dest} is a network; DNS answers can be searched for a name or a single address")
        if target.address:
            question.where("list_contains(string_split(answers, ','), ?)", target.address)
        else:
            question.where(*_name_condition("qname", target))
    question.equals("qtype", qtype.upper() if qtype else None)
    question.equals("rcode", rcode.upper() if rcode else None)
    return question.ask(order, ("orig_ip", "qname", "qtype"), limit)


class _Question:
    """Conditions on one table of the lake, gathered one by one, then asked."""

    def __init__(self, store: Store, table: str, since_ns: int | None, until_ns: int | None) -> None:
        self._table = table
        self._since_ns = since_ns
        self._until_ns = until_ns
        self._relation, self._files = store.lake.relation(table, since_ns=since_ns, until_ns=until_ns)
        self._connection: duckdb.DuckDBPyConnection = store.lake.connect(threads=min(os.cpu_count() or 1, _MAX_THREADS))
        self._conditions: list[str] = []
        self._values: list[object] = []

    def where(self, condition: str, *values: object) -> None:
        self._conditions.append(condition)
        self._values += values

    def equals(self, column: str, value: object | None) -> None:
        if value is not None:
            self.where(f'"{column}" = ?', value)

    def span(self, last: str, first: str) -> None:
        """Keep rows whose time from `first` to `last` touches the span asked for."""
        if self._since_ns is not None:
            self.where(f'"{last}" >= ?', self._since_ns)
        if self._until_ns is not None:
            self.where(f'"{first}" < ?', self._until_ns)

    def any_of(self, value: str | None, *, addresses: tuple[str, ...], names: tuple[str, ...]) -> None:
        """Keep rows with the address, network or name in one of these columns.

        Raises: UsageError for a name where only addresses are kept.
        """
        if value is None:
            return
        target = parse_target(value)
        if target.name:
            if not names:
                raise UsageError(f"{value!r} is no address and no network")
            self.where(*_any(_name_condition(column, target) for column in names))
        elif target.network is not None:
            self.where(*_any(self._network_condition(column, target) for column in addresses))
        else:
            self.where(*_any((f'"{column}" = ?', target.address) for column in addresses))

    def _network_condition(self, column: str, target: Target) -> tuple[str, object]:
        """DuckDB knows no networks without an extension: the distinct addresses, which are few, are matched here."""
        found = self._execute(f'SELECT DISTINCT "{column}" FROM {self._relation}', self._files).fetchall()
        inside = [address for (address,) in found if target.matches_address(address)]
        return f'"{column}" IN (SELECT unnest(?::VARCHAR[]))', inside

    def ask(self, order: str, ties: tuple[str, ...], limit: int | None) -> Rows:
        """The rows that meet every condition, and their number.

        ties : columns that decide between rows equal in `order`, so that the answer is always the same
        """
        names = [field.name for field in LAKE_TABLES[self._table]]
        column = order.removeprefix("-")
        if column not in names:
            raise UsageError(f"cannot order by {column!r}; columns of {self._table}: {', '.join(names)}")
        direction = "DESC" if order.startswith("-") else "ASC"
        condition = " AND ".join(f"({condition})" for condition in self._conditions) or "true"
        values = [*self._files, *self._values]
        source = f"FROM {self._relation} WHERE {condition}"
        total = int(self._execute(f"SELECT count(*) {source}", values).fetchall()[0][0])
        sql = f'SELECT * {source} ORDER BY "{column}" {direction}, {", ".join(ties)}'
        if limit is not None:
            sql += " LIMIT ?"
            values.append(limit)
        return self._rows(names, sql, values), total

    def _rows(self, names: list[str], sql: str, values: list[object]) -> Iterator[dict[str, Any]]:
        result = self._execute(sql, values)
        while rows := result.fetchmany(_FETCH_ROWS):
            for row in rows:
                yield dict(zip(names, row, strict=True))

    def _execute(self, sql: str, values: list[object]) -> duckdb.DuckDBPyConnection:
        import duckdb

        try:
            return self._connection.execute(sql, values)
        except duckdb.Error as error:
            raise StoreError(f"cannot read the {self._table} history: {error}") from error


def _name_condition(column: str, target: Target) -> tuple[str, object, object]:
    return f'lower("{column}") = ? OR ends_with(lower("{column}"), ?)', target.name, "." + target.name


def _any(conditions: Iterator[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Conditions joined by OR, followed by the values of all of them."""
    gathered = list(conditions)
    return " OR ".join(condition for condition, *_ in gathered), *(v for _, *values in gathered for v in values)
