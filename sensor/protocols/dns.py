"""DNS messages: bytes in, the first question and the answers as text and addresses out. Keeps no state.

For DNS over TCP the caller steps over the two-byte length first. Multicast DNS and LLMNR have the same form and are
read as well; NetBIOS has sensor/protocols/nbns.py.

Names come out in lower case with the dots between labels and none at the end (the root is "."). A byte of a label
that is not printable ASCII, and space, dot, comma and backslash, are written as a backslash and three decimal digits
(RFC 1035 section 5.1): so two different names never give the same text, and answers can be joined by commas.
"""

import numpy as np
from numba import types
from numpy.typing import NDArray

from sensor.jit import kernel
from sensor.protocols.dns_codes import qtype_name, rcode_name
from sensor.protocols.reads import FRAMES, HELPER, LEAF, be16, be32, be64
from sensor.protocols.text import put_decimal, put_ip

__all__ = ["is_message", "parse_message", "qtype_name", "rcode_name"]

NOT_DNS = 0
QUERY = 1
RESPONSE = 2
CUT = 3  # a DNS message that goes on after these bytes; what is filled is right

# `info` after a call
TXID = 0
IS_RESPONSE = 1
OPCODE = 2
RCODE = 3
QTYPE = 4
QNAME_BYTES = 5  # length of the text in qname_out, 0 when the bytes end before the question does
ANSWERS_BYTES = 6  # length of the text in answers_out
N_ANSWERS = 7  # answers read, also those that did not fit the outputs
N_ADDRESSES = 8  # rows filled in addr_out
MIN_TTL_S = 9  # the smallest time to live of the answers, seconds; -1 without answers
N_INFO = 10

HEADER_BYTES = 12
NAME_WIRE_MAX = 255  # RFC 1035 section 3.1
NAME_TEXT_MAX = 1004
"""The longest text of a name, bytes: four labels with 250 bytes in all, each escaped, and three dots, rounded up."""

_QUESTIONS_MAX = 32  # multicast DNS asks several at once
_RECORDS_MAX = 6000  # 64 KiB of the shortest records
_LABEL_MAX = 63
_BAD = -1  # as a position: the bytes contradict themselves
_SHORT = -2  # as a position: the bytes end too early
_TYPE_A = 1
_TYPE_TXT = 16
_TYPE_AAAA = 28
_CLASS_IN = 1
_DOT = np.uint8(0x2E)
_COMMA = np.uint8(0x2C)
_BACKSLASH = np.uint8(0x5C)
_V4_MAPPED = 0xFFFF << 32

# where the domain name stands in the data of a record: bytes before it, -1 when there is none to show
_NAME_AT: NDArray[np.int64] = np.full(64, -1, np.int64)
for _code, _skipped in ((2, 0), (5, 0), (6, 0), (12, 0), (15, 2), (33, 6), (39, 0)):  # NS CNAME SOA PTR MX SRV DNAME
    _NAME_AT[_code] = _skipped

_INT = types.int64
_OUT = types.uint8[::1]


_POINTERS_MAX = 127
"""A name of 255 bytes has no more labels. Without a limit a message made of pointers takes the square of its length."""


@kernel(_INT(FRAMES, _INT, _INT), **LEAF)
def skip_name(frames, at, end):
    """The position behind the name at `at`, or _BAD or _SHORT."""
    start = at
    while at < end:
        length = np.int64(frames[at])
        if length == 0:
            return at + 1
        if length >= 0xC0:
            return at + 2 if at + 2 <= end else _SHORT
        if length > _LABEL_MAX or at + 1 + length - start >= NAME_WIRE_MAX:
            return _BAD
        at += 1 + length
    return _SHORT


