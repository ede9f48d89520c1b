"""HTTP/1.x heads: bytes in, a status and where method, URI, host and the rest lie out.

Reads one head and never a body. A head is followed for `HEAD_BYTES_MAX` bytes; what comes later is not looked at.
What fields say is in `http_fields`, with the layout of `spans`.
"""

import numpy as np
from numba import types
from numpy.typing import NDArray

from sensor.jit import kernel
from sensor.protocols.http_fields import (
    CHUNKED,
    COLON,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    CR,
    FORWARDED_FOR,
    HAS_PROXY_AUTH,
    HEAD_BYTES,
    HOST,
    HOST_BYTES_MAX,
    HOST_PORT,
    HT,
    IS_CONNECT,
    IS_PROXY,
    IS_UPGRADED,
    LENGTH_MAX,
    LF,
    METHOD,
    N_SPANS,
    NO_LENGTH,
    SP,
    SPANS,
    STATUS_CODE,
    UPGRADE,
    UPGRADE_H2C,
    UPGRADE_WEBSOCKET,
    URI,
    USER_AGENT,
    VIA,
    read_fields,
    set_host,
)
from sensor.protocols.reads import FRAMES, HELPER, LEAF

__all__ = [
    "CHUNKED",
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "FORWARDED_FOR",
    "HAS_PROXY_AUTH",
    "HEAD_BYTES",
    "HEAD_BYTES_MAX",
    "HOST",
    "HOST_BYTES_MAX",
    "HOST_PORT",
    "IS_CONNECT",
    "IS_PROXY",
    "IS_UPGRADED",
    "LENGTH_MAX",
    "METHOD",
    "METHOD_BYTES_MAX",
    "NOT_HTTP",
    "NO_LENGTH",
    "N_SPANS",
    "REQUEST",
    "REQUEST_CUT",
    "RESPONSE",
    "RESPONSE_CUT",
    "STATUS_CODE",
    "UPGRADE",
    "UPGRADE_H2C",
    "UPGRADE_WEBSOCKET",
    "URI",
    "USER_AGENT",
    "VIA",
    "method_bytes",
    "next_request",
    "parse_request",
    "parse_response",
    "version_digit",
    "web_scheme_bytes",
]

NOT_HTTP = 0
REQUEST = 1  # a whole request head (or as much as HEAD_BYTES_MAX holds)
REQUEST_CUT = 2  # a request whose head goes on after these bytes; what is filled is right, what is empty may come
RESPONSE = 3
RESPONSE_CUT = 4

HEAD_BYTES_MAX = 8192
METHOD_BYTES_MAX = 24
_NEXT_GAP_MAX = 4  # bytes of empty lines in front of a request

