"""Every shared capture against tshark's packet count, scapy's reader and the slow twin."""

import csv
import gzip
from pathlib import Path

import pytest
from scapy.utils import RawPcapNgReader, RawPcapReader

from sensor.capture.reader import open_capture
from sensor.errors import InputError
from tests.support.captures import INT64_MAX, Packet, read_all, twin_read

# tshark shows pcapng custom blocks as records; they are no packets. How many each of these test files has.
CUSTOM_BLOCKS = {"test017": 4, "test018": 4, "test102": 3, "test202": 3}
# tshark knows no decoder for their link types and gives up; frames of an unknown link are still frames.
LINKS_TSHARK_LACKS = {
    "libpcap-filter-brcm-tag-stp.pcap": 4,
    "libpcap-filter-brcm-tag.pcap": 15,
    "libpcap-filter-dsa.pcap": 8,
}


def read(path: Path) -> tuple[list[Packet], str | None]:
    try:
        return read_all(open_capture(str(path)))
    except InputError as error:
        return [], str(error)


def test_weird_captures_give_what_tshark_gives(shared_data: Path) -> None:
    folder = shared_data / "pcaps" / "weird"
    with (folder / "expected.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 300
    differences = []
    for row in rows:
        packets, damage = read(folder / row["file"])
        stem = row["file"].removesuffix(".pcapng")[-7:]
        expected = int(row["packets_read"]) - CUSTOM_BLOCKS.get(stem, 0)
        is_ok = row["state"] == "ok"
        if row["file"] in LINKS_TSHARK_LACKS:
            expected, is_ok = LINKS_TSHARK_LACKS[row["file"]], True
        if len(packets) != expected or (damage is None) != is_ok:
            differences.append((row["file"], expected, row["state"], len(packets), damage))
    assert differences == []


def all_captures(shared_data: Path) -> list[Path]:
    paths = sorted((shared_data / "pcaps").rglob("*.pcap*"))
    assert len(paths) > 400
    return paths


def test_every_packet_equals_the_twin(shared_data: Path) -> None:
    for path in all_captures(shared_data):
        if path.stat().st_size > 1 << 20:
            continue  # the twin is slow; larger files are compared with scapy below
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        packets, damage = read(path)
        if damage is not None and "not a capture that kagami reads" in damage:
            continue
        expected, is_damaged = twin_read(data)
        assert packets == expected, path
        assert (damage is not None) == is_damaged, path


def test_every_packet_equals_scapy(shared_data: Path) -> None:
    for path in all_captures(shared_data):
        packets, damage = read(path)
        if damage is not None:
            continue
        expected = scapy_packets(path)
        assert len(packets) == len(expected), path
        for packet, (frame, ts_ns) in zip(packets, expected, strict=True):
            if ts_ns is None:  # a simple packet block: scapy takes a snaplen of 0 to mean no bytes, not no limit
                assert packet.frame.startswith(frame), path
                continue
            assert packet.frame == frame, path
            assert packet.ts_ns == min(ts_ns, INT64_MAX), path


def scapy_packets(path: Path) -> list[tuple[bytes, int | None]]:
    """(frame, exact ns or None) by scapy's raw readers."""
    with path.open("rb") as file:
        is_pcapng = file.read(4) == b"\n\r\r\n"
    if is_pcapng:
        rows: list[tuple[bytes, int | None]] = []
        for frame, meta in RawPcapNgReader(str(path)):
            is_timed = meta.tshigh is not None
            units = (meta.tshigh << 32) + meta.tslow if is_timed else 0
            rows.append((frame, units * 10**9 // int(meta.tsresol) if is_timed else None))
        return rows
    reader = RawPcapReader(str(path))
    return [(frame, meta.sec * 10**9 + meta.usec * (1 if reader.nano else 1000)) for frame, meta in reader]


# Each ends in one newline byte that is no packet; tshark and tcpdump report them as cut short, too.
TRAILING_BYTE = {
    "otrf-covenant-dcsync.pcap",
    "otrf-covenant-psremoting.pcap",
    "otrf-covenant-sharpsc-create.pcap",
    "otrf-covenant-sharpwmi.pcap",
}


@pytest.mark.parametrize("folder", ["ad", "benign", "c2", "misc", "proxy", "tunnel"])
def test_everyday_captures_are_whole(shared_data: Path, folder: str) -> None:
    for path in sorted((shared_data / "pcaps" / folder).glob("*.pcap*")):
        packets, damage = read(path)
        assert packets, path
        assert (damage is not None) == (path.name in TRAILING_BYTE), path
