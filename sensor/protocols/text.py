"""Kernels that write numbers and addresses as text into a byte buffer, and never past its end.

Each `put_*` writes at `out[at:]` and returns the index behind the last byte written, or -1 with nothing of value
written when the text does not fit.
"""

import numpy as np
from numba import types
from numpy.typing import NDArray

from sensor.jit import kernel
from sensor.protocols.reads import FRAMES, HELPER, LEAF

IP_TEXT_MAX = 39
"""The longest text of an address, bytes: eight groups of four hexadecimal digits and seven colons."""

_IPV4_ROOM = 16  # one more than the longest text: the separator behind the last octet is written too
_OUT = types.uint8[::1]
_DOT = 0x2E
_COLON = 0x3A
_ZERO = 0x30
_V4_MAPPED = 0xFFFF
_HEX: NDArray[np.uint8] = np.frombuffer(b"0123456789abcdef", np.uint8)


@kernel(types.int64(_OUT, types.int64, types.int64), **HELPER)
def put_decimal(out, at, value):
    """Write `value` (0 to 10**18 - 1) in decimal without leading zeros."""
    n_digits = 1
    bound = 10
    while value >= bound:
        bound *= 10
        n_digits += 1
    if at + n_digits > out.shape[0]:
        return -1
    for i in range(n_digits):
        out[at + n_digits - 1 - i] = np.uint8(_ZERO + value % 10)
        value //= 10
    return at + n_digits


@kernel(types.int64(_OUT, types.int64, types.uint64), **HELPER)
def _put_ipv4(out, at, bits):
    """Dotted text of the low 32 bits; 16 bytes of room must have been checked."""
    for shift in (24, 16, 8, 0):
        octet = np.int64((bits >> np.uint64(shift)) & np.uint64(0xFF))
        # a product by 205 or 41 and a shift divides numbers this small without a division instruction
        hundreds = (octet * 41) >> 12
        tens = ((octet - 100 * hundreds) * 205) >> 11
        if octet >= 100:
            out[at] = np.uint8(_ZERO + hundreds)
            at += 1
        if octet >= 10:
            out[at] = np.uint8(_ZERO + tens)
            at += 1
        out[at] = np.uint8(_ZERO + octet - 100 * hundreds - 10 * tens)
        out[at + 1] = np.uint8(_DOT)
        at += 2
    return at - 1


@kernel(types.int64(types.uint64, types.uint64, types.int64), **HELPER)
def _group(hi, lo, i):
    """The `i`-th 16-bit group of an IPv6 address, 0 the leftmost."""
    half = hi if i < 4 else lo
    return np.int64((half >> np.uint64(48 - 16 * (i & 3))) & np.uint64(0xFFFF))


@kernel(types.int64(_OUT, types.int64, types.uint64, types.uint64), **HELPER)
def _put_ipv6(out, at, hi, lo):
    """RFC 5952 section 4 text; 39 bytes of room must have been checked."""
    gap_start = -1
    gap_end = -1
    longest = 1  # a single zero group is written out (section 4.2.2)
    run = 0
    for i in range(8):
        run = run + 1 if _group(hi, lo, i) == 0 else 0
        if run > longest:
            longest = run
            gap_end = i + 1
            gap_start = gap_end - run
    i = 0
    while i < 8:
        if i == gap_start:
            out[at] = np.uint8(_COLON)
            at += 1
            i = gap_end
            if i == 8:
                out[at] = np.uint8(_COLON)
                at += 1
            continue
        if i > 0:
            out[at] = np.uint8(_COLON)
            at += 1
        value = _group(hi, lo, i)
        for shift in (12, 8, 4, 0):
            if shift == 0 or (value >> shift) != 0:
                out[at] = _HEX[(value >> shift) & 15]
                at += 1
        i += 1
    return at


@kernel(types.int64(_OUT, types.int64, types.uint64, types.uint64), **HELPER)
def put_ip(out, at, hi, lo):
    """Write the canonical text of an address given as in `sensor.dtypes`.

    An IPv4-mapped address is written as IPv4, dotted; any other as RFC 5952 section 4 has it: lower case, no leading
    zeros, the longest run of at least two zero groups as "::", of equally long runs the leftmost. Wants 16 bytes of
    room for IPv4 and 39 for IPv6, whatever the address.
    """
    if hi == np.uint64(0) and (lo >> np.uint64(32)) == np.uint64(_V4_MAPPED):
        return -1 if out.shape[0] - at < _IPV4_ROOM else _put_ipv4(out, at, lo)
    return -1 if out.shape[0] - at < IP_TEXT_MAX else _put_ipv6(out, at, hi, lo)


@kernel(types.int64(types.uint64, types.uint64, _OUT), **LEAF)
def format_ip(hi, lo, out):
    """Write the canonical text of an address (see `put_ip`) at the start of `out`; return its length, bytes.

    hi, lo : the address, upper and lower 64 bits; an IPv4 address in its IPv4-mapped form
    out : uint8[n]; 39 bytes always suffice. Returns -1 when the text does not fit.
    """
    return put_ip(out, 0, hi, lo)


@kernel(types.void(_OUT, types.int64, FRAMES, types.int64, types.int64), **HELPER)
def put_hex(out, at, data, pos, n_bytes):
    """Write data[pos:pos + n_bytes] in lower-case hexadecimal to out[at:at + 2 * n_bytes], which must be there."""
    for i in range(n_bytes):
        byte = data[pos + i]
        out[at + 2 * i] = _HEX[byte >> 4]
        out[at + 2 * i + 1] = _HEX[byte & 15]
