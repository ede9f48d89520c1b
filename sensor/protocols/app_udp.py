"""Binary protocols over UDP, each told by several fields, and by the port where the bytes say too little.

Sources: RFC 9000 and 9369 (quic), 8489 (stun), 9147 (dtls), 5905 (ntp), 7296 (ike), 2865 (radius), 8415 (dhcpv6),
2131 (dhcp), 3164 (syslog), 1350 (tftp), 1002 (netbios), C706 (dcerpc), MS-RDPEUDP (rdp), BEP 15 and 29 (bittorrent).
"""

import numpy as np
from numba import types

from sensor.constants import (
    APP_BITTORRENT,
    APP_DCERPC,
    APP_DHCP,
    APP_DHCPV6,
    APP_DNS,
    APP_DTLS,
    APP_IKE,
    APP_LLMNR,
    APP_MDNS,
    APP_NBNS,
    APP_NETBIOS,
    APP_NONE,
    APP_NTP,
    APP_QUIC,
    APP_RADIUS,
    APP_RDP,
    APP_STUN,
    APP_SYSLOG,
    APP_TFTP,
)
from sensor.jit import kernel
from sensor.protocols.app_ber import match_ber_sequence, match_kerberos
from sensor.protocols.app_vpn import match_openvpn, match_wireguard
from sensor.protocols.dns import is_message
from sensor.protocols.nbns import is_nbns
from sensor.protocols.reads import FRAMES, HELPER, be16, be32

_STUN_COOKIE = 0x2112A442
_DHCP_COOKIE = 0x63825363
_QUIC_CONNECTION_ID_MAX = 20
_CODE = types.int64(FRAMES, types.int64, types.int64)
_CODE_SIDE = types.int64(FRAMES, types.int64, types.int64, types.boolean)
_CODE_PORT = types.int64(FRAMES, types.int64, types.int64, types.int64)
_CODE_SIDE_PORT = types.int64(FRAMES, types.int64, types.int64, types.boolean, types.int64)


@kernel(_CODE, **HELPER)
def match_stun(frames, pos, end):
    """stun: two zero bits, the magic cookie, a length in fours that is the payload's.

    Without the cookie (RFC 3489), a binding request or its answer whose attributes fill the payload.
    """
    if end - pos < 20 or frames[pos] >= 0x40:
        return APP_NONE
    length = be16(frames, pos + 2)
    if be32(frames, pos + 4) == _STUN_COOKIE:
        return APP_STUN if length % 4 == 0 and length + 20 <= end - pos else APP_NONE
    if be16(frames, pos) not in (0x0001, 0x0101, 0x0111) or length < 8 or length + 20 != end - pos:
        return APP_NONE
    at = pos + 20
    while at + 4 <= end:
        kind = be16(frames, at)
        if kind == 0 or 0x0030 <= kind < 0x8000:
            return APP_NONE
        at += 4 + be16(frames, at + 2)
    return APP_STUN if at == end else APP_NONE


@kernel(_CODE_SIDE, **HELPER)
def _match_quic(frames, pos, end, is_orig):
    """quic: a long header of a known version, or the older Google form."""
    n_bytes = end - pos
    if n_bytes < 14:
        return APP_NONE
    first = frames[pos]
    if first < 0x80:
        # Google QUIC, Q02. to Q043: version flag, connection id of eight bytes, "Q0.."
        is_google = first & 0x0D in (0x09, 0x0D) and first & 0xC0 == 0 and be16(frames, pos + 9) == 0x5130
        return APP_QUIC if is_google and frames[pos + 11] in (0x32, 0x33, 0x34) else APP_NONE
    version = be32(frames, pos + 1)
    is_known = version in (1, 0x6B3343CF)  # RFC 9000, RFC 9369
    is_known = is_known or 0xFF000011 <= version <= 0xFF000022  # drafts 17 to 34
    is_known = is_known or version >> 8 in (0x513034, 0x513035, 0x543035)  # "Q04.", "Q05.", "T05."
    is_known = is_known or version >> 4 == 0xFACEB00  # mvfst
    # reserved to ask a server for its versions (RFC 9000 section 15): in a first datagram, which is padded
    is_known = is_known or (version & 0x0F0F0F0F == 0x0A0A0A0A and first >= 0xC0 and is_orig and n_bytes >= 1200)
    if version == 0 and not is_orig:  # version negotiation, RFC 8999 section 6
        is_known = True
    if not is_known:
        return APP_NONE
    if version >> 8 == 0x513034:  # up to Q046 the id lengths share a byte
        return APP_QUIC
    destination = np.int64(frames[pos + 5])
    if destination > _QUIC_CONNECTION_ID_MAX or pos + 6 + destination >= end:
        return APP_NONE
    source = np.int64(frames[pos + 6 + destination])
    if source > _QUIC_CONNECTION_ID_MAX or pos + 7 + destination + source > end:
        return APP_NONE
    return APP_QUIC if version != 0 or (end - pos - 7 - destination - source) % 4 == 0 else APP_NONE


@kernel(_CODE, **HELPER)
def _match_dtls(frames, pos, end):
    """dtls: a record of version 1.0, 1.2 or 1.3 that does not go past the payload."""
    if end - pos < 13 or not 20 <= frames[pos] <= 25 or frames[pos + 1] != 0xFE or frames[pos + 2] < 0xFC:
        return APP_NONE
    length = be16(frames, pos + 11)
    return APP_DTLS if length > 0 and pos + 13 + length <= end else APP_NONE


