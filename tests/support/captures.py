"""Capture files built byte by byte, and a slow, obvious reader of them: the twin of the kernels in sensor.capture.

The twin follows the format drafts with `struct` and Python's unbounded integers, one record at a time.
"""

import struct
from dataclasses import dataclass

from sensor.capture.batch import Batch
from sensor.capture.reader import CaptureReader, RotatedReader
from sensor.errors import DamagedCaptureError

INT64_MAX = 2**63 - 1
MAX_RECORD_BYTES = 16 << 20


@dataclass(frozen=True)
class Packet:
    """One frame as a capture delivers it."""

    ts_ns: int
    frame: bytes
    wire_len: int
    link: int


def packets_of(batch: Batch) -> list[Packet]:
    """A batch's frames, copied out; also checks what every batch promises."""
    n_bytes = len(batch.frames)
    assert (batch.start >= 0).all()
    assert (batch.start <= batch.end).all()
    assert (batch.end <= n_bytes).all()
    assert (batch.wire_len >= batch.end - batch.start).all()
    assert not batch.vlan_id.any()
    columns = (batch.start, batch.end, batch.ts_ns, batch.wire_len, batch.link)
    assert {len(column) for column in columns} == {len(batch)}
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [Packet(ts, batch.frames[start:end].tobytes(), wire, link) for start, end, ts, wire, link in rows]


def read_all(reader: CaptureReader | RotatedReader) -> tuple[list[Packet], str | None]:
    """(every packet, the text of the damage that ended it)."""
    packets: list[Packet] = []
    try:
        for batch in reader.batches():
            assert len(batch) > 0
            packets += packets_of(batch)
    except DamagedCaptureError as error:
        assert reader.packets == len(packets)
        return packets, str(error)
    assert reader.packets == len(packets)
    return packets, None


# --- writing ---


def pcap_header(order: str = "<", magic: int = 0xA1B2C3D4, snaplen: int = 262144, network: int = 1) -> bytes:
    return struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, network)


def pcap_record(
    seconds: int,
    fraction: int,
    frame: bytes,
    wire_len: int | None = None,
    order: str = "<",
    modified: bool = False,
) -> bytes:
    wire = len(frame) if wire_len is None else wire_len
    extra = struct.pack(order + "IHBB", 3, 0x0800, 4, 0) if modified else b""
    return struct.pack(order + "IIII", seconds, fraction, len(frame), wire) + extra + frame


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<", version: tuple[int, int] = (1, 0), options: bytes = b"") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, *version, -1) + options, order)


def interface(order: str = "<", link: int = 1, snaplen: int = 0, options: bytes = b"") -> bytes:
    return block(1, struct.pack(order + "HHI", link, 0, snaplen) + options, order)


def enhanced_packet(
    units: int, frame: bytes, interface_id: int = 0, wire_len: int | None = None, order: str = "<"
) -> bytes:
    wire = len(frame) if wire_len is None else wire_len
    head = struct.pack(order + "IIIII", interface_id, units >> 32, units & 0xFFFFFFFF, len(frame), wire)
    return block(6, head + frame, order)


def obsolete_packet(units: int, frame: bytes, interface_id: int = 0, drops: int = 7, order: str = "<") -> bytes:
    head = struct.pack(order + "HHIIII", interface_id, drops, units >> 32, units & 0xFFFFFFFF, len(frame), len(frame))
    return block(2, head + frame, order)


def simple_packet(frame: bytes, wire_len: int | None = None, order: str = "<") -> bytes:
    return block(3, struct.pack(order + "I", len(frame) if wire_len is None else wire_len) + frame, order)


# --- reading, slowly ---


def twin_read(data: bytes) -> tuple[list[Packet], bool]:
    """(every packet before the damage, whether there is damage) of an uncompressed capture."""
    if data[:4] == b"\n\r\r\n":
        return _twin_pcapng(data)
    return _twin_pcap(data)


