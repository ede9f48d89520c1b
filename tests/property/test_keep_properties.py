"""What is kept of any packets is what a plain reading of the rule says, and every reader gives it back as it was."""

import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scapy.utils import RawPcapNgReader

from sensor import constants as c
from sensor.capture.batch import Batch
from sensor.capture.keep import sorted_suspects
from sensor.capture.reader import open_capture
from sensor.decode.decoder import Decoder
from sensor.flows.tracker import FlowTracker
from sensor.live.chooser import Chooser, Shelf
from sensor.live.keptfile import OpenFile, recover
from sensor.store.kept import UNFINISHED, kept_files, name_of, packets_folder
from tests.property.test_decode_properties import any_frames
from tests.support.captures import Packet, packets_of, twin_read
from tests.support.frames import batch_of
from tests.support.programs import needs

MOST_BYTES = 262_144
MAX_FLOWS = 1 << 12
Generated = tuple[bytes, int, int]
"""A frame, its length on the wire, the VLAN id that was taken off."""


@st.composite
def frames(draw: st.DrawFn) -> list[Generated]:
    """Frames of one Ethernet link, some of them again and again, so that flows grow."""
    found = draw(st.lists(any_frames().filter(lambda one: one[1] == c.LINK_ETHERNET), min_size=1, max_size=12))
    drawn = [(frame, wire_len, vlan) for frame, _, wire_len, vlan in found]
    return [drawn[i] for i in draw(st.lists(st.integers(0, len(drawn) - 1), min_size=1, max_size=40))]


def batches(generated: Sequence[Generated], times: Sequence[int], cuts: Sequence[int]) -> list[Batch]:
    edges = [0, *sorted({cut % (len(generated) + 1) for cut in cuts}), len(generated)]
    found = []
    for first, end in pairwise(edges):
        part = generated[first:end]
        if part:
            columns = [list(column) for column in zip(*part, strict=True)]
            found.append(batch_of(columns[0], c.LINK_ETHERNET, times[first:end], columns[1], columns[2]))
    return found


