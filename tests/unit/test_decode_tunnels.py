"""Tunnels: the packet inside is the row that counts; a UDP tunnel's outer packet comes before it, marked as carrier."""

import struct

import pytest
from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.contrib.gtp import GTP_U_Header, GTPPDUSessionContainer
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, GRE, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet

from sensor import constants as c
from sensor.decode.decoder import Decoder
from tests.support.frames import batch_of, decode, endpoints, payload

DATA = b"hello, mirror"
IN4 = IP(src="10.1.2.3", dst="192.0.2.7") / TCP(sport=49152, dport=443, flags="PA") / DATA
IN6 = IPv6(src="2001:db8::1", dst="2001:db8:ffff::2") / TCP(sport=49152, dport=443, flags="PA") / DATA
ETHER = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
OUT4 = IP(src="172.16.0.1", dst="172.16.0.2")
OUT6 = IPv6(src="fd00::1", dst="fd00::2")


def gre(flags_and_version: int, protocol: int, rest: bytes, inner: Packet | bytes) -> Packet:
    """A GRE packet whose fields are as said."""
    return OUT4 / struct.pack("!HH", flags_and_version, protocol) / rest / bytes(inner)


def set_proto(packet: Packet, proto: int) -> Packet:
    packet = packet.copy()
    packet.proto = proto
    return packet


def teredo(header: bytes) -> Packet:
    return OUT4 / UDP(sport=3544, dport=50000) / (header + bytes(IN6))


AYIYA = struct.pack("!BBBBI", 0x41, 0x52, 0x11, 41, 0) + bytes(16) + bytes(20)
SEQUENCE = struct.pack("!I", 1)
ERSPAN2 = struct.pack("!II", 0x10010000, 0)
ERSPAN3 = struct.pack("!III", 0x20010000, 0, 0)
ERSPAN3_PLATFORM = struct.pack("!III", 0x20010000, 0, 1) + bytes(8)

