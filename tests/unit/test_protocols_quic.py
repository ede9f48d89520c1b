"""QUIC Initial packets: the RFCs' samples, packets sealed by twins, what does not open, the frames, Google's QUIC."""

import random

import numpy as np
import pytest

from sensor.protocols import aes, gquic, quic_keys, tls
from sensor.protocols import quic_header as h
from sensor.protocols.quic import KEYS_BYTES, PLAIN_ROOM, WORK_WORDS
from sensor.protocols.quic import open_initial as kernel
from tests.support.protocols import client_hello, frames_of, server_name
from tests.support.quic import (
    DRAFT_29,
    Q050,
    V1,
    V2,
    Opened,
    Packet,
    crypto,
    crypto_pieces,
    encrypt,
    fresh_keys,
    gcm,
    initial_keys,
    open_initial,
    varint,
)

CID = bytes.fromhex("8394c8f03e515708")
CLIENT_FRAMES = bytes.fromhex(  # RFC 9001 appendix A.2, before the padding
    "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c000004130113"
    "02010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d00170018001000070005"
    "04616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce1"
    "5d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d00020101001c0002400100"
    "3900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806"
    "048000ffff"
).ljust(1162, b"\0")
SERVER_FRAMES = bytes.fromhex(  # A.3
    "02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf73988cfc79825df566dc5430b9a045a1200"
    "130100002e00330024001d00209d3c940d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9da1a002b00"
    "020304"
)
NAME = b"www.example.org"
HELLO = client_hello(server_name(NAME))
SMALL = crypto(HELLO[:40]) + b"\1\0\0" + crypto(HELLO[40:], 40)


def derived(version: int, is_server: bool) -> str:
    work = np.full(quic_keys.WORK_WORDS, 0x55555555, np.uint32)
    quic_keys.put_cid(frames_of(b"xx" + CID + b"x"), 2, 8, work)
    quic_keys.derive_keys(quic_keys.find_version(version), is_server, work)
    return work[quic_keys.KEY : quic_keys.KEYS_END].astype(">u4").tobytes().hex()


@pytest.mark.parametrize(
    ("version", "is_server", "key", "iv", "hp"),
    [
        # RFC 9001 appendix A.1, RFC 9369 appendix A.1, draft-ietf-quic-tls-23 and -29 appendix A.1
        (V1, False, "1f369613dd76d5467730efcbe3b1a22d", "fa044b2f42a3fd3b46fb255c", "9f50449e04a0e810283a1e9933adedd2"),
        (V1, True, "cf3a5331653c364c88f0f379b6067e37", "0ac1493ca1905853b0bba03e", "c206b8d9b9f0f37644430b490eeaa314"),
        (V2, False, "8b1a0bc121284290a29e0971b5cd045d", "91f73e2351d8fa91660e909f", "45b95e15235d6f45a6b19cbcb0294ba9"),
        (V2, True, "82db637861d55e1d011f19ea71d5d2a7", "dd13c276499c0249d3310652", "edf6d05c83121201b436e16877593c3a"),
        (
            *(0xFF000017, False, "af7fd7efebd21878ff66811248983694", "8681359410a70bb9c92f0420"),
            "a980b8b4fb7d9fbc13e814c23164253d",
        ),
        (
            *(DRAFT_29, False, "175257a31eb09dea9366d8bb79ad80ba", "6b26114b9cba2b63a9e8dd4f"),
            "9ddd12c994c0698b89374a9c077a3077",
        ),
    ],
)
def test_published_keys(version: int, is_server: bool, key: str, iv: str, hp: str) -> None:
    assert derived(version, is_server) == key + iv + hp


@pytest.mark.parametrize("version", [V1, V2, DRAFT_29, Q050])
@pytest.mark.parametrize("is_server", [False, True])
def test_keys_equal_the_twin(version: int, is_server: bool) -> None:
    assert derived(version, is_server) == b"".join(initial_keys(version, CID, is_server)).hex()


@pytest.mark.parametrize("version", [0, 2, 0xFF000015, 0xFF000023, 0xFACEB000, 0x0A0A0A0A, 0x51303436, 0x54303532])
def test_versions_without_known_keys(version: int) -> None:
    assert quic_keys.find_version(version) == -1


