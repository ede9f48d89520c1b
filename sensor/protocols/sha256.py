"""SHA-256 of a span of bytes: for fingerprints and for keys that RFCs derive with it.

Source: FIPS 180-4 sections 4.1.2, 5 and 6.2.
"""

from math import isqrt

import numpy as np
from numba import types
from numpy.typing import NDArray

from sensor.jit import kernel
from sensor.protocols.reads import FRAMES, HELPER, LEAF, be32

DIGEST_BYTES = 32
BLOCK_BYTES = 64
WORK_WORDS = 72
"""Words of scratch that a call needs: the schedule of one block, 64, and the eight of the running hash."""

STATE = 64
"""Where the running hash stands in the scratch."""

_INT = types.int64
_U32 = types.uint32
_OUT = types.uint8[::1]
_WORK = types.uint32[::1]


def _root_bits(prime: int, degree: int) -> int:
    """The first 32 bits of the fraction of a prime's square (2) or cube (3) root."""
    scaled = prime << (32 * degree)
    root = isqrt(scaled) if degree == 2 else round(scaled ** (1 / 3))
    while root**degree > scaled:
        root -= 1
    while (root + 1) ** degree <= scaled:
        root += 1
    return root & 0xFFFFFFFF


_PRIMES = [n for n in range(2, 312) if all(n % d for d in range(2, isqrt(n) + 1))]
_ROUND_CONSTANTS: NDArray[np.uint32] = np.array([_root_bits(prime, 3) for prime in _PRIMES], np.uint32)
START: NDArray[np.uint32] = np.array([_root_bits(prime, 2) for prime in _PRIMES[:8]], np.uint32)


@kernel(_U32(_U32, _U32), **HELPER)
def _rotated(word, n):
    """`word` with its bits rotated right by `n`."""
    return np.uint32((word >> n) | (word << (np.uint32(32) - n)))


@kernel(types.void(_WORK), **LEAF)
def compress(work):
    """Take the block in work[:16] into the running hash in work[STATE:STATE + 8] (section 6.2.2): big-endian words.

    work : uint32[WORK_WORDS or more], not checked
    """
    for i in range(16, 64):
        early, late = work[i - 15], work[i - 2]
        s0 = _rotated(early, np.uint32(7)) ^ _rotated(early, np.uint32(18)) ^ np.uint32(early >> np.uint32(3))
        s1 = _rotated(late, np.uint32(17)) ^ _rotated(late, np.uint32(19)) ^ np.uint32(late >> np.uint32(10))
        work[i] = np.uint32(work[i - 16] + s0 + work[i - 7] + s1)
    a, b, c, d = work[STATE], work[STATE + 1], work[STATE + 2], work[STATE + 3]
    e, f, g, h = work[STATE + 4], work[STATE + 5], work[STATE + 6], work[STATE + 7]
    for i in range(64):
        s1 = _rotated(e, np.uint32(6)) ^ _rotated(e, np.uint32(11)) ^ _rotated(e, np.uint32(25))
        s0 = _rotated(a, np.uint32(2)) ^ _rotated(a, np.uint32(13)) ^ _rotated(a, np.uint32(22))
        t1 = np.uint32(h + s1 + (g ^ (e & (f ^ g))) + _ROUND_CONSTANTS[i] + work[i])
        t2 = np.uint32(s0 + ((a & b) | (c & (a | b))))
        h, g, f, e = g, f, e, np.uint32(d + t1)
        d, c, b, a = c, b, a, np.uint32(t1 + t2)
    work[STATE] = np.uint32(work[STATE] + a)
    work[STATE + 1] = np.uint32(work[STATE + 1] + b)
    work[STATE + 2] = np.uint32(work[STATE + 2] + c)
    work[STATE + 3] = np.uint32(work[STATE + 3] + d)
    work[STATE + 4] = np.uint32(work[STATE + 4] + e)
    work[STATE + 5] = np.uint32(work[STATE + 5] + f)
    work[STATE + 6] = np.uint32(work[STATE + 6] + g)
    work[STATE + 7] = np.uint32(work[STATE + 7] + h)


@kernel(_INT(FRAMES, _INT, _INT), **HELPER)
def padded_word(data, at, end):
    """The big-endian word at `at` of a message that ends at `end`, with the bit and the zeros that follow it.

    `at` may lie behind the message; nothing is read there.
    """
    if at + 4 <= end:
        return be32(data, at)
    word = np.int64(0)
    for i in range(at, at + 4):
        word <<= 8
        if i < end:
            word |= np.int64(data[i])
        elif i == end:
            word |= 0x80
    return word


@kernel(types.boolean(FRAMES, _INT, _INT, _OUT, _INT, _WORK), **LEAF)
def sha256(data, pos, end, out, out_at, work):
    """Write the SHA-256 of data[pos:end], which may be empty, to out[out_at:out_at + 32].

    data, out : uint8[n]; they may be one array, also with the digest over the message
    work : uint32[WORK_WORDS or more], scratch; its content before does not matter

    Returns False, with nothing written, when a span does not lie in its array or `work` is too small.
    """
    if pos < 0 or end < pos or end > data.shape[0] or work.shape[0] < WORK_WORDS:
        return False
    if out_at < 0 or out_at > out.shape[0] - DIGEST_BYTES:
        return False
    for i in range(8):
        work[STATE + i] = START[i]
    n_bits = (end - pos) * 8
    n_blocks = (end - pos + 9 + BLOCK_BYTES - 1) // BLOCK_BYTES  # one byte of padding and eight of length at least
    for block in range(n_blocks):
        at = pos + block * BLOCK_BYTES
        for i in range(16):
            work[i] = np.uint32(padded_word(data, at + 4 * i, end))
        if block == n_blocks - 1:
            work[14] = np.uint32(n_bits >> 32)
            work[15] = np.uint32(n_bits & 0xFFFFFFFF)
        compress(work)
    for i in range(DIGEST_BYTES):
        out[out_at + i] = np.uint8((np.int64(work[STATE + i // 4]) >> (24 - 8 * (i % 4))) & 0xFF)
    return True