IP_TUNNELS = {
    "GRE": (OUT4 / GRE() / IN4, c.TUNNEL_GRE),
    "GRE over IPv6": (OUT6 / GRE() / IN4, c.TUNNEL_GRE),
    "GRE, IPv6 inside": (OUT4 / GRE(proto=0x86DD) / IN6, c.TUNNEL_GRE),
    "GRE, all fields": (OUT4 / GRE(chksum_present=1, key_present=1, seqnum_present=1, key=5) / IN4, c.TUNNEL_GRE),
    "GRE, routing": (
        set_proto(gre(0x4000, 0x0800, bytes(4) + struct.pack("!HBBI", 2, 0, 4, 9) + bytes(4), IN4), 47),
        c.TUNNEL_GRE,
    ),
    "GRE, Ethernet": (OUT4 / GRE(proto=0x6558) / ETHER / Dot1Q(vlan=9) / IN4, c.TUNNEL_GRE),
    "GRE, MPLS": (OUT4 / GRE(proto=0x8847) / MPLS(label=16, s=1) / IN6, c.TUNNEL_GRE),
    "PPTP": (set_proto(gre(0x3081, 0x880B, bytes(12), b"\xff\x03\x00\x21" + bytes(IN4)), 47), c.TUNNEL_GRE),
    "PPTP, no acknowledgement": (set_proto(gre(0x3001, 0x880B, bytes(8), b"\x21" + bytes(IN4)), 47), c.TUNNEL_GRE),
    "WCCP": (set_proto(gre(0, 0x883E, bytes(4), IN4), 47), c.TUNNEL_GRE),
    "ERSPAN I": (set_proto(gre(0, 0x88BE, b"", ETHER / IN4), 47), c.TUNNEL_ERSPAN),
    "ERSPAN II": (set_proto(gre(0x1000, 0x88BE, SEQUENCE + ERSPAN2, ETHER / Dot1Q(vlan=9) / IN4), 47), c.TUNNEL_ERSPAN),
    "ERSPAN III": (set_proto(gre(0x1000, 0x22EB, SEQUENCE + ERSPAN3, ETHER / IN6), 47), c.TUNNEL_ERSPAN),
    "ERSPAN III, platform": (
        set_proto(gre(0x1000, 0x22EB, SEQUENCE + ERSPAN3_PLATFORM, ETHER / IN4), 47),
        c.TUNNEL_ERSPAN,
    ),
    "IP in IP": (OUT4 / IN4, c.TUNNEL_IPIP),
    "IPv4 in IPv6": (OUT6 / IN4, c.TUNNEL_IPIP),
    "IPv6 in IPv6": (OUT6 / IN6, c.TUNNEL_IPIP),
    "6in4": (OUT4 / IN6, c.TUNNEL_6IN4),
}
UDP_TUNNELS = {
    "VXLAN": (OUT4 / UDP(sport=50000, dport=4789) / VXLAN(vni=7) / ETHER / IN4, c.TUNNEL_VXLAN),
    "VXLAN, old port": (
        OUT4 / UDP(sport=50000, dport=8472) / VXLAN(vni=7) / ETHER / Dot1Q(vlan=9) / IN6,
        c.TUNNEL_VXLAN,
    ),
    "VXLAN over IPv6": (OUT6 / UDP(sport=50000, dport=4789) / VXLAN(vni=7) / ETHER / IN4, c.TUNNEL_VXLAN),
    "VXLAN-GPE": (OUT4 / UDP(sport=50000, dport=4790) / (b"\x0c\0\0\x01" + bytes(4) + bytes(IN4)), c.TUNNEL_VXLAN),
    "VXLAN-GPE, Ethernet": (
        OUT4 / UDP(sport=50000, dport=4790) / (b"\x0c\0\0\x03" + bytes(4) + bytes(ETHER / IN4)),
        c.TUNNEL_VXLAN,
    ),
    "GENEVE": (OUT4 / UDP(sport=50000, dport=6081) / GENEVE(vni=7) / ETHER / IN4, c.TUNNEL_GENEVE),
    "GENEVE, options": (
        OUT4
        / UDP(sport=50000, dport=6081)
        / GENEVE(vni=7, options=[GeneveOptions(classid=1, type=2, data=b"8 bytes!")])
        / ETHER
        / IN6,
        c.TUNNEL_GENEVE,
    ),
    "GENEVE, no Ethernet": (OUT4 / UDP(sport=50000, dport=6081) / GENEVE(vni=7, proto=0x0800) / IN4, c.TUNNEL_GENEVE),
    "GRE in UDP": (OUT4 / UDP(sport=50000, dport=4754) / GRE(key_present=1) / IN4, c.TUNNEL_GRE),
    "GTP-U": (OUT4 / UDP(sport=2152, dport=2152) / GTP_U_Header(teid=7, gtp_type=255) / IN4, c.TUNNEL_GTP),
    "GTP-U, IPv6": (OUT6 / UDP(sport=2152, dport=2152) / GTP_U_Header(teid=7, gtp_type=255) / IN6, c.TUNNEL_GTP),
    "GTP-U, sequence": (
        OUT4 / UDP(sport=2152, dport=2152) / GTP_U_Header(teid=7, gtp_type=255, S=1, seq=3) / IN4,
        c.TUNNEL_GTP,
    ),
    "GTP-U, extension": (
        OUT4
        / UDP(sport=2152, dport=2152)
        / GTP_U_Header(teid=7, gtp_type=255, E=1, next_ex=0x85)
        / GTPPDUSessionContainer(type=1, QFI=1)
        / IN4,
        c.TUNNEL_GTP,
    ),
    "Teredo": (teredo(b""), c.TUNNEL_TEREDO),
    "Teredo, origin": (teredo(bytes(8)), c.TUNNEL_TEREDO),
    "Teredo, authentication": (teredo(struct.pack("!HBB", 1, 2, 3) + bytes(2 + 3 + 9)), c.TUNNEL_TEREDO),
    "Teredo, both": (teredo(struct.pack("!HBB", 1, 0, 0) + bytes(9) + bytes(8)), c.TUNNEL_TEREDO),
    "AYIYA": (OUT4 / UDP(sport=50000, dport=5072) / (AYIYA + bytes(IN6)), c.TUNNEL_AYIYA),
}


