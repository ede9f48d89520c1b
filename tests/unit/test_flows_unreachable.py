"""An ICMP "unreachable" marks the flow whose packet it quotes, and no other."""

import struct
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.constants import PROTO_ICMP, PROTO_ICMP6, PROTO_TCP, PROTO_UDP
from tests.support.packets import CLIENT, MS, SERVER, T0, Packet, Tcp, track, udp

ROUTER = "192.0.2.1"


def quote(src: str, dst: str, sport: int, dport: int, proto: int = PROTO_TCP) -> bytes:
    """The IP header and eight bytes of a packet, as ICMP quotes them."""
    ends = ip_address(src).packed + ip_address(dst).packed
    if ":" in src:
        head = struct.pack(">IHBB", 6 << 28, 20, proto, 63) + ends
    else:
        head = struct.pack(">BBHHHBBH", 0x45, 0, 40, 7, 0, 63, proto, 0) + ends
    return head + struct.pack(">HHI", sport, dport, 1000)


def told(payload: bytes, *, kind: int = 3, code: int = 13, to: str = CLIENT, proto: int = PROTO_ICMP) -> Packet:
    return Packet(T0 + 5 * MS, ROUTER if ":" not in to else "2001:db8::1", to, kind, code, proto, payload)


def notes(message: Packet, syn: Any = None) -> str:
    flows = track([*(syn or Tcp()("S").packets), message]).flows
    return str(next(flow["notes"] for flow in flows if flow["proto"] in (PROTO_TCP, PROTO_UDP)))


def test_the_quoted_flow_is_marked() -> None:
    assert notes(told(quote(CLIENT, SERVER, 40000, 8443))) == "unreachable"
    assert notes(told(quote(CLIENT, SERVER, 40000, 9999, PROTO_UDP)), [udp(T0)]) == "unreachable"


def test_ipv6() -> None:
    client, server = "2001:db8::5", "2001:db8:ffff::9"
    syn = Tcp(client=(client, 40000), server=(server, 8443))("S").packets
    message = quote(client, server, 40000, 8443)
    assert notes(told(message, kind=1, code=1, to=client, proto=PROTO_ICMP6), syn) == "unreachable"
    assert notes(told(message[:43], kind=1, to=client, proto=PROTO_ICMP6), syn) == ""


@pytest.mark.parametrize(
    "message",
    [
        told(quote(CLIENT, SERVER, 40001, 8443)),
        told(quote(CLIENT, SERVER, 40000, 8443), code=4),
        told(quote(CLIENT, SERVER, 40000, 8443), kind=11, code=0),
        told(quote(CLIENT, SERVER, 40000, 8443), to="10.0.0.6"),
        told(quote(SERVER, CLIENT, 8443, 40000), to=SERVER),
        told(quote(CLIENT, SERVER, 40000, 8443, PROTO_UDP)),
        told(quote(CLIENT, SERVER, 40000, 8443)[:23]),
        told(b""),
        told(b"\x4f" + quote(CLIENT, SERVER, 40000, 8443)[1:]),
        told(b"\x65" + quote(CLIENT, SERVER, 40000, 8443)[1:]),
    ],
    ids=["another port", "too big", "time exceeded", "told to another", "a packet of the responder", "another protocol",
         "cut", "empty", "longer header than there is", "of IPv6 in ICMP"],
)  # fmt: skip
def test_what_does_not_mark_it(message: Packet) -> None:
    assert notes(message) == ""


@given(st.binary(max_size=80), st.sampled_from([(PROTO_ICMP, 3, CLIENT), (PROTO_ICMP6, 1, "2001:db8::5")]))
def test_any_bytes_are_survived(payload: bytes, kind: tuple[int, int, str]) -> None:
    proto, number, to = kind
    message = told(payload, kind=number, to=to, proto=proto)
    assert len(track([*Tcp()("S").packets, message]).flows) == 2
