"""SipHash-1-3 of a flow key: a keyed hash that an attacker without the key cannot aim collisions at.

Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; one compression round and three final ones,
as CPython and Rust use for their hash tables.
"""

import numpy as np
from numba import types

from sensor.jit import kernel
from sensor.protocols.reads import HELPER, LEAF, le64

_U64 = types.uint64
_STATE = types.UniTuple(types.uint64, 4)
_BYTES = types.Array(types.uint8, 1, "C", readonly=True)
_LAST_WORD = np.uint64(40 << 56)  # the padding of a message of 40 bytes: its length in the top byte


@kernel(_STATE(_U64, _U64, _U64, _U64), **HELPER)
def _round(v0, v1, v2, v3):
    """One SipRound (section 2.3)."""
    v0 += v1
    v2 += v3
    v1 = ((v1 << np.uint64(13)) | (v1 >> np.uint64(51))) ^ v0
    v3 = ((v3 << np.uint64(16)) | (v3 >> np.uint64(48))) ^ v2
    v0 = (v0 << np.uint64(32)) | (v0 >> np.uint64(32))
    v2 += v1
    v0 += v3
    v1 = ((v1 << np.uint64(17)) | (v1 >> np.uint64(47))) ^ v2
    v3 = ((v3 << np.uint64(21)) | (v3 >> np.uint64(43))) ^ v0
    v2 = (v2 << np.uint64(32)) | (v2 >> np.uint64(32))
    return v0, v1, v2, v3


@kernel(_U64(_U64, _U64, _U64, _U64, _U64, _U64, _U64), **HELPER)
def _hash(k0, k1, w0, w1, w2, w3, w4):
    v0 = k0 ^ np.uint64(0x736F6D6570736575)
    v1 = k1 ^ np.uint64(0x646F72616E646F6D)
    v2 = k0 ^ np.uint64(0x6C7967656E657261)
    v3 = k1 ^ np.uint64(0x7465646279746573)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3 ^ w0)
    v0, v1, v2, v3 = _round(v0 ^ w0, v1, v2, v3 ^ w1)
    v0, v1, v2, v3 = _round(v0 ^ w1, v1, v2, v3 ^ w2)
    v0, v1, v2, v3 = _round(v0 ^ w2, v1, v2, v3 ^ w3)
    v0, v1, v2, v3 = _round(v0 ^ w3, v1, v2, v3 ^ w4)
    v0, v1, v2, v3 = _round(v0 ^ w4, v1, v2, v3 ^ _LAST_WORD)
    v0, v1, v2, v3 = _round(v0 ^ _LAST_WORD, v1, v2 ^ np.uint64(0xFF), v3)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


@kernel(_U64(_U64, _U64, _U64, _U64, _U64, _U64, _U64), **LEAF)
def siphash13(k0, k1, w0, w1, w2, w3, w4):
    """SipHash-1-3 under the key (`k0`, `k1`) of the 40 bytes that five little-endian words make up.

    All arguments and the result: uint64. The key must be random and secret for the hash to be worth anything.
    """
    return _hash(k0, k1, w0, w1, w2, w3, w4)


@kernel(types.void(_U64, _U64, types.Array(_U64, 2, "C"), types.int64, types.Array(_U64, 1, "C"), types.int64), **LEAF)
def siphash13_many(k0, k1, words, n, hashes, first):
    """`siphash13` of `n` messages, their words in the columns of words : uint64[5, at least n].

    hashes : uint64[], filled from `first` on. The processor does several at once, so each takes a fraction of the time.
    """
    for i in range(n):
        hashes[first + i] = _hash(k0, k1, words[0, i], words[1, i], words[2, i], words[3, i], words[4, i])


@kernel(_U64(_U64, _U64, _BYTES, types.int64, types.int64), **LEAF)
def siphash13_text(k0, k1, text, pos, length):
    """A keyed 64-bit hash of text[pos:pos + length], uint8, on the rounds of SipHash-1-3.

    The last word is padded with zeros and the length follows as a word of its own, so a text's hash is that of no other
    implementation; it never leaves the process.
    """
    v0 = k0 ^ np.uint64(0x736F6D6570736575)
    v1 = k1 ^ np.uint64(0x646F72616E646F6D)
    v2 = k0 ^ np.uint64(0x6C7967656E657261)
    v3 = k1 ^ np.uint64(0x7465646279746573)
    done = np.int64(0)
    while done <= length:
        word = np.uint64(length)
        if done + 8 <= length:
            word = le64(text, pos + done)
        elif done < length:
            word = np.uint64(0)
            for i in range(length - done):
                word |= np.uint64(text[pos + done + i]) << np.uint64(8 * i)
        v0, v1, v2, v3 = _round(v0, v1, v2, v3 ^ word)
        v0 ^= word
        if done == length:
            break
        done = min(done + 8, length)
    v0, v1, v2, v3 = _round(v0, v1, v2 ^ np.uint64(0xFF), v3)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3
