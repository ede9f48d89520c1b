"""Row layouts that kernels share, one sentence and a unit for each field.

Fields stand in order of falling size, so the packed layout is also the aligned one.
Addresses are two big-endian-valued uint64 (`hi`, `lo`); an IPv4 address is its IPv4-mapped form
(hi 0, lo 0x0000ffff_aabbccdd, RFC 4291 section 2.5.5.2), so one code path serves both versions.
"""

import numba
import numpy as np

PACKET = np.dtype(
    [
        ("ts_ns", np.int64),  # capture time, nanoseconds since 1970 UTC
        ("src_hi", np.uint64),  # source address, upper half
        ("src_lo", np.uint64),  # source address, lower half
        ("dst_hi", np.uint64),  # destination address, upper half
        ("dst_lo", np.uint64),  # destination address, lower half
        ("payload_off", np.int32),  # where the L4 payload starts in Batch.frames, bytes
        ("payload_cap", np.int32),  # captured payload, bytes; never past the frame or the IP length
        ("payload_len", np.int32),  # payload by the IP length, bytes; Ethernet trailers are not payload
        ("ip_len", np.uint32),  # IP total length (IPv6: 40 + payload length), bytes
        ("seq", np.uint32),  # TCP sequence number; SCTP: 0
        ("ack", np.uint32),  # TCP acknowledgement number
        ("frame", np.uint32),  # index of the frame in its batch
        ("src_port", np.uint16),  # port; ICMP: type
        ("dst_port", np.uint16),  # port; ICMP: code
        ("vlan_id", np.uint16),  # outermost 802.1Q id of the frame, 0 none
        ("inner_vlan_id", np.uint16),  # second 802.1Q id, 0 none
        ("window", np.uint16),  # TCP window, unscaled
        ("ip_id", np.uint16),  # IPv4 identification; IPv6: low 16 bits of a fragment's, else 0
        ("l4_checksum", np.uint16),  # as in the header; tells a mirrored duplicate from a retransmission
        ("icmp_id", np.uint16),  # ICMP echo identifier, else 0
        ("proto", np.uint8),  # IP protocol number of the L4 header
        ("ip_version", np.uint8),  # 4, 6, or 0 when status says there is no IP
        ("tcp_flags", np.uint8),  # TCP flags byte
        ("status", np.uint8),  # constants.STATUS_*
        ("tunnel", np.uint8),  # constants.TUNNEL_* this packet came out of
        ("tunnel_depth", np.uint8),  # tunnels around this packet, 0 to MAX_TUNNELS
        ("fragment", np.uint8),  # constants.FRAGMENT_*
        ("is_carrier", np.uint8),  # 1: a UDP tunnel's outer packet; the inner one has a row of its own
        ("ttl", np.uint8),  # IPv4 TTL or IPv6 hop limit
        ("pad", np.uint8, (3,)),
    ]
)
"""One decoded packet. A frame gives one row, and one more for each UDP tunnel around the innermost packet."""
PACKET_REC = numba.from_dtype(PACKET)

assert PACKET.itemsize % 8 == 0
