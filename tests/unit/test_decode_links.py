"""Every link layer leads to the packet behind it, with the frame's VLAN ids."""

import struct

import pytest
from scapy.contrib.mpls import MPLS
from scapy.layers.dot11 import Dot11, Dot11QoS, RadioTap
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, LLC, SNAP, Dot1AD, Dot1Q, Dot3, Ether
from scapy.layers.ppp import HDLC, PPP, PPPoE, PPPoED
from scapy.packet import Packet

from sensor import constants as c
from tests.support.frames import batch_of, decode, endpoints, payload

DATA = b"hello, mirror"
TCP_PART = TCP(sport=49152, dport=443, flags="PA", seq=1000, ack=2000, window=512) / DATA
V4 = IP(src="10.1.2.3", dst="192.0.2.7", ttl=61, id=4711) / TCP_PART
V6 = IPv6(src="2001:db8::1", dst="2001:db8:ffff::2", hlim=55) / TCP_PART
ETHER = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")


def typed(ethertype: int, header: bytes, inner: Packet) -> bytes:
    """An Ethernet frame whose header is followed by bytes that scapy has no layer for."""
    return b"\x02" * 12 + struct.pack("!H", ethertype) + header + bytes(inner)


def le(value: int) -> bytes:
    return struct.pack("<I", value)


MAC = b"\x02" * 6
NFLOG = struct.pack("<BBH", 2, 0, 0) + struct.pack("<HH", 6, 1) + b"ab\0\0" + struct.pack("<HH", 4 + len(bytes(V4)), 9)
PPI = struct.pack("<BBHI", 0, 0, 8, c.LINK_IEEE802_11)
WLAN = Dot11(type=2, subtype=0, FCfield=1) / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(OUI=0, code=0x800) / V4
WLAN_QOS = (
    Dot11(type=2, subtype=8, FCfield=3, addr4="02:00:00:00:00:04")
    / Dot11QoS()
    / LLC(dsap=0xAA, ssap=0xAA, ctrl=3)
    / SNAP(OUI=0, code=0x800)
    / V4
)
WLAN_PROTECTED = Dot11(type=2, subtype=0, FCfield=0x41) / (b"\xaa\xaa\x03\0\0\0\x08\x00" + bytes(V4))

