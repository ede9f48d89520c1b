"""The decoder against a slow, obvious twin: Ethernet, tags, IPv4, IPv6 and its extensions, TCP, UDP and ICMP.

The twin reads with slices of Python bytes and integers of any size, so it cannot read outside a frame or overflow.
"""

import struct
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from sensor import constants as c
from tests.support.frames import batch_of, decode


@dataclass
class Packet:
    """What the twin finds out; fields as in PACKET."""

    status: int
    vlan_id: int = 0
    inner_vlan_id: int = 0
    src: int = 0
    dst: int = 0
    proto: int = 0
    ip_len: int = 0
    fragment: int = 0
    src_port: int = 0
    dst_port: int = 0
    seq: int = 0
    tcp_flags: int = 0
    payload_off: int = 0
    payload_cap: int = 0
    payload_len: int = 0


def number(frame: bytes, at: int, size: int) -> int:
    assert at + size <= len(frame)
    return int.from_bytes(frame[at : at + size], "big")


def twin(frame: bytes, wire_len: int) -> Packet:
    packet = Packet(c.STATUS_OK)
    if len(frame) < 14:
        packet.status = c.STATUS_TRUNCATED_LINK
        return packet
    ethertype, at = number(frame, 12, 2), 14
    tags = []
    while ethertype in (0x8100, 0x88A8):
        if at + 4 > len(frame):
            packet.status = c.STATUS_TRUNCATED_LINK
            break
        tags.append(number(frame, at, 2) & 0xFFF)
        ethertype, at = number(frame, at + 2, 2), at + 4
    packet.vlan_id, packet.inner_vlan_id = ([*tags, 0, 0])[:2]
    if packet.status != c.STATUS_OK:
        return packet
    if ethertype not in (0x0800, 0x86DD):
        packet.status = c.STATUS_NOT_IP
    elif at == len(frame):
        packet.status = c.STATUS_TRUNCATED_IP
    elif frame[at] >> 4 == 4:
        twin_ipv4(packet, frame, at, wire_len)
    elif frame[at] >> 4 == 6:
        twin_ipv6(packet, frame, at, wire_len)
    else:
        packet.status = c.STATUS_MALFORMED_IP
    return packet


def twin_ipv4(packet: Packet, frame: bytes, at: int, wire_len: int) -> None:
    if at + 20 > len(frame):
        packet.status = c.STATUS_TRUNCATED_IP
        return
    header_bytes = (frame[at] & 15) * 4
    total = number(frame, at + 2, 2) or wire_len - at
    if header_bytes < 20 or total < header_bytes:
        packet.status = c.STATUS_MALFORMED_IP
        return
    packet.src = 0xFFFF << 32 | number(frame, at + 12, 4)
    packet.dst = 0xFFFF << 32 | number(frame, at + 16, 4)
    packet.proto, packet.ip_len = frame[at + 9], total
    offset_field = number(frame, at + 6, 2)
    if offset_field & 0x1FFF:
        packet.fragment = c.FRAGMENT_LATER
    elif offset_field & 0x2000:
        packet.fragment = c.FRAGMENT_FIRST
    if at + header_bytes > len(frame):
        packet.status = c.STATUS_TRUNCATED_IP
        return
    twin_transport(packet, frame, at + header_bytes, min(at + total, wire_len))


def twin_ipv6(packet: Packet, frame: bytes, at: int, wire_len: int) -> None:
    if at + 40 > len(frame):
        packet.status = c.STATUS_TRUNCATED_IP
        return
    packet.src, packet.dst = number(frame, at + 8, 16), number(frame, at + 24, 16)
    packet.proto, total = frame[at + 6], number(frame, at + 4, 2) + 40
    if total == 40 and packet.proto != 59 and wire_len - at > 46:
        total = wire_len - at
    packet.ip_len = total
    ip_end, at = min(at + total, wire_len), at + 40
    while packet.proto in (0, 43, 44, 60):
        if at + 8 > ip_end:
            packet.status = c.STATUS_MALFORMED_IP
            return
        if at + 8 > len(frame):
            packet.status = c.STATUS_TRUNCATED_IP
            return
        size = 8 if packet.proto == 44 else (frame[at + 1] + 1) * 8
        if packet.proto == 44:
            offset_field = number(frame, at + 2, 2)
            if offset_field >> 3:
                packet.fragment = c.FRAGMENT_LATER
            elif offset_field & 1:
                packet.fragment = c.FRAGMENT_FIRST
        packet.proto, at = frame[at], at + size
        if at > min(ip_end, len(frame)):
            packet.status = c.STATUS_MALFORMED_IP if at > ip_end else c.STATUS_TRUNCATED_IP
            return
        if packet.fragment == c.FRAGMENT_LATER:
            break
    twin_transport(packet, frame, at, ip_end)


def twin_transport(packet: Packet, frame: bytes, at: int, ip_end: int) -> None:
    end = min(ip_end, len(frame))
    least = {c.PROTO_TCP: 20, c.PROTO_UDP: 8, c.PROTO_ICMP: 8, c.PROTO_ICMP6: 8}.get(packet.proto, 0)
    if packet.fragment == c.FRAGMENT_LATER:
        packet.status = c.STATUS_ORPHAN_FRAGMENT if least else c.STATUS_OK
        least = 0
    too_short = c.STATUS_TRUNCATED_L4 if packet.fragment == c.FRAGMENT_FIRST else c.STATUS_MALFORMED_L4
    if least and at + 4 <= end:
        size = 2 if packet.proto in (c.PROTO_TCP, c.PROTO_UDP) else 1
        packet.src_port, packet.dst_port = number(frame, at, size), number(frame, at + size, size)
    if at + least > end:
        packet.status = too_short if at + least > ip_end else c.STATUS_TRUNCATED_L4
        return
    header_bytes = least
    if least and packet.proto == c.PROTO_TCP:
        packet.seq, packet.tcp_flags = number(frame, at + 4, 4), frame[at + 13]
        header_bytes = (frame[at + 12] >> 4) * 4
        if header_bytes < 20:
            packet.status = c.STATUS_MALFORMED_L4
            return
        if at + header_bytes > ip_end:
            packet.status = too_short
            return
    elif least and packet.proto == c.PROTO_UDP:
        length = number(frame, at + 4, 2)
        if 0 < length < 8:
            packet.status = c.STATUS_MALFORMED_L4
            return
        if length:
            ip_end = min(ip_end, at + length)
    packet.payload_off = min(at + header_bytes, end)
    packet.payload_cap = max(min(end, ip_end) - packet.payload_off, 0)
    packet.payload_len = max(ip_end - at - header_bytes, 0)