def expected(row: object) -> tuple[str, int, str, int]:
    inner6 = row["ip_version"] == 6  # type: ignore[index]
    return ("2001:db8::1", 49152, "2001:db8:ffff::2", 443) if inner6 else ("10.1.2.3", 49152, "192.0.2.7", 443)


@pytest.mark.parametrize("name", IP_TUNNELS)
def test_an_ip_tunnel_gives_the_inner_row_alone(name: str) -> None:
    packet, tunnel = IP_TUNNELS[name]
    batch = batch_of([bytes(ETHER / Dot1Q(vlan=5) / packet) + b"trailer"])
    rows = decode(batch)
    assert len(rows) == 1
    assert endpoints(rows[0]) == expected(rows[0])
    assert payload(rows[0], batch) == DATA
    assert (rows[0]["tunnel"], rows[0]["tunnel_depth"], rows[0]["is_carrier"]) == (tunnel, 1, 0)
    assert (rows[0]["vlan_id"], rows[0]["inner_vlan_id"]) == (5, 0)  # tags inside a tunnel are not the frame's


@pytest.mark.parametrize("name", UDP_TUNNELS)
def test_a_udp_tunnel_gives_the_carrier_and_the_inner_row(name: str) -> None:
    packet, tunnel = UDP_TUNNELS[name]
    batch = batch_of([bytes(ETHER / Dot1Q(vlan=5) / packet) + b"trailer"])
    carrier, inner = decode(batch)
    assert endpoints(inner) == expected(inner)
    assert payload(inner, batch) == DATA
    assert (inner["tunnel"], inner["tunnel_depth"], inner["is_carrier"], inner["frame"]) == (tunnel, 1, 0, 0)
    assert endpoints(carrier)[0] == packet.src
    assert (carrier["src_port"], carrier["dst_port"], carrier["proto"]) == (packet[UDP].sport, packet[UDP].dport, 17)
    assert (carrier["tunnel"], carrier["tunnel_depth"], carrier["is_carrier"], carrier["frame"]) == (0, 0, 1, 0)
    assert {int(row["vlan_id"]) for row in (carrier, inner)} == {5}


@pytest.mark.parametrize(
    ("packet", "proto"),
    [
        (OUT4 / GRE() / b"\x99 no packet, and long enough to be one", 47),
        (OUT4 / GRE(proto=0x6558) / ETHER / ARP(), 47),
        (set_proto(gre(0x2001, 0x880B, bytes(4), b"") / struct.pack("!I", 9), 47), 47),  # PPTP acknowledges
        (OUT4 / GRE(version=3) / IN4, 47),
        (set_proto(OUT4, 4) / b"\x45 cut", 4),
        (set_proto(OUT4, 41) / bytes(40), 41),
    ],
)
def test_an_ip_tunnel_without_a_packet_is_the_outer_row(packet: Packet, proto: int) -> None:
    (row,) = decode(batch_of([bytes(ETHER / packet)]))
    assert endpoints(row) == ("172.16.0.1", 0, "172.16.0.2", 0)
    assert (row["proto"], row["status"], row["tunnel"], row["is_carrier"]) == (proto, c.STATUS_OK, 0, 0)
    assert row["payload_len"] == row["ip_len"] - 20


@pytest.mark.parametrize(
    "packet",
    [
        OUT4 / UDP(sport=50000, dport=4789) / VXLAN(vni=7) / ETHER / ARP(),
        OUT4 / UDP(sport=50000, dport=4789) / (bytes(8) + bytes(ETHER / IN4)),  # no VNI
        OUT4 / UDP(sport=4789, dport=50000) / VXLAN(vni=7) / ETHER / IN4,  # the port of a sender is any port
        OUT4 / UDP(sport=2152, dport=2152) / GTP_U_Header(teid=7, gtp_type=1) / IN4,  # an echo request
        OUT4 / UDP(sport=3544, dport=50000) / bytes(IN6)[:-1],  # an IPv6 packet that does not fit
        OUT4 / UDP(sport=5072, dport=5072) / bytes(60),
        OUT4 / UDP(sport=50000, dport=6081) / bytes(7),
        OUT4 / UDP(sport=50000, dport=4754) / b"",
    ],
)
def test_a_udp_tunnel_without_a_packet_is_an_ordinary_row(packet: Packet) -> None:
    (row,) = decode(batch_of([bytes(ETHER / packet)]))
    assert (row["is_carrier"], row["tunnel"], row["status"], row["proto"]) == (0, 0, c.STATUS_OK, 17)


