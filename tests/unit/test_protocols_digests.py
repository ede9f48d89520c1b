"""MD5 and SHA-256 against their published examples and hashlib; spans that do not fit."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.protocols import md5, sha256
from tests.support.protocols import frames_of


@dataclass(frozen=True)
class Digest:
    """A kernel and what it is compared with."""

    kernel: Any
    n_work: int
    reference: Callable[[bytes], Any]

    @property
    def size(self) -> int:
        return int(self.reference(b"").digest_size)

    def of(self, message: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
        out = np.full(self.size + 8, 0xAA, np.uint8)
        work = np.full(self.n_work, 0x55555555, np.uint32)
        assert self.kernel(frames_of(before + message + after), len(before), len(before) + len(message), out, 3, work)
        assert bytes(out[:3]) + bytes(out[3 + self.size :]) == b"\xaa" * 8
        return bytes(out[3 : 3 + self.size])


MD5 = Digest(md5.md5, md5.WORK_WORDS, hashlib.md5)
SHA256 = Digest(sha256.sha256, sha256.WORK_WORDS, hashlib.sha256)
DIGESTS = pytest.mark.parametrize("digest", [MD5, SHA256], ids=["md5", "sha256"])


@pytest.mark.parametrize(
    ("digest", "message", "want"),
    [
        # RFC 1321 appendix A.5
        (MD5, b"", "d41d8cd98f00b204e9800998ecf8427e"),
        (MD5, b"a", "0cc175b9c0f1b6a831c399e269772661"),
        (MD5, b"abc", "900150983cd24fb0d6963f7d28e17f72"),
        (MD5, b"message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        (MD5, b"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
        (
            MD5,
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            "d174ab98d277d9f5a5611c2c9f419d9f",
        ),
        (MD5, b"1234567890" * 8, "57edf4a22be3c955ac49da2e2107b67a"),
        # FIPS 180-4's examples
        (SHA256, b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (SHA256, b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (
            SHA256,
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
    ],
)
def test_published_examples(digest: Digest, message: bytes, want: str) -> None:
    assert digest.of(message).hex() == want


@DIGESTS
def test_every_length_around_the_blocks(digest: Digest) -> None:
    message = bytes(i * 7 & 0xFF for i in range(300))
    for length in range(300):
        assert digest.of(message[:length]) == digest.reference(message[:length]).digest()


@DIGESTS
@given(st.binary(max_size=300), st.binary(max_size=70), st.binary(max_size=70))
def test_bytes_outside_the_span_change_nothing(digest: Digest, message: bytes, before: bytes, after: bytes) -> None:
    assert digest.of(message, before, after) == digest.reference(message).digest()


@DIGESTS
def test_a_digest_over_its_own_message(digest: Digest) -> None:
    both = np.frombuffer(b"x" * 100, np.uint8).copy()
    assert digest.kernel(both, 0, 100, both, 0, np.zeros(digest.n_work, np.uint32))
    assert bytes(both[: digest.size]) == digest.reference(b"x" * 100).digest()


@DIGESTS
@pytest.mark.parametrize(
    ("pos", "end", "out_at", "missing", "missing_work"),
    [
        (-1, 3, 0, 0, 0),
        (4, 3, 0, 0, 0),
        (0, 11, 0, 0, 0),
        (0, 10, 0, 1, 0),
        (0, 10, 1, 0, 0),
        (0, 10, -1, 0, 0),
        (0, 10, -1, -32, 0),
        (0, 10, 0, 0, 1),
    ],
)
def test_spans_that_do_not_fit(
    digest: Digest, pos: int, end: int, out_at: int, missing: int, missing_work: int
) -> None:
    out = np.full(digest.size - missing, 0xAA, np.uint8)
    work = np.zeros(digest.n_work - missing_work, np.uint32)
    assert not digest.kernel(frames_of(bytes(10)), pos, end, out, out_at, work)
    assert (out == 0xAA).all()
