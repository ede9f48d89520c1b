"""The TCP state of a flow, with the meanings Zeek gives it.

`update` takes one segment and keeps, for each side, the state, the sequence space and the history letters; `size` and
`conn_state` read them when the flow is reported. Facts followed: Zeek's conn.log reference for states and letters, and
the observable behaviour of its TCP analyzer (endpoint states, when sequence numbers are trusted, when a connection is
over); recorded Zeek answers are compared in tests/differential. Checksums are not verified: a mirror port shows
packets before the NIC fills them in, so no `c` letter is ever written.
"""

import numpy as np
from numba import types as t

from sensor.constants import PROTO_TCP, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN
from sensor.flows.rows import (
    FLOW_REC,
    STATE_OTH,
    STATE_REJ,
    STATE_RSTO,
    STATE_RSTOS0,
    STATE_RSTR,
    STATE_RSTRH,
    STATE_S0,
    STATE_S1,
    STATE_S2,
    STATE_S3,
    STATE_SF,
    STATE_SH,
    STATE_SHR,
)
from sensor.jit import packet_kernel as kernel

INACTIVE, SYN_SENT, SYN_ACK_SENT, PARTIAL, ESTABLISHED, CLOSED, RESET = range(7)

_FAR = 1 << 20  # a SYN or RST whose sequence number is further off than this is not believed
_MAX_HISTORY = 24

# bits of FLOW.history_bits for the originator; the responder's are 16 higher
_BIT_S, _BIT_F, _BIT_R, _BIT_D, _BIT_A, _BIT_I, _BIT_Q = 1, 2, 4, 8, 16, 32, 64


_FIN_SEEN, _CLOSE_NOTED = 1, 4  # bits of FLOW.ends for the originator; the responder's are one higher


@kernel(t.boolean(FLOW_REC, t.int64))
def has_closed(f, d):
    """Whether it was taken note of that side d closed the connection."""
    return f["ends"] & (_CLOSE_NOTED << d) != 0


@kernel(t.int64(t.int64, t.int64))
def distance(a, b):
    """Signed distance a - b of two sequence numbers, modulo 2**32 (RFC 9293 section 3.4)."""
    return np.int64(np.int32(np.int64(a) - np.int64(b)))


@kernel(t.void(FLOW_REC, t.int64, t.int64))
def add_letter(f, d, letter):
    """Append a history letter: upper case from the originator, lower case from the responder."""
    n = np.int64(f["history_len"])
    if n < _MAX_HISTORY:
        f["history"][n] = np.uint8(letter + 32 * d)
        f["history_len"] = np.uint8(n + 1)


@kernel(t.uint32(t.int64, t.int64))
def _bit_of(bit, d):
    """A bit of FLOW.history_bits, for side d."""
    return np.uint32(bit) << np.uint32(16 * d)


@kernel(t.boolean(FLOW_REC, t.int64, t.int64, t.int64))
def _once(f, d, bit, letter):
    """Append a letter the first time; whether it had been there already."""
    mask = _bit_of(bit, d)
    if f["history_bits"] & mask:
        return True
    f["history_bits"] |= mask
    add_letter(f, d, letter)
    return False


@kernel(t.void(FLOW_REC, t.int64, t.int64, t.int64, t.int64, t.uint32))
def _again(f, d, bit, letter, kind, seq):
    """S, H, F, R: written again only when the sequence number is another one than the last time."""
    if _once(f, d, bit, letter) and f["history_seq"][2 * kind + d] != seq:
        add_letter(f, d, letter)
    f["history_seq"][2 * kind + d] = seq


@kernel(t.void(FLOW_REC, t.int64, t.uint16[::1], t.int64))
def count_letter(f, d, counts, letter):
    """G, T, W: the n-th letter stands for 10**(n - 1) occurrences."""
    n = np.int64(counts[d])
    if n < 65535:
        counts[d] = np.uint16(n + 1)
        n += 1
        if n == 1 or n == 10 or n == 100 or n == 1000 or n == 10000:
            add_letter(f, d, letter)


