"""SHA-256 against the published examples and hashlib; spans that do not fit."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.protocols.sha256 import WORK_WORDS, sha256
from tests.support.protocols import frames_of


def digest(message: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
    out = np.full(40, 0xAA, np.uint8)
    work = np.full(WORK_WORDS, 0x55555555, np.uint32)
    frames = frames_of(before + message + after)
    assert sha256(frames, len(before), len(before) + len(message), out, 3, work)
    assert bytes(out[:3]) + bytes(out[35:]) == b"\xaa" * 8
    return bytes(out[3:35])


@pytest.mark.parametrize(
    ("message", "want"),
    [
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
    ],
)
def test_published_examples(message: bytes, want: str) -> None:
    assert digest(message).hex() == want


def test_every_length_around_the_blocks() -> None:
    message = bytes(i * 7 & 0xFF for i in range(300))
    for length in range(300):
        assert digest(message[:length]) == hashlib.sha256(message[:length]).digest()


@given(st.binary(max_size=300), st.binary(max_size=70), st.binary(max_size=70))
def test_bytes_outside_the_span_change_nothing(message: bytes, before: bytes, after: bytes) -> None:
    assert digest(message, before, after) == hashlib.sha256(message).digest()


def test_a_digest_over_its_own_message() -> None:
    both = np.frombuffer(b"x" * 100, np.uint8).copy()
    assert sha256(both, 0, 100, both, 0, np.zeros(WORK_WORDS, np.uint32))
    assert bytes(both[:32]) == hashlib.sha256(b"x" * 100).digest()


@pytest.mark.parametrize(
    ("pos", "end", "out_at", "n_out", "n_work"),
    [
        (-1, 3, 0, 32, WORK_WORDS),
        (4, 3, 0, 32, WORK_WORDS),
        (0, 11, 0, 32, WORK_WORDS),
        (0, 3, 0, 31, WORK_WORDS),
        (0, 3, 1, 32, WORK_WORDS),
        (0, 3, -1, 64, WORK_WORDS),
        (0, 3, 0, 32, WORK_WORDS - 1),
    ],
)
def test_spans_that_do_not_fit(pos: int, end: int, out_at: int, n_out: int, n_work: int) -> None:
    out = np.full(n_out, 0xAA, np.uint8)
    assert not sha256(frames_of(bytes(10)), pos, end, out, out_at, np.zeros(n_work, np.uint32))
    assert (out == 0xAA).all()
