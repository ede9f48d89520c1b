"""The keys of QUIC Initial packets: what a version and the client's first destination connection id make of them.

Anybody who sees a connection's first packet can derive them; they keep out middleboxes, not readers.

Source: RFC 9001 sections 5.1 and 5.2, RFC 9369 section 3.3; RFC 5869 (HKDF), RFC 8446 section 7.1 (its labels).
"""

import numpy as np
from numba import types
from numpy.typing import NDArray

from sensor.jit import kernel
from sensor.protocols import sha256 as sha
from sensor.protocols.reads import FRAMES, HELPER, LEAF

CID_BYTES_MAX = 20

# what a version's packets look like
DIALECT_V1 = 0
DIALECT_V2 = 1  # other labels, and other numbers for the packet types
DIALECT_GOOGLE = 2  # other frames

# the scratch: SHA-256's, the connection id as a block, a secret, HMAC's hashes of its two pads, and what is derived
_CID = sha.WORK_WORDS
_SECRET = _CID + 16
_INNER = _SECRET + 8
_OUTER = _INNER + 8
KEY = _OUTER + 8
IV = KEY + 4
HP = IV + 3
KEYS_END = HP + 4
WORK_WORDS = HP + 8
"""Words of scratch for a derivation."""

_SALTS = (
    "7fbcdb0e7c66bbe9193a96cd21519ebd7a02644a",  # draft-ietf-quic-tls-22
    "c3eef712c72ebb5a11a7d2432bb46365bef9f502",  # draft-ietf-quic-tls-23 to 28
    "afbfec289993d24c9e9786f19c6111e04390a899",  # draft-ietf-quic-tls-29 to 32
    "38762cf7f55934b34d179ae6a4c80cadccbb7f0a",  # RFC 9001
    "0dede3def700a6db819381be6e269dcbf9bd2ed9",  # RFC 9369
    "a707c203a59b47184a1d62ca570406ea7ae3e5d3",  # draft-ietf-quic-v2-01 to 04
    "504574efd066fe2f9d945cfcdbd3a7f0d3b56b45",  # Google's Q050
    "7ff579e5acd072915580304c43a2367c60488310",  # Google's T050
    "7a4edef4e7ccee5fa4506c19124fc8ccda6e033d",  # Google's T051
)
_VERSIONS: NDArray[np.int64] = np.array(
    [  # first and last version, salt, dialect
        (0x00000001, 0x00000001, 3, DIALECT_V1),
        (0x6B3343CF, 0x6B3343CF, 4, DIALECT_V2),
        (0x709A50C4, 0x709A50C4, 5, DIALECT_V2),
        (0xFF000016, 0xFF000016, 0, DIALECT_V1),
        (0xFF000017, 0xFF00001C, 1, DIALECT_V1),
        (0xFF00001D, 0xFF000020, 2, DIALECT_V1),
        (0xFF000021, 0xFF000022, 3, DIALECT_V1),
        (0xFACEB001, 0xFACEB001, 0, DIALECT_V1),  # Facebook's mvfst: some versions are others under another number
        (0xFACEB002, 0xFACEB002, 1, DIALECT_V1),
        (0xFACEB003, 0xFACEB004, 3, DIALECT_V1),
        (0xFACEB00D, 0xFACEB015, 1, DIALECT_V1),
        (0x51303530, 0x51303530, 6, DIALECT_GOOGLE),
        (0x54303530, 0x54303530, 7, DIALECT_GOOGLE),
        (0x54303531, 0x54303531, 8, DIALECT_GOOGLE),
    ],
    np.int64,
)
_SALT: NDArray[np.uint32] = np.frombuffer(bytes.fromhex("".join(_SALTS)), ">u4").astype(np.uint32).reshape(-1, 5)


def _block(message: bytes) -> list[int]:
    """A message of less than a block that comes after another block, padded (FIPS 180-4 section 5.1.1), as words."""
    n_bits = 8 * (sha.BLOCK_BYTES + len(message))
    padded = (message + b"\x80").ljust(sha.BLOCK_BYTES - 8, b"\0") + n_bits.to_bytes(8, "big")
    return [int.from_bytes(padded[at : at + 4], "big") for at in range(0, sha.BLOCK_BYTES, 4)]


def _info(length: int, label: bytes) -> list[int]:
    """HkdfLabel without context (RFC 8446 section 7.1) and the number of HKDF's first block, here the only one."""
    label = b"tls13 " + label
    return _block(bytes([0, length, len(label)]) + label + b"\0\1")


