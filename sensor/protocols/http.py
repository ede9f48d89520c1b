"""HTTP/1.x request and response heads: bytes in, a status and where method, URI, host and user agent lie out.

Reads one head and never a body. A head is followed for `HEAD_BYTES_MAX` bytes; what comes later is not looked at.
Line ends may lack the CR, field names may have any case and folded fields are stepped over (RFC 9112 sections 2.2,
5.1 and 5.2): a server would take such requests, so this must too.
"""

import numpy as np
from numba import types
from numpy.typing import NDArray

from sensor.jit import kernel
from sensor.protocols.reads import FRAMES, HELPER, LEAF, be16

NOT_HTTP = 0
REQUEST = 1  # a whole request head (or as much as HEAD_BYTES_MAX holds)
REQUEST_CUT = 2  # a request whose head goes on after these bytes; what is filled is right, what is empty may come
RESPONSE = 3

# `spans` after a call: offset (into frames) and length of each text, length 0 when absent, then plain numbers
METHOD = 0
URI = 2
HOST = 4
USER_AGENT = 6
HOST_PORT = 8  # the port beside the host, 0 none
IS_PROXY = 9  # 1: an absolute http, https, ftp or WebSocket URI, or CONNECT: what only a proxy is asked
STATUS_CODE = 10  # of a response, 0 when cut before it
N_SPANS = 11

HEAD_BYTES_MAX = 8192
METHOD_BYTES_MAX = 24
HOST_BYTES_MAX = 255

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
_SP = 0x20
_HT = 0x09
_LF = 0x0A
_CR = 0x0D
_COLON = 0x3A
_SLASH = 0x2F
_FIELD_OTHER = -1
_INT = types.int64
_SPANS = types.int32[::1]


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
            if frames[pos + i] == _SP:
                return i
    return 0


@kernel(_INT(FRAMES, _INT, _INT), **HELPER)
def web_scheme_bytes(frames, pos, end):
    """The length of "http://" or its like (https, ftp, ws, wss; any case) at `pos`, 0 when there is none."""
    packed = np.int64(0)
    at = pos
    while at < end and at - pos < 6 and frames[at] != _COLON:
        packed = (packed << 8) | (np.int64(frames[at]) | 0x20)
        at += 1
    # the letters of "http", "https", "ftp", "ws", "wss"
    if packed not in (0x68747470, 0x6874747073, 0x667470, 0x7773, 0x777373):
        return 0
    if at + 3 > end or frames[at] != _COLON or frames[at + 1] != _SLASH or frames[at + 2] != _SLASH:
        return 0
    return at + 3 - pos


@kernel(types.void(FRAMES, _INT, _INT, _SPANS), **HELPER)
def _set_host(frames, begin, stop, spans):
    """Fill HOST and HOST_PORT from an authority (RFC 3986 section 3.2): userinfo, brackets and port are split off."""
    for i in range(begin, stop):
        if frames[i] == 0x40:  # "@": the last one ends the userinfo
            begin = i + 1
    host_stop = stop
    port = np.int64(0)
    if begin < stop and frames[begin] == 0x5B:  # "[": an IPv6 literal, which has colons of its own
        close = begin
        while close < stop and frames[close] != 0x5D:
            close += 1
        if close < stop:
            begin += 1
            host_stop = close
            close += 1
        colon = close
    else:
        colon = stop
        n_colons = 0
        for i in range(begin, stop):
            if frames[i] == _COLON:
                n_colons += 1
                colon = i
        if n_colons != 1:  # none, or an IPv6 address without brackets: no port can be told from it
            colon = stop
        host_stop = colon
    if colon < stop and frames[colon] == _COLON:
        for i in range(colon + 1, stop):
            digit = np.int64(frames[i]) - 0x30
            if digit < 0 or digit > 9 or port > 65535:
                port = np.int64(65536)
                break
            port = 10 * port + digit
        if port > 65535:
            port = np.int64(0)
    if begin < host_stop and host_stop - begin <= HOST_BYTES_MAX:
        spans[HOST] = np.int32(begin)
        spans[HOST + 1] = np.int32(host_stop - begin)
        spans[HOST_PORT] = np.int32(port)