CASES = {
    "ethernet": (c.LINK_ETHERNET, ETHER / V4),
    "ethernet, IPv6": (c.LINK_ETHERNET, ETHER / V6),
    "802.1Q": (c.LINK_ETHERNET, ETHER / Dot1Q(vlan=7, prio=3) / V4),
    "802.1ad": (c.LINK_ETHERNET, ETHER / Dot1AD(vlan=7) / Dot1Q(vlan=8) / V6),
    "three tags": (c.LINK_ETHERNET, ETHER / Dot1AD(vlan=7) / Dot1Q(vlan=8) / Dot1Q(vlan=9) / V4),
    "QinQ 0x9100": (c.LINK_ETHERNET, typed(0x9100, struct.pack("!HHHH", 7, 0x8100, 8, 0x0800), V4)),
    "QinQ 0x9200": (c.LINK_ETHERNET, typed(0x9200, struct.pack("!HHHH", 7, 0x8100, 8, 0x0800), V4)),
    "SNAP": (c.LINK_ETHERNET, Dot3() / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(OUI=0, code=0x0800) / V4),
    "SNAP behind a tag": (
        c.LINK_ETHERNET,
        typed(0x8100, struct.pack("!HH", 7, 60) + b"\xaa\xaa\x03\0\0\0\x08\x00", V4),
    ),
    "MPLS": (c.LINK_ETHERNET, ETHER / MPLS(label=16, s=0) / MPLS(label=17, s=1) / V4),
    "MPLS, IPv6": (c.LINK_ETHERNET, ETHER / MPLS(label=17, s=1) / V6),
    "MPLS pseudowire": (c.LINK_ETHERNET, typed(0x8847, struct.pack("!II", 0x00010140, 0), ETHER / V4)),
    "PPPoE": (c.LINK_ETHERNET, ETHER / PPPoE(sessionid=5) / PPP(proto=0x21) / V4),
    "PPPoE, IPv6": (c.LINK_ETHERNET, ETHER / PPPoE(sessionid=5) / PPP(proto=0x57) / V6),
    "PPPoE, compressed": (c.LINK_ETHERNET, ETHER / PPPoE(sessionid=5) / (b"\x21" + bytes(V4))),
    "FabricPath": (c.LINK_ETHERNET, typed(0x8903, b"\0\x40", ETHER / Dot1Q(vlan=7) / V4)),
    "VNTag": (c.LINK_ETHERNET, typed(0x8926, struct.pack("!IHHH", 0x80010002, 0x8100, 7, 0x0800), V4)),
    "E-tag": (c.LINK_ETHERNET, typed(0x893F, bytes(6) + struct.pack("!H", 0x0800), V4)),
    "Cisco metadata": (c.LINK_ETHERNET, typed(0x8909, bytes(6) + struct.pack("!H", 0x86DD), V6)),
    "802.1ah": (c.LINK_ETHERNET, typed(0x88E7, bytes(4), ETHER / Dot1Q(vlan=7) / V4)),
    "PPP": (c.LINK_PPP, b"\x00\x21" + bytes(V4)),
    "PPP with address": (c.LINK_PPP, b"\xff\x03\x00\x57" + bytes(V6)),
    "PPP in HDLC": (c.LINK_PPP_HDLC, HDLC() / PPP(proto=0x21) / V4),
    "PPP link, PPPoE": (c.LINK_PPP_ETHER, PPPoE(sessionid=5) / PPP(proto=0x21) / V4),
    "Cisco HDLC": (c.LINK_CHDLC, b"\x0f\x00\x08\x00" + bytes(V4)),
    "Linux cooked": (c.LINK_LINUX_SLL, struct.pack("!HHH8sH", 0, 1, 6, MAC, 0x0800) + bytes(V4)),
    "Linux cooked, tagged": (c.LINK_LINUX_SLL, struct.pack("!HHH8sHHH", 0, 1, 6, MAC, 0x8100, 7, 0x86DD) + bytes(V6)),
    "Linux cooked 2": (c.LINK_LINUX_SLL2, struct.pack("!HHIHBB8s", 0x86DD, 0, 3, 1, 0, 6, MAC) + bytes(V6)),
    "raw": (c.LINK_RAW, V4),
    "raw, IPv6": (c.LINK_RAW, V6),
    "raw 12": (c.LINK_RAW_BSD, V4),
    "raw 14": (c.LINK_RAW_BSD2, V6),
    "IPv4": (c.LINK_IPV4, V4),
    "IPv6": (c.LINK_IPV6, V6),
    "null, little-endian": (c.LINK_NULL, le(2) + bytes(V4)),
    "null, big-endian": (c.LINK_NULL, struct.pack(">I", 2) + bytes(V4)),
    "null, macOS": (c.LINK_NULL, le(30) + bytes(V6)),
    "null, FreeBSD": (c.LINK_NULL, le(28) + bytes(V6)),
    "null, OpenBSD": (c.LINK_NULL, struct.pack(">I", 24) + bytes(V6)),
    "loop": (c.LINK_LOOP, struct.pack(">I", 24) + bytes(V6)),
    "802.11": (c.LINK_IEEE802_11, WLAN),
    "802.11, bridge, QoS": (c.LINK_IEEE802_11, WLAN_QOS),
    "radiotap": (c.LINK_RADIOTAP, RadioTap() / WLAN),
    "PPI": (c.LINK_PPI, PPI + bytes(WLAN)),
    "netfilter log": (c.LINK_NFLOG, NFLOG + bytes(V4)),
}
VLANS = {
    "802.1Q": (7, 0),
    "802.1ad": (7, 8),
    "three tags": (7, 8),
    "QinQ 0x9100": (7, 8),
    "QinQ 0x9200": (7, 8),
    "SNAP behind a tag": (7, 0),
    "FabricPath": (7, 0),
    "VNTag": (7, 0),
    "802.1ah": (7, 0),
    "Linux cooked, tagged": (7, 0),
}


