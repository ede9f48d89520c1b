"""The lake: where rows are filed, which segments a question opens, what a crash or a full disk leaves."""

import errno
import os
import resource
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from sensor.errors import StoreError
from sensor.store.columnar import Column, ints
from sensor.store.columns import LAKE_TABLES, LAKE_VERSION, N_BUCKETS
from sensor.store.lake import Lake, day_name, segment_version
from sensor.store.partition import MAX_DAYS, partitions
from tests.support.lake_rows import DAY_NS, NOON_NS, buckets_of, columns_of, row, write_version_1


def fill(lake: Lake, table: str, rows: list[dict[str, object]], segment: str = "s-0") -> int:
    return lake.append(table, segment, columns_of(table, rows), buckets_of(rows))


def read(lake: Lake, table: str, **choice: object) -> list[tuple[object, ...]]:
    relation, values = lake.relation(table, **choice)  # type: ignore[arg-type]
    with lake.connect() as connection:
        return connection.execute(f"SELECT * FROM {relation} ORDER BY ALL", values).fetchall()


@pytest.mark.parametrize("table", LAKE_TABLES)
def test_rows_come_back_from_their_day_and_bucket(tmp_path: Path, table: str) -> None:
    ts = "last_ts" if table == "flow" else "ts"
    rows = [row(table, orig_ip=f"10.0.0.{i}", **{ts: NOON_NS + i * DAY_NS // 3}) for i in range(10)]
    lake = Lake(tmp_path / "lake")
    n_files = fill(lake, table, rows)
    assert read(lake, table) == sorted(tuple(r.values()) for r in rows)
    files = lake.files(table)
    assert len(files) == n_files == 10
    for r, bucket in zip(rows, buckets_of(rows).tolist(), strict=True):
        folder = tmp_path / "lake" / table / f"day={day_name(int(r[ts]))}" / f"bucket={bucket:02d}"
        assert folder / f"s-0.v{LAKE_VERSION}.parquet" in files


@pytest.mark.parametrize("table", LAKE_TABLES)
def test_a_table_without_segments_has_its_columns(tmp_path: Path, table: str) -> None:
    empty, full = Lake(tmp_path / "none"), Lake(tmp_path / "one")
    fill(full, table, [row(table)])
    descriptions = []
    for lake in (empty, full):
        relation, values = lake.relation(table)
        with lake.connect() as connection:
            result = connection.execute(f"DESCRIBE SELECT * FROM {relation}", values)
            descriptions.append([line[:2] for line in result.fetchall()])
    assert descriptions[0] == descriptions[1]
    assert [name for name, _ in descriptions[0]] == [field.name for field in LAKE_TABLES[table]]
    assert read(empty, table) == []


@pytest.mark.parametrize("table", LAKE_TABLES)
@pytest.mark.parametrize("with_new", [False, True])
def test_segments_of_version_1_read_as_empty_in_what_came_later(tmp_path: Path, table: str, with_new: bool) -> None:
    lake = Lake(tmp_path / "lake")
    ts = "last_ts" if table == "flow" else "ts"
    later = {field.name: field for field in LAKE_TABLES[table] if field.since > 1}
    old = [row(table, orig_ip="10.0.0.1", **{ts: NOON_NS + i}) for i in range(3)]
    new = [
        row(table, orig_ip="10.0.0.1", **{ts: NOON_NS + 9}, **{n: "x" for n, f in later.items() if f.type == "text"})
    ]
    assert write_version_1(lake.root, table, old) == 1
    if with_new:
        fill(lake, table, new)
    expected = [one | {name: later[name].before for name in later if later[name].type == "text"} for one in old]
    got = read(lake, table)
    assert got == sorted(tuple(r.values()) for r in expected + new * with_new)
    assert not any(value is None for line in got for value in line)
    relation, values = lake.relation(table)
    with lake.connect() as connection:
        types = [line[1] for line in connection.execute(f"DESCRIBE SELECT * FROM {relation}", values).fetchall()]
        relation, values = Lake(tmp_path / "none").relation(table)
        assert types == [line[1] for line in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()]


def test_a_name_tells_the_version() -> None:
    assert [segment_version(f"{name}.parquet") for name in ("ab-000001", "ab-000001.v2", "a.v3.v12", "a.v2.x")] == [
        *(1, 2, 12, 1),
    ]


def test_days_and_buckets_are_pruned(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    rows = [row("event", ts=NOON_NS + d * DAY_NS, orig_ip=ip) for d in range(4) for ip in ("10.0.0.1", "10.0.0.2")]
    fill(lake, "event", rows)
    bucket = int(buckets_of(rows)[0])
    assert len(lake.files("event")) == 8
    assert len(lake.files("event", since_ns=NOON_NS + DAY_NS)) == 6
    assert len(lake.files("event", since_ns=NOON_NS + DAY_NS, until_ns=NOON_NS + 2 * DAY_NS)) == 4
    assert len(lake.files("event", buckets=[bucket])) == 4
    assert lake.files("event", buckets=[]) == []


def test_a_flow_reported_days_after_it_began_is_found(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    fill(lake, "flow", [row("flow", first_ts=NOON_NS, last_ts=NOON_NS + 3 * DAY_NS)])
    assert len(lake.files("flow", since_ns=NOON_NS, until_ns=NOON_NS + 1)) == 1


def test_senseless_times_do_not_make_endless_files(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    rows = [row("event", ts=d * 300 * DAY_NS, orig_ip="10.0.0.1") for d in range(MAX_DAYS + 1)]
    assert fill(lake, "event", rows) == 1
    assert len(read(lake, "event", since_ns=NOON_NS, until_ns=NOON_NS + 1)) == len(rows)  # opened for every span


@pytest.mark.parametrize("ts", [-(2**63), -1, 0, 2**63 - 1])
def test_times_at_the_edges_have_a_day(tmp_path: Path, ts: int) -> None:
    lake = Lake(tmp_path)
    fill(lake, "event", [row("event", ts=ts)])
    assert read(lake, "event", since_ns=ts, until_ns=ts)[0][0] == ts
    assert lake.files("event")[0].parts[-3] == f"day={day_name(ts)}"


def test_appending_the_same_segment_again_changes_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for _ in range(2):
        fill(lake, "dns", [row("dns", qname="a.example"), row("dns", qname="b.example")])
    assert len(read(lake, "dns")) == 2


def test_segments_of_one_source_are_removed_and_no_others(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for table in LAKE_TABLES:
        fill(lake, table, [row(table)], "aa-0")
        fill(lake, table, [row(table)], "aab-0")
    assert lake.remove_segments("aa-") == 3
    assert [path.name for table in LAKE_TABLES for path in lake.files(table)] == [f"aab-0.v{LAKE_VERSION}.parquet"] * 3


def test_hidden_and_foreign_files_are_not_read(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    fill(lake, "dns", [row("dns")])
    place = lake.files("dns")[0].parent
    (place / ".x.parquet").write_bytes(b"half")
    (place / "notes.txt").write_bytes(b"mine")
    assert len(lake.files("dns")) == 1


def test_a_directory_name_that_looks_like_a_pattern(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "odd [a]*? {b} 'q' ; --" / "日本")
    fill(lake, "dns", [row("dns", qname="a.example")])
    assert len(read(lake, "dns")) == 1


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "../x", "a" * 200, "a b"])
def test_segment_names_stay_inside_their_directory(tmp_path: Path, name: str) -> None:
    lake = Lake(tmp_path)
    with pytest.raises(ValueError, match="segment name"):
        fill(lake, "dns", [row("dns")], name)
    with pytest.raises(ValueError, match="segment name"):
        lake.remove_segments(name)


def test_wrong_columns_are_refused(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    columns = columns_of("dns", [row("dns")])
    bucket = np.zeros(1, np.uint8)
    with pytest.raises(ValueError, match="columns of dns are ts, orig_ip"):
        lake.append("dns", "s", columns[1:], bucket)
    narrow: list[Column] = [ints("ts", np.zeros(1, np.int32)), *columns[1:]]
    with pytest.raises(ValueError, match="column ts of dns is int64, not INT32"):
        lake.append("dns", "s", narrow, bucket)
    with pytest.raises(ValueError, match="2 buckets for 1 rows"):
        lake.append("dns", "s", columns, np.zeros(2, np.uint8))
    with pytest.raises(ValueError, match="bucket 16 is out of range"):
        lake.append("dns", "s", columns, np.array([N_BUCKETS], np.uint8))


def test_partitions_keep_every_row_once_and_in_order() -> None:
    rng = np.random.default_rng(7)
    ts = rng.integers(0, 5 * DAY_NS, 1000)
    bucket = rng.integers(0, N_BUCKETS, 1000).astype(np.uint8)
    seen = []
    for day, number, rows in partitions(ts, bucket):
        assert (np.diff(rows) > 0).all()
        assert (bucket[rows] == number).all()
        assert {day_name(int(t)) for t in ts[rows]} == {day}
        seen += rows.tolist()
    assert sorted(seen) == list(range(1000))
    assert list(partitions(ts[:0], bucket[:0])) == []


def test_pieces_are_small_and_hold_every_bucket_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(tmp_path)
    assert lake.pieces() == []
    for number in (2, 3, 4, 9):
        for table in ("flow", "event"):
            rows = [row(table)]
            lake.append(table, f"s{number}", columns_of(table, rows), np.array([number], np.uint8))
    one = sum(path.stat().st_size for path in tmp_path.rglob("bucket=02/*.parquet"))
    for most, pieces in (
        (1, [(0, 3), (3, 4), (4, 9), (9, 16)]),
        (2 * one + 9, [(0, 4), (4, 16)]),
        (9 * one, [(0, 16)]),
    ):
        monkeypatch.setattr("sensor.store.lake.PIECE_BYTES", most)
        assert lake.pieces() == [range(*piece) for piece in pieces]
        assert lake.pieces(since_ns=NOON_NS + 10 * DAY_NS) == []


def test_a_sync_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="No space left on device; free some space"):
        fill(lake, "dns", [row("dns")])
    monkeypatch.undo()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def _append_beyond_the_limit(root: Path) -> str:
    import sensor.store.parquet  # noqa: F401  (compiles before the limit holds for the kernels' cache too)

    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    rows = [row("dns", qname=f"name-{i}.example", orig_ip="10.0.0.1") for i in range(2000)]
    try:
        fill(Lake(root), "dns", rows)
    except StoreError as error:
        return str(error)
    return "no error"


def test_a_disk_that_takes_no_more_bytes(tmp_path: Path) -> None:
    """The kernel refuses the write in the middle of a file, as it does on a full disk."""
    with get_context("spawn").Pool(1) as pool:
        told = pool.apply(_append_beyond_the_limit, (tmp_path,))
    assert told.startswith("cannot write ") and "File too large" in told
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
