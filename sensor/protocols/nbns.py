"""NetBIOS name service over UDP port 137: bytes in, who is asked for or registered, and what was answered. No state.

The form is that of DNS, the names are not: sixteen bytes, each as two letters from A to P, fifteen for the name and one
for what it is used for. The name comes out as DNS names do (sensor/protocols/dns.py), without the padding and the last
byte, so that one word finds it however it was asked for; the scope, which hardly anyone has, follows behind a dot.

Source: RFC 1001 section 14, RFC 1002 section 4.2.
"""

import numpy as np
from numba import types

from sensor.jit import kernel
from sensor.protocols.dns import (
    ANSWERS_BYTES,
    HEADER_BYTES,
    IS_RESPONSE,
    MIN_TTL_S,
    N_ADDRESSES,
    N_ANSWERS,
    N_INFO,
    NAME_TEXT_MAX,
    NOT_DNS,
    OPCODE,
    QNAME_BYTES,
    QTYPE,
    QUERY,
    RCODE,
    RESPONSE,
    TXID,
    put_label_byte,
    read_name,
    skip_name,
)
from sensor.protocols.reads import FRAMES, HELPER, LEAF, be16, be32
from sensor.protocols.text import put_ip

NBSTAT = 0xFF21
"""The type of a node status, 33 on the wire: in DNS that is SRV, so it is told under a number for private use."""

NAME_BYTES = 34  # a length of 32, the letters, and the root
_TYPE_NB, _TYPE_NBSTAT = 32, 33
_PACKED = 16  # bytes of a name; in a node status they stand as they are, and two bytes of flags follow
_V4_MAPPED = 0xFFFF << 32
_INT = types.int64
_OUT = types.uint8[::1]


@kernel(types.boolean(FRAMES, _INT, _INT), **LEAF)
def is_nbns(frames, pos, end):
    """Whether `frames[pos:end]` is a message of the name service by its header and the form of its first name."""
    if end - pos < HEADER_BYTES + NAME_BYTES + 4:
        return False
    n_questions, n_answers = be16(frames, pos + 4), be16(frames, pos + 6)
    if n_questions > 1 or n_answers > 1 or n_questions + n_answers == 0:
        return False
    is_name = frames[pos + HEADER_BYTES] == 32
    for i in range(pos + HEADER_BYTES + 1, pos + HEADER_BYTES + 33):
        is_name = is_name and 0x41 <= frames[i] <= 0x50  # "A" to "P"
    return is_name


@kernel(_INT(FRAMES, _INT, _INT, _OUT, _INT), **LEAF)
def _put_name(frames, at, step, out, out_at):
    """Write the name of fifteen bytes at `at`, each in `step` bytes; the index behind it, -1 when it does not fit."""
    n_bytes = np.int64(_PACKED - 1)
    while n_bytes > 0:
        last = _byte_at(frames, at + step * (n_bytes - 1), step)
        if last != 0x20 and last != 0:
            break
        n_bytes -= 1
    for i in range(n_bytes):
        if out_at >= 0:
            out_at = put_label_byte(out, out_at, _byte_at(frames, at + step * i, step))
    return out_at


@kernel(types.uint8(FRAMES, _INT, _INT), **HELPER)
def _byte_at(frames, at, step):
    """A byte of a name, which stands as it is (step 1) or as two letters (step 2)."""
    if step == 1:
        return frames[at]
    return np.uint8(((np.int64(frames[at]) - 0x41) << 4) | (np.int64(frames[at + 1]) - 0x41))


@kernel(_INT(FRAMES, _INT, _INT, _OUT, types.uint64[:, ::1], types.int64[::1]), **HELPER)
def _read_addresses(frames, data, data_end, answers_out, addr_out, info):
    """Write the addresses at `data`, each behind two bytes of flags; the index behind the text."""
    out_at = np.int64(0)
    while data + 6 <= data_end:
        address = np.uint64(_V4_MAPPED | be32(frames, data + 2))
        text_at = out_at + (out_at > 0)
        if text_at >= answers_out.shape[0] or info[N_ADDRESSES] >= addr_out.shape[0]:
            break
        text_end = put_ip(answers_out, text_at, np.uint64(0), address)
        if text_end < 0:
            break
        if out_at > 0:
            answers_out[out_at] = np.uint8(0x2C)
        addr_out[info[N_ADDRESSES], 0] = np.uint64(0)
        addr_out[info[N_ADDRESSES], 1] = address
        info[N_ADDRESSES] += 1
        out_at = text_end
        data += 6
    return out_at


