"""The text pool: every name, request word and address text is kept once and named by a number.

Rows carry numbers; the lake's dictionary pages are cut from the pool. Number 0 is the empty text. Memory is fixed:
the driver compacts the pool when it is nearly full (`nearly_full`), and a text beyond the room left becomes number 0
and is counted.
"""

from typing import Any

import numba
import numpy as np
from numba import types as t
from numpy.typing import NDArray

from sensor.jit import packet_kernel as kernel
from sensor.protocols.reads import FRAMES
from sensor.protocols.siphash import siphash13_text

MAX_TEXT_BYTES = 1024  # longer names are cut here: bounded memory, and no real name is as long
_COUNT, _USED, _LOST, _MOST_TEXTS, _MOST_BYTES, _MASK = range(6)

MOST_TEXTS, MOST_BYTES = 1 << 19, 48 << 20

POOL = np.dtype(
    [
        ("key", np.uint64, (2,)),  # secret of the hash
        ("meta", np.int64, (6,)),  # texts; bytes used; texts lost for want of room; most texts; most bytes; slots - 1
        ("off", np.int64, (MOST_TEXTS + 1,)),  # text i is text[off[i]:off[i + 1]]
        ("slots", np.uint64, (2 * MOST_TEXTS,)),  # hash table: upper half of the hash << 32 | number; 0 free
        ("text", np.uint8, (MOST_BYTES,)),  # all texts end to end
    ]
)
POOL_REC = numba.from_dtype(POOL)


def begin_pool(pool: Any, n_texts: int, n_bytes: int, key: NDArray[np.uint64]) -> None:
    """Make a zeroed POOL record an empty pool for up to `n_texts` texts of `n_bytes` bytes together."""
    pool.key[:] = key
    pool.meta[:] = (1, 0, 0, n_texts, n_bytes, (1 << (2 * n_texts - 1).bit_length()) - 1)  # 1: the empty text


def take_over(pool: Any, other: Any) -> None:
    """Make a POOL record hold the texts of another, by the same numbers.

    Only what is in use is copied: the rest of a pool that never was full is no memory yet, and stays none.
    """
    n_texts, n_bytes = int(other.meta[_COUNT]), int(other.meta[_USED])
    pool.key[:], pool.meta[:], pool.slots[:] = other.key, other.meta, other.slots
    pool.off[: n_texts + 1] = other.off[: n_texts + 1]
    pool.text[:n_bytes] = other.text[:n_bytes]


@kernel(t.boolean(POOL_REC))
def nearly_full(pool):
    """Whether less than an eighth of the pool's room is left."""
    return pool.meta[_COUNT] * 8 > pool.meta[_MOST_TEXTS] * 7 or pool.meta[_USED] * 8 > pool.meta[_MOST_BYTES] * 7


@kernel(t.uint32(POOL_REC, FRAMES, t.int64, t.int64))
def intern(pool, text, pos, length):
    """The number of text[pos:pos + length], which is added when new; 0 when empty or when there is no room."""
    length = min(length, MAX_TEXT_BYTES)
    if length <= 0:
        return np.uint32(0)
    code = siphash13_text(pool.key[0], pool.key[1], text, pos, length)
    tag = code & np.uint64(0xFFFFFFFF00000000)
    mask = pool.meta[_MASK]
    slot = np.int64(code & np.uint64(mask))
    while pool.slots[slot] != 0:
        entry = pool.slots[slot]
        if entry & np.uint64(0xFFFFFFFF00000000) == tag:
            number = np.int64(entry & np.uint64(0xFFFFFFFF))
            start = pool.off[number]
            if pool.off[number + 1] - start == length:
                same = True
                for i in range(length):
                    if pool.text[start + i] != text[pos + i]:
                        same = False
                        break
                if same:
                    return np.uint32(number)
        slot = (slot + 1) & mask
    number = pool.meta[_COUNT]
    used = pool.meta[_USED]
    if number >= pool.meta[_MOST_TEXTS] or used + length > pool.meta[_MOST_BYTES]:
        pool.meta[_LOST] += 1
        return np.uint32(0)
    for i in range(length):
        pool.text[used + i] = text[pos + i]
    pool.off[number + 1] = used + length
    pool.meta[_COUNT] = number + 1
    pool.meta[_USED] = used + length
    pool.slots[slot] = tag | np.uint64(number)
    return np.uint32(number)


@kernel(t.void(POOL_REC, POOL_REC, t.uint32[::1]))
def keep(pool, old, numbers):
    """Re-intern texts of another pool into this one; `numbers` (uint32[n], of `old`) are replaced by the new ones."""
    for i in range(numbers.shape[0]):
        number = np.int64(numbers[i])
        numbers[i] = intern(pool, old.text, old.off[number], old.off[number + 1] - old.off[number])


def texts(pool: Any) -> list[str]:
    """All texts as strings (bytes that are no UTF-8 become U+FFFD), for tests and small uses."""
    raw = pool.text[: int(pool.meta[_USED])].tobytes()
    off = pool.off
    return [raw[off[i] : off[i + 1]].decode("utf-8", "replace") for i in range(int(pool.meta[_COUNT]))]