@kernel(types.void(FRAMES, _INT, _INT, types.boolean, types.boolean, _SPANS), **HELPER)
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
    while authority_stop < stop and frames[authority_stop] not in (_SLASH, 0x3F, 0x23, _SP):  # "/", "?", "#"
        authority_stop += 1
    if is_whole or authority_stop < stop:
        spans[IS_PROXY] = 1
        _set_host(frames, authority, authority_stop, spans)


@kernel(types.UniTuple(_INT, 2)(FRAMES, _INT, _INT), **HELPER)
def _read_field_name(frames, pos, stop):
    """Which field starts at `pos` (HOST, USER_AGENT or other), and where its value may start."""
    if np.int64(frames[pos]) | 0x20 == 0x68:
        field, n_bytes, packed = HOST, 4, 0x686F7374  # "host"
    elif np.int64(frames[pos]) | 0x20 == 0x75:
        field, n_bytes, packed = USER_AGENT, 10, 0x757365722D616765  # "user-age"; the last two letters follow
    else:
        return _FIELD_OTHER, pos
    colon = pos + n_bytes
    while colon < stop and (frames[colon] == _SP or frames[colon] == _HT):
        colon += 1
    if colon >= stop or frames[colon] != _COLON:
        return _FIELD_OTHER, pos
    word = np.int64(0)
    for i in range(min(n_bytes, 8)):
        word = (word << 8) | (np.int64(frames[pos + i]) | 0x20)
    if word != packed:
        return _FIELD_OTHER, pos
    if field == USER_AGENT and (be16(frames, pos + 8) | 0x2020 != 0x6E74 or frames[pos + 4] != 0x2D):
        return _FIELD_OTHER, pos
    return field, colon + 1


@kernel(types.boolean(FRAMES, _INT, _INT, _SPANS), **HELPER)
def _read_fields(frames, pos, limit, spans):
    """Fill HOST (unless the target named one) and USER_AGENT; return whether the blank line was reached.

    The first field of a name wins, and of a folded one its first line with a value: so more bytes never change
    what was filled. A line without its LF is not looked at.
    """
    field = _FIELD_OTHER
    has_host = spans[HOST + 1] != 0
    while pos < limit:
        line_end = pos
        while line_end < limit and frames[line_end] != _LF:
            line_end += 1
        if line_end == limit:
            return False
        stop = line_end
        if stop > pos and frames[stop - 1] == _CR:
            stop -= 1
        if stop == pos:
            return True
        begin = pos
        if frames[pos] != _SP and frames[pos] != _HT:  # else the line continues the field before it
            field, begin = _read_field_name(frames, pos, stop)
        if field != _FIELD_OTHER:
            while begin < stop and (frames[begin] == _SP or frames[begin] == _HT):
                begin += 1
            while stop > begin and (frames[stop - 1] == _SP or frames[stop - 1] == _HT):
                stop -= 1
            if begin < stop:
                if field == USER_AGENT and spans[USER_AGENT + 1] == 0:
                    spans[USER_AGENT] = np.int32(begin)
                    spans[USER_AGENT + 1] = np.int32(stop - begin)
                elif field == HOST and not has_host:
                    _set_host(frames, begin, stop, spans)
                    has_host = True
                field = _FIELD_OTHER
        pos = line_end + 1
    return False


@kernel(_INT(FRAMES, _INT, _INT), **HELPER)
def version_digit(frames, pos, end):
    """The digit after "HTTP/1." at `pos`, -1 when the bytes there are anything else."""
    if end - pos < 8 or frames[pos] != 0x48 or frames[pos + 1] != 0x54 or frames[pos + 2] != 0x54:
        return -1
    if frames[pos + 3] != 0x50 or frames[pos + 4] != _SLASH or frames[pos + 5] != 0x31 or frames[pos + 6] != 0x2E:
        return -1
    digit = np.int64(frames[pos + 7]) - 0x30
    return digit if 0 <= digit <= 9 else -1


