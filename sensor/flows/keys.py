"""Flow keys: how a packet is named, which way its key hashes, and who of its two ends began."""

import numpy as np
from numba import types as t

from sensor.constants import PROTO_ICMP, PROTO_ICMP6, PROTO_TCP, PROTO_UDP, TCP_ACK, TCP_SYN
from sensor.dtypes import PACKET_REC
from sensor.flows.icmp import counterpart
from sensor.flows.rows import FLOW_REC
from sensor.flows.servers import TCP_PORTS, UDP_PORTS, is_likely_server
from sensor.flows.state import KEYS_AT_ONCE, STATE_ARG
from sensor.flows.table import TABLE_REC
from sensor.jit import packet_kernel as kernel
from sensor.protocols.siphash import siphash13, siphash13_many


@kernel(t.Tuple((t.uint32, t.boolean))(PACKET_REC))
def key_port(p):
    """(source port << 16 | destination port, whether the key has one direction only); ICMP as Zeek pairs it."""
    if p["proto"] == PROTO_ICMP or p["proto"] == PROTO_ICMP6:
        other, one_way = counterpart(p["proto"], p["src_port"], p["dst_port"])
        return np.uint32(np.int64(p["src_port"]) << 16 | np.int64(other)), one_way
    return np.uint32(np.int64(p["src_port"]) << 16 | np.int64(p["dst_port"])), False


@kernel(t.UniTuple(t.uint64, 5)(t.uint64, t.uint64, t.uint64, t.uint64, t.uint32, t.int64, t.boolean))
def _key_words(src_hi, src_lo, dst_hi, dst_lo, port, proto, one_way):
    """A flow key as five words, the same from both sides unless `one_way`."""
    back = np.uint32(np.int64(port) >> 16 | (np.int64(port) & 0xFFFF) << 16)
    # which side is first is as good as random: without a branch, which the processor would guess wrong half the time
    is_behind = (src_hi > dst_hi) | ((src_hi == dst_hi) & ((src_lo > dst_lo) | ((src_lo == dst_lo) & (port > back))))
    swap = np.uint64(-np.int64(is_behind & (not one_way)))
    hi, lo, ports = (src_hi ^ dst_hi) & swap, (src_lo ^ dst_lo) & swap, np.uint64(port ^ back) & swap
    last = (np.uint64(port) ^ ports) << np.uint64(8) | np.uint64(proto)
    return src_hi ^ hi, src_lo ^ lo, dst_hi ^ hi, dst_lo ^ lo, last


@kernel(t.uint64(TABLE_REC, t.uint64, t.uint64, t.uint64, t.uint64, t.uint32, t.int64, t.boolean))
def key_code(tab, src_hi, src_lo, dst_hi, dst_lo, port, proto, one_way):
    """Keyed hash of a flow key, the same from both sides."""
    a, b, c, d, e = _key_words(src_hi, src_lo, dst_hi, dst_lo, port, proto, one_way)
    return siphash13(tab.key[0], tab.key[1], a, b, c, d, e)


@kernel(t.void(STATE_ARG, PACKET_REC[::1], t.uint64[::1]))
def hash_packets(state, packets, codes):
    """What `key_code` gives for all packets of a batch. codes : uint64[n], out, of any value for what is no flow's."""
    s = state[0]
    key, words = s.table.key, s.scratch.keys
    for first in range(0, packets.shape[0], KEYS_AT_ONCE):
        n = min(KEYS_AT_ONCE, packets.shape[0] - first)
        for i in range(n):
            p = packets[first + i]
            port, one_way = key_port(p)
            words[0, i], words[1, i], words[2, i], words[3, i], words[4, i] = _key_words(
                p["src_hi"], p["src_lo"], p["dst_hi"], p["dst_lo"], port, np.int64(p["proto"]), one_way
            )
        siphash13_many(key[0], key[1], words, n, codes, first)


@kernel(t.boolean(PACKET_REC))
def is_flipped(p):
    """Whether the first packet seen came from the responder: a SYN-ACK, or a well-known port on the wrong side."""
    if p["proto"] == PROTO_TCP:
        if p["tcp_flags"] & TCP_SYN:
            return p["tcp_flags"] & TCP_ACK != 0
        if is_likely_server(TCP_PORTS, p["src_port"]):
            return not is_likely_server(TCP_PORTS, p["dst_port"]) or p["src_port"] < p["dst_port"]
        return False
    if p["proto"] == PROTO_UDP and is_likely_server(UDP_PORTS, p["src_port"]):
        broadcast = p["dst_hi"] == 0 and p["dst_lo"] == np.uint64(0xFFFFFFFFFFFF)
        return not is_likely_server(UDP_PORTS, p["dst_port"]) and not broadcast
    return False


@kernel(t.int64(FLOW_REC, PACKET_REC, t.uint32))
def side(f, p, port):
    """0 when the originator sent packet p, else 1."""
    return 0 if (p["src_lo"] == f["orig_lo"] and p["src_hi"] == f["orig_hi"] and port == f["key_port"]) else 1
