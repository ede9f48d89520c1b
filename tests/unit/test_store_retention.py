"""Merging and pruning: no row is doubled or lost on the way, and the limits hold."""

import os
import time
from collections import Counter
from pathlib import Path

import pytest

from sensor.errors import StoreError
from sensor.store.columns import HEALTH
from sensor.store.columns import NANOSECONDS_A_DAY as DAY
from sensor.store.health import health_rows, save_health
from sensor.store.lake import covered, segment_range
from sensor.store.merge import GRACE_S, merge_segments, remove_merged
from sensor.store.prune import Limits, prune
from sensor.store.questions import flows
from sensor.store.store import Store
from tests.support.cli_store import finding
from tests.support.lake_rows import NOON_NS, buckets_of, columns_of, row

SHA = "ab" * 32
HOUR = 3600
ROOM = 2**40


def fill(store: Store, numbers: range, day: int = 0, mtime_s: float | None = None) -> None:
    """A segment of ten flows for each number."""
    for number in numbers:
        rows = [
            row("flow", uid=f"C{day}-{number}-{i}", orig_ip=f"10.0.0.{i}", first_ts=NOON_NS + day * DAY,
                last_ts=NOON_NS + day * DAY)
            for i in range(10)
        ]  # fmt: skip
        store.lake.append("flow", store.segment_name(SHA, number), columns_of("flow", rows), buckets_of(rows))
    if mtime_s is not None:
        for path in store.lake.all_files("flow"):
            os.utime(path, (mtime_s, mtime_s))


def uids(store: Store) -> Counter[str]:
    return Counter(found["uid"] for found in flows(store)[0])


def test_a_name_says_what_a_segment_stands_for() -> None:
    assert segment_range("live0123-000007.v3.parquet") == ("live0123", 7, 7)
    assert segment_range("live0123-000000-000359.v3.parquet") == ("live0123", 0, 359)
    assert segment_range("1234567-1234567.parquet") == ("1234567", 1234567, 1234567)
    assert segment_range("anything.parquet") is None
    names = ["a-000000.parquet", "a-000001.parquet", "a-000000-000001.parquet", "a-000002.parquet", "b-000001.parquet"]
    assert covered(names) == dict.fromkeys(names[:2], names[2])
    assert covered([*names, "a-000000-000009.parquet"]).keys() == set(names[:4])


def test_merging_keeps_every_row_once_at_every_step(store_dir: Path) -> None:
    with Store.open(store_dir, write=True) as store:
        fill(store, range(6), mtime_s=time.time() - 2 * HOUR)
        before = uids(store)
        assert set(before.values()) == {1}
        n_files = len(store.lake.all_files("flow"))
        assert merge_segments(store.lake, ROOM) == n_files
        assert remove_merged(store.lake) == 0
        assert len(store.lake.files("flow")) < n_files < len(store.lake.all_files("flow"))
        assert uids(store) == before  # what it was made of is still there, and not asked
        assert merge_segments(store.lake, ROOM) == 0
        fill(store, range(6, 8))  # a capture that goes on keeps nothing from going
        later = time.time() + GRACE_S + 1
        assert remove_merged(store.lake, later) == n_files
        assert store.lake.all_files("flow") == store.lake.files("flow")
        assert merge_segments(store.lake, ROOM, time.time() + 3 * HOUR) > 0  # merged ones merge again
        assert uids(store).total() == 80
        assert set(uids(store).values()) == {1}


def test_only_what_there_is_room_for_is_merged(store_dir: Path) -> None:
    with Store.open(store_dir, write=True) as store:
        fill(store, range(6), mtime_s=time.time() - 2 * HOUR)
        before = uids(store)
        sizes = [path.stat().st_size for path in store.lake.all_files("flow")]
        assert merge_segments(store.lake, min(sizes)) == 0
        assert 0 < merge_segments(store.lake, sum(sizes) / 2) <= len(sizes) / 2
        assert uids(store) == before
        assert merge_segments(store.lake, ROOM) > 0
        assert uids(store) == before


def test_of_today_an_hour_is_merged_once(store_dir: Path) -> None:
    noon_s = NOON_NS / 1e9
    with Store.open(store_dir, write=True) as store:
        for hour in range(1, 4):
            fill(store, range(6 * hour, 6 * hour + 6))
            for path in store.lake.files("flow"):
                if path.stat().st_mtime > noon_s + 4 * HOUR:  # just written
                    os.utime(path, (noon_s + hour * HOUR,) * 2)
            n_merged = merge_segments(store.lake, ROOM, noon_s + hour * HOUR + HOUR)
            assert n_merged == len(store.lake.files("flow")) / hour * 6
        assert set(uids(store).values()) == {1}


