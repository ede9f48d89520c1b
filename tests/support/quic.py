"""QUIC Initial packets sealed by slow, obvious twins, and the kernels of `sensor.protocols.quic` as plain functions."""

import hashlib
import hmac
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from sensor.protocols import quic, quic_header
from sensor.protocols.quic_frames import next_crypto
from tests.support.protocols import frames_of

V1 = 0x00000001
V2 = 0x6B3343CF
DRAFT_29 = 0xFF00001D
Q050 = 0x51303530
SALTS = {
    V1: "38762cf7f55934b34d179ae6a4c80cadccbb7f0a",
    V2: "0dede3def700a6db819381be6e269dcbf9bd2ed9",
    DRAFT_29: "afbfec289993d24c9e9786f19c6111e04390a899",
    Q050: "504574efd066fe2f9d945cfcdbd3a7f0d3b56b45",
}

# --- twins ---


def expand_label(secret: bytes, label: bytes, length: int) -> bytes:
    """HKDF-Expand-Label of RFC 8446 section 7.1, for one block at most."""
    label = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(label)]) + label + b"\0"
    return hmac.digest(secret, info + b"\1", "sha256")[:length]


def initial_keys(version: int, cid: bytes, is_server: bool) -> tuple[bytes, bytes, bytes]:
    """Key, iv and header protection key (RFC 9001 section 5, RFC 9369 section 3.3)."""
    secret = hmac.digest(bytes.fromhex(SALTS[version]), cid, hashlib.sha256)
    secret = expand_label(secret, b"server in" if is_server else b"client in", 32)
    prefix = b"quicv2 " if version == V2 else b"quic "
    key, iv, hp = (expand_label(secret, prefix + name, n) for name, n in ((b"key", 16), (b"iv", 12), (b"hp", 16)))
    return key, iv, hp


def times(a: int, b: int) -> int:
    """The product in AES's field."""
    product = 0
    for bit in range(8):
        if b >> bit & 1:
            product ^= a << bit
    for bit in range(14, 7, -1):
        if product >> bit & 1:
            product ^= 0x11B << (bit - 8)
    return product


@cache
def substitute(byte: int) -> int:
    """SubBytes of FIPS 197 section 5.1.1, bit by bit."""
    inverse = next((other for other in range(256) if times(byte, other) == 1), 0)
    bit = [inverse >> i & 1 for i in range(8)]
    mixed = [bit[i] ^ bit[(i + 4) % 8] ^ bit[(i + 5) % 8] ^ bit[(i + 6) % 8] ^ bit[(i + 7) % 8] for i in range(8)]
    return sum(value << i for i, value in enumerate(mixed)) ^ 0x63


DOUBLE = [times(byte, 2) for byte in range(256)]


@cache
def round_keys(key: bytes) -> list[bytes]:
    words = [key[i : i + 4] for i in range(0, 16, 4)]
    constant = 1
    while len(words) < 44:
        word = words[-1]
        if len(words) % 4 == 0:
            word = bytes(substitute(byte) for byte in word[1:] + word[:1])
            word = bytes([word[0] ^ constant]) + word[1:]
            constant = times(constant, 2)
        words.append(bytes(a ^ b for a, b in zip(words[-4], word, strict=True)))
    return [b"".join(words[i : i + 4]) for i in range(0, 44, 4)]


def encrypt(key: bytes, block: bytes) -> bytes:
    """One AES-128 block (FIPS 197 section 5.1)."""
    keys = round_keys(key)
    state = bytes(a ^ b for a, b in zip(block, keys[0], strict=True))
    for i in range(1, 11):
        state = bytes(substitute(state[(5 * at) % 16]) for at in range(16))  # and ShiftRows
        if i < 10:
            mixed = []
            for column in range(0, 16, 4):
                a = state[column : column + 4]
                mixed += [
                    DOUBLE[a[j]] ^ DOUBLE[a[(j + 1) % 4]] ^ a[(j + 1) % 4] ^ a[(j + 2) % 4] ^ a[(j + 3) % 4]
                    for j in range(4)
                ]
            state = bytes(mixed)
        state = bytes(a ^ b for a, b in zip(state, keys[i], strict=True))
    return state


