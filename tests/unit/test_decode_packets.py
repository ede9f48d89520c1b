"""IP and L4 headers: every field of a row, lengths that lie, packets that are cut."""

import struct

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Router_Alert, TCPOptions
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.ipsec import AH, ESP
from scapy.layers.l2 import Ether
from scapy.layers.sctp import SCTP, SCTPChunkData

from sensor import constants as c
from tests.support.frames import batch_of, decode, endpoints, payload

V4 = {"src": "10.1.2.3", "dst": "192.0.2.7"}
V6 = {"src": "2001:db8::1", "dst": "2001:db8:ffff::2"}
ETHER = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
TCP_BYTES = bytes(TCP(sport=1, dport=2)) + b"data"


def raw4(body: bytes, proto: int, total: int | None = None, first_byte: int = 0x45, fragment_field: int = 0) -> bytes:
    """An IPv4 packet whose fields are as said, right or wrong."""
    length = 20 + len(body) if total is None else total
    head = struct.pack("!BBHHHBBH", first_byte, 0, length, 77, fragment_field, 64, proto, 0)
    return head + bytes([10, 0, 0, 1, 10, 0, 0, 2]) + body


def raw6(body: bytes, proto: int, length: int | None = None) -> bytes:
    head = struct.pack("!IHBB", 0x60000000, len(body) if length is None else length, proto, 64)
    return head + bytes(15) + b"\x01" + bytes(15) + b"\x02" + body


def test_every_field_of_a_tcp_packet() -> None:
    options: TCPOptions = [("NOP", None), ("NOP", None), ("Timestamp", (1, 2))]
    tcp = TCP(
        sport=49152, dport=443, flags=0xD2, seq=2**32 - 1, ack=2**31, window=65535, chksum=0xBEEF, options=options
    )
    frame = bytes(ETHER / IP(**V4, ttl=61, id=0xFEDC) / tcp / b"data") + b"trailer"
    batch = batch_of([b"\0" * 5, frame], ts_ns=[1, 1_700_000_000_123_456_789])
    row = decode(batch)[1]
    assert {name: int(row[name]) for name in row.dtype.names if name != "pad"} == {
        "ts_ns": 1_700_000_000_123_456_789,
        "src_hi": 0,
        "src_lo": 0xFFFF_0A01_0203,
        "dst_hi": 0,
        "dst_lo": 0xFFFF_C000_0207,
        "payload_off": 5 + 14 + 20 + 32,
        "payload_cap": 4,
        "payload_len": 4,
        "ip_len": 20 + 32 + 4,
        "seq": 2**32 - 1,
        "ack": 2**31,
        "frame": 1,
        "src_port": 49152,
        "dst_port": 443,
        "vlan_id": 0,
        "inner_vlan_id": 0,
        "window": 65535,
        "ip_id": 0xFEDC,
        "l4_checksum": 0xBEEF,
        "icmp_id": 0,
        "proto": 6,
        "ip_version": 4,
        "tcp_flags": 0xD2,
        "status": c.STATUS_OK,
        "tunnel": 0,
        "tunnel_depth": 0,
        "fragment": 0,
        "is_carrier": 0,
        "ttl": 61,
    }


