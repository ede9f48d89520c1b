"""pcapng: sections, interfaces with clocks of their own, the three packet blocks, and bad lengths."""

import struct
from pathlib import Path

import pytest

from sensor.capture.reader import open_capture
from sensor.errors import NotACaptureError
from tests.support.captures import (
    INT64_MAX,
    Packet,
    block,
    enhanced_packet,
    interface,
    obsolete_packet,
    option,
    read_all,
    section,
    simple_packet,
    twin_read,
)

TSRESOL, TSOFFSET = 9, 14


def read(tmp_path: Path, *blocks: bytes) -> tuple[list[Packet], str | None, dict[str, int]]:
    path = tmp_path / "a.pcapng"
    path.write_bytes(b"".join(blocks))
    reader = open_capture(str(path))
    packets, damage = read_all(reader)
    assert (packets, damage is not None) == twin_read(path.read_bytes())
    return packets, damage, reader.anomalies


def clocked(resolution: int, offset_s: int = 0, order: str = "<") -> bytes:
    options = option(TSRESOL, bytes([resolution]), order) + option(TSOFFSET, struct.pack(order + "q", offset_s), order)
    return interface(order, options=options)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_three_packet_blocks(tmp_path: Path, order: str) -> None:
    packets, damage, anomalies = read(
        tmp_path,
        section(order),
        interface(order, link=1, snaplen=4),
        interface(order, link=113),
        enhanced_packet(5_000_001, b"abcde", interface_id=1, wire_len=99, order=order),
        simple_packet(b"abcd", wire_len=60, order=order),
        obsolete_packet(6_000_000, b"xyz", interface_id=1, order=order),
    )
    assert packets == [
        Packet(5_000_001_000, b"abcde", 99, 113),
        Packet(5_000_001_000, b"abcd", 60, 1),
        Packet(6_000_000_000, b"xyz", 3, 113),
    ]
    assert damage is None
    assert anomalies == {"timestamp_missing": 1}


@pytest.mark.parametrize(
    ("resolution", "units", "ts_ns"),
    [
        (0, 3, 3_000_000_000),
        (3, 1500, 1_500_000_000),
        (6, 1_700_000_000_123_456, 1_700_000_000_123_456_000),
        (9, 1_700_000_000_123_456_789, 1_700_000_000_123_456_789),
        (12, 1_000_000_000_999, 1_000_000_000),
        (19, 2**64 - 1, 1_844_674_407),
        (28, 2**64 - 1, 1),
        (29, 2**64 - 1, 0),
        (127, 2**64 - 1, 0),
        (0x80, 3, 3_000_000_000),
        (0x80 | 10, 1025, 1_000_976_562),
        (0x80 | 32, (7 << 32) + 2**31, 7_500_000_000),
        (0x80 | 63, 2**63 + 2**62, 1_500_000_000),
        (0x80 | 64, 2**63, 500_000_000),
        (0x80 | 127, 2**64 - 1, 0),
    ],
)
def test_every_kind_of_clock_is_exact(tmp_path: Path, resolution: int, units: int, ts_ns: int) -> None:
    packets, _, anomalies = read(tmp_path, section(), clocked(resolution), enhanced_packet(units, b"x"))
    assert [packet.ts_ns for packet in packets] == [ts_ns]
    assert anomalies == {}


@pytest.mark.parametrize(
    ("resolution", "units", "offset_s", "ts_ns"),
    [
        (6, 2**64 - 1, 0, INT64_MAX),
        (9, 2**63, 0, INT64_MAX),
        (0, 9_223_372_037, 0, INT64_MAX),
        (0x80, 9_223_372_037, 0, INT64_MAX),
        (0x80 | 1, 2 * 9_223_372_036 + 1, 0, 9_223_372_036_500_000_000),
        (9, INT64_MAX, 1, INT64_MAX),
        (0x80, 9_223_372_037, -1, INT64_MAX),
        (6, 1_000_000, 2**63 - 1, INT64_MAX),
        (6, 1_000_000, -(2**63), 1_000_000_000 - INT64_MAX),
        (6, 1_000_000, -3, -2_000_000_000),
        (6, 1_000_000, 1_700_000_000, 1_700_000_001_000_000_000),
    ],
)
def test_offsets_and_the_ends_of_time(tmp_path: Path, resolution: int, units: int, offset_s: int, ts_ns: int) -> None:
    packets, _, anomalies = read(tmp_path, section(), clocked(resolution, offset_s), enhanced_packet(units, b"x"))
    assert [packet.ts_ns for packet in packets] == [ts_ns]
    assert anomalies.get("timestamp_clamped", 0) == (ts_ns == INT64_MAX)


def test_sections_change_byte_order_and_forget_interfaces(tmp_path: Path) -> None:
    packets, damage, _ = read(
        tmp_path,
        section("<"),
        clocked(9),
        enhanced_packet(7, b"a"),
        section(">", options=option(2, b"a computer", ">")),
        interface(">", link=276),
        enhanced_packet(7, b"b", order=">"),
        section("<"),
        enhanced_packet(7, b"c"),
    )
    assert packets == [Packet(7, b"a", 1, 1), Packet(7000, b"b", 1, 276)]
    assert damage is not None
    assert "does not describe" in damage


