"""The door to captures: what a reader tells beside its batches, and rings of files read as one."""

import subprocess
import sys
from pathlib import Path

import pytest
import xxhash

from sensor.capture.reader import content_hash, likeness, open_capture, open_rotated
from sensor.errors import DamagedCaptureError, InputError, NotACaptureError, UsageError
from tests.support.captures import (
    enhanced_packet,
    interface,
    packets_of,
    pcap_header,
    pcap_record,
    read_all,
    section,
)


def ring(tmp_path: Path, *contents: bytes) -> list[str]:
    paths = [tmp_path / f"ring{i}.pcap" for i in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return [str(path) for path in paths]


def capture(*seconds: int) -> bytes:
    return pcap_header() + b"".join(pcap_record(second, 0, b"frame") for second in seconds)


def test_what_a_reader_tells(tmp_path: Path) -> None:
    (path,) = ring(tmp_path, capture(1, 2, 3))
    reader = open_capture(path)
    assert reader.source == "ring0.pcap"
    assert reader.path == path
    assert reader.bytes_total == Path(path).stat().st_size
    assert sum(len(batch) for batch in reader.batches()) == 3
    assert reader.bytes_read == reader.bytes_total
    assert reader.packets == 3
    assert reader.anomalies == {}
    assert reader.content_hash == content_hash(path) == xxhash.xxh3_128(Path(path).read_bytes()).hexdigest()


def test_a_file_is_read_once_for_its_packets_and_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = ring(tmp_path, capture(1, 2, 3), capture(4))
    one, both = open_capture(paths[0]), open_rotated(paths)
    hashes = one.content_hash, both.content_hash
    monkeypatch.setattr("sensor.capture.reader.content_hash", None)
    for reader in (one, both):
        assert list(reader.batches())
    assert (one.content_hash, both.content_hash) == hashes


def test_a_damaged_file_is_read_on_for_its_hash(tmp_path: Path) -> None:
    (path,) = ring(tmp_path, capture(1, 2) + bytes([255]) * 99)
    reader = open_capture(path)
    with pytest.raises(DamagedCaptureError):
        list(reader.batches())
    assert reader.content_hash == content_hash(path)


def test_likeness_is_size_and_beginning(tmp_path: Path) -> None:
    first = tmp_path / "first"
    data = bytearray(range(256)) * (3 << 12)
    first.write_bytes(data)
    (tmp_path / "copy").write_bytes(data)
    assert likeness(str(first)) == likeness(str(tmp_path / "copy"))
    for at, same in ((0, False), ((1 << 20) - 1, False), (1 << 20, True)):
        changed = bytearray(data)
        changed[at] ^= 1
        (tmp_path / "changed").write_bytes(changed)
        assert (likeness(str(tmp_path / "changed")) == likeness(str(first))) is same
    (tmp_path / "longer").write_bytes(bytes(data) + bytes(data[:1]))
    assert likeness(str(tmp_path / "longer")) != likeness(str(first))
    with pytest.raises(InputError, match="no such file"):
        likeness(str(tmp_path / "absent"))


def test_leaving_the_loop_early_closes_the_file(tmp_path: Path) -> None:
    (path,) = ring(tmp_path, capture(1, 2))
    with open_capture(path) as reader:
        batches = reader.batches()
        next(batches)
        batches.close()
        assert reader._bytes._file.closed  # type: ignore[attr-defined]


def test_an_empty_wire_is_no_anomaly_of_time(tmp_path: Path) -> None:
    """A first packet before 1970 is not earlier than a packet that never was."""
    path = tmp_path / "a.pcapng"
    options = b"\x0e\x00\x08\x00" + (-10).to_bytes(8, "little", signed=True)
    path.write_bytes(section() + interface(options=options) + enhanced_packet(0, b"x"))
    reader = open_capture(str(path))
    assert read_all(reader)[0][0].ts_ns == -10 * 10**9
    assert reader.anomalies == {}


def test_a_ring_reads_as_one_capture(tmp_path: Path) -> None:
    paths = ring(tmp_path, capture(1, 2), capture(), section() + interface(link=113) + enhanced_packet(3_000_000, b"n"))
    reader = open_rotated(paths)
    packets, damage = read_all(reader)
    assert [packet.ts_ns // 10**9 for packet in packets] == [1, 2, 3]
    assert damage is None
    assert reader.source == "ring0.pcap (+2 files)"
    assert reader.packets == 3
    assert reader.bytes_read == reader.bytes_total == sum(Path(path).stat().st_size for path in paths)
    assert [found.link for found in reader.interfaces] == [1, 1, 113]
    assert reader.content_hash != content_hash(paths[0])


def test_a_ring_of_one_is_named_after_it(tmp_path: Path) -> None:
    assert open_rotated(ring(tmp_path, capture(1))).source == "ring0.pcap"


def test_a_ring_goes_on_after_a_bad_file_and_says_so_at_the_end(tmp_path: Path) -> None:
    paths = ring(tmp_path, capture(1, 2)[:-1], capture(3))
    seconds = []
    with pytest.raises(DamagedCaptureError, match=r"ring0\.pcap.*packet 2"):
        for batch in open_rotated(paths).batches():
            seconds += [packet.ts_ns // 10**9 for packet in packets_of(batch)]
    assert seconds == [1, 3]


def test_a_ring_with_several_bad_files_names_them_all(tmp_path: Path) -> None:
    paths = ring(tmp_path, b"text", capture(1, 2)[:-1], capture(3), b"")
    reader = open_rotated(paths)
    packets, damage = read_all(reader)
    assert [packet.ts_ns // 10**9 for packet in packets] == [1, 3]
    assert damage is not None
    assert all(name in damage for name in ("ring0.pcap", "ring1.pcap", "ring3.pcap"))
    assert "ring2.pcap" not in damage


def test_a_ring_with_one_bad_file_raises_its_error(tmp_path: Path) -> None:
    with pytest.raises(NotACaptureError, match=r"ring1\.pcap"):
        list(open_rotated(ring(tmp_path, capture(1), b"text")).batches())


def test_ring_anomalies_add_up(tmp_path: Path) -> None:
    reader = open_rotated(ring(tmp_path, capture(2, 1), capture(5, 4, 3)))
    read_all(reader)
    assert reader.anomalies == {"timestamp_backwards": 3}


def test_a_ring_needs_files() -> None:
    with pytest.raises(UsageError):
        open_rotated([])
    with pytest.raises(UsageError, match="stream"):
        open_rotated(["a.pcap", "-"])


def test_readers_load_no_compression_library_and_no_scapy_until_needed(repo: Path) -> None:
    program = "import sys, sensor.capture.reader; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, cwd=repo)
    assert not {"zstandard", "lz4", "scapy", "pyshark"} & set(done.stdout.decode().split())
