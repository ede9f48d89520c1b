"""The store: one directory with the lake, the results database and the writer's lock.

    with Store.open(Path("kagami-store"), write=True) as store:
        if not store.begin_source(content_hash, "office.pcap"):
            store.lake.append("flow", store.segment_name(content_hash, 0), columns, bucket)
            store.finish_source(content_hash, state="complete", ...)

This module never decodes, never judges, and never prints.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from sensor.errors import StoreError
from sensor.store.columns import LAKE_TABLES, N_BUCKETS
from sensor.store.database import open_for_notes, open_for_writing, open_read_only
from sensor.store.kept import kept_summary
from sensor.store.lake import Lake
from sensor.store.lock import WriterLock
from sensor.store.schema import (
    DATABASE_NAME,
    LAKE_NAME,
    LOCK_NAME,
    PACKETS_NAME,
    SETTINGS,
    SOURCE_COMPLETE,
    SOURCE_DAMAGED,
    SOURCE_INTERRUPTED,
    SOURCE_RUNNING,
    SOURCE_STATES,
    SPILL_NAME,
    UNREAD_PREFIX,
)
from sensor.store.upsert import upsert_findings

_DIRECTORY_MODE = 0o750
_OWN_NAMES = (LOCK_NAME, LAKE_NAME, PACKETS_NAME)


class Store:
    """An open store; made by `Store.open`, used as a context manager.

    path : Path
    db : sqlite3.Connection, read-only unless opened for writing
    lake : Lake
    """

    def __init__(self, path: Path, db: sqlite3.Connection, lock: WriterLock | None) -> None:
        self.path = path
        self.db = db
        self.lake = Lake(path / LAKE_NAME)
        self._lock = lock

    @classmethod
    def open(cls, path: Path, *, write: bool = False) -> Store:
        """Open the store in a directory; for writing into the lake, create it when it is not there.

        Raises: StoreError when it is missing, foreign, of a newer version, unreadable, or has another writer.
        """
        if not write:
            cls.must_exist(path)
            return cls(path, open_read_only(path / DATABASE_NAME), None)
        _prepare_directory(path)
        lock = WriterLock(path / LOCK_NAME)
        try:
            store = cls(path, open_for_writing(path / DATABASE_NAME), lock)
        except StoreError:
            lock.release()
            raise
        try:
            store._settle()
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def open_for_notes(cls, path: Path) -> Store:
        """Open the store for results and for what people decide, also while a sensor writes into its lake.

        One of an older version is brought up to date first, for which no other writer may be at work.

        Raises: StoreError as in `open`.
        """
        cls.must_exist(path)
        db = open_for_notes(path / DATABASE_NAME)
        return cls.open(path, write=True) if db is None else cls(path, db, None)

    @staticmethod
    def must_exist(path: Path) -> None:
        """Raise StoreError where there is no store; one of an older version is one."""
        if not (path / DATABASE_NAME).exists():
            raise StoreError(f"there is no store in {path}; make one with `kagami replay FILE --store {path}`")

    def close(self) -> None:
        """Close the database and let the next writer in."""
        self.lake.close()
        self.db.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _settle(self) -> None:
        """Clear up after a writer that died: its half-written files, and sources it still called running."""
        self.lake.remove_unfinished()
        with self.transaction():
            self.db.execute("INSERT INTO meta VALUES ('buckets', ?) ON CONFLICT (key) DO NOTHING", (str(N_BUCKETS),))
            self.db.execute("UPDATE source SET state = ? WHERE state = ?", (SOURCE_INTERRUPTED, SOURCE_RUNNING))
        buckets = int(self.db.execute("SELECT value FROM meta WHERE key = 'buckets'").fetchone()[0])
        if buckets != N_BUCKETS:
            raise StoreError(f"the store {self.path} has {buckets} client buckets, this kagami writes {N_BUCKETS}")

    def transaction(self) -> _Transaction:
        """A block that is written whole or not at all; raises StoreError when the disk is full or the store gone."""
        return _Transaction(self.db, self.path)

    # --- sources ---

    @staticmethod
    def segment_name(content_hash: str, number: int) -> str:
        """Name of a source's n-th segment: the same at every replay, so a repeated one replaces it."""
        return f"{_prefix(content_hash)}{number:06d}"

    def begin_unread(self, likeness: str, name: str, *, path: str = "", kagami_version: str = "") -> str:
        """Announce a file whose content is not known before it was read; `rename_source` gives it its hash then.

        likeness : what it is recognised by, 16 hexadecimal digits
        Returns: its identity until then
        """
        identity = f"{UNREAD_PREFIX}{secrets.token_hex(5)}{likeness}"
        self.begin_source(identity, name, path=path, kagami_version=kagami_version)
        return identity

    def forget_unread(self, likeness: str) -> None:
        """Remove what broken off replays of such a file left behind."""
        left = self.db.execute(
            "SELECT content_hash FROM source WHERE content_hash LIKE ? AND state <> ?",
            (f"{UNREAD_PREFIX}%{likeness}", SOURCE_RUNNING),
        )
        for (identity,) in left.fetchall():
            self._remove_source(identity)

    def has_source_of(self, n_bytes: int | None) -> bool:
        """Whether a source of this size was read: only then a file can be in the store already."""
        return bool(self.db.execute("SELECT 1 FROM source WHERE bytes = ? LIMIT 1", (n_bytes,)).fetchone())

    def _remove_source(self, content_hash: str) -> None:
        """Remove a source with its segments and counters."""
        self.lake.remove_segments(_prefix(content_hash))
        with self.transaction():
            self.db.execute("DELETE FROM counter WHERE source = ?", (content_hash,))
            self.db.execute("DELETE FROM source WHERE content_hash = ?", (content_hash,))

    def begin_source(self, content_hash: str, name: str, *, path: str = "", kagami_version: str = "") -> bool:
        """Announce a source; whatever an interrupted replay of it left behind is removed first.

        content_hash : hexadecimal digest of the content; for a live capture, of what identifies the run
        name : file name or interface, as rows carry it
        Returns: True when it was already read to its end (or to its damage): then there is nothing to do.
        """
        row = self.db.execute("SELECT state FROM source WHERE content_hash = ?", (content_hash,)).fetchone()
        if row is not None and row[0] in (SOURCE_COMPLETE, SOURCE_DAMAGED):
            return True
        if row is not None:
            self.lake.remove_segments(_prefix(content_hash))
        with self.transaction():
            self.db.execute("DELETE FROM counter WHERE source = ?", (content_hash,))
            self.db.execute(
                """INSERT INTO source (content_hash, name, path, link_types, packets, bytes, state, error, flows,
                events, dns, kagami_version) VALUES (?, ?, ?, '[]', 0, 0, ?, '', 0, 0, 0, ?)
                ON CONFLICT (content_hash) DO UPDATE SET name = excluded.name, path = excluded.path,
                state = excluded.state, error = '', kagami_version = excluded.kagami_version""",
                (content_hash, name, path, SOURCE_RUNNING, kagami_version),
            )
        return False

    def finish_source(
        self,
        content_hash: str,
        *,
        state: str,
        packets: int,
        n_bytes: int,
        first_ts: int | None,
        last_ts: int | None,
        link_types: Sequence[str] = (),
        rows: Mapping[str, int] | None = None,
        error: str = "",
    ) -> None:
        """Record how the reading of a source ended; or, while it is running, how far it has come.

        state : complete, damaged or interrupted; running for a live capture that goes on
        packets, n_bytes : what was read of it
        first_ts, last_ts : nanoseconds of its first and last packet; None when it had none
        rows : rows brought into the lake, by table
        error : what was wrong, for a damaged or interrupted one
        """
        if state not in SOURCE_STATES:
            raise ValueError(f"a source is complete, damaged, interrupted or running, not {state}")
        rows = rows or {}
        with self.transaction():
            self.db.execute(
                """UPDATE source SET state = ?, packets = ?, bytes = ?, first_ts = ?, last_ts = ?, link_types = ?,
                error = ?, flows = ?, events = ?, dns = ? WHERE content_hash = ?""",
                (
                    *(state, packets, n_bytes, first_ts, last_ts, json.dumps(list(link_types)), error),
                    *(rows.get("flow", 0), rows.get("event", 0), rows.get("dns", 0), content_hash),
                ),
            )

    def source_span(self, content_hash: str) -> tuple[int | None, int | None]:
        """Times of the first and last packet of a known source, ns."""
        row = self.db.execute("SELECT first_ts, last_ts FROM source WHERE content_hash = ?", (content_hash,)).fetchone()
        return (row[0], row[1])

    def rename_source(self, content_hash: str, known: str) -> bool:
        """Give a finished stream or file the hash of what it held, now that it is known.

        Returns: False when that content was in the store already: then what was brought is removed again.
        """
        row = self.db.execute("SELECT state FROM source WHERE content_hash = ?", (known,)).fetchone()
        if row is not None and row[0] in (SOURCE_COMPLETE, SOURCE_DAMAGED):
            self._remove_source(content_hash)
            return False
        if row is not None:
            self.lake.remove_segments(_prefix(known))  # what an interrupted replay of the same content left
        with self.transaction():
            self.db.execute("PRAGMA defer_foreign_keys = ON")  # counters follow their source below
            self.db.execute("DELETE FROM counter WHERE source = ?", (known,))
            self.db.execute("DELETE FROM source WHERE content_hash = ?", (known,))
            self.db.execute("UPDATE source SET content_hash = ? WHERE content_hash = ?", (known, content_hash))
            self.db.execute("UPDATE counter SET source = ? WHERE source = ?", (known, content_hash))
        return True

    def save_counters(self, content_hash: str, counters: Mapping[str, Mapping[str, int]]) -> None:
        """Keep what was counted while reading a source, by kind and name; replaces values under the same names."""
        values = [
            (content_hash, kind, name, value) for kind, names in counters.items() for name, value in names.items()
        ]
        with self.transaction():
            self.db.executemany(
                "INSERT INTO counter VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", values
            )

    # --- results ---

    def upsert_findings(self, findings: Iterable[Mapping[str, Any]]) -> list[int]:
        """Keep findings, see `upsert.upsert_findings`. Returns: their ids, in the order given."""
        with self.transaction():
            return upsert_findings(self.db, findings)

    def health(self) -> dict[str, Any]:
        """What `kagami status` shows: sources by state, rows, everything that was counted, sizes, kept
        packets, free space."""
        db = self.db
        sources = dict(db.execute("SELECT state, count(*) FROM source GROUP BY state ORDER BY state"))
        totals = db.execute(
            """SELECT coalesce(sum(packets), 0), coalesce(sum(bytes), 0), coalesce(sum(flows), 0),
            coalesce(sum(events), 0), coalesce(sum(dns), 0), min(first_ts), max(last_ts) FROM source"""
        ).fetchone()
        counters: dict[str, dict[str, int]] = {}
        for kind, name, value in db.execute(
            "SELECT kind, name, sum(value) FROM counter WHERE kind <> ? GROUP BY kind, name ORDER BY kind, name",
            (SETTINGS,),
        ):
            counters.setdefault(kind, {})[name] = value
        settings: dict[str, list[int]] = {}
        for name, value in db.execute(
            "SELECT DISTINCT name, value FROM counter WHERE kind = ? ORDER BY name, value", (SETTINGS,)
        ):
            settings.setdefault(name, []).append(value)
        return {
            "store": str(self.path),
            "schema_version": db.execute("PRAGMA user_version").fetchone()[0],
            "sources": sources,
            **dict(zip(("packets", "bytes", "flows", "events", "dns", "first_ts", "last_ts"), totals, strict=True)),
            "damaged": [
                {"name": name, "state": state, "error": error}
                for name, state, error in db.execute(
                    "SELECT name, state, error FROM source WHERE state IN ('damaged', 'interrupted') ORDER BY name"
                )
            ],
            "counters": counters,
            "settings": settings,
            "findings": dict(db.execute("SELECT state, count(*) FROM finding GROUP BY state ORDER BY state")),
            "lake": {
                table: dict(zip(("segments", "bytes"), self.lake.size(table), strict=True)) for table in LAKE_TABLES
            },
            "kept": kept_summary(self.path),
            "database_bytes": (self.path / DATABASE_NAME).stat().st_size,
            "free_bytes": shutil.disk_usage(self.path).free,
        }


class _Transaction:
    """A transaction whose failure is told in words: the disk may be full, the store gone."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path

    def __enter__(self) -> None:
        self._db.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._db.__exit__(kind, error, traceback)
        except sqlite3.OperationalError as failure:
            error = failure
        if isinstance(error, sqlite3.OperationalError):
            raise StoreError(f"cannot write to the store {self._path}: {error}") from error


def _prefix(content_hash: str) -> str:
    return f"{content_hash[:16]}-"


def _prepare_directory(path: Path) -> None:
    """Make the directory of a new store; refuse one that holds something else.

    Raises: StoreError.
    """
    try:
        path.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        names = [child.name for child in path.iterdir()]
    except OSError as error:
        raise StoreError(f"cannot make a store in {path}: {error.strerror}") from error
    foreign = [name for name in names if name not in _OWN_NAMES and not name.startswith((DATABASE_NAME, SPILL_NAME))]
    if foreign and DATABASE_NAME not in names:
        raise StoreError(f"{path} holds other files ({foreign[0]}, ...) and no store; choose an empty directory")
