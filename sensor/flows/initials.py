"""QUIC: the ClientHello in a client's first datagrams, and the name of a connection that changes its address."""

import numpy as np
from numba import types as t

from sensor.flows.hellos import HELLO, HELLO_MORE, NOT_HELLO, take_hello_message, take_server_name
from sensor.flows.names import give_name, remember, remembered
from sensor.flows.pool import intern
from sensor.flows.rows import FLOW_REC, SOURCE_QUIC
from sensor.flows.state import STATE_REC, STREAM_BYTES
from sensor.flows.streams import close_stream, feed, open_stream, stream_of
from sensor.jit import packet_kernel as kernel
from sensor.protocols import quic_header as header
from sensor.protocols.gquic import find_chlo_sni, find_gquic_sni
from sensor.protocols.quic import open_initial
from sensor.protocols.quic_frames import next_crypto
from sensor.protocols.reads import FRAMES, be32

_MOST_PACKETS = 4  # of one datagram
_CID_BYTES = 4  # of a server's connection id by which it is known again; they are random
_BY_CID = np.uint64(0x51554943 << 32)  # "QUIC": the client that stands for a connection id in the cache of names


@kernel(t.void(STATE_REC, t.int64))
def _feed_crypto(s, slot):
    """Put the CRYPTO frames of an opened packet into the handshake's buffer."""
    plain, info = s.scratch.joined, s.scratch.info
    n_bytes = info[header.PLAIN_BYTES]
    at = np.int64(0)
    while next_crypto(plain, at, n_bytes, info):
        begin = info[header.CRYPTO_AT]
        feed(s, slot, info[header.CRYPTO_OFFSET], plain, begin, begin + info[header.CRYPTO_BYTES])
        at = info[header.NEXT_FRAME]


@kernel(t.int64(STATE_REC, FLOW_REC, t.int64, FRAMES, t.int64, t.int64))
def take_initials(s, f, row, data, pos, end):
    """Read a client's datagram: NOT_HELLO when it is none that may hold a hello, else HELLO or HELLO_MORE."""
    slot = stream_of(s, f, row, 0) if f["stream"][0] else np.int64(-1)
    if slot < 0:
        slot = open_stream(s, f, row, 0, np.uint32(0))
    info = s.scratch.info
    at, status = pos, np.int64(NOT_HELLO)
    for _ in range(_MOST_PACKETS):
        kind = open_initial(
            data, at, end, False, s.streams.slots[slot]["keys"], s.scratch.joined, s.scratch.words, info
        )
        if kind == header.CLEAR_GOOGLE:
            off, length = find_gquic_sni(data, at, end)
            if length:
                take_server_name(s, f, intern(s.pool, data, np.int64(off), np.int64(length)), SOURCE_QUIC)
            status = np.int64(HELLO if length else HELLO_MORE)
            break
        if kind == header.OPENED or (kind == header.CUT and info[header.PLAIN_BYTES] > 0):
            _feed_crypto(s, slot)
            status = np.int64(HELLO_MORE)
        if kind == header.NOT_QUIC or kind == header.CUT or info[header.NEXT] <= at or info[header.NEXT] >= end:
            break
        at = info[header.NEXT]
    if status == HELLO_MORE:
        start = slot * STREAM_BYTES
        stop = start + np.int64(s.streams.slots[slot]["have"])
        if stop > start:
            off, length = find_chlo_sni(s.streams.bytes, start, stop)
            if length:
                take_server_name(s, f, intern(s.pool, s.streams.bytes, np.int64(off), np.int64(length)), SOURCE_QUIC)
                status = np.int64(HELLO)
            else:
                hello = take_hello_message(s, f, s.streams.bytes, start, stop, SOURCE_QUIC)
                status = np.int64(HELLO if hello == HELLO else HELLO_MORE)
    if status != HELLO_MORE:
        close_stream(s, f, row, 0)
    return status


@kernel(t.void(STATE_REC, FLOW_REC, FRAMES, t.int64, t.int64, t.int64))
def note_connection(s, f, data, pos, end, ts):
    """Keep the flow's name under the connection id that its server chose (RFC 9000 section 7.2)."""
    if end - pos < 7 or data[pos] < 0x80 or not f["name_id"]:
        return
    at = pos + 6 + np.int64(data[pos + 5])
    if at + 1 + _CID_BYTES <= end and data[at] >= _CID_BYTES:
        cid = np.uint64(be32(data, at + 1))
        remember(s.cache, s.table.key, _BY_CID, cid, f["resp_hi"], f["resp_lo"], f["name_id"], ts, 0)


@kernel(t.boolean(STATE_REC, FLOW_REC, FRAMES, t.int64, t.int64, t.int64))
def take_moved(s, f, data, pos, end, ts):
    """Whether a client's first datagram belongs to a QUIC connection that is known by its id: its address changed.

    That is what a NAT does when it forgets a client. One that moves on purpose takes a new id (RFC 9000 section 9.5).
    """
    if end - pos < 1 + _CID_BYTES or data[pos] & 0xC0 != 0x40:
        return False
    cid = np.uint64(be32(data, pos + 1))
    name = remembered(s.cache, s.table.key, _BY_CID, cid, f["resp_hi"], f["resp_lo"], ts)
    give_name(f, name, SOURCE_QUIC)
    return name != 0
