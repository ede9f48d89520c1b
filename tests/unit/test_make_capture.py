"""The benchmark's large capture: repeatable, in time order, and made of whole flows with their payload."""

import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks.make_capture import packets, templates, write

REPO = Path(__file__).resolve().parents[2]
SAMPLE = REPO / "pcaps" / "strrat" / "strrat.pcap"
N_PACKETS = 5000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "out.pcap"
    write(out, templates([SAMPLE]), N_PACKETS, seed=3, seconds=60, mean=8)
    return out


def test_same_seed_same_bytes_and_another_seed_others(made: Path, tmp_path: Path) -> None:
    for seed in (3, 4):
        write(tmp_path / f"{seed}.pcap", templates([SAMPLE]), N_PACKETS, seed=seed, seconds=60, mean=8)
    assert (tmp_path / "3.pcap").read_bytes() == made.read_bytes()
    assert (tmp_path / "4.pcap").read_bytes() != made.read_bytes()


def test_has_the_packets_asked_for_in_time_order(made: Path) -> None:
    times = [ts_us for ts_us, _, _ in packets(made)]
    assert len(times) == N_PACKETS
    assert times == sorted(times)


def test_copies_differ_from_the_original_in_the_client_alone(made: Path) -> None:
    def without_client(frame: bytes) -> bytes:
        outbound = frame[26:30] != bytes((185, 255, 114, 40))
        address, port = (26, 34) if outbound else (30, 36)
        return frame[:address] + bytes(4) + frame[address + 4 : port] + bytes(2) + frame[port + 2 :]

    originals = {without_client(frame) for _, frame, _ in packets(SAMPLE)}
    assert {without_client(frame) for _, frame, _ in packets(made)} == originals


def test_each_copy_has_a_client_of_its_own_in_both_directions(made: Path) -> None:
    server = bytes((185, 255, 114, 40))
    sent = Counter(frame[26:30] + frame[34:36] for _, frame, _ in packets(made) if frame[30:34] == server)
    received = Counter(frame[30:34] + frame[36:38] for _, frame, _ in packets(made) if frame[26:30] == server)
    assert len(sent) == N_PACKETS // 146 + 1
    assert received.keys() <= sent.keys()


def test_mean_flow_length_is_near_the_one_asked_for(tmp_path: Path) -> None:
    source = templates(sorted((REPO / "pcaps").glob("*/*.pcap")))
    n_flows = write(tmp_path / "out.pcap", source, 40_000, seed=1, seconds=60, mean=8)
    assert 40_000 / n_flows == pytest.approx(8, rel=0.1)


def test_original_wire_length_is_kept(tmp_path: Path) -> None:
    frame = next(frame for _, frame, _ in packets(SAMPLE))
    cut = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 60, 1)
    cut += 2 * (struct.pack("<IIII", 1, 0, len(frame), 1514) + frame)
    (tmp_path / "cut.pcap").write_bytes(cut)
    write(tmp_path / "out.pcap", templates([tmp_path / "cut.pcap"]), 10, seed=1, seconds=1, mean=8)
    assert np.unique([wire_len for _, _, wire_len in packets(tmp_path / "out.pcap")]).tolist() == [1514]


def test_captures_without_flows_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pcap").write_text("no capture")
    with pytest.raises(ValueError, match="no IPv4 TCP or UDP flow"):
        templates([tmp_path / "text.pcap"])
