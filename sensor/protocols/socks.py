"""SOCKS requests and answers: which host a client asks a proxy for, and whether it got it.

Sources: RFC 1928 (version 5), RFC 1929 (user name and password). Version 4 has no RFC: version, command, port, address,
user id, a zero; 4A has 0.0.0.x for the address and adds a name and a zero.
"""

import numpy as np
from numba import types

from sensor.jit import kernel
from sensor.protocols.reads import FRAMES, HELPER, LEAF, be16, be32, be64

NOT_SOCKS = 0
GREETING = 1  # methods a client of version 5 offers: the request comes later
REQUEST = 2
REQUEST_CUT = 3  # the bytes end inside the request; nothing is filled
AUTH = 4  # user name and password alone; says something only behind a greeting

CHOSEN = 1  # a server's choice of a method, or its yes to a password: more follows
GRANTED = 2
REFUSED = 3

# `spans` after REQUEST
HOST = 0  # offset (into frames) and length of the name asked for, length 0 when it is an address
PORT = 2
COMMAND = 3  # CONNECT, BIND or UDP_ASSOCIATE
VERSION = 4  # 4 or 5
REQUEST_END = 5  # offset behind the request, where a hasty client's first data may stand
N_SPANS = 6

CONNECT = 1
BIND = 2
UDP_ASSOCIATE = 3

_METHODS_MAX = 10
_TEXT_MAX = 255
_IPV4 = 1
_NAME = 3
_IPV6 = 4
_NO_METHOD = 0xFF
_V4_GRANTED = 0x5A
_V4_MAPPED = 0xFFFF << 32
_INT = types.int64
_WALK = types.UniTuple(_INT, 3)


@kernel(types.boolean(FRAMES, _INT, _INT), **HELPER)
def _is_request_form(frames, at, end):
    """Whether a request of version 5 starts at `at`: command, the reserved zero, an address type."""
    return (
        end - at >= 4
        and frames[at] == 5
        and CONNECT <= frames[at + 1] <= UDP_ASSOCIATE
        and frames[at + 2] == 0
        and (frames[at + 3] == _IPV4 or frames[at + 3] == _NAME or frames[at + 3] == _IPV6)
    )


@kernel(_INT(FRAMES, _INT, _INT), **HELPER)
def _address_end(frames, at, end):
    """The offset behind address and port of version 5, whose type stands at `at`; 0 when it cannot be, or not yet."""
    if frames[at] == _IPV4:
        return at + 7
    if frames[at] == _IPV6:
        return at + 19
    if at + 1 >= end or frames[at + 1] == 0:
        return 0
    return at + 4 + np.int64(frames[at + 1])


@kernel(_INT(FRAMES, _INT, _INT), **HELPER)
def _auth_end(frames, at, end):
    """The offset behind the user name and password at `at`, 0 when they are none or not whole."""
    if end - at < 5 or frames[at] != 1 or frames[at + 1] == 0:
        return 0
    password = at + 2 + np.int64(frames[at + 1])
    if password >= end or password + 1 + np.int64(frames[password]) > end:
        return 0
    return password + 1 + np.int64(frames[password])


@kernel(_INT(FRAMES, _INT, _INT, _INT), **HELPER)
def _text_end(frames, at, end, floor):
    """The offset of the zero behind a text of bytes from `floor` up; -1 for none, `end` when it is to come."""
    for i in range(at, min(end, at + _TEXT_MAX + 1)):
        if frames[i] == 0:
            return i
        if frames[i] < floor:
            return -1
    return end if end <= at + _TEXT_MAX else -1


@kernel(_WALK(FRAMES, _INT, _INT), **HELPER)
def _walk_v4(frames, at, end):
    """`walk` of bytes of which the first is 4."""
    if end - at < 8:
        return NOT_SOCKS, at, at
    host = be32(frames, at + 4)
    if not CONNECT <= frames[at + 1] <= BIND or be16(frames, at + 2) == 0 or host == 0:
        return NOT_SOCKS, at, at
    stop = _text_end(frames, at + 8, end, 0x20)
    if 0 <= stop < end and host < 256:
        name = stop + 1
        stop = _text_end(frames, name, end, 0x21)
        if stop == name and stop < end:
            return NOT_SOCKS, at, at
    if stop < 0:
        return NOT_SOCKS, at, at
    return (REQUEST_CUT if stop == end else REQUEST), at, stop + 1


