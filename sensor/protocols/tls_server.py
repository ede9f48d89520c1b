"""The ServerHello handshake message: bytes in, a status and what the server chose out.

Like tls_hello.py it takes the message without records around it, of TLS or DTLS.
"""

import numpy as np
from numba import types
from numpy.typing import NDArray

from sensor.jit import kernel
from sensor.protocols.reads import FRAMES, HELPER, LEAF, be16, be64
from sensor.protocols.tls_hello import hello_body, take_alpn

NOT_SERVER_HELLO = 0
SERVER_HELLO = 1  # a whole ServerHello, or a malformed one: filled with what could be read
SERVER_HELLO_CUT = 2

# `server` after a call: offset (into data) and length of each text and list, both 0 when absent, ...
ALPN = 0  # the protocol chosen; TLS 1.3 encrypts it
ALPN_LIST = 2
EXTENSIONS = 4  # extensions, each type and length before its data; only of a message that IS_WHOLE
# ... then plain numbers
VERSION = 6  # legacy version
BEST_VERSION = 7  # the one chosen in supported_versions, 0 none: then the legacy version was chosen
CIPHER = 8
N_EXTENSIONS = 9
SESSION_ID_BYTES = 10
IS_WHOLE = 11
IS_MALFORMED = 12
IS_DTLS = 13
IS_RETRY = 14  # a HelloRetryRequest: a second hello of each side follows
N_SERVER = 15

_SERVER_HELLO = 2
_RANDOM_BYTES = 32
_EXT_ALPN = 16
_EXT_VERSIONS = 43
# RFC 8446 section 4.1.3: the SHA-256 of "HelloRetryRequest" stands for the random
_RETRY: NDArray[np.uint64] = np.array(
    [0xCF21AD74E59A6111, 0xBE1D8C021E65B891, 0xC2A211167ABB8C5E, 0x079E09E2C8A8339C], np.uint64
)
_INT = types.int64
_SERVER = types.int32[::1]


@kernel(types.boolean(FRAMES, _INT, _INT, _INT, _SERVER), **HELPER)
def _read_extensions(data, at, extensions_end, limit, server):
    """Walk the extensions at data[at:extensions_end]; whether they end where they should and before `limit`."""
    start = at
    while at < extensions_end:
        if at + 4 > limit:
            break
        kind = be16(data, at)
        stop = at + 4 + be16(data, at + 2)
        if stop > limit:
            break
        if kind == _EXT_ALPN:
            take_alpn(data, at + 4, stop, ALPN, server)
        elif kind == _EXT_VERSIONS and stop - at == 6 and server[BEST_VERSION] == 0:
            server[BEST_VERSION] = np.int32(be16(data, at + 4))
        server[N_EXTENSIONS] += 1
        at = stop
    server[EXTENSIONS] = np.int32(start)
    server[EXTENSIONS + 1] = np.int32(at - start)
    return at == extensions_end


@kernel(types.boolean(FRAMES, _INT, _INT, _INT, _SERVER), **HELPER)
def _read_body(data, at, body_end, limit, server):
    """Read a ServerHello from its version on; whether all of it is at data[at:limit] and its lengths fit."""
    at += 2
    if at + _RANDOM_BYTES >= limit:
        return False
    is_retry = True
    for i in range(4):
        is_retry = is_retry and be64(data, at + 8 * i) == _RETRY[i]
    server[IS_RETRY] = is_retry
    at += _RANDOM_BYTES
    server[SESSION_ID_BYTES] = np.int32(data[at])
    at += 1 + np.int64(data[at])
    if at + 3 > limit:
        return False
    server[CIPHER] = np.int32(be16(data, at))
    at += 3  # and the compression method
    if at == body_end and at == limit:  # no extensions
        return True
    if at + 2 > limit:
        return False
    fits = _read_extensions(data, at + 2, at + 2 + be16(data, at), limit, server)
    return fits and at + 2 + be16(data, at) == body_end


@kernel(_INT(FRAMES, _INT, _INT, _SERVER), **LEAF)
def parse_server_hello(data, pos, end, server):
    """Read the ServerHello handshake message that starts at `data[pos:end]`; bytes behind it are not looked at.

    server : int32[N_SERVER], filled as this module's constants say, unless the status is NOT_SERVER_HELLO (untouched)

    Returns NOT_SERVER_HELLO, SERVER_HELLO or SERVER_HELLO_CUT.

    Source: RFC 8446 sections 4.1.3 and 4.2, RFC 5246 section 7.4.1.3, RFC 6347.
    """
    if pos < 0 or pos >= end or end > data.shape[0] or server.shape[0] < N_SERVER or data[pos] != _SERVER_HELLO:
        return NOT_SERVER_HELLO
    is_hello, body, body_end, limit = hello_body(data, pos, end)
    if not is_hello:
        return NOT_SERVER_HELLO
    for i in range(N_SERVER):
        server[i] = 0
    if limit == 0:
        return SERVER_HELLO_CUT
    server[IS_DTLS] = body - pos > 4
    server[VERSION] = np.int32(be16(data, body))
    fits = _read_body(data, body, body_end, limit, server)
    if limit < body_end:
        server[EXTENSIONS] = server[EXTENSIONS + 1] = 0
        return SERVER_HELLO_CUT
    server[IS_WHOLE] = 1
    server[IS_MALFORMED] = not fits
    return SERVER_HELLO
