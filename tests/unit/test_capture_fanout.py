"""The fanout program, run by an interpreter of its own: both directions of what belongs together go to one worker."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.capture.fanout import fanout_program
from sensor.decode.tunnels import TUNNEL_PORTS, is_tunnel_port

STEPS = [struct.unpack_from("=HBBI", fanout_program(), at) for at in range(0, len(fanout_program()), 8)]
NET, PROTOCOL = 0xFFF00000, 0xFFFFF000


def run(ethertype: int, packet: bytes) -> int | None:
    """What the program returns for an IP packet; None when it reads behind its end, which the kernel takes as 0."""
    a = x = pc = 0
    while True:
        code, true, false, k = STEPS[pc]
        pc += 1
        if code in (0x20, 0x28, 0x30):
            if k == PROTOCOL:
                a = ethertype
                continue
            at, size = k - NET, {0x20: 4, 0x28: 2, 0x30: 1}[code]
            if at + size > len(packet):
                return None
            a = int.from_bytes(packet[at : at + size], "big")
        elif code in (0x15, 0x1D, 0x2D, 0x45):
            holds = {0x15: a == k, 0x1D: a == x, 0x2D: a > x, 0x45: bool(a & k)}[code]
            pc += true if holds else false
        elif code == 0x05:
            pc += k
        elif code == 0x07:
            x = a
        elif code in (0xAC, 0x24, 0x74):
            a = {0xAC: a ^ x, 0x24: a * k & 0xFFFFFFFF, 0x74: a >> (k & 31)}[code]
        else:
            assert code in (0x06, 0x16), hex(code)
            return k if code == 0x06 else a


def ipv4(src: int, dst: int, ports: tuple[int, int], proto: int = 17, fragment: int = 0, head: int = 0x45) -> bytes:
    return struct.pack(">BBHHHBBHIIHH8x", head, 0, 36, 1, fragment, 64, proto, 0, src, dst, *ports)


def ipv6(src: int, dst: int, ports: tuple[int, int], proto: int = 6) -> bytes:
    addresses = src.to_bytes(16, "big") + dst.to_bytes(16, "big")
    return struct.pack(">IHBB", 6 << 28, 16, proto, 64) + addresses + struct.pack(">HH12x", *ports)


addresses, ports = st.integers(1, 2**32 - 1), st.integers(1, 65535)


@given(addresses, addresses, ports, ports, st.sampled_from([6, 17, 1, 47, 50]), st.booleans())
def test_both_directions_go_to_one_worker(a: int, b: int, p: int, q: int, proto: int, is_six: bool) -> None:
    make, ethertype = (ipv6, 0x86DD) if is_six else (ipv4, 0x0800)
    assert run(ethertype, make(a, b, (p, q), proto)) == run(ethertype, make(b, a, (q, p), proto))


@given(addresses, addresses, addresses, st.integers(1024, 65535), st.integers(1024, 65535), st.integers(1, 1023))
def test_a_client_s_questions_go_where_its_connections_go(
    client: int, resolver: int, server: int, p: int, q: int, service: int
) -> None:
    if p in TUNNEL_PORTS or q in TUNNEL_PORTS:
        return
    question, connection = ipv4(client, resolver, (p, 53)), ipv4(client, server, (q, service), 6)
    assert run(0x0800, question) == run(0x0800, connection) is not None


@given(addresses, addresses, st.lists(st.tuples(ports, ports), min_size=2, max_size=5))
def test_fragments_and_options_go_by_both_addresses(a: int, b: int, several: list[tuple[int, int]]) -> None:
    assert len({run(0x0800, ipv4(a, b, pair, fragment=0x2000 if i else 0x00B9)) for i, pair in enumerate(several)}) == 1
    assert len({run(0x0800, ipv4(a, b, pair, head=0x46)) for pair in several}) == 1


@pytest.mark.parametrize("port", TUNNEL_PORTS)
def test_a_tunnel_s_two_directions_go_to_one_worker(port: int) -> None:
    assert is_tunnel_port(port, 1) or is_tunnel_port(1, port)
    one, other = ipv4(0x0A000001, 0x0A000002, (55_555, port)), ipv4(0x0A000002, 0x0A000001, (51_111, port))
    assert run(0x0800, one) == run(0x0800, other)


def test_what_is_no_ip_goes_to_the_first_and_short_packets_harm_nobody() -> None:
    assert run(0x0806, b"") == 0
    whole = ipv4(0x0A000001, 0x0A000002, (5555, 80), 6)
    assert all(run(0x0800, whole[:n]) is None for n in range(20))


def test_clients_are_spread_evenly() -> None:
    workers = [run(0x0800, ipv4(0x0A000000 + i, 0xCB007142, (40_000, 443), 6)) or 0 for i in range(4096)]
    shares = [sum(1 for worker in workers if worker % 4 == n) for n in range(4)]
    assert min(shares) > 900
