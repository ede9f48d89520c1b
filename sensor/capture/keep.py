"""Which frames of a batch are kept, and their blocks of a pcapng file, in one pass over the packet rows.

In: a batch, its PACKET rows, the hashes of their flows. Out: blocks in a buffer. Never writes a file, and knows nothing
of findings but the addresses it is given.

A frame is kept when one of its rows is at the beginning of its flow, or belongs to a suspicious channel. How much of a
flow has passed stands in a table of fixed size, four entries a cache line: when a line is full, the flow that was
silent longest is forgotten, and the rest of it looks like a beginning. So a flood costs room on the disk, never memory.

Source: draft-ietf-opsawg-pcapng (Enhanced Packet Block).
"""

from collections.abc import Iterable

import numba
import numpy as np
from numba import types as t
from numpy.typing import NDArray

from sensor.capture.blocks import PACKET as PACKET_BLOCK
from sensor.capture.walk import MAX_FRAME_BYTES
from sensor.constants import PROTO_ICMP, PROTO_ICMP6, PROTO_TCP, STATUS_OK, TCP_ACK, TCP_SYN
from sensor.dtypes import PACKET_REC
from sensor.jit import packet_kernel as kernel
from sensor.prefetch import prefetch
from sensor.protocols.reads import FRAMES

AGE = np.dtype(
    [
        ("code", np.uint64),  # keyed hash of the flow's key; 0 free
        ("ip_bytes", np.uint32),  # IP lengths of its packets so far, both ways, as far as uint32 goes
        ("seen_s", np.uint32),  # packet time of the newest, s since 1970
    ]
)
"""How much of one flow has passed."""
WAYS = 4
"""Entries that share the place a hash belongs to: one cache line."""

SUSPECT = np.dtype(
    [
        ("client_hi", np.uint64),  # as in PACKET
        ("client_lo", np.uint64),
        ("server_hi", np.uint64),
        ("server_lo", np.uint64),
        ("port_proto", np.uint64),  # the server's port << 8 | IP protocol; ICMP: port 0
    ]
)
"""One end-to-end channel of which everything is kept; the kernel takes them sorted by all fields."""
N_MARKS = 1 << 14
"""Length of the marks of suspicious clients, by the low bits of their addresses: most packets meet none."""

RULES = np.dtype(
    [
        ("flow_bytes", np.int64),  # a packet is kept when fewer bytes of its flow came before it
        ("tcp_idle_s", np.int64),  # a flow that was silent for longer is another one
        ("idle_s", np.int64),  # the same for every other protocol
        ("shift", np.uint64),  # 64 - log2 of the table's lines
        ("is_ethernet", np.int64),  # whether a VLAN tag that the kernel took off can be put back
    ]
)

USED, PACKETS, FIRST_TS, LAST_TS, LOST, LAST_FRAME = range(6)
N_TALLY = 6
"""Of the buffer: bytes and blocks in it, times of its oldest and newest packet, ns. Frames that had no buffer to go to.
The frame looked at last, so that each is kept once."""

_MARK_MASK = np.uint64(N_MARKS - 1)
_AHEAD = 16  # rows looked ahead, so that their memory is here when they are
_HEAD_BYTES, _TAG_BYTES = 28, 4
_MACS_BYTES = 12
_MOST_BLOCK_BYTES = _HEAD_BYTES + MAX_FRAME_BYTES + 4

_AGE_REC, _SUSPECT_REC, _RULES_REC = (numba.from_dtype(kind) for kind in (AGE, SUSPECT, RULES))
_BUFFER, _WORDS, _TALLY = t.uint8[::1], t.uint32[::1], t.int64[::1]


def sorted_suspects(channels: Iterable[tuple[int, int, int, int]]) -> tuple[NDArray[np.void], NDArray[np.uint8]]:
    """Suspicious channels as the kernel takes them: SUSPECT[n], and uint8[N_MARKS] with 1 where a client of theirs is.

    channels : (client, server, port, IP protocol), addresses as 128 bits, IPv4 in its mapped form
    """
    low = (1 << 64) - 1
    rows = sorted(
        (client >> 64, client & low, server >> 64, server & low, port << 8 | proto)
        for client, server, port, proto in set(channels)
    )
    suspects = np.array(rows, SUSPECT)
    marks = np.zeros(N_MARKS, np.uint8)
    marks[(suspects["client_lo"] & _MARK_MASK).astype(np.int64)] = 1
    return suspects, marks


