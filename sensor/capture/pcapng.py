"""pcapng: sections, interfaces with clocks of their own, and a kernel that indexes the packet blocks.

Source: draft-ietf-opsawg-pcapng. Blocks that carry no packet are skipped. Section lengths are not trusted: blocks
are walked one by one, and a section header may change the byte order anywhere.
In: a window over the file. Out: columns. Never copies a frame.
"""

import struct

import numpy as np
from numba import from_dtype, types

from sensor.capture.batch import BATCH_PACKETS
from sensor.capture.walk import (
    DAMAGE,
    LAST_TS_NS,
    MAX_RECORD_BYTES,
    TS_CLAMPED,
    TS_MISSING,
    WALK_BLOCK,
    WALK_BYTE_ORDER,
    WALK_CAPTURED,
    WALK_FULL,
    WALK_INTERFACE,
    WALK_LENGTH,
    WALK_NEED,
    WALK_TRAILER,
    Columns,
    Interface,
    load32,
    note_packet,
)
from sensor.capture.window import Window
from sensor.jit import kernel

BLOCK_SECTION = 0x0A0D0D0A
SECTION_MAGIC = b"\n\r\r\n"  # first four bytes of a file: the same in both byte orders
BLOCK_INTERFACE = 1
BLOCK_PACKET = 2  # obsolete
BLOCK_SIMPLE_PACKET = 3
BLOCK_ENHANCED_PACKET = 6
BYTE_ORDER_MAGIC = 0x1A2B3C4D
BYTE_ORDER_SWAPPED = 0x4D3C2B1A
MIN_BLOCK_BYTES = 12
MIN_SECTION_BYTES = 28
MIN_INTERFACE_BYTES = 20
MIN_SIMPLE_PACKET_BYTES = 16
MIN_PACKET_BYTES = 32  # the enhanced and the obsolete packet block
MAX_INTERFACES = 65536  # of a section, and of those that `interfaces` lists
_VERSIONS = ((1, 0), (1, 2))  # 1.2 is the same layout, written by mistake by some tools

_OPT_END = 0
_OPT_IF_NAME = 2
_OPT_IF_TSRESOL = 9
_OPT_IF_TSOFFSET = 14
_MAX_NAME_BYTES = 255

# How a timestamp in units becomes nanoseconds.
CLOCK_MULTIPLY = 0  # units of 10**-9 s or more: factor is ns in a unit
CLOCK_DIVIDE = 1  # decimal units under a nanosecond: factor is units in a ns
CLOCK_BINARY = 2  # units of 2**-factor s

_INT64_MAX = (1 << 63) - 1
_UINT64_MAX = (1 << 64) - 1
_MAX_SECONDS = _INT64_MAX // 10**9

INTERFACE = np.dtype(
    [
        ("factor", np.uint64),  # see CLOCK_*
        ("limit", np.uint64),  # largest count of units that CLOCK_MULTIPLY can turn into int64 ns
        ("offset_ns", np.int64),  # added to every timestamp, ns
        ("snaplen", np.uint32),  # bytes, 0 unlimited
        ("link", np.uint16),  # LINKTYPE_
        ("clock", np.uint16),  # CLOCK_*
    ]
)
"""What the kernel needs of an interface."""


def clock(base: int, exponent: int) -> tuple[int, int, int]:
    """(CLOCK_*, factor, limit) for a unit of base ** -exponent seconds, base 2 or 10, exponent 0 to 127."""
    if base == 2:
        return CLOCK_BINARY, exponent, 0
    if exponent <= 9:
        factor = 10 ** (9 - exponent)
        return CLOCK_MULTIPLY, factor, _INT64_MAX // factor
    if exponent <= 28:
        return CLOCK_DIVIDE, 10 ** (exponent - 9), 0
    return CLOCK_MULTIPLY, 0, _UINT64_MAX  # 2**64 of such units are less than a nanosecond


