"""QUIC Initial packets opened: the frames inside, of which the CRYPTO ones carry the TLS ClientHello.

The keys come from the packet itself (`quic_keys`), so every reader on the wire may open it. The AEAD's tag is not
checked: it would cost as much again as the decryption. A packet counts as opened when its reserved bits are zero and
its frames are sound to the last byte, which bytes that were decrypted wrongly are not.

Source: RFC 9000 section 17.2.2, RFC 9001 sections 5.3 and 5.4, RFC 9369 sections 3 and 4.1.
"""

import numpy as np
from numba import types

from sensor.jit import kernel
from sensor.protocols.aes import decrypt_counted, encrypt_block, expand_key
from sensor.protocols.quic_frames import are_sound
from sensor.protocols.quic_header import (
    BAD,
    CUT,
    DCID_AT,
    DCID_BYTES,
    INITIAL,
    KIND,
    NOT_QUIC,
    OPENED,
    PACKET_END,
    PACKET_NUMBER,
    PLAIN_BYTES,
    PROTECTED_AT,
    TOO_LONG,
    VERSION,
    VERSION_ROW,
    read_header,
)
from sensor.protocols.quic_keys import HP, IV, KEY, KEYS_END, WORK_WORDS, derive_keys, put_cid
from sensor.protocols.reads import FRAMES, HELPER, LEAF, be32

KEYS_BYTES = 72
PLAIN_ROOM = 2048
"""Bytes of output that every packet on an Ethernet fits."""

# the state of a flow: whose keys these are, the connection id and version they came from, the keys
_SIDE = 0
_N_CID = 1
_CID = 2
_VERSION = 22
_WORDS_AT = 26

_SIDE_CLIENT = 1
_SIDE_SERVER = 2
_TAG_BYTES = 16
_SAMPLE_AFTER = 4  # RFC 9001 section 5.4.2: the packet number is taken to have four bytes
_INT = types.int64
_BYTES = types.uint8[::1]
_WORK = types.uint32[::1]
_INFO = types.int64[::1]

assert _WORDS_AT + 4 * (KEYS_END - KEY) <= KEYS_BYTES


@kernel(types.void(_BYTES, _INT, _INT), **HELPER)
def _put_be32(out, at, value):
    """Write a 32-bit number to out[at:at + 4], big-endian."""
    for i in range(4):
        out[at + i] = np.uint8((value >> (24 - 8 * i)) & 0xFF)


@kernel(types.boolean(FRAMES, _INT, _INT, _BYTES, _WORK, _INFO), **LEAF)
def _open(frames, pos, end, plain, work, info):
    """Take off header protection and decrypt with the keys in `work`; return whether what comes out is sound."""
    at = info[PROTECTED_AT]
    expand_key(work[HP], work[HP + 1], work[HP + 2], work[HP + 3], work)
    sample = at + _SAMPLE_AFTER
    mask, mask_more, _, _ = encrypt_block(
        np.uint32(be32(frames, sample)),
        np.uint32(be32(frames, sample + 4)),
        np.uint32(be32(frames, sample + 8)),
        np.uint32(be32(frames, sample + 12)),
        work,
    )
    first = np.int64(frames[pos]) ^ ((np.int64(mask) >> 24) & 0x0F)
    if first & 0x0C:
        return False
    n_number = (first & 3) + 1
    hidden = ((np.int64(mask) & 0xFFFFFF) << 8) | (np.int64(mask_more) >> 24)
    number = (be32(frames, at) ^ hidden) >> (32 - 8 * n_number)
    begin = at + n_number
    stop = min(info[PACKET_END] - _TAG_BYTES, end)
    if stop <= begin:
        return False
    expand_key(work[KEY], work[KEY + 1], work[KEY + 2], work[KEY + 3], work)
    last = np.uint32(work[IV + 2] ^ np.uint32(number))
    decrypt_counted(frames, begin, stop, work[IV], work[IV + 1], last, work, plain)
    if not are_sound(plain, stop - begin, info):
        return False
    info[PACKET_NUMBER] = number
    info[PLAIN_BYTES] = stop - begin
    return True