@kernel(t.boolean(_AGE_REC[::1], _RULES_REC, PACKET_REC, t.uint64))
def _is_beginning(ages, rules, p, code):
    """Whether a packet is at the beginning of its flow; it is counted in any case."""
    base = np.int64(code >> rules["shift"]) * WAYS
    now_s = max(np.int64(0), p["ts_ns"] // 1_000_000_000)
    is_tcp = p["proto"] == PROTO_TCP
    place = base
    for step in range(WAYS):
        way = base + step
        if ages[way]["code"] == code:
            place = way
            break
        if ages[way]["seen_s"] < ages[place]["seen_s"]:
            place = way
    entry = ages[place]
    silent_s = now_s - np.int64(entry["seen_s"])
    begins = is_tcp and (p["tcp_flags"] & (TCP_SYN | TCP_ACK)) == TCP_SYN
    if entry["code"] != code or begins or silent_s > (rules["tcp_idle_s"] if is_tcp else rules["idle_s"]):
        entry["code"] = code
        entry["ip_bytes"] = 0
    before = np.int64(entry["ip_bytes"])
    entry["ip_bytes"] = np.uint32(min(before + np.int64(p["ip_len"]), np.int64(0xFFFFFFFF)))
    entry["seen_s"] = np.uint32(min(now_s, np.int64(0xFFFFFFFF)))
    return before < rules["flow_bytes"]


@kernel(t.boolean(_SUSPECT_REC[::1], t.uint64, t.uint64, t.uint64, t.uint64, t.uint64))
def _is_listed(suspects, client_hi, client_lo, server_hi, server_lo, port_proto):
    """Whether a channel is among the suspicious ones, by bisection."""
    wanted = (client_hi, client_lo, server_hi, server_lo, port_proto)
    low, high = np.int64(0), np.int64(suspects.shape[0])
    while low < high:
        middle = (low + high) >> 1
        s = suspects[middle]
        here = (s["client_hi"], s["client_lo"], s["server_hi"], s["server_lo"], s["port_proto"])
        if here == wanted:
            return True
        if here < wanted:
            low = middle + 1
        else:
            high = middle
    return False


@kernel(t.boolean(_SUSPECT_REC[::1], t.uint8[::1], PACKET_REC))
def _is_suspicious(suspects, marks, p):
    """Whether a packet belongs to a suspicious channel, in either direction."""
    has_ports = p["proto"] != PROTO_ICMP and p["proto"] != PROTO_ICMP6
    proto = np.uint64(p["proto"])
    if marks[np.int64(p["src_lo"] & _MARK_MASK)]:
        port = np.uint64(p["dst_port"]) << np.uint64(8) if has_ports else np.uint64(0)
        if _is_listed(suspects, p["src_hi"], p["src_lo"], p["dst_hi"], p["dst_lo"], port | proto):
            return True
    if marks[np.int64(p["dst_lo"] & _MARK_MASK)]:
        port = np.uint64(p["src_port"]) << np.uint64(8) if has_ports else np.uint64(0)
        return _is_listed(suspects, p["dst_hi"], p["dst_lo"], p["src_hi"], p["src_lo"], port | proto)
    return False


@kernel(t.void(FRAMES, t.int64, t.int64, t.int64, t.int64, t.int64, _BUFFER, _WORDS, _TALLY))
def _put(frames, first, n_bytes, wire_len, ts_ns, tag, buffer, words, tally):
    """Write a frame's block into the buffer. tag : VLAN id to be put back, 0 none; the buffer must have room."""
    pos = tally[USED]
    to = pos + _HEAD_BYTES
    copied = np.int64(0)
    if tag:
        for k in range(_MACS_BYTES):
            buffer[to + k] = frames[first + k]
        buffer[to + 12], buffer[to + 13] = 0x81, 0
        buffer[to + 14], buffer[to + 15] = tag >> 8, tag & 0xFF
        copied = np.int64(_MACS_BYTES)
        to += _TAG_BYTES
    taken = min(n_bytes, MAX_FRAME_BYTES - (_TAG_BYTES if tag else 0))
    for k in range(copied, taken):
        buffer[to + k] = frames[first + k]
    cap_len = to + taken - pos - _HEAD_BYTES
    padded = (cap_len + 3) & ~3
    for k in range(cap_len, padded):
        buffer[pos + _HEAD_BYTES + k] = 0
    units = max(np.int64(0), ts_ns)
    w = pos >> 2
    length = _HEAD_BYTES + padded + 4
    words[w] = PACKET_BLOCK  # of the file's only interface
    words[w + 1] = length
    words[w + 2] = 0
    words[w + 3] = units >> 32
    words[w + 4] = units & 0xFFFFFFFF
    words[w + 5] = cap_len
    words[w + 6] = max(wire_len + (_TAG_BYTES if tag else 0), cap_len)
    words[w + (length >> 2) - 1] = length
    if tally[PACKETS] == 0:
        tally[FIRST_TS] = tally[LAST_TS] = units
    tally[FIRST_TS] = min(tally[FIRST_TS], units)
    tally[LAST_TS] = max(tally[LAST_TS], units)
    tally[PACKETS] += 1
    tally[USED] = pos + length


@kernel(
    t.int64(
        *(PACKET_REC[::1], t.int64, t.uint64[::1]),
        *(FRAMES, t.int64[::1], t.int64[::1], t.uint32[::1], t.uint16[::1]),
        *(_RULES_REC[::1], _AGE_REC[::1], _SUSPECT_REC[::1], t.uint8[::1], _BUFFER, _WORDS, _TALLY),
    )
)
def keep_frames(
    packets, first, codes, frames, start, end, wire_len, vlan_id, rule, ages, suspects, marks, buffer, words, tally
):
    """Put the frames to be kept of packets[first:] into the buffer; return the index of the next row to be looked at.

    That is len(packets), or the first row for which the buffer might have no room: then call again with another one.

    packets, codes : PACKET[n] and uint64[n], as the flow tracker took them
    frames to vlan_id : columns of the batch they came from
    rule : RULES[1]; ages : AGE[WAYS * lines], changed
    suspects, marks : see `sorted_suspects`
    buffer, words : the same memory as uint8[] and uint32[], with room for a block of MAX_FRAME_BYTES at least; of
        length 0: nothing is kept, what would have been is counted as LOST
    tally : int64[N_TALLY], added to
    """
    n = packets.shape[0]
    rules = rule[0]
    if first == 0:
        tally[LAST_FRAME] = -1
    has_buffer = buffer.shape[0] > 0
    for i in range(first, n):
        if i + _AHEAD < n:
            prefetch(ages, np.int64(codes[i + _AHEAD] >> rules["shift"]) * WAYS)
        p = packets[i]
        if p["status"] != STATUS_OK:
            continue
        if has_buffer and tally[USED] + _MOST_BLOCK_BYTES > buffer.shape[0]:
            return i
        is_wanted = rules["flow_bytes"] > 0 and _is_beginning(ages, rules, p, codes[i])
        if not is_wanted and suspects.shape[0] > 0:
            is_wanted = _is_suspicious(suspects, marks, p)
        frame = np.int64(p["frame"])
        if not is_wanted or frame == tally[LAST_FRAME]:
            continue
        tally[LAST_FRAME] = frame
        if not has_buffer:
            tally[LOST] += 1
            continue
        n_bytes = end[frame] - start[frame]
        tag = np.int64(vlan_id[frame]) if rules["is_ethernet"] and n_bytes >= _MACS_BYTES else np.int64(0)
        _put(frames, start[frame], n_bytes, np.int64(wire_len[frame]), p["ts_ns"], tag, buffer, words, tally)
    return n
