"""Retention: what is older than it should be, or takes more room than it may, goes, the oldest first.

Findings keep their evidence in the database, beyond the lake's retention. Kept packets go with the history of their
time, and before it where the disk is short: they take most room and are of use for least long. Needs no lock: a capture
goes on meanwhile.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sensor.store.columns import LAKE_TABLES, MIXED_DAY, NANOSECONDS_A_DAY
from sensor.store.kept import kept_files
from sensor.store.lake import day_name
from sensor.store.schema import BENEATH_FINDING, SETTLED_STATES, SPILL_NAME
from sensor.store.store import Store

_GIB = 1 << 30
_SPARE = 1.2
"""Pruning for free space leaves this much more than the floor, so that it is not needed again at once."""
_LEAVES = 0.95
"""Pruning for size leaves this much of what is allowed: room for a while, and for merging."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept; 0 stands for no limit.

    lake_days : age of the flow history, by the day it is filed under; lake_gib : its size
    results_days : age of settled findings, health rows, channels and hosts
    keep_gib : size of the kept packets
    free_gib : free space that the disk must have
    """

    lake_days: float = 0.0
    lake_gib: float = 0.0
    results_days: float = 0.0
    keep_gib: float = 0.0
    free_gib: float = 0.0


@dataclass(slots=True)
class PruneReport:
    """What went: segments of the lake and files of kept packets with their bytes, and rows of the database.

    oldest_day : of the lake that is left, empty when nothing is
    room_bytes : that the lake may grow by within its limits
    """

    segments: int = 0
    bytes: int = 0
    packet_files: int = 0
    packet_bytes: int = 0
    findings: int = 0
    health: int = 0
    channels: int = 0
    oldest_day: str = ""
    room_bytes: int = 0


@dataclass(frozen=True, slots=True, order=True)
class _Segment:
    day: str
    mtime: float
    path: Path
    size: int


def prune(store: Store, limits: Limits, now_ns: int, *, is_trial: bool = False) -> PruneReport:
    """Bring a store within its limits.

    store : opened with open_for_notes; read-only will do for a trial
    now_ns : ns since 1970
    is_trial : only say what would go; of the database, nothing is said then
    Raises: StoreError when the database cannot be written.
    """
    report = PruneReport()
    _prune_packets(store, limits, now_ns, report, is_trial=is_trial)
    segments = sorted(_segments(store))
    freed = report.packet_bytes if is_trial else 0
    goes, report.room_bytes = _too_many(store, segments, limits, now_ns, freed)
    for segment in segments[:goes]:
        report.segments += 1
        report.bytes += segment.size
        if not is_trial:
            segment.path.unlink(missing_ok=True)
    report.oldest_day = segments[goes].day if goes < len(segments) else ""
    if is_trial:
        return report
    _remove_empty(store, before=day_name(now_ns))
    _remove_stale_spills(store.path)
    if limits.results_days:
        _prune_results(store, now_ns - int(limits.results_days * NANOSECONDS_A_DAY), report)
    with suppress(Exception):  # readers may keep it from being emptied; the next run tries again
        store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return report


def _segments(store: Store) -> Iterator[_Segment]:
    for table in LAKE_TABLES:
        for day, _, paths in store.lake.folders(table):
            for path in paths:
                with suppress(FileNotFoundError):
                    stat = path.stat()
                    # rows of senseless times count from when they were written
                    filed = day_name(stat.st_mtime_ns) if day == MIXED_DAY else day
                    yield _Segment(filed, stat.st_mtime, path, stat.st_size)


def _prune_packets(store: Store, limits: Limits, now_ns: int, report: PruneReport, *, is_trial: bool) -> None:
    """Let go of the oldest kept packets: older than the history, too many, or in the way of a free disk."""
    oldest_ns = now_ns - int(limits.lake_days * NANOSECONDS_A_DAY) if limits.lake_days else 0
    files = [(file, file.size) for file in kept_files(store.path)]
    left = sum(size for _, size in files)
    free, needs = _free_and_needed(store, limits)
    for file, size in files:
        is_too_much = bool(limits.keep_gib) and left > limits.keep_gib * _GIB
        if not (file.last_ts < oldest_ns or is_too_much or free < needs):
            break
        left -= size
        free += size
        report.packet_files += 1
        report.packet_bytes += size
        if not is_trial:
            file.path.unlink(missing_ok=True)


def _free_and_needed(store: Store, limits: Limits) -> tuple[float, float]:
    """Free bytes of the disk, and how many there should be."""
    free = shutil.disk_usage(store.path).free
    needs = limits.free_gib * _GIB
    return free, needs * _SPARE if free < needs else needs


def _too_many(store: Store, segments: list[_Segment], limits: Limits, now_ns: int, freed: int) -> tuple[int, int]:
    """How many of the segments, the oldest first, must go, and the room that there is then.

    freed : bytes that would be free by then
    """
    first_day = day_name(now_ns - int(limits.lake_days * NANOSECONDS_A_DAY)) if limits.lake_days else ""
    left = sum(segment.size for segment in segments)
    free, needs = _free_and_needed(store, limits)
    free += freed
    allowed = limits.lake_gib * _GIB if limits.lake_gib else float("inf")
    stops_at = allowed * _LEAVES if left > allowed else allowed
    goes = 0
    for segment in segments:
        if segment.day >= first_day and left <= stops_at and free >= needs:
            break
        left -= segment.size
        free += segment.size
        goes += 1
    return goes, max(0, int(min(allowed - left, free - needs)))


def _remove_empty(store: Store, before: str) -> None:
    """Folders of past days that have nothing left; those of today may just be about to be written into."""
    for table in LAKE_TABLES:
        for day, folder, paths in list(store.lake.folders(table)):
            if not paths and day < before:
                with suppress(OSError):
                    folder.rmdir()
                    folder.parent.rmdir()


def _remove_stale_spills(path: Path) -> None:
    """What a question that was killed left of its sort."""
    for spill in path.glob(f"{SPILL_NAME}*"):
        pid = spill.name.removeprefix(f"{SPILL_NAME}-")
        if not (pid.isdigit() and _is_alive(int(pid))):
            shutil.rmtree(spill, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _prune_results(store: Store, until_ns: int, report: PruneReport) -> None:
    marks = ", ".join("?" * len(SETTLED_STATES))
    old = f"SELECT id FROM finding WHERE state IN ({marks}) AND last_ts < ?"
    values = (*SETTLED_STATES, until_ns)
    db = store.db
    with store.transaction():
        for table in BENEATH_FINDING:
            db.execute(f"DELETE FROM {table} WHERE finding_id IN ({old})", values)
        report.findings = db.execute(f"DELETE FROM finding WHERE id IN ({old})", values).rowcount
        if report.findings:
            for table in ("flow", "event"):
                db.execute(f"DELETE FROM {table} WHERE uid NOT IN (SELECT uid FROM finding_flow)")
            db.execute(
                """DELETE FROM dns_query WHERE NOT EXISTS (SELECT 1 FROM finding
                WHERE finding.orig_ip = dns_query.orig_ip AND finding.dest = dns_query.qname)"""
            )
        report.health = db.execute("DELETE FROM health WHERE ts < ?", (until_ns,)).rowcount
        db.execute("DELETE FROM outbox WHERE ts < ? AND finding_id NOT IN (SELECT id FROM finding)", (until_ns,))
        report.channels = db.execute("DELETE FROM channel WHERE last_ts < ?", (until_ns,)).rowcount
        for table in ("host", "host_fact"):
            db.execute(f"DELETE FROM {table} WHERE last_ts < ?", (until_ns,))