def test_a_merged_one_stands_for_nothing_that_is_not_in_it(store_dir: Path) -> None:
    with Store.open(store_dir, write=True) as store:
        fill(store, range(9), mtime_s=time.time() - 2 * HOUR)
        before = uids(store)
        for path in store.lake.files("flow"):
            if "-000004." in path.name:  # still being written, or so it seems
                os.utime(path, (time.time() + HOUR,) * 2)
        assert merge_segments(store.lake, ROOM) > 0
        assert uids(store) == before


def test_the_hour_that_is_written_is_left_alone(store_dir: Path) -> None:
    with Store.open(store_dir, write=True) as store:
        fill(store, range(6))
        assert merge_segments(store.lake, ROOM, time.time()) == 0


def test_a_merge_that_fails_leaves_everything(store_dir: Path) -> None:
    with Store.open(store_dir, write=True) as store:
        fill(store, range(6), mtime_s=time.time() - 2 * HOUR)
        before = uids(store)
        broken = store.lake.files("flow")[0]
        broken.write_bytes(b"no parquet")
        os.utime(broken, (time.time() - 2 * HOUR,) * 2)
        with pytest.raises(StoreError, match="cannot merge segments"):
            merge_segments(store.lake, ROOM)
        broken.unlink()
        assert uids(store) <= before
        assert not list(store.lake.incoming.iterdir())


def test_old_days_go_and_findings_keep_their_evidence(store_dir: Path) -> None:
    with Store.open(store_dir, write=True) as store:
        for day in range(10):
            fill(store, range(day, day + 1), day)
        now_ns = NOON_NS + 9 * DAY
        trial = prune(store, Limits(lake_days=3), now_ns, is_trial=True)
        assert uids(store).total() == 100
        report = prune(store, Limits(lake_days=3), now_ns)
        assert (report.segments, report.bytes, report.oldest_day) == (trial.segments, trial.bytes, trial.oldest_day)
        assert report.segments > 0
        assert sorted({uid.split("-")[0] for uid in uids(store)}) == ["C6", "C7", "C8", "C9"]
        prune(store, Limits(lake_days=3), now_ns)  # folders of what went
        assert len(list((store_dir / "lake" / "flow").iterdir())) == 4


def test_the_oldest_goes_first_until_the_size_is_right(store_dir: Path) -> None:
    with Store.open(store_dir, write=True) as store:
        for day in range(10):
            fill(store, range(day, day + 1), day)
        total = sum(path.stat().st_size for path in store.lake.all_files("flow"))
        prune(store, Limits(lake_gib=total / 2 / 2**30), NOON_NS + 9 * DAY)
        left = sum(path.stat().st_size for path in store.lake.all_files("flow"))
        assert total / 3 < left <= total / 2
        room = prune(store, Limits(lake_gib=total / 2**30), NOON_NS + 9 * DAY).room_bytes
        assert room == pytest.approx(total - left, abs=1)
        assert min(uids(store)).startswith("C5")
        prune(store, Limits(free_gib=1e6), NOON_NS + 9 * DAY)
        assert not store.lake.all_files("flow")


def test_settled_findings_and_old_health_go(store_dir: Path) -> None:
    with Store.open(store_dir, write=True) as store:
        store.begin_source(SHA, "eth1")
        ids = store.upsert_findings([finding(dest=f"{i}.example", last_ts=NOON_NS + i) for i in range(3)])
        with store.transaction():
            store.db.execute("UPDATE finding SET state = 'resolved' WHERE id = ?", (ids[0],))
        health = dict.fromkeys((field.name for field in HEALTH), 0)
        for number, ts in enumerate((NOON_NS, NOON_NS + 399 * DAY)):
            save_health(store, health | {"source": SHA, "number": number, "ts": ts, "state": "up", "words": ["x"]})
        report = prune(store, Limits(results_days=30), NOON_NS + 400 * DAY)
        assert (report.findings, report.health) == (1, 1)
        assert [kept["words"] for kept in health_rows(store, 0, 2**62)] == [["x"]]
        assert store.db.execute("SELECT count(*) FROM finding").fetchone() == (2,)


def test_what_a_killed_question_left_goes(store_dir: Path) -> None:
    with Store.open(store_dir, write=True) as store:
        for name in (".spill", ".spill-999999999", f".spill-{os.getpid()}"):
            (store_dir / name).mkdir()
        prune(store, Limits(), NOON_NS)
        assert [path.name for path in store_dir.glob(".spill*")] == [f".spill-{os.getpid()}"]
