"""One question to one table of the lake: conditions gathered one by one, then asked.

Values of one condition are alternatives, conditions all hold. What a person typed reaches SQL only as parameters, never
as text. This module loads neither numba nor sqlite-utils, and knows no verb and no option.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor.errors import StoreError, UsageError
from sensor.store.columns import LAKE_TABLES
from sensor.store.match import Target, parse_name, parse_target
from sensor.store.store import Store

if TYPE_CHECKING:
    import duckdb

Rows = tuple[Iterator[dict[str, Any]], int]

Texts = str | Iterable[str] | None
"""One value, several of which any will do, or None or none at all for no condition."""

Numbers = int | Iterable[int] | None

_FETCH_ROWS = 5_000
_MAX_THREADS = 4  # the sensor may be capturing on the same machine

_Condition = tuple[str, list[object]]
"""SQL and the values of its parameters."""


class Query:
    """Conditions on one table of the lake in a time span, gathered one by one, then asked."""

    def __init__(self, store: Store, table: str, since_ns: int | None, until_ns: int | None) -> None:
        self._lake = store.lake
        self._table = table
        self._since_ns = since_ns
        self._until_ns = until_ns
        self._paths = store.lake.files(table, since_ns=since_ns, until_ns=until_ns)
        self._relation, self._files = store.lake.relation_of(table, self._paths)
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._conditions: list[_Condition] = []

    def span(self, last: str, first: str) -> None:
        """Keep rows whose time from `first` to `last` touches the span asked for."""
        if self._since_ns is not None:
            self._conditions.append((f'"{last}" >= ?', [self._since_ns]))
        if self._until_ns is not None:
            self._conditions.append((f'"{first}" < ?', [self._until_ns]))

    def equals(self, column: str, values: Texts | Numbers, spelling: Callable[[str], str] | None = None) -> None:
        """Keep rows with one of the values in a column.

        spelling : str.lower or str.upper, where the column has only such text
        """
        self._any((f'"{column}" = ?', [spelling(value) if spelling else value]) for value in _many(values))

    def equals_in_any_case(self, column: str, values: Texts) -> None:
        """Keep rows with one of the values in a column, upper and lower case being the same."""
        self._any((f'lower("{column}") = lower(?)', [value]) for value in _many(values))

    def contains(self, column: str, values: Texts) -> None:
        """Keep rows with one of the values somewhere in a column's text, upper and lower case being the same."""
        self._any((f'contains(lower("{column}"), lower(?))', [value]) for value in _many(values))

    def is_filled(self, column: str, wanted: bool | None) -> None:
        """Keep rows where a column of text holds something (True) or nothing (False)."""
        if wanted is not None:
            self._conditions.append((f"\"{column}\" {'<>' if wanted else '='} ''", []))

    def named(self, values: Texts, *columns: str) -> None:
        """Keep rows with one of the names, or a name under it, in one of the columns.

        Raises: UsageError for what is no name.
        """
        names = [parse_name(value) for value in _many(values)]
        self._any(_is_under(column, name) for name in names for column in columns)

    def any_of(
        self,
        values: Texts,
        *,
        addresses: tuple[str, ...] = (),
        names: tuple[str, ...] = (),
        address_lists: tuple[str, ...] = (),
        name_lists: tuple[str, ...] = (),
    ) -> None:
        """Keep rows with one of the addresses, networks or names in one of these columns.

        address_lists, name_lists : columns of texts joined by commas, any of which will do

        Raises: UsageError for a name where only addresses are kept.
        """
        conditions: list[_Condition] = []
        for value in _many(values):
            target = parse_target(value)
            if target.name:
                if not names and not name_lists:
                    raise UsageError(f"{value!r} is no address and no network")
                conditions += [_is_under(column, target.name) for column in names]
                conditions += [_lists_name(column, target.name) for column in name_lists]
            elif target.network is not None:  # DuckDB knows no networks without an extension, so they are matched here
                for column in addresses:
                    inside = self._distinct_inside(target, f'"{column}"')
                    conditions.append((f'"{column}" IN (SELECT unnest(?::VARCHAR[]))', [inside]))
                for column in address_lists:
                    inside = self._distinct_inside(target, f"unnest({_split(column)})")
                    conditions.append((f"list_has_any({_split(column)}, ?::VARCHAR[])", [inside]))
            else:
                conditions += [(f'"{column}" = ?', [target.address]) for column in addresses]
                conditions += [(f"list_contains({_split(column)}, ?)", [target.address]) for column in address_lists]
        self._any(conditions)

    def among(self, column: str, other: Query) -> None:
        """Keep rows whose value of a column is one that the rows of another query have there."""
        condition, values = other._where()
        self._conditions.append(
            (f'"{column}" IN (SELECT "{column}" FROM {other._relation} WHERE {condition})', [*other._files, *values])
        )

    def ask(self, order: str, ties: tuple[str, ...], limit: int | None) -> Rows:
        """The rows that meet every condition, and their number.

        ties : columns that decide between rows equal in `order`, so that the answer is always the same
        """
        names = [field.name for field in LAKE_TABLES[self._table]]
        column = order.removeprefix("-")
        if column not in names:
            raise UsageError(f"cannot order by {column!r}; columns of {self._table}: {', '.join(names)}")
        direction = "DESC" if order.startswith("-") else "ASC"
        condition, given = self._where()
        # a first pass over the filters' columns alone: the second reads all columns, but only where something is
        relation, files = self._lake.relation_of(self._table, self._paths, with_files=True)
        counts = self._execute(
            f"SELECT filename, count(*) FROM {relation} WHERE {condition} GROUP BY filename", [*files, *given]
        ).fetchall()
        total = sum(n for _, n in counts)
        relation, files = self._lake.relation_of(self._table, sorted(Path(name) for name, _ in counts))
        values = [*files, *given]
        sql = f'SELECT * FROM {relation} WHERE {condition} ORDER BY "{column}" {direction}, {", ".join(ties)}'
        if limit is not None:
            sql += " LIMIT ?"
            values.append(limit)
        return self._rows(names, sql, values), total

    def _any(self, conditions: Iterable[_Condition]) -> None:
        """Add one condition that holds when one of these does; none of them: no condition."""
        gathered = list(conditions)
        if gathered:
            values = [value for _, given in gathered for value in given]
            self._conditions.append((" OR ".join(f"({sql})" for sql, _ in gathered), values))

    def _where(self) -> _Condition:
        """All conditions as one."""
        condition = " AND ".join(f"({sql})" for sql, _ in self._conditions) or "true"
        return condition, [value for _, given in self._conditions for value in given]

    def _distinct_inside(self, target: Target, expression: str) -> list[str]:
        """The different values of an expression, which are few beside the rows, that are addresses of the target."""
        found = self._execute(f"SELECT DISTINCT {expression} FROM {self._relation}", self._files).fetchall()
        return [text for (text,) in found if target.matches_address(text)]

    def _rows(self, names: list[str], sql: str, values: list[object]) -> Iterator[dict[str, Any]]:
        result = self._execute(sql, values)
        while rows := result.fetchmany(_FETCH_ROWS):
            for row in rows:
                yield dict(zip(names, row, strict=True))

    def _execute(self, sql: str, values: list[object]) -> duckdb.DuckDBPyConnection:
        import duckdb

        if self._connection is None:
            self._connection = self._lake.connect(threads=min(os.cpu_count() or 1, _MAX_THREADS))
        try:
            return self._connection.execute(sql, values)
        except duckdb.Error as error:
            raise StoreError(f"cannot read the {self._table} history: {error}") from error


def _many(values: Any) -> list[Any]:
    if values is None:
        return []
    return [values] if isinstance(values, str | int) else list(values)


def _is_under(column: str, name: str) -> _Condition:
    """A name is the one asked for or under it; the dot at the end of a full name is none of it."""
    return f"ends_with(concat('.', rtrim(lower(\"{column}\"), '.')), ?)", ["." + name]


def _split(column: str) -> str:
    return f"string_split(\"{column}\", ',')"


def _lists_name(column: str, name: str) -> _Condition:
    """One of the names joined by commas is the one asked for or under it; a comma in a label stands there escaped."""
    joined = f"concat(',', lower(\"{column}\"), ',')"
    return f"contains({joined}, ?) OR contains({joined}, ?)", [f",{name},", f".{name},"]