_KNOWN_METHODS = (
    *("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"),
    *("PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "SEARCH", "REPORT", "MERGE", "CHECKOUT"),
    *("NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "M-SEARCH", "RPC_IN_DATA", "RPC_OUT_DATA", "BITS_POST", "CCM_POST"),
)
"""RFC 9110 and 5789, WebDAV (RFC 4918, 3253, 5323), UPnP, and what Windows sends: RPC over HTTP, BITS, SCCM."""

_METHOD_BYTES: NDArray[np.uint8] = np.zeros((len(_KNOWN_METHODS), METHOD_BYTES_MAX + 1), np.uint8)
for _row, _name in zip(_METHOD_BYTES, _KNOWN_METHODS, strict=True):
    _row[: len(_name) + 1] = np.frombuffer(_name.encode() + b" ", np.uint8)

_CONNECT: NDArray[np.uint8] = np.frombuffer(b"CONNECT", np.uint8)
_SLASH = 0x2F
_INT = types.int64


@kernel(_INT(FRAMES, _INT, _INT), **HELPER)
def method_bytes(frames, pos, end):
    """The length of the well-known method at `pos` that a space follows; 0 for none, -1 when the bytes end inside it.

    There must be at least one byte.
    """
    for row in range(_METHOD_BYTES.shape[0]):
        if frames[pos] != _METHOD_BYTES[row, 0]:
            continue
        for i in range(1, METHOD_BYTES_MAX + 1):
            if pos + i >= end:
                return -1
            if frames[pos + i] != _METHOD_BYTES[row, i]:
                break
            if frames[pos + i] == SP:
                return i
    return 0


@kernel(_INT(FRAMES, _INT, _INT), **HELPER)
def web_scheme_bytes(frames, pos, end):
    """The length of "http://" or its like (https, ftp, ws, wss; any case) at `pos`, 0 when there is none."""
    packed = np.int64(0)
    at = pos
    while at < end and at - pos < 6 and frames[at] != COLON:
        packed = (packed << 8) | (np.int64(frames[at]) | 0x20)
        at += 1
    # the letters of "http", "https", "ftp", "ws", "wss"
    if packed not in (0x68747470, 0x6874747073, 0x667470, 0x7773, 0x777373):
        return 0
    if at + 3 > end or frames[at] != COLON or frames[at + 1] != _SLASH or frames[at + 2] != _SLASH:
        return 0
    return at + 3 - pos


@kernel(types.void(FRAMES, _INT, _INT, types.boolean, types.boolean, SPANS), **HELPER)
def _read_target(frames, uri, stop, is_connect, is_whole, spans):
    """Fill URI, and HOST and IS_PROXY when the target names a host (RFC 9112 section 3.2).

    is_whole : whether the target is known to end at `stop`; otherwise a host that touches `stop` may go on
    """
    spans[URI] = np.int32(uri)
    spans[URI + 1] = np.int32(stop - uri)
    scheme_bytes = web_scheme_bytes(frames, uri, stop)
    if scheme_bytes == 0 and not is_connect:
        return
    authority = uri if is_connect else uri + scheme_bytes
    authority_stop = authority
    while authority_stop < stop and frames[authority_stop] not in (_SLASH, 0x3F, 0x23, SP):  # "/", "?", "#"
        authority_stop += 1
    if is_whole or authority_stop < stop:
        spans[IS_PROXY] = 1
        set_host(frames, authority, authority_stop, spans)


@kernel(_INT(FRAMES, _INT, _INT), **HELPER)
def version_digit(frames, pos, end):
    """The digit after "HTTP/1." at `pos`, -1 when the bytes there are anything else."""
    if end - pos < 8 or frames[pos] != 0x48 or frames[pos + 1] != 0x54 or frames[pos + 2] != 0x54:
        return -1
    if frames[pos + 3] != 0x50 or frames[pos + 4] != _SLASH or frames[pos + 5] != 0x31 or frames[pos + 6] != 0x2E:
        return -1
    digit = np.int64(frames[pos + 7]) - 0x30
    return digit if 0 <= digit <= 9 else -1


@kernel(types.void(FRAMES, _INT, _INT, SPANS), **HELPER)
def _read_status_code(frames, pos, end, spans):
    """Fill STATUS_CODE from the three digits behind the version and a space."""
    if end - pos < 12 or frames[pos + 8] != SP:
        return
    code = np.int64(0)
    for i in range(9, 12):
        digit = np.int64(frames[pos + i]) - 0x30
        if digit < 0 or digit > 9:
            return
        code = 10 * code + digit
    spans[STATUS_CODE] = np.int32(code)


@kernel(types.void(SPANS), **HELPER)
def _clear(spans):
    spans[:] = 0
    spans[CONTENT_LENGTH] = NO_LENGTH


@kernel(_INT(FRAMES, _INT, _INT, SPANS), **LEAF)
def parse_request(frames, pos, end, spans):
    """Read the HTTP/1.x head that starts at `frames[pos:end]`.

    spans : int32[N_SPANS], filled as the constants of `http_fields` say, unless the status is NOT_HTTP (then
        untouched). The host is that of an absolute URI or CONNECT, else that of the Host field; 1 to 255 bytes without
        userinfo, brackets and port. Texts are bytes of any value. More bytes never change what is filled.

    Returns NOT_HTTP, REQUEST, REQUEST_CUT or RESPONSE (then only STATUS_CODE is filled). A method nobody knows is taken
    once its line ends in an HTTP/1.x version; before that only well-known ones are.

    Source: RFC 9112 sections 2 to 6, RFC 9110 sections 7 to 9.
    """
    if pos < 0 or pos >= end or end > frames.shape[0] or spans.shape[0] < N_SPANS:
        return NOT_HTTP
    if frames[pos] < 0x41 or frames[pos] > 0x5A:  # "A" to "Z"
        return NOT_HTTP
    if version_digit(frames, pos, end) >= 0:
        _clear(spans)
        _read_status_code(frames, pos, end, spans)
        return RESPONSE
    limit = min(end, pos + HEAD_BYTES_MAX)
    space = pos + 1
    while space < limit and space - pos < METHOD_BYTES_MAX:
        letter = frames[space]
        if (letter < 0x41 or letter > 0x5A) and letter not in (0x2D, 0x5F):  # "-", "_"
            break
        space += 1
    if space < limit and frames[space] != SP:
        return NOT_HTTP
    line_end = space
    while line_end < limit and frames[line_end] != LF:
        if frames[line_end] < HT:  # a control character: no text
            return NOT_HTTP
        line_end += 1
    uri = space + 1
    is_connect = space - pos == 7
    for i in range(7):
        is_connect = is_connect and frames[pos + i] == _CONNECT[i]
    if line_end == limit:
        if method_bytes(frames, pos, end) == 0:
            return NOT_HTTP
        _clear(spans)
        if space < limit:
            spans[METHOD] = np.int32(pos)
            spans[METHOD + 1] = np.int32(space - pos)
            spans[IS_CONNECT] = np.int32(is_connect)
            stop = uri
            while stop < limit and frames[stop] != SP:
                stop += 1
            if uri < stop:
                _read_target(frames, uri, stop, is_connect, stop < limit, spans)
        return REQUEST_CUT if end <= limit else REQUEST
    stop = line_end
    while stop > uri and (frames[stop - 1] == CR or frames[stop - 1] == SP):
        stop -= 1
    # the version is looked for from the right: a URI that a careless client left spaces in is still whole
    if stop - uri < 10 or frames[stop - 9] != SP or version_digit(frames, stop - 8, stop) < 0:
        return NOT_HTTP
    stop -= 9
    while stop > uri and frames[stop - 1] == SP:
        stop -= 1
    if stop == uri:
        return NOT_HTTP
    _clear(spans)
    spans[METHOD] = np.int32(pos)
    spans[METHOD + 1] = np.int32(space - pos)
    spans[IS_CONNECT] = np.int32(is_connect)
    _read_target(frames, uri, stop, is_connect, True, spans)
    if read_fields(frames, pos, line_end + 1, limit, spans):
        return REQUEST
    return REQUEST_CUT if end <= limit else REQUEST


@kernel(_INT(FRAMES, _INT, _INT), **LEAF)
def _behind_chunks(frames, at, end):
    """The position behind a chunked body (RFC 9112 section 7.1); -1 when it goes on or is malformed."""
    while at < end:
        size = np.int64(0)
        first = at
        while at < end and at - first < 8:
            byte = np.int64(frames[at])
            digit = byte - 0x30 if byte <= 0x39 else (byte | 0x20) - 0x57
            if digit < 0 or digit > 15 or (byte > 0x39 and digit < 10):
                break
            size = 16 * size + digit
            at += 1
        if at == first:
            return -1
        while at < end and frames[at] != LF:  # extensions
            at += 1
        at += 1
        if size > 0:
            at += size
            if at < end and frames[at] == CR:
                at += 1
            if at >= end or frames[at] != LF:
                return -1
            at += 1
            continue
        while at < end:  # trailer fields, then a blank line
            line_end = at
            while line_end < end and frames[line_end] != LF:
                line_end += 1
            if line_end == end:
                return -1
            is_blank = line_end == at or (line_end == at + 1 and frames[at] == CR)
            at = line_end + 1
            if is_blank:
                return at
        return -1
    return -1


@kernel(_INT(FRAMES, _INT, _INT, SPANS), **LEAF)
def next_request(frames, pos, end, spans):
    """Where the request after the one at `pos` starts; `parse_request` of the same arguments has filled `spans`.

    Returns an offset into `frames`, behind the body and the empty lines that some clients send after it (RFC 9112
    section 2.2). It may lie at or behind `end`: that many bytes of body are still to come. -1 when it cannot be told:
    the head is not whole, a chunked body goes on, or it is CONNECT and a tunnel follows.
    """
    if pos < 0 or end > frames.shape[0] or spans.shape[0] < N_SPANS or spans[HEAD_BYTES] <= 0 or spans[IS_CONNECT]:
        return -1
    at = pos + np.int64(spans[HEAD_BYTES])
    if spans[CONTENT_LENGTH] == CHUNKED:
        at = _behind_chunks(frames, at, end)
        if at < 0:
            return -1
    elif spans[CONTENT_LENGTH] > 0:
        at += np.int64(spans[CONTENT_LENGTH])
    stop = min(end, at + _NEXT_GAP_MAX)
    while at < stop and (frames[at] == CR or frames[at] == LF):
        at += 1
    return at


@kernel(_INT(FRAMES, _INT, _INT, SPANS), **LEAF)
def parse_response(frames, pos, end, spans):
    """Read the HTTP/1.x response head that starts at `frames[pos:end]`.

    spans : int32[N_SPANS]. Filled are STATUS_CODE, HEAD_BYTES, CONTENT_LENGTH (0 where the status allows no body;
        whether HEAD or CONNECT was asked is for the caller to know), CONTENT_TYPE, VIA, UPGRADE and IS_UPGRADED; the
        other fields too if a server sends them. Untouched when the status is NOT_HTTP. More bytes never change what
        is filled.

    Returns NOT_HTTP, RESPONSE (a whole head, or as much as HEAD_BYTES_MAX holds) or RESPONSE_CUT.

    Source: RFC 9112 sections 4 to 6, RFC 9110 sections 7, 8 and 15.
    """
    if pos < 0 or pos >= end or end > frames.shape[0] or spans.shape[0] < N_SPANS:
        return NOT_HTTP
    if version_digit(frames, pos, end) < 0:
        return NOT_HTTP
    _clear(spans)
    _read_status_code(frames, pos, end, spans)
    limit = min(end, pos + HEAD_BYTES_MAX)
    line_end = pos
    while line_end < limit and frames[line_end] != LF:
        line_end += 1
    is_whole = line_end < limit and read_fields(frames, pos, line_end + 1, limit, spans)
    code = spans[STATUS_CODE]
    if is_whole and (100 <= code < 200 or code == 204 or code == 304):
        spans[CONTENT_LENGTH] = 0
    if code == 101:
        spans[IS_UPGRADED] = spans[UPGRADE]
    return RESPONSE if is_whole or end > limit else RESPONSE_CUT