def words(block: bytes) -> list[np.uint32]:
    return list(np.frombuffer(block, ">u4").astype(np.uint32))


def kernel_encrypt(key: bytes, block: bytes) -> bytes:
    schedule = np.zeros(aes.SCHEDULE_WORDS, np.uint32)
    aes.expand_key(*words(key), schedule)
    return np.array(aes.encrypt_block(*words(block), schedule), ">u4").tobytes()


def test_aes_of_fips_197() -> None:
    key, block = bytes(range(16)), bytes(range(0, 0x100, 0x11))
    assert kernel_encrypt(key, block).hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"  # appendix C.1
    assert encrypt(key, block) == kernel_encrypt(key, block)


def test_aes_equals_the_twin() -> None:
    rng = random.Random(197)
    for _ in range(30):
        key, block = rng.randbytes(16), rng.randbytes(16)
        assert kernel_encrypt(key, block) == encrypt(key, block)


def test_the_twin_equals_another_implementation() -> None:
    ciphers = pytest.importorskip(
        "cryptography.hazmat.primitives.ciphers.aead", reason="cryptography is not here (extra `test`)"
    )
    rng = random.Random(38)
    for length in (0, 1, 15, 16, 17, 70):
        key, nonce, plain, extra = (rng.randbytes(n) for n in (16, 12, length, length // 2))
        assert gcm(key, nonce, plain, extra) == ciphers.AESGCM(key).encrypt(nonce, plain, extra)


@pytest.mark.parametrize(
    ("version", "begins", "tag"),
    [
        (V1, "c000000001088394c8f03e5157080000449e7b9aec34d1b1c9", "e221af44860018ab0856972e194cd934"),
        (V2, "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b", "a18b2faa745b6fe189cf772a9f84cbfc"),
    ],
)
def test_client_initial_of_the_rfcs(version: int, begins: str, tag: str) -> None:
    """RFC 9001 and RFC 9369 appendix A.2. The tag depends on all the bytes, so the twin's packet is the RFC's."""
    packet = Packet(CLIENT_FRAMES, version).sealed()
    assert len(packet) == 1200
    assert packet.hex().startswith(begins)
    assert packet[-16:].hex() == tag
    found = open_initial(packet, before=b"\xc0" * 9)
    assert found == Opened(h.OPENED, CLIENT_FRAMES, 1200, CID, b"", 2, h.INITIAL, version, ((0, CLIENT_FRAMES[4:245]),))


@pytest.mark.parametrize(
    ("version", "packet"),
    [
        (
            V1,
            "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb3"
            "8cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84"
            "022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407dd074ee",
        ),
        (
            V2,
            "dc6b3343cf0008f067a5502a4262b5004075d92faaf16f05d8a4398c47089698baeea26b91eb761d9b89237bbf872630"
            "17915358230035f7fd3945d88965cf17f9af6e16886c61bfc703106fbaf3cb4cfa52382dd16a393e42757507698075b2"
            "c984c707f0a0812d8cd5a6881eaf21ceda98f4bd23f6fe1a3e2c43edd9ce7ca84bed8521e2e140",
        ),
    ],
)
def test_server_initial_of_the_rfcs(version: int, packet: str) -> None:
    """Appendix A.3. It opens only after a packet of the client, and the client's keys come back."""
    payload, keys = bytes.fromhex(packet), fresh_keys()
    assert open_initial(payload, keys, is_server=True).status == h.BAD
    client = Packet(SMALL, version).sealed()
    assert open_initial(client, keys).status == h.OPENED
    for _ in range(2):
        found = open_initial(payload, keys, is_server=True)
        assert (found.status, found.plain, found.number) == (h.OPENED, SERVER_FRAMES, 1)
        assert found.pieces == ((0, SERVER_FRAMES[9:]),)
        assert (found.dcid, found.scid.hex()) == (b"", "f067a5502a4262b5")
        assert open_initial(client, keys).status == h.OPENED


def test_name_from_pieces_out_of_order() -> None:
    """As Chrome sends it: frames in any order, among padding and pings, over two packets."""
    keys, heard = fresh_keys(), bytearray(len(HELLO))
    first = b"\0\0" + crypto(HELLO[50:60], 50) + b"\1" + crypto(HELLO[:20]) + b"\0"
    second = crypto(HELLO[60:], 60) + b"\1\1\0" + crypto(HELLO[20:50], 20)
    for number, frames in enumerate((first, second)):
        for offset, data in open_initial(Packet(frames, number=number, n_number=1).sealed(), keys).pieces:
            heard[offset : offset + len(data)] = data
    record = b"\x16\3\1" + len(heard).to_bytes(2, "big") + heard
    status, offset, length = tls.find_sni(frames_of(record), 0, len(record))
    assert (status, record[offset : offset + length]) == (tls.HELLO_SNI, NAME)


@pytest.mark.parametrize("n_number", [1, 2, 3, 4])
@pytest.mark.parametrize("token", [b"", bytes(63), bytes(64), bytes(300)])
def test_numbers_tokens_and_ids(n_number: int, token: bytes) -> None:
    packet = Packet(SMALL, token=token, number=201, n_number=n_number, dcid=bytes(range(20)), scid=b"s" * 20)
    found = open_initial(packet.sealed())
    assert (found.status, found.plain, found.number) == (h.OPENED, SMALL, 201)
    assert (found.dcid, found.scid) == (packet.dcid, packet.scid)


def test_coalesced_packets() -> None:
    """What follows an Initial packet is found: another of them, a Handshake packet, and zeros that are no packet."""
    handshake = b"\xe0\0\0\0\1\0\0" + varint(30) + bytes(30)
    payload = Packet(SMALL).sealed() + Packet(b"\1" * 20, number=3).sealed() + handshake + bytes(9)
    keys, statuses, at = fresh_keys(), [], 0
    while at < len(payload):
        found = open_initial(payload[at:], keys)
        statuses.append(found.status)
        at += found.next or len(payload)
    assert statuses == [h.OPENED, h.OPENED, h.OTHER_LONG, h.NOT_QUIC]


def test_later_packets_to_the_servers_id_have_the_first_ones_keys() -> None:
    keys = fresh_keys()
    assert open_initial(Packet(SMALL).sealed(), keys).status == h.OPENED
    later = Packet(SMALL, dcid=b"servers", keys_cid=CID).sealed()
    assert open_initial(later, keys).status == h.OPENED
    assert open_initial(later).status == h.BAD
    assert open_initial(Packet(SMALL).sealed(), keys).status == h.OPENED


def test_retry_starts_anew() -> None:
    keys = fresh_keys()
    assert open_initial(Packet(SMALL).sealed(), keys).status == h.OPENED
    again = Packet(SMALL, dcid=b"retried", token=b"token")
    assert open_initial(again.sealed(), keys).status == h.OPENED
    server = Packet(SERVER_FRAMES, dcid=b"", is_server=True, keys_cid=b"retried").sealed()
    assert open_initial(server, keys, is_server=True).status == h.OPENED


def test_version_that_the_server_chose() -> None:
    """Compatible version negotiation (RFC 9369 section 4.1): version 2 on the first packet's connection id."""
    keys = fresh_keys()
    assert open_initial(Packet(SMALL).sealed(), keys).status == h.OPENED
    server = Packet(SERVER_FRAMES, V2, b"", is_server=True, keys_cid=CID).sealed()
    assert open_initial(server, keys, is_server=True).status == h.OPENED
    assert open_initial(Packet(SMALL, V2, b"servers", keys_cid=CID).sealed(), keys).status == h.OPENED


def test_what_does_not_open_leaves_the_keys() -> None:
    keys = fresh_keys()
    assert open_initial(Packet(SMALL).sealed(), keys).status == h.OPENED
    kept = keys.copy()
    for bad in (
        Packet(SMALL, reserved=1).sealed(),
        Packet(SMALL, dcid=b"other", keys_cid=b"unseen").sealed(),
        Packet(b"\1\x08\0\0" + bytes(20)).sealed(),  # a STREAM frame
        Packet(crypto(bytes(20))[:-1]).sealed(),  # a frame that ends behind the packet
        Packet(SMALL, length=19).sealed(),
        Packet(SMALL, length=20).sealed(),
    ):
        found = open_initial(bad, keys)
        assert (found.status, found.plain) == (h.BAD, b"")
        assert (keys == kept).all()


def test_damage_does_not_open() -> None:
    """No tag is checked: a bit flipped inside CRYPTO data goes unseen, but not one in what the keys depend on."""
    sound = Packet(crypto(HELLO)).sealed()
    for at in (*range(14), *range(18, 38)):  # ids, number and sample
        bad = sound[:at] + bytes([sound[at] ^ 0x41]) + sound[at + 1 :]
        assert open_initial(bad).status != h.OPENED, at


def test_every_cut() -> None:
    """A packet cut by the capture: what is there opens as soon as the sample is, and is the start of the whole."""
    packet = Packet(SMALL, scid=b"s", token=b"token").sealed()
    protected = len(packet) - len(SMALL) - 16 - 4
    for cut in range(len(packet)):
        found = open_initial(packet[:cut], after=packet[cut:])
        if cut < 6 + 8 + 1 + 1:
            assert found == Opened(h.NOT_QUIC)
            continue
        assert (found.status, found.next) == (h.CUT, cut)
        n_want = min(cut - protected - 4, len(SMALL)) if cut >= protected + 20 else 0
        assert found.plain == SMALL[:n_want]
        assert b"".join(data for _, data in found.pieces) == HELLO[: sum(len(data) for _, data in found.pieces)]


def test_cut_packet_keeps_its_keys() -> None:
    keys, packet = fresh_keys(), Packet(SMALL).sealed()
    assert open_initial(packet[:-30], keys).plain
    assert open_initial(Packet(SMALL, dcid=b"servers", keys_cid=CID).sealed(), keys).status == h.OPENED


def test_packet_longer_than_the_output() -> None:
    packet = Packet(bytes(100)).sealed()
    assert open_initial(packet, room=4 + 100 + 16).status == h.OPENED
    assert open_initial(packet, room=4 + 100 + 15).status == h.TOO_LONG


IDS = b"\x08" + CID + b"\4abcd"
V1_BYTES = b"\0\0\0\1"


@pytest.mark.parametrize(
    ("payload", "status", "kind"),
    [
        (b"", h.NOT_QUIC, 0),
        (b"\x40" + CID + bytes(30), h.NOT_QUIC, 0),  # a short header
        (b"\xc0" + V1_BYTES + b"\x15" + bytes(50), h.NOT_QUIC, 0),  # an id of 21 bytes
        (b"\xc0" + V1_BYTES + b"\0\x15" + bytes(50), h.NOT_QUIC, 0),
        (b"\x80\0\0\0\0" + IDS + V1_BYTES + b"\x6b\x33\x43\xcf", h.OTHER_LONG, h.VERSION_NEGOTIATION),
        (b"\x80\0\0\0\0" + IDS, h.NOT_QUIC, 0),
        (b"\x80\0\0\0\0" + IDS + V1_BYTES + b"\x6b\x33", h.NOT_QUIC, 0),
        (b"\xc0\x1a\x2a\x3a\x4a" + IDS + bytes(20), h.UNKNOWN_VERSION, 0),
        (b"\xd0" + V1_BYTES + IDS + b"\2ab", h.OTHER_LONG, h.ZERO_RTT),
        (b"\xe0" + V1_BYTES + IDS + b"\2ab", h.OTHER_LONG, h.HANDSHAKE),
        (b"\xe0" + V1_BYTES + IDS + b"\3ab", h.CUT, h.HANDSHAKE),
        (b"\xe0" + V1_BYTES + IDS, h.CUT, h.HANDSHAKE),
        (b"\xf0" + V1_BYTES + IDS + bytes(16), h.OTHER_LONG, h.RETRY),
        (b"\xf0" + V1_BYTES + IDS + bytes(15), h.CUT, h.RETRY),
        (b"\xc0\x6b\x33\x43\xcf" + IDS + bytes(16), h.OTHER_LONG, h.RETRY),
        (b"\xe0\x6b\x33\x43\xcf" + IDS + b"\2ab", h.OTHER_LONG, h.ZERO_RTT),
        (b"\xf0\x6b\x33\x43\xcf" + IDS + b"\2ab", h.OTHER_LONG, h.HANDSHAKE),
        (b"\xc0" + V1_BYTES + IDS + b"\0\x13" + bytes(19), h.BAD, h.INITIAL),
        (b"\xc0" + V1_BYTES + IDS + b"\xff" + b"\xff" * 40, h.CUT, h.INITIAL),  # a token of 2^62 - 1 bytes
        (b"\xc0" + V1_BYTES + IDS + b"\0" + b"\xff" * 40, h.CUT, h.INITIAL),
    ],
)
def test_other_headers(payload: bytes, status: int, kind: int) -> None:
    found = open_initial(payload)
    assert (found.status, found.kind) == (status, kind)
    assert found.plain == b""
    if status != h.NOT_QUIC:
        assert (found.dcid, found.scid) == (CID, b"abcd")


@pytest.mark.parametrize(("pos", "end"), [(-1, 100), (50, 50), (60, 50), (0, 5000), (5000, 5001)])
def test_spans_outside_the_bytes(pos: int, end: int) -> None:
    frames = frames_of(Packet(SMALL).sealed())
    arrays = fresh_keys(), np.zeros(PLAIN_ROOM, np.uint8), np.zeros(WORK_WORDS, np.uint32), np.zeros(h.N_INFO, np.int64)
    assert kernel(frames, pos, end, False, *arrays) == h.NOT_QUIC


@pytest.mark.parametrize("short", [0, 2, 3])
def test_arrays_too_small(short: int) -> None:
    frames = frames_of(Packet(SMALL).sealed())
    sizes = [KEYS_BYTES, PLAIN_ROOM, WORK_WORDS, h.N_INFO]
    sizes[short] -= 1
    kinds = (np.uint8, np.uint8, np.uint32, np.int64)
    arrays = [np.zeros(size, kind) for size, kind in zip(sizes, kinds, strict=True)]
    assert kernel(frames, 0, len(frames), False, *arrays) == h.NOT_QUIC


# --- frames ---


def walk(plain: bytes, version: int = V1, is_cut: bool = False) -> tuple[tuple[tuple[int, bytes], ...], int]:
    info = np.zeros(h.N_INFO, np.int64)
    info[h.VERSION_ROW] = quic_keys.find_version(version)
    info[h.IS_CUT] = int(is_cut)
    return crypto_pieces(frames_of(plain), len(plain), info)


ACK = b"\2" + varint(300) + varint(5) + b"\2\1" + b"\0\1" + varint(70) + b"\2"
ACK_ECN = b"\3\7\0\0\0" + varint(1) + varint(16384) + b"\0"
CLOSE = b"\x1c" + varint(0x128) + b"\0" + varint(5) + b"sorry"


def test_frames_of_every_kind() -> None:
    plain = ACK + b"\1\0\0" + crypto(b"ab", 1 << 40) + ACK_ECN + CLOSE + crypto(b"") + b"\0"
    assert walk(plain) == (((1 << 40, b"ab"), (0, b"")), len(plain))


@pytest.mark.parametrize("frame", [ACK, ACK_ECN, CLOSE, crypto(b"abc", 700)])
def test_frames_cut_anywhere(frame: bytes) -> None:
    for cut in range(1, len(frame)):
        assert walk(b"\1" + frame[:cut])[1] == -1
        pieces, behind = walk(b"\1" + frame[:cut], is_cut=True)
        assert behind == cut + 1
        assert b"".join(data for _, data in pieces) == (frame[4:cut] if frame[0] == 6 else b"")


@pytest.mark.parametrize(
    "plain",
    [
        b"\4",
        b"\x1d\0\0",  # CONNECTION_CLOSE of the application
        b"\xff",
        b"\2\0\0" + b"\xff" * 8 + b"\0",  # 2^62 - 1 ranges
        crypto(b"ab")[:-2] + b"",
        b"\6\0" + b"\xff" * 8,
    ],
)
def test_malformed_frames(plain: bytes) -> None:
    assert walk(plain) == ((), -1)
    assert walk(crypto(b"x") + plain) == (((0, b"x"),), -1)


def test_frames_of_google() -> None:
    acks = (b"\x40\1\0\0\1\0", b"\x45\0\1\0\0\0\1\0", b"\x60\1\0\0\1\1\2\1\0", b"\x4f" + bytes(14) + b"\2" + bytes(8))
    close = b"\2\0\0\0\1\0\3bye"
    plain = b"\0" + b"".join(acks) + b"\7" + crypto(b"ab", 9, kind=8) + close + b"\0"
    assert walk(plain, Q050) == (((9, b"ab"),), len(plain))
    assert walk(plain)[1] == -1
    for frame in (*acks, close, crypto(b"ab", kind=8)):
        for cut in range(1, len(frame)):
            assert walk(frame[:cut], Q050)[1] == -1
    assert walk(crypto(b"ab"), Q050) == ((), -1)


# --- Google's QUIC ---


def chlo(*tags: tuple[bytes, bytes]) -> bytes:
    table, values = b"", b""
    for tag, value in tags:
        values += value
        table += tag + len(values).to_bytes(4, "little")
    return b"CHLO" + len(tags).to_bytes(2, "little") + b"\0\0" + table + values


TAGS = ((b"PAD\0", b"-" * 50), (b"SNI\0", NAME), (b"STK\0", b""), (b"VER\0", b"Q043"))
STREAM = b"\xa0\1\4\0"
HASH = b"\xee" * 12
HEADERS = {
    "Q024": b"\x0d" + CID + b"Q024\1" + HASH + b"\0" + STREAM,
    "Q035": b"\x09" + CID + b"Q035\1" + HASH + STREAM,
    "Q043": b"\x39" + CID + b"Q043\0\0\0\0\0\1" + HASH + b"\xa4\1\0\0\4\0",
    "Q046": b"\xc3Q046\x50" + CID + b"\0\0\0\1" + HASH + STREAM,
}


def gquic_name(payload: bytes, before: bytes = b"") -> bytes:
    frames = before + payload
    offset, length = gquic.find_gquic_sni(frames_of(frames), len(before), len(frames))
    return frames[offset : offset + length]


@pytest.mark.parametrize("version", HEADERS)
def test_name_in_the_clear(version: str) -> None:
    payload = HEADERS[version] + chlo(*TAGS) + bytes(20)
    assert gquic_name(payload, b"\x0d" * 9) == NAME
    assert open_initial(payload).status == h.CLEAR_GOOGLE
    assert open_initial(payload).version == int.from_bytes(version.encode(), "big")
    name_end = payload.index(NAME) + len(NAME)
    for cut in range(len(payload)):
        assert gquic_name(payload[:cut]) == (NAME if cut >= name_end else b"")


def test_name_in_q050() -> None:
    message = chlo(*TAGS)
    found = open_initial(Packet(crypto(message, kind=8).ljust(600, b"\0"), Q050).sealed())
    assert (found.status, found.pieces) == (h.OPENED, ((0, message),))
    offset, length = gquic.find_chlo_sni(frames_of(found.plain), 4, 4 + len(message))
    assert found.plain[offset : offset + length] == NAME


@pytest.mark.parametrize(
    "message",
    [
        chlo(),
        chlo(*TAGS[:1], *TAGS[2:]),
        chlo((b"SNI\0", b"")),
        chlo((b"SNI\0", b"x" * 256)),
        chlo((b"PAD\0", b"ab"), (b"SNI\0", NAME)).replace(b"PAD\0\2", b"PAD\0\xff"),  # ends fall
        chlo(*TAGS).replace(b"CHLO", b"SHLO"),
        b"CHLO\xff\xff\0\0" + bytes(200),
        chlo((b"SNI\0", NAME)).replace(bytes([len(NAME), 0, 0, 0]), b"\xff\xff\xff\xff"),
    ],
)
def test_messages_without_a_name(message: bytes) -> None:
    assert gquic_name(HEADERS["Q043"] + message) == b""


@pytest.mark.parametrize("header", [b"\x01" + CID + b"Q043", b"\x0d" + CID + b"Q023", b"\x0d" + CID + b"Q050", b"\xc0"])
def test_other_beginnings(header: bytes) -> None:
    assert gquic_name(header + b"\1" + HASH + STREAM + chlo(*TAGS)) == b""


@pytest.mark.parametrize(("pos", "end"), [(-1, 40), (9, 9), (9, 5000), (5000, 5001)])
def test_google_spans_outside_the_bytes(pos: int, end: int) -> None:
    frames = frames_of(HEADERS["Q043"] + chlo(*TAGS))
    assert gquic.find_gquic_sni(frames, pos, end) == (0, 0)
    assert gquic.find_chlo_sni(frames, pos, end) == (0, 0)
