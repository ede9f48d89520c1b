"""Link layers: from a layer's first byte, in a frame or in what a tunnel carries, to the IP header.

Comes in: bytes and what they begin with. Goes out: the position of an IP header and the frame's VLAN ids, or a status.
Never looks into the IP header.
"""

import numpy as np
from numpy.typing import NDArray

from sensor import constants as c
from sensor.decode.reads import be16, byte_at
from sensor.jit import packet_kernel

# What the next byte begins.
LAYER_IP = 0  # an IP header, 4 or 6 by its first nibble
LAYER_ETHERNET = 1
LAYER_TYPED = 2  # the payload of a known ethertype
LAYER_LLC = 3
LAYER_PPP = 4  # a PPP protocol field, perhaps after address and control
LAYER_MPLS = 5
LAYER_WLAN = 6  # an 802.11 MAC header
LAYER_WLAN_SWAPPED = 7  # the same with the two bytes of its frame control in the wrong order

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_IPV6 = 0x86DD
ETHERTYPE_VLAN = 0x8100
ETHERTYPE_ETHERNET = 0x6558  # transparent Ethernet bridging
ETHERTYPE_PPP = 0x880B
_ETHERTYPE_MPLS = 0x8847
_ETHERTYPE_MPLS_UPSTREAM = 0x8848
ETHERTYPE_PPPOE_SESSION = 0x8864
_ETHERTYPE_JUMBO_LLC = 0x8870
_ETHERTYPE_PROVIDER_BRIDGE = 0x88A8
_ETHERTYPE_BACKBONE_BRIDGE = 0x88E7  # 802.1ah, MAC-in-MAC
_ETHERTYPE_FABRICPATH = 0x8903
_ETHERTYPE_CISCO_METADATA = 0x8909
_ETHERTYPE_VNTAG = 0x8926
_ETHERTYPE_ETAG = 0x893F
_MIN_ETHERTYPE = 0x0600  # below, the field is an 802.3 length (IEEE 802.3 section 3.2.6)


@packet_kernel()
def _enter_wlan(frames: NDArray[np.uint8], pos: int, end: int, is_swapped: bool) -> tuple[int, int, int]:
    """What an unencrypted 802.11 data frame carries: (status, layer, position) (IEEE 802.11 section 9.2.3)."""
    if end - pos < 26:
        return c.STATUS_TRUNCATED_LINK, LAYER_LLC, pos
    control, flags = byte_at(frames, pos), byte_at(frames, pos + 1)
    if is_swapped:
        control, flags = flags, control
    if control & 0x0C != 0x08 or control & 0x40 or flags & 0x40:  # no data frame, a data frame without data, protected
        return c.STATUS_NOT_IP, LAYER_LLC, pos
    pos += 24
    if flags & 0x03 == 0x03:  # between access points: a fourth address
        pos += 6
    layer = LAYER_LLC
    if control & 0x80:  # QoS control
        if pos < end and byte_at(frames, pos) & 0x80:
            layer = LAYER_ETHERNET  # aggregated: each frame inside has an 802.3 header; the first one is decoded
        pos += 6 if flags & 0x80 else 2
    return c.STATUS_OK, layer, pos