@pytest.mark.parametrize(
    ("packet", "proto", "ports", "icmp_id", "data"),
    [
        (IP(**V4) / UDP(sport=53, dport=5353) / b"data", 17, (53, 5353), 0, b"data"),
        (IP(**V4) / SCTP(sport=36412, dport=38412) / SCTPChunkData(data=b"x"), 132, (36412, 38412), 0, None),
        (IP(**V4) / ICMP(type=8, code=0, id=0x1234, seq=1) / b"data", 1, (8, 0), 0x1234, b"data"),
        (IP(**V4) / ICMP(type=3, code=1) / b"quoted", 1, (3, 1), 0, b"quoted"),
        (IP(**V4) / ICMP(type=128, code=0) / b"not an echo in IPv4", 1, (128, 0), 0, b"not an echo in IPv4"),
        (IPv6(**V6) / ICMPv6EchoRequest(id=0x1234, data=b"data"), 58, (128, 0), 0x1234, b"data"),
        (IP(**V4, proto=89) / b"ospf", 89, (0, 0), 0, b"ospf"),
        (IPv6(**V6, nh=89) / b"ospf", 89, (0, 0), 0, b"ospf"),
        (IPv6(**V6, nh=59), 59, (0, 0), 0, b""),
        (IP(**V4, options=[IPOption_Router_Alert()]) / UDP(sport=1, dport=2) / b"data", 17, (1, 2), 0, b"data"),
        (IPv6(**V6) / IPv6ExtHdrHopByHop() / UDP(sport=1, dport=2) / b"data", 17, (1, 2), 0, b"data"),
        (
            IPv6(**V6) / IPv6ExtHdrRouting(addresses=["::3"]) / IPv6ExtHdrDestOpt() / UDP(sport=1, dport=2) / b"data",
            17,
            (1, 2),
            0,
            b"data",
        ),
        (IPv6(**V6) / IPv6ExtHdrFragment(id=9) / UDP(sport=1, dport=2) / b"data", 17, (1, 2), 0, b"data"),
        (IP(**V4) / AH(nh=17, payloadlen=4, icv=bytes(12)) / UDP(sport=1, dport=2) / b"data", 17, (1, 2), 0, b"data"),
        (IPv6(**V6) / AH(nh=17, payloadlen=4, icv=bytes(12)) / UDP(sport=1, dport=2) / b"data", 17, (1, 2), 0, b"data"),
        (IP(**V4) / ESP(spi=7, seq=1, data=b"secret"), 50, (0, 0), 0, None),
        (IPv6(**V6) / IPv6ExtHdrDestOpt() / ESP(spi=7, seq=1, data=b"secret"), 50, (0, 0), 0, None),
        (IPv6(**V6, nh=135) / bytes([59, 0, 0, 0, 0, 0, 0, 0]), 135, (0, 0), 0, bytes([59, 0, 0, 0, 0, 0, 0, 0])),
    ],
)
def test_protocols_and_extensions(
    packet: IP | IPv6, proto: int, ports: tuple[int, int], icmp_id: int, data: bytes | None
) -> None:
    batch = batch_of([bytes(ETHER / packet) + b"trailer"])
    (row,) = decode(batch)
    addresses = V4 if packet.version == 4 else V6
    assert c.STATUS_NAMES[row["status"]] == "ok"
    assert endpoints(row) == (addresses["src"], ports[0], addresses["dst"], ports[1])
    assert (row["proto"], row["icmp_id"]) == (proto, icmp_id)
    assert row["ip_len"] == len(bytes(packet))
    if data is not None:
        assert payload(row, batch) == data
        assert row["payload_len"] == len(data)


@pytest.mark.parametrize(
    ("packet", "status"),
    [
        (raw4(TCP_BYTES, 6, first_byte=0x44), "malformed_ip"),  # a header of 16 bytes
        (raw4(TCP_BYTES, 6, total=19), "malformed_ip"),
        (raw4(TCP_BYTES, 6)[:19], "truncated_ip"),
        (raw4(bytes(24), 6, first_byte=0x4F), "malformed_ip"),  # 60 bytes of header in 44 of packet
        (raw4(TCP_BYTES, 6, total=39), "malformed_l4"),
        (raw4(bytes(12) + b"\x40" + bytes(7), 6), "malformed_l4"),  # a TCP header of 16 bytes
        (raw4(bytes(12) + b"\x60" + bytes(7), 6), "malformed_l4"),  # TCP options behind the IP length
        (raw4(bytes(7), 17), "malformed_l4"),
        (raw4(b"\0\1\0\2\0\7\0\0", 17), "malformed_l4"),  # a UDP length of 7
        (raw4(bytes(7), 1), "malformed_l4"),
        (raw4(bytes(11), 132), "malformed_l4"),
        (raw4(bytes(19), 6, fragment_field=0x2000), "truncated_l4"),  # a first fragment too small for its header
        (raw4(bytes([6, 250]) + bytes(30), 51), "malformed_ip"),
        (raw6(TCP_BYTES, 6)[:39], "truncated_ip"),
        (raw6(bytes([6, 1, 0, 0, 0, 0, 0, 0]), 0), "malformed_ip"),  # options longer than the packet
        (raw6(bytes([6, 0, 0]), 60), "malformed_ip"),
        (raw6(bytes([60, 0, 0, 0, 0, 0, 0, 0]) * 200, 60), "malformed_ip"),
        (raw6(bytes(3), 58), "malformed_l4"),
    ],
)
def test_what_contradicts_itself_says_so(packet: bytes, status: str) -> None:
    (row,) = decode(batch_of([packet], c.LINK_RAW))
    assert c.STATUS_NAMES[row["status"]] == status
    assert (row["payload_cap"], row["payload_len"]) == (0, 0)


