"""Binary protocols over TCP, each told by several fields and, where there is one, a length that fits the payload.

Sources: MS-RDPBCGR, MS-SMB2, MS-TDS, C706 (dcerpc), RFC 1928 (socks), 1002 (netbios), 4271 (bgp), 854 (telnet), 4571
(stun over TCP), MQTT 3.1 and 3.1.1, the protocol chapters of the MySQL and PostgreSQL manuals; captures (teamviewer).
"""

import numpy as np
from numba import types
from numpy.typing import NDArray

from sensor.constants import (
    APP_BGP,
    APP_DCERPC,
    APP_DNS,
    APP_MQTT,
    APP_MSSQL,
    APP_MYSQL,
    APP_NETBIOS,
    APP_NONE,
    APP_POSTGRESQL,
    APP_RDP,
    APP_SMB,
    APP_SOCKS,
    APP_TEAMVIEWER,
    APP_TELNET,
)
from sensor.jit import kernel
from sensor.protocols.app_ber import match_ber_sequence, match_kerberos
from sensor.protocols.app_text import match_banner
from sensor.protocols.app_udp import match_stun
from sensor.protocols.app_vpn import match_openvpn, match_pptp
from sensor.protocols.dns import is_message
from sensor.protocols.reads import FRAMES, HELPER, LEAF, be16, be32
from sensor.protocols.socks import GREETING, REQUEST, walk

_COOKIE: NDArray[np.uint8] = np.frombuffer(b"Cookie: mstshash=", np.uint8)
_USER_BYTES_MAX = 255
RDP_COOKIE_KEY_BYTES = len("mstshash=")
"""Length of the word in front of the user, which `rdp_cookie` leaves out."""
_CODE_SIDE = types.int64(FRAMES, types.int64, types.int64, types.boolean)
_CODE_SIDE_PORT = types.int64(FRAMES, types.int64, types.int64, types.boolean, types.int64)


@kernel(_CODE_SIDE_PORT, **HELPER)
def _match_tpkt(frames, pos, end, is_orig, resp_port):
    """rdp: TPKT around an X.224 connection request or confirm with RDP's negotiation or cookie in it."""
    if end - pos < 11 or frames[pos + 1] != 0 or be16(frames, pos + 2) != end - pos:
        return APP_NONE
    if np.int64(frames[pos + 4]) != end - pos - 5 or frames[pos + 5] != (0xE0 if is_orig else 0xD0):
        return APP_NONE
    if end - pos >= 19:
        tail = end - 8  # negotiation request or response: type, flags, length 8 in little endian
        if frames[tail] == (1 if is_orig else 2) and be16(frames, tail + 2) == 0x0800:
            return APP_RDP
        if is_orig and be32(frames, pos + 11) == 0x436F6F6B:  # "Cook"
            return APP_RDP
    return APP_RDP if resp_port == 3389 else APP_NONE


@kernel(_CODE_SIDE, **HELPER)
def _match_length_prefixed(frames, pos, end, is_orig):
    """What starts with a zero byte of a length: smb, kerberos, postgresql."""
    n_bytes = end - pos
    if n_bytes < 8:
        return APP_NONE
    magic = be32(frames, pos + 4)
    if magic & 0xFFFFFF == 0x534D42 and magic >> 24 >= 0xFC:  # NetBIOS session message, then 0xFC..0xFF "SMB"
        return APP_SMB
    length = be32(frames, pos)
    if is_orig and length == 8 and n_bytes == 8 and magic == 0x04D2162F:  # SSLRequest
        return APP_POSTGRESQL
    if is_orig and length == n_bytes and magic == 0x00030000:  # StartupMessage, protocol 3.0
        return APP_POSTGRESQL
    if length + 4 >= n_bytes:
        return match_kerberos(frames, pos + 4, end)
    return APP_NONE


@kernel(types.int64(FRAMES, types.int64, types.int64), **HELPER)
def _match_teamviewer(frames, pos, end):
    """teamviewer: its older and its newer header, each with a length in little endian that fits."""
    n_bytes = end - pos
    magic = be16(frames, pos)
    if magic == 0x1724 and n_bytes >= 5:
        behind = pos + 5 + (np.int64(frames[pos + 3]) | (np.int64(frames[pos + 4]) << 8))
        is_next = behind + 2 <= end and be16(frames, behind) == 0x1724
        return APP_TEAMVIEWER if behind == end or is_next else APP_NONE
    if magic == 0x1130 and n_bytes >= 24:
        length = np.int64(frames[pos + 4]) | (np.int64(frames[pos + 5]) << 8)
        return APP_TEAMVIEWER if be16(frames, pos + 6) == 0 and length + 24 == n_bytes else APP_NONE
    return APP_NONE