@kernel(types.void(FRAMES, types.boolean, _INT, _BYTES, _WORK, _INFO), **HELPER)
def _keep(frames, is_own, side, keys, work, info):
    """Keep what opened a packet: the keys, and the connection id they are of, when it is the packet's own."""
    keys[_SIDE] = np.uint8(side)
    if is_own:
        keys[_N_CID] = np.uint8(info[DCID_BYTES])
        for i in range(info[DCID_BYTES]):
            keys[_CID + i] = frames[info[DCID_AT] + i]
    _put_be32(keys, _VERSION, info[VERSION])
    for i in range(KEYS_END - KEY):
        _put_be32(keys, _WORDS_AT + 4 * i, np.int64(work[KEY + i]))


@kernel(types.boolean(FRAMES, _INT, _INT, _INT, _BYTES, _BYTES, _WORK, _INFO), **LEAF)
def _open_with_any(frames, pos, end, side, keys, plain, work, info):
    """Open with the flow's keys, else with those of the packet's own connection id.

    The keys are those of the client's first packet as long as the handshake lasts, but a Retry starts anew (RFC 9001
    section 5.2). Another version that the server chose has its own, from the same connection id (RFC 9369 section 4.1).
    """
    for is_own in (False, True):
        if (side == _SIDE_SERVER) if is_own else (keys[_SIDE] == 0):
            continue
        is_kept = not is_own and keys[_SIDE] == side and be32(keys, _VERSION) == info[VERSION]
        if is_kept:
            for i in range(KEYS_END - KEY):
                work[KEY + i] = np.uint32(be32(keys, _WORDS_AT + 4 * i))
        else:
            if is_own:
                put_cid(frames, info[DCID_AT], info[DCID_BYTES], work)
            else:
                put_cid(keys, _CID, np.int64(keys[_N_CID]), work)
            derive_keys(info[VERSION_ROW], side == _SIDE_SERVER, work)
        if _open(frames, pos, end, plain, work, info):
            if not is_kept:
                _keep(frames, is_own, side, keys, work, info)
            return True
    return False


@kernel(_INT(FRAMES, _INT, _INT, types.boolean, _BYTES, _BYTES, _WORK, _INFO), **LEAF)
def open_initial(frames, pos, end, is_server, keys, plain, work, info):
    """Read the long-header packet at the start of `frames[pos:end]`, a UDP payload or what of one is left.

    is_server : whether the server sent it; its packets open after one of the client's did
    keys : uint8[KEYS_BYTES], the flow's state between calls; zeros before the first
    plain : uint8[n], gets the decrypted payload; PLAIN_ROOM bytes hold every packet that no tunnel made longer
    work : uint32[WORK_WORDS], scratch
    info : int64[N_INFO], filled as the constants in `quic_header` say, unless the status is NOT_QUIC

    Returns NOT_QUIC, OPENED, OTHER_LONG, UNKNOWN_VERSION, BAD, TOO_LONG, CUT or CLEAR_GOOGLE. `next_crypto` walks what
    was opened: after OPENED, and after CUT when PLAIN_BYTES is not 0. The arrays must be four different ones.

    Source: RFC 9000 section 17.2, RFC 9001 section 5.
    """
    if keys.shape[0] < KEYS_BYTES or work.shape[0] < WORK_WORDS:
        return NOT_QUIC
    status = read_header(frames, pos, end, info)
    if status != OPENED and (status != CUT or info[KIND] != INITIAL or info[PROTECTED_AT] == 0):
        return status
    begin = info[PROTECTED_AT]
    stop = min(info[PACKET_END], end)
    if stop - begin < _SAMPLE_AFTER + _TAG_BYTES:
        return status
    if stop - begin > plain.shape[0]:
        return TOO_LONG
    side = _SIDE_SERVER if is_server else _SIDE_CLIENT
    if not _open_with_any(frames, pos, end, side, keys, plain, work, info):
        return BAD if status == OPENED else CUT
    return status
