"""ICMP messages that say a packet did not arrive: its flow is marked, so that a refusal is told from silence.

A router or firewall answers with an address of its own; whom it refused stands only in the packet that it quotes.

Source: RFC 792 (destination unreachable), RFC 4443 section 3.1; RFC 1812 section 5.2.7.1 has the codes that prohibit.
"""

import numpy as np
from numba import types as t

from sensor.constants import FRAGMENT_LATER, PROTO_ICMP, PROTO_ICMP6, PROTO_TCP, PROTO_UDP
from sensor.decode.network import IPV4_MAPPED
from sensor.dtypes import PACKET_REC
from sensor.flows import table
from sensor.flows.keys import key_code
from sensor.flows.rows import NOTE_UNREACHABLE
from sensor.flows.state import STATE_REC
from sensor.jit import packet_kernel as kernel
from sensor.protocols.reads import FRAMES, be16, be32

_FRAGMENTATION_NEEDED = 4  # RFC 1191: the packet was too big, not unwelcome


@kernel(t.boolean(PACKET_REC))
def says_unreachable(p):
    """Whether a packet is ICMP's "destination unreachable", of either version, for another reason than its size."""
    if p["fragment"] == FRAGMENT_LATER:
        return False
    if p["proto"] == PROTO_ICMP:
        return p["src_port"] == 3 and p["dst_port"] != _FRAGMENTATION_NEEDED
    return p["proto"] == PROTO_ICMP6 and p["src_port"] == 1


@kernel(t.void(STATE_REC, PACKET_REC, FRAMES))
def mark_refused(s, p, frames):
    """Note at the quoted packet's flow that it was refused, when its originator sent that packet and is told so."""
    pos = np.int64(p["payload_off"])
    end = pos + np.int64(p["payload_cap"])
    if p["proto"] == PROTO_ICMP:
        header_bytes = (np.int64(frames[pos]) & 15) * 4 if end > pos else 0
        if header_bytes < 20 or end - pos < header_bytes + 4 or frames[pos] >> 4 != 4 or be16(frames, pos + 6) & 0x1FFF:
            return
        proto = np.int64(frames[pos + 9])
        src_hi = dst_hi = np.uint64(0)
        src_lo = IPV4_MAPPED | np.uint64(be32(frames, pos + 12))
        dst_lo = IPV4_MAPPED | np.uint64(be32(frames, pos + 16))
    else:  # a quoted packet with extension headers is not followed
        header_bytes = 40
        if end - pos < 44 or frames[pos] >> 4 != 6:
            return
        proto = np.int64(frames[pos + 6])
        src_hi = np.uint64(be32(frames, pos + 8)) << np.uint64(32) | np.uint64(be32(frames, pos + 12))
        src_lo = np.uint64(be32(frames, pos + 16)) << np.uint64(32) | np.uint64(be32(frames, pos + 20))
        dst_hi = np.uint64(be32(frames, pos + 24)) << np.uint64(32) | np.uint64(be32(frames, pos + 28))
        dst_lo = np.uint64(be32(frames, pos + 32)) << np.uint64(32) | np.uint64(be32(frames, pos + 36))
    if (proto != PROTO_TCP and proto != PROTO_UDP) or src_hi != p["dst_hi"] or src_lo != p["dst_lo"]:
        return
    pos += header_bytes
    port = np.uint32(np.int64(be16(frames, pos)) << 16 | np.int64(be16(frames, pos + 2)))
    code = key_code(s.table, src_hi, src_lo, dst_hi, dst_lo, port, proto, False)
    row = table.find(s.table, code, src_hi, src_lo, dst_hi, dst_lo, port, proto, False)
    if row >= 0 and s.table.flows[row]["key_port"] == port and s.table.flows[row]["orig_lo"] == src_lo:
        s.table.flows[row]["notes"] |= np.uint16(NOTE_UNREACHABLE)
