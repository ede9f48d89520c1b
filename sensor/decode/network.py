"""IPv4 and IPv6 headers: addresses and lengths into a row, and where the next header lies.

Never reads a byte of the next header.
"""

import numpy as np
from numpy.typing import NDArray

from sensor import constants as c
from sensor.decode.reads import be16, be32, be64, byte_at
from sensor.jit import packet_kernel

IPV4_MAPPED = np.uint64(0x0000FFFF00000000)  # RFC 4291 section 2.5.5.2

_PROTO_AH = 51
_HOP_BY_HOP = 0
_ROUTING = 43
_FRAGMENT = 44
_NO_NEXT = 59
_DESTINATION = 60
_MOBILITY = 135
_HIP = 139
_SHIM6 = 140
_MAX_PADDING = 6  # an IPv6 header alone in an Ethernet frame of 60 bytes
_MAX_EXTENSIONS = 128  # real chains have one to three, but who sets a low bound invites hiding behind more


@packet_kernel()
def decode_ipv4(
    frames: NDArray[np.uint8], pos: int, end: int, wire_end: int, packets: NDArray[np.void], row: int
) -> tuple[int, int, int, int, int, int, int]:
    """Fill a row from the IPv4 header at `pos` (RFC 791 section 3.1).

    end, wire_end : where the captured bytes, and the bytes on the wire, end
    Returns (status, proto, position after the header, end of the IP payload on the wire, FRAGMENT_*, fragment's
    identification, proto that names the fragmented datagram).
    """
    packets["ip_version"][row] = 4
    if end - pos < 20:
        return c.STATUS_TRUNCATED_IP, 0, pos, wire_end, c.FRAGMENT_NONE, 0, 0
    header_bytes = (byte_at(frames, pos) & 15) * 4
    total = be16(frames, pos + 2)
    if total == 0:  # left to the network card by segmentation offload
        total = wire_end - pos
    if header_bytes < 20 or total < header_bytes:
        return c.STATUS_MALFORMED_IP, 0, pos, wire_end, c.FRAGMENT_NONE, 0, 0
    ident, fragment_field, proto = be16(frames, pos + 4), be16(frames, pos + 6), byte_at(frames, pos + 9)
    packets["src_lo"][row] = IPV4_MAPPED | np.uint64(be32(frames, pos + 12))
    packets["dst_lo"][row] = IPV4_MAPPED | np.uint64(be32(frames, pos + 16))
    packets["ip_len"][row] = total
    packets["ip_id"][row] = ident
    packets["ttl"][row] = byte_at(frames, pos + 8)
    packets["proto"][row] = proto
    fragment = c.FRAGMENT_NONE
    if fragment_field & 0x1FFF:
        fragment = c.FRAGMENT_LATER
    elif fragment_field & 0x2000:
        fragment = c.FRAGMENT_FIRST
    packets["fragment"][row] = fragment
    ip_end = min(pos + total, wire_end)
    pos += header_bytes
    if pos > end:
        return c.STATUS_TRUNCATED_IP, proto, pos, ip_end, fragment, ident, proto
    named_proto = proto
    if proto == _PROTO_AH and fragment != c.FRAGMENT_LATER:
        if min(end, ip_end) - pos < 12:
            return c.STATUS_TRUNCATED_IP, proto, pos, ip_end, fragment, ident, named_proto
        proto, pos = byte_at(frames, pos), pos + (byte_at(frames, pos + 1) + 2) * 4
        packets["proto"][row] = proto
        if pos > ip_end:
            return c.STATUS_MALFORMED_IP, proto, pos, ip_end, fragment, ident, named_proto
        if pos > end:
            return c.STATUS_TRUNCATED_IP, proto, pos, ip_end, fragment, ident, named_proto
    return c.STATUS_OK, proto, pos, ip_end, fragment, ident, named_proto


@packet_kernel()
def decode_ipv6(
    frames: NDArray[np.uint8], pos: int, end: int, wire_end: int, packets: NDArray[np.void], row: int
) -> tuple[int, int, int, int, int, int, int]:
    """Fill a row from the IPv6 header at `pos` and its extensions (RFC 8200 sections 3 and 4); returns as decode_ipv4.

    A payload length of 0 with a payload behind it is a jumbogram (RFC 2675) or left to segmentation offload: the length
    on the wire counts. An encrypted payload (ESP) ends the chain.
    """
    packets["ip_version"][row] = 6
    if end - pos < 40:
        return c.STATUS_TRUNCATED_IP, 0, pos, wire_end, c.FRAGMENT_NONE, 0, 0
    total, proto = be16(frames, pos + 4) + 40, byte_at(frames, pos + 6)
    if total == 40 and proto != _NO_NEXT and wire_end - pos - 40 > _MAX_PADDING:
        total = wire_end - pos
    packets["src_hi"][row] = be64(frames, pos + 8)
    packets["src_lo"][row] = be64(frames, pos + 16)
    packets["dst_hi"][row] = be64(frames, pos + 24)
    packets["dst_lo"][row] = be64(frames, pos + 32)
    packets["ip_len"][row] = total
    packets["ttl"][row] = byte_at(frames, pos + 7)
    packets["proto"][row] = proto
    ip_end = min(pos + total, wire_end)
    pos += 40
    fragment, ident, named_proto = c.FRAGMENT_NONE, 0, proto
    for _ in range(_MAX_EXTENSIONS):
        is_extension = proto in (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _PROTO_AH, _DESTINATION, _MOBILITY, _HIP, _SHIM6)
        if not is_extension:
            return c.STATUS_OK, proto, pos, ip_end, fragment, ident, named_proto
        if ip_end - pos < 8:
            return c.STATUS_MALFORMED_IP, proto, pos, ip_end, fragment, ident, named_proto
        if end - pos < 8:
            return c.STATUS_TRUNCATED_IP, proto, pos, ip_end, fragment, ident, named_proto
        next_proto = byte_at(frames, pos)
        if next_proto == _NO_NEXT and proto in (_MOBILITY, _HIP, _SHIM6):
            return c.STATUS_OK, proto, pos, ip_end, fragment, ident, named_proto  # the extension itself is the message
        if proto == _FRAGMENT:
            ident, named_proto = be32(frames, pos + 4), next_proto
            packets["ip_id"][row] = ident & 0xFFFF
            offset_field = be16(frames, pos + 2)
            if offset_field & 0xFFF8:
                fragment = c.FRAGMENT_LATER
            elif offset_field & 1:
                fragment = c.FRAGMENT_FIRST
            packets["fragment"][row] = fragment
            pos += 8
        elif proto == _PROTO_AH:
            pos += (byte_at(frames, pos + 1) + 2) * 4
        else:
            pos += (byte_at(frames, pos + 1) + 1) * 8
        proto = next_proto
        packets["proto"][row] = proto
        if pos > ip_end:
            return c.STATUS_MALFORMED_IP, proto, pos, ip_end, fragment, ident, named_proto
        if pos > end:
            return c.STATUS_TRUNCATED_IP, proto, pos, ip_end, fragment, ident, named_proto
        if fragment == c.FRAGMENT_LATER:
            return c.STATUS_OK, proto, pos, ip_end, fragment, ident, named_proto
    return c.STATUS_MALFORMED_IP, proto, pos, ip_end, fragment, ident, named_proto