@packet_kernel()
def find_ip(
    frames: NDArray[np.uint8], layer: int, ethertype: int, pos: int, end: int, n_tags: int, vlan: int, inner_vlan: int
) -> tuple[int, int, int, int, int]:
    """Walk from `layer` to an IP header: (status, position, n_tags, vlan, inner_vlan).

    n_tags : VLAN tags met so far; the first two ids are kept, and a caller inside a tunnel passes 2
    Every step moves on by at least one byte, so the walk ends.
    """
    while True:
        have = end - pos  # negative when a length field pointed behind the end
        if layer == LAYER_TYPED and ethertype < _MIN_ETHERTYPE:
            layer = LAYER_LLC
        if layer == LAYER_IP:
            break
        if layer == LAYER_TYPED:
            if ethertype in (ETHERTYPE_IPV4, ETHERTYPE_IPV6):
                break
            if ethertype in (ETHERTYPE_VLAN, _ETHERTYPE_PROVIDER_BRIDGE, 0x9100, 0x9200, 0x9300):
                if have < 4:
                    return c.STATUS_TRUNCATED_LINK, pos, n_tags, vlan, inner_vlan
                if n_tags == 0:
                    vlan = be16(frames, pos) & 0x0FFF
                elif n_tags == 1:
                    inner_vlan = be16(frames, pos) & 0x0FFF
                n_tags += 1
                ethertype, pos = be16(frames, pos + 2), pos + 4
            elif ethertype in (_ETHERTYPE_MPLS, _ETHERTYPE_MPLS_UPSTREAM):
                layer = LAYER_MPLS
            elif ethertype == ETHERTYPE_PPPOE_SESSION:
                # RFC 2516 section 4: version 1, type 1, code 0 for session data
                if have < 6:
                    return c.STATUS_TRUNCATED_LINK, pos, n_tags, vlan, inner_vlan
                if be16(frames, pos) != 0x1100:
                    return c.STATUS_NOT_IP, pos, n_tags, vlan, inner_vlan
                layer, pos = LAYER_PPP, pos + 6
            elif ethertype == ETHERTYPE_ETHERNET:
                layer = LAYER_ETHERNET
            elif ethertype == ETHERTYPE_PPP:
                layer = LAYER_PPP
            elif ethertype == _ETHERTYPE_JUMBO_LLC:
                layer = LAYER_LLC
            elif ethertype == _ETHERTYPE_FABRICPATH:  # forwarding tag and TTL, then the whole Ethernet frame
                layer, pos = LAYER_ETHERNET, pos + 2
            elif ethertype == _ETHERTYPE_BACKBONE_BRIDGE:  # I-TAG, then the customer's whole Ethernet frame
                layer, pos = LAYER_ETHERNET, pos + 4
            elif ethertype in (_ETHERTYPE_VNTAG, _ETHERTYPE_ETAG, _ETHERTYPE_CISCO_METADATA):
                tag_bytes = 4 if ethertype == _ETHERTYPE_VNTAG else 6
                if have < tag_bytes + 2:
                    return c.STATUS_TRUNCATED_LINK, pos, n_tags, vlan, inner_vlan
                ethertype, pos = be16(frames, pos + tag_bytes), pos + tag_bytes + 2
            else:
                return c.STATUS_NOT_IP, pos, n_tags, vlan, inner_vlan
        elif layer == LAYER_ETHERNET:
            if have < 14:
                return c.STATUS_TRUNCATED_LINK, pos, n_tags, vlan, inner_vlan
            layer, ethertype, pos = LAYER_TYPED, be16(frames, pos + 12), pos + 14
        elif layer == LAYER_MPLS:
            if have < 5:
                return c.STATUS_TRUNCATED_LINK, pos, n_tags, vlan, inner_vlan
            is_bottom = byte_at(frames, pos + 2) & 1
            pos += 4
            if is_bottom == 1:
                # RFC 4928 section 3: no field names the payload, its first nibble has to; 0 is a pseudowire's control
                nibble = byte_at(frames, pos) >> 4
                if nibble in (4, 6):
                    layer = LAYER_IP
                elif nibble == 0:
                    layer, pos = LAYER_ETHERNET, pos + 4
                else:
                    return c.STATUS_NOT_IP, pos, n_tags, vlan, inner_vlan
        elif layer == LAYER_PPP:
            if have < 4:
                return c.STATUS_TRUNCATED_LINK, pos, n_tags, vlan, inner_vlan
            if be16(frames, pos) == 0xFF03:  # address and control (RFC 1662 section 3.1)
                pos += 2
            protocol = byte_at(frames, pos)
            if protocol & 1:  # compressed to one byte (RFC 1661 section 6.5)
                pos += 1
            else:
                protocol, pos = be16(frames, pos), pos + 2
            if protocol in (0x21, 0x57):
                layer = LAYER_IP
            elif protocol in (0x281, 0x283):
                layer = LAYER_MPLS
            else:
                return c.STATUS_NOT_IP, pos, n_tags, vlan, inner_vlan
        elif layer == LAYER_WLAN or layer == LAYER_WLAN_SWAPPED:
            status, layer, pos = _enter_wlan(frames, pos, end, layer == LAYER_WLAN_SWAPPED)
            if status != c.STATUS_OK:
                return status, pos, n_tags, vlan, inner_vlan
        else:  # LLC: only SNAP with an encapsulated ethertype (RFC 1042) leads to IP
            if have < 8:
                return c.STATUS_NOT_IP, pos, n_tags, vlan, inner_vlan
            oui = (be16(frames, pos + 3) << 8) | byte_at(frames, pos + 5)
            is_snap = be16(frames, pos) == 0xAAAA and byte_at(frames, pos + 2) == 0x03
            ethertype = be16(frames, pos + 6)
            if not is_snap or oui not in (0x000000, 0x0000F8) or ethertype < _MIN_ETHERTYPE:
                return c.STATUS_NOT_IP, pos, n_tags, vlan, inner_vlan
            layer, pos = LAYER_TYPED, pos + 8
    status = c.STATUS_OK if pos < end else c.STATUS_TRUNCATED_IP
    return status, pos, n_tags, vlan, inner_vlan
