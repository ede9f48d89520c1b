"""One block of a TPACKET_V3 ring: where its frames lie, read from the kernel's own headers. No copy is made.

In: a block as the kernel filled it. Out: the columns of a batch. Never touches a socket.

Layouts: linux/if_packet.h, `tpacket_block_desc`, `tpacket3_hdr` and the `sockaddr_ll` behind each header; all in the
machine's own byte order. Headers are aligned to 16 bytes, so their fields are read through views of whole words.
"""

import numba
import numpy as np
from numba import types as t

from sensor.jit import packet_kernel
from sensor.prefetch import prefetch_line

BLOCK_STATUS, BLOCK_PACKETS, BLOCK_FIRST = 2, 3, 4
"""Words (32 bits) of a block's descriptor: whose it is, packets in it, offset of the first header in bytes."""

RING_FRAMES, RING_WIRE_BYTES, RING_OUTGOING, RING_HARDWARE_TIME = range(4)
N_RING_COUNTERS = 4
"""Frames given on; their bytes on the wire; frames of this machine's own, left out; frames that the NIC had timed."""

_SEC, _NSEC, _SNAPLEN, _LEN, _STATUS, _TCI = 1, 2, 3, 4, 5, 8  # words of tpacket3_hdr
_MAC = 12  # its half words
_PACKET_TYPE = 48 + 10  # bytes: sll_pkttype, in the sockaddr_ll that follows the header
_OUTGOING = 4
_VLAN_VALID = 0x10
_TS_RAW_HARDWARE = 1 << 31

_BYTES = t.Array(t.uint8, 1, "C", readonly=True)
_HALVES = t.Array(t.uint16, 1, "C", readonly=True)
_WORDS = t.Array(t.uint32, 1, "C", readonly=True)
_COUNTERS = numba.int64[::1]

_AHEAD = 16  # frames looked ahead: another core wrote them, so each is far away
_LOOK_BYTES = 192  # of a slot: its header, and the frame's own headers


@packet_kernel(
    t.int64(
        *(_BYTES, _HALVES, _WORDS, t.int64[::1], t.int64),
        *(t.int64[::1], t.int64[::1], t.int64[::1], t.uint32[::1], t.uint16[::1], _COUNTERS),
    )
)
def walk_block(block, halves, words, place, takes_outgoing, start, end, ts_ns, wire_len, vlan_id, counters):
    """Fill the columns with the next frames of a block; returns how many, 0 at its end.

    block, halves, words : the same block as uint8[], uint16[] and uint32[]
    place : int64[2], where the next header lies, bytes, and how many headers there still are; moved on
    takes_outgoing : whether frames that this machine sent count
    start to vlan_id : columns of a Batch, all equally long
    counters : int64[N_RING_COUNTERS], added to
    """
    n = np.int64(0)
    pos = place[0]
    while place[1] > 0 and n < start.shape[0]:
        if pos < 0 or pos + 64 > block.shape[0]:
            place[1] = 0  # a kernel that keeps its word never comes here
            break
        w = pos >> 2
        first = pos + np.int64(halves[(pos >> 1) + _MAC])
        last = first + np.int64(words[w + _SNAPLEN])
        step = np.int64(words[w])
        if last > block.shape[0]:
            place[1] = 0
            break
        ahead = pos + _AHEAD * step  # most likely
        if ahead + _LOOK_BYTES < block.shape[0]:
            for offset in range(0, _LOOK_BYTES, 64):
                prefetch_line(block, ahead + offset)
        if block[pos + _PACKET_TYPE] == _OUTGOING and not takes_outgoing:
            counters[RING_OUTGOING] += 1
        else:
            status = np.int64(words[w + _STATUS])
            start[n] = first
            end[n] = last
            ts_ns[n] = np.int64(words[w + _SEC]) * 1_000_000_000 + np.int64(words[w + _NSEC])
            wire_len[n] = words[w + _LEN]
            vlan_id[n] = np.uint16(words[w + _TCI] & 0x0FFF) if status & _VLAN_VALID else np.uint16(0)
            counters[RING_WIRE_BYTES] += np.int64(words[w + _LEN])
            counters[RING_HARDWARE_TIME] += 1 if status & _TS_RAW_HARDWARE else 0
            n += 1
        place[1] = place[1] - 1 if step else 0
        pos += step
    place[0] = pos
    counters[RING_FRAMES] += n
    return n
