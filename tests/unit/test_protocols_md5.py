"""MD5 against RFC 1321's test suite and hashlib; spans that do not fit."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.protocols.md5 import WORK_WORDS, md5
from tests.support.protocols import frames_of


def digest(message: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
    out = np.full(24, 0xAA, np.uint8)
    work = np.full(WORK_WORDS, 0x55555555, np.uint32)
    frames = frames_of(before + message + after)
    assert md5(frames, len(before), len(before) + len(message), out, 3, work)
    assert bytes(out[:3]) + bytes(out[19:]) == b"\xaa" * 8
    return bytes(out[3:19])


@pytest.mark.parametrize(
    ("message", "want"),
    [  # RFC 1321 appendix A.5
        (b"", "d41d8cd98f00b204e9800998ecf8427e"),
        (b"a", "0cc175b9c0f1b6a831c399e269772661"),
        (b"abc", "900150983cd24fb0d6963f7d28e17f72"),
        (b"message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        (b"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
        (
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            "d174ab98d277d9f5a5611c2c9f419d9f",
        ),
        (b"1234567890" * 8, "57edf4a22be3c955ac49da2e2107b67a"),
    ],
)
def test_published_examples(message: bytes, want: str) -> None:
    assert digest(message).hex() == want


def test_every_length_around_the_blocks() -> None:
    message = bytes(i * 7 & 0xFF for i in range(300))
    for length in range(300):
        assert digest(message[:length]) == hashlib.md5(message[:length]).digest()


@given(st.binary(max_size=300), st.binary(max_size=70), st.binary(max_size=70))
def test_bytes_outside_the_span_change_nothing(message: bytes, before: bytes, after: bytes) -> None:
    assert digest(message, before, after) == hashlib.md5(message).digest()


def test_a_digest_over_its_own_message() -> None:
    both = np.frombuffer(b"x" * 100, np.uint8).copy()
    assert md5(both, 0, 100, both, 0, np.zeros(WORK_WORDS, np.uint32))
    assert bytes(both[:16]) == hashlib.md5(b"x" * 100).digest()


@pytest.mark.parametrize(
    ("pos", "end", "out_at", "n_out", "n_work"),
    [
        (-1, 3, 0, 16, WORK_WORDS),
        (4, 3, 0, 16, WORK_WORDS),
        (0, 11, 0, 16, WORK_WORDS),
        (0, 10, 0, 15, WORK_WORDS),
        (0, 10, 1, 16, WORK_WORDS),
        (0, 10, -1, 16, WORK_WORDS),
        (0, 10, 0, 16, WORK_WORDS - 1),
    ],
)
def test_spans_that_do_not_fit(pos: int, end: int, out_at: int, n_out: int, n_work: int) -> None:
    out = np.full(n_out, 0xAA, np.uint8)
    assert not md5(frames_of(bytes(10)), pos, end, out, out_at, np.zeros(n_work, np.uint32))
    assert (out == 0xAA).all()
