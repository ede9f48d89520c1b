"""Whole replays into a store: the same rows whatever way a capture comes in, and whatever happened before."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sensor.capture.reader import open_capture
from sensor.errors import StoreError
from sensor.run import ReplayReport, demo_capture, replay
from sensor.site import Site
from sensor.store.findings import findings
from sensor.store.questions import Rows, dns, events, flows, proxies
from sensor.store.store import Store
from tests.support.captures import packets_of, pcap_header, pcap_record

TABLES: dict[str, Callable[[Store], Rows]] = {"flow": flows, "event": events, "dns": dns}
Content = dict[str, Counter[str]]


def content(store_dir: Path, *without: str) -> Content:
    """All rows of the lake and all findings, as multisets of text."""
    kept: Content = {}
    with Store.open(store_dir) as store:
        found = {table: question(store) for table, question in TABLES.items()} | {"finding": findings(store)}
        for table, (rows, total) in found.items():
            rows_left = ({name: value for name, value in row.items() if name not in without} for row in rows)
            kept[table] = Counter(json.dumps(row, sort_keys=True, default=str) for row in rows_left)
            assert kept[table].total() == total
    return kept


def replayed(store_dir: Path, *paths: Path | str, **options: Any) -> ReplayReport:
    return replay([str(path) for path in paths], store_dir=store_dir, site=Site(), **options)


@pytest.fixture(scope="module")
def capture() -> Path:
    return demo_capture()


@pytest.fixture(scope="module")
def clean(capture: Path, tmp_path_factory: pytest.TempPathFactory) -> Content:
    """What one replay into a fresh store gives."""
    store_dir = tmp_path_factory.mktemp("clean") / "store"
    (source,) = replayed(store_dir, capture).sources
    assert (source.error, source.skipped) == ("", False)
    found = content(store_dir)
    assert all(found.values()), "the capture has flows, events, DNS rows and findings"
    assert (source.flows, source.events, source.dns) == tuple(found[table].total() for table in TABLES)
    return found


def without(found: Content, *names: str) -> Content:
    return {
        table: Counter(
            json.dumps({name: value for name, value in json.loads(row).items() if name not in names}, sort_keys=True)
            for row in rows.elements()
        )
        for table, rows in found.items()
    }


def test_the_proxies_that_were_asked_are_listed(store_dir: Path, capture: Path) -> None:
    replayed(store_dir, capture, with_analysis=False)
    with Store.open(store_dir) as store:
        assert proxies(store) == [{"proxy": "192.168.152.8:3128", "flows": 99, "clients": 5}]


def test_the_same_file_twice_changes_nothing(store_dir: Path, capture: Path, clean: Content, tmp_path: Path) -> None:
    replayed(store_dir, capture)
    same = tmp_path / "another-name.pcap"
    same.write_bytes(capture.read_bytes())
    for again in (capture, same):
        report = replayed(store_dir, again)
        assert [source.skipped for source in report.sources] == [True]
        assert report.analysis is not None
        assert content(store_dir) == clean


@contextmanager
def standard_input(path: Path) -> Iterator[None]:
    """The file comes in through a pipe as file descriptor 0."""
    kept = os.dup(0)
    with subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE) as cat:
        assert cat.stdout is not None
        os.dup2(cat.stdout.fileno(), 0)
        try:
            yield
        finally:
            os.dup2(kept, 0)
            os.close(kept)


def test_a_stream_equals_the_file(store_dir: Path, capture: Path, clean: Content) -> None:
    with standard_input(capture):
        (source,) = replayed(store_dir, "-").sources
    assert (source.name, source.error, source.skipped) == ("-", "", False)
    assert content(store_dir, "source") == without(clean, "source")
    assert replayed(store_dir, capture).sources[0].skipped
    assert content(store_dir, "source") == without(clean, "source")


def test_a_named_pipe_is_a_stream(store_dir: Path, capture: Path, clean: Content, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for is_known in (False, True):
        with subprocess.Popen(["dd", f"if={capture}", f"of={pipe}", "bs=1000"], stderr=subprocess.DEVNULL):
            (source,) = replayed(store_dir, pipe).sources
        assert (source.error, source.skipped) == ("", is_known)
        assert content(store_dir, "source") == without(clean, "source")


def test_a_file_as_large_as_a_known_one_is_another(store_dir: Path, capture: Path, tmp_path: Path) -> None:
    replayed(store_dir, capture)
    data = bytearray(capture.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "other.pcap").write_bytes(data)
    assert not replayed(store_dir, tmp_path / "other.pcap").sources[0].skipped
    with Store.open(store_dir) as store:
        assert store.health()["sources"] == {"complete": 2}


def test_copies_side_by_side_are_kept_once(store_dir: Path, capture: Path, clean: Content, tmp_path: Path) -> None:
    (tmp_path / "copy.pcap").write_bytes(capture.read_bytes())
    reports = replayed(store_dir, capture, tmp_path / "copy.pcap", jobs=2).sources
    assert [source.skipped for source in reports] == [False, True]
    assert content(store_dir) == clean


def test_a_stream_of_a_known_file_changes_nothing(store_dir: Path, capture: Path, clean: Content) -> None:
    replayed(store_dir, capture)
    with standard_input(capture):
        (source,) = replayed(store_dir, "-").sources
    assert source.skipped
    assert content(store_dir) == clean


def pieces_of(capture: Path, folder: Path, n_pieces: int) -> list[Path]:
    """The capture cut into pcap files of equal numbers of packets, with names that say nothing about the order."""
    frames = [packet for batch in open_capture(str(capture)).batches() for packet in packets_of(batch)]
    assert {packet.link for packet in frames} == {1}
    size = -(-len(frames) // n_pieces)
    paths = []
    for number in range(n_pieces):
        records = [
            pcap_record(*divmod(packet.ts_ns, 10**9), packet.frame, packet.wire_len)
            for packet in frames[number * size : (number + 1) * size]
        ]
        paths.append(folder / f"ring{(number * 3 + 1) % n_pieces}.pcap")
        paths[-1].write_bytes(pcap_header(magic=0xA1B23C4D) + b"".join(records))
    return paths


def test_the_pieces_of_a_ring_equal_the_whole(store_dir: Path, capture: Path, clean: Content, tmp_path: Path) -> None:
    ring = tmp_path / "ring"
    ring.mkdir()
    pieces_of(capture, ring, 5)
    report = replayed(store_dir, ring, rotated=True)
    assert [source.error for source in report.sources] == [""]
    assert content(store_dir, "source") == without(clean, "source")
    assert replayed(store_dir, ring, rotated=True).sources[0].skipped


def test_pieces_that_are_no_ring_are_captures_of_their_own(
    store_dir: Path, capture: Path, clean: Content, tmp_path: Path
) -> None:
    pieces = pieces_of(capture, tmp_path, 5)
    assert len(replayed(store_dir, *pieces).sources) == 5
    found = content(store_dir)
    assert found["flow"].total() >= clean["flow"].total()
    packets = sum(json.loads(row)["orig_pkts"] + json.loads(row)["resp_pkts"] for row in found["flow"].elements())
    assert packets == sum(json.loads(r)["orig_pkts"] + json.loads(r)["resp_pkts"] for r in clean["flow"].elements())


def test_side_by_side_equals_one_after_another(store_dir: Path, capture: Path, tmp_path: Path) -> None:
    pieces = pieces_of(capture, tmp_path, 3)
    (tmp_path / "notes.pcap").write_text("not a capture")
    inputs = [*pieces, tmp_path / "notes.pcap", pieces[0]]
    one, many = replayed(tmp_path / "one", *inputs), replayed(store_dir, *inputs, jobs=2)
    assert [(s.name, s.packets, s.skipped, s.error) for s in one.sources] == [
        (s.name, s.packets, s.skipped, s.error) for s in many.sources
    ]
    assert content(store_dir) == content(tmp_path / "one")


def test_a_cut_capture_keeps_what_could_be_read_and_says_so(store_dir: Path, capture: Path, tmp_path: Path) -> None:
    data = capture.read_bytes()
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(data[: len(data) // 2 + 1])
    (source,) = replayed(store_dir, cut).sources
    assert "cut.pcap: damaged at byte" in source.error
    assert source.packets > 0
    found = content(store_dir)
    assert found["flow"].total() == source.flows > 0
    with Store.open(store_dir) as store:
        assert store.health()["sources"] == {"damaged": 1}
    assert replayed(store_dir, cut).sources[0].skipped
    assert content(store_dir) == found

    whole_part = tmp_path / "part.pcap"  # the same packets, in a file that is whole
    reader = open_capture(str(capture))
    frames = [packet for batch in reader.batches() for packet in packets_of(batch)][: source.packets]
    whole_part.write_bytes(
        pcap_header(magic=0xA1B23C4D)
        + b"".join(pcap_record(*divmod(p.ts_ns, 10**9), p.frame, p.wire_len) for p in frames)
    )
    replayed(tmp_path / "part-store", whole_part)
    assert content(tmp_path / "part-store", "source") == without(found, "source")


def test_a_file_that_is_no_capture_does_not_keep_the_others_out(
    store_dir: Path, capture: Path, clean: Content, tmp_path: Path
) -> None:
    (tmp_path / "notes.pcap").write_text("not a capture")
    bad, good = replayed(store_dir, tmp_path / "notes.pcap", capture).sources
    assert "not a capture" in bad.error
    assert good.error == ""
    assert content(store_dir) == clean


SLOW_REPLAY = """
import sys, time
from functools import partial
from pathlib import Path
from sensor import pipeline
from sensor.run import replay
from sensor.site import Site
from sensor.store.lake import Lake

