"""Google's QUIC before the IETF's: the server name in a CHLO message, which was sent in the clear up to Q046.

Source: Google's "QUIC Crypto" (the message: a count of tags, their table, their values) and "QUIC Wire Layout
Specification" of 2016 (the public header).
"""

import numpy as np
from numba import types

from sensor.jit import kernel
from sensor.protocols.reads import FRAMES, LEAF, be32

NAME_BYTES_MAX = 255

_CHLO = 0x43484C4F
_SNI = 0x534E4900
_TAGS_MAX = 128
_CHLO_WITHIN = 48
"""How far behind the version CHLO may start: id 9, packet number 6, hash and flags 13, the stream frame's header 15."""

_INT = types.int64
_FOUND = types.UniTuple(types.int64, 2)


@kernel(_INT(FRAMES, _INT), **LEAF)
def _le32(data, at):
    """The unsigned 32-bit little-endian number at `data[at:at + 4]`."""
    upper = (np.int64(data[at + 3]) << 24) | (np.int64(data[at + 2]) << 16)
    return upper | (np.int64(data[at + 1]) << 8) | np.int64(data[at])


@kernel(_INT(FRAMES, _INT, _INT), **LEAF)
def clear_version(frames, pos, end):
    """Where "Q024" to "Q049" stands in the header of a client's packet at `frames[pos:end]`; 0 when it does not.

    That is behind the first byte of a long header (from Q044 on), or behind the flags and a connection id of eight
    bytes. The span must lie in `frames`.
    """
    if pos >= end:
        return 0
    at = pos + 1
    if frames[pos] < 0x80:
        if frames[pos] & 0x09 != 0x09:  # a version and a connection id
            return 0
        at = pos + 9
    if at + 4 > end or frames[at] != 0x51 or frames[at + 1] != 0x30:  # "Q0"
        return 0
    tens = np.int64(frames[at + 2]) - 0x30
    ones = np.int64(frames[at + 3]) - 0x30
    is_known = 2 <= tens <= 4 and 0 <= ones <= 9 and 10 * tens + ones >= 24
    return at if is_known else 0


@kernel(_FOUND(FRAMES, _INT, _INT), **LEAF)
def find_chlo_sni(data, pos, end):
    """Find the server name in the CHLO message that starts at `data[pos:end]`, of which the end may be missing.

    Returns (offset into `data`, length) of the name, 1 to 255 bytes of any value; (0, 0) when there is none.
    """
    if pos < 0 or end > data.shape[0] or end - pos < 8 or be32(data, pos) != _CHLO:
        return 0, 0
    n_tags = np.int64(data[pos + 4]) | (np.int64(data[pos + 5]) << 8)
    values = pos + 8 + 8 * n_tags
    if n_tags > _TAGS_MAX or values > end:
        return 0, 0
    begin = np.int64(0)
    for at in range(pos + 8, values, 8):
        stop = _le32(data, at + 4)  # where the value ends, and the next one begins
        if stop < begin or stop > end - values:
            return 0, 0
        if be32(data, at) == _SNI:
            return (values + begin, stop - begin) if 1 <= stop - begin <= NAME_BYTES_MAX else (0, 0)
        begin = stop
    return 0, 0


@kernel(_FOUND(FRAMES, _INT, _INT), **LEAF)
def find_gquic_sni(frames, pos, end):
    """Find the server name in a client's first packet of Google's QUIC, Q024 to Q046, at `frames[pos:end]`.

    What stands between the version and the message differs by version and flags. It is short, so the message is looked
    for by its tag, and its table of tags must be sound.

    Returns (offset into `frames`, length) of the name, (0, 0) when there is none.
    """
    if pos < 0 or end > frames.shape[0]:
        return 0, 0
    version_at = clear_version(frames, pos, end)
    if version_at == 0:
        return 0, 0
    for at in range(version_at + 4, min(version_at + 4 + _CHLO_WITHIN, end - 8)):
        if be32(frames, at) == _CHLO:
            return find_chlo_sni(frames, at, end)
    return 0, 0
