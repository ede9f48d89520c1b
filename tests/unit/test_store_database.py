"""The results database: versions, foreign files, migrations, views, and reading without changing anything."""

import hashlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlite_utils

from sensor.errors import StoreError
from sensor.store.columns import DESK_TABLES, DNS, EVENT, FINDING, FLOW
from sensor.store.database import open_for_writing, open_read_only
from sensor.store.migrations import MIGRATIONS
from sensor.store.schema import APPLICATION_ID, SCHEMA_VERSION

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kagami.sqlite"


def test_a_new_database_has_the_columns_of_the_contract(path: Path) -> None:
    open_for_writing(path).close()
    db = sqlite_utils.Database(path)
    types = {"text": "TEXT", "json": "TEXT", "int32": "INTEGER", "int64": "INTEGER", "bool": "INTEGER"}
    for table, fields in ({"flow": FLOW, "event": EVENT, "dns_query": DNS, "finding": FINDING} | DESK_TABLES).items():
        stored = [(column.name, column.type.replace("FLOAT", "REAL")) for column in db[table].columns]
        beside = [("phrases", "TEXT")] if table == "finding" else []
        assert stored == [*((field.name, types.get(field.type, "REAL")) for field in fields), *beside], table


def test_every_migration_is_numbered_and_recorded(path: Path) -> None:
    with open_for_writing(path) as db:
        names = [name for (name,) in db.execute("SELECT name FROM _sqlite_migrations ORDER BY id")]
        assert [int(name[:4]) for name in names] == list(range(1, SCHEMA_VERSION + 1))
        assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert not MIGRATIONS.pending(sqlite_utils.Database(path))


DIGESTS = {
    1: "b931e0a0b27b9826",
    2: "00aff25e9f08abc4",
    3: "0f12b6b4f1a1e4ca",
    4: "807f50b00c86ecb1",
    5: "470919b45021e9d8",
    6: "f948c5ee7e8c3647",
    7: "125d4e1e23b02b7e",
    8: "506f7cea26d33b48",
    9: "20a3c1e28c1fcf65",
    10: "e4de820f7bf7bd7f",
}
"""Of the columns of each schema version."""


def database_of(path: Path, version: int) -> sqlite3.Connection:
    """A database as a kagami of that schema version left it."""
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    later = [step.name for step in MIGRATIONS.pending(sqlite_utils.Database(db)) if int(step.name[:4]) > version]
    MIGRATIONS.apply(sqlite_utils.Database(db), stop_before=later)
    assert db.execute("PRAGMA user_version").fetchone() == (version,)
    db.commit()
    return db


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION + 1))
def test_released_migrations_are_never_edited(path: Path, version: int) -> None:
    """A step that was released may be on somebody's disk: add another step, and a digest for it, instead of editing."""
    with database_of(path, version) as db:
        shape = db.execute(
            """SELECT master.name, info.cid, info.name, info.type, info.pk, info."notnull" FROM sqlite_master AS master
            JOIN pragma_table_xinfo(master.name) AS info WHERE master.name NOT LIKE '\\_%' ESCAPE '\\'
            ORDER BY master.name, info.cid"""
        ).fetchall()
    assert len(shape) > 150
    assert hashlib.sha256(repr(shape).encode()).hexdigest()[:16] == DIGESTS[version]


def test_rows_of_version_1_read_as_empty_in_what_came_later(path: Path) -> None:
    db = database_of(path, 1)
    db.execute("INSERT INTO flow (uid, name, name_source, app) VALUES ('C1', 'a.example', 'sni', 'tls')")
    db.execute("INSERT INTO event (uid, method) VALUES ('C1', 'GET')")
    db.execute("INSERT INTO dns_query (qname) VALUES ('a.example')")
    db.commit()
    db.close()
    flow, event, dns = (
        "SELECT name, sni, cert_sha256, resolved, notes FROM flow",
        "SELECT method, status, content_type FROM event",
        "SELECT qname, app, proto FROM dns_query",
    )
    before = path.read_bytes()
    reader = open_read_only(path)  # as it is
    told = [reader.execute(sql).fetchall() for sql in (flow, event, dns)]
    reader.close()
    assert path.read_bytes() == before
    assert told == [[("a.example", "", "", 0, "")], [("GET", 0, "")], [("a.example", "dns", "")]]
    with open_for_writing(path) as writer:  # brought up to date
        assert [writer.execute(sql).fetchall() for sql in (flow, event, dns)] == told
        assert writer.execute("SELECT server_name, version FROM ssl").fetchall() == [("a.example", "")]
        assert writer.execute("SELECT method, status_code FROM http").fetchall() == [("GET", 0)]
    assert open_read_only(path).execute(flow).fetchall() == told[0]


def test_health_of_version_6_reads_as_that_of_a_sensor_that_keeps_no_packets(path: Path) -> None:
    db = database_of(path, 6)
    db.execute("INSERT INTO health (source, number, ts, words) VALUES ('live1', 0, 5, '[]')")
    db.commit()
    db.close()
    sql = "SELECT ts, kept, kept_bytes, kept_lost FROM health"
    with open_read_only(path) as reader:
        assert reader.execute(sql).fetchall() == [(5, 0, 0, 0)]
    with open_for_writing(path) as writer:
        assert writer.execute(sql).fetchall() == [(5, 0, 0, 0)]


