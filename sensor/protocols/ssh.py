"""SSH before encryption: the identification string, and the algorithm lists that HASSH is computed from.

Sources: RFC 4253 sections 4.2, 6 and 7.1; HASSH as published by Salesforce: the MD5 of key exchange, encryption, MAC
and compression algorithms in the sender's order, joined by semicolons. `hassh` takes the lists from client to server,
`hasshServer`, of the server's message, those from server to client.
"""

import numpy as np
from numba import types

from sensor.jit import kernel
from sensor.protocols.reads import FRAMES, HELPER, LEAF, be32

NOT_SSH = 0
BANNER = 1
BANNER_CUT = 2  # the identification string goes on after these bytes

NOT_KEXINIT = 0
KEXINIT = 1
KEXINIT_CUT = 2  # a KEXINIT that goes on after these bytes; the lists that are filled are right

# `spans` of `find_kexinit`: offset (into frames) and length of each name-list; offset 0 when it is not there (yet)
KEX = 0
HOST_KEY = 2
ENCRYPTION_TO_SERVER = 4
ENCRYPTION_TO_CLIENT = 6
MAC_TO_SERVER = 8
MAC_TO_CLIENT = 10
COMPRESSION_TO_SERVER = 12
COMPRESSION_TO_CLIENT = 14
N_SPANS = 16

BANNER_BYTES_MAX = 253  # 255 with CR and LF
PACKET_BYTES_MAX = 35000

_LINES_BYTES_MAX = 1024  # of greeting that a server may send before its identification string
_SSH = 0x5353482D
_HEAD_BYTES = 22  # length, padding length, message code, cookie
_MSG_KEXINIT = 20
_LF = 0x0A
_CR = 0x0D
_SEMICOLON = 0x3B
_INT = types.int64
_SPANS = types.int32[::1]


@kernel(types.UniTuple(_INT, 3)(FRAMES, _INT, _INT), **LEAF)
def parse_banner(frames, pos, end):
    """Find the identification string, "SSH-2.0-..." without its line end, in `frames[pos:end]`, a first payload.

    Returns (status, offset, length): the status is NOT_SSH, BANNER or BANNER_CUT, the offset one into `frames`, the
    length 1 to BANNER_BYTES_MAX with BANNER, else 0. A longer string is cut to that. Lines that a server sends before
    it are passed over, 1024 bytes at most. The string is bytes of any value.
    """
    if pos < 0 or pos >= end or end > frames.shape[0]:
        return NOT_SSH, 0, 0
    at = pos
    while at - pos < _LINES_BYTES_MAX and end - at >= 4:
        if be32(frames, at) == _SSH:
            limit = min(end, at + BANNER_BYTES_MAX)
            stop = at
            while stop < limit and frames[stop] != _LF and frames[stop] != _CR:
                stop += 1
            if stop == end:
                return BANNER_CUT, 0, 0
            return BANNER, at, stop - at
        while at < end and frames[at] != _LF:
            if frames[at] < 0x09:  # no text
                return NOT_SSH, 0, 0
            at += 1
        at += 1
    return NOT_SSH, 0, 0


@kernel(_INT(FRAMES, _INT, _INT, _SPANS), **LEAF)
def find_kexinit(frames, pos, end, spans):
    """Find the algorithm lists of a KEXINIT in `frames[pos:end]`; an identification string may stand before it.

    spans : int32[N_SPANS], filled as this module's constants say, unless the status is NOT_KEXINIT (then of no use)

    Returns NOT_KEXINIT, KEXINIT (every list is filled) or KEXINIT_CUT. More bytes never change what is filled.
    """
    if pos < 0 or pos >= end or end > frames.shape[0] or spans.shape[0] < N_SPANS:
        return NOT_KEXINIT
    at = pos
    if end - at >= 4 and be32(frames, at) == _SSH:
        limit = min(end, at + BANNER_BYTES_MAX + 2)
        while at < limit and frames[at] != _LF:
            at += 1
        if at == limit:
            return NOT_KEXINIT
        at += 1
    if end - at < 6:
        # the length's upper half is zero
        is_start = end > at and frames[at] == 0 and (end - at < 2 or frames[at + 1] == 0)
        if is_start:
            spans[:] = 0
        return KEXINIT_CUT if is_start else NOT_KEXINIT
    packet_bytes = be32(frames, at)
    padding_bytes = np.int64(frames[at + 4])
    if frames[at + 5] != _MSG_KEXINIT or packet_bytes > PACKET_BYTES_MAX or (packet_bytes + 4) % 8 != 0:
        return NOT_KEXINIT
    stop = at + 4 + packet_bytes - padding_bytes
    list_at = at + _HEAD_BYTES
    if padding_bytes < 4 or stop < list_at + N_SPANS // 2 * 4:
        return NOT_KEXINIT
    spans[:] = 0
    for which in range(0, N_SPANS, 2):
        if list_at + 4 > stop:
            return NOT_KEXINIT
        if list_at + 4 > end:
            return KEXINIT_CUT
        n_bytes = be32(frames, list_at)
        list_at += 4
        if list_at + n_bytes > stop:
            return NOT_KEXINIT
        if list_at + n_bytes > end:
            return KEXINIT_CUT
        spans[which] = np.int32(list_at)
        spans[which + 1] = np.int32(n_bytes)
        list_at += n_bytes
    return KEXINIT


@kernel(_INT(types.uint8[::1], _INT, FRAMES, _INT, _INT), **HELPER)
def _put_list(out, at, frames, begin, n_bytes):
    """Copy a list to `out[at:]`; return the index behind it, -1 when it does not fit."""
    if at + n_bytes > out.shape[0]:
        return -1
    for i in range(n_bytes):
        out[at + i] = frames[begin + i]
    return at + n_bytes


@kernel(_INT(FRAMES, _SPANS, types.boolean, types.uint8[::1]), **LEAF)
def hassh_text(frames, spans, is_server, out):
    """Write the text whose MD5 is the HASSH to the start of `out`; return its length, bytes.

    spans : int32[N_SPANS], filled by `find_kexinit` from the same `frames`
    is_server : whether the server sent the message
    out : uint8[n]; PACKET_BYTES_MAX bytes always suffice

    Returns 0 when a list is missing or the text does not fit.
    """
    if spans.shape[0] < N_SPANS:
        return 0
    at = np.int64(0)
    for i in range(4):
        which = KEX
        if i > 0:
            which = 4 * i + (2 if is_server else 0)  # the two directions of a list stand side by side
        begin = np.int64(spans[which])
        n_bytes = np.int64(spans[which + 1])
        if begin <= 0 or n_bytes < 0 or begin + n_bytes > frames.shape[0]:
            return 0
        if i > 0:
            if at >= out.shape[0]:
                return 0
            out[at] = np.uint8(_SEMICOLON)
            at += 1
        at = _put_list(out, at, frames, begin, n_bytes)
        if at < 0:
            return 0
    return at
