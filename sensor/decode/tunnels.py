"""Tunnel headers: from the header behind IP or UDP to the packet inside.

Each kernel gives (tunnel, layer, ethertype, position): what begins inside and where, tunnel 0 when nothing does.
Whether the inside really is a packet is for its own decoding to find out.
"""

import numpy as np
from numpy.typing import NDArray

from sensor import constants as c
from sensor.decode.layers import LAYER_ETHERNET, LAYER_IP, LAYER_TYPED, LAYER_WLAN, LAYER_WLAN_SWAPPED
from sensor.decode.reads import be16, byte_at
from sensor.jit import packet_kernel

_PORT_VXLAN = 4789
_PORT_VXLAN_GPE = 4790
_PORT_VXLAN_LINUX = 8472  # what Linux, flannel and Cilium used before the assignment
_PORT_GENEVE = 6081
_PORT_GRE = 4754
_PORT_GTP = 2152
_PORT_TEREDO = 3544
_PORT_AYIYA = 5072
_PORT_CAPWAP = 5247

TUNNEL_PORTS = (
    *(_PORT_VXLAN, _PORT_VXLAN_GPE, _PORT_VXLAN_LINUX, _PORT_GENEVE, _PORT_GRE, _PORT_GTP, _PORT_TEREDO, _PORT_AYIYA),
    _PORT_CAPWAP,
)
"""All of them; `is_tunnel_port` asks for each."""

_GRE_ERSPAN = 0x88BE  # types I and II
_GRE_ERSPAN3 = 0x22EB
_GRE_WCCP = 0x883E
_GRE_ARUBA = 0x8200  # to 0x83ff: an 802.11 frame between access point and controller


@packet_kernel()
def is_tunnel_port(src_port: int, dst_port: int) -> bool:
    """Whether a UDP packet between these ports could be a tunnel's."""
    if dst_port in (_PORT_VXLAN, _PORT_VXLAN_GPE, _PORT_VXLAN_LINUX, _PORT_GENEVE, _PORT_GRE):
        return True
    return (
        _either(src_port, dst_port, _PORT_GTP)
        or _either(src_port, dst_port, _PORT_TEREDO)
        or _either(src_port, dst_port, _PORT_AYIYA)
        or _either(src_port, dst_port, _PORT_CAPWAP)
    )


@packet_kernel()
def _either(src_port: int, dst_port: int, port: int) -> bool:
    return src_port == port or dst_port == port


@packet_kernel()
def enter_udp_tunnel(
    frames: NDArray[np.uint8], src_port: int, dst_port: int, pos: int, end: int, wire_end: int
) -> tuple[int, int, int, int]:
    """What a UDP payload carries, judged by port and header."""
    have = end - pos
    if have < 8:
        return c.TUNNEL_NONE, 0, 0, pos
    if dst_port in (_PORT_VXLAN, _PORT_VXLAN_LINUX):
        if byte_at(frames, pos) & 0x08:  # RFC 7348 section 5: the VNI is valid
            return c.TUNNEL_VXLAN, LAYER_ETHERNET, 0, pos + 8
    elif dst_port == _PORT_VXLAN_GPE:
        # draft-ietf-nvo3-vxlan-gpe section 3: version 0, VNI and next protocol valid
        if byte_at(frames, pos) & 0x3C == 0x0C:
            if byte_at(frames, pos + 3) in (1, 2):
                return c.TUNNEL_VXLAN, LAYER_IP, 0, pos + 8
            if byte_at(frames, pos + 3) == 3:
                return c.TUNNEL_VXLAN, LAYER_ETHERNET, 0, pos + 8
    elif dst_port == _PORT_GENEVE:
        if byte_at(frames, pos) >> 6 == 0:  # RFC 8926 section 3.4: version 0, options in words of 4 bytes
            return c.TUNNEL_GENEVE, LAYER_TYPED, be16(frames, pos + 2), pos + 8 + (byte_at(frames, pos) & 0x3F) * 4
    elif dst_port == _PORT_GRE:
        return enter_gre(frames, pos, end)
    elif _either(src_port, dst_port, _PORT_GTP):
        return _enter_gtp(frames, pos, end)
    elif _either(src_port, dst_port, _PORT_TEREDO):
        return _enter_teredo(frames, pos, end, wire_end)
    elif _either(src_port, dst_port, _PORT_AYIYA):
        # draft-massar-v6ops-ayiya-02 section 3: identity of 2^n bytes, signature in words; opcode 1 carries a packet
        header_bytes = 8 + (1 << (byte_at(frames, pos) >> 4)) + (byte_at(frames, pos + 1) >> 4) * 4
        if byte_at(frames, pos + 2) & 15 == 1 and byte_at(frames, pos + 3) in (c.PROTO_IPIP, c.PROTO_IPV6):
            return c.TUNNEL_AYIYA, LAYER_IP, 0, pos + header_bytes
    elif _either(src_port, dst_port, _PORT_CAPWAP):
        return _enter_capwap(frames, pos, end)
    return c.TUNNEL_NONE, 0, 0, pos


