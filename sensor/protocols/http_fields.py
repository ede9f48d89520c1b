"""What HTTP/1.x requests and responses share: the layout of `spans`, header fields, and where a body ends.

Line ends may lack the CR, field names may have any case and folded fields are stepped over (RFC 9112 sections 2.2, 5.1
and 5.2): a server would take such heads, so this must too.
"""

import numpy as np
from numba import types
from numpy.typing import NDArray

from sensor.jit import kernel
from sensor.protocols.reads import FRAMES, HELPER, LEAF

# `spans` after a call: offset (into frames) and length of each text, length 0 when absent, then plain numbers
METHOD = 0
URI = 2
HOST = 4
USER_AGENT = 6
HOST_PORT = 8  # the port beside the host, 0 none
IS_PROXY = 9  # 1: an absolute http, https, ftp or WebSocket URI, or CONNECT: what only a proxy is asked
STATUS_CODE = 10  # of a response, 0 when cut before it
HEAD_BYTES = 11  # the whole head with its blank line, 0 while its end is not known
CONTENT_LENGTH = 12  # of the body, bytes (LENGTH_MAX: that or more), or one of the two below; told when HEAD_BYTES is
IS_CONNECT = 13  # 1: the method is CONNECT
UPGRADE = 14  # what an Upgrade field names: UPGRADE_WEBSOCKET, UPGRADE_H2C, 0 none or another
HAS_PROXY_AUTH = 15  # 1: a Proxy-Authorization field
FORWARDED_FOR = 16  # the client a proxy names: first of X-Forwarded-For, else of Forwarded; without quotes and port
VIA = 18
CONTENT_TYPE = 20  # media type without parameters
IS_UPGRADED = 22  # of a response 101: as UPGRADE, else 0
N_SPANS = 23

NO_LENGTH = -1  # none or a malformed one is given: a request has no body, a response lasts until the connection ends
CHUNKED = -2
LENGTH_MAX = 2**31 - 1
UPGRADE_WEBSOCKET = 1
UPGRADE_H2C = 2
HOST_BYTES_MAX = 255
MEDIA_TYPE_BYTES_MAX = 255  # RFC 6838 section 4.2: 127 on each side of the slash

_OTHER = -1
_FORWARDED = -2
_TRANSFER = -3
_FIELDS = (
    (b"host", HOST),
    (b"user-agent", USER_AGENT),
    (b"content-length", CONTENT_LENGTH),
    (b"content-type", CONTENT_TYPE),
    (b"x-forwarded-for", FORWARDED_FOR),
    (b"forwarded", _FORWARDED),
    (b"via", VIA),
    (b"transfer-encoding", _TRANSFER),
    (b"upgrade", UPGRADE),
    (b"proxy-authorization", HAS_PROXY_AUTH),
)
_WORDS = (b"websocket", b"h2c", b"chunked", b"for=")
_CHUNKED_WORD = 2
_FOR_WORD = 3
_WIDTH = 20


def _table(texts: tuple[bytes, ...]) -> NDArray[np.uint8]:
    """One text a row, in lower case, a zero behind it."""
    table = np.zeros((len(texts), _WIDTH), np.uint8)
    for row, text in zip(table, texts, strict=True):
        row[: len(text)] = np.frombuffer(text, np.uint8)
    return table


_NAMES = _table(tuple(name for name, _ in _FIELDS))
_CODES: NDArray[np.int64] = np.array([code for _, code in _FIELDS], np.int64)
_FIRST_LETTERS = sum({1 << (name[0] & 31) for name, _ in _FIELDS})  # most lines are passed over by this alone
_WORD_BYTES = _table(_WORDS)

SP = 0x20
HT = 0x09
LF = 0x0A
CR = 0x0D
COLON = 0x3A
COMMA = 0x2C
SEMICOLON = 0x3B
QUOTE = 0x22
_INT = types.int64
_TABLE = types.Array(types.uint8, 2, "C", readonly=True)
_PAIR = types.UniTuple(_INT, 2)
_TRIPLE = types.UniTuple(_INT, 3)
SPANS = types.int32[::1]


@kernel(_INT(FRAMES, _INT, _INT, _TABLE, _INT), **HELPER)
def _same_bytes(frames, pos, stop, table, row):
    """The length of the row's text if it stands at `pos`, in any case; else 0."""
    i = 0
    while table[row, i] != 0:
        want = np.int64(table[row, i])
        if pos + i >= stop:
            return 0
        differ = np.int64(frames[pos + i]) ^ want
        if differ != 0 and (differ != 0x20 or want < 0x61):
            return 0
        i += 1
    return i


