"""The lake: flow, event and DNS history as immutable Parquet segments.

A segment is `<table>/day=YYYY-MM-DD/bucket=NN/<name>.v<version>.parquet`. Appending needs numba (the Parquet writer);
listing and reading need neither numba nor, until a question is asked, DuckDB. Readers take no lock: a segment is there
whole or not at all. This module never judges what the rows mean.

The version in a name (none: 1) says which columns are in the file, so that old segments are read as they are, without
opening each one first to find out: that alone would double what a question to many small segments takes.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.errors import StoreError
from sensor.store.columns import (
    LAKE_TABLES,
    LAKE_VERSION,
    MIXED_DAY,
    N_BUCKETS,
    NANOSECONDS_A_DAY,
    PARTITION_TS,
    Field,
)
from sensor.store.schema import SPILL_NAME

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    from numpy.typing import NDArray

    from sensor.store.columnar import Column
    from sensor.store.parquet import Scratch

SEGMENT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
DEFAULT_MEMORY_LIMIT = "512MiB"

PIECE_BYTES = 64 << 20
"""Of segments of flows and events read in one go, unless one bucket has more: about a million rows."""

_SUFFIX = ".parquet"
_RANGE = re.compile(r"([A-Za-z0-9_.]+)-([0-9]{6,})(?:-([0-9]{6,}))?\.")
_VERSION = re.compile(r"\.v([0-9]{1,4})\.parquet$")
_DUCKDB_TYPES = {"text": "VARCHAR", "int32": "INTEGER", "int64": "BIGINT", "double": "DOUBLE", "bool": "BOOLEAN"}


class Lake:
    """The segments under one directory.

    root : Path, the directory; it need not exist for reading
    bytes_written : by this object, since it was made
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.incoming = root / ".incoming"
        self.bytes_written = 0
        self._scratch: Scratch | None = None
        self._databases: dict[tuple[int, str], duckdb.DuckDBPyConnection] = {}

    # --- writing: the caller holds the store's lock ---

    def append(self, table: str, segment: str, columns: Sequence[Column], bucket: NDArray[np.uint8]) -> int:
        """Add rows to a table, one file for each day and bucket they fall into.

        It is fastest when the rows already come grouped by bucket: each file then reads the columns straight through.

        table : flow, event or dns
        segment : name of the new files; one that is there already is replaced, so a repeated append changes nothing
        columns : the table's columns, all and in order, of n rows
        bucket : uint8[n], client bucket of each row
        Returns: files written.
        Raises: ValueError for wrong columns or names, StoreError when writing fails.
        """
        from sensor.store.parquet import Scratch
        from sensor.store.partition import partitions
        from sensor.store.segment import write_segment

        _check_name(segment)
        _check_columns(table, columns)
        if len(bucket) != len(columns[0]):
            raise ValueError(f"{len(bucket)} buckets for {len(columns[0])} rows of {table}")
        self._scratch = self._scratch or Scratch()
        ts_ns = next(column.values for column in columns if column.name == PARTITION_TS[table])
        n_files = 0
        file_name = f"{segment}.v{LAKE_VERSION}{_SUFFIX}"
        for day, number, rows in partitions(ts_ns, bucket):
            path = self.root / table / f"day={day}" / _bucket_name(number) / file_name
            size = write_segment(path, columns, incoming=self.incoming, rows=rows, scratch=self._scratch)
            self.bytes_written += size
            n_files += 1
        return n_files

    def remove_segments(self, prefix: str) -> int:
        """Delete every segment whose name starts with `prefix`: what a broken-off replay left. Returns how many."""
        _check_name(prefix)
        n_removed = 0
        for table in LAKE_TABLES:
            for path in self.all_files(table):
                if path.name.startswith(prefix):
                    path.unlink()
                    n_removed += 1
        return n_removed

    def remove_unfinished(self) -> int:
        """Delete what a crash left half-written; no reader ever saw it. Returns how many files."""
        n_removed = 0
        for path in _children(self.incoming):
            path.unlink()
            n_removed += 1
        return n_removed

    # --- reading ---

    def files(
        self,
        table: str,
        *,
        since_ns: int | None = None,
        until_ns: int | None = None,
        buckets: Iterable[int] | None = None,
    ) -> list[Path]:
        """Segments that may hold rows of a time span, sorted.

        since_ns : nanoseconds; days before its day are left out
        until_ns : nanoseconds, exclusive; days after its day are left out, except for flows: one that began before
            `until` may have been reported on any later day
        buckets : client buckets to read, None for all
        """
        found: list[Path] = []
        for _, _, paths in self.folders(table, since_ns, until_ns, buckets):
            merged = covered(path.name for path in paths)
            found += [path for path in paths if path.name not in merged]
        return found

    def pieces(self, since_ns: int | None = None, until_ns: int | None = None) -> list[range]:
        """Client buckets to be read together, in order, so that what is read of a time span takes little memory.

        Each bucket costs a question or ten, so as many go together as PIECE_BYTES allow. Those without flows and events
        belong to some piece as well; a lake without any has none.
        """
        sizes: Counter[str] = Counter()
        for table in ("flow", "event"):
            for _, folder, paths in self.folders(table, since_ns, until_ns):
                sizes[folder.name] += sum(_sizes(paths))
        pieces: list[range] = []
        begin = taken = 0
        for number in range(N_BUCKETS):
            size = sizes[_bucket_name(number)]
            if size and taken and taken + size > PIECE_BYTES:
                pieces.append(range(begin, number))
                begin = number
                taken = 0
            taken += size
        return [*pieces, range(begin, N_BUCKETS)] if taken else pieces

    def all_files(self, table: str) -> list[Path]:
        """Every segment, with those that a merged one stands for already."""
        return [path for _, _, paths in self.folders(table) for path in paths]

    def folders(
        self,
        table: str,
        since_ns: int | None = None,
        until_ns: int | None = None,
        buckets: Iterable[int] | None = None,
    ) -> Iterator[tuple[str, Path, list[Path]]]:
        """Each folder chosen as in `files`: its day, its path, all its segments."""
        first = "" if since_ns is None else day_name(since_ns)
        last = "~" if until_ns is None or table == "flow" else day_name(until_ns)
        wanted = None if buckets is None else {_bucket_name(number) for number in buckets}
        for day in _children(self.root / table):
            name = day.name.removeprefix("day=")
            if name != MIXED_DAY and not first <= name <= last:
                continue
            for bucket in _children(day):
                if wanted is None or bucket.name in wanted:
                    yield name, bucket, [path for path in _children(bucket) if path.suffix == _SUFFIX]

    def size(self, table: str) -> tuple[int, int]:
        """How many segments a table has, and their bytes."""
        sizes = [*_sizes(self.files(table))]
        return len(sizes), sum(sizes)

    def connect(self, *, threads: int = 1, memory_limit: str = DEFAULT_MEMORY_LIMIT) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection for questions to the lake; sorts that do not fit its memory spill to the store.

        Those with the same options share one DuckDB, whose start takes longer than most questions.

        Raises: StoreError when DuckDB does not start.
        """
        options = (threads, memory_limit)
        if options not in self._databases:
            self._databases[options] = self._start(threads, memory_limit)
        return self._databases[options].cursor()

    def close(self) -> None:
        """End what `connect` started."""
        for database in self._databases.values():
            database.close()
        self._databases.clear()

    def _start(self, threads: int, memory_limit: str) -> duckdb.DuckDBPyConnection:
        import duckdb

        spill = self.root.parent if os.access(self.root.parent, os.W_OK) else Path(tempfile.gettempdir())
        return duckdb.connect(
            config={
                "threads": threads,
                "memory_limit": memory_limit,
                "temp_directory": str(spill / f"{SPILL_NAME}-{os.getpid()}"),  # several may ask at once
                "autoinstall_known_extensions": False,  # a sensor asks nothing of the network
                "autoload_known_extensions": False,
                "preserve_insertion_order": False,  # every question says its order; this saves memory
            }
        )

    def relation(
        self,
        table: str,
        *,
        since_ns: int | None = None,
        until_ns: int | None = None,
        buckets: Iterable[int] | None = None,
    ) -> tuple[str, list[object]]:
        """SQL (in parentheses, to be used after FROM) and its parameters for the rows of a table.

        Segments are chosen as in `files`; rows are not filtered. A table without segments gives no rows, with the right
        columns and types. A column that an old segment lacks reads as Field.absent says.
        """
        return self.relation_of(table, self.files(table, since_ns=since_ns, until_ns=until_ns, buckets=buckets))

    def relation_of(self, table: str, files: Iterable[Path], *, with_files: bool = False) -> tuple[str, list[object]]:
        """As `relation`, of segments that were chosen already.

        with_files : whether rows have a further column, `filename`: the path of their segment
        """
        fields = LAKE_TABLES[table]
        more = ", filename" if with_files else ""
        paths: dict[int, list[object]] = {}
        for path in files:
            paths.setdefault(segment_version(path.name), []).append(_literal(path))
        if not paths:
            empty = ", ".join(f'NULL::{_DUCKDB_TYPES[field.type]} AS "{field.name}"' for field in fields)
            return f"(SELECT {empty}{more.replace('filename', 'NULL AS filename')} WHERE false)", []
        parts = [
            f"SELECT {', '.join(_selected(field, version) for field in fields)}{more} "
            "FROM read_parquet(?, hive_partitioning = false)"
            for version in paths
        ]
        return f"({' UNION ALL '.join(parts)})", list(paths.values())


def _bucket_name(number: int) -> str:
    return f"bucket={number:02d}"


def _sizes(paths: Iterable[Path]) -> Iterator[int]:
    """Bytes of files, without those that a writer removed meanwhile."""
    for path in paths:
        with suppress(FileNotFoundError):
            yield path.stat().st_size


def segment_range(name: str) -> tuple[str, int, int] | None:
    """Which segments of which source a file's name stands for: (prefix, first number, last); None for other names.

    `<prefix>-000007.v3.parquet` is one, `<prefix>-000000-000359.v3.parquet` a merged one.
    """
    match = _RANGE.match(name)
    return (match[1], int(match[2]), int(match[3] or match[2])) if match else None


def covered(names: Iterable[str]) -> dict[str, str]:
    """The names that a merged segment among them stands for, each with the name of that one.

    A merged segment appears by one rename, and what it was made of is deleted later: so no row is ever seen twice or
    not at all, whenever one looks and whatever was interrupted.
    """
    places = {name: place for name in names if (place := segment_range(name))}
    merged: dict[str, list[tuple[int, int, str]]] = {}
    for name, (source, first, last) in places.items():
        if last > first:
            merged.setdefault(source, []).append((first, last, name))
    return {
        name: by
        for name, (source, first, last) in places.items()
        for begin, end, by in merged.get(source, ())
        if begin <= first and last <= end and (begin, end) != (first, last)
    }


def segment_version(name: str) -> int:
    """The version that the name of a segment's file tells; 1 for those that were written before names told it."""
    match = _VERSION.search(name)
    return int(match[1]) if match else 1