@st.composite
def transports(draw: st.DrawFn) -> tuple[int, bytes]:
    """(protocol, L4 header and payload), lengths right or not."""
    proto = draw(st.sampled_from([c.PROTO_TCP, c.PROTO_UDP, c.PROTO_ICMP, c.PROTO_ICMP6, 89]))
    data = draw(st.binary(max_size=24))
    ports = struct.pack("!HH", draw(st.integers(0, 2000)), draw(st.integers(0, 2000)))
    if proto == c.PROTO_TCP:
        words = draw(st.sampled_from([5, 5, 5, 6, 8, 15, 4, 0]))
        head = ports + struct.pack(
            "!IIBBHHH", draw(st.integers(0, 2**32 - 1)), 5, words << 4, draw(st.integers(0, 255)), 9, 8, 7
        )
        return proto, head + bytes(draw(st.sampled_from([0, max(words - 5, 0) * 4]))) + data
    if proto == c.PROTO_UDP:
        length = draw(st.sampled_from([8 + len(data), 8 + len(data), 0, 7, 8, 10, 65535]))
        return proto, ports + struct.pack("!HH", length, 7) + data
    return proto, draw(st.binary(max_size=8)) + data


@st.composite
def frames(draw: st.DrawFn) -> tuple[bytes, int]:
    """(captured bytes, length on the wire) of an Ethernet frame, nearly right."""
    proto, body = draw(transports())
    fragment_field = draw(st.sampled_from([0, 0, 0, 0x4000, 0x2000, 0x2001, 0x1FFF]))
    if draw(st.booleans()):
        words = draw(st.sampled_from([5, 5, 5, 6, 15, 4]))
        options = bytes(max(words - 5, 0) * 4)
        total = 20 + len(options) + len(body) + draw(st.sampled_from([0, 0, 0, -1, -30, 1, 500]))
        total = draw(st.sampled_from([total, total, total, 0]))
        head = struct.pack("!BBHHHBBH", 0x40 | words, 0, max(total, 0), 0xABCD, fragment_field, 64, proto, 0)
        packet, ethertype = head + draw(st.binary(min_size=8, max_size=8)) + options + body, 0x0800
    else:
        for _ in range(draw(st.integers(0, 3))):
            extension = draw(st.sampled_from([0, 43, 60, 44]))
            if extension == 44:
                offset = draw(st.sampled_from([0, 0, 1, 8, 9]))
                body = struct.pack("!BBHI", proto, 0, offset, 0x12345) + body
            else:
                words = draw(st.sampled_from([0, 0, 1, 2, 200]))
                body = bytes([proto, words]) + bytes(6 + 8 * (words if words < 3 else 0)) + body
            proto = extension
        length = len(body) + draw(st.sampled_from([0, 0, 0, -1, -30, 1, 500]))
        length = draw(st.sampled_from([length, length, length, 0]))
        head = struct.pack("!IHBB", 0x60000000, max(length, 0), proto, 64)
        packet, ethertype = head + draw(st.binary(min_size=32, max_size=32)) + body, 0x86DD
    for _ in range(draw(st.sampled_from([0, 0, 1, 2, 3]))):
        packet = struct.pack("!HH", draw(st.integers(0, 65535)), ethertype) + packet
        ethertype = draw(st.sampled_from([0x8100, 0x88A8]))
    frame = bytes(12) + struct.pack("!H", ethertype) + packet + bytes(draw(st.sampled_from([0, 0, 6, 7])))
    cut = draw(st.one_of(st.just(len(frame)), st.integers(0, len(frame))))
    is_honest = draw(st.booleans())
    return frame[:cut], len(frame) if is_honest else cut


@given(st.lists(frames(), min_size=1, max_size=8))
def test_the_decoder_agrees_with_its_twin(generated: list[tuple[bytes, int]]) -> None:
    for frame, wire_len in generated:  # each on its own: the twin has no fragment table
        (row,) = decode(batch_of([frame], wire_lens=[wire_len]))
        expected = twin(frame, wire_len)
        found = Packet(
            status=int(row["status"]),
            vlan_id=int(row["vlan_id"]),
            inner_vlan_id=int(row["inner_vlan_id"]),
            src=int(row["src_hi"]) << 64 | int(row["src_lo"]),
            dst=int(row["dst_hi"]) << 64 | int(row["dst_lo"]),
            proto=int(row["proto"]),
            ip_len=int(row["ip_len"]),
            fragment=int(row["fragment"]),
            src_port=int(row["src_port"]),
            dst_port=int(row["dst_port"]),
            seq=int(row["seq"]),
            tcp_flags=int(row["tcp_flags"]),
            payload_off=int(row["payload_off"]),
            payload_cap=int(row["payload_cap"]),
            payload_len=int(row["payload_len"]),
        )
        assert found == expected, frame.hex()