_CLIENT_IN = 0
_SERVER_IN = 1
_KEY_V1 = 2  # then iv and hp
_KEY_V2 = 5
_INFO: NDArray[np.uint32] = np.array(
    [
        *(_info(32, b"client in"), _info(32, b"server in")),
        *(_info(16, b"quic key"), _info(12, b"quic iv"), _info(16, b"quic hp")),
        *(_info(16, b"quicv2 key"), _info(12, b"quicv2 iv"), _info(16, b"quicv2 hp")),
    ],
    np.uint32,
)
_TO: NDArray[np.int64] = np.array([_SECRET, _SECRET, KEY, IV, HP])  # each overwrites what of the last is too much
_DIGEST: NDArray[np.uint32] = np.array(_block(bytes(sha.DIGEST_BYTES)), np.uint32)  # the padding of an inner digest

_INT = types.int64
_WORDS = types.uint32[::1]


@kernel(_INT(_INT), **LEAF)
def find_version(version):
    """The row of a version whose Initial packets can be opened, for `dialect_of` and `derive_keys`; -1 for others."""
    for row in range(_VERSIONS.shape[0]):
        if _VERSIONS[row, 0] <= version <= _VERSIONS[row, 1]:
            return row
    return -1


@kernel(_INT(_INT), **HELPER)
def dialect_of(row):
    """The DIALECT_ of a row of `find_version`."""
    return _VERSIONS[row, 3]


@kernel(types.void(_WORDS), **LEAF)
def _take_secret(work):
    """Hash the two pads of HMAC (RFC 2104) over the secret in the scratch."""
    for pad_at in (_INNER, _OUTER):
        pad = np.uint32(0x36363636 if pad_at == _INNER else 0x5C5C5C5C)
        for i in range(8):
            work[i] = work[_SECRET + i] ^ pad
            work[8 + i] = pad
            work[sha.STATE + i] = sha.START[i]
        sha.compress(work)
        for i in range(8):
            work[pad_at + i] = work[sha.STATE + i]


@kernel(types.void(_WORDS, _INT), **LEAF)
def _hmac(work, to):
    """HMAC-SHA-256 of the message whose padded block is in work[:16], under the secret taken, to work[to:to + 8]."""
    for i in range(8):
        work[sha.STATE + i] = work[_INNER + i]
    sha.compress(work)
    for i in range(8):
        work[i] = work[sha.STATE + i]
        work[8 + i] = _DIGEST[8 + i]
        work[sha.STATE + i] = work[_OUTER + i]
    sha.compress(work)
    for i in range(8):
        work[to + i] = work[sha.STATE + i]


@kernel(types.void(FRAMES, _INT, _INT, _WORDS), **LEAF)
def put_cid(data, pos, n_cid, work):
    """Put the connection id data[pos:pos + n_cid], CID_BYTES_MAX bytes at most, where `derive_keys` takes it from."""
    for i in range(15):
        work[_CID + i] = np.uint32(sha.padded_word(data, pos + 4 * i, pos + n_cid))
    work[_CID + 15] = np.uint32(8 * (sha.BLOCK_BYTES + n_cid))


@kernel(types.void(_INT, types.boolean, _WORDS), **LEAF)
def derive_keys(row, is_server, work):
    """Derive the keys of one direction's Initial packets: key, iv and header protection in work[KEY:KEYS_END].

    row : of `find_version`
    is_server : whether the keys are those of the packets that the server sends
    work : uint32[WORK_WORDS or more], with the destination connection id of the client's first Initial packet, by
        `put_cid`; scratch besides that and the result, which is in big-endian words

    Nothing is checked.
    """
    for i in range(8):
        work[_SECRET + i] = _SALT[_VERSIONS[row, 2], i] if i < 5 else np.uint32(0)
    info = _KEY_V2 if _VERSIONS[row, 3] == DIALECT_V2 else _KEY_V1
    for step in range(5):
        if step <= 2:
            _take_secret(work)
        if step == 0:  # HKDF-Extract: the salt is the key
            for i in range(16):
                work[i] = work[_CID + i]
        else:  # HKDF-Expand-Label, of which the first eight words
            label = info + step - 2 if step > 1 else _SERVER_IN if is_server else _CLIENT_IN
            for i in range(16):
                work[i] = _INFO[label, i]
        _hmac(work, _TO[step])
