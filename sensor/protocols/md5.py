"""MD5 of a span of bytes: JA3 fingerprints are defined by it. Good for nothing that must withstand an attacker.

Source: RFC 1321 section 3.
"""

from math import floor, sin

import numpy as np
from numba import types
from numpy.typing import NDArray

from sensor.jit import kernel
from sensor.protocols.reads import FRAMES, HELPER, LEAF

DIGEST_BYTES = 16
BLOCK_BYTES = 64
WORK_WORDS = 20
"""Words of scratch that a call needs: one block, 16, and the four of the running hash."""

_STATE = 16  # where the running hash stands in the scratch
_START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
_INT = types.int64
_U32 = types.uint32
_OUT = types.uint8[::1]
_WORK = types.uint32[::1]
_SINES: NDArray[np.uint32] = np.array([floor(abs(sin(i + 1)) * 2**32) for i in range(64)], np.uint32)
_ALL_ONES = np.uint32(0xFFFFFFFF)


@kernel(_U32(_U32, _U32, _U32, _U32, _U32, _U32), **HELPER)
def _step(a, b, mixed, word, sine, n):
    """One operation of section 3.4: `b` and the sum of the others, rotated left by `n`."""
    total = np.uint32(a + mixed + word + sine)
    return np.uint32(b + np.uint32((total << n) | (total >> (np.uint32(32) - n))))


@kernel(types.void(_WORK), **LEAF)
def _compress(work):
    """Take the block in work[0:16] into the running hash (section 3.4); four steps a turn make rotations constants."""
    a, b, c, d = work[_STATE], work[_STATE + 1], work[_STATE + 2], work[_STATE + 3]
    for i in range(0, 16, 4):
        a = _step(a, b, d ^ (b & (c ^ d)), work[i], _SINES[i], np.uint32(7))
        d = _step(d, a, c ^ (a & (b ^ c)), work[i + 1], _SINES[i + 1], np.uint32(12))
        c = _step(c, d, b ^ (d & (a ^ b)), work[i + 2], _SINES[i + 2], np.uint32(17))
        b = _step(b, c, a ^ (c & (d ^ a)), work[i + 3], _SINES[i + 3], np.uint32(22))
    for i in range(16, 32, 4):
        at = 5 * i + 1
        a = _step(a, b, c ^ (d & (b ^ c)), work[at & 15], _SINES[i], np.uint32(5))
        d = _step(d, a, b ^ (c & (a ^ b)), work[(at + 5) & 15], _SINES[i + 1], np.uint32(9))
        c = _step(c, d, a ^ (b & (d ^ a)), work[(at + 10) & 15], _SINES[i + 2], np.uint32(14))
        b = _step(b, c, d ^ (a & (c ^ d)), work[(at + 15) & 15], _SINES[i + 3], np.uint32(20))
    for i in range(32, 48, 4):
        at = 3 * i + 5
        a = _step(a, b, b ^ (c ^ d), work[at & 15], _SINES[i], np.uint32(4))
        d = _step(d, a, a ^ (b ^ c), work[(at + 3) & 15], _SINES[i + 1], np.uint32(11))
        c = _step(c, d, d ^ (a ^ b), work[(at + 6) & 15], _SINES[i + 2], np.uint32(16))
        b = _step(b, c, c ^ (d ^ a), work[(at + 9) & 15], _SINES[i + 3], np.uint32(23))
    for i in range(48, 64, 4):
        at = 7 * i
        a = _step(a, b, c ^ (b | (d ^ _ALL_ONES)), work[at & 15], _SINES[i], np.uint32(6))
        d = _step(d, a, b ^ (a | (c ^ _ALL_ONES)), work[(at + 7) & 15], _SINES[i + 1], np.uint32(10))
        c = _step(c, d, a ^ (d | (b ^ _ALL_ONES)), work[(at + 14) & 15], _SINES[i + 2], np.uint32(15))
        b = _step(b, c, d ^ (c | (a ^ _ALL_ONES)), work[(at + 21) & 15], _SINES[i + 3], np.uint32(21))
    work[_STATE] = np.uint32(work[_STATE] + a)
    work[_STATE + 1] = np.uint32(work[_STATE + 1] + b)
    work[_STATE + 2] = np.uint32(work[_STATE + 2] + c)
    work[_STATE + 3] = np.uint32(work[_STATE + 3] + d)


@kernel(_INT(FRAMES, _INT, _INT), **HELPER)
def _padded_word(data, at, end):
    """The little-endian word at `at` of a message that ends at `end`, with the bit and the zeros that follow it."""
    if at + 4 <= end:
        lower = np.int64(data[at]) | (np.int64(data[at + 1]) << 8)
        return lower | (np.int64(data[at + 2]) << 16) | (np.int64(data[at + 3]) << 24)
    word = np.int64(0)
    for i in range(4):
        if at + i < end:
            word |= np.int64(data[at + i]) << (8 * i)
        elif at + i == end:
            word |= np.int64(0x80) << (8 * i)
    return word


@kernel(types.boolean(FRAMES, _INT, _INT, _OUT, _INT, _WORK), **LEAF)
def md5(data, pos, end, out, out_at, work):
    """Write the MD5 of data[pos:end], which may be empty, to out[out_at:out_at + 16].

    data, out : uint8[n]; they may be one array, also with the digest over the message
    work : uint32[WORK_WORDS or more], scratch; its content before does not matter

    Returns False, with nothing written, when a span does not lie in its array or `work` is too small.
    """
    if pos < 0 or end < pos or end > data.shape[0] or work.shape[0] < WORK_WORDS:
        return False
    if out_at < 0 or out_at > out.shape[0] - DIGEST_BYTES:
        return False
    for i in range(4):
        work[_STATE + i] = np.uint32(_START[i])
    n_bits = (end - pos) * 8
    n_blocks = (end - pos + 9 + BLOCK_BYTES - 1) // BLOCK_BYTES  # one byte of padding and eight of length at least
    for block in range(n_blocks):
        at = pos + block * BLOCK_BYTES
        for i in range(16):
            work[i] = np.uint32(_padded_word(data, at + 4 * i, end))
        if block == n_blocks - 1:
            work[14] = np.uint32(n_bits & 0xFFFFFFFF)
            work[15] = np.uint32(n_bits >> 32)
        _compress(work)
    for i in range(DIGEST_BYTES):
        out[out_at + i] = np.uint8((np.int64(work[_STATE + i // 4]) >> (8 * (i % 4))) & 0xFF)
    return True