@packet_kernel()
def _enter_capwap(frames: NDArray[np.uint8], pos: int, end: int) -> tuple[int, int, int, int]:
    """The data channel between access point and controller (RFC 5415 section 4.3), when it is not encrypted.

    Cisco's access points swap the bytes of the frame control: then the type of a data frame is in its second one.
    """
    bits = byte_at(frames, pos + 3)
    is_later_fragment = bits & 0x80 and be16(frames, pos + 6) >> 3
    if byte_at(frames, pos) != 0 or bits & 0x08 or is_later_fragment:  # version 0, no DTLS; no keep-alive
        return c.TUNNEL_NONE, 0, 0, pos
    inside = pos + (byte_at(frames, pos + 1) >> 3) * 4
    if not byte_at(frames, pos + 2) & 1:
        return c.TUNNEL_CAPWAP, LAYER_ETHERNET, 0, inside
    if (byte_at(frames, pos + 2) >> 1) & 31 != 1:  # the only binding there is: 802.11
        return c.TUNNEL_NONE, 0, 0, pos
    is_plain = inside < end and byte_at(frames, inside) & 0x0F == 0x08
    return c.TUNNEL_CAPWAP, LAYER_WLAN if is_plain else LAYER_WLAN_SWAPPED, 0, inside


@packet_kernel()
def enter_gre(frames: NDArray[np.uint8], pos: int, end: int) -> tuple[int, int, int, int]:
    """GRE version 0 (RFC 2784, 2890; routing of RFC 1701) and PPTP's version 1 (RFC 2637 section 4.1)."""
    if end - pos < 4:
        return c.TUNNEL_NONE, 0, 0, pos
    flags, protocol = be16(frames, pos), be16(frames, pos + 2)
    version = flags & 7
    if version > 1:
        return c.TUNNEL_NONE, 0, 0, pos
    has_routing, has_sequence = flags & 0x4000, flags & 0x1000
    if version == 1 and not has_sequence:  # an acknowledgement alone
        return c.TUNNEL_NONE, 0, 0, pos
    pos += 4
    if flags & 0xC000:  # checksum and offset stand together when either is needed
        pos += 4
    if flags & 0x2000:
        pos += 4
    if has_sequence:
        pos += 4
    if version == 1 and flags & 0x0080:
        pos += 4
    while has_routing:  # source route entries until one of length and family 0
        if end - pos < 4:
            return c.TUNNEL_NONE, 0, 0, pos
        family, entry_bytes = be16(frames, pos), byte_at(frames, pos + 3)
        pos += 4 + entry_bytes
        if family == 0 and entry_bytes == 0:
            has_routing = 0
    if end - pos < 12:  # no IP header and no ERSPAN header is shorter
        return c.TUNNEL_NONE, 0, 0, pos
    if protocol == _GRE_ERSPAN:  # draft-foschiano-erspan-03: type I has neither sequence number nor header
        return c.TUNNEL_ERSPAN, LAYER_ETHERNET, 0, pos + (8 if has_sequence else 0)
    if protocol == _GRE_ERSPAN3:
        platform_bytes = 8 if byte_at(frames, pos + 11) & 1 else 0
        return c.TUNNEL_ERSPAN, LAYER_ETHERNET, 0, pos + 12 + platform_bytes
    if protocol == _GRE_WCCP:  # WCCP 2 puts a redirect header of 4 bytes before the packet, WCCP 1 does not
        return c.TUNNEL_GRE, LAYER_IP, 0, pos if byte_at(frames, pos) >> 4 == 4 else pos + 4
    if protocol & 0xFE00 == _GRE_ARUBA:
        return c.TUNNEL_GRE, LAYER_WLAN, 0, pos
    return c.TUNNEL_GRE, LAYER_TYPED, protocol, pos


@packet_kernel()
def _enter_gtp(frames: NDArray[np.uint8], pos: int, end: int) -> tuple[int, int, int, int]:
    """GTP-U version 1 (3GPP TS 29.281 section 5): a T-PDU behind optional fields and extension headers."""
    flags = byte_at(frames, pos)
    if flags & 0xF0 != 0x30 or byte_at(frames, pos + 1) != 255:
        return c.TUNNEL_NONE, 0, 0, pos
    pos += 8
    if flags & 0x07:
        if end - pos < 4:
            return c.TUNNEL_NONE, 0, 0, pos
        extension = byte_at(frames, pos + 3) if flags & 0x04 else 0
        pos += 4
        while extension != 0:
            if end - pos < 4:
                return c.TUNNEL_NONE, 0, 0, pos
            extension_bytes = byte_at(frames, pos) * 4
            if extension_bytes == 0 or end - pos < extension_bytes:
                return c.TUNNEL_NONE, 0, 0, pos
            pos += extension_bytes
            extension = byte_at(frames, pos - 1)
    return c.TUNNEL_GTP, LAYER_IP, 0, pos


@packet_kernel()
def _enter_teredo(frames: NDArray[np.uint8], pos: int, end: int, wire_end: int) -> tuple[int, int, int, int]:
    """Teredo (RFC 4380 section 5.1.1): authentication and origin indication, then an IPv6 packet that fits."""
    if be16(frames, pos) == 1:
        if end - pos < 13:
            return c.TUNNEL_NONE, 0, 0, pos
        pos += 13 + byte_at(frames, pos + 2) + byte_at(frames, pos + 3)
    if end - pos >= 8 and be16(frames, pos) == 0:
        pos += 8
    if end - pos < 40 or byte_at(frames, pos) >> 4 != 6 or be16(frames, pos + 4) + 40 > wire_end - pos:
        return c.TUNNEL_NONE, 0, 0, pos
    return c.TUNNEL_TEREDO, LAYER_IP, 0, pos