@pytest.mark.parametrize("name", CASES)
def test_a_link_layer_leads_to_the_packet(name: str) -> None:
    link, frame = CASES[name]
    batch = batch_of([bytes(frame) + b"trailer"], link)
    rows = decode(batch)
    assert len(rows) == 1
    row = rows[0]
    assert c.STATUS_NAMES[row["status"]] == "ok"
    is_v6 = row["ip_version"] == 6
    expected = ("2001:db8::1", 49152, "2001:db8:ffff::2", 443) if is_v6 else ("10.1.2.3", 49152, "192.0.2.7", 443)
    assert endpoints(row) == expected
    assert payload(row, batch) == DATA
    assert row["payload_len"] == len(DATA)
    assert (row["vlan_id"], row["inner_vlan_id"]) == VLANS.get(name, (0, 0))
    assert (row["tunnel"], row["tunnel_depth"], row["is_carrier"]) == (c.TUNNEL_NONE, 0, 0)


@pytest.mark.parametrize(
    ("link", "frame", "status"),
    [
        (c.LINK_ETHERNET, bytes(ETHER / ARP()), c.STATUS_NOT_IP),
        (c.LINK_ETHERNET, bytes(Dot3() / LLC(dsap=0x42, ssap=0x42, ctrl=3)) + bytes(40), c.STATUS_NOT_IP),
        (c.LINK_ETHERNET, bytes(ETHER / PPPoED()), c.STATUS_NOT_IP),
        (c.LINK_ETHERNET, bytes(ETHER / PPPoE() / PPP(proto=0xC021)) + bytes(20), c.STATUS_NOT_IP),
        (c.LINK_ETHERNET, b"\x02" * 13, c.STATUS_TRUNCATED_LINK),
        (c.LINK_ETHERNET, b"", c.STATUS_TRUNCATED_LINK),
        (c.LINK_ETHERNET, bytes(ETHER / Dot1Q(vlan=7))[:17], c.STATUS_TRUNCATED_LINK),
        (c.LINK_ETHERNET, bytes(ETHER / V4)[:14], c.STATUS_TRUNCATED_IP),
        (c.LINK_NULL, le(7) + bytes(V4), c.STATUS_NOT_IP),
        (c.LINK_NULL, b"\x02\0\0", c.STATUS_TRUNCATED_LINK),
        (c.LINK_LINUX_SLL, bytes(15), c.STATUS_TRUNCATED_LINK),
        (c.LINK_LINUX_SLL2, bytes(19), c.STATUS_TRUNCATED_LINK),
        (c.LINK_IEEE802_11, bytes(WLAN_PROTECTED), c.STATUS_NOT_IP),
        (c.LINK_RADIOTAP, b"\0\0\xff\xff" + bytes(60), c.STATUS_TRUNCATED_LINK),
        (c.LINK_RAW, b"\x50" + bytes(40), c.STATUS_MALFORMED_IP),
        (147, bytes(ETHER / V4), c.STATUS_UNKNOWN_LINK),
    ],
)
def test_what_leads_to_no_packet_says_why(link: int, frame: bytes, status: int) -> None:
    (row,) = decode(batch_of([frame], link))
    assert c.STATUS_NAMES[row["status"]] == c.STATUS_NAMES[status]
    assert (row["src_lo"], row["dst_lo"], row["src_port"], row["proto"], row["payload_cap"]) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("frame", "vlans"),
    [
        (ETHER / V4, (99, 0)),
        (ETHER / Dot1Q(vlan=7) / V4, (99, 7)),
        (ETHER / Dot1AD(vlan=7) / Dot1Q(vlan=8) / V6, (99, 7)),
    ],
)
def test_a_tag_that_the_card_stripped_is_the_outermost(frame: Packet, vlans: tuple[int, int]) -> None:
    (row,) = decode(batch_of([bytes(frame)], vlan_ids=[99]))
    assert (row["vlan_id"], row["inner_vlan_id"]) == vlans
    assert row["status"] == c.STATUS_OK