n_most = int(sys.argv[3])
n_appends = 0
append = Lake.append

def slow_append(self, *arguments):
    global n_appends
    files = append(self, *arguments)
    n_appends += 1
    if n_appends == n_most:
        print("written", flush=True)
        time.sleep(600)
    return files

Lake.append = slow_append
pipeline.FlowTracker = partial(pipeline.FlowTracker, buffer_rows=64)  # many small segments
replay([sys.argv[1]], store_dir=Path(sys.argv[2]), site=Site())
print("done", flush=True)
"""


@contextmanager
def half_done(capture: Path, store_dir: Path, repo: Path, n_appends: int) -> Iterator[subprocess.Popen[str]]:
    """A process that has written some segments of a replay and holds the store."""
    words = [sys.executable, "-c", SLOW_REPLAY, str(capture), str(store_dir), str(n_appends)]
    with subprocess.Popen(words, cwd=repo, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        try:
            assert writer.stdout.readline() == "written\n"
            yield writer
        finally:
            writer.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("n_appends", [1, 4, 7])
def test_a_replay_after_a_kill_equals_a_clean_one(
    store_dir: Path, capture: Path, clean: Content, repo: Path, n_appends: int
) -> None:
    with half_done(capture, store_dir, repo, n_appends) as writer:
        with pytest.raises(StoreError, match=f"process {writer.pid} is writing"):
            replayed(store_dir, capture)
        half = content(store_dir)  # a reader needs no lock and meets whole segments only
        assert 0 < sum(rows.total() for rows in half.values()) < sum(rows.total() for rows in clean.values())
    assert writer.returncode == -signal.SIGKILL
    (source,) = replayed(store_dir, capture).sources
    assert (source.error, source.skipped) == ("", False)
    assert content(store_dir) == clean
    assert not list((store_dir / "lake" / ".incoming").iterdir())
    with Store.open(store_dir) as store:
        assert store.health()["sources"] == {"complete": 1}


def test_a_stream_after_a_kill_equals_a_clean_replay(
    store_dir: Path, capture: Path, clean: Content, repo: Path
) -> None:
    with half_done(capture, store_dir, repo, n_appends=4):
        pass
    with standard_input(capture):
        replayed(store_dir, "-")
    assert content(store_dir, "source") == without(clean, "source")
