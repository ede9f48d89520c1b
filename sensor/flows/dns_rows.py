"""Rows of DNS questions while they wait in the buffer for their answer.

A question opens a row; the answer with its transaction id closes it. The same question sent again while the row is
open (a resolver library's retry) is the same row. Name, type and the rest are those that a parser left in the scratch.
"""

import numpy as np
from numba import types as t

from sensor.constants import APP_MDNS, APP_NBNS
from sensor.flows.out import address_id, bucket_of
from sensor.flows.pool import intern
from sensor.flows.rows import FLOW_REC
from sensor.flows.state import N_DNS, STATE_ARG, STATE_REC
from sensor.jit import packet_kernel as kernel
from sensor.protocols.dns import ANSWERS_BYTES, QNAME_BYTES, QTYPE, RCODE, TXID
from sensor.protocols.siphash import siphash13, siphash13_text

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


@kernel(t.void(STATE_ARG))
def reopen(state):
    """Note the rows that stayed in the buffer, after `pending` was cleared."""
    s = state[0]
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
    q["bucket"] = bucket_of(f["orig_hi"], f["orig_lo"])
    q["has_query"] = 0
    q["is_open"] = 0
    q["app"] = f["app"]
    return row


@kernel(t.Tuple((t.int64, t.uint64))(STATE_REC, FLOW_REC, t.int64))
def _find_row(s, f, ts):
    """(open row or -1, key) of the question in the scratch; a row that has waited too long is closed."""
    info, secret = s.scratch.info, s.table.key
    word = np.uint64(info[TXID]) << np.uint64(16) | np.uint64(info[QTYPE])
    name = np.uint64(0)
    if f["app"] == APP_MDNS:  # its transaction ids are all 0 (RFC 6762 section 18.1)
        name = siphash13_text(secret[0], secret[1], s.scratch.qname, 0, info[QNAME_BYTES])
    key = siphash13(secret[0], secret[1], f["uid_hi"], f["uid_lo"], word, name, np.uint64(2))
    row = open_row(s, key)
    if row >= 0 and ts - s.out.dns[row]["ts"] > DNS_WAIT_NS:
        s.out.dns[row]["is_open"] = 0
        row = np.int64(-1)
    return row, key


@kernel(t.void(STATE_REC, FLOW_REC, t.int64, t.int64))
def ask(s, f, ts, n_bytes):
    """The originator asks what is in the scratch: a row, unless one is open for it."""
    row, key = _find_row(s, f, ts)
    if row >= 0:
        return
    row = _new_row(s, f, ts, key)
    q = s.out.dns[row]
    q["has_query"] = 1
    q["is_open"] = 1
    q["orig_bytes"] = np.uint32(n_bytes)
    if f["app"] == APP_NBNS:  # a registration
        q["answers_id"] = intern(s.pool, s.scratch.answers, 0, s.scratch.info[ANSWERS_BYTES])
    _note_open(s, row)


@kernel(t.int64(STATE_REC, FLOW_REC, t.int64, t.int64))
def answered(s, f, ts, n_bytes):
    """The row of the question in the scratch, which is answered now: the open one, else a new one."""
    row, key = _find_row(s, f, ts)
    if row < 0:
        row = _new_row(s, f, ts, key)
    q = s.out.dns[row]
    q["is_open"] = 0
    q["duration_ns"] = max(np.int64(0), ts - q["ts"])
    q["resp_bytes"] = np.uint32(n_bytes)
    q["rcode"] = np.int16(s.scratch.info[RCODE])
    return row