def test_tunnels_in_tunnels() -> None:
    vxlan = UDP(sport=50000, dport=4789) / VXLAN(vni=7) / ETHER
    frame = ETHER / OUT4 / vxlan / OUT6 / GRE() / OUT4 / vxlan / IN4
    rows = decode(batch_of([bytes(frame)]))
    assert rows["is_carrier"].tolist() == [1, 1, 0]
    assert rows["tunnel_depth"].tolist() == [0, 2, 3]
    assert rows["tunnel"].tolist() == [c.TUNNEL_NONE, c.TUNNEL_GRE, c.TUNNEL_VXLAN]
    assert endpoints(rows[2]) == ("10.1.2.3", 49152, "192.0.2.7", 443)


@pytest.mark.parametrize("depth", [c.MAX_TUNNELS, c.MAX_TUNNELS + 1])
def test_the_depth_is_bounded(depth: int) -> None:
    packet = IN4
    for _ in range(depth):
        packet = OUT4 / packet
    (row,) = decode(batch_of([bytes(ETHER / packet)]))
    if depth == c.MAX_TUNNELS:
        assert (row["status"], row["tunnel_depth"], row["proto"]) == (c.STATUS_OK, depth, 6)
    else:
        assert (row["status"], row["tunnel_depth"], row["proto"]) == (c.STATUS_TUNNEL_TOO_DEEP, c.MAX_TUNNELS, 4)


def test_udp_tunnels_up_to_the_bound_give_a_row_each() -> None:
    packet = bytes(IN4)
    for _ in range(c.MAX_TUNNELS + 2):
        packet = bytes(OUT4 / UDP(sport=2152, dport=2152) / GTP_U_Header(teid=7, gtp_type=255) / packet)
    rows = decode(batch_of([packet] * 3, c.LINK_RAW))
    assert len(rows) == 3 * (c.MAX_TUNNELS + 1)
    assert rows["frame"].tolist() == sorted(list(range(3)) * (c.MAX_TUNNELS + 1))
    assert rows["is_carrier"].tolist() == ([1] * c.MAX_TUNNELS + [0]) * 3
    assert rows["status"][c.MAX_TUNNELS] == c.STATUS_TUNNEL_TOO_DEEP


def test_a_tunnel_inside_reads_no_byte_of_the_outer_trailer() -> None:
    outer = bytes(ETHER / OUT4 / IN4)
    cut = OUT4.copy()
    cut.len = 20 + 20 + 19  # the outer length ends inside the inner TCP header
    cut.proto = 4
    frame = bytes(ETHER / cut / bytes(IN4))
    assert len(frame) == len(outer)
    (row,) = decode(batch_of([frame]))
    assert (row["proto"], row["tunnel"]) == (4, 0)


def test_counters() -> None:
    decoder = Decoder()
    vxlan, gre_packet = UDP_TUNNELS["VXLAN"][0], IP_TUNNELS["GRE"][0]
    frames = [
        bytes(ETHER / IN4),
        bytes(ETHER / vxlan),
        bytes(ETHER / gre_packet),
        bytes(ETHER / ARP()),
        b"",
        bytes(IN4),
    ]
    batch = batch_of(frames, [1, 1, 1, 1, 147, 101])
    for _ in range(2):
        decoder.decode(batch)
    assert decoder.link_counts == {1: 8, 101: 2, 147: 2}
    counts = dict(zip(c.STATUS_NAMES, decoder.status_counts.tolist(), strict=True))
    assert {name: n for name, n in counts.items() if n} == {"ok": 10, "not_ip": 2, "unknown_link": 2}
    tunnels = dict(zip(c.TUNNEL_NAMES, decoder.tunnel_counts.tolist(), strict=True))
    assert {name: n for name, n in tunnels.items() if n} == {"": 10, "gre": 2, "vxlan": 2}
