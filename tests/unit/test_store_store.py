"""The store as a whole: one writer, sources read once, findings that keep their triage, nothing lost silently."""

import os
from pathlib import Path
from typing import Any

import pytest

from sensor.errors import StoreError
from sensor.store.findings import finding
from sensor.store.schema import DATABASE_NAME, SCHEMA_VERSION
from sensor.store.store import Store
from sensor.store.summaries import save_channels, save_hosts
from tests.support.lake_rows import NOON_NS, buckets_of, columns_of, row

SHA = "ab" * 32
FOUND: dict[str, Any] = {
    "analyzer": "beacon",
    "orig_ip": "10.0.0.5",
    "dest": "c2.example",
    "dest_ips": ["198.51.100.7"],
    "resp_port": 443,
    "proto": "tcp",
    "score": 0.9,
    "severity": "high",
    "first_ts": NOON_NS,
    "last_ts": NOON_NS + 100,
    "events": 40,
    "interval_s": 60.0,
    "jitter_frac": 0.1,
    "via_proxy": "",
    "outcome": "",
    "reasons": ["40 events 60 s apart"],
    "techniques": ["T1071.001"],
}


def finish(store: Store, content_hash: str, state: str = "complete", **values: Any) -> None:
    given = {"packets": 10, "n_bytes": 1000, "first_ts": NOON_NS, "last_ts": NOON_NS + 5} | values
    store.finish_source(content_hash, state=state, **given)


def append(store: Store, content_hash: str, number: int) -> None:
    rows = [row("flow", uid=f"C{number}", orig_ip="10.0.0.5")]
    store.lake.append("flow", store.segment_name(content_hash, number), columns_of("flow", rows), buckets_of(rows))


def test_reading_a_missing_store_says_how_to_make_one(store_dir: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no store in .*kagami replay FILE --store"):
        Store.open(store_dir)
    assert not store_dir.exists()


def test_a_directory_of_something_else_is_refused(store_dir: Path) -> None:
    store_dir.mkdir()
    (store_dir / "thesis.odt").touch()
    with pytest.raises(StoreError, match=r"holds other files \(thesis.odt"):
        Store.open(store_dir, write=True)
    assert [path.name for path in store_dir.iterdir()] == ["thesis.odt"]


def test_a_path_that_cannot_be_a_directory(store_dir: Path) -> None:
    store_dir.write_text("a file")
    with pytest.raises(StoreError, match="cannot make a store in"):
        Store.open(store_dir / "store", write=True)


def test_a_second_writer_is_refused_by_name_and_readers_are_not(store_dir: Path) -> None:
    with Store.open(store_dir, write=True):
        with pytest.raises(StoreError, match=f"process {os.getpid()} is writing"):
            Store.open(store_dir, write=True)
        with Store.open(store_dir) as reader:
            assert reader.health()["sources"] == {}
    Store.open(store_dir, write=True).close()


def test_a_writer_that_fails_to_open_lets_the_next_one_in(store_dir: Path) -> None:
    store_dir.mkdir()
    (store_dir / DATABASE_NAME).write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="no kagami database"):
        Store.open(store_dir, write=True)
    (store_dir / DATABASE_NAME).unlink()
    Store.open(store_dir, write=True).close()


def test_a_store_of_other_buckets_is_refused(store_dir: Path) -> None:
    with Store.open(store_dir, write=True) as store, store.transaction():
        store.db.execute("UPDATE meta SET value = '8' WHERE key = 'buckets'")
    with pytest.raises(StoreError, match="has 8 client buckets"):
        Store.open(store_dir, write=True)


@pytest.mark.parametrize("state", ["complete", "damaged"])
def test_a_source_is_read_once(store_dir: Path, state: str) -> None:
    with Store.open(store_dir, write=True) as store:
        assert not store.begin_source(SHA, "a.pcap")
        append(store, SHA, 0)
        finish(store, SHA, state, error="breaks off" if state == "damaged" else "")
    with Store.open(store_dir, write=True) as store:
        assert store.begin_source(SHA, "renamed.pcap")
        assert len(store.lake.files("flow")) == 1
        assert store.health()["sources"] == {state: 1}


def test_an_interrupted_source_is_read_again_from_the_start(store_dir: Path) -> None:
    other = "cd" * 32
    with Store.open(store_dir, write=True) as store:
        for sha in (SHA, other):
            store.begin_source(sha, "a.pcap")
            append(store, sha, 0)
            append(store, sha, 1)
        store.save_counters(SHA, {"status": {"ok": 5}})
        finish(store, other)
    with Store.open(store_dir, write=True) as store:  # SHA was never finished
        assert store.health()["sources"] == {"complete": 1, "interrupted": 1}
        assert store.health()["damaged"] == [{"name": "a.pcap", "state": "interrupted", "error": ""}]
        assert len(store.lake.files("flow")) == 4  # what was read stays until it is read again
        assert not store.begin_source(SHA, "a.pcap")
        assert [path.name[:2] for path in store.lake.files("flow")] == ["cd", "cd"]
        assert store.health()["counters"] == {}


def test_a_file_that_is_read_has_no_hash_yet_and_what_was_broken_off_goes(store_dir: Path) -> None:
    likeness, other = "0123456789abcdef", "fedcba9876543210"
    with Store.open(store_dir, write=True) as store:
        done, broken_off = store.begin_unread(likeness, "a.pcap"), store.begin_unread(likeness, "a.pcap")
        for identity in (done, broken_off, store.begin_unread(other, "b.pcap")):
            append(store, identity, 0)
        finish(store, done)
        assert store.rename_source(done, SHA)
        store.forget_unread(likeness)  # the other two are being read
        assert store.health()["sources"] == {"complete": 1, "running": 2}
    with Store.open(store_dir, write=True) as store:
        assert store.health()["sources"] == {"complete": 1, "interrupted": 2}
        store.forget_unread(likeness)
        assert store.health()["sources"] == {"complete": 1, "interrupted": 1}
        assert len(store.lake.files("flow")) == 2
        assert store.begin_source(SHA, "a.pcap")


