"""Addresses and numbers as text."""

import ipaddress
import random

import numpy as np
import pytest

from sensor.protocols import text
from tests.support.protocols import format_ip

V4_MAPPED = 0xFFFF << 32


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (V4_MAPPED, "0.0.0.0"),
        (V4_MAPPED | 0xFFFFFFFF, "255.255.255.255"),
        (V4_MAPPED | 0x0A006409, "10.0.100.9"),
        (0, "::"),
        (1, "::1"),
        (1 << 112, "1::"),
        (0xFFFF << 16, "::ffff:0"),  # one group lower than IPv4-mapped
        (0x20010DB8000000010001000100010001, "2001:db8:0:1:1:1:1:1"),  # RFC 5952 section 4.2.2
        (0x20010DB8000000000001000000000001, "2001:db8::1:0:0:1"),  # section 4.2.3: of equal runs the first
        (0x20010000000000010000000000000001, "2001:0:0:1::1"),  # section 4.2.3: the longest run
        (0x00010002000300040005000600000000, "1:2:3:4:5:6::"),
        (2**128 - 1, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ],
)
def test_known_addresses(value: int, want: str) -> None:
    assert format_ip(value) == want


def test_every_octet_value() -> None:
    for octet in range(256):
        assert format_ip(V4_MAPPED | octet << 16 | octet) == f"0.{octet}.0.{octet}"


def test_many_addresses_against_ipaddress() -> None:
    rng = random.Random(4)
    groups = (0, 0, 0, 1, 0xF, 0xAB, 0xCDE, 0xFFFF)
    for _ in range(5000):
        value = 0
        for _group in range(8):
            value = value << 16 | rng.choice(groups)
        if value >> 32 != 0xFFFF:
            assert format_ip(value) == str(ipaddress.IPv6Address(value))


@pytest.mark.parametrize("room", [0, 1, 15, 38])
def test_a_small_buffer_is_left_alone(room: int) -> None:
    out = np.full(64, 7, np.uint8)
    assert text.format_ip(np.uint64(2**64 - 1), np.uint64(2**64 - 1), out[:room]) == -1
    assert (out == 7).all()


@pytest.mark.parametrize("value", [0, 9, 10, 65535, 10**17 + 1, 10**18 - 1])
def test_decimal(value: int) -> None:
    out = np.zeros(24, np.uint8)
    end = text.put_decimal(out, 3, value)
    assert bytes(out[3:end]) == str(value).encode()
    assert text.put_decimal(out[: end - 1], 3, value) == -1