def _twin_pcap(data: bytes) -> tuple[list[Packet], bool]:
    forms = {
        (order, magic): struct.pack(order + "I", magic)
        for order in "<>"
        for magic in (0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34)
    }
    order, magic = next(key for key, head in forms.items() if head == data[:4])
    if len(data) < 24:
        return [], True
    snaplen, network = struct.unpack(order + "II", data[16:24])
    header_bytes = 24 if magic == 0xA1B2CD34 else 16
    longest = min(max(snaplen, 262144), MAX_RECORD_BYTES - 24)
    packets: list[Packet] = []
    rest = data[24:]
    while rest:
        if len(rest) < header_bytes:
            return packets, True
        seconds, fraction, cap_len, wire_len = struct.unpack(order + "IIII", rest[:16])
        if cap_len > longest or len(rest) < header_bytes + cap_len:
            return packets, True
        ts_ns = seconds * 10**9 + fraction * (1 if magic == 0xA1B23C4D else 1000)
        frame = rest[header_bytes : header_bytes + cap_len]
        packets.append(Packet(ts_ns, frame, max(wire_len, cap_len), network & 0xFFFF))
        rest = rest[header_bytes + cap_len :]
    return packets, False


@dataclass(frozen=True)
class _TwinInterface:
    link: int
    snaplen: int
    base: int
    exponent: int
    offset_s: int

    def ts_ns(self, units: int) -> int:
        exact: int = units * 10**9 // self.base**self.exponent
        if exact > INT64_MAX:  # also where a negative offset would bring it back
            return INT64_MAX
        return min(exact + max(-INT64_MAX, min(INT64_MAX, self.offset_s * 10**9)), INT64_MAX)


def _twin_interface(body: bytes, order: str) -> _TwinInterface | None:
    if len(body) < 8:
        return None
    link, _reserved, snaplen = struct.unpack(order + "HHI", body[:8])
    base, exponent, offset_s = 10, 6, 0
    options = body[8:]
    while options:
        code, length = struct.unpack(order + "HH", options[:4])
        if code == 0:
            break
        value = options[4 : 4 + length]
        if len(value) != length:
            return None
        if code == 9:
            if length != 1:
                return None
            base, exponent = (2, value[0] - 128) if value[0] >= 128 else (10, value[0])
        if code == 14:
            if length != 8:
                return None
            offset_s = struct.unpack(order + "q", value)[0]
        options = options[4 + length + -length % 4 :]
    return _TwinInterface(link, snaplen, base, exponent, offset_s)


def _twin_pcapng(data: bytes) -> tuple[list[Packet], bool]:
    packets: list[Packet] = []
    interfaces: list[_TwinInterface] = []
    order = "<"
    rest = data
    while rest:
        if len(rest) < 12:
            return packets, True
        if rest[:4] == b"\n\r\r\n":
            if rest[8:12] not in (b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a"):
                return packets, True
            order = ">" if rest[8:12] == b"\x1a\x2b\x3c\x4d" else "<"
        kind, length = struct.unpack(order + "II", rest[:8])
        if length < 12 or length % 4 or length > MAX_RECORD_BYTES or length > len(rest):
            return packets, True
        if rest[length - 4 : length] != rest[4:8]:
            return packets, True
        body = rest[8 : length - 4]
        rest = rest[length:]
        if kind == 0x0A0D0D0A:
            if len(body) < 16 or struct.unpack(order + "HH", body[4:8]) not in ((1, 0), (1, 2)):
                return packets, True
            interfaces = []
        elif kind == 1:
            found = _twin_interface(body, order)
            if found is None or len(interfaces) == 65536:
                return packets, True
            interfaces.append(found)
        elif kind in (2, 6):
            if len(body) < 20:
                return packets, True
            which = struct.unpack(order + ("H" if kind == 2 else "I"), body[: 2 if kind == 2 else 4])[0]
            high, low, cap_len, wire_len = struct.unpack(order + "IIII", body[4:20])
            if which >= len(interfaces) or cap_len > len(body) - 20:
                return packets, True
            ts_ns = interfaces[which].ts_ns((high << 32) + low)
            frame = body[20 : 20 + cap_len]
            packets.append(Packet(ts_ns, frame, max(wire_len, cap_len), interfaces[which].link))
        elif kind == 3:
            if len(body) < 4 or not interfaces:
                return packets, True
            wire_len = struct.unpack(order + "I", body[:4])[0]
            frame = body[4 : 4 + min(wire_len, interfaces[0].snaplen or wire_len)]
            packets.append(Packet(packets[-1].ts_ns if packets else 0, frame, wire_len, interfaces[0].link))
    return packets, False
