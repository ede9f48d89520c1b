"""Opening the results database (SQLite): for the one writer, with migrations, and for readers, who change nothing.

This module never holds data of its own: it gives a connection or says in words why not.
"""

import os
import sqlite3
from pathlib import Path

from sensor.errors import StoreError
from sensor.store.columns import (
    DESK_SINCE,
    DESK_TABLES,
    EVIDENCE_TABLES,
    FINDING_CHANNEL,
    FINDING_PART,
    HEALTH,
    HEALTH_SINCE,
    PARTS_SINCE,
    PHRASES_SINCE,
)
from sensor.store.schema import APPLICATION_ID, OLDEST_READABLE, SCHEMA_VERSION

_BUSY_TIMEOUT_S = 10.0
_FILE_MODE = 0o640


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open the database, create it when it is not there, and bring its schema up to date.

    The connection is in WAL mode, so readers go on while it writes; writers take turns, a transaction each. Who brings
    the schema up to date holds the store's lock (see `open_for_notes`).

    Raises: StoreError for a file that is no kagami database, one of a newer kagami, or one that cannot be written.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE))
        # a live capture opens it in one thread and writes in another, never in both at once
        db = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"cannot open {path} for writing: {error}") from error
    try:
        version = _version(db, path)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")  # in WAL mode a power cut costs the last commits, never the file
        db.execute("PRAGMA foreign_keys = ON")
        if version < SCHEMA_VERSION:
            _migrate(db)
    except sqlite3.Error as error:
        db.close()
        raise StoreError(f"cannot bring {path} up to date: {error}") from error
    except StoreError:
        db.close()
        raise
    return db


def open_for_notes(path: Path) -> sqlite3.Connection | None:
    """Open the database for what is written beside a capture: results, and what people decide.

    That needs no lock: SQLite lets in one writer at a time.

    Returns: None where it is of an older version, which only the store's one writer may bring up to date.
    Raises: StoreError as in `open_for_writing`.
    """
    try:
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=_BUSY_TIMEOUT_S)
    except sqlite3.Error as error:
        raise StoreError(f"cannot open {path} for writing: {error}") from error
    try:
        is_old = _version(db, path) < SCHEMA_VERSION
        db.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error as error:
        db.close()
        raise StoreError(f"cannot open {path} for writing: {error}") from error
    except StoreError:
        db.close()
        raise
    if is_old:
        db.close()
        return None
    return db


def open_read_only(path: Path) -> sqlite3.Connection:
    """Open the database without changing it, whether or not a writer is at work.

    One of an older version shows its rows with the columns of this version all the same.

    In WAL mode a reader needs the -shm file. When the last writer has gone and the reader may not write into the
    directory, it cannot be made; then the file is complete as it stands and is opened as immutable. While there is
    something in a -wal file, that would miss it, so it is not tried.

    Raises: StoreError for a missing, foreign, newer or much older database.
    """
    uri = path.resolve().as_uri()
    try:
        return _checked(sqlite3.connect(f"{uri}?mode=ro", uri=True, timeout=_BUSY_TIMEOUT_S), path)
    except sqlite3.OperationalError as error:
        wal = path.with_name(path.name + "-wal")
        if wal.exists() and wal.stat().st_size > 0:
            raise StoreError(
                f"cannot read {path} while it is being written: {error}; this account needs to write into {path.parent}"
            ) from error
    try:
        return _checked(sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True), path)
    except sqlite3.OperationalError as error:
        raise StoreError(f"cannot read {path}: {error}") from error


def _checked(db: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    try:
        version = _version(db, path)
        if version < OLDEST_READABLE:
            raise StoreError(
                f"{path} is of schema version {version}, this kagami reads {SCHEMA_VERSION}; "
                f"run `kagami analyze` once to bring it up to date"
            )
        _add_columns(db, version)
    except (StoreError, sqlite3.Error):
        db.close()
        raise
    return db


def _add_columns(db: sqlite3.Connection, version: int) -> None:
    """Show what versions after this one brought, as views of this connection alone: columns, tables.

    SQLite takes a quoted name that is no column for a text, so a missing column would give its own name as value.
    """
    if version < 3:
        names = ", ".join(f"NULL AS {name}" for name in ("finding_id", *(field.name for field in FINDING_CHANNEL)))
        db.execute(f"CREATE TEMP VIEW finding_channel AS SELECT {names} WHERE false")
        names = ", ".join(f"NULL AS {name}" for name in ("ip", "kind", "value", "vendor", "first_ts", "last_ts"))
        db.execute(f"CREATE TEMP VIEW host_fact AS SELECT {names} WHERE false")
    if version < PARTS_SINCE:
        names = ", ".join(f"NULL AS {name}" for name in ("finding_id", "number", *(f.name for f in FINDING_PART)))
        db.execute(f"CREATE TEMP VIEW finding_part AS SELECT {names} WHERE false")
    health = {"health": HEALTH} if version >= HEALTH_SINCE else {}
    for table, fields in {**EVIDENCE_TABLES, **health}.items():
        missing = [field for field in fields if field.since > version]
        if missing:
            values = ", ".join(f'{field.absent} AS "{field.name}"' for field in missing)
            db.execute(f'CREATE TEMP VIEW "{table}" AS SELECT *, {values} FROM main."{table}"')
    if version < PHRASES_SINCE:
        db.execute("CREATE TEMP VIEW finding AS SELECT *, '{}' AS phrases FROM main.finding")
    if version < DESK_SINCE:
        for table, fields in DESK_TABLES.items():
            names = ", ".join(f'NULL AS "{field.name}"' for field in fields)
            db.execute(f'CREATE TEMP VIEW "{table}" AS SELECT {names} WHERE false')


def _version(db: sqlite3.Connection, path: Path) -> int:
    """The schema version, 0 for an empty file.

    Raises: StoreError for a foreign or a newer database; sqlite3.OperationalError when it cannot be read.
    """
    try:
        application_id = db.execute("PRAGMA application_id").fetchone()[0]
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        n_tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{path} is no kagami database ({error}); move it away or choose another --store") from error
    if application_id != APPLICATION_ID and n_tables > 0:
        raise StoreError(f"{path} is the database of another program; move it away or choose another --store")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path} is of schema version {version}, this kagami knows up to {SCHEMA_VERSION}; use a newer kagami"
        )
    return version


def _migrate(db: sqlite3.Connection) -> None:
    from sqlite_utils import Database

    from sensor.store.migrations import migrate

    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.commit()
    migrate(Database(db))
    db.commit()
