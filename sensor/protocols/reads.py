"""What every parser here shares: how it is compiled, the type of the bytes it reads, and reads of numbers from them.

Nothing here checks bounds: the caller has done so before each read.
"""

from typing import Any

import numpy as np
from numba import types

from sensor.jit import kernel

FRAMES = types.Array(types.uint8, 1, "C", readonly=True)
"""The numba type of the bytes a parser reads; writable arrays are accepted as well."""

LEAF: dict[str, Any] = {"_nrt": False, "no_cfunc_wrapper": True}
"""Options of `kernel` for functions that allocate nothing, slices included.

Without `_nrt=False` numba counts references to the arrays at each call: two atomic instructions, 13 ns, where rejecting
a payload takes 1 ns. `no_cfunc_wrapper` leaves out an entry that only C could call, and with it a tenth of compiling.
"""

HELPER: dict[str, Any] = {**LEAF, "forceinline": True}
"""The same for functions that only other kernels call. What drivers call is LEAF: one copy, not one in each."""


@kernel(types.int64(FRAMES, types.int64), **HELPER)
def be16(frames, at):
    """The unsigned 16-bit big-endian number at `frames[at:at + 2]`."""
    return (np.int64(frames[at]) << 8) | np.int64(frames[at + 1])


@kernel(types.int64(FRAMES, types.int64), **HELPER)
def be32(frames, at):
    """The unsigned 32-bit big-endian number at `frames[at:at + 4]`."""
    upper = (np.int64(frames[at]) << 24) | (np.int64(frames[at + 1]) << 16)
    return upper | (np.int64(frames[at + 2]) << 8) | np.int64(frames[at + 3])


@kernel(types.uint64(FRAMES, types.int64), **HELPER)
def be64(frames, at):
    """The unsigned 64-bit big-endian number at `frames[at:at + 8]`."""
    value = np.uint64(0)
    for i in range(8):
        value = (value << np.uint64(8)) | np.uint64(frames[at + i])
    return value


@kernel(types.uint64(FRAMES, types.int64), **HELPER)
def le64(frames, at):
    """The unsigned 64-bit little-endian number at `frames[at:at + 8]`."""
    value = np.uint64(0)
    for i in range(8):
        value |= np.uint64(frames[at + i]) << np.uint64(8 * i)
    return value
