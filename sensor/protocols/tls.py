"""The server name in a TLS ClientHello: bytes in, a status and where the name lies out. Decrypts nothing.

With Encrypted Client Hello the name is the public, outer one (RFC 9849); the real one is not visible on the wire.
"""

import numpy as np
from numba import types

from sensor.jit import kernel
from sensor.protocols.reads import FRAMES, HELPER, LEAF, be16

NOT_TLS = 0
OTHER_TLS = 1  # a TLS record, but no ClientHello
HELLO_NO_SNI = 2  # a ClientHello, all there or malformed, without a name that can be read
HELLO_SNI = 3
HELLO_CUT = 4  # the bytes end before the name: more of them may hold it
HELLO_SPLIT = 5  # the ClientHello goes on in another record of these bytes: see `join_records`

RECORD_TYPE_MIN = 20  # change_cipher_spec
RECORD_TYPE_HANDSHAKE = 22
RECORD_TYPE_MAX = 24  # heartbeat
RECORD_HEADER_BYTES = 5
RECORD_BYTES_MAX = 16384 + 2048  # RFC 5246 section 6.2.3; TLS 1.3 allows less
NAME_BYTES_MAX = 255

_HANDSHAKE_HEADER_BYTES = 4
_CLIENT_HELLO = 1
_SERVER_NAME = 0  # both the extension (RFC 6066 section 3) and, inside it, the name type host_name
_FOUND = types.UniTuple(types.int64, 3)
_INT = types.int64


@kernel(types.boolean(FRAMES, _INT, _INT), **HELPER)
def _is_sslv2_hello(frames, pos, end):
    """Whether an SSLv2-compatible ClientHello starts here (RFC 5246 appendix E.2). Such a hello carries no name."""
    if end - pos < 11 or frames[pos + 2] != _CLIENT_HELLO:
        return False
    major = frames[pos + 3]
    minor = frames[pos + 4]
    if not ((major == 3 and minor <= 4) or (major == 0 and minor == 2)):
        return False
    cipher_bytes = be16(frames, pos + 5)
    session_bytes = be16(frames, pos + 7)
    challenge_bytes = be16(frames, pos + 9)
    length = be16(frames, pos) & 0x7FFF
    if cipher_bytes == 0 or cipher_bytes % 3 != 0 or session_bytes not in (0, 16):
        return False
    return 16 <= challenge_bytes <= 32 and length == 9 + cipher_bytes + session_bytes + challenge_bytes


@kernel(_FOUND(FRAMES, _INT, _INT, _INT), **HELPER)
def _find_in_hello(frames, pos, limit, short):
    """Walk a ClientHello from its random to the server_name extension.

    limit : where the readable part of the hello ends
    short : the status to return when the walk would pass `limit`
    """
    at = pos + 32  # random
    if at >= limit:
        return short, 0, 0
    at += 1 + np.int64(frames[at])  # session id
    if at + 2 > limit:
        return short, 0, 0
    at += 2 + be16(frames, at)  # cipher suites
    if at >= limit:
        return short, 0, 0
    at += 1 + np.int64(frames[at])  # compression methods
    if at + 2 > limit:
        return short, 0, 0
    extensions_end = at + 2 + be16(frames, at)
    at += 2
    while at < extensions_end:
        if at + 4 > limit:
            return short, 0, 0
        kind = be16(frames, at)
        length = be16(frames, at + 2)
        if kind == _SERVER_NAME:
            if length < 6:
                return HELLO_NO_SNI, 0, 0
            if at + 9 > limit:
                return short, 0, 0
            name_bytes = be16(frames, at + 7)
            if frames[at + 6] != _SERVER_NAME or not 1 <= name_bytes <= NAME_BYTES_MAX or name_bytes > length - 5:
                return HELLO_NO_SNI, 0, 0
            if at + 9 + name_bytes > limit:
                return short, 0, 0
            return HELLO_SNI, at + 9, name_bytes
        at += 4 + length
    return HELLO_NO_SNI, 0, 0


