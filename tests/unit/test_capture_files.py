"""Which captures a person meant, and the order of a ring."""

import gzip
import os
from pathlib import Path

import pytest

from sensor.capture.files import discover, order_rotated
from sensor.capture.reader import open_capture
from sensor.errors import InputError, UsageError
from tests.support.captures import pcap_header, pcap_record, section


def capture(second: int) -> bytes:
    return pcap_header() + pcap_record(second, 0, b"x")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    files = {
        "b.pcap": capture(1),
        "a/no-ending": capture(1),
        "a/z.dat": section(),
        "a/packed.bin": gzip.compress(capture(1)),
        "a/packed.log.gz": gzip.compress(b"a log"),
        "a/notes.txt": b"text",
        "a/empty": b"",
        "a/ring.pcap7": b"text",
        "a/ring.PCAPNG.zst": b"",
        "a/.hidden.pcap": capture(1),
        ".cache/c.pcap": capture(1),
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    os.mkfifo(tmp_path / "a" / "fifo")
    return tmp_path


def test_directories_give_what_is_or_claims_to_be_a_capture_in_stable_order(tree: Path) -> None:
    names = ["b.pcap", "a/no-ending", "a/packed.bin", "a/ring.PCAPNG.zst", "a/ring.pcap7", "a/z.dat"]
    assert discover([str(tree)]) == [str(tree / name) for name in names]


def test_files_are_taken_as_given_and_once(tree: Path) -> None:
    first, hidden, notes = str(tree / "a" / "z.dat"), str(tree / ".cache" / "c.pcap"), str(tree / "a" / "notes.txt")
    missing = str(tree / "missing.pcap")
    found = discover([first, "-", hidden, notes, missing, "-", str(tree)])
    assert found[:5] == [first, "-", hidden, notes, missing]
    assert len(found) == len(set(found)) == 5 + 5


def test_a_link_to_a_capture_is_the_capture(tree: Path) -> None:
    (tree / "a" / "a-link.pcap").symlink_to(tree / "b.pcap")
    (tree / "a" / "loop").symlink_to(tree)
    assert sum(name.endswith((".pcap", "b.pcap")) for name in discover([str(tree)])) == 1


def test_a_directory_without_captures_is_not_passed_over(tmp_path: Path) -> None:
    (found,) = discover([str(tmp_path)])
    with pytest.raises(InputError, match="is a directory"):
        open_capture(found)


def test_nothing_named() -> None:
    with pytest.raises(UsageError):
        discover([])


def test_a_ring_is_ordered_by_its_first_packets(tmp_path: Path) -> None:
    contents = {"ring0": capture(30), "ring1": capture(10), "ring2": gzip.compress(capture(20)), "ring10": capture(20)}
    contents |= {"none10": pcap_header(), "none9": b"text", "none": pcap_header() + b"cut"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    given = [str(tmp_path / name) for name in sorted(contents)]
    ordered = [Path(path).name for path in order_rotated(given)]
    assert ordered == ["ring1", "ring2", "ring10", "ring0", "none", "none9", "none10"]
    assert order_rotated(list(reversed(given))) == order_rotated(given)


def test_a_stream_has_no_place_in_a_ring(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ring"):
        order_rotated(["-"])
