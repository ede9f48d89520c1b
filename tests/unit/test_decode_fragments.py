"""Fragments: the first gives the ports, later ones follow it for a while, and no payload is read as a header."""

import pytest
from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, fragment6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet

from sensor import constants as c
from sensor.decode.decoder import Decoder
from tests.support.frames import batch_of, decode, endpoints

SECOND_NS = 1_000_000_000
ETHER = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")


def pieces4(ident: int = 7, proto: str = "udp", n_bytes: int = 3000) -> list[bytes]:
    l4 = UDP(sport=4000, dport=53) if proto == "udp" else TCP(sport=4000, dport=53)
    return [
        bytes(piece) for piece in fragment(IP(src="10.0.0.1", dst="10.0.0.2", id=ident) / l4 / bytes(n_bytes), 1000)
    ]


def pieces6(before: Packet | None = None) -> list[bytes]:
    head = IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrFragment(id=0x12345)
    head = head / before if before is not None else head
    return [bytes(piece) for piece in fragment6(head / UDP(sport=4000, dport=53) / bytes(3000), 1280)]


@pytest.mark.parametrize("frames", [pieces4(), pieces4(proto="tcp"), pieces6(), pieces6(IPv6ExtHdrDestOpt())])
def test_later_fragments_follow_their_first(frames: list[bytes]) -> None:
    rows = decode(batch_of(frames, c.LINK_RAW))
    assert len(rows) == len(frames) >= 3
    assert len({endpoints(row) for row in rows}) == 1
    assert endpoints(rows[0])[1::2] == (4000, 53)
    assert len(set(rows["proto"])) == 1
    assert rows["fragment"].tolist() == [c.FRAGMENT_FIRST] + [c.FRAGMENT_LATER] * (len(frames) - 1)
    assert set(rows["status"]) == {c.STATUS_OK}
    assert rows["payload_len"].sum() == 3000
    assert (rows["tcp_flags"][1:] == 0).all()


def test_a_later_fragment_alone_is_an_orphan() -> None:
    for frames in (pieces4()[1:], pieces6()[1:]):
        rows = decode(batch_of(frames, c.LINK_RAW))
        assert set(rows["status"]) == {c.STATUS_ORPHAN_FRAGMENT}
        assert (rows["src_port"] == 0).all()
        assert (rows["proto"] == 17).all()
        assert (rows["payload_len"] > 0).all()


@pytest.mark.parametrize(("seconds", "status"), [(29, c.STATUS_OK), (31, c.STATUS_ORPHAN_FRAGMENT)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_first_fragment_is_remembered_for_a_while(seconds: int, status: int, sign: int) -> None:
    first, second = pieces4()[:2]
    rows = decode(batch_of([first, second], c.LINK_RAW, ts_ns=[100 * SECOND_NS, (100 + sign * seconds) * SECOND_NS]))
    assert rows["status"][1] == status


@pytest.mark.parametrize(
    "other",
    [
        pieces4(ident=8)[1],
        pieces4(proto="tcp")[1],
        bytes(IP(src="10.0.0.3", dst="10.0.0.2", id=7, proto=17, frag=100) / bytes(50)),
        bytes(IP(src="10.0.0.2", dst="10.0.0.1", id=7, proto=17, frag=100) / bytes(50)),
    ],
)
def test_another_datagram_is_not_followed(other: bytes) -> None:
    rows = decode(batch_of([pieces4()[0], other], c.LINK_RAW))
    assert rows["status"][1] == c.STATUS_ORPHAN_FRAGMENT
    assert rows["dst_port"][1] == 0


def test_another_vlan_is_not_followed() -> None:
    first, second = pieces4()[:2]
    frames = [bytes(ETHER / Dot1Q(vlan=5) / IP(first)), bytes(ETHER / Dot1Q(vlan=6) / IP(second))]
    assert decode(batch_of(frames))["status"].tolist() == [c.STATUS_OK, c.STATUS_ORPHAN_FRAGMENT]


def test_a_cut_first_fragment_is_not_followed() -> None:
    first, second = pieces4(proto="tcp")[:2]
    rows = decode(batch_of([first[:30], second], c.LINK_RAW, wire_lens=[len(first), len(second)]))
    assert rows["status"].tolist() == [c.STATUS_TRUNCATED_L4, c.STATUS_ORPHAN_FRAGMENT]


def test_the_table_is_bounded_and_keeps_what_is_new() -> None:
    decoder = Decoder()
    first = bytes(
        IP(src="10.0.0.1", dst="10.0.0.2", id=1, proto=17, flags="MF") / UDP(sport=4000, dport=53) / bytes(16)
    )
    firsts = [first[:12] + b"\x0a" + i.to_bytes(3, "big") + first[16:] for i in range(20_000)]  # each from elsewhere
    decode(batch_of(firsts, c.LINK_RAW), decoder)
    rows = decode(batch_of(pieces4(ident=9), c.LINK_RAW, ts_ns=[20_000] * 4), decoder)
    assert set(rows["status"]) == {c.STATUS_OK}
    assert (rows["dst_port"] == 53).all()


def test_later_fragments_of_a_carrier_are_carriers() -> None:
    inside = Ether() / IP(src="10.9.9.9", dst="10.8.8.8") / TCP(sport=1, dport=2) / bytes(1900)
    outer = IP(src="10.0.0.1", dst="10.0.0.2", id=7) / UDP(sport=4000, dport=4789) / VXLAN(vni=3) / inside
    rows = decode(batch_of([bytes(piece) for piece in fragment(outer, 1000)], c.LINK_RAW))
    assert rows["is_carrier"].tolist() == [1, 0, 1]
    assert rows["tunnel"].tolist() == [c.TUNNEL_NONE, c.TUNNEL_VXLAN, c.TUNNEL_NONE]


def test_later_fragments_of_an_ip_tunnel_keep_the_outer_addresses() -> None:
    inside = IP(src="10.9.9.9", dst="10.8.8.8") / TCP(sport=1, dport=2) / bytes(1900)
    outer = IP(src="10.0.0.1", dst="10.0.0.2", id=7) / inside
    rows = decode(batch_of([bytes(piece) for piece in fragment(outer, 1000)], c.LINK_RAW))
    assert endpoints(rows[0]) == ("10.9.9.9", 1, "10.8.8.8", 2)
    assert endpoints(rows[1]) == ("10.0.0.1", 0, "10.0.0.2", 0)
    assert (rows["status"][1], rows["proto"][1]) == (c.STATUS_OK, 4)
