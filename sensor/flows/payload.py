"""Payloads in order: which bytes of a flow are read, as what, and which have to wait for more.

A message that lies whole in one packet is read where it is. One that is cut, or begins out of order, waits in a stream
buffer (sensor/flows/streams.py) until it is whole, the buffer is full, or _WAITS packets brought nothing.
"""

import numpy as np
from numba import types as t

from sensor.constants import APP_QUIC, PROTO_TCP, TCP_SYN
from sensor.dtypes import PACKET_REC
from sensor.flows import hellos, tcp
from sensor.flows.initials import note_connection, take_initials, take_moved
from sensor.flows.lookups import speaks_dns, take_dns
from sensor.flows.reading import read
from sensor.flows.rows import FLOW_REC, NOTE_LOST, READS_HTTP, READS_HTTP_CUT, READS_NOTHING, READS_START
from sensor.flows.state import STATE_REC, STREAM_BYTES
from sensor.flows.streams import GIVEN_UP, close_stream, feed, move_on, open_stream, stream_of
from sensor.jit import packet_kernel as kernel
from sensor.protocols.reads import FRAMES

_DATAGRAMS = 12  # of a QUIC client that may hold its hello
_WAITS = 16  # payloads a side may bring while the bytes before them are missing


@kernel(t.void(STATE_REC, FLOW_REC, t.int64))
def _give_up(s, f, d):
    """Wait no longer for the rest of a message."""
    s.streams.meta[GIVEN_UP] += 1
    f["notes"] |= np.uint16(NOTE_LOST)
    if d == 0 and f["reads"] == READS_HTTP_CUT:
        f["reads"] = READS_HTTP


@kernel(t.void(FLOW_REC, t.uint32))
def _reach(f, seq):
    """Let the originator's body be read up to `seq`: bytes that were lost, or came and were not read, are gone too."""
    if f["body_left"] > 0:
        f["body_left"] = max(np.int64(0), f["body_left"] - tcp.distance(seq, f["body_seq"]))
        f["body_seq"] = seq


@kernel(t.void(STATE_REC, FLOW_REC, t.int64, t.int64, t.int64, t.int64, t.boolean))
def _read_stream(s, f, row, d, slot, ts, is_short):
    """Read what is in order in a buffer, and keep or close it."""
    start = slot * STREAM_BYTES
    have = np.int64(s.streams.slots[slot]["have"])
    used = read(s, f, d, s.streams.bytes, start, start + have, ts)
    if d == 0:
        f["body_seq"] = np.uint32(np.int64(s.streams.slots[slot]["base"]) + have)
    if used < have:
        if have < STREAM_BYTES and not is_short:
            move_on(s, slot, used)
            return
        _give_up(s, f, d)
    close_stream(s, f, row, d)


@kernel(t.void(STATE_REC, FLOW_REC, t.int64, PACKET_REC, t.int64, FRAMES, t.int64, t.int64, t.int64))
def _take_segment(s, f, row, p, d, frames, pos, end, fresh):
    """A TCP payload: read it in place if it is the next one and nothing waits, else through the side's buffer."""
    ts, is_short = p["ts_ns"], p["payload_cap"] < p["payload_len"]
    seq = np.uint32(np.int64(p["seq"]) + (p["tcp_flags"] & TCP_SYN != 0))
    slot = stream_of(s, f, row, d) if f["stream"][d] else np.int64(-1)
    if f["stream"][d] and slot < 0:
        f["notes"] |= np.uint16(NOTE_LOST)
        f["stream"][d] = 0
    if slot >= 0:
        if feed(s, slot, tcp.distance(seq, s.streams.slots[slot]["base"]), frames, pos, end):
            _read_stream(s, f, row, d, slot, ts, is_short)
            return
        if s.streams.slots[slot]["waits"] < _WAITS and not is_short:
            s.streams.slots[slot]["waits"] += 1
            return
        _give_up(s, f, d)  # the bytes before were not captured
        close_stream(s, f, row, d)
    if fresh <= 0 or (d == 0 and f["reads"] == READS_NOTHING):
        return
    if f["payload_bytes"][d] == 0 and tcp.saw_syn(f, d):
        first = np.uint32(np.int64(f["start_seq"][d]) + 1)
        ahead = tcp.distance(seq, first)
        if 0 < ahead < STREAM_BYTES and not is_short:
            feed(s, open_stream(s, f, row, d, first), ahead, frames, pos, end)
            return
    if d == 0:
        _reach(f, seq)
    used = read(s, f, d, frames, pos, end, ts)
    if d == 0:
        f["body_seq"] = np.uint32(np.int64(seq) + end - pos)
    if used < end - pos and is_short:
        _give_up(s, f, d)
    elif used < end - pos:
        base = np.uint32(np.int64(seq) + used)
        feed(s, open_stream(s, f, row, d, base), np.int64(0), frames, pos + used, end)


@kernel(t.void(STATE_REC, FLOW_REC, t.int64, FRAMES, t.int64, t.int64))
def _take_quic(s, f, row, frames, pos, end):
    """Look for the hello in a client's datagram, as long as there is hope."""
    f["looked"][0] += 1
    status = take_initials(s, f, row, frames, pos, end)
    if status == hellos.HELLO or f["looked"][0] >= _DATAGRAMS:
        f["reads"] = READS_NOTHING
        close_stream(s, f, row, 0)


@kernel(t.void(STATE_REC, FLOW_REC, t.int64, PACKET_REC, t.int64, FRAMES, t.int64, t.int64, t.int64))
def _take_datagram(s, f, row, p, d, frames, pos, end, fresh):
    """A payload that is a message of its own."""
    ts, n_bytes, is_short = p["ts_ns"], np.int64(p["payload_len"]), p["payload_cap"] < p["payload_len"]
    if speaks_dns(f) and take_dns(s, f, d, ts, n_bytes, frames, pos, end, is_short):
        return
    if f["is_query"] or fresh <= 0:
        return
    was = f["app"]
    if was == APP_QUIC:
        if d == 1:
            note_connection(s, f, frames, pos, end, ts)
        elif f["reads"] == READS_START:
            _take_quic(s, f, row, frames, pos, end)
        return
    if was == 0 and d == 0 and f["looked"][0] == 0 and take_moved(s, f, frames, pos, end, ts):
        f["app"], f["reads"] = APP_QUIC, READS_NOTHING
        return
    read(s, f, d, frames, pos, end, ts)
    if was == 0 and f["app"] and speaks_dns(f):
        take_dns(s, f, d, ts, n_bytes, frames, pos, end, is_short)
    if was == 0 and f["app"] == APP_QUIC and d == 0:
        f["looked"][0] = 0
        _take_quic(s, f, row, frames, pos, end)


TAKES = (STATE_REC, FLOW_REC, t.int64, PACKET_REC, t.int64, FRAMES, t.int64, t.int64, t.int64)


@kernel(t.void(*TAKES))
def take_payload(s, f, row, p, d, frames, pos, end, fresh):
    """Read the captured payload frames[pos:end] of packet p of side d, `fresh` bytes of which are new."""
    if f["is_carrier"]:
        return
    if p["proto"] == PROTO_TCP:
        _take_segment(s, f, row, p, d, frames, pos, end, fresh)
    else:
        _take_datagram(s, f, row, p, d, frames, pos, end, fresh)
