"""Properties of the capture readers: any bytes are survived, pieces and batches do not matter, a cut keeps a prefix."""

import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.capture import pcap, pcapng, reader, walk, window
from sensor.capture.reader import CaptureReader, open_capture
from sensor.errors import InputError
from tests.support.captures import (
    MAX_RECORD_BYTES,
    Packet,
    block,
    enhanced_packet,
    interface,
    obsolete_packet,
    option,
    pcap_header,
    pcap_record,
    read_all,
    section,
    simple_packet,
    twin_read,
)

U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
FRAMES = st.binary(max_size=40)
ORDERS = st.sampled_from("<>")


@st.composite
def pcaps(draw: st.DrawFn) -> bytes:
    order = draw(ORDERS)
    magic = draw(st.sampled_from([0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34]))
    records = draw(st.lists(st.tuples(U32, U32, FRAMES, st.none() | U32), max_size=8))
    head = pcap_header(order, magic, draw(U32), draw(st.integers(0, 0xFFFF)))
    return head + b"".join(
        pcap_record(seconds, fraction, frame, wire_len, order, magic == 0xA1B2CD34)
        for seconds, fraction, frame, wire_len in records
    )


@st.composite
def pcapng_sections(draw: st.DrawFn) -> bytes:
    order = draw(ORDERS)
    data = section(order)
    n_interfaces = draw(st.integers(0, 3))
    for _ in range(n_interfaces):
        options = b""
        if draw(st.booleans()):
            options += option(9, bytes([draw(st.integers(0, 255))]), order)
        if draw(st.booleans()):
            offset_s = draw(st.integers(-(2**63), 2**63 - 1) | st.integers(-(2**34), 2**34))
            options += option(14, struct.pack(order + "q", offset_s), order)
        data += interface(order, draw(st.integers(0, 0xFFFF)), draw(st.integers(0, 50)), options)
    for kind in draw(st.lists(st.sampled_from([2, 3, 6, 5, 0xBAD]), max_size=8)):
        frame = draw(FRAMES)
        which = draw(st.integers(0, max(n_interfaces - 1, 0)))
        if kind == 2:
            data += obsolete_packet(draw(U64), frame, which, order=order)
        elif kind == 3:
            data += simple_packet(frame, draw(st.none() | U32), order)
        elif kind == 6:
            data += enhanced_packet(draw(U64), frame, which, draw(st.none() | U32), order)
        else:
            data += block(kind, frame, order)
    return data


CAPTURES = pcaps() | st.lists(pcapng_sections(), min_size=1, max_size=3).map(b"".join)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A capture with some of its bytes overwritten, away from the first header."""
    data = bytearray(draw(CAPTURES))
    for _ in range(draw(st.integers(1, 4))):
        data[draw(st.integers(24, max(len(data) - 1, 24))) % len(data)] = draw(st.integers(0, 255))
    return bytes(data)


def read_bytes(data: bytes) -> tuple[list[Packet], str | None]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "capture"
        path.write_bytes(data)
        return read_all(open_capture(str(path)))


class Pieces:
    """A byte source that gives its bytes in pieces of chosen sizes."""

    path = "pieces"
    compression = ""
    damage = None
    bytes_total = None

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._rest = data
        self._sizes = sizes
        self.bytes_read = 0

    def readinto(self, view: memoryview) -> int:
        size = self._sizes[self.bytes_read % len(self._sizes)]
        piece = self._rest[: min(size, len(view))]
        view[: len(piece)] = piece
        self._rest = self._rest[len(piece) :]
        self.bytes_read += len(piece)
        return len(piece)

    def content_hash(self) -> str | None:
        return None

    def likeness(self) -> str:
        return ""

    def close(self) -> None:
        return


@given(CAPTURES)
def test_reader_equals_twin(data: bytes) -> None:
    packets, damage = read_bytes(data)
    assert (packets, damage is not None) == twin_read(data)


@given(damaged())
def test_reader_equals_twin_on_damaged_captures(data: bytes) -> None:
    try:
        packets, damage = read_bytes(data)
    except InputError as error:  # the first header was hit
        assert "not a capture" in str(error)
        return
    assert (packets, damage is not None) == twin_read(data)


@given(st.sampled_from([b"", *pcap.MAGICS, b"\n\r\r\n"]), st.binary(max_size=400))
def test_any_bytes_are_survived(magic: bytes, data: bytes) -> None:
    try:
        packets, _ = read_bytes(magic + data)
    except InputError as error:
        assert "capture" in str(error)
    else:
        assert sum(len(packet.frame) for packet in packets) <= len(data)


@given(CAPTURES | damaged(), st.lists(st.integers(1, 70), min_size=1, max_size=6), st.integers(1, 80))
def test_pieces_and_buffer_size_change_nothing(data: bytes, sizes: list[int], buffer_bytes: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "open_source", lambda path: Pieces(data, sizes))
        patch.setattr(window, "BUFFER_BYTES", buffer_bytes)
        try:
            split = read_all(CaptureReader("pieces"))
        except InputError as error:
            assert "not a capture" in str(error)
            return
    packets, damage = read_bytes(data)
    assert split[0] == packets
    assert (split[1] is None) == (damage is None)


@given(CAPTURES)
def test_every_cut_keeps_a_prefix(data: bytes) -> None:
    whole = read_bytes(data)[0]
    for cut in range(4, len(data)):
        packets = twin_checked(data[:cut])
        assert packets == whole[: len(packets)]


def twin_checked(data: bytes) -> list[Packet]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "open_source", lambda path: Pieces(data, [1 << 20]))
        packets, damage = read_all(CaptureReader("pieces"))
    assert (packets, damage is not None) == twin_read(data)
    return packets


@given(U64, st.sampled_from([2, 10]), st.integers(0, 127), st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5))
def test_clock_is_exact_in_integers(units: int, base: int, exponent: int, offset_s: int) -> None:
    options = option(9, bytes([exponent | (0x80 if base == 2 else 0)])) + option(14, struct.pack("<q", offset_s))
    data = section() + interface(options=options) + enhanced_packet(units, b"")
    packets, _ = read_bytes(data)
    assert packets == twin_read(data)[0]


def test_the_twin_and_the_readers_agree_on_limits() -> None:
    assert MAX_RECORD_BYTES == walk.MAX_RECORD_BYTES
    assert pcapng.MAX_INTERFACES == 65536