@kernel(t.void(FLOW_REC, t.int64, t.int64, t.int64, t.int64))
def _write_history(f, d, flags, seq, length):
    syn, fin, rst = flags & TCP_SYN, flags & TCP_FIN, flags & TCP_RST
    n_set = (syn != 0) + (fin != 0) + (rst != 0)
    if n_set > 1:
        if fin and rst:
            _once(f, d, _BIT_I, 73)
        else:
            _once(f, d, _BIT_Q, 81)
    elif syn:
        _again(f, d, _BIT_S, 72 if flags & TCP_ACK else 83, 0, np.uint32(seq))
    elif fin:
        _again(f, d, _BIT_F, 70, 1, np.uint32(np.int64(seq) + length))
    elif rst:
        _again(f, d, _BIT_R, 82, 2, np.uint32(seq))
    elif length > 0:
        _once(f, d, _BIT_D, 68)
    elif flags & TCP_ACK:
        _once(f, d, _BIT_A, 65)


@kernel(t.void(FLOW_REC, t.int64, t.int64))
def _set_state(f, d, new):
    if f["state"][d] != new:
        f["prev_state"][d] = f["state"][d]
        f["state"][d] = np.uint8(new)


@kernel(t.void(FLOW_REC, t.int64, t.int64, t.int64, t.uint32))
def _start_side(f, d, flags, seq, past):
    """Note where this side's sequence space starts; a SYN seen late starts it again."""
    state = f["state"][d]
    syn = flags & TCP_SYN
    if state == INACTIVE:
        start = np.uint32(seq) if syn else np.uint32(np.int64(seq) - 1)
        f["start_seq"][d] = start
        f["ack_seq"][d] = start
        f["last_seq"][d] = np.uint32(past) if syn else np.uint32(seq)
        f["seq_wraps"][d] = np.uint16(f["last_seq"][d] < start)  # the first byte may lie past the end of the space
    elif syn and (
        state == PARTIAL
        or state == ESTABLISHED
        or ((state == SYN_SENT or state == SYN_ACK_SENT) and f["start_seq"][d] != np.uint32(seq))
        or (state == RESET and f["prev_state"][d] == INACTIVE)
    ):
        f["start_seq"][d] = np.uint32(seq)
        f["ack_seq"][d] = np.uint32(seq)
        f["last_seq"][d] = np.uint32(past)
        f["seq_wraps"][d] = np.uint16(np.uint32(past) < np.uint32(seq))
        f["ack_wraps"][d] = 0


@kernel(t.void(FLOW_REC, t.int64, t.uint32))
def _move_last(f, d, past):
    if np.uint32(past) < f["last_seq"][d]:
        f["seq_wraps"][d] += 1
    f["last_seq"][d] = np.uint32(past)


@kernel(t.void(FLOW_REC, t.int64, t.int64, t.int64), forceinline=True)
def _take_ack(f, d, flags, ack):
    """Use an acknowledgement for what it says of the other side's bytes, also of bytes the mirror did not show."""
    peer = 1 - d
    if f["state"][peer] == INACTIVE:
        start = np.uint32(np.int64(ack) - 1)
        f["start_seq"][peer] = start
        f["ack_seq"][peer] = start
        f["last_seq"][peer] = start
        return
    if flags & TCP_RST or (f["ack_wraps"][peer] == 0 and distance(ack, f["start_seq"][peer]) < 0):
        return
    ahead = distance(ack, f["ack_seq"][peer])
    if ack == 0 and ahead > _FAR:
        return
    if ahead > 0:
        if (
            distance(ack, f["last_seq"][peer]) > 0
            and f["state"][peer] != CLOSED
            and f["state"][peer] != RESET
            and not flags & TCP_FIN
        ):
            count_letter(f, peer, f["gaps"], 71)
        if np.uint32(ack) < f["ack_seq"][peer]:
            f["ack_wraps"][peer] += 1
        f["ack_seq"][peer] = np.uint32(ack)


@kernel(t.int64(FLOW_REC, t.int64, t.int64, t.uint32, t.int64), forceinline=True)
def _take_segment(f, d, flags, past, length):
    """Move the highest sequence number on; return how many payload bytes were new."""
    ahead = distance(past, f["last_seq"][d])
    if (flags & TCP_SYN or flags & TCP_RST) and (ahead > _FAR or ahead < -_FAR):
        return np.int64(0)
    if flags & TCP_FIN and distance(f["last_seq"][d], f["start_seq"][d]) == 1:
        _move_last(f, d, past)
        return length
    if f["state"][d] == RESET:
        return np.int64(0)
    if ahead > 0:
        _move_last(f, d, past)
        return min(length, ahead)
    if length > 0:
        count_letter(f, d, f["rexmits"], 84)
    return np.int64(0)


