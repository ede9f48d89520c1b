"""Community ID against the reference package and the specification's own example."""

import ipaddress
import random

import communityid
import numpy as np
import pytest
from numpy.typing import NDArray

from sensor.dtypes import PACKET
from sensor.protocols.community_id import LANES, TEXT_BYTES, community_ids

Flow = tuple[str, str, int, int, int]


def address(ip: str) -> tuple[int, int]:
    parsed = ipaddress.ip_address(ip)
    value = int(parsed) | (0xFFFF << 32 if parsed.version == 4 else 0)
    return value >> 64, value & (2**64 - 1)


def columns(flows: list[Flow]) -> NDArray[np.void]:
    """The flows as rows of a packed layout, as a caller has them."""
    rows = np.zeros(len(flows), PACKET)
    for row, (src, dst, sport, dport, proto) in zip(rows, flows, strict=True):
        row["src_hi"], row["src_lo"] = address(src)
        row["dst_hi"], row["dst_lo"] = address(dst)
        row["src_port"], row["dst_port"], row["proto"] = sport, dport, proto
    return rows


def ours(flows: list[Flow]) -> list[str]:
    rows = columns(flows)
    out = np.zeros((len(flows), TEXT_BYTES), np.uint8)
    names = ("src_hi", "src_lo", "dst_hi", "dst_lo", "src_port", "dst_port", "proto")
    community_ids(*(rows[name] for name in names), out)
    return [bytes(row).decode() for row in out]


def reference(flow: Flow) -> str:
    src, dst, sport, dport, proto = flow
    has_ports = proto in (1, 6, 17, 58, 132)
    ports = (sport, dport) if has_ports else ()
    return str(communityid.CommunityID().calc(communityid.FlowTuple(proto, src, dst, *ports)))


def test_the_specifications_example() -> None:
    flow: Flow = ("128.232.110.120", "66.35.250.204", 34855, 80, 6)
    assert ours([flow]) == ["1:LQU9qZlK+B5F3KDmev6m5PMibrg="]


@pytest.mark.parametrize("proto", [1, 6, 17, 47, 50, 58, 89, 132])
@pytest.mark.parametrize("version", [4, 6])
def test_random_flows_equal_the_reference(proto: int, version: int) -> None:
    rng = random.Random(proto * 10 + version)
    flows: list[Flow] = []
    for _ in range(3 * LANES + 5):
        if version == 4:
            src, dst = (str(ipaddress.IPv4Address(rng.getrandbits(32))) for _ in range(2))
        else:
            src, dst = (str(ipaddress.IPv6Address(0x2001 << 112 | rng.getrandbits(112))) for _ in range(2))
        bits = 8 if proto in (1, 58) else 16
        flows.append((src, rng.choice((src, dst)), rng.getrandbits(bits), rng.getrandbits(bits), proto))
    assert ours(flows) == [reference(flow) for flow in flows]


@pytest.mark.parametrize(("proto", "ip"), [(1, "10.1.2.{}"), (58, "fe80::{}")])
def test_every_icmp_type_both_ways(proto: int, ip: str) -> None:
    flows: list[Flow] = [(ip.format(a), ip.format(3 - a), kind, 3, proto) for kind in range(256) for a in (1, 2)]
    assert ours(flows) == [reference(flow) for flow in flows]


def test_both_directions_agree() -> None:
    there: list[Flow] = [
        ("10.0.0.1", "10.0.0.2", 1000, 80, 6),
        ("10.0.0.1", "10.0.0.2", 8, 0, 1),
        ("::1", "::1", 9, 8, 17),
    ]
    back: list[Flow] = [
        ("10.0.0.2", "10.0.0.1", 80, 1000, 6),
        ("10.0.0.2", "10.0.0.1", 0, 8, 1),
        ("::1", "::1", 8, 9, 17),
    ]
    assert ours(there) == ours(back)


def test_icmp_type_beyond_a_byte_is_one_way() -> None:
    flow: Flow = ("10.0.0.2", "10.0.0.1", 300, 0, 1)
    assert ours([flow]) == [reference(flow)]


def test_no_rows_and_narrow_rows() -> None:
    assert ours([]) == []
    rows = columns([("10.0.0.1", "10.0.0.2", 1, 2, 6)])
    out = np.full((1, TEXT_BYTES - 1), 7, np.uint8)
    names = ("src_hi", "src_lo", "dst_hi", "dst_lo", "src_port", "dst_port", "proto")
    community_ids(*(rows[name] for name in names), out)
    assert (out == 7).all()