@kernel(types.UniTuple(types.int64, 2)(FRAMES, types.int64, types.int64), **LEAF)
def rdp_cookie(frames, pos, end):
    """The user that an RDP connection request names in its cookie: (offset into `frames`, length), length 0 for none.

    Of 1 to 255 bytes of any value; clients send the first nine of the name they log in with.

    Source: MS-RDPBCGR section 2.2.1.1.
    """
    if pos < 0 or end > frames.shape[0] or end - pos < 11 + _COOKIE.shape[0]:
        return 0, 0
    if frames[pos] != 3 or frames[pos + 1] != 0 or frames[pos + 5] != 0xE0:
        return 0, 0
    for i in range(_COOKIE.shape[0]):
        if frames[pos + 11 + i] != _COOKIE[i]:
            return 0, 0
    begin = pos + 11 + _COOKIE.shape[0]
    stop = begin
    while stop < end and frames[stop] != 0x0D:
        if stop - begin == _USER_BYTES_MAX:
            return 0, 0
        stop += 1
    if stop == begin or stop == end:
        return 0, 0
    return begin, stop - begin


@kernel(_CODE_SIDE_PORT, **HELPER)
def match_tcp(frames, pos, end, is_orig, resp_port):
    """Binary protocols over TCP, chosen by the first byte. At least three bytes are there."""
    n_bytes = end - pos
    first = frames[pos]
    if first == 0x00:
        code = _match_length_prefixed(frames, pos, end, is_orig)
        if code == APP_NONE:
            code = match_pptp(frames, pos, end)
        if code == APP_NONE and n_bytes >= 16 and be16(frames, pos) == n_bytes - 2:
            code = match_openvpn(frames, pos + 2, end)
        if code != APP_NONE:
            return code
    elif first == 0x03:
        return _match_tpkt(frames, pos, end, is_orig, resp_port)
    elif first == 0x04 or first == 0x05:
        if is_orig:
            status, _, stop = walk(frames, pos, end)
            if (status == GREETING or status == REQUEST) and stop == end:
                return APP_SOCKS
        # DCE/RPC over TCP: version 5.0 or 5.1, bind and its kin, ASCII and IEEE data representation
        if (
            first == 0x05
            and n_bytes >= 16
            and frames[pos + 1] <= 1
            and frames[pos + 2] in (0, 2, 3, 11, 12, 13, 14, 15, 16)
        ):
            is_little = be32(frames, pos + 4) == 0x10000000
            if is_little or be32(frames, pos + 4) == 0:
                fragment = np.int64(frames[pos + 8]) | (np.int64(frames[pos + 9]) << 8)
                if not is_little:
                    fragment = be16(frames, pos + 8)
                return APP_DCERPC if 16 <= fragment <= 16384 else APP_NONE
    elif first == 0x10 and is_orig:
        for at in range(pos + 2, min(pos + 6, end - 6)):  # behind a length of one to four bytes
            is_name = be32(frames, at) == 0x00044D51 and be16(frames, at + 4) == 0x5454  # "MQTT"
            if is_name or (be32(frames, at) == 0x00064D51 and be16(frames, at + 4) == 0x4973):  # "MQIsdp"
                return APP_MQTT
    elif first == 0x11 or first == 0x17:
        return _match_teamviewer(frames, pos, end)
    elif first == 0x12 and is_orig:
        # TDS PRELOGIN: whole message, its length, then the option VERSION
        if n_bytes >= 13 and frames[pos + 1] == 1 and be16(frames, pos + 2) == n_bytes and frames[pos + 8] == 0:
            return APP_MSSQL if be16(frames, pos + 4) == 0 else APP_NONE
    elif first == 0x30:
        return match_ber_sequence(frames, pos, end)
    elif first == 0x32 and not is_orig:
        return match_banner(frames, pos, end, resp_port)
    elif first == 0x81:
        if n_bytes == 72 and frames[pos + 1] == 0 and be16(frames, pos + 2) == 68 and frames[pos + 4] == 0x20:
            return APP_NETBIOS  # session request
    elif first == 0xFF:
        if n_bytes >= 19 and be32(frames, pos) == 0xFFFFFFFF and be32(frames, pos + 12) == 0xFFFFFFFF:
            return APP_BGP if 19 <= be16(frames, pos + 16) <= 4096 else APP_NONE
        if 0xFB <= frames[pos + 1] <= 0xFE and frames[pos + 2] < 50:
            return APP_TELNET
    if n_bytes > 6 and not is_orig and frames[pos + 3] == 0 and frames[pos + 4] == 0x0A:
        # MySQL greeting: length in little endian, sequence 0, protocol 10, a version in digits
        length = np.int64(frames[pos]) | (np.int64(frames[pos + 1]) << 8) | (np.int64(frames[pos + 2]) << 16)
        if length + 4 == n_bytes and 0x30 <= frames[pos + 5] <= 0x39:
            return APP_MYSQL
    start = pos
    if be16(frames, pos) == n_bytes - 2:  # a length in front, as DNS and STUN have it
        start = pos + 2
        if is_message(frames, start, end):
            return APP_DNS
    return match_stun(frames, start, end)
