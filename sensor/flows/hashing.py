"""SipHash-1-3 kernels: of a flow key (five words), and of a text in the pool.

The key is drawn at start-up, so nobody on the wire can choose addresses or names that fall on one slot.
Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012); one compression and three finalisation
rounds, as the hash tables of Rust and Python use. The texts' length is mixed in as a last word of its own, and their
last word is zero-padded, so the value is not byte-compatible with other implementations; it never leaves the process.
"""

import numpy as np

from sensor.jit import packet_kernel as kernel


@kernel()
def sip_round(v0, v1, v2, v3):
    """One SipRound over four uint64 words."""
    v0 += v1
    v1 = (v1 << np.uint64(13)) | (v1 >> np.uint64(51))
    v1 ^= v0
    v0 = (v0 << np.uint64(32)) | (v0 >> np.uint64(32))
    v2 += v3
    v3 = (v3 << np.uint64(16)) | (v3 >> np.uint64(48))
    v3 ^= v2
    v0 += v3
    v3 = (v3 << np.uint64(21)) | (v3 >> np.uint64(43))
    v3 ^= v0
    v2 += v1
    v1 = (v1 << np.uint64(17)) | (v1 >> np.uint64(47))
    v1 ^= v2
    v2 = (v2 << np.uint64(32)) | (v2 >> np.uint64(32))
    return v0, v1, v2, v3


@kernel()
def sip_start(k0, k1):
    """The four words of state for a key of two uint64."""
    return (
        k0 ^ np.uint64(0x736F6D6570736575),
        k1 ^ np.uint64(0x646F72616E646F6D),
        k0 ^ np.uint64(0x6C7967656E657261),
        k1 ^ np.uint64(0x7465646279746573),
    )


@kernel()
def sip_end(v0, v1, v2, v3):
    """The hash of a state that has taken its last word."""
    v2 ^= np.uint64(0xFF)
    v0, v1, v2, v3 = sip_round(v0, v1, v2, v3)
    v0, v1, v2, v3 = sip_round(v0, v1, v2, v3)
    v0, v1, v2, v3 = sip_round(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


@kernel()
def hash_words(k0, k1, a, b, c, d, e):
    """Keyed 64-bit hash of five uint64 words."""
    v0, v1, v2, v3 = sip_start(k0, k1)
    for word in (a, b, c, d, e):
        v3 ^= word
        v0, v1, v2, v3 = sip_round(v0, v1, v2, v3)
        v0 ^= word
    return sip_end(v0, v1, v2, v3)


@kernel()
def hash_text(k0, k1, text, pos, length):
    """Keyed 64-bit hash of text[pos:pos + length], uint8."""
    v0, v1, v2, v3 = sip_start(k0, k1)
    done = np.int64(0)
    while done < length:
        word = np.uint64(0)
        n = min(np.int64(8), length - done)
        for i in range(n):
            word |= np.uint64(text[pos + done + i]) << np.uint64(8 * i)
        v3 ^= word
        v0, v1, v2, v3 = sip_round(v0, v1, v2, v3)
        v0 ^= word
        done += n
    word = np.uint64(length)
    v3 ^= word
    v0, v1, v2, v3 = sip_round(v0, v1, v2, v3)
    v0 ^= word
    return sip_end(v0, v1, v2, v3)
