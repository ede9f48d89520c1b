"""AES-128 encryption of a block, and with it the counter mode that GCM uses. Checks no tag.

The four tables hold SubBytes, ShiftRows and MixColumns of a byte together, as Rijndael's authors proposed. Looking them
up takes a time that depends on the key: this is for keys that everybody on the wire can derive, and for no others.

Source: FIPS 197; SP 800-38D section 6.5 (counter mode).
"""

import numpy as np
from numba import types
from numpy.typing import NDArray

from sensor.jit import kernel
from sensor.protocols.reads import FRAMES, HELPER, LEAF

SCHEDULE_WORDS = 44
BLOCK_BYTES = 16

_FIRST_COUNTER = 2  # SP 800-38D section 7.1: 1 is the tag's
_INT = types.int64
_U32 = types.uint32
_WORDS = types.uint32[::1]
_BLOCK = types.UniTuple(_U32, 4)


def _doubled(byte: int) -> int:
    """A byte times x in GF(2^8) (FIPS 197 section 4.2)."""
    return (byte << 1) ^ (0x11B if byte & 0x80 else 0)


def _substitutes() -> list[int]:
    """The S-box (section 5.1.1): the inverse in GF(2^8), then an affine map."""
    powers = [1]
    while len(powers) < 255:
        powers.append(_doubled(powers[-1]) ^ powers[-1])  # of x + 1, which generates the field
    box = [0x63] * 256
    for i, byte in enumerate(powers):
        inverse = powers[-i % 255]
        spread = inverse ^ inverse << 1 ^ inverse << 2 ^ inverse << 3 ^ inverse << 4  # its rotations, once folded
        box[byte] = (spread ^ (spread >> 8) ^ 0x63) & 0xFF
    return box


_BOX = _substitutes()
_S: NDArray[np.uint32] = np.array(_BOX, np.uint32)
_T0: NDArray[np.uint32] = np.array([_doubled(s) << 24 | s << 16 | s << 8 | _doubled(s) ^ s for s in _BOX], np.uint32)
_T1: NDArray[np.uint32] = _T0 >> np.uint32(8) | _T0 << np.uint32(24)
_T2: NDArray[np.uint32] = _T0 >> np.uint32(16) | _T0 << np.uint32(16)
_T3: NDArray[np.uint32] = _T0 >> np.uint32(24) | _T0 << np.uint32(8)


@kernel(types.void(_U32, _U32, _U32, _U32, _WORDS), **LEAF)
def expand_key(k0, k1, k2, k3, schedule):
    """Write the key schedule of the key in four big-endian words to schedule[:SCHEDULE_WORDS] (FIPS 197 section 5.2).

    The array must be as long: this is not checked.
    """
    schedule[0], schedule[1], schedule[2], schedule[3] = k0, k1, k2, k3
    constant = np.uint32(1)
    for i in range(4, SCHEDULE_WORDS, 4):
        word = schedule[i - 1]
        upper = (_S[(word >> np.uint32(16)) & np.uint32(0xFF)] << np.uint32(24)) | (
            _S[(word >> np.uint32(8)) & np.uint32(0xFF)] << np.uint32(16)
        )
        lower = (_S[word & np.uint32(0xFF)] << np.uint32(8)) | _S[word >> np.uint32(24)]
        word = np.uint32(schedule[i - 4] ^ upper ^ lower ^ (constant << np.uint32(24)))
        schedule[i] = word
        for j in range(i + 1, i + 4):
            word = np.uint32(word ^ schedule[j - 4])
            schedule[j] = word
        constant = np.uint32((constant << np.uint32(1)) ^ (np.uint32(0x11B) * (constant >> np.uint32(7))))


@kernel(_U32(_U32, _U32, _U32, _U32, _U32), **HELPER)
def _column(a, b, c, d, key):
    """One column of a round: a byte of each argument, from the first one's highest on."""
    mixed = _T0[a >> np.uint32(24)] ^ _T1[(b >> np.uint32(16)) & np.uint32(0xFF)]
    return np.uint32(mixed ^ _T2[(c >> np.uint32(8)) & np.uint32(0xFF)] ^ _T3[d & np.uint32(0xFF)] ^ key)


@kernel(_U32(_U32, _U32, _U32, _U32, _U32), **HELPER)
def _last_column(a, b, c, d, key):
    """One column of the last round, which mixes none."""
    upper = (_S[a >> np.uint32(24)] << np.uint32(24)) | (_S[(b >> np.uint32(16)) & np.uint32(0xFF)] << np.uint32(16))
    lower = (_S[(c >> np.uint32(8)) & np.uint32(0xFF)] << np.uint32(8)) | _S[d & np.uint32(0xFF)]
    return np.uint32((upper | lower) ^ key)


@kernel(_BLOCK(_U32, _U32, _U32, _U32, _WORDS), **LEAF)
def encrypt_block(a, b, c, d, schedule):
    """One block, as four big-endian words, under the key that `expand_key` took (FIPS 197 section 5.1)."""
    a, b = np.uint32(a ^ schedule[0]), np.uint32(b ^ schedule[1])
    c, d = np.uint32(c ^ schedule[2]), np.uint32(d ^ schedule[3])
    for i in range(4, SCHEDULE_WORDS - 4, 4):
        a, b, c, d = (
            _column(a, b, c, d, schedule[i]),
            _column(b, c, d, a, schedule[i + 1]),
            _column(c, d, a, b, schedule[i + 2]),
            _column(d, a, b, c, schedule[i + 3]),
        )
    return (
        _last_column(a, b, c, d, schedule[40]),
        _last_column(b, c, d, a, schedule[41]),
        _last_column(c, d, a, b, schedule[42]),
        _last_column(d, a, b, c, schedule[43]),
    )


@kernel(types.void(FRAMES, _INT, _INT, _U32, _U32, _U32, _WORDS, types.uint8[::1]), **LEAF)
def decrypt_counted(frames, pos, end, n0, n1, n2, schedule, out):
    """Write the plain text of frames[pos:end] under AES-GCM's counter mode to out[:end - pos].

    n0, n1, n2 : uint32, the nonce of 12 bytes as big-endian words
    schedule : uint32[SCHEDULE_WORDS], of `expand_key`

    The bytes must lie in `frames` and fit `out`: this is not checked.
    """
    counter = np.uint32(_FIRST_COUNTER)
    for at in range(pos, end, BLOCK_BYTES):
        block = encrypt_block(n0, n1, n2, counter, schedule)
        counter = np.uint32(counter + np.uint32(1))
        to = at - pos
        if at + BLOCK_BYTES <= end:
            for i in range(4):
                word = np.int64(block[i])
                out[to + 4 * i] = frames[at + 4 * i] ^ np.uint8(word >> 24)
                out[to + 4 * i + 1] = frames[at + 4 * i + 1] ^ np.uint8((word >> 16) & 0xFF)
                out[to + 4 * i + 2] = frames[at + 4 * i + 2] ^ np.uint8((word >> 8) & 0xFF)
                out[to + 4 * i + 3] = frames[at + 4 * i + 3] ^ np.uint8(word & 0xFF)
        else:
            for i in range(end - at):
                out[to + i] = frames[at + i] ^ np.uint8((np.int64(block[i // 4]) >> (24 - 8 * (i % 4))) & 0xFF)