@kernel(_FOUND(FRAMES, _INT, _INT), **HELPER)
def _find_in_record(frames, pos, end):
    """`find_sni` of bytes of which the first is a TLS record's."""
    n_bytes = end - pos
    if (n_bytes > 1 and frames[pos + 1] != 3) or (n_bytes > 2 and frames[pos + 2] > 4):
        return NOT_TLS, 0, 0
    is_handshake = frames[pos] == RECORD_TYPE_HANDSHAKE
    if n_bytes < RECORD_HEADER_BYTES:
        return (HELLO_CUT if is_handshake else NOT_TLS), 0, 0
    record_bytes = be16(frames, pos + 3)
    if record_bytes == 0 or record_bytes > RECORD_BYTES_MAX:
        return NOT_TLS, 0, 0
    hello = pos + RECORD_HEADER_BYTES
    if not is_handshake or (n_bytes > RECORD_HEADER_BYTES and frames[hello] != _CLIENT_HELLO):
        return OTHER_TLS, 0, 0
    record_end = hello + record_bytes
    body = hello + _HANDSHAKE_HEADER_BYTES
    if body + 2 > min(record_end, end):
        if record_end >= end:
            return HELLO_CUT, 0, 0
        return (HELLO_SPLIT if frames[record_end] == RECORD_TYPE_HANDSHAKE else OTHER_TLS), 0, 0
    if frames[body] != 3:  # legacy_version; encrypted handshake messages stop here
        return OTHER_TLS, 0, 0
    hello_end = body + ((np.int64(frames[hello + 1]) << 16) | be16(frames, hello + 2))
    limit, short = hello_end, HELLO_NO_SNI
    if record_end < hello_end:
        limit = record_end
        if record_end < end and frames[record_end] == RECORD_TYPE_HANDSHAKE:
            short = HELLO_SPLIT
    if end < hello_end and end <= limit:
        limit, short = end, HELLO_CUT
    return _find_in_hello(frames, body + 2, limit, short)


@kernel(_FOUND(FRAMES, _INT, _INT), **LEAF)
def find_sni(frames, pos, end):
    """Find the server name in `frames[pos:end]`, the first payload bytes of one direction of a flow.

    Returns (status, offset, length): the status is one of this module's; offset (into `frames`) and length are those
    of the name with HELLO_SNI, else 0. The name is 1 to 255 bytes of any value: nothing here makes it fit to print.
    A hello cut after fewer than six bytes is HELLO_CUT as long as they fit one.

    Source: RFC 8446 sections 4.1.2 and 5.1, RFC 6066 section 3, RFC 5246 appendix E.2.
    """
    if pos < 0 or pos >= end or end > frames.shape[0]:
        return NOT_TLS, 0, 0
    first = frames[pos]
    if RECORD_TYPE_MIN <= first <= RECORD_TYPE_MAX:
        return _find_in_record(frames, pos, end)
    if first >= 0x80 and _is_sslv2_hello(frames, pos, end):
        return HELLO_NO_SNI, 0, 0
    return NOT_TLS, 0, 0


@kernel(_INT(FRAMES, _INT, _INT, types.uint8[::1]), **LEAF)
def join_records(frames, pos, end, out):
    """Join the handshake records at `frames[pos:end]` into one record in `out`, so that `find_sni` can read it.

    A client may split its ClientHello over records anywhere, also inside the name (RFC 8446 section 5.1), which tools
    that hide from sensors do. Joining stops at the end of the bytes, of `out`, of the longest record that `find_sni`
    takes, and at a record of another type. Returns the length of the joined record, 0 when there is none.
    """
    capacity = min(out.shape[0], RECORD_HEADER_BYTES + RECORD_BYTES_MAX)
    if pos < 0 or end > frames.shape[0] or capacity <= RECORD_HEADER_BYTES:
        return 0
    length = RECORD_HEADER_BYTES
    while pos + RECORD_HEADER_BYTES <= end and length < capacity:
        if frames[pos] != RECORD_TYPE_HANDSHAKE or frames[pos + 1] != 3:
            break
        body = pos + RECORD_HEADER_BYTES
        n_bytes = min(be16(frames, pos + 3), end - body, capacity - length)
        for i in range(n_bytes):
            out[length + i] = frames[body + i]
        length += n_bytes
        pos = body + be16(frames, pos + 3)
    if length == RECORD_HEADER_BYTES:
        return 0
    out[0] = np.uint8(RECORD_TYPE_HANDSHAKE)
    out[1] = np.uint8(3)
    out[2] = np.uint8(1)
    out[3] = np.uint8((length - RECORD_HEADER_BYTES) >> 8)
    out[4] = np.uint8((length - RECORD_HEADER_BYTES) & 0xFF)
    return length