def gcm(key: bytes, nonce: bytes, plain: bytes, extra: bytes) -> bytes:
    """AES-128-GCM: cipher text and tag (SP 800-38D section 7.1)."""
    cipher = b""
    for i in range(0, len(plain), 16):
        pad = encrypt(key, nonce + (2 + i // 16).to_bytes(4, "big"))
        cipher += bytes(a ^ b for a, b in zip(plain[i : i + 16], pad, strict=False))
    h = int.from_bytes(encrypt(key, bytes(16)), "big")
    blocks = extra + bytes(-len(extra) % 16) + cipher + bytes(-len(cipher) % 16)
    blocks += (8 * len(extra)).to_bytes(8, "big") + (8 * len(cipher)).to_bytes(8, "big")
    y = 0
    for i in range(0, len(blocks), 16):
        x, v, y = y ^ int.from_bytes(blocks[i : i + 16], "big"), h, 0
        for bit in range(127, -1, -1):
            if x >> bit & 1:
                y ^= v
            v = v >> 1 ^ (0xE1 << 120 if v & 1 else 0)
    tag = y ^ int.from_bytes(encrypt(key, nonce + b"\0\0\0\1"), "big")
    return cipher + tag.to_bytes(16, "big")


# --- packets ---


def varint(value: int, n_bytes: int = 0) -> bytes:
    """RFC 9000 section 16; in the shortest form unless `n_bytes` says otherwise."""
    n_bytes = n_bytes or (1 if value < 1 << 6 else 2 if value < 1 << 14 else 4 if value < 1 << 30 else 8)
    return (value | (n_bytes.bit_length() - 1) << (8 * n_bytes - 2)).to_bytes(n_bytes, "big")


def crypto(data: bytes, offset: int = 0, kind: int = 6) -> bytes:
    """A CRYPTO frame."""
    return bytes([kind]) + varint(offset) + varint(len(data)) + data


@dataclass
class Packet:
    """What an Initial packet is made of. `keys_cid`: the connection id that the keys come from, its own if empty."""

    frames: bytes
    version: int = V1
    dcid: bytes = bytes.fromhex("8394c8f03e515708")
    scid: bytes = b""
    token: bytes = b""
    number: int = 2
    n_number: int = 4
    is_server: bool = False
    keys_cid: bytes = b""
    reserved: int = 0
    length: int = field(default=-1)

    def sealed(self) -> bytes:
        """The packet on the wire (RFC 9001 section 5)."""
        kind = 1 if self.version == V2 else 0
        first = 0xC0 | kind << 4 | self.reserved << 2 | self.n_number - 1
        length = self.n_number + len(self.frames) + 16 if self.length < 0 else self.length
        header = bytes([first]) + self.version.to_bytes(4, "big")
        header += bytes([len(self.dcid)]) + self.dcid + bytes([len(self.scid)]) + self.scid
        header += varint(len(self.token)) + self.token + varint(length, 2)
        at = len(header)
        header += self.number.to_bytes(self.n_number, "big")
        key, iv, hp = initial_keys(self.version, self.keys_cid or self.dcid, self.is_server)
        nonce = (int.from_bytes(iv, "big") ^ self.number).to_bytes(12, "big")
        packet = bytearray(header + gcm(key, nonce, self.frames, header))
        mask = encrypt(hp, bytes(packet[at + 4 : at + 20]))
        packet[0] ^= mask[0] & 0x0F
        for i in range(self.n_number):
            packet[at + i] ^= mask[1 + i]
        return bytes(packet)


# --- kernels ---


@dataclass
class Opened:
    """What `open_initial` and `next_crypto` found; `next` and the ids' places count from the start of the payload."""

    status: int
    plain: bytes = b""
    next: int = 0
    dcid: bytes = b""
    scid: bytes = b""
    number: int = 0
    kind: int = 0
    version: int = 0
    pieces: tuple[tuple[int, bytes], ...] = ()


def fresh_keys() -> NDArray[np.uint8]:
    return np.zeros(quic.KEYS_BYTES, np.uint8)


def crypto_pieces(
    plain: NDArray[np.uint8], n: int, info: NDArray[np.int64]
) -> tuple[tuple[tuple[int, bytes], ...], int]:
    """Offset and bytes of every CRYPTO frame, and NEXT_FRAME after the last one."""
    pieces, at = [], 0
    while next_crypto(plain, at, n, info):
        begin, length = int(info[quic_header.CRYPTO_AT]), int(info[quic_header.CRYPTO_BYTES])
        at_next = int(info[quic_header.NEXT_FRAME])
        assert at < begin <= begin + length == at_next <= n
        pieces.append((int(info[quic_header.CRYPTO_OFFSET]), bytes(plain[begin : begin + length])))
        at = at_next
    return tuple(pieces), int(info[quic_header.NEXT_FRAME])


def open_initial(
    payload: bytes,
    keys: NDArray[np.uint8] | None = None,
    is_server: bool = False,
    before: bytes = b"",
    after: bytes = b"",
    room: int = quic.PLAIN_ROOM,
) -> Opened:
    frames = before + payload + after
    pos, end = len(before), len(before) + len(payload)
    keys = fresh_keys() if keys is None else keys
    guarded = np.full(room + 1, 0xAA, np.uint8)
    plain = guarded[:room]
    work = np.full(quic.WORK_WORDS, 0x55555555, np.uint32)
    info = np.full(quic_header.N_INFO, -7, np.int64)
    status = quic.open_initial(frames_of(frames), pos, end, is_server, keys, plain, work, info)
    assert guarded[room] == 0xAA
    if status == quic_header.NOT_QUIC:
        return Opened(status)
    assert pos < info[quic_header.NEXT] <= end
    found = Opened(status, version=int(info[quic_header.VERSION]), next=int(info[quic_header.NEXT]) - pos)
    if status == quic_header.CLEAR_GOOGLE:
        return found
    dcid, n_dcid = int(info[quic_header.DCID_AT]), int(info[quic_header.DCID_BYTES])
    scid, n_scid = int(info[quic_header.SCID_AT]), int(info[quic_header.SCID_BYTES])
    assert pos < dcid <= dcid + n_dcid < scid <= scid + n_scid <= end
    n = int(info[quic_header.PLAIN_BYTES])
    assert 0 <= n < len(payload)
    assert n > 0 or status != quic_header.OPENED
    assert n == 0 or status in (quic_header.OPENED, quic_header.CUT)
    found.dcid, found.scid = frames[dcid : dcid + n_dcid], frames[scid : scid + n_scid]
    found.kind, found.number = int(info[quic_header.KIND]), int(info[quic_header.PACKET_NUMBER])
    found.plain = bytes(plain[:n])
    if n:
        found.pieces, behind = crypto_pieces(plain, n, info)
        assert behind == n
    return found