@kernel(t.boolean(FLOW_REC, t.int64, t.int64, t.int64, t.int64))
def _advance_inactive(f, d, flags, seq, length):
    """First packet of a side. Returns whether this side closed with it, and whether roles were swapped by it."""
    peer = 1 - d
    close = False
    if flags & TCP_SYN:
        if d == 0 and f["state"][1] == ESTABLISHED and not flags & TCP_ACK:
            _set_state(f, 0, ESTABLISHED)  # the mirror port showed the SYN-ACK before its SYN
        elif d == 0:
            _set_state(f, 0, SYN_ACK_SENT if flags & TCP_ACK else SYN_SENT)
        else:
            if f["state"][0] == SYN_SENT:
                _set_state(f, 0, ESTABLISHED)
            _set_state(f, 1, ESTABLISHED)
    if flags & TCP_FIN:
        _set_state(f, d, CLOSED)
        close = True
    if flags & TCP_RST:
        _set_state(f, d, RESET)
        close = True
    if f["state"][d] == INACTIVE:
        if d == 1 and length == 0 and f["state"][0] == SYN_SENT:
            pass  # some stacks acknowledge a SYN before they answer it
        elif flags & TCP_ACK and f["state"][peer] == ESTABLISHED:
            _set_state(f, d, ESTABLISHED)  # only the SYN was missed
        else:
            _set_state(f, d, PARTIAL)
    return close


@kernel(t.boolean(FLOW_REC, t.int64, t.int64, t.int64, t.int64))
def _advance(f, d, flags, seq, length):
    """The state machine; returns whether this side closed with this segment."""
    peer = 1 - d
    state = f["state"][d]
    close = False
    if state == INACTIVE:
        return _advance_inactive(f, d, flags, seq, length)
    if state == SYN_SENT or state == SYN_ACK_SENT:
        if flags & TCP_FIN:
            _set_state(f, d, CLOSED)
            close = True
        if flags & TCP_RST:
            _set_state(f, d, RESET)
            close = True
    elif state == ESTABLISHED or state == PARTIAL:
        if flags & TCP_SYN and not flags & TCP_ACK and state == PARTIAL and f["state"][peer] == INACTIVE:
            _set_state(f, d, SYN_SENT)
        if flags & TCP_FIN and not flags & TCP_RST:
            _set_state(f, d, CLOSED)
            if f["state"][peer] == RESET and f["prev_state"][peer] == CLOSED:
                _set_state(f, peer, CLOSED)  # FIN then RST from the peer was a normal end after all
            close = True
        if flags & TCP_RST:
            _set_state(f, d, RESET)
            close = True
    elif state == CLOSED and flags & TCP_RST and f["state"][peer] != CLOSED:
        _set_state(f, d, RESET)
        close = not has_closed(f, d)
    return close


@kernel(t.int64(FLOW_REC, t.int64, t.int64, t.int64, t.int64, t.int64, t.int64, t.int64), forceinline=True)
def update(f, d, flags, seq, ack, window, length, ts):
    """Take one segment from side d (0 originator, 1 responder).

    f : FLOW record, changed in place; seq, ack, window, length : int64 as in PACKET; ts : int64 ns
    Returns the payload bytes in it that were not seen before. Sets f.is_closed when the connection is over.
    """
    past = np.uint32(seq + (0 if flags & TCP_RST else length) + (flags & TCP_SYN != 0) + (flags & TCP_FIN != 0))
    is_plain = not flags & (TCP_SYN | TCP_FIN | TCP_RST) and f["state"][d] != INACTIVE  # it changes no state
    if not is_plain:
        _start_side(f, d, flags, seq, past)
    if not is_plain or not f["history_bits"] & _bit_of(_BIT_D if length > 0 else _BIT_A, d):
        _write_history(f, d, flags, seq, length)
    peer = 1 - d
    if window == 0 and not flags & TCP_RST and f["state"][peer] != CLOSED and f["state"][d] != RESET:
        count_letter(f, d, f["zero_windows"], 87)
    if not (has_closed(f, 0) and has_closed(f, 1)):
        f["last_ts"] = max(f["last_ts"], ts)
    if flags & TCP_FIN:
        f["ends"] |= np.uint8(_FIN_SEEN << d)
    if flags & TCP_ACK:
        _take_ack(f, d, flags, ack)
    fresh = _take_segment(f, d, flags, past, length)
    if not is_plain and _advance(f, d, flags, seq, length) and not has_closed(f, d):
        f["ends"] |= np.uint8(_CLOSE_NOTED << d)
        if f["state"][d] == RESET or has_closed(f, peer) or f["state"][peer] == INACTIVE:
            f["is_closed"] = 1
    return fresh