@kernel(_WALK(FRAMES, _INT, _INT), **HELPER)
def walk(frames, pos, end):
    """(status, offset of the request, offset behind what was understood) of what a client sent; see `parse_socks`.

    There is at least one byte.
    """
    at = pos
    if frames[at] == 4:
        return _walk_v4(frames, at, end)
    if frames[at] == 5 and not _is_request_form(frames, at, end):
        if end - at < 3 or not 1 <= frames[at + 1] <= _METHODS_MAX:
            return NOT_SOCKS, at, at
        methods = at + 2 + np.int64(frames[at + 1])
        if methods > end:
            return NOT_SOCKS, at, at
        for i in range(at + 2, methods):
            if 10 <= frames[i] < 0x80 or frames[i] == _NO_METHOD:
                return NOT_SOCKS, at, at
        at = methods
        if at == end:
            return GREETING, at, end
    elif frames[at] == 5 and end - at == 2 + np.int64(frames[at + 1]):
        # as long as the methods of a greeting, and too short for a request: 5, 3, then methods 0, 1 and 2
        return GREETING, at, end
    if frames[at] == 1:
        behind = _auth_end(frames, at, end)
        if behind == 0:
            return (GREETING if at > pos else NOT_SOCKS), at, at
        if behind == end:
            return (GREETING if at > pos else AUTH), at, end
        at = behind
    if not _is_request_form(frames, at, end):
        return NOT_SOCKS, at, at
    stop = _address_end(frames, at + 3, end)
    if stop == 0 and at + 4 < end:
        return NOT_SOCKS, at, at
    return (REQUEST_CUT if stop == 0 or stop > end else REQUEST), at, stop


@kernel(_INT(FRAMES, _INT, _INT, types.int32[::1], types.uint64[::1]), **LEAF)
def parse_socks(frames, pos, end, spans, address):
    """Read what a SOCKS client sent: `frames[pos:end]`, a payload from its start.

    spans : int32[N_SPANS], filled with REQUEST as this module's constants say, else untouched. The name is 1 to 255
        bytes of any value.
    address : uint64[2], (hi, lo) as in `sensor.dtypes`; 0, 0 when a name was asked for. Untouched without REQUEST.

    Returns NOT_SOCKS, GREETING, REQUEST, REQUEST_CUT or AUTH. A greeting, a password and the request may stand in one
    payload. Bytes 5, 2, 0, 1 and 5, 3, 0, 1, 2 alone are greetings, anything else that has the form of a request is
    one.

    Source: RFC 1928 sections 3 to 5, RFC 1929.
    """
    if pos < 0 or pos >= end or end > frames.shape[0] or spans.shape[0] < N_SPANS or address.shape[0] < 2:
        return NOT_SOCKS
    if frames[pos] != 5 and frames[pos] != 4 and frames[pos] != 1:
        return NOT_SOCKS
    status, at, stop = walk(frames, pos, end)
    if status != REQUEST:
        return status
    name = np.int64(0)
    name_stop = np.int64(0)
    address[0] = np.uint64(0)
    address[1] = np.uint64(0)
    if frames[at] == 4:
        port = be16(frames, at + 2)
        if be32(frames, at + 4) < 256:
            name = _text_end(frames, at + 8, end, 0x20) + 1
            name_stop = stop - 1
        else:
            address[1] = np.uint64(_V4_MAPPED | be32(frames, at + 4))
    else:
        port = be16(frames, stop - 2)
        if frames[at + 3] == _NAME:
            name = at + 5
            name_stop = stop - 2
        elif frames[at + 3] == _IPV4:
            address[1] = np.uint64(_V4_MAPPED | be32(frames, at + 4))
        else:
            address[0] = be64(frames, at + 4)
            address[1] = be64(frames, at + 12)
    spans[HOST] = np.int32(name)
    spans[HOST + 1] = np.int32(name_stop - name)
    spans[PORT] = np.int32(port)
    spans[COMMAND] = np.int32(frames[at + 1])
    spans[VERSION] = np.int32(frames[at])
    spans[REQUEST_END] = np.int32(stop)
    return REQUEST


@kernel(_INT(FRAMES, _INT, _INT), **LEAF)
def socks_granted(frames, pos, end):
    """What a SOCKS server answers in `frames[pos:end]`, a payload from its start.

    Returns NOT_SOCKS, CHOSEN, GRANTED or REFUSED: of several messages in one payload, the last that decides. Two bytes
    and a zero say little, so ask this only of a connection whose client spoke SOCKS.

    Source: RFC 1928 sections 3 and 6, RFC 1929 section 2; version 4: code 90 grants, 91 to 93 refuse.
    """
    if pos < 0 or end > frames.shape[0]:
        return NOT_SOCKS
    status = np.int64(NOT_SOCKS)
    at = pos
    for _ in range(3):  # method, password, reply
        if end - at < 2:
            break
        if at == pos and frames[at] == 0:
            if end - at < 8 or not _V4_GRANTED <= frames[at + 1] <= _V4_GRANTED + 3:
                break
            return GRANTED if frames[at + 1] == _V4_GRANTED else REFUSED
        if frames[at] == 1:
            if frames[at + 1] != 0:
                return REFUSED
            status = np.int64(CHOSEN)
            at += 2
            continue
        if frames[at] != 5:
            break
        if end - at == 2 or frames[at + 2] != 0:  # a method; the third byte of a reply is zero
            if 10 <= frames[at + 1] < 0x80:
                break
            if frames[at + 1] == _NO_METHOD:
                return REFUSED
            status = np.int64(CHOSEN)
            at += 2
            continue
        if end - at < 4 or frames[at + 1] > 8:
            break
        if frames[at + 3] != _IPV4 and frames[at + 3] != _NAME and frames[at + 3] != _IPV6:
            break
        return GRANTED if frames[at + 1] == 0 else REFUSED
    return status
