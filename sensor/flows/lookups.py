"""DNS questions and answers, also multicast ones: rows for the lake, and what addresses are called.

A question opens a row; the answer with its transaction id closes it. The same question sent again while the row is
open (a resolver library's retry) is the same row.
"""

import numpy as np
from numba import types as t

from sensor.constants import APP_DNS, APP_LLMNR, APP_MDNS
from sensor.flows.names import remember
from sensor.flows.out import address_id
from sensor.flows.pool import intern
from sensor.flows.rows import FLOW_REC
from sensor.flows.state import N_DNS, STATE_REC
from sensor.jit import packet_kernel as kernel
from sensor.protocols.dns import (
    ANSWERS_BYTES,
    CUT,
    IS_RESPONSE,
    MIN_TTL_S,
    N_ADDRESSES,
    QNAME_BYTES,
    QTYPE,
    QUERY,
    RCODE,
    RESPONSE,
    TXID,
    parse_message,
)
from sensor.protocols.reads import FRAMES
from sensor.protocols.siphash import siphash13

DNS_WAIT_NS = 10 * 10**9  # an answer later than this counts as none, and the same question as another
_PLACES = 8  # where an open row may be noted


@kernel(t.int64(STATE_REC, t.uint64))
def open_row(s, key):
    """Index of the open DNS row with this key, or -1."""
    out, scratch = s.out, s.scratch
    mask = scratch.mask
    start = np.int64(key & np.uint64(mask))
    for i in range(_PLACES):
        row = np.int64(scratch.pending[(start + i) & mask]) - 1
        if 0 <= row < out.n[N_DNS] and out.dns[row]["is_open"] and out.dns[row]["key"] == key:
            return row
    return np.int64(-1)


@kernel(t.void(STATE_REC, t.int64))
def _note_open(s, row):
    """Let `open_row` find an open row, in a place that no other open row needs; without one, the first is let go."""
    out, scratch = s.out, s.scratch
    mask = scratch.mask
    start = np.int64(out.dns[row]["key"] & np.uint64(mask))
    place = start
    for i in range(_PLACES):
        other = np.int64(scratch.pending[(start + i) & mask]) - 1
        if other < 0 or other >= out.n[N_DNS] or not out.dns[other]["is_open"]:
            place = (start + i) & mask
            break
    scratch.pending[place] = np.int32(row + 1)


@kernel(t.void(STATE_REC))
def reopen(s):
    """Note the rows that stayed in the buffer, after `pending` was cleared."""
    for row in range(s.out.n[N_DNS]):
        _note_open(s, row)


@kernel(t.int64(STATE_REC, FLOW_REC, t.int64, t.uint64))
def _new_row(s, f, ts, key):
    out, pool, scratch = s.out, s.pool, s.scratch
    row = out.n[N_DNS]
    out.n[N_DNS] += 1
    q = out.dns[row]
    q["ts"] = ts
    q["uid_hi"] = f["uid_hi"]
    q["uid_lo"] = f["uid_lo"]
    q["duration_ns"] = 0
    q["key"] = key
    q["orig_bytes"] = 0
    q["resp_bytes"] = 0
    q["orig_ip_id"] = address_id(s, f["orig_hi"], f["orig_lo"])
    q["resp_ip_id"] = address_id(s, f["resp_hi"], f["resp_lo"])
    q["qname_id"] = intern(pool, scratch.qname, 0, scratch.info[QNAME_BYTES])
    q["answers_id"] = 0
    q["ttl"] = -1
    q["resp_port"] = np.uint16(f["key_port"] & np.uint32(0xFFFF))
    q["qtype"] = np.uint16(scratch.info[QTYPE])
    q["rcode"] = -1
    q["proto"] = f["proto"]
    q["bucket"] = f["bucket"]
    q["has_query"] = 0
    q["is_open"] = 0
    q["app"] = f["app"]
    return row


@kernel(t.boolean(FLOW_REC))
def speaks_dns(f):
    """Whether a flow's payloads are DNS messages: by the port of DNS, or by what its first ones were."""
    app = f["app"]
    port = f["key_port"] & np.uint32(0xFFFF)
    return app == APP_DNS or app == APP_MDNS or app == APP_LLMNR or (port == 53 and app == 0)


@kernel(t.boolean(STATE_REC, FLOW_REC, t.int64, t.int64, t.int64, FRAMES, t.int64, t.int64, t.boolean))
def take_dns(s, f, d, ts, n_bytes, data, pos, end, is_short):
    """Read one message of side d, data[pos:end]; False, and nothing happens, when it is none.

    n_bytes : of the payload it came in; is_short : whether the capture cut it
    """
    out, scratch, secret = s.out, s.scratch, s.table.key
    info = scratch.info
    status = parse_message(data, pos, end, scratch.qname, scratch.answers, scratch.addresses, info)
    if status == CUT and is_short and info[QNAME_BYTES]:
        status = RESPONSE if info[IS_RESPONSE] else QUERY
    if status != QUERY and status != RESPONSE:
        return False
    if f["app"] == 0:
        f["app"] = APP_DNS
    word = np.uint64(info[TXID]) << np.uint64(16) | np.uint64(info[QTYPE])
    key = siphash13(secret[0], secret[1], f["uid_hi"], f["uid_lo"], word, np.uint64(0), np.uint64(2))
    row = open_row(s, key)
    if row >= 0 and ts - out.dns[row]["ts"] > DNS_WAIT_NS:
        out.dns[row]["is_open"] = 0
        row = np.int64(-1)
    if status == QUERY:
        if d == 0:
            f["is_query"] = 1  # its queries are its events
            f["event_open"] = 0
        if d == 0 and row < 0:
            row = _new_row(s, f, ts, key)
            out.dns[row]["has_query"] = 1
            out.dns[row]["is_open"] = 1
            out.dns[row]["orig_bytes"] = np.uint32(n_bytes)
            _note_open(s, row)
        return True
    if row < 0:
        row = _new_row(s, f, ts, key)
    q = out.dns[row]
    q["is_open"] = 0
    q["duration_ns"] = max(np.int64(0), ts - q["ts"])
    q["resp_bytes"] = np.uint32(n_bytes)
    q["rcode"] = np.int16(info[RCODE])
    q["answers_id"] = intern(s.pool, scratch.answers, 0, info[ANSWERS_BYTES])
    q["ttl"] = np.int32(min(max(info[MIN_TTL_S], np.int64(-1)), np.int64(0x7FFFFFFF)))
    if not q["qname_id"]:
        return True
    s.cache.answers += info[N_ADDRESSES]
    for i in range(info[N_ADDRESSES]):
        hi, lo = scratch.addresses[i, 0], scratch.addresses[i, 1]
        remember(s.cache, secret, f["orig_hi"], f["orig_lo"], hi, lo, q["qname_id"], ts, info[MIN_TTL_S])
        remember(s.cache, secret, np.uint64(0), np.uint64(0), hi, lo, q["qname_id"], ts, info[MIN_TTL_S])
    return True
