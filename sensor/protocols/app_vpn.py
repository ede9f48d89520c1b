"""VPN protocols that hide nothing of their handshake: WireGuard and OpenVPN, and PPTP's control connection.

Sources: the WireGuard paper section 5.4; OpenVPN's protocol description (ssl_pkt.h, and its wire protocol draft);
RFC 2637 section 2.1.
"""

import numpy as np
from numba import types

from sensor.constants import APP_NONE, APP_OPENVPN, APP_PPTP, APP_WIREGUARD
from sensor.jit import kernel
from sensor.protocols.reads import FRAMES, HELPER, be16, be32

_CODE = types.int64(FRAMES, types.int64, types.int64)

_RESETS = (1 << 1) | (1 << 2) | (1 << 7) | (1 << 8) | (1 << 10)  # P_CONTROL_HARD_RESET_*: client, server, v1 to v3
_SERVER_RESETS = (1 << 2) | (1 << 8)
_DIGEST_BYTES = (1 << 16) | (1 << 20) | (1 << 28) | (1 << 32) | (1 << 48)  # MD5, SHA-1, SHA-2
_ATTEMPTS_MAX = 32  # a reset is sent again with the next packet id


@kernel(_CODE, **HELPER)
def match_wireguard(frames, pos, end):
    """wireguard: a handshake message or cookie of its only length, or data in blocks of 16 bytes; then zeros."""
    n_bytes = end - pos
    if n_bytes < 32:
        return APP_NONE
    kind = be32(frames, pos)
    if n_bytes == 148 and kind == 0x01000000:
        return APP_WIREGUARD
    if n_bytes == 92 and kind == 0x02000000:
        return APP_WIREGUARD
    if n_bytes == 64 and kind == 0x03000000:
        return APP_WIREGUARD
    # the counter, in little endian, never gets far
    if kind == 0x04000000 and n_bytes % 16 == 0 and be16(frames, pos + 13) == 0 and frames[pos + 15] == 0:
        return APP_WIREGUARD
    return APP_NONE


@kernel(_CODE, **HELPER)
def match_openvpn(frames, pos, end):
    """openvpn: a hard reset, bare, or under `tls-auth` or `tls-crypt`. Over TCP, `pos` is behind the length.

    Bare: session id, number of acknowledgements, those, packet id 0. `tls-auth` puts a digest, a packet id and a time
    behind the session id; `tls-crypt` packet id, time and a digest, and encrypts the rest.
    """
    n_bytes = end - pos
    if n_bytes < 14 or frames[pos] & 7 != 0:
        return APP_NONE
    kind = np.int64(frames[pos]) >> 3
    if kind > 10 or (_RESETS >> kind) & 1 == 0:
        return APP_NONE
    is_server = (_SERVER_RESETS >> kind) & 1 == 1
    if n_bytes == 14:
        return APP_OPENVPN if frames[pos + 9] == 0 and be32(frames, pos + 10) == 0 else APP_NONE
    if is_server and n_bytes == 26:  # acknowledges packet 0, and says whose
        is_reset = frames[pos + 9] == 1 and be32(frames, pos + 10) == 0 and be32(frames, pos + 22) == 0
        return APP_OPENVPN if is_reset else APP_NONE
    digest_bytes = n_bytes - (34 if is_server else 22)
    if digest_bytes == 64 or (0 < digest_bytes < 49 and (_DIGEST_BYTES >> digest_bytes) & 1 == 1):
        at = pos + 9 + digest_bytes
        is_first = 1 <= be32(frames, at) <= _ATTEMPTS_MAX and frames[at + 8] == (1 if is_server else 0)
        if is_first and be32(frames, at + 9) == 0 and be32(frames, end - 4) == 0:
            return APP_OPENVPN
    if n_bytes < 54:
        return APP_NONE
    # 2.6 marks what it negotiates early in the upper half of the packet id
    upper = be16(frames, pos + 9)
    is_first = (upper == 0 or upper == 0x0F01 or upper == 0x0A01) and 1 <= be16(frames, pos + 11) <= _ATTEMPTS_MAX
    return APP_OPENVPN if is_first and 0x40000000 <= be32(frames, pos + 13) < 0x80000000 else APP_NONE


@kernel(_CODE, **HELPER)
def match_pptp(frames, pos, end):
    """pptp: a control message with its length and magic cookie."""
    if end - pos < 16 or be16(frames, pos) != end - pos or be16(frames, pos + 2) != 1:
        return APP_NONE
    return APP_PPTP if be32(frames, pos + 4) == 0x1A2B3C4D else APP_NONE