def day_name(ts_ns: int) -> str:
    """The UTC day of a time, as YYYY-MM-DD."""
    return (date(1970, 1, 1) + timedelta(days=ts_ns // NANOSECONDS_A_DAY)).isoformat()


def _children(path: Path) -> Iterator[Path]:
    """What is in a directory, sorted, without hidden names; nothing when it is not there."""
    try:
        children = sorted(path.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    yield from (child for child in children if not child.name.startswith("."))


def _literal(path: Path) -> str:
    """A path that DuckDB takes as it is: its globbing characters in brackets."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def _selected(field: Field, version: int) -> str:
    """SQL for one column of segments of a version."""
    if field.since <= version:
        return f'"{field.name}"'
    return f'{field.absent}::{_DUCKDB_TYPES[field.type]} AS "{field.name}"'


def _check_name(name: str) -> None:
    if not SEGMENT_NAME.fullmatch(name):
        raise ValueError(f"segment name {name!r}: letters, digits, dot, dash and underscore, not a dot first")


def _check_columns(table: str, columns: Sequence[Column]) -> None:
    from sensor.store.columnar import Kind

    kinds = {
        "text": (Kind.TEXT, Kind.CODED),
        "int32": (Kind.INT32,),
        "int64": (Kind.INT64,),
        "double": (Kind.DOUBLE,),
        "bool": (Kind.BOOL,),
    }
    expected = LAKE_TABLES[table]
    if [column.name for column in columns] != [field.name for field in expected]:
        raise ValueError(f"columns of {table} are {', '.join(field.name for field in expected)}")
    for field, column in zip(expected, columns, strict=True):
        if column.kind not in kinds[field.type]:
            raise ValueError(f"column {field.name} of {table} is {field.type}, not {column.kind.name}")
