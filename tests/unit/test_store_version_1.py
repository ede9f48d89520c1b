"""A store as kagami of schema 1 left it: read as it is, carried over by a writer, and gone on with."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from sensor.site import Site
from sensor.store.columns import LAKE_TABLES
from sensor.store.egress import Egress
from sensor.store.findings import dns_of_finding, events_of_finding, flows_of_finding, phrases
from sensor.store.questions import dns, events, flows
from sensor.store.schema import SCHEMA_VERSION
from sensor.store.series import series_columns
from sensor.store.store import Store
from tests.support.cli_store import BEACON_HOST, BEACON_IP, BEACON_NAME, N_BEATS, beats, finding
from tests.support.command import Call, caller
from tests.support.lake_rows import DAY_NS, buckets_of, columns_of, row, write_version_1
from tests.unit.test_store_database import database_of

FLOWS = beats()
EVENTS = [
    row("event", uid=flow["uid"], ts=flow["first_ts"], orig_ip=BEACON_HOST, resp_ip=BEACON_IP, resp_port=443,
        proto="tcp", dest=BEACON_NAME, kind="connection", method="GET", uri="/x")
    for flow in FLOWS
]  # fmt: skip
QUESTIONS = [row("dns", orig_ip=BEACON_HOST, qname=BEACON_NAME, qtype="A", rcode="NOERROR", answers=BEACON_IP)]
FINDING = {"id": 1, "state": "new", "note": ""} | finding()


@pytest.fixture
def old(store_dir: Path) -> Path:
    """A store of schema 1 with the beacon's rows, one finding and its evidence."""
    store_dir.mkdir(parents=True)
    for table, rows in (("flow", FLOWS), ("event", EVENTS), ("dns", QUESTIONS)):
        assert write_version_1(store_dir / "lake", table, rows) == 1
    db = database_of(store_dir / "kagami.sqlite", 1)
    for table, kept in (("finding", [FINDING]), ("flow", FLOWS), ("event", EVENTS), ("dns_query", QUESTIONS)):
        _insert(db, table, kept)
    _insert(db, "finding_flow", [{"finding_id": 1, "uid": flow["uid"]} for flow in FLOWS])
    db.commit()
    db.close()
    return store_dir


def _insert(db: sqlite3.Connection, table: str, rows: list[dict[str, Any]]) -> None:
    names = [name for (name,) in db.execute("SELECT name FROM pragma_table_info(?)", (table,))]
    values = [[json.dumps(v) if isinstance(v := one[n], list) else v for n in names] for one in rows]
    db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))})", values)


@pytest.fixture
def kagami(old: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Call:
    return caller(old, monkeypatch, capfdbinary)


def told(rows: list[dict[str, Any]], table: str) -> list[dict[str, Any]]:
    """Rows of version 1 as they read now."""
    before = {field.name: field.before for field in LAKE_TABLES[table] if field.since > 1 and field.type == "text"}
    return [one | before for one in rows]


@pytest.mark.parametrize("is_migrated", [False, True])
def test_rows_read_as_before(old: Path, is_migrated: bool) -> None:
    if is_migrated:
        Store.open(old, write=True).close()
    with Store.open(old) as store:
        assert store.health()["schema_version"] == (SCHEMA_VERSION if is_migrated else 1)
        assert list(flows(store, order="first_ts")[0]) == told(FLOWS, "flow")
        assert list(events(store, order="ts")[0]) == told(EVENTS, "event")
        assert list(dns(store)[0]) == told(QUESTIONS, "dns")
        assert flows_of_finding(store, 1) == told(FLOWS, "flow")
        assert events_of_finding(store, 1) == told(EVENTS, "event")
        assert dns_of_finding(store, 1) == told(QUESTIONS, "dns")
        assert phrases(store, [1]) == {}
        bucket = int(buckets_of(EVENTS)[0])
        assert len(series_columns(store, [bucket])["ts_ns"]) == N_BEATS
        with Egress(store, Site()) as egress:
            egress.gather()
            assert egress.channels(0)["flows"] == [N_BEATS]


def test_reading_changes_nothing(old: Path, kagami: Any) -> None:
    before = {path: path.read_bytes() for path in old.rglob("*") if path.is_file() and path.name[-4:] not in ("-shm",)}
    for verb in ("findings", "flows", "events", "dns", "show 1", "status", "blocklist", "report --lang ja"):
        done = kagami(*verb.split())
        assert (done.code, done.out != "") == (0, True), done.err
    after = {path: path.read_bytes() for path in old.rglob("*") if path.is_file() and path.name[-4:] not in ("-shm",)}
    assert {path: content for path, content in after.items() if content} == before


@pytest.mark.parametrize(
    ("args", "n_rows"),
    [
        ("flows --name updates.example", N_BEATS),
        ("flows --user-agent x", 0),
        ("events --method get --app tls", N_BEATS),
        ("dns --app dns", 1),
        ("dns --app mdns", 0),
    ],
)
def test_filters_on_old_rows(kagami: Any, args: str, n_rows: int) -> None:
    rows = json.loads(kagami(*args.split(), "--json").out)
    assert len(rows) == n_rows
    table = {"flows": "flow", "events": "event", "dns": "dns"}[args.split(maxsplit=1)[0]]
    assert all(list(one) == [field.name for field in LAKE_TABLES[table]] for one in rows)


def test_old_and_new_rows_lie_together(old: Path, kagami: Any) -> None:
    new = [flow | {"uid": flow["uid"] + "n", "sni": "front.example", "notes": "ech"} for flow in FLOWS[:3]]
    later = [one | {"first_ts": one["first_ts"] + DAY_NS, "last_ts": one["last_ts"] + DAY_NS} for one in FLOWS[:2]]
    with Store.open(old, write=True) as store:
        store.lake.append("flow", "new-0", columns_of("flow", new + later), buckets_of(new + later))
    with Store.open(old) as store:
        rows, total = flows(store)
        assert total == N_BEATS + 5
        assert sorted(one["notes"] for one in rows)[-4:] == ["", "ech", "ech", "ech"]
        assert flows(store, name="front.example")[1] == 3
        assert flows(store, host=BEACON_HOST, name=["front.example", BEACON_NAME])[1] == N_BEATS + 5
        assert flows(store, host="10.0.0.0/24", since_ns=FLOWS[0]["first_ts"] + DAY_NS)[1] == 2
    assert "front.example" in kagami("flows", "--name", "front.example", "--csv").out


def test_broken_off_replays_of_version_1_are_cleared(old: Path) -> None:
    with Store.open(old, write=True) as store:
        assert len(store.lake.files("flow")) == 1
        assert store.lake.remove_segments("old-") == 3
        assert flows(store)[1] == 0