class Rule:
    """The rule in words of Python: which frames are kept, packet by packet, nothing is ever forgotten."""

    def __init__(self, flow_bytes: int, suspects: set[tuple[int, int, int, int]]) -> None:
        self.flow_bytes, self.suspects = flow_bytes, suspects
        self.seen: dict[int, tuple[int, int]] = {}  # flow -> bytes, second

    def wants(self, row: np.void, code: int) -> bool:
        if row["status"] != c.STATUS_OK:
            return False
        second = max(0, int(row["ts_ns"]) // 10**9)
        n_bytes, before = self.seen.get(code, (0, second))
        is_tcp = row["proto"] == c.PROTO_TCP
        opens = is_tcp and row["tcp_flags"] & (c.TCP_SYN | c.TCP_ACK) == c.TCP_SYN
        if opens or second - before > (300 if is_tcp else 60):
            n_bytes = 0
        self.seen[code] = (min(n_bytes + int(row["ip_len"]), 2**32 - 1), second)
        return n_bytes < self.flow_bytes or any(one in self.suspects for one in channels(row))


def channels(row: np.void) -> list[tuple[int, int, int, int]]:
    """The channel of a packet, as if either end were the client."""
    proto = int(row["proto"])
    src, dst = (int(row[f"{end}_hi"]) << 64 | int(row[f"{end}_lo"]) for end in ("src", "dst"))
    ports = [0 if proto in (1, 58) else int(row[f"{end}_port"]) for end in ("dst", "src")]
    return [(src, dst, ports[0], proto), (dst, src, ports[1], proto)]


def as_kept(batch: Batch, i: int) -> Packet:
    """A frame as it should stand in the file."""
    frame = batch.frames[batch.start[i] : batch.end[i]].tobytes()
    wire_len, vlan_id = int(batch.wire_len[i]), int(batch.vlan_id[i])
    if vlan_id and len(frame) >= 12:
        frame = frame[:12] + b"\x81\0" + vlan_id.to_bytes(2, "big") + frame[12:]
        wire_len += 4
    frame = frame[:MOST_BYTES]
    return Packet(max(0, int(batch.ts_ns[i])), frame, max(wire_len, len(frame)) & 0xFFFFFFFF, c.LINK_ETHERNET)


@cache
def the_tracker() -> FlowTracker:
    """One for all: only its hashes are looked at, and making one takes longer than an example."""
    return FlowTracker(lambda out, pool: None, max_flows=1 << 10, buffer_rows=1 << 10)


def rows_and_codes(found: Sequence[Batch]) -> list[tuple[Batch, NDArray[np.void], NDArray[np.uint64]]]:
    decoder, tracker = Decoder(), the_tracker()
    taken = []
    for batch in found:
        rows = decoder.decode(batch).copy()
        tracker.add(batch, rows)
        taken.append((batch, rows, tracker.codes[: len(rows)].copy()))
    return taken


def keep(taken: Sequence[tuple[Batch, NDArray[np.void], NDArray[np.uint64]]], chooser: Chooser, shelf: Shelf,
         store: Path) -> Path | None:  # fmt: skip
    """Everything that a chooser picks, as one complete file; None when that is nothing."""
    file = OpenFileOrNone(packets_folder(store))
    for batch, rows, codes in taken:
        chooser.take(batch, rows, codes)
        chooser.flush()
        while not shelf.full.empty():
            chunk = shelf.full.get()
            assert chunk is not None
            file.append(chunk)
            shelf.free.put(chunk)
    return file.finish()


class OpenFileOrNone:
    def __init__(self, folder: Path) -> None:
        folder.parent.mkdir(exist_ok=True)
        self.folder, self.file = folder, None

    def append(self, chunk: object) -> None:
        self.file = self.file or OpenFile(self.folder, c.LINK_ETHERNET, "eth1", "for a test")  # type: ignore[assignment]
        self.file.append(chunk)  # type: ignore[union-attr]

    def finish(self) -> Path | None:
        return self.file.finish() if self.file else None


def read(path: Path) -> list[Packet]:
    with open_capture(str(path)) as reader:
        found = [packet for batch in reader.batches() for packet in packets_of(batch)]
        (interface,) = reader.interfaces
    assert (interface.name, interface.snaplen_bytes, interface.ts_exponent) == ("eth1", MOST_BYTES, 9)
    return found


@settings(deadline=None)
@given(
    generated=frames(),
    flow_bytes=st.sampled_from([0, 1, 60, 200, 1000, 10**6]),
    steps=st.lists(st.integers(0, 100 * 10**9), min_size=40, max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=4),
    suspicious=st.lists(st.tuples(st.integers(0, 39), st.booleans()), max_size=4),
)
def test_what_is_kept_is_what_the_rule_says_and_reads_back_equal(
    generated: list[Generated], flow_bytes: int, steps: list[int], cuts: list[int],
    suspicious: list[tuple[int, bool]],
) -> None:  # fmt: skip
    times = np.cumsum(steps)[: len(generated)].tolist()
    taken = rows_and_codes(batches(generated, times, cuts))
    every = [row for _, rows, _ in taken for row in rows if row["status"] == c.STATUS_OK]
    suspects = {channels(every[i % len(every)])[way] for i, way in suspicious} if every else set()
    rule = Rule(flow_bytes, suspects)
    expected = []
    for batch, rows, codes in taken:
        wanted = {int(row["frame"]) for row, code in zip(rows, codes, strict=True) if rule.wants(row, int(code))}
        expected += [as_kept(batch, i) for i in sorted(wanted)]
    shelf = Shelf(2)
    chooser = Chooser(shelf, flow_bytes, MAX_FLOWS)
    chooser.suspects = sorted_suspects(suspects)
    with tempfile.TemporaryDirectory() as folder:
        path = keep(taken, chooser, shelf, Path(folder))
        assert (path is None) == (not expected)
        if path is not None:
            assert read(path) == expected
            assert twin_read(path.read_bytes()) == (expected, False)
            assert path.name == name_of(min(p.ts_ns for p in expected), max(p.ts_ns for p in expected))
            (kept,) = kept_files(Path(folder))
            assert (kept.first_ts, kept.last_ts) == (min(p.ts_ns for p in expected), max(p.ts_ns for p in expected))
    assert chooser.lost == 0


def small_file(store: Path) -> tuple[Path, list[Packet]]:
    """A file of 24 packets, with times beyond 32 bits and tags to be put back."""
    generated = [(bytes(range(12)) + b"\x08\0" + IP4 + bytes(n), 100 + n, n % 3) for n in range(24)]
    found = batches(generated, [1_700_000_000_123_456_789 + 10**9 * n for n in range(24)], [])
    shelf = Shelf(1)
    path = keep(rows_and_codes(found), Chooser(shelf, 10**9, MAX_FLOWS), shelf, store)
    assert path is not None
    return path, [as_kept(found[0], i) for i in range(24)]


IP4 = bytes.fromhex("45000060000000004011" + "0000" + "0a0000010a000002" + "12b512b6004c0000")


def test_tshark_and_scapy_read_the_same(tmp_path: Path) -> None:
    path, expected = small_file(tmp_path)
    told = subprocess.run(
        [needs("tshark", "tshark"), "-r", str(path), "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.cap_len",
         "-e", "frame.len", "-e", "frame.interface_name", "-e", "vlan.id"], capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert [line.split("\t") for line in told] == [
        [f"{p.ts_ns // 10**9}.{p.ts_ns % 10**9:09d}", str(len(p.frame)), str(p.wire_len), "eth1",
         str(i % 3) if i % 3 else ""]
        for i, p in enumerate(expected)
    ]  # fmt: skip
    read_by_scapy = [
        (frame, meta.wirelen, (meta.tshigh << 32) + meta.tslow, meta.ifname)
        for frame, meta in RawPcapNgReader(str(path))
    ]
    assert read_by_scapy == [(p.frame, p.wire_len, p.ts_ns, b"eth1") for p in expected]


@settings(deadline=None, max_examples=60)
@given(lost=st.integers(0, 4000))
def test_a_file_that_was_cut_anywhere_gives_its_whole_packets(lost: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, expected = small_file(Path(folder))
        data = path.read_bytes()
        path.unlink()
        unfinished = path.with_name(UNFINISHED)
        unfinished.write_bytes(data[: max(0, len(data) - lost)])
        n = recover(path.parent)
        assert not unfinished.exists()
        assert [read(kept.path) for kept in kept_files(Path(folder))] == ([expected[:n]] if n else [])
        assert n == len(expected) if lost == 0 else n < len(expected)
        assert recover(path.parent) == 0


@pytest.mark.parametrize("rest", [b"", b"\0", b"\xff" * 64, bytes(64)])
def test_a_file_of_something_else_goes(tmp_path: Path, rest: bytes) -> None:
    (tmp_path / UNFINISHED).write_bytes(rest)
    assert recover(tmp_path) == 0
    assert list(tmp_path.iterdir()) == []