class PcapngFormat:
    """Walks the blocks of one pcapng file.

    Raises ValueError when its first section is of a version that kagami does not read; the text says which.
    """

    def __init__(self, window: Window) -> None:
        self._window = window
        self._big_endian = False
        self._table = np.zeros(16, INTERFACE)
        self._n_interfaces = 0  # of the current section
        self.interfaces: list[Interface] = []
        self.need = MIN_SECTION_BYTES
        self.damage: str | None = None
        head = window.buffer[window.lo : window.lo + MIN_SECTION_BYTES].tobytes()
        if len(head) < MIN_SECTION_BYTES or window.available < MIN_SECTION_BYTES:
            self.damage = "it breaks off inside the first section header"
            return
        order = {BYTE_ORDER_MAGIC: "<", BYTE_ORDER_SWAPPED: ">"}.get(struct.unpack("<I", head[8:12])[0])
        if order is None:
            raise ValueError("a pcapng section header without a byte-order magic")
        version = struct.unpack(order + "HH", head[12:16])
        if version not in _VERSIONS:
            raise ValueError(f"pcapng version {version[0]}.{version[1]}; 1.0 is read")

    def index(self, columns: Columns) -> int:
        """Fill the columns from the blocks in the window; return how many frames (see walk.Format)."""
        window = self._window
        n = 0
        while not self.damage:
            n, window.lo, outcome, self.need = index_blocks(
                window.buffer,
                window.lo,
                window.hi,
                self._big_endian,
                self._table[: self._n_interfaces],
                n,
                columns.start,
                columns.end,
                columns.ts_ns,
                columns.wire_len,
                columns.link,
                columns.counters,
            )
            if outcome != WALK_BLOCK:
                self.damage = DAMAGE.get(outcome)
                break
            block = window.buffer[window.lo : window.lo + self.need].tobytes()
            self.damage = self._enter_section(block) if block[:4] == SECTION_MAGIC else self._add_interface(block)
            if not self.damage:
                window.lo += len(block)
        return int(n)

    def _enter_section(self, block: bytes) -> str | None:
        if len(block) < MIN_SECTION_BYTES:
            return DAMAGE[WALK_LENGTH]
        self._big_endian = block[8:12] == BYTE_ORDER_MAGIC.to_bytes(4, "big")
        version = struct.unpack(">HH" if self._big_endian else "<HH", block[12:16])
        if version not in _VERSIONS:
            return f"a section of the unknown version {version[0]}.{version[1]}"
        self._n_interfaces = 0
        return None

    def _add_interface(self, block: bytes) -> str | None:
        if len(block) < MIN_INTERFACE_BYTES:
            return DAMAGE[WALK_LENGTH]
        if self._n_interfaces == MAX_INTERFACES:
            return f"a section with more than {MAX_INTERFACES} interfaces"
        try:
            interface = parse_interface(block, self._big_endian)
        except ValueError as error:
            return str(error)
        if self._n_interfaces == len(self._table):
            self._table = np.concatenate([self._table, np.zeros_like(self._table)])
        kind, factor, limit = clock(interface.ts_base, interface.ts_exponent)
        offset_ns = max(-_INT64_MAX, min(_INT64_MAX, interface.ts_offset_s * 10**9))
        self._table[self._n_interfaces] = (factor, limit, offset_ns, interface.snaplen_bytes, interface.link, kind)
        self._n_interfaces += 1
        if len(self.interfaces) < MAX_INTERFACES:
            self.interfaces.append(interface)
        return None


def parse_interface(block: bytes, big_endian: bool) -> Interface:
    """An Interface Description Block of at least MIN_INTERFACE_BYTES (section 4.2).

    Raises ValueError when its options contradict their lengths: with a guessed clock every time after it is wrong.
    """
    order = ">" if big_endian else "<"
    link, snaplen = struct.unpack_from(order + "HxxI", block, 8)
    base, exponent, offset_s, name = 10, 6, 0, ""
    pos, end = 16, len(block) - 4
    while pos + 4 <= end:
        code, length = struct.unpack_from(order + "HH", block, pos)
        if code == _OPT_END:
            break
        value = block[pos + 4 : min(pos + 4 + length, end)]
        if len(value) < length:
            raise ValueError("an interface option that is longer than its block")
        if code == _OPT_IF_NAME:
            name = value[:_MAX_NAME_BYTES].decode("utf-8", "replace")
        elif code == _OPT_IF_TSRESOL:
            if length != 1:
                raise ValueError(f"an interface time resolution of {length} bytes")
            base, exponent = (2 if value[0] & 0x80 else 10), value[0] & 0x7F
        elif code == _OPT_IF_TSOFFSET:
            if length != 8:
                raise ValueError(f"an interface time offset of {length} bytes")
            offset_s = struct.unpack(order + "q", value)[0]
        pos += 4 + (length + 3) // 4 * 4
    return Interface(link, snaplen, base, exponent, offset_s, name)