@kernel(_PAIR(FRAMES, _INT, _INT), **HELPER)
def trimmed(frames, begin, stop):
    """(begin, stop) without the spaces and tabs around."""
    while begin < stop and (frames[begin] == SP or frames[begin] == HT):
        begin += 1
    while stop > begin and (frames[stop - 1] == SP or frames[stop - 1] == HT):
        stop -= 1
    return begin, stop


@kernel(_TRIPLE(FRAMES, _INT, _INT), **LEAF)
def split_authority(frames, begin, stop):
    """(begin, stop, port) of the host in an authority (RFC 3986 section 3.2), without userinfo, brackets and port.

    begin equals stop when there is no host of 1 to HOST_BYTES_MAX bytes; a missing or malformed port is 0.
    """
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
            if frames[i] == COLON:
                n_colons += 1
                colon = i
        if n_colons != 1:  # none, or an IPv6 address without brackets: no port can be told from it
            colon = stop
        host_stop = colon
    if colon < stop and frames[colon] == COLON:
        for i in range(colon + 1, stop):
            digit = np.int64(frames[i]) - 0x30
            if digit < 0 or digit > 9 or port > 65535:
                port = np.int64(65536)
                break
            port = 10 * port + digit
        if port > 65535:
            port = np.int64(0)
    if begin >= host_stop or host_stop - begin > HOST_BYTES_MAX:
        return begin, begin, 0
    return begin, host_stop, port


@kernel(types.void(FRAMES, _INT, _INT, SPANS), **HELPER)
def set_host(frames, begin, stop, spans):
    """Fill HOST and HOST_PORT from an authority."""
    begin, stop, port = split_authority(frames, begin, stop)
    if begin < stop:
        spans[HOST] = np.int32(begin)
        spans[HOST + 1] = np.int32(stop - begin)
        spans[HOST_PORT] = np.int32(port)


@kernel(_PAIR(FRAMES, _INT, _INT), **HELPER)
def _read_field_name(frames, pos, stop):
    """Which field starts at `pos` (a code of _FIELDS or _OTHER), and where its value may start."""
    letter = np.int64(frames[pos]) | 0x20
    if letter < 0x61 or letter > 0x7A or (_FIRST_LETTERS >> (letter & 31)) & 1 == 0:
        return _OTHER, pos
    for row in range(_NAMES.shape[0]):
        if _NAMES[row, 0] != letter:
            continue
        n_bytes = _same_bytes(frames, pos, stop, _NAMES, row)
        if n_bytes == 0:
            continue
        colon = pos + n_bytes
        while colon < stop and (frames[colon] == SP or frames[colon] == HT):
            colon += 1
        if colon < stop and frames[colon] == COLON:
            return _CODES[row], colon + 1
    return _OTHER, pos


@kernel(_INT(FRAMES, _INT, _INT), **HELPER)
def _read_length(frames, begin, stop):
    """A Content-Length (RFC 9110 section 8.6): of a list the first one. NO_LENGTH when it is malformed."""
    length = np.int64(0)
    at = begin
    while at < stop and 0x30 <= frames[at] <= 0x39:
        length = min(10 * length + np.int64(frames[at]) - 0x30, np.int64(LENGTH_MAX))
        at += 1
    is_end = at == stop or frames[at] == COMMA or frames[at] == SP or frames[at] == HT
    return length if at > begin and is_end else NO_LENGTH


@kernel(_INT(FRAMES, _INT, _INT), **HELPER)
def _read_upgrade(frames, begin, stop):
    """The first protocol of an Upgrade field (RFC 9110 section 7.8) that we know, 0 when there is none."""
    at = begin
    while at < stop:
        while at < stop and (frames[at] == SP or frames[at] == HT or frames[at] == COMMA):
            at += 1
        for row in range(_CHUNKED_WORD):
            behind = at + _same_bytes(frames, at, stop, _WORD_BYTES, row)
            # a version may follow the name
            if behind > at and (behind == stop or frames[behind] in (COMMA, SP, HT, 0x2F)):
                return row + 1
        while at < stop and frames[at] != COMMA:
            at += 1
    return 0


@kernel(types.boolean(FRAMES, _INT, _INT), **HELPER)
def _ends_in_chunked(frames, begin, stop):
    """Whether the last transfer coding is "chunked" (RFC 9112 section 6.1)."""
    at = stop - 7
    if at < begin or _same_bytes(frames, at, stop, _WORD_BYTES, _CHUNKED_WORD) == 0:
        return False
    return at == begin or frames[at - 1] == COMMA or frames[at - 1] == SP or frames[at - 1] == HT