@kernel(t.boolean(FLOW_REC, t.int64))
def saw_syn(f, d):
    """Whether side d's SYN was seen, so that `start_seq` tells where its bytes begin."""
    return f["history_bits"] & _bit_of(_BIT_S, d) != 0


@kernel(t.boolean(FLOW_REC))
def is_one_sided(f):
    """Whether the originator goes on speaking on a connection whose other side was never seen."""
    return (
        f["proto"] == PROTO_TCP
        and f["state"][0] == SYN_SENT
        and f["state"][1] == INACTIVE
        and f["history_bits"] & np.uint32(_BIT_D | _BIT_A) != 0
    )


@kernel(t.boolean(FLOW_REC, t.int64, t.int64, t.int64))
def is_reuse(f, d, flags, seq):
    """Whether a SYN on this key opens another connection rather than repeating one of this flow's."""
    if not flags & TCP_SYN:
        return False
    side = 0
    if flags & TCP_ACK:
        if f["state"][0] != INACTIVE:
            return False
        side = 1
    if not f["is_closed"]:
        if f["start_seq"][side] == np.uint32(seq):
            return False
        swapped = f["state"][0] == SYN_ACK_SENT and f["state"][1] == INACTIVE and f["start_seq"][1] == np.uint32(seq)
        if not flags & TCP_ACK and swapped:
            return False
    return True


@kernel(t.int64(FLOW_REC, t.int64))
def size(f, d):
    """Payload bytes side d sent, by sequence and acknowledgement numbers: a retransmission counts once."""
    start = np.int64(f["start_seq"][d])
    no_data_acked = f["ack_seq"][d] == f["start_seq"][d] or distance(f["ack_seq"][d], f["start_seq"][d]) == 1
    if (
        f["prev_state"][d] == SYN_SENT
        and f["state"][d] == RESET
        and f["state"][1 - d] == INACTIVE
        and not no_data_acked
    ):
        return np.int64(0)
    last = (np.int64(f["seq_wraps"][d]) << 32) + np.int64(f["last_seq"][d])
    acked = (np.int64(f["ack_wraps"][d]) << 32) + np.int64(f["ack_seq"][d])
    total = max(last, acked) - start
    if total > 0:
        total -= 1  # the SYN
    if f["ends"] & (_FIN_SEEN << d) and total > 0:
        total -= 1
    return max(total, np.int64(0))


@kernel(t.boolean(FLOW_REC))
def _is_syn_then_rst(f):
    """RSTOS0: the originator's SYN and RST, with nothing telling in between."""
    at = 1 if f["history_len"] > 0 and f["history"][0] == 94 else 0
    if f["history_len"] <= at or f["history"][at] != 83:
        return False
    for i in range(at + 1, np.int64(f["history_len"])):
        letter = f["history"][i]
        if letter == 82:
            return True
        if letter == 72 or letter == 65 or letter == 70 or letter == 71 or letter == 73 or letter == 81:
            return False
    return False


@kernel(t.int64(FLOW_REC))
def conn_state(f):
    """Zeek's conn_state of a TCP flow, as STATE_*."""
    orig, resp = f["state"][0], f["state"][1]
    orig_unseen = orig == INACTIVE or orig == PARTIAL
    resp_unseen = resp == INACTIVE or resp == PARTIAL
    if resp == RESET:
        if orig == SYN_SENT or orig == SYN_ACK_SENT or (orig == RESET and size(f, 0) == 0 and size(f, 1) == 0):
            return STATE_REJ
        return STATE_RSTRH if orig_unseen else STATE_RSTR
    if orig == RESET:
        if resp_unseen:
            return STATE_RSTOS0 if _is_syn_then_rst(f) else STATE_OTH
        return STATE_RSTO
    if orig == CLOSED:
        if resp == CLOSED:
            return STATE_SF
        return STATE_SH if resp_unseen else STATE_S2
    if resp == CLOSED:
        return STATE_SHR if orig_unseen else STATE_S3
    if orig == SYN_SENT and resp == INACTIVE:
        return STATE_S0
    if orig == ESTABLISHED and resp == ESTABLISHED:
        return STATE_S1
    return STATE_OTH
