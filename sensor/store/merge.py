"""Small segments into large ones: a live capture writes every few seconds, questions want few files.

Needs no lock: only segments of past hours are taken, which nobody writes any more, and a merged one takes their place
by one rename (see lake.uncovered). What it was made of is deleted by a later run, when no reader can still be at it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.errors import StoreError
from sensor.store.columns import LAKE_TABLES
from sensor.store.lake import Lake, day_name, segment_range, segment_version, uncovered
from sensor.store.segment import make_directory, sync_directory

if TYPE_CHECKING:
    import duckdb

MIN_FILES = 4
"""Of the hours of today; a past day is merged from two on."""
GRACE_S = 900
"""How long a reader may be at a segment that was merged; questions take seconds."""
_HOUR_S = 3600


def merge_segments(lake: Lake, now_s: float | None = None) -> tuple[int, int]:
    """Merge what can be merged, then delete what was merged before.

    now_s : seconds since 1970; None: now
    Returns: segments merged, segments deleted.
    Raises: StoreError when the disk is full or the lake cannot be read; nothing is lost or doubled by that.
    """
    now_s = time.time() if now_s is None else now_s
    n_merged = n_deleted = 0
    for table in LAKE_TABLES:
        for day, folder, paths in lake.folders(table):
            n_deleted += _delete_covered(paths, now_s)
            for group in _groups(paths, day == day_name(int(now_s) * 10**9), now_s):
                _merge(lake, folder, group)
                n_merged += len(group)
    return n_merged, n_deleted


def _groups(paths: list[Path], is_today: bool, now_s: float) -> list[list[Path]]:
    """Segments of one source and version that may become one."""
    hour_s = now_s - now_s % _HOUR_S
    standing = uncovered(path.name for path in paths)
    groups: dict[tuple[str, int], list[Path]] = {}
    for path in paths:
        place = segment_range(path.name)
        if place is not None and path.name in standing and path.stat().st_mtime < hour_s:
            groups.setdefault((place[0], segment_version(path.name)), []).append(path)
    return [group for group in groups.values() if len(group) >= (MIN_FILES if is_today else 2)]


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


def _delete_covered(paths: list[Path], now_s: float) -> int:
    standing = uncovered(path.name for path in paths)
    covered = [path for path in paths if path.name not in standing]
    if not covered or max(path.stat().st_mtime for path in paths if path.name in standing) > now_s - GRACE_S:
        return 0
    for path in covered:
        path.unlink()
    return len(covered)
