"""The header of a QUIC long-header packet: bytes in, what kind it is and where its parts lie out. Decrypts nothing.

Source: RFC 8999 section 5.1 (any version), RFC 9000 sections 16 and 17.2, RFC 9369 section 3.2.
"""

import numpy as np
from numba import types

from sensor.jit import kernel
from sensor.protocols.gquic import clear_version
from sensor.protocols.quic_keys import CID_BYTES_MAX, DIALECT_V2, dialect_of, find_version
from sensor.protocols.reads import FRAMES, HELPER, LEAF, be32

NOT_QUIC = 0
OPENED = 1  # an Initial packet; its frames are all sound
OTHER_LONG = 2  # a long header of another kind, all there
UNKNOWN_VERSION = 3  # a long header of a version without known keys; for want of a check this is no proof of QUIC
BAD = 4  # an Initial packet that does not open: damaged, forged, or of a connection whose start was not seen
TOO_LONG = 5  # an Initial packet that does not fit the output
CUT = 6  # the packet goes on after these bytes; of an Initial what is there may be open all the same
CLEAR_GOOGLE = 7  # Google's QUIC before it was encrypted: see gquic.find_gquic_sni

INITIAL = 0
ZERO_RTT = 1
HANDSHAKE = 2
RETRY = 3
VERSION_NEGOTIATION = 4

# `info` after a call; positions are into `frames` unless they are said to be into `plain`
NEXT = 0  # where the next packet of the datagram starts, `end` when there is none
PLAIN_BYTES = 1  # length of what is open in `plain`, 0 none
VERSION = 2
KIND = 3  # INITIAL to VERSION_NEGOTIATION; means nothing with UNKNOWN_VERSION
DCID_AT = 4
DCID_BYTES = 5
SCID_AT = 6
SCID_BYTES = 7
PACKET_NUMBER = 8  # as sent, up to 32 bits: connections start from 0, so it is whole
CRYPTO_OFFSET = 9  # of a CRYPTO frame: where its bytes belong in the handshake's stream
CRYPTO_AT = 10  # into `plain`
CRYPTO_BYTES = 11
NEXT_FRAME = 12  # into `plain`: where to go on; its length after the last frame, -1 when malformed
VERSION_ROW = 13  # of quic_keys.find_version, -1 unknown
IS_CUT = 14
PROTECTED_AT = 15  # where the packet number starts, which header protection hides
PACKET_END = 16  # where the packet would end, cut or not
N_INFO = 17

SHORT = -2
"""As a position: the bytes end too early."""

_RETRY_TAG_BYTES = 16
_INT = types.int64
_INFO = types.int64[::1]


@kernel(types.UniTuple(_INT, 2)(FRAMES, _INT, _INT), **LEAF)
def read_varint(data, at, end):
    """The variable-length integer at `at` (RFC 9000 section 16) and the position behind it.

    (0, SHORT) when it is not all there, or `at` is negative.
    """
    if at < 0 or at >= end:
        return 0, SHORT
    n_bytes = np.int64(1) << (np.int64(data[at]) >> 6)
    if n_bytes > end - at:
        return 0, SHORT
    value = np.int64(data[at]) & 0x3F
    for i in range(at + 1, at + n_bytes):
        value = (value << 8) | np.int64(data[i])
    return value, at + n_bytes


@kernel(types.boolean(FRAMES, _INT, _INT, _INFO), **HELPER)
def _read_ids(frames, pos, end, info):
    """Fill the connection ids; return False when they are too long for any version, or not all there."""
    info[DCID_AT] = pos + 6
    info[DCID_BYTES] = np.int64(frames[pos + 5])
    info[SCID_AT] = info[DCID_AT] + info[DCID_BYTES] + 1
    if info[DCID_BYTES] > CID_BYTES_MAX or info[SCID_AT] > end:
        return False
    info[SCID_BYTES] = np.int64(frames[info[SCID_AT] - 1])
    return info[SCID_BYTES] <= CID_BYTES_MAX and info[SCID_AT] + info[SCID_BYTES] <= end


@kernel(_INT(FRAMES, _INT, _INT, _INFO), **LEAF)
def read_header(frames, pos, end, info):
    """Read the header of the long-header packet at `frames[pos:end]`, up to where protection begins.

    info : int64[N_INFO], filled as this module's constants say, down to IS_CUT unless the status is NOT_QUIC

    Returns OPENED for an Initial packet that is all there and may be opened, BAD for one that is too short, CUT for any
    packet that is not all there (PROTECTED_AT is 0 when its header is not), else NOT_QUIC, OTHER_LONG, UNKNOWN_VERSION
    or CLEAR_GOOGLE. The fixed bit is not looked at: it may be greased (RFC 9287).
    """
    if pos < 0 or end > frames.shape[0] or info.shape[0] < N_INFO or end - pos < 7:
        return NOT_QUIC
    for i in range(N_INFO):
        info[i] = 0
    info[NEXT] = end
    clear_at = clear_version(frames, pos, end)
    if clear_at > 0:
        info[VERSION] = be32(frames, clear_at)
        return CLEAR_GOOGLE
    if frames[pos] < 0x80 or not _read_ids(frames, pos, end, info):
        return NOT_QUIC
    at = info[SCID_AT] + info[SCID_BYTES]
    version = be32(frames, pos + 1)
    info[VERSION] = version
    if version == 0:
        info[KIND] = VERSION_NEGOTIATION
        return OTHER_LONG if end - at >= 4 and (end - at) % 4 == 0 else NOT_QUIC
    info[VERSION_ROW] = find_version(version)
    if info[VERSION_ROW] < 0:
        return UNKNOWN_VERSION
    kind = (np.int64(frames[pos]) >> 4) & 3
    if dialect_of(info[VERSION_ROW]) == DIALECT_V2:
        kind = (kind - 1) & 3
    info[KIND] = kind
    if kind == RETRY:
        info[IS_CUT] = np.int64(end - at < _RETRY_TAG_BYTES)
        return CUT if info[IS_CUT] else OTHER_LONG
    if kind == INITIAL:
        token_bytes, at = read_varint(frames, at, end)
        at = at + token_bytes if at >= 0 and token_bytes <= end - at else SHORT
    length, at = read_varint(frames, at, end)
    info[IS_CUT] = np.int64(at < 0 or length > end - at)
    if at >= 0:
        info[PROTECTED_AT] = at
        info[PACKET_END] = at + length
    if info[IS_CUT]:
        return CUT
    info[NEXT] = at + length
    if kind != INITIAL:
        return OTHER_LONG
    return OPENED if length >= 20 else BAD  # a packet number and a sample: RFC 9001 section 5.4.2
