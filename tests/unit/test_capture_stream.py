"""Compressed files, pipes, and bytes that end too early."""

import gzip
import lzma
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pytest
import zstandard

from sensor.capture.reader import content_hash, open_capture
from sensor.capture.stream import open_source
from sensor.errors import InputError, NotACaptureError, UsageError
from tests.support.captures import pcap_header, pcap_record, read_all, twin_read

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "lz4": lz4.frame.compress,
}
SEED = random.Random(7)
FRAMES = [SEED.randbytes(SEED.randrange(1400)) for _ in range(800)]
CAPTURE = pcap_header() + b"".join(pcap_record(i, 0, frame) for i, frame in enumerate(FRAMES))


def write(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / "misnamed.txt"
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("name", PACK)
def test_compression_is_told_by_content(tmp_path: Path, name: str) -> None:
    stored = PACK[name](CAPTURE)
    path = write(tmp_path, stored)
    reader = open_capture(path)
    assert read_all(reader) == (twin_read(CAPTURE)[0], None)
    assert reader.bytes_total == len(stored)
    assert reader.bytes_read == len(stored)
    assert reader.content_hash == content_hash(path)


@pytest.mark.parametrize("name", PACK)
def test_several_members_and_padding_are_one_content(tmp_path: Path, name: str) -> None:
    parts = [CAPTURE[:10], b"", CAPTURE[10:100_001], CAPTURE[100_001:]]
    stored = b"".join(map(PACK[name], parts)) + bytes(512)
    assert read_all(open_capture(write(tmp_path, stored))) == (twin_read(CAPTURE)[0], None)


@pytest.mark.parametrize("name", PACK)
def test_cut_compressed_data_gives_what_came_before(tmp_path: Path, name: str) -> None:
    stored = PACK[name](CAPTURE)
    packets, damage = read_all(open_capture(write(tmp_path, stored[: len(stored) * 3 // 4])))
    assert damage is not None
    assert f"{name} data breaks off" in damage
    whole = twin_read(CAPTURE)[0]
    assert packets == whole[: len(packets)]
    assert len(packets) > len(whole) / 2


@pytest.mark.parametrize("name", PACK)
def test_garbage_after_compressed_data_is_said(tmp_path: Path, name: str) -> None:
    packets, damage = read_all(open_capture(write(tmp_path, PACK[name](CAPTURE) + b"garbage after the end")))
    assert packets == twin_read(CAPTURE)[0]
    assert damage is not None
    assert f"{name} data" in damage


@pytest.mark.parametrize("name", PACK)
@pytest.mark.parametrize(("content", "found"), [(b"no capture", "6e 6f 20 63"), (b"", "an empty file")])
def test_packed_content_that_is_no_capture(tmp_path: Path, name: str, content: bytes, found: str) -> None:
    with pytest.raises(NotACaptureError, match=f"{name} of .*{found}"):
        open_capture(write(tmp_path, PACK[name](content)))


def test_zstd_behind_a_skippable_frame(tmp_path: Path) -> None:
    skippable = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"
    path = write(tmp_path, skippable + PACK["zstd"](CAPTURE))
    assert read_all(open_capture(path)) == (twin_read(CAPTURE)[0], None)


@pytest.mark.parametrize("name", PACK)
def test_a_bomb_streams_through_in_bounded_pieces(tmp_path: Path, name: str) -> None:
    source = open_source(write(tmp_path, PACK[name](bytes(100 << 20))))
    view = memoryview(bytearray(1 << 20))
    total = 0
    while got := source.readinto(view):
        total += got
    assert total == 100 << 20
    assert source.damage is None


def test_empty_and_short_files_are_no_captures(tmp_path: Path) -> None:
    with pytest.raises(NotACaptureError, match=r"misnamed.txt.*empty file \(0 bytes\)"):
        open_capture(write(tmp_path, b""))
    with pytest.raises(NotACaptureError, match="d4 c3"):
        open_capture(write(tmp_path, b"\xd4\xc3"))
    with pytest.raises(NotACaptureError, match=r"50 4b 03 04 .*'PK\.\.'"):
        open_capture(write(tmp_path, b"PK\x03\x04"))


def test_hostile_bytes_in_a_file_are_shown_without_control_characters(tmp_path: Path) -> None:
    with pytest.raises(NotACaptureError) as caught:
        open_capture(write(tmp_path, b"\x1b]0;evil\x07\x9b31m\xff"))
    assert str(caught.value).isprintable()


def test_unreadable_paths(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        open_capture(str(tmp_path / "absent.pcap"))
    with pytest.raises(InputError, match="is a directory"):
        open_capture(str(tmp_path))
    with pytest.raises(InputError, match="cannot be opened"):
        open_capture("nul\0inside")
    with pytest.raises(InputError, match="cannot be read"):
        content_hash(str(tmp_path / "absent.pcap"))


def test_no_permission(tmp_path: Path) -> None:
    path = write(tmp_path, CAPTURE)
    Path(path).chmod(0)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)  # root may read every file
    try:
        with pytest.raises(InputError, match="permission denied"):
            open_capture(path)
    finally:
        if is_root:
            os.seteuid(0)


def test_a_terminal_is_no_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "isatty", lambda fd: True)
    with pytest.raises(UsageError, match="terminal"):
        open_capture("-")


READ_STDIN = """
import sys
from sensor.capture.reader import open_capture
reader = open_capture("-")
for batch in reader.batches():
    print(len(batch), flush=True)
print(reader.source, reader.packets, reader.bytes_total, reader.bytes_read, reader.content_hash)
"""


@pytest.mark.parametrize("name", ["plain", *PACK])
def test_standard_input_as_a_pipe(tmp_path: Path, name: str, repo: Path) -> None:
    stored = CAPTURE if name == "plain" else PACK[name](CAPTURE)
    done = subprocess.run([sys.executable, "-c", READ_STDIN], input=stored, capture_output=True, check=True, cwd=repo)
    digest = content_hash(write(tmp_path, stored))
    assert done.stdout.decode().splitlines()[-1] == f"- 800 None {len(stored)} {digest}"


def test_a_live_pipe_hands_over_before_its_buffer_is_full(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    go_on = threading.Event()

    def feed() -> None:
        with fifo.open("wb", buffering=0) as pipe:
            for byte in pcap_header():
                pipe.write(bytes([byte]))
            pipe.write(pcap_record(1, 0, b"first") + pcap_record(2, 0, b"second")[:10])
            go_on.wait(20)
            pipe.write(pcap_record(2, 0, b"second")[10:])

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        batches = open_capture(str(fifo)).batches()
        assert len(next(batches)) == 1
        go_on.set()
        assert len(next(batches)) == 1
        assert next(batches, None) is None
    finally:
        go_on.set()
        feeder.join()


def test_a_trickling_pipe_hands_over_in_time(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    stop = threading.Event()

    def feed() -> None:
        with fifo.open("wb", buffering=0) as pipe:
            pipe.write(pcap_header())
            while not stop.is_set():
                pipe.write(pcap_record(1, 0, b"x"))
                time.sleep(0.01)

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        batches = open_capture(str(fifo)).batches()
        assert len(next(batches)) > 0
    finally:
        stop.set()
        feeder.join()