@kernel(types.void(FRAMES, _INT, _INT, _SPANS), **HELPER)
def _read_status_code(frames, pos, end, spans):
    """Fill STATUS_CODE from the three digits behind the version and a space."""
    if end - pos < 12 or frames[pos + 8] != _SP:
        return
    code = np.int64(0)
    for i in range(9, 12):
        digit = np.int64(frames[pos + i]) - 0x30
        if digit < 0 or digit > 9:
            return
        code = 10 * code + digit
    spans[STATUS_CODE] = np.int32(code)


@kernel(_INT(FRAMES, _INT, _INT, _SPANS), **LEAF)
def parse_request(frames, pos, end, spans):
    """Read the HTTP/1.x head that starts at `frames[pos:end]`.

    spans : int32[N_SPANS], filled as this module's constants say, unless the status is NOT_HTTP (then untouched).
        The host is that of an absolute URI or CONNECT, else that of the Host field; 1 to 255 bytes without userinfo,
        brackets and port. Texts are bytes of any value.

    Returns NOT_HTTP, REQUEST, REQUEST_CUT or RESPONSE. A method nobody knows is taken once its line ends in an
    HTTP/1.x version; before that only well-known ones are.

    Source: RFC 9112 sections 2 to 5, RFC 9110 section 9.
    """
    if pos < 0 or pos >= end or end > frames.shape[0] or spans.shape[0] < N_SPANS:
        return NOT_HTTP
    if frames[pos] < 0x41 or frames[pos] > 0x5A:  # "A" to "Z"
        return NOT_HTTP
    if version_digit(frames, pos, end) >= 0:
        spans[:] = 0
        _read_status_code(frames, pos, end, spans)
        return RESPONSE
    limit = min(end, pos + HEAD_BYTES_MAX)
    space = pos + 1
    while space < limit and space - pos < METHOD_BYTES_MAX:
        letter = frames[space]
        if (letter < 0x41 or letter > 0x5A) and letter not in (0x2D, 0x5F):  # "-", "_"
            break
        space += 1
    if space < limit and frames[space] != _SP:
        return NOT_HTTP
    line_end = space
    while line_end < limit and frames[line_end] != _LF:
        if frames[line_end] < _HT:  # a control character: no text
            return NOT_HTTP
        line_end += 1
    uri = space + 1
    is_connect = space - pos == 7
    for i in range(7):
        is_connect = is_connect and frames[pos + i] == _CONNECT[i]
    if line_end == limit:
        if method_bytes(frames, pos, end) == 0:
            return NOT_HTTP
        spans[:] = 0
        if space < limit:
            spans[METHOD] = np.int32(pos)
            spans[METHOD + 1] = np.int32(space - pos)
            stop = uri
            while stop < limit and frames[stop] != _SP:
                stop += 1
            if uri < stop:
                _read_target(frames, uri, stop, is_connect, stop < limit, spans)
        return REQUEST_CUT if end <= limit else REQUEST
    stop = line_end
    while stop > uri and (frames[stop - 1] == _CR or frames[stop - 1] == _SP):
        stop -= 1
    # the version is looked for from the right: a URI that a careless client left spaces in is still whole
    if stop - uri < 10 or frames[stop - 9] != _SP or version_digit(frames, stop - 8, stop) < 0:
        return NOT_HTTP
    stop -= 9
    while stop > uri and frames[stop - 1] == _SP:
        stop -= 1
    if stop == uri:
        return NOT_HTTP
    spans[:] = 0
    spans[METHOD] = np.int32(pos)
    spans[METHOD + 1] = np.int32(space - pos)
    _read_target(frames, uri, stop, is_connect, True, spans)
    if _read_fields(frames, line_end + 1, limit, spans):
        return REQUEST
    return REQUEST_CUT if end <= limit else REQUEST
