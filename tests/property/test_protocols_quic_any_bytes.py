"""QUIC: any bytes are survived, bytes outside the span change nothing, and the same holds with bounds checked.

As in test_protocols_any_bytes.py, one test runs this file again in a process where numba checks every index.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.protocols import gquic, quic_keys
from sensor.protocols import quic_header as h
from sensor.protocols.quic_header import read_varint
from tests.support.checked import IN_CHECKED_RUN, IN_UNCHECKED_RUN, run_files_checked
from tests.support.damage import damaged
from tests.support.protocols import frames_of
from tests.support.quic import (
    DRAFT_29,
    Q050,
    V1,
    V2,
    Packet,
    crypto,
    crypto_pieces,
    fresh_keys,
    open_initial,
    varint,
)

ACK = b"\2\7\0\1\0\1\1"
CHLO = b"CHLO\2\0\0\0PAD\0\3\0\0\0SNI\0\x0c\0\0\0---a.example"
SEEDS = (
    Packet(crypto(b"abc") + ACK + b"\1\0" + crypto(b"", 300)).sealed(),
    Packet(crypto(b"abcdef"), V2, dcid=b"", scid=b"12345678", token=b"token", n_number=1).sealed()
    + Packet(b"\1" * 9, V2).sealed(),
    Packet(b"\1" * 30, DRAFT_29, number=70000, n_number=3).sealed(),
    Packet(b"\x40\1\0\0\1\0" + crypto(CHLO, kind=8), Q050).sealed(),
    b"\xe0\0\0\0\1\0\0\4abcd" + b"\xf0\0\0\0\1\1a\0" + bytes(20),
    b"\x80\0\0\0\0\1a\2bc\0\0\0\1\x6b\x33\x43\xcf",
    b"\x0d" + bytes(8) + b"Q043\1" + bytes(12) + b"\xa0\1\0\x2c" + CHLO,
    b"\xc3Q046\x50" + bytes(12 + 12) + b"\xa0\1\0\x2c" + CHLO,
)
TELLING = (0, 1, 2, 6, 0x3F, 0x40, 0x7F, 0x80, 0xC0, 0xFF)
PAYLOADS = st.one_of(st.binary(max_size=200), damaged(st.sampled_from(SEEDS), TELLING))
AROUND = st.binary(max_size=40)


@given(st.lists(st.tuples(PAYLOADS, st.booleans()), max_size=4), AROUND, AROUND, st.integers(0, 300))
def test_any_datagrams_of_a_flow(flow: list[tuple[bytes, bool]], before: bytes, after: bytes, room: int) -> None:
    """Two runs, one with other bytes around and little room, see the same; what does not open leaves the keys."""
    keys, keys_2, small = fresh_keys(), fresh_keys(), fresh_keys()
    for payload, is_server in flow:
        at = 0
        while at < len(payload):
            kept = keys.copy()
            found = open_initial(payload[at:], keys, is_server)
            assert found == open_initial(payload[at:], keys_2, is_server, before, after)
            assert (keys == keys_2).all()
            assert found.plain or (keys == kept).all()
            open_initial(payload[at:], small, is_server, room=room)
            at += found.next or len(payload)


@given(st.sampled_from((V1, V2)), st.binary(min_size=4, max_size=60), st.binary(max_size=20), st.booleans())
def test_what_is_sealed_opens(version: int, data: bytes, dcid: bytes, is_server: bool) -> None:
    keys = fresh_keys()
    client = open_initial(Packet(crypto(data), version, dcid).sealed(), keys)
    assert (client.status, client.pieces) == (h.OPENED, ((0, data),))
    packet = Packet(crypto(data, 9) + b"\0", version, b"new", is_server=is_server, keys_cid=dcid)
    if dcid:  # the twin takes an empty one for the packet's own
        assert open_initial(packet.sealed(), keys, is_server).pieces == ((9, data),)


FRAMES = st.lists(
    st.one_of(
        st.sampled_from((b"\0", b"\1", ACK, b"\3\7\0\0\0\1\1\1", b"\x1c\1\0\2no", b"\x40\1\0\0\1\0", b"\7", b"\4")),
        st.builds(crypto, st.binary(max_size=9), st.integers(0, 1 << 40), st.sampled_from((6, 8))),
    ),
    max_size=6,
)


def frames_twin(frames: list[bytes]) -> tuple[list[tuple[int, bytes]], bool]:
    """Offset and bytes of the CRYPTO frames before one that may not be there, and whether there is none such."""
    pieces = []
    for frame in frames:
        if frame[0] not in (0, 1, 2, 3, 6, 0x1C):
            return pieces, False
        if frame[0] == 6:
            n = 1 << (frame[1] >> 6)
            offset = int.from_bytes(frame[1 : 1 + n], "big") & ((1 << (8 * n - 2)) - 1)
            pieces.append((offset, frame[2 + n :]))
    return pieces, True


@given(FRAMES)
def test_frames_equal_their_twin(frames: list[bytes]) -> None:
    plain = b"".join(frames)
    info = np.zeros(h.N_INFO, np.int64)
    info[h.VERSION_ROW] = quic_keys.find_version(V1)
    pieces, behind = crypto_pieces(frames_of(plain), len(plain), info)
    want, is_sound = frames_twin(frames)
    assert (list(pieces), behind) == (want, len(plain) if is_sound else -1)


@given(st.one_of(st.binary(max_size=80), FRAMES.map(b"".join)), st.sampled_from((V1, Q050)), st.booleans(), AROUND)
def test_any_frames(plain: bytes, version: int, is_cut: bool, after: bytes) -> None:
    info = np.zeros(h.N_INFO, np.int64)
    info[h.VERSION_ROW] = quic_keys.find_version(version)
    info[h.IS_CUT] = int(is_cut)
    pieces, behind = crypto_pieces(frames_of(plain), len(plain), info)
    assert behind in (-1, len(plain))
    assert (pieces, behind) == crypto_pieces(frames_of(plain + after), len(plain), info)


@given(st.integers(0, (1 << 62) - 1), AROUND, AROUND)
def test_varints(value: int, before: bytes, after: bytes) -> None:
    wire = varint(value)
    frames, end = frames_of(before + wire + after), len(before) + len(wire)
    assert read_varint(frames, len(before), end) == (value, end)
    assert read_varint(frames, len(before), end - 1) == (0, h.SHORT)
    assert read_varint(frames, -1, end) == (0, h.SHORT)


@given(PAYLOADS, AROUND, AROUND)
def test_google(payload: bytes, before: bytes, after: bytes) -> None:
    frames = before + payload + after
    pos, end = len(before), len(before) + len(payload)
    for find in (gquic.find_gquic_sni, gquic.find_chlo_sni):
        offset, length = find(frames_of(payload), 0, len(payload))
        assert 0 <= length <= gquic.NAME_BYTES_MAX
        assert 0 <= offset <= offset + length <= len(payload)
        offset_2, length_2 = find(frames_of(frames), pos, end)
        assert frames[offset_2 : offset_2 + length_2] == payload[offset : offset + length]


@IN_CHECKED_RUN
def test_the_checked_run_checks() -> None:
    with pytest.raises(IndexError):
        read_varint(frames_of(b"a"), 5, 6)


@pytest.mark.slow
@IN_UNCHECKED_RUN
def test_all_of_this_with_bounds_checked() -> None:
    run_files_checked(__file__)