def test_a_source_ends_in_a_known_state(store_dir: Path) -> None:
    with Store.open(store_dir, write=True) as store:
        store.begin_source(SHA, "a.pcap")
        with pytest.raises(ValueError, match="interrupted or running, not over"):
            finish(store, SHA, "over")
        finish(store, SHA, "running")  # a live capture that goes on
        assert store.health()["sources"] == {"running": 1}


def test_results_are_written_while_a_capture_holds_the_store(store_dir: Path) -> None:
    with pytest.raises(StoreError, match="no store"):
        Store.open_for_notes(store_dir)
    with Store.open(store_dir, write=True) as capture, Store.open_for_notes(store_dir) as results:
        (number,) = results.upsert_findings([FOUND])
        assert capture.db.execute("SELECT id FROM finding").fetchall() == [(number,)]
        capture.begin_source(SHA, "eth1")
    Store.open(store_dir, write=True).close()


def test_results_of_an_old_store_wait_for_its_writer(store_dir: Path) -> None:
    with Store.open(store_dir, write=True) as capture:
        with capture.transaction():
            capture.db.execute("PRAGMA user_version = 1")
        with pytest.raises(StoreError, match=f"process {os.getpid()} is writing"):
            Store.open_for_notes(store_dir)
        with capture.transaction():
            capture.db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def test_everything_counted_is_in_health(store_dir: Path) -> None:
    with Store.open(store_dir, write=True) as store:
        for sha in (SHA, "cd" * 32):
            store.begin_source(sha, "a.pcap")
            store.save_counters(sha, {"status": {"ok": 5, "not_ip": 1}, "table": {"evicted": 2}})
            store.save_counters(sha, {"settings": {"exchange_gap_ms": 1000}})
            append(store, sha, 0)
            finish(store, sha, rows={"flow": 1, "event": 2, "dns": 3}, link_types=["ethernet"])
        store.save_counters(SHA, {"status": {"ok": 7}})
        assert store.health()["settings"] == {"exchange_gap_ms": [1000]}  # not added up
        store.save_counters(SHA, {"settings": {"exchange_gap_ms": 200}})
        health = store.health()
    assert health["settings"] == {"exchange_gap_ms": [200, 1000]}
    assert health["counters"] == {"status": {"ok": 12, "not_ip": 2}, "table": {"evicted": 4}}
    assert {name: health[name] for name in ("packets", "bytes", "flows", "events", "dns")} == {
        "packets": 20,
        "bytes": 2000,
        "flows": 2,
        "events": 4,
        "dns": 6,
    }
    assert (health["first_ts"], health["last_ts"]) == (NOON_NS, NOON_NS + 5)
    assert health["schema_version"] == SCHEMA_VERSION
    assert health["lake"]["flow"]["segments"] == 2
    assert health["lake"]["flow"]["bytes"] > 0
    assert health["free_bytes"] > 0


def test_a_finding_found_again_keeps_id_and_triage(store_dir: Path) -> None:
    with Store.open(store_dir, write=True) as store:
        first, other = store.upsert_findings([FOUND, FOUND | {"dest": "other.example"}])
        with store.transaction():
            store.db.execute("UPDATE finding SET state = 'confirmed', note = 'case 12' WHERE id = ?", (first,))
        later = FOUND | {"score": 0.7, "first_ts": NOON_NS + 50, "last_ts": NOON_NS + 900, "reasons": ["é", "b"]}
        assert store.upsert_findings([later]) == [first]
        earlier = FOUND | {"first_ts": NOON_NS - 50, "score": 0.8, "reasons": ["é", "b"]}
        assert store.upsert_findings([earlier]) == [first]
        assert first != other
    with Store.open(store_dir) as store:
        got = finding(store, first)
    expected = earlier | {"last_ts": NOON_NS + 900, "id": first, "state": "confirmed", "note": "case 12"}
    assert got == expected | {"allowed_by": None}


def test_findings_are_kept_all_or_none(store_dir: Path) -> None:
    with Store.open(store_dir, write=True) as store:
        with pytest.raises(KeyError):
            store.upsert_findings([FOUND, {"analyzer": "beacon"}])
        assert store.health()["findings"] == {}


def test_a_full_disk_is_told_in_words(store_dir: Path) -> None:
    with Store.open(store_dir, write=True) as store:
        pages = store.db.execute("PRAGMA page_count").fetchone()[0]
        store.db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match=r"cannot write to the store .*full"):
            store.upsert_findings([FOUND | {"dest": f"{i}.example", "reasons": ["x" * 5000]} for i in range(50)])
        assert store.health()["findings"] == {}


def test_channels_and_hosts_widen(store_dir: Path) -> None:
    channel = {
        name: FOUND[name] for name in ("orig_ip", "dest", "resp_port", "proto", "via_proxy", "dest_ips", "events")
    }
    channel |= {"name_source": "sni", "orig_bytes": 1, "resp_bytes": 2}
    with Store.open(store_dir, write=True) as store:
        for first, last, n in ((5, 10, 3), (7, 20, 4)):
            save_channels(store, [channel | {"first_ts": first, "last_ts": last, "events": n}])
            save_hosts(store, [("10.0.0.5", first, last)])
        assert store.db.execute("SELECT first_ts, last_ts, events, dest_ips FROM channel").fetchall() == [
            (5, 20, 4, '["198.51.100.7"]')
        ]
        assert store.db.execute("SELECT * FROM host").fetchall() == [("10.0.0.5", 5, 20)]
