"""DNS questions and answers, also multicast ones and NetBIOS's: rows for the lake, and what addresses are called.

A multicast message may hold many questions or answers: each question is a row, and so are the answers to each name and
type.
"""

import numpy as np
from numba import types as t

from sensor.constants import APP_DNS, APP_LLMNR, APP_MDNS, APP_NBNS
from sensor.flows.dns_rows import answered, ask
from sensor.flows.names import remember
from sensor.flows.pool import intern
from sensor.flows.rows import FLOW_REC, NOTE_LOST
from sensor.flows.state import MOST_DNS_ROWS, STATE_REC
from sensor.flows.streams import GIVEN_UP
from sensor.jit import packet_kernel as kernel
from sensor.protocols.dns import (
    ANSWERS_BYTES,
    CUT,
    HEADER_BYTES,
    IS_RESPONSE,
    MIN_TTL_S,
    N_ADDRESSES,
    QNAME_BYTES,
    QTYPE,
    QUERY,
    RESPONSE,
    parse_message,
)
from sensor.protocols.dns_entries import read_data, read_entry
from sensor.protocols.nbns import parse_nbns
from sensor.protocols.reads import FRAMES, be16


@kernel(t.boolean(FLOW_REC))
def speaks_dns(f):
    """Whether a flow's payloads are DNS messages: by the port of DNS, or by what its first ones were."""
    app = f["app"]
    port = f["key_port"] & np.uint32(0xFFFF)
    return app == APP_DNS or app == APP_MDNS or app == APP_LLMNR or app == APP_NBNS or (port == 53 and app == 0)


@kernel(t.void(STATE_REC, FLOW_REC, t.int64, t.int64))
def _take_answers(s, f, row, ts):
    """Give a row the answers in the scratch, and their addresses its name."""
    q, info, secret = s.out.dns[row], s.scratch.info, s.table.key
    q["answers_id"] = intern(s.pool, s.scratch.answers, 0, info[ANSWERS_BYTES])
    q["ttl"] = np.int32(min(max(info[MIN_TTL_S], np.int64(-1)), np.int64(0x7FFFFFFF)))
    if not q["qname_id"]:
        return
    s.cache.answers += info[N_ADDRESSES]
    for i in range(info[N_ADDRESSES]):
        hi, lo = s.scratch.addresses[i, 0], s.scratch.addresses[i, 1]
        remember(s.cache, secret, f["orig_hi"], f["orig_lo"], hi, lo, q["qname_id"], ts, info[MIN_TTL_S])
        remember(s.cache, secret, np.uint64(0), np.uint64(0), hi, lo, q["qname_id"], ts, info[MIN_TTL_S])


@kernel(t.void(STATE_REC, FLOW_REC, t.int64, t.int64, t.int64, FRAMES, t.int64, t.int64))
def _take_multicast(s, f, d, ts, n_bytes, data, pos, end):
    """Take every question of a multicast message, or every answer; what is beyond the room for one is counted as lost.

    A question is told once: the answers that its sender knows, which may follow, are others' (RFC 6762 section 7.1).
    """
    scratch, info = s.scratch, s.scratch.info
    is_response = info[IS_RESPONSE] != 0
    n_questions = be16(data, pos + 4)
    at = pos + HEADER_BYTES
    for _ in range(n_questions):
        fixed = read_entry(data, pos, at, end, scratch.qname, info)
        if fixed < 0:
            return
        at = fixed + 4
        if not is_response and d == 0:
            ask(s, f, ts, n_bytes)
    row, n_rows = np.int64(-1), 0
    for _ in range(be16(data, pos + 6) if is_response else 0):
        fixed = read_entry(data, pos, at, end, scratch.qname, info)
        if fixed < 0:
            break
        name = intern(s.pool, scratch.qname, 0, info[QNAME_BYTES])
        if row < 0 or s.out.dns[row]["qname_id"] != name or s.out.dns[row]["qtype"] != info[QTYPE]:
            if row >= 0:
                _take_answers(s, f, row, ts)
            if n_rows == MOST_DNS_ROWS:
                row = np.int64(-1)
                s.streams.meta[GIVEN_UP] += 1
                f["notes"] |= np.uint16(NOTE_LOST)
                break
            row = answered(s, f, ts, n_bytes)
            n_rows += 1
            info[ANSWERS_BYTES] = info[N_ADDRESSES] = 0
            info[MIN_TTL_S] = -1
        at, info[ANSWERS_BYTES] = read_data(
            data, pos, fixed, end, scratch.answers, info[ANSWERS_BYTES], scratch.addresses, info
        )
        if at < 0:
            break
    if row >= 0:
        _take_answers(s, f, row, ts)


@kernel(t.boolean(STATE_REC, FLOW_REC, t.int64, t.int64, t.int64, FRAMES, t.int64, t.int64, t.boolean))
def take_dns(s, f, d, ts, n_bytes, data, pos, end, is_short):
    """Read one message of side d, data[pos:end]; False, and nothing happens, when it is none.

    n_bytes : of the payload it came in; is_short : whether the capture cut it
    """
    scratch = s.scratch
    info = scratch.info
    if f["app"] == APP_NBNS:
        status = parse_nbns(data, pos, end, scratch.qname, scratch.answers, scratch.addresses, info)
    else:
        status = parse_message(data, pos, end, scratch.qname, scratch.answers, scratch.addresses, info)
    if status == CUT and is_short and info[QNAME_BYTES]:
        status = RESPONSE if info[IS_RESPONSE] else QUERY
    if status != QUERY and status != RESPONSE:
        return False
    if f["app"] == 0:
        f["app"] = APP_DNS
    if status == QUERY and d == 0:
        f["is_query"] = 1  # its queries are its events
        f["event_open"] = 0
    if f["app"] == APP_MDNS:
        _take_multicast(s, f, d, ts, n_bytes, data, pos, end)
    elif status == RESPONSE:
        _take_answers(s, f, answered(s, f, ts, n_bytes), ts)
    elif d == 0:
        ask(s, f, ts, n_bytes)
    return True
