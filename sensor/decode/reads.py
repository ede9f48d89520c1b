"""Loads of numbers from a byte array. The caller has checked that the bytes are there; nothing here does.

Indexing with an unsigned position spares numba's test for negative indexes, and the compiler then joins the byte
loads into one swapped load.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensor.jit import packet_kernel

_ONE = np.uint64(1)
_TWO = np.uint64(2)
_THREE = np.uint64(3)


@packet_kernel()
def byte_at(frames: NDArray[np.uint8], pos: int) -> Any:
    """frames[pos] as int64."""
    return np.int64(frames[np.uint64(pos)])


@packet_kernel()
def be16(frames: NDArray[np.uint8], pos: int) -> Any:
    """The big-endian 16-bit number at frames[pos:pos + 2] as int64."""
    at = np.uint64(pos)
    return (np.int64(frames[at]) << 8) | np.int64(frames[at + _ONE])


@packet_kernel()
def le16(frames: NDArray[np.uint8], pos: int) -> Any:
    """The little-endian 16-bit number at frames[pos:pos + 2] as int64."""
    at = np.uint64(pos)
    return np.int64(frames[at]) | (np.int64(frames[at + _ONE]) << 8)


@packet_kernel()
def be32(frames: NDArray[np.uint8], pos: int) -> Any:
    """The big-endian 32-bit number at frames[pos:pos + 4] as int64."""
    at = np.uint64(pos)
    return (
        (np.int64(frames[at]) << 24)
        | (np.int64(frames[at + _ONE]) << 16)
        | (np.int64(frames[at + _TWO]) << 8)
        | np.int64(frames[at + _THREE])
    )


@packet_kernel()
def be64(frames: NDArray[np.uint8], pos: int) -> Any:
    """The big-endian 64-bit number at frames[pos:pos + 8] as uint64."""
    return (np.uint64(be32(frames, pos)) << np.uint64(32)) | np.uint64(be32(frames, pos + 4))
