"""Small segments into large ones: a live capture writes every few seconds, questions want few files.

Needs no lock: only segments of past hours are taken, which nobody writes any more, and a merged one takes their place
by one rename (see lake.covered). What it was made of is deleted by a later run, when no reader can still be at it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.errors import StoreError
from sensor.store.columns import LAKE_TABLES
from sensor.store.lake import Lake, covered, day_name, segment_range, segment_version
from sensor.store.segment import make_directory, sync_directory

if TYPE_CHECKING:
    import duckdb

MIN_FILES = 4
"""Of the hours of today; a past day is merged from two on."""
GRACE_S = 900
"""How long a reader may be at a segment that was merged; questions take seconds."""
_HOUR_S = 3600


def merge_segments(lake: Lake, room_bytes: float, now_s: float | None = None) -> int:
    """Merge what can be merged: of today the segments of each past hour, of a past day all that it has.

    room_bytes : of the disk, that what is merged may take beside what it was made of
    now_s : seconds since 1970; None: now
    Returns: segments merged.
    Raises: StoreError when the disk is full or the lake cannot be read; nothing is lost or doubled by that.
    """
    now_s = time.time() if now_s is None else now_s
    n_merged = 0
    for table in LAKE_TABLES:
        for day, folder, paths in lake.folders(table):
            is_today = day == day_name(int(now_s) * 10**9)
            for run in _runs(paths, is_today, now_s):
                group, size = _fitting(run, room_bytes)
                if len(group) >= (MIN_FILES if is_today else 2):
                    _merge(lake, folder, group)
                    n_merged += len(group)
                    room_bytes -= size
    return n_merged


def remove_merged(lake: Lake, now_s: float | None = None) -> int:
    """Delete what was merged GRACE_S ago or before. Returns how many segments.

    now_s : seconds since 1970; None: now
    """
    until_s = (time.time() if now_s is None else now_s) - GRACE_S
    n_deleted = 0
    for table in LAKE_TABLES:
        for _, folder, paths in lake.folders(table):
            for name, by in covered(path.name for path in paths).items():
                if (folder / by).stat().st_mtime <= until_s:
                    (folder / name).unlink(missing_ok=True)
                    n_deleted += 1
    return n_deleted


def _runs(paths: list[Path], is_today: bool, now_s: float) -> list[list[Path]]:
    """Segments of one source and version that may become one: neighbours, as it will stand for all between."""
    hour_s = now_s - now_s % _HOUR_S
    standing = {path.name for path in paths} - covered(path.name for path in paths).keys()
    runs: dict[tuple[str, int], list[list[Path]]] = {}
    for path, (source, first, last) in _in_order(path for path in paths if path.name in standing):
        of_source = runs.setdefault((source, segment_version(path.name)), [[]])
        if path.stat().st_mtime < hour_s and not (is_today and last > first):
            of_source[-1].append(path)
        else:
            of_source.append([])
    return [run for of_source in runs.values() for run in of_source]


def _in_order(paths: Iterable[Path]) -> list[tuple[Path, tuple[str, int, int]]]:
    places = [(path, place) for path in paths if (place := segment_range(path.name))]
    return sorted(places, key=itemgetter(1))


def _fitting(run: list[Path], room_bytes: float) -> tuple[list[Path], int]:
    """The first of a run for which there is room, and their bytes."""
    size = 0
    for i, path in enumerate(run):
        more = path.stat().st_size
        if size + more > room_bytes:
            return run[:i], size
        size += more
    return run, size


def _merge(lake: Lake, folder: Path, paths: list[Path]) -> None:
    import duckdb

    ranges = [place for path in paths if (place := segment_range(path.name))]
    first, last = min(r[1] for r in ranges), max(r[2] for r in ranges)
    suffix = paths[0].name[paths[0].name.index(".v") :] if ".v" in paths[0].name else ".parquet"
    target = folder / f"{ranges[0][0]}-{first:06d}-{last:06d}{suffix}"
    unfinished = lake.incoming / f"merge-{os.getpid()}-{target.name}"
    try:
        make_directory(lake.incoming)
        with lake.connect() as connection:
            _copy(connection, paths, unfinished)
        descriptor = os.open(unfinished, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        unfinished.rename(target)
        sync_directory(folder)
    except (OSError, duckdb.Error) as error:
        unfinished.unlink(missing_ok=True)
        raise StoreError(f"cannot merge segments of {folder}: {error}") from error


def _copy(connection: duckdb.DuckDBPyConnection, paths: list[Path], target: Path) -> None:
    place = str(target).replace("'", "''")
    connection.execute(
        f"""COPY (SELECT * FROM read_parquet(?, hive_partitioning = false))
        TO '{place}' (FORMAT parquet, COMPRESSION zstd)""",
        [[str(path) for path in paths]],
    )