def test_opening_again_loads_no_sqlite_utils(path: Path) -> None:
    open_for_writing(path).close()
    code = (
        "import sys; from pathlib import Path; from sensor.store.database import open_for_writing, open_read_only\n"
        f"open_for_writing(Path({str(path)!r})).close(); open_read_only(Path({str(path)!r})).close()\n"
        "assert not {'sqlite_utils', 'numba', 'numpy', 'duckdb'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_newer_database_is_refused_and_untouched(path: Path) -> None:
    with open_for_writing(path) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    db.close()
    before = path.read_bytes()
    for opener in (open_for_writing, open_read_only):
        with pytest.raises(StoreError, match=f"version {SCHEMA_VERSION + 1}, .*use a newer kagami"):
            opener(path)
    assert path.read_bytes() == before


def test_an_older_database_is_brought_up_to_date_by_a_writer_only(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.close()
    with pytest.raises(StoreError, match="bring it up to date"):
        open_read_only(path)
    open_for_writing(path).close()
    open_read_only(path).close()


def test_a_migration_that_fails_leaves_the_database_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(db: sqlite_utils.Database) -> None:
        raise sqlite3.OperationalError("no more room")

    monkeypatch.setattr("sensor.store.migrations._zeek_views", broken)
    with pytest.raises(StoreError, match="up to date: no more room"):
        open_for_writing(path)
    monkeypatch.undo()
    with open_for_writing(path) as db:
        assert db.execute("SELECT count(*) FROM conn").fetchone() == (0,)


@pytest.mark.parametrize("content", [b"GIF89a not a database at all " * 50, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_file_that_is_no_database(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for opener in (open_for_writing, open_read_only):
        with pytest.raises(StoreError, match="is no kagami database"):
            opener(path)
    assert path.read_bytes() == content


def test_the_database_of_another_program(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE places (url TEXT)")
    db.close()
    for opener in (open_for_writing, open_read_only):
        with pytest.raises(StoreError, match="another program"):
            opener(path)


def test_readers_cannot_write(path: Path) -> None:
    open_for_writing(path).close()
    db = open_read_only(path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.execute("INSERT INTO meta VALUES ('a', 'b')")


def test_the_file_is_not_for_the_world(path: Path) -> None:
    with open_for_writing(path) as db:
        db.execute("INSERT INTO meta VALUES ('a', 'b')")
        db.commit()
        assert {p.stat().st_mode & 0o007 for p in path.parent.iterdir()} == {0}


def test_zeeks_views_have_zeeks_columns(path: Path) -> None:
    with open_for_writing(path) as db:
        db.execute(
            """INSERT INTO flow (uid, first_ts, app, name_source, name, sni, tls_version, ja3s, cert_subject, alpn)
            VALUES ('C1', 1500000000, 'tls', 'proxy', 'a.b', 'c.d', 'TLSv12', 'ab', 'CN=c.d', 'h2')"""
        )
        db.execute(
            """INSERT INTO event (uid, ts, method, dest, uri, status, content_type)
            VALUES ('C1', 2500000000, 'GET', 'a.b', '/x', 404, 'text/html')"""
        )
        db.execute("INSERT INTO dns_query (ts, qname, qtype, proto) VALUES (3500000000, 'a.b', 'A', 'udp')")
        assert db.execute("SELECT ts, uid, service FROM conn").fetchone() == (1.5, "C1", "tls")
        assert db.execute("SELECT ts, server_name, version, subject, next_protocol, ja3s FROM ssl").fetchone() == (
            *(1.5, "c.d", "TLSv12", "CN=c.d", "h2", "ab"),
        )
        assert db.execute("SELECT ts, host, uri, status_code, resp_mime_types FROM http").fetchone() == (
            *(2.5, "a.b", "/x", 404, "text/html"),
        )
        assert db.execute("SELECT ts, proto, query, qtype_name FROM dns").fetchone() == (3.5, "udp", "a.b", "A")
        for view in ("conn", "ssl", "http", "dns"):
            columns = [column[0] for column in db.execute(f"SELECT * FROM {view}").description]
            assert {"ts", "id.orig_h", "id.resp_h"} <= set(columns)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
@pytest.mark.parametrize("writer", ["running", "stopped", "stopped after a reader"])
def test_an_account_that_may_only_read(tmp_path: Path, writer: str) -> None:
    """Group-readable files, a directory it cannot write into: as an analyst finds the store of the service."""
    folder = Path("/tmp") / f"kagami-test-{os.getpid()}-{writer.replace(' ', '-')}"
    folder.mkdir(mode=0o750)
    path = folder / "kagami.sqlite"
    try:
        os.chown(folder, 0, NOBODY)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o640))
        os.chown(path, 0, NOBODY)
        db = open_for_writing(path)
        db.execute("INSERT INTO meta VALUES ('seen', 'yes')")
        db.commit()
        if writer != "running":
            db.close()
        if writer == "stopped after a reader":
            open_read_only(path).close()
        assert _read_as_nobody(path) == "yes"
        if writer == "running":
            db.close()
    finally:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


def _read_as_nobody(path: Path) -> str:
    """What the other account reads, in a child that gave up root after importing."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            value = open_read_only(path).execute("SELECT value FROM meta WHERE key = 'seen'").fetchone()[0]
            os.write(write_end, value.encode())
        except BaseException as error:
            os.write(write_end, repr(error).encode())
        finally:
            os._exit(0)
    os.close(write_end)
    os.waitpid(child, 0)
    with os.fdopen(read_end, "rb") as pipe:
        return pipe.read().decode()