def test_many_interfaces_keep_their_own_clock_and_name(tmp_path: Path) -> None:
    interfaces = [interface(link=i, options=option(2, f"eth{i}".encode())) for i in range(40)]
    path = tmp_path / "a.pcapng"
    packets = [enhanced_packet(0, b"x", interface_id=i) for i in range(40)]
    path.write_bytes(section() + b"".join(interfaces + packets))
    reader = open_capture(str(path))
    assert [packet.link for packet in read_all(reader)[0]] == list(range(40))
    assert [found.name for found in reader.interfaces] == [f"eth{i}" for i in range(40)]


def test_blocks_without_packets_are_skipped(tmp_path: Path) -> None:
    other = [block(kind, bytes(length)) for kind, length in ((4, 8), (5, 20), (0x0BAD, 64), (0x80000001, 0))]
    packets, damage, _ = read(tmp_path, section(), interface(), *other, enhanced_packet(1, b"x"), *other)
    assert len(packets) == 1
    assert damage is None


def test_first_packet_without_a_time_is_at_the_epoch(tmp_path: Path) -> None:
    packets, _, anomalies = read(tmp_path, section(), interface(), simple_packet(b"x"), enhanced_packet(9, b"y"))
    assert [packet.ts_ns for packet in packets] == [0, 9000]
    assert anomalies == {"timestamp_missing": 1}


GOOD = enhanced_packet(1, b"good")
DAMAGES = {
    "length 0": (struct.pack("<II", 6, 0) + bytes(100), "a record length"),
    "length 8": (struct.pack("<II", 6, 8) + bytes(100), "a record length"),
    "length odd": (struct.pack("<II", 6, 35) + bytes(100), "a record length"),
    "length huge": (struct.pack("<II", 6, 2**32 - 4) + bytes(100), "a record length"),
    "trailer": (GOOD[:-4] + struct.pack("<I", len(GOOD) + 4), "two lengths of a block differ"),
    "captured": (block(6, struct.pack("<IIIII", 0, 0, 1, 5, 5) + b"four"), "longer than the block"),
    "captured huge": (block(6, struct.pack("<IIIII", 0, 0, 1, 2**32 - 1, 5) + b"four"), "longer than the block"),
    "interface": (enhanced_packet(1, b"x", interface_id=1), "does not describe"),
    "interface huge": (enhanced_packet(1, b"x", interface_id=2**32 - 1), "does not describe"),
    "obsolete interface": (obsolete_packet(1, b"x", interface_id=1), "does not describe"),
    "short packet block": (block(6, bytes(16)), "a record length"),
    "short simple packet": (block(3, b""), "a record length"),
    "short interface": (block(1, bytes(4)), "a record length"),
    "short section": (block(0x0A0D0D0A, b"\x4d\x3c\x2b\x1a\x01\x00\x00\x00"), "a record length"),
    "section order": (block(0x0A0D0D0A, bytes(16)), "byte-order magic"),
    "section version": (section(version=(2, 0)), "version 2.0"),
    "option too long": (interface(options=struct.pack("<HH", 2, 9) + b"four"), "longer than its block"),
    "resolution of two bytes": (interface(options=option(TSRESOL, b"ab")), "resolution of 2 bytes"),
    "offset of four bytes": (interface(options=option(TSOFFSET, b"abcd")), "offset of 4 bytes"),
    "cut": (GOOD[:-1], "in the middle"),
    "cut early": (GOOD[:5], "in the middle"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_keeps_every_packet_before_it(tmp_path: Path, name: str) -> None:
    bad, said = DAMAGES[name]
    before = section() + interface() + GOOD * 3
    packets, damage, _ = read(tmp_path, before, bad, b"" if "cut" in name else GOOD)
    assert [packet.frame for packet in packets] == [b"good"] * 3
    assert damage is not None
    assert said in damage
    assert f"byte {len(before)}, packet 4:" in damage


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (section(version=(1, 1)), "pcapng version 1.1"),
        (section(version=(0, 1)), "pcapng version 0.1"),
        (b"\n\r\r\n" + bytes(60), "without a byte-order magic"),
    ],
)
def test_first_sections_that_kagami_does_not_read(tmp_path: Path, data: bytes, found: str) -> None:
    path = tmp_path / "a.pcapng"
    path.write_bytes(data)
    with pytest.raises(NotACaptureError, match=found):
        open_capture(str(path))


def test_too_many_interfaces_are_damage_not_memory(tmp_path: Path) -> None:
    packets, damage, _ = read(tmp_path, section(), GOOD[:0] + interface() * 65537, GOOD)
    assert packets == []
    assert damage is not None
    assert "more than 65536 interfaces" in damage