@kernel(_CODE_PORT, **HELPER)
def _match_udp_port(frames, pos, end, resp_port):
    """Protocols over UDP whose bytes say enough only together with the port."""
    n_bytes = end - pos
    first = frames[pos]
    if resp_port == 123:
        version = (first >> 3) & 7
        mode = first & 7
        is_clock = n_bytes >= 48 and 1 <= version <= 4 and 1 <= mode <= 5
        return APP_NTP if is_clock or (mode >= 6 and n_bytes >= 8 and 2 <= version <= 4) else APP_NONE
    if resp_port == 137:
        return APP_NBNS if is_nbns(frames, pos, end) else APP_NONE
    if resp_port in (500, 4500):
        start = pos + 4 if resp_port == 4500 else pos
        if end - start < 28 or (resp_port == 4500 and be32(frames, pos) != 0):
            return APP_NONE
        is_version = frames[start + 17] == 0x20 or frames[start + 17] == 0x10
        return APP_IKE if is_version and be32(frames, start + 24) == end - start else APP_NONE
    if resp_port in (1645, 1646, 1812, 1813):
        is_code = 1 <= first <= 5 or first == 11
        return APP_RADIUS if n_bytes >= 20 and is_code and be16(frames, pos + 2) == n_bytes else APP_NONE
    if resp_port in (546, 547):
        return APP_DHCPV6 if 1 <= first <= 13 and n_bytes >= 8 else APP_NONE
    if resp_port == 514 and first == 0x3C:  # "<", digits, ">"
        at = pos + 1
        while at < end and at - pos < 4 and 0x30 <= frames[at] <= 0x39:
            at += 1
        return APP_SYSLOG if at > pos + 1 and at < end and frames[at] == 0x3E else APP_NONE
    if resp_port == 69 and n_bytes >= 9 and be16(frames, pos) in (1, 2):
        at = pos + 2
        while at < end and frames[at] != 0:
            at += 1
        # the mode is "octet" or "netascii"
        is_mode = at + 3 < end and (be16(frames, at + 1) | 0x2020) in (0x6F63, 0x6E65)
        return APP_TFTP if is_mode and at > pos + 2 else APP_NONE
    return APP_NONE


@kernel(_CODE, **HELPER)
def _match_by_length(frames, pos, end):
    """netbios datagrams, dcerpc, uTP and trackers of bittorrent, rdp: fixed fields and a length that fits."""
    n_bytes = end - pos
    first = frames[pos]
    if 0x10 <= first <= 0x12 and n_bytes >= 16 and be16(frames, pos + 8) == 138:
        return APP_NETBIOS if be16(frames, pos + 10) == n_bytes - 14 and frames[pos + 14] == 0x20 else APP_NONE
    if first == 4 and n_bytes >= 80 and frames[pos + 1] <= 19 and be16(frames, pos + 5) == 0:
        length = be16(frames, pos + 74)
        if frames[pos + 4] == 0x10:  # little endian
            length = np.int64(frames[pos + 74]) | (np.int64(frames[pos + 75]) << 8)
        return APP_DCERPC if length == n_bytes - 80 and frames[pos + 4] in (0, 0x10) else APP_NONE
    # ST_SYN, version 1: nothing to acknowledge, no difference of time; an extension of eight bytes may follow
    if first == 0x41 and ((n_bytes == 20 and frames[pos + 1] == 0) or (n_bytes == 30 and frames[pos + 1] == 2)):
        is_syn = be32(frames, pos + 8) == 0 and be16(frames, pos + 18) == 0 and be32(frames, pos + 12) != 0
        return APP_BITTORRENT if is_syn else APP_NONE
    if n_bytes >= 16 and be32(frames, pos) == 0x417 and be32(frames, pos + 4) == 0x27101980:
        return APP_BITTORRENT  # a tracker is asked to connect
    if n_bytes == 1232 and be32(frames, pos) == 0xFFFFFFFF and frames[pos + 7] & 1 == 1:
        return APP_RDP  # RDP-UDP SYN: nothing to acknowledge, padded to its only length
    return APP_NONE


@kernel(_CODE_SIDE_PORT, **HELPER)
def match_udp(frames, pos, end, is_orig, resp_port):
    """Protocols over UDP. At least three bytes are there."""
    n_bytes = end - pos
    first = frames[pos]
    code = _match_udp_port(frames, pos, end, resp_port)
    if code == APP_NONE:
        code = _match_quic(frames, pos, end, is_orig)
    if code == APP_NONE:
        code = match_stun(frames, pos, end)
    if code == APP_NONE and 20 <= first <= 25:
        code = _match_dtls(frames, pos, end)
    if code == APP_NONE and first == 0x30:
        code = match_ber_sequence(frames, pos, end)
    if code == APP_NONE and first >= 0x6A:
        code = match_kerberos(frames, pos, end)
    if code != APP_NONE:
        return code
    if (
        n_bytes >= 240
        and 1 <= first <= 2
        and be16(frames, pos + 1) == 0x0106
        and be32(frames, pos + 236) == _DHCP_COOKIE
    ):
        return APP_DHCP
    code = match_wireguard(frames, pos, end)
    if code == APP_NONE:
        code = match_openvpn(frames, pos, end)
    if code == APP_NONE:
        code = _match_by_length(frames, pos, end)
    if code != APP_NONE:
        return code
    if is_message(frames, pos, end):
        if resp_port == 5353:
            return APP_MDNS
        if resp_port == 5355:
            return APP_LLMNR
        return APP_DNS
    return APP_NONE
