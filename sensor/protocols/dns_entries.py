"""The questions and answers of a DNS message one at a time, for messages that hold several, as multicast DNS has them.

`dns.parse_message` has found the message sound before. Keeps no state.
"""

from numba import types

from sensor.jit import kernel
from sensor.protocols.dns import MIN_TTL_S, QNAME_BYTES, QTYPE, read_answer, read_name, skip_name
from sensor.protocols.reads import FRAMES, LEAF, be16, be32

_INT = types.int64
_OUT = types.uint8[::1]


@kernel(_INT(FRAMES, _INT, _INT, _INT, _OUT, types.int64[::1]), **LEAF)
def read_entry(frames, message, at, end, qname_out, info):
    """Read name and type of the question or record at `at` of the message that starts at `message`.

    qname_out : uint8[n], text of the name, as in `parse_message`; info : int64[N_INFO], QTYPE and QNAME_BYTES filled

    Returns the offset of the type, behind which a question has two bytes more; -1 when the bytes end before that, or
    are no name. Four bytes are there at what is returned.
    """
    fixed = skip_name(frames, at, end)
    status, text_end = read_name(frames, message, at, end, qname_out, 0)
    if fixed < 0 or status != 0 or fixed + 4 > end:
        return -1
    info[QTYPE] = be16(frames, fixed)
    info[QNAME_BYTES] = max(text_end, 0)
    return fixed


@kernel(types.UniTuple(_INT, 2)(FRAMES, _INT, _INT, _INT, _OUT, _INT, types.uint64[:, ::1], types.int64[::1]), **LEAF)
def read_data(frames, message, fixed, end, answers_out, out_at, addr_out, info):
    """Add what the record whose type stands at `fixed` says to answers_out[:out_at] and `addr_out`.

    info : int64[N_INFO], N_ADDRESSES and MIN_TTL_S carried on
    Returns (offset behind the record, -1 when the bytes end before; index behind the text).
    """
    if fixed + 10 > end:
        return -1, out_at
    behind = fixed + 10 + be16(frames, fixed + 8)
    if behind > end:
        return -1, out_at
    ttl_s = be32(frames, fixed + 4)
    if ttl_s >= 0x80000000:  # RFC 2181 section 8
        ttl_s = 0
    if info[MIN_TTL_S] < 0 or ttl_s < info[MIN_TTL_S]:
        info[MIN_TTL_S] = ttl_s
    return behind, read_answer(frames, message, fixed, end, answers_out, out_at, addr_out, info)