def test_a_snaplen_cuts_the_payload_not_the_row() -> None:
    whole = bytes(ETHER / IP(**V4) / TCP(sport=1, dport=2, options=[("Timestamp", (1, 2))]) / bytes(1000))
    header_end = len(whole) - 1000
    for cap_len in range(14, len(whole)):
        (row,) = decode(batch_of([whole[:cap_len]], wire_lens=[len(whole)]))
        if cap_len < 34:
            assert row["status"] == c.STATUS_TRUNCATED_IP
            continue
        assert endpoints(row)[::2] == (V4["src"], V4["dst"])
        assert (row["src_port"], row["dst_port"]) == ((1, 2) if cap_len >= 38 else (0, 0))
        if cap_len < 54:
            assert row["status"] == c.STATUS_TRUNCATED_L4
            continue
        assert row["status"] == c.STATUS_OK
        assert row["payload_len"] == 1000
        assert row["payload_cap"] == max(cap_len - header_end, 0)


@pytest.mark.parametrize("packet", [raw4(TCP_BYTES, 6, total=0), raw6(TCP_BYTES, 6, length=0)])
def test_a_length_left_to_the_card_is_that_on_the_wire(packet: bytes) -> None:
    batch = batch_of([packet], c.LINK_RAW)
    (row,) = decode(batch)
    assert payload(row, batch) == b"data"
    assert row["ip_len"] == len(packet)
    (row,) = decode(batch_of([packet], c.LINK_RAW, wire_lens=[len(packet) + 5000]))
    assert (row["payload_len"], row["payload_cap"]) == (5004, 4)


def test_a_hostile_length_on_the_wire_is_bounded() -> None:
    (row,) = decode(batch_of([raw4(TCP_BYTES, 6, total=0)], c.LINK_RAW, wire_lens=[2**32 - 1]))
    assert row["status"] == c.STATUS_OK
    assert row["payload_len"] <= 1 << 20


def test_padding_of_an_empty_ipv6_packet_is_no_payload() -> None:
    frame = b"\x02" * 12 + b"\x86\xdd" + raw6(b"", 99) + bytes(6)
    (row,) = decode(batch_of([frame]))
    assert (row["status"], row["payload_len"], row["ip_len"]) == (c.STATUS_OK, 0, 40)


@pytest.mark.parametrize(
    ("udp_length", "expected"),
    [(8 + 4, 4), (8, 0), (0, 10), (8 + 10, 10), (8 + 11, 10), (65535, 10)],
)
def test_the_udp_length_bounds_the_payload_when_smaller(udp_length: int, expected: int) -> None:
    (row,) = decode(batch_of([raw4(struct.pack("!HHHH", 1, 2, udp_length, 0) + bytes(10), 17)], c.LINK_RAW))
    assert (row["status"], row["payload_len"], row["payload_cap"]) == (c.STATUS_OK, expected, expected)


def test_an_ip_length_past_the_frame_counts_only_the_frame() -> None:
    (row,) = decode(batch_of([raw4(TCP_BYTES, 6, total=1500)], c.LINK_RAW))
    assert (row["status"], row["payload_len"], row["ip_len"]) == (c.STATUS_OK, 4, 1500)
