"""Rows of the lake for tests: dictionaries with every field, and the columns made of them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensor.store.columnar import Column, bools, coded, floats, ints, pack_words, text
from sensor.store.columns import LAKE_TABLES, LAKE_VERSION, N_BUCKETS, PARTITION_TS
from sensor.store.parquet import write_parquet
from sensor.store.partition import partitions

DAY_NS = 86_400_000_000_000
NOON_NS = 20_000 * DAY_NS + DAY_NS // 2  # 2024-10-04 12:00 UTC

_EMPTY: dict[str, Any] = {"text": "", "int32": 0, "int64": 0, "double": 0.0, "bool": False}


def row(table: str, **values: Any) -> dict[str, Any]:
    """A row of a table; what is not given is empty, times are NOON_NS."""
    fields = {field.name: _EMPTY[field.type] for field in LAKE_TABLES[table]}
    fields |= {name: NOON_NS for name in ("ts", "first_ts", "last_ts") if name in fields}
    assert values.keys() <= fields.keys()
    return fields | values


def columns_of(table: str, rows: Sequence[Mapping[str, Any]], version: int = LAKE_VERSION) -> list[Column]:
    """The table's columns, as they were in segments of a version; unique text as text, all other text coded."""
    fields = [field for field in LAKE_TABLES[table] if field.since <= version]
    return [_column(field.name, field.type, [row[field.name] for row in rows]) for field in fields]


def write_version_1(lake: Path, table: str, rows: Sequence[Mapping[str, Any]], segment: str = "old-0") -> int:
    """Segments as store schema 1 wrote them: without the columns that came later, no version in the name."""
    columns = columns_of(table, rows, version=1)
    ts_ns = np.array([row[PARTITION_TS[table]] for row in rows], np.int64)
    n_files = 0
    for day, bucket, chosen in partitions(ts_ns, buckets_of(rows)):
        path = lake / table / f"day={day}" / f"bucket={bucket:02d}" / f"{segment}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_parquet(path, columns, rows=chosen)
        n_files += 1
    return n_files


def _column(name: str, kind: str, values: list[Any]) -> Column:
    if kind == "text" and len(set(values)) == len(values):
        return text(name, *pack_words(values))
    if kind == "text":
        words = sorted(set(values))
        return coded(name, [words.index(value) for value in values], *pack_words(words))
    makers: dict[str, Callable[[str, Any], Column]] = {"double": floats, "bool": bools}
    dtype = np.int32 if kind == "int32" else np.int64
    return makers[kind](name, values) if kind in makers else ints(name, np.array(values, dtype))


def buckets_of(rows: Sequence[Mapping[str, Any]]) -> NDArray[np.uint8]:
    """A bucket for each row, the same for the same client."""
    return np.array([sum(row["orig_ip"].encode()) % N_BUCKETS for row in rows], np.uint8)
