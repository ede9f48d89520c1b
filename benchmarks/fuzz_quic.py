"""Feed the QUIC readers with mutated datagrams of a flow, raw ones and ones sealed here, so that what is inside is met.

usage: NUMBA_BOUNDSCHECK=1 python benchmarks/fuzz_quic.py CORPUS_DIR -max_total_time=60   kernels as compiled

There is no guided way: ciphers as Python are too slow. An input is a byte, the room for plain text, and packets: a byte
of what to do with it (the constants below), its size in two bytes, and either the datagram or the frames to seal in an
Initial packet. What is sealed soundly must open to the same bytes.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from fuzzing import AROUND, GUIDED, Around, Outputs, captured, fuzz, note, untouched

from sensor.protocols import aes, gquic, quic, quic_keys
from sensor.protocols import quic_header as h
from sensor.protocols.quic_frames import next_crypto
from tests.support.protocols import client_hello, extension, server_name
from tests.support.quic import DRAFT_29, Q050, V1, V2, crypto, varint

SERVER, SEALED, CUT, OWN_ID, LONG_TOKEN = 1, 2, 4, 8, 16  # the two upper bits choose the version
VERSIONS = (V1, V2, DRAFT_29, Q050)
CID = bytes.fromhex("8394c8f03e515708")
KNOWN = (h.NOT_QUIC, h.OPENED, h.OTHER_LONG, h.UNKNOWN_VERSION, h.BAD, h.TOO_LONG, h.CUT, h.CLEAR_GOOGLE)
MOST_PACKETS = 6


def words(work: Any, at: int, n: int) -> list[np.uint32]:
    return [np.uint32(word) for word in work[at : at + n]]


def seal(frames: bytes, how: int, number: int) -> bytes:
    """An Initial packet with a tag of zeros, which nobody checks (RFC 9001 section 5). The twin is too slow here."""
    version, dcid = VERSIONS[how >> 6], b"other id" if how & OWN_ID else CID
    n_number = number % 4 + 1
    head = bytes([0xC0 | (0x10 if version == V2 else 0) | n_number - 1]) + version.to_bytes(4, "big")
    token = bytes(100) if how & LONG_TOKEN else b""
    head += bytes([len(dcid)]) + dcid + b"\0" + varint(len(token)) + token + varint(n_number + len(frames) + 16, 2)
    work = np.zeros(quic.WORK_WORDS, np.uint32)
    key_id = np.frombuffer(dcid if how & OWN_ID and not how & SERVER else CID, np.uint8)
    quic_keys.put_cid(key_id, 0, len(key_id), work)
    quic_keys.derive_keys(quic_keys.find_version(version), bool(how & SERVER), work)
    aes.expand_key(*words(work, quic_keys.KEY, 4), work)
    nonce = words(work, quic_keys.IV, 3)
    sealed = np.zeros(len(frames) + 16, np.uint8)
    last = np.uint32(int(nonce[2]) ^ number)
    aes.decrypt_counted(np.frombuffer(frames, np.uint8), 0, len(frames), nonce[0], nonce[1], last, work, sealed)
    packet = bytearray(head + number.to_bytes(n_number, "big") + sealed.tobytes())
    aes.expand_key(*words(work, quic_keys.HP, 4), work)
    sample = np.frombuffer(bytes(packet[len(head) + 4 : len(head) + 20]), ">u4").astype(np.uint32)
    mask = b"".join(int(word).to_bytes(4, "big") for word in aes.encrypt_block(*sample, work))
    packet[0] ^= mask[0] & 0x0F
    for i in range(n_number):
        packet[len(head) + i] ^= mask[1 + i]
    return bytes(packet)


def pieces(plain: Any, n: int, info: Any) -> Iterator[Any]:
    at = 0
    while next_crypto(plain, at, n, info):
        begin, length, behind = (int(info[i]) for i in (h.CRYPTO_AT, h.CRYPTO_BYTES, h.NEXT_FRAME))
        assert at < begin <= begin + length == behind <= n
        assert 0 <= info[h.CRYPTO_OFFSET] < 1 << 62
        yield int(info[h.CRYPTO_OFFSET]), begin, length
        at = behind
    assert info[h.NEXT_FRAME] == n


def open_one(at: Around, keys: Any, is_server: bool, room: int) -> list[Any]:
    outputs = Outputs()
    plain, work = outputs.take(room), outputs.take(quic.WORK_WORDS, np.uint32)
    info, kept = outputs.take(h.N_INFO, np.int64), keys.copy()
    status = int(quic.open_initial(*at.all, is_server, keys, plain, work, info))
    outputs.check()
    assert status in KNOWN
    if status == h.NOT_QUIC:
        assert untouched(plain)
        return [status, 0, b""]
    assert at.pos < info[h.NEXT] <= at.end
    n = int(info[h.PLAIN_BYTES])
    assert 0 <= n <= min(room, at.end - at.pos)
    assert n > 0 or (keys == kept).all()
    assert (n > 0) >= (status == h.OPENED)
    found = [status, int(info[h.NEXT]) - at.pos, plain[:n].tobytes()]
    if status != h.CLEAR_GOOGLE:
        found += at.spans(info - 0, (h.DCID_AT, h.SCID_AT), quic_keys.CID_BYTES_MAX)
    found += [*map(int, info[[h.VERSION, h.KIND, h.PACKET_NUMBER, h.IS_CUT, h.VERSION_ROW]])]
    if n:
        assert status in (h.OPENED, h.CUT)
        found += pieces(plain, n, info)
        found.append(Around(plain[:n].tobytes()).span(*gquic.find_chlo_sni(plain, 0, n), gquic.NAME_BYTES_MAX))
    return found


def one_input(data: bytes) -> None:
    room, rest = (data[0] * 8 if data else 0), data[1:]
    keys, among = (Outputs().take(quic.KEYS_BYTES) for _ in range(2))
    keys[:] = among[:] = 0
    for number in range(MOST_PACKETS):
        if len(rest) < 3:
            return
        how, size = rest[0], int.from_bytes(rest[1:3], "big")
        body, rest = rest[3 : 3 + size], rest[3 + size :]
        if how & SEALED:
            body = body.ljust(4, b"\0")  # as short as header protection allows
        packet = seal(body, how, number) if how & SEALED else body
        if how & CUT:
            packet = packet[: len(packet) - 1 - size % 40]
        while packet:
            found = open_one(Around(packet), keys, bool(how & SERVER), room)
            assert found == open_one(Around(packet, AROUND, AROUND), among, bool(how & SERVER), room)
            assert (keys == among).all()
            if how & SEALED and not how & CUT and found[0] == h.OPENED:
                assert found[2] == body, "opened to other bytes"
            note(found[0], len(found), number, *((item & 15 if isinstance(item, int) else 1) for item in found[5:10]))
            for find in (gquic.find_gquic_sni, gquic.find_chlo_sni):
                one, other = Around(packet), Around(packet, AROUND, AROUND)
                name = one.span(*find(*one.all), gquic.NAME_BYTES_MAX)
                assert name == other.span(*find(*other.all), gquic.NAME_BYTES_MAX)
                note(name[1] > 0, find is gquic.find_chlo_sni)
            packet = packet[found[1] :] if found[1] else b""


def seeds() -> Iterator[bytes]:
    def record(how: int, body: bytes) -> bytes:
        return bytes([how]) + len(body).to_bytes(2, "big") + body

    hello = client_hello(extension(16, b"\0\3\2h3") + server_name(b"a.example"))
    chlo = b"CHLO\2\0\0\0PAD\0\3\0\0\0SNI\0\x0c\0\0\0---a.example"
    ack, close = b"\2\7\0\1\0\1\1" + b"\3\7\0\0\0\1\1\1", b"\x1c\1\0\2no"
    for version in range(4):
        how, kind = SEALED | version << 6, 8 if version == 3 else 6
        halves = [crypto(hello[40:], 40, kind), crypto(hello[:40], 0, kind) + bytes(40)]
        yield b"\xff" + b"".join(record(how, frames) for frames in halves)
        yield b"\xff" + record(how, crypto(hello, 0, kind)) + record(how | SERVER, ack + crypto(b"abc", 0, kind))
        yield b"\xff" + record(how | OWN_ID | LONG_TOKEN, b"\1" * 30 + close) + record(how | CUT, crypto(hello))
        yield b"\x08" + record(how, b"\x40\1\0\0\1\0" + crypto(chlo, 0, 8) + b"\x60\1\0\2\1\1\1\1\1\1\0")
    yield b"\xff" + record(0, b"\x0d" + bytes(8) + b"Q043\1" + bytes(12) + b"\xa0\1\0\x2c" + chlo)
    yield b"\xff" + record(0, b"\xc3Q046\x50" + bytes(24) + b"\xa0\1\0\x2c" + chlo)
    for conversation in captured():
        if conversation[0] & 2 and conversation[3] >= 0x40:
            body = conversation[3 : 3 + int.from_bytes(conversation[1:3], "big")]
            yield b"\xff" + record(0, body)


if __name__ == "__main__":
    if GUIDED:
        sys.exit("ciphers as Python are too slow: set NUMBA_BOUNDSCHECK=1 instead")
    fuzz(one_input, seeds)
