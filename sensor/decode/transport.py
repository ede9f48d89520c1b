"""TCP, UDP, SCTP, ICMP and ICMPv6 headers: ports, flags and the payload's place into a row.

Never reads past the captured bytes or the IP length, whichever ends first.
"""

import numpy as np
from numpy.typing import NDArray

from sensor import constants as c
from sensor.decode.reads import be16, be32, byte_at
from sensor.jit import packet_kernel


@packet_kernel()
def decode_transport(
    frames: NDArray[np.uint8],
    proto: int,
    pos: int,
    end: int,
    ip_end: int,
    is_first_fragment: bool,
    packets: NDArray[np.void],
    row: int,
) -> int:
    """Fill a row from the L4 header at `pos`; returns its status.

    end : where the captured bytes of the IP packet end; ip_end : where they end on the wire, at least `end`
    A header cut by the snaplen behind its fixed part (TCP options) is still decoded. When it is cut earlier, the ports
    are given if they are there.
    """
    header_bytes = 0
    if proto == c.PROTO_TCP:
        header_bytes = 20
    elif proto == c.PROTO_SCTP:
        header_bytes = 12
    elif proto in (c.PROTO_UDP, c.PROTO_ICMP, c.PROTO_ICMP6):
        header_bytes = 8
    is_icmp = proto in (c.PROTO_ICMP, c.PROTO_ICMP6)
    have = end - pos
    if header_bytes > 0 and have >= 4:
        if is_icmp:
            packets["src_port"][row] = byte_at(frames, pos)
            packets["dst_port"][row] = byte_at(frames, pos + 1)
        else:
            packets["src_port"][row] = be16(frames, pos)
            packets["dst_port"][row] = be16(frames, pos + 2)
    if have < header_bytes:
        if ip_end - pos < header_bytes and not is_first_fragment:
            return c.STATUS_MALFORMED_L4
        return c.STATUS_TRUNCATED_L4

    if proto == c.PROTO_TCP:
        header_bytes = (byte_at(frames, pos + 12) >> 4) * 4
        packets["seq"][row] = be32(frames, pos + 4)
        packets["ack"][row] = be32(frames, pos + 8)
        packets["tcp_flags"][row] = byte_at(frames, pos + 13)
        packets["window"][row] = be16(frames, pos + 14)
        packets["l4_checksum"][row] = be16(frames, pos + 16)
        if header_bytes < 20:
            return c.STATUS_MALFORMED_L4
        if ip_end - pos < header_bytes:
            return c.STATUS_TRUNCATED_L4 if is_first_fragment else c.STATUS_MALFORMED_L4
    elif proto == c.PROTO_UDP:
        length = be16(frames, pos + 4)
        packets["l4_checksum"][row] = be16(frames, pos + 6)
        if 0 < length < 8:
            return c.STATUS_MALFORMED_L4
        if length > 0:  # 0: an IPv6 jumbogram (RFC 2675 section 4) or segmentation offload
            ip_end = min(ip_end, pos + length)
    elif proto == c.PROTO_SCTP:
        packets["l4_checksum"][row] = be16(frames, pos + 10)
    elif is_icmp:
        packets["l4_checksum"][row] = be16(frames, pos + 2)
        if byte_at(frames, pos) in (0, 8, 128, 129) and (byte_at(frames, pos) >= 128) == (proto == c.PROTO_ICMP6):
            packets["icmp_id"][row] = be16(frames, pos + 4)
    place_payload(pos + header_bytes, end, ip_end, packets, row)
    return c.STATUS_OK


@packet_kernel()
def place_payload(pos: int, end: int, ip_end: int, packets: NDArray[np.void], row: int) -> None:
    """Note where the payload lies: from `pos` to `ip_end` on the wire, of which the part before `end` was captured."""
    pos_captured = min(pos, end)
    packets["payload_off"][row] = pos_captured
    packets["payload_cap"][row] = max(min(end, ip_end) - pos_captured, 0)
    packets["payload_len"][row] = max(ip_end - pos, 0)
