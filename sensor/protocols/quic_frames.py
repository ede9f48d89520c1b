"""The frames inside a decrypted QUIC Initial packet: where the bytes of the TLS handshake are.

Source: RFC 9000 sections 12.4 and 19 (an Initial packet holds PADDING, PING, ACK, CRYPTO and CONNECTION_CLOSE of the
transport only); for Google's Q050, T050 and T051 the frames of Chromium's QUIC of that time.
"""

import numpy as np
from numba import types

from sensor.jit import kernel
from sensor.protocols.quic_header import (
    CRYPTO_AT,
    CRYPTO_BYTES,
    CRYPTO_OFFSET,
    IS_CUT,
    N_INFO,
    NEXT_FRAME,
    SHORT,
    VERSION_ROW,
    read_varint,
)
from sensor.protocols.quic_keys import DIALECT_GOOGLE, dialect_of
from sensor.protocols.reads import FRAMES, HELPER, LEAF, be16

_MALFORMED = -1
_INT = types.int64
_INFO = types.int64[::1]


@kernel(_INT(FRAMES, _INT, _INT, _INT), **HELPER)
def _skip_varints(plain, at, n, count):
    """The position behind `count` variable-length integers, SHORT when they are not all there."""
    while count > 0 and at >= 0:
        _, at = read_varint(plain, at, n)
        count -= 1
    return at


@kernel(_INT(FRAMES, _INT, _INT, _INT), **LEAF)
def _skip_frame(plain, kind, at, n):
    """The position behind the frame whose type ends at `at`; SHORT, or _MALFORMED for a type that may not be here."""
    if kind == 0x01:  # PING
        return at
    if kind == 0x02 or kind == 0x03:  # ACK: largest, delay, count, first range, ranges; 0x03 has three ECN counts
        count, at = read_varint(plain, _skip_varints(plain, at, n, 2), n)
        if count > n:  # before it is doubled
            return SHORT
        return _skip_varints(plain, at, n, 1 + 2 * count + (3 if kind == 0x03 else 0))
    if kind == 0x1C:  # CONNECTION_CLOSE: error, frame type, reason
        reason_bytes, at = read_varint(plain, _skip_varints(plain, at, n, 2), n)
        return at + reason_bytes if at >= 0 and reason_bytes <= n - at else SHORT
    return _MALFORMED


@kernel(_INT(FRAMES, _INT, _INT, _INT), **LEAF)
def _skip_google_frame(plain, kind, at, n):
    """`_skip_frame` for Google's frames."""
    if kind == 0x07:  # PING
        return at
    if kind == 0x02:  # CONNECTION_CLOSE: error, reason
        end = at + 6 + be16(plain, at + 4) if at + 6 <= n else n + 1
    elif 0x40 <= kind <= 0x7F:  # ACK: largest, delay, count of ranges (if flagged), first range, ranges, timestamps
        largest = (kind >> 2) & 3
        size = kind & 3
        largest = 2 * largest if largest else np.int64(1)
        size = 2 * size if size else np.int64(1)
        end = at + largest + 2
        if kind & 0x20:
            end += 1 + size + (1 + size) * (np.int64(plain[end]) if end < n else 0)
        else:
            end += size
        n_times = np.int64(plain[end]) if end < n else np.int64(0)
        end += 1 + (2 + 3 * n_times if n_times else 0)
    else:
        return _MALFORMED
    return end if end <= n else SHORT


@kernel(types.boolean(FRAMES, _INT, _INT, _INFO), **LEAF)
def next_crypto(plain, at, n, info):
    """Find the next CRYPTO frame from `at` on in an opened packet; begin with `at` 0 and go on with info[NEXT_FRAME].

    plain : uint8[], of which plain[:n] is the packet's payload, n being info[PLAIN_BYTES]
    info : int64[N_INFO] as `open_initial` left it; CRYPTO_OFFSET, CRYPTO_AT, CRYPTO_BYTES and NEXT_FRAME are filled

    Returns False behind the last one, with NEXT_FRAME n, or -1 when the frames are malformed (not after OPENED). In a
    packet that was cut, the last frame's bytes are those that are there.
    """
    if info.shape[0] < N_INFO:
        return False
    info[NEXT_FRAME] = _MALFORMED
    if at < 0 or n > plain.shape[0]:
        return False
    is_google = info[VERSION_ROW] >= 0 and dialect_of(info[VERSION_ROW]) == DIALECT_GOOGLE
    while at < n:
        kind = np.int64(plain[at])
        at += 1
        if kind == 0:  # PADDING
            continue
        if kind == (0x08 if is_google else 0x06):
            offset, at = read_varint(plain, at, n)
            length, at = read_varint(plain, at, n)
            if at >= 0 and length > n - at:
                length = n - at if info[IS_CUT] else np.int64(0)
                at = at if info[IS_CUT] else SHORT
            if at >= 0:
                info[CRYPTO_OFFSET] = offset
                info[CRYPTO_AT] = at
                info[CRYPTO_BYTES] = length
                info[NEXT_FRAME] = at + length
                return True
        elif is_google:
            at = _skip_google_frame(plain, kind, at, n)
        else:
            at = _skip_frame(plain, kind, at, n)
        if at < 0:
            if at == SHORT and info[IS_CUT]:
                info[NEXT_FRAME] = n
            return False
    info[NEXT_FRAME] = n
    return False


@kernel(types.boolean(FRAMES, _INT, _INFO), **LEAF)
def are_sound(plain, n, info):
    """Whether plain[:n] is frames that an Initial packet may hold, from the first to the last byte."""
    at = np.int64(0)
    while next_crypto(plain, at, n, info):
        at = info[NEXT_FRAME]
    return info[NEXT_FRAME] == n