@kernel(_INT(_OUT, _INT, types.uint8), **HELPER)
def put_label_byte(out, at, byte):
    """Write one byte of a label, escaped where needed; -1 when it does not fit."""
    if 0x41 <= byte <= 0x5A:  # "A" to "Z"
        byte = byte | np.uint8(0x20)
    is_plain = 0x21 <= byte <= 0x7E and byte not in (_DOT, _COMMA, _BACKSLASH)
    if is_plain:
        if at >= out.shape[0]:
            return -1
        out[at] = byte
        return at + 1
    if at + 4 > out.shape[0]:
        return -1
    value = np.int64(byte)
    out[at] = _BACKSLASH
    out[at + 1] = np.uint8(0x30 + value // 100)
    out[at + 2] = np.uint8(0x30 + value // 10 % 10)
    out[at + 3] = np.uint8(0x30 + value % 10)
    return at + 4


@kernel(types.UniTuple(_INT, 2)(FRAMES, _INT, _INT, _INT, _OUT, _INT), **LEAF)
def read_name(frames, message, at, end, out, out_at):
    """Write the text of the name at `at` to `out[out_at:]`.

    Returns (wire status, index behind the text). The status is 0, _BAD (a label type or pointer that may not be, more
    than 255 bytes, or more pointers than labels may be) or _SHORT; the index is -1 when the text does not fit. A
    pointer must lead to an earlier place than the labels before it started from: so the walk ends.
    """
    floor = at  # pointers must lead below this
    n_pointers = 0
    wire_bytes = np.int64(1)
    is_first = True
    while True:
        if at >= end:
            return _SHORT, out_at
        length = np.int64(frames[at])
        if length == 0:
            break
        if length >= 0xC0:
            if at + 2 > end:
                return _SHORT, out_at
            target = message + (be16(frames, at) & 0x3FFF)
            if target >= floor or target < message + HEADER_BYTES:
                return _BAD, out_at
            n_pointers += 1
            if n_pointers > _POINTERS_MAX:
                return _BAD, out_at
            at = target
            floor = target
            continue
        wire_bytes += 1 + length
        if length > _LABEL_MAX or wire_bytes > NAME_WIRE_MAX:
            return _BAD, out_at
        if at + 1 + length > end:
            return _SHORT, out_at
        if not is_first and out_at >= 0:
            if out_at < out.shape[0]:
                out[out_at] = _DOT
                out_at += 1
            else:
                out_at = -1
        is_first = False
        for i in range(at + 1, at + 1 + length):
            if out_at < 0:
                break
            out_at = put_label_byte(out, out_at, frames[i])
        at += 1 + length
    if is_first:
        if out_at >= out.shape[0]:
            return 0, -1
        out[out_at] = _DOT
        out_at += 1
    return 0, out_at


@kernel(types.boolean(FRAMES, _INT, _INT), **HELPER)
def has_header(frames, pos, end):
    """Whether the twelve bytes at `pos` may be the header of a DNS message: operation and counts are sensible."""
    opcode = (np.int64(frames[pos + 2]) >> 3) & 15
    if opcode not in (0, 4, 5):  # query, notify, update
        return False
    is_response = frames[pos + 2] >= 0x80
    n_questions = be16(frames, pos + 4)
    n_answers = be16(frames, pos + 6)
    n_records = n_answers + be16(frames, pos + 8) + be16(frames, pos + 10)
    if n_records > _RECORDS_MAX:
        return False
    if n_questions == 0 and n_answers == 0:  # a bare refusal
        return is_response and n_records == 0 and end - pos == HEADER_BYTES
    if n_questions == 0 and not is_response:  # only multicast DNS: more of the answers known (RFC 6762 section 7.2)
        return be16(frames, pos) == 0
    return n_questions <= _QUESTIONS_MAX and (is_response or (frames[pos + 3] & 15) == 0)


@kernel(types.boolean(_INT, _INT), **HELPER)
def _is_question(qtype, qclass):
    """Whether type and class of a question are ones that are asked for."""
    qclass &= 0x7FFF  # multicast DNS: the top bit asks for a unicast answer
    return qtype != 0 and (qclass in (1, 3, 4, 254, 255))


@kernel(types.boolean(FRAMES, _INT, _INT), **HELPER)
def is_message(frames, pos, end):
    """Whether `frames[pos:end]` is a DNS message by its header and its whole first question (or first record)."""
    if pos < 0 or end > frames.shape[0] or end - pos < HEADER_BYTES + 5 or not has_header(frames, pos, end):
        return False
    at = skip_name(frames, pos + HEADER_BYTES, end)
    if at < 0 or at + 4 > end:
        return False
    return _is_question(be16(frames, at), be16(frames, at + 2))


@kernel(_INT(FRAMES, _INT, _INT, _INT, _OUT, _INT, types.uint64[:, ::1], types.int64[::1]), **LEAF)
def read_answer(frames, message, at, end, answers_out, out_at, addr_out, info):
    """Read the record whose type stands at `at` and whose data are all there; return the index behind its text.

    A record that does not fit `answers_out` whole leaves no text, and the index stays.
    """
    kind = be16(frames, at)
    is_internet = be16(frames, at + 2) & 0x7FFF == _CLASS_IN
    data = at + 10
    n_data = be16(frames, at + 8)
    text_at = out_at
    if out_at > 0:
        if out_at >= answers_out.shape[0]:
            text_at = answers_out.shape[0]
        else:
            answers_out[out_at] = _COMMA
            text_at = out_at + 1
    is_v4 = kind == _TYPE_A and n_data == 4 and is_internet
    if is_v4 or (kind == _TYPE_AAAA and n_data == 16 and is_internet):
        hi = np.uint64(0) if is_v4 else be64(frames, data)
        lo = np.uint64(_V4_MAPPED | be32(frames, data)) if is_v4 else be64(frames, data + 8)
        n_addresses = info[N_ADDRESSES]
        if n_addresses < addr_out.shape[0] and addr_out.shape[1] == 2:
            addr_out[n_addresses, 0] = hi
            addr_out[n_addresses, 1] = lo
            info[N_ADDRESSES] = n_addresses + 1
        text_end = put_ip(answers_out, text_at, hi, lo)
        return text_end if text_end >= 0 else out_at
    name_at = _NAME_AT[kind] if kind < _NAME_AT.shape[0] else np.int64(-1)
    if name_at >= 0:
        status, text_end = read_name(frames, message, data + name_at, data + n_data, answers_out, text_at)
        return text_end if status == 0 and text_end >= 0 else out_at
    word = b"TXT " if kind == _TYPE_TXT else b"TYPE"
    if text_at + 4 > answers_out.shape[0]:
        return out_at
    for i in range(4):
        answers_out[text_at + i] = np.uint8(word[i])
    text_end = text_at + 4
    if kind != _TYPE_TXT:
        text_end = put_decimal(answers_out, text_end, kind)
        if text_end < 0 or text_end >= answers_out.shape[0]:
            return out_at
        answers_out[text_end] = np.uint8(0x20)
        text_end += 1
    text_end = put_decimal(answers_out, text_end, n_data)
    return text_end if text_end >= 0 else out_at


@kernel(types.boolean(FRAMES, _INT, _INT, _INT, _INT, _OUT, types.uint64[:, ::1], types.int64[::1]), **HELPER)
def _read_answers(frames, message, at, end, n_records, answers_out, addr_out, info):
    """Read the answer section at `at`; return False when the bytes end inside it. Stops at a malformed record."""
    out_at = 0
    for _ in range(n_records):
        fixed = skip_name(frames, at, end)
        if fixed == _BAD:
            return True
        if fixed == _SHORT or fixed + 10 > end:
            return False
        data_end = fixed + 10 + be16(frames, fixed + 8)
        if data_end > end:
            return False
        ttl_s = be32(frames, fixed + 4)
        if ttl_s >= 0x80000000:  # RFC 2181 section 8
            ttl_s = np.int64(0)
        if info[MIN_TTL_S] < 0 or ttl_s < info[MIN_TTL_S]:
            info[MIN_TTL_S] = ttl_s
        out_at = read_answer(frames, message, fixed, end, answers_out, out_at, addr_out, info)
        info[ANSWERS_BYTES] = out_at
        info[N_ANSWERS] += 1
        at = data_end
    return True


@kernel(_INT(FRAMES, _INT, _INT, _OUT, _OUT, types.uint64[:, ::1], types.int64[::1]), **LEAF)
def parse_message(frames, pos, end, qname_out, answers_out, addr_out, info):
    """Read the DNS message at `frames[pos:end]`.

    qname_out : uint8[n], text of the first question's name; NAME_TEXT_MAX bytes hold every name, and in fewer a name
        that does not fit is left out whole. A multicast response without question has the first answer's name and type.
    answers_out : uint8[n], the answers as text, joined by commas: addresses (an IPv4-mapped one as IPv4), the target
        name of CNAME, DNAME, NS, PTR, MX, SRV and SOA records, else the type and its data's length: "TXT 37",
        "TYPE65 33". Answers that do not fit whole are left out.
    addr_out : uint64[n, 2], the addresses of A and AAAA answers as (hi, lo), IPv4 in its IPv4-mapped form
    info : int64[N_INFO], filled as this module's constants say

    Returns NOT_DNS (the outputs mean nothing), QUERY, RESPONSE or CUT. A message with a sound question and malformed
    answers is a RESPONSE with the answers before the damage. Authority and additional records are not looked at.

    Source: RFC 1035 sections 3 and 4, RFC 2181 section 8, RFC 5952, RFC 6762 section 18.
    """
    if pos < 0 or end > frames.shape[0] or end - pos < HEADER_BYTES or info.shape[0] < N_INFO:
        return NOT_DNS
    if not has_header(frames, pos, end):
        return NOT_DNS
    info[:] = 0
    info[TXID] = be16(frames, pos)
    info[IS_RESPONSE] = np.int64(frames[pos + 2] >= 0x80)
    info[OPCODE] = (np.int64(frames[pos + 2]) >> 3) & 15
    info[RCODE] = np.int64(frames[pos + 3]) & 15
    info[MIN_TTL_S] = -1
    kind = RESPONSE if info[IS_RESPONSE] else QUERY
    n_questions = be16(frames, pos + 4)
    n_answers = be16(frames, pos + 6)
    if n_questions + n_answers == 0:
        return kind
    at = pos + HEADER_BYTES
    status, text_end = read_name(frames, pos, at, end, qname_out, 0)
    fixed = skip_name(frames, at, end)
    if _BAD in (status, fixed):
        return NOT_DNS
    if _SHORT in (status, fixed) or fixed + 4 > end:
        return CUT
    if not _is_question(be16(frames, fixed), be16(frames, fixed + 2)):
        return NOT_DNS
    info[QTYPE] = be16(frames, fixed)
    info[QNAME_BYTES] = max(text_end, 0)
    for _ in range(n_questions):
        at = skip_name(frames, at, end)
        if at == _BAD:
            return NOT_DNS
        if at == _SHORT or at + 4 > end:
            return CUT
        if not _is_question(be16(frames, at), be16(frames, at + 2)):
            return NOT_DNS
        at += 4
    is_whole = _read_answers(frames, pos, at, end, n_answers, answers_out, addr_out, info)
    return kind if is_whole else CUT