@kernel(_INT(FRAMES, _INT, _INT, _OUT), **HELPER)
def _read_status(frames, data, data_end, answers_out):
    """Write the names that a node says it has, each as name<use>, use in hexadecimal; the index behind the text."""
    out_at = np.int64(0)
    n_names = np.int64(frames[data]) if data < data_end else np.int64(0)
    at = data + 1
    for _ in range(n_names):
        text_at = out_at + (out_at > 0)
        if at + _PACKED + 2 > data_end or text_at >= answers_out.shape[0]:
            break
        text_end = _put_name(frames, at, np.int64(1), answers_out, text_at)
        if text_end < 0 or text_end + 4 > answers_out.shape[0]:
            break
        if out_at > 0:
            answers_out[out_at] = np.uint8(0x2C)
        use = np.int64(frames[at + _PACKED - 1])
        answers_out[text_end] = np.uint8(0x3C)
        for i in range(2):
            digit = (use >> (4 - 4 * i)) & 15
            answers_out[text_end + 1 + i] = np.uint8(digit + (0x30 if digit < 10 else 0x57))
        answers_out[text_end + 3] = np.uint8(0x3E)
        out_at = text_end + 4
        at += _PACKED + 2
    return out_at


@kernel(types.void(FRAMES, _INT, _INT, _OUT, types.uint64[:, ::1], types.int64[::1]), **HELPER)
def _read_record(frames, at, end, answers_out, addr_out, info):
    """Read the record at `at`, if it is whole."""
    fixed = skip_name(frames, at, end)
    if fixed < 0 or fixed + 10 > end:
        return
    data, kind = fixed + 10, be16(frames, fixed)
    data_end = data + be16(frames, fixed + 8)
    if data_end > end:
        return
    info[N_ANSWERS] = 1
    info[MIN_TTL_S] = min(be32(frames, fixed + 4), np.int64(0x7FFFFFFF))
    if kind == _TYPE_NB:
        info[ANSWERS_BYTES] = _read_addresses(frames, data, data_end, answers_out, addr_out, info)
    elif kind == _TYPE_NBSTAT:
        info[ANSWERS_BYTES] = _read_status(frames, data, data_end, answers_out)


@kernel(_INT(FRAMES, _INT, _INT, _OUT, _OUT, types.uint64[:, ::1], types.int64[::1]), **LEAF)
def parse_nbns(frames, pos, end, qname_out, answers_out, addr_out, info):
    """Read the message at `frames[pos:end]`; arguments and what they get are those of `dns.parse_message`.

    The answers are addresses, or the names of a node that was asked for its status, as name<use>. A registration is a
    QUERY with answers: the addresses that the name is to have.

    Returns NOT_DNS, QUERY or RESPONSE.
    """
    if pos < 0 or end > frames.shape[0] or info.shape[0] < N_INFO or addr_out.shape[1] != 2:
        return NOT_DNS
    if not is_nbns(frames, pos, end):
        return NOT_DNS
    at = pos + HEADER_BYTES
    fixed = skip_name(frames, at, end)
    if fixed < 0 or fixed + 4 > end or be16(frames, fixed + 2) != 1:
        return NOT_DNS
    info[:] = 0
    info[TXID] = be16(frames, pos)
    info[IS_RESPONSE] = np.int64(frames[pos + 2] >= 0x80)
    info[OPCODE] = (np.int64(frames[pos + 2]) >> 3) & 15
    info[RCODE] = np.int64(frames[pos + 3]) & 15
    info[MIN_TTL_S] = -1
    kind = be16(frames, fixed)
    info[QTYPE] = NBSTAT if kind == _TYPE_NBSTAT else kind
    text_end = _put_name(frames, at + 1, np.int64(2), qname_out, np.int64(0))
    if frames[at + 33] != 0:  # a scope
        if 0 <= text_end < qname_out.shape[0]:
            qname_out[text_end] = np.uint8(0x2E)
            text_end += 1
        else:
            text_end = np.int64(qname_out.shape[0])
        status, text_end = read_name(frames, pos, at + 33, end, qname_out, text_end)
        if status != 0:
            return NOT_DNS
    info[QNAME_BYTES] = text_end if 0 <= text_end <= NAME_TEXT_MAX else 0
    is_asked = be16(frames, pos + 4) == 1
    if be16(frames, pos + 6) == 1 or be16(frames, pos + 10) == 1:
        _read_record(frames, fixed + 4 if is_asked else at, end, answers_out, addr_out, info)
    return RESPONSE if info[IS_RESPONSE] else QUERY
