"""Flow keys: how a packet is named, which way its key hashes, and who of its two ends began."""

import numpy as np
from numba import types as t

from sensor.constants import PROTO_ICMP, PROTO_ICMP6, PROTO_TCP, PROTO_UDP, STATUS_OK, TCP_ACK, TCP_SYN
from sensor.dtypes import PACKET_REC
from sensor.flows import table
from sensor.flows.icmp import counterpart
from sensor.flows.rows import FLOW_REC
from sensor.flows.servers import TCP_PORTS, UDP_PORTS, is_likely_server
from sensor.flows.table import TABLE_REC
from sensor.jit import packet_kernel as kernel


@kernel(t.Tuple((t.uint32, t.boolean))(PACKET_REC))
def key_port(p):
    """(source port << 16 | destination port, whether the key has one direction only); ICMP as Zeek pairs it."""
    if p["proto"] == PROTO_ICMP or p["proto"] == PROTO_ICMP6:
        other, one_way = counterpart(p["proto"], p["src_port"], p["dst_port"])
        return np.uint32(np.int64(p["src_port"]) << 16 | np.int64(other)), one_way
    return np.uint32(np.int64(p["src_port"]) << 16 | np.int64(p["dst_port"])), False


@kernel(t.uint64(TABLE_REC, t.uint64, t.uint64, t.uint64, t.uint64, t.uint32, t.int64, t.boolean))
def key_code(tab, src_hi, src_lo, dst_hi, dst_lo, port, proto, one_way):
    """Keyed hash of a flow key, the same from both sides."""
    back = np.uint32(np.int64(port) >> 16 | (np.int64(port) & 0xFFFF) << 16)
    swap = (src_hi, src_lo, port) > (dst_hi, dst_lo, back)
    if swap and not one_way:
        return table.key_hash(tab.key, dst_hi, dst_lo, src_hi, src_lo, back, proto)
    return table.key_hash(tab.key, src_hi, src_lo, dst_hi, dst_lo, port, proto)


@kernel(t.void(TABLE_REC, PACKET_REC[::1], t.uint64[::1]))
def hash_packets(tab, packets, codes):
    """Hashes of all packets of a batch. codes : uint64[n], out."""
    for i in range(packets.shape[0]):
        p = packets[i]
        if p["status"] == STATUS_OK:
            port, one_way = key_port(p)
            codes[i] = key_code(
                tab, p["src_hi"], p["src_lo"], p["dst_hi"], p["dst_lo"], port, np.int64(p["proto"]), one_way
            )


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