@kernel()
def to_ns(units, kind, factor, limit, offset_ns):
    """(int64 ns, 1 if it had to be clamped) of a uint64 count of units; exact, rounded down.

    Past int64 it is the largest int64, also where a negative offset would bring it back.
    The binary clock splits the fraction into 32-bit halves, so that its product with 10**9 never passes 64 bits.
    """
    low32 = np.uint64(0xFFFFFFFF)
    giga = np.uint64(1_000_000_000)
    if kind == CLOCK_MULTIPLY:
        if units > limit:
            return np.int64(_INT64_MAX), 1
        ns = np.int64(units * factor)
    elif kind == CLOCK_DIVIDE:
        ns = np.int64(units // factor)
    else:
        seconds = units >> factor if factor < np.uint64(64) else np.uint64(0)
        if seconds > np.uint64(_MAX_SECONDS):
            return np.int64(_INT64_MAX), 1
        fraction = units & ((np.uint64(1) << factor) - np.uint64(1)) if factor < np.uint64(64) else units
        if factor < np.uint64(32):
            part = (fraction * giga) >> factor
        else:
            product = (fraction >> np.uint64(32)) * giga + (((fraction & low32) * giga) >> np.uint64(32))
            part = product >> min(factor - np.uint64(32), np.uint64(63))
        total = seconds * giga + part
        if total > np.uint64(_INT64_MAX):
            return np.int64(_INT64_MAX), 1
        ns = np.int64(total)
    if offset_ns > np.int64(_INT64_MAX) - ns:
        return np.int64(_INT64_MAX), 1
    return ns + offset_ns, 0


@kernel(
    types.Tuple((types.int64, types.int64, types.int64, types.int64))(
        types.Array(types.uint8, 1, "C", readonly=True),
        types.int64,
        types.int64,
        types.boolean,
        from_dtype(INTERFACE)[::1],
        types.int64,
        types.int64[::1],
        types.int64[::1],
        types.int64[::1],
        types.uint32[::1],
        types.uint16[::1],
        types.int64[::1],
    )
)
def index_blocks(frames, lo, hi, big_endian, interfaces, n, start, end, ts_ns, wire_len, link, counters):
    """Index the packet blocks in frames[lo:hi] into rows n and up, until bytes or columns run out.

    Returns (rows filled, position of the first block not consumed, walk.WALK_*, bytes that block takes).
    """
    pos = lo
    while n < BATCH_PACKETS:
        if hi - pos < MIN_BLOCK_BYTES:
            return n, pos, WALK_NEED, MIN_BLOCK_BYTES
        kind = load32(frames, pos, big_endian)
        if kind == BLOCK_SECTION:  # the same in both byte orders
            magic = load32(frames, pos + 8, False)
            if magic not in (BYTE_ORDER_MAGIC, BYTE_ORDER_SWAPPED):
                return n, pos, WALK_BYTE_ORDER, 0
            big_endian = magic == BYTE_ORDER_SWAPPED
        length = np.int64(load32(frames, pos + 4, big_endian))
        if length < MIN_BLOCK_BYTES or length > MAX_RECORD_BYTES or length & 3:
            return n, pos, WALK_LENGTH, 0
        if hi - pos < length:
            return n, pos, WALK_NEED, length
        if np.int64(load32(frames, pos + length - 4, big_endian)) != length:
            return n, pos, WALK_TRAILER, 0
        if kind in (BLOCK_SECTION, BLOCK_INTERFACE):
            return n, pos, WALK_BLOCK, length
        if kind in (BLOCK_ENHANCED_PACKET, BLOCK_PACKET):
            if length < MIN_PACKET_BYTES:
                return n, pos, WALK_LENGTH, 0
            interface = np.int64(load32(frames, pos + 8, big_endian))
            if kind == BLOCK_PACKET:  # two 16-bit fields: interface, drops
                interface = interface >> 16 if big_endian else interface & 0xFFFF
            if interface >= interfaces.shape[0]:
                return n, pos, WALK_INTERFACE, 0
            cap_len = np.int64(load32(frames, pos + 20, big_endian))
            if cap_len > length - MIN_PACKET_BYTES:
                return n, pos, WALK_CAPTURED, 0
            orig_len = np.int64(load32(frames, pos + 24, big_endian))
            high = np.uint64(load32(frames, pos + 12, big_endian))
            units = high << np.uint64(32) | np.uint64(load32(frames, pos + 16, big_endian))
            ts, clamped = to_ns(
                units,
                interfaces["clock"][interface],
                interfaces["factor"][interface],
                interfaces["limit"][interface],
                interfaces["offset_ns"][interface],
            )
            counters[TS_CLAMPED] += clamped
            start[n] = pos + 28
        elif kind == BLOCK_SIMPLE_PACKET:
            if length < MIN_SIMPLE_PACKET_BYTES:
                return n, pos, WALK_LENGTH, 0
            if interfaces.shape[0] == 0:
                return n, pos, WALK_INTERFACE, 0
            interface = np.int64(0)
            orig_len = np.int64(load32(frames, pos + 8, big_endian))
            cap_len = min(orig_len, length - MIN_SIMPLE_PACKET_BYTES)
            snaplen = np.int64(interfaces["snaplen"][0])
            if snaplen > 0:
                cap_len = min(cap_len, snaplen)
            ts = counters[LAST_TS_NS]
            counters[TS_MISSING] += 1
            start[n] = pos + 12
        else:
            pos += length
            continue
        end[n] = start[n] + cap_len
        ts_ns[n] = ts
        wire_len[n] = note_packet(counters, ts, cap_len, orig_len)
        link[n] = interfaces["link"][interface]
        pos += length
        n += 1
    return n, pos, WALK_FULL, 0
