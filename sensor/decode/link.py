"""The first bytes of a frame, by the capture's link type (https://www.tcpdump.org/linktypes.html).

Comes in: a LINKTYPE_ and bytes. Goes out: what layer begins where, for `layers.find_ip` to walk on from.
"""

import numpy as np
from numpy.typing import NDArray

from sensor import constants as c
from sensor.decode.layers import ETHERTYPE_PPPOE_SESSION, LAYER_ETHERNET, LAYER_IP, LAYER_PPP, LAYER_TYPED, LAYER_WLAN
from sensor.decode.reads import be16, byte_at, le16
from sensor.jit import packet_kernel

_NFLOG_PAYLOAD = 9  # NFULA_PAYLOAD, the attribute that holds the packet


@packet_kernel()
def enter_link(frames: NDArray[np.uint8], link: int, pos: int, end: int) -> tuple[int, int, int, int]:
    """Return (status, layer, ethertype, position) for the first byte of a frame of link type `link`."""
    have = end - pos
    if link == c.LINK_ETHERNET:
        return c.STATUS_OK, LAYER_ETHERNET, 0, pos
    if link in (c.LINK_RAW, c.LINK_RAW_BSD, c.LINK_RAW_BSD2, c.LINK_IPV4, c.LINK_IPV6):
        return c.STATUS_OK, LAYER_IP, 0, pos
    if link == c.LINK_PPP:
        return c.STATUS_OK, LAYER_PPP, 0, pos
    if link == c.LINK_PPP_ETHER:
        return c.STATUS_OK, LAYER_TYPED, ETHERTYPE_PPPOE_SESSION, pos
    if link == c.LINK_IEEE802_11:
        return c.STATUS_OK, LAYER_WLAN, 0, pos
    if link in (c.LINK_NULL, c.LINK_LOOP):
        return _enter_loopback(frames, pos, end)
    if link == c.LINK_NFLOG:
        return _enter_nflog(frames, pos, end)

    header_bytes = 0
    if link in (c.LINK_PPP_HDLC, c.LINK_CHDLC, c.LINK_RADIOTAP):
        header_bytes = 4
    elif link == c.LINK_PPI:
        header_bytes = 8
    elif link == c.LINK_LINUX_SLL:
        header_bytes = 16
    elif link == c.LINK_LINUX_SLL2:
        header_bytes = 20
    else:
        return c.STATUS_UNKNOWN_LINK, 0, 0, pos
    if have < header_bytes:
        return c.STATUS_TRUNCATED_LINK, 0, 0, pos
    if link == c.LINK_LINUX_SLL:
        return c.STATUS_OK, LAYER_TYPED, be16(frames, pos + 14), pos + 16
    if link == c.LINK_LINUX_SLL2:
        return c.STATUS_OK, LAYER_TYPED, be16(frames, pos), pos + 20
    if link == c.LINK_RADIOTAP:
        return c.STATUS_OK, LAYER_WLAN, 0, pos + le16(frames, pos + 2)
    if link == c.LINK_PPI:  # any other link type inside is not seen in practice
        if le16(frames, pos + 4) != c.LINK_IEEE802_11:
            return c.STATUS_UNKNOWN_LINK, 0, 0, pos
        return c.STATUS_OK, LAYER_WLAN, 0, pos + le16(frames, pos + 2)
    # RFC 1662 framing starts with address 0xff; Cisco's with 0x0f (unicast) or 0x8f (broadcast) and an ethertype
    if byte_at(frames, pos) in (0x0F, 0x8F):
        return c.STATUS_OK, LAYER_TYPED, be16(frames, pos + 2), pos + 4
    return c.STATUS_OK, LAYER_PPP, 0, pos


@packet_kernel()
def _enter_loopback(frames: NDArray[np.uint8], pos: int, end: int) -> tuple[int, int, int, int]:
    """The address family of BSD loopback captures, in the byte order of whoever captured."""
    if end - pos < 4:
        return c.STATUS_TRUNCATED_LINK, 0, 0, pos
    if be16(frames, pos) == 0:
        family = be16(frames, pos + 2)
    elif be16(frames, pos + 2) == 0:
        family = le16(frames, pos)
    else:
        return c.STATUS_NOT_IP, 0, 0, pos
    # AF_INET is 2 everywhere; AF_INET6 is 10 Linux, 23 Windows, 24 NetBSD and OpenBSD, 26 Solaris, 28 FreeBSD, 30 macOS
    if family in (2, 10, 23, 24, 26, 28, 30):
        return c.STATUS_OK, LAYER_IP, 0, pos + 4
    return c.STATUS_NOT_IP, 0, 0, pos


@packet_kernel()
def _enter_nflog(frames: NDArray[np.uint8], pos: int, end: int) -> tuple[int, int, int, int]:
    """Linux netfilter's log: a header of 4 bytes, then attributes; one of them is the packet."""
    if end - pos < 4:
        return c.STATUS_TRUNCATED_LINK, 0, 0, pos
    if byte_at(frames, pos) not in (2, 10):  # Linux's AF_INET and AF_INET6
        return c.STATUS_NOT_IP, 0, 0, pos
    pos += 4
    while end - pos >= 4:
        attribute_bytes = le16(frames, pos)
        if attribute_bytes < 4:
            return c.STATUS_NOT_IP, 0, 0, pos
        if le16(frames, pos + 2) == _NFLOG_PAYLOAD:
            return c.STATUS_OK, LAYER_IP, 0, pos + 4
        pos += (attribute_bytes + 3) & ~3
    return c.STATUS_TRUNCATED_LINK, 0, 0, pos