@kernel(_PAIR(FRAMES, _INT, _INT), **HELPER)
def _first_forwarded_for(frames, begin, stop):
    """(begin, stop) of the first "for=" value in a Forwarded field (RFC 7239 section 4); equal when there is none."""
    is_quoted = False
    is_start = True
    for at in range(begin, stop):
        byte = frames[at]
        if is_start and not is_quoted and _same_bytes(frames, at, stop, _WORD_BYTES, _FOR_WORD) > 0:
            at += 4
            last = at
            if at < stop and frames[at] == QUOTE:
                at += 1
                last = at
                while last < stop and frames[last] != QUOTE:
                    last += 1
            else:
                while last < stop and frames[last] != SEMICOLON and frames[last] != COMMA:
                    last += 1
            return trimmed(frames, at, last)
        if byte == QUOTE:
            is_quoted = not is_quoted
        is_start = byte == SEMICOLON or byte == COMMA or byte == SP or byte == HT
    return begin, begin


@kernel(types.void(SPANS, _INT, _INT, _INT), **HELPER)
def _set_text(spans, which, begin, stop):
    """Fill a text unless an earlier field has."""
    if spans[which + 1] == 0 and begin < stop:
        spans[which] = np.int32(begin)
        spans[which + 1] = np.int32(stop - begin)


@kernel(types.boolean(FRAMES, _INT, _INT, _INT, SPANS), **LEAF)
def read_fields(frames, head, pos, limit, spans):
    """Fill `spans` from the fields at `frames[pos:limit]`; return whether the blank line was reached.

    head : where the head starts, for HEAD_BYTES

    The first field of a name wins, and of a folded one its first line with a value; HOST stays when it is filled
    already. So more bytes never change what was filled; what later fields could overrule (CONTENT_LENGTH, a
    FORWARDED_FOR out of a Forwarded field) is filled only at the blank line. A line without its LF is not looked at.
    """
    field = np.int64(_OTHER)
    has_host = spans[HOST + 1] != 0
    length = np.int64(NO_LENGTH)
    has_length = False
    has_transfer = False
    is_chunked = False
    for_begin = np.int64(0)
    for_stop = np.int64(0)
    while pos < limit:
        line_end = pos
        while line_end < limit and frames[line_end] != LF:
            line_end += 1
        if line_end == limit:
            return False
        stop = line_end
        if stop > pos and frames[stop - 1] == CR:
            stop -= 1
        if stop == pos:
            spans[HEAD_BYTES] = np.int32(line_end + 1 - head)
            # a transfer coding overrules the length (RFC 9112 section 6.3)
            spans[CONTENT_LENGTH] = np.int32(CHUNKED if is_chunked else (NO_LENGTH if has_transfer else length))
            _set_text(spans, FORWARDED_FOR, for_begin, for_stop)
            return True
        begin = pos
        if frames[pos] != SP and frames[pos] != HT:  # else the line continues the field before it
            field, begin = _read_field_name(frames, pos, stop)
        pos = line_end + 1
        if field == _OTHER:
            continue
        begin, stop = trimmed(frames, begin, stop)
        if begin == stop:
            continue
        if field == HOST:
            if not has_host:
                set_host(frames, begin, stop, spans)
                has_host = True
        elif field == CONTENT_LENGTH:
            if not has_length:
                length = _read_length(frames, begin, stop)
                has_length = True
        elif field == _TRANSFER:
            has_transfer = True
            is_chunked = _ends_in_chunked(frames, begin, stop)
        elif field == UPGRADE:
            if spans[UPGRADE] == 0:
                spans[UPGRADE] = np.int32(_read_upgrade(frames, begin, stop))
        elif field == HAS_PROXY_AUTH:
            spans[HAS_PROXY_AUTH] = 1
        elif field == FORWARDED_FOR or field == _FORWARDED:
            if field == _FORWARDED:
                begin, stop = _first_forwarded_for(frames, begin, stop)
            else:
                for i in range(begin, stop):
                    if frames[i] == COMMA:
                        stop = i
                        break
                begin, stop = trimmed(frames, begin, stop)
            begin, stop, _ = split_authority(frames, begin, stop)
            if field == FORWARDED_FOR:
                _set_text(spans, FORWARDED_FOR, begin, stop)
            elif for_begin == for_stop:
                for_begin, for_stop = begin, stop
        elif field == CONTENT_TYPE:
            for i in range(begin, stop):
                if frames[i] == SEMICOLON:
                    stop = i
                    break
            begin, stop = trimmed(frames, begin, stop)
            if stop - begin <= MEDIA_TYPE_BYTES_MAX:
                _set_text(spans, CONTENT_TYPE, begin, stop)
        else:
            _set_text(spans, field, begin, stop)
        field = np.int64(_OTHER)
    return False
