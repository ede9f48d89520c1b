"""The classic capture file (pcap): its header, and a kernel that indexes its records.

Source: draft-ietf-opsawg-pcap (layout, link-type bits); the 24-byte record header of "modified" files is Kuznetzov's
patch to libpcap. Trailing FCS bytes that the header may announce stay in the frame: decoding goes by the IP length.
In: a window over the file. Out: columns. Never copies a frame.
"""

import struct

import numpy as np
from numba import types

from sensor.capture.batch import BATCH_PACKETS
from sensor.capture.walk import (
    DAMAGE,
    MAX_FRAME_BYTES,
    MAX_RECORD_BYTES,
    TS_FRACTION,
    WALK_FULL,
    WALK_LENGTH,
    WALK_NEED,
    Columns,
    Interface,
    load32,
    note_packet,
)
from sensor.capture.window import Window
from sensor.jit import kernel

FILE_HEADER_BYTES = 24
RECORD_HEADER_BYTES = 16
MODIFIED_RECORD_HEADER_BYTES = 24
_MICRO = 0xA1B2C3D4
_NANO = 0xA1B23C4D
_MODIFIED = 0xA1B2CD34
_LINK_RESERVED_BITS = 0x03FF0000

MAGICS = {
    magic.to_bytes(4, order): (magic, order == "big")
    for magic in (_MICRO, _NANO, _MODIFIED)
    for order in ("little", "big")
}
"""First four bytes of a file -> (magic number, is big-endian)."""


class PcapFormat:
    """Walks the records of one pcap file.

    Raises ValueError when the header is of a version or form that kagami does not read; the text says which.
    """

    def __init__(self, window: Window) -> None:
        self._window = window
        self.need = RECORD_HEADER_BYTES
        self.damage: str | None = None
        self.interfaces: list[Interface] = []
        if window.available < FILE_HEADER_BYTES:
            self.damage = "it breaks off inside the file header"
            return
        header = window.buffer[window.lo : window.lo + FILE_HEADER_BYTES].tobytes()
        magic, self._big_endian = MAGICS[header[:4]]
        order = ">" if self._big_endian else "<"
        major, minor, _zone, _accuracy, snaplen, network = struct.unpack(order + "HHiIII", header[4:])
        if major != 2 or minor < 4:  # before 2.4 (1998) the two lengths of a record stood in either order
            raise ValueError(f"pcap version {major}.{minor}; 2.4 and later are read")
        if network & _LINK_RESERVED_BITS:
            raise ValueError(f"a pcap header with reserved link-type bits set (0x{network:08x})")
        self._link = network & 0xFFFF
        self._record_header_bytes = MODIFIED_RECORD_HEADER_BYTES if magic == _MODIFIED else RECORD_HEADER_BYTES
        self._ns_per_unit = 1 if magic == _NANO else 1000
        self._max_frame_bytes = min(max(snaplen, MAX_FRAME_BYTES), MAX_RECORD_BYTES - MODIFIED_RECORD_HEADER_BYTES)
        self.interfaces.append(Interface(self._link, snaplen, 10, 9 if magic == _NANO else 6, 0, ""))
        window.lo += FILE_HEADER_BYTES

    def index(self, columns: Columns) -> int:
        """Fill the columns from the records in the window; return how many frames (see walk.Format)."""
        window = self._window
        if self.damage:
            return 0
        n, window.lo, outcome, self.need = index_records(
            window.buffer,
            window.lo,
            window.hi,
            self._big_endian,
            self._record_header_bytes,
            self._ns_per_unit,
            self._max_frame_bytes,
            columns.start,
            columns.end,
            columns.ts_ns,
            columns.wire_len,
            columns.counters,
        )
        columns.link[:n] = self._link
        self.damage = DAMAGE.get(outcome)
        return int(n)


@kernel(
    types.Tuple((types.int64, types.int64, types.int64, types.int64))(
        types.Array(types.uint8, 1, "C", readonly=True),
        types.int64,
        types.int64,
        types.boolean,
        types.int64,
        types.int64,
        types.int64,
        types.int64[::1],
        types.int64[::1],
        types.int64[::1],
        types.uint32[::1],
        types.int64[::1],
    )
)
def index_records(
    frames, lo, hi, big_endian, header_bytes, ns_per_unit, max_frame_bytes, start, end, ts_ns, wire_len, counters
):
    """Index pcap records in frames[lo:hi] until the bytes or the columns run out.

    Returns (frames indexed, position of the first record not indexed, walk.WALK_*, bytes that record takes).
    """
    n = 0
    pos = lo
    units_per_s = 1_000_000_000 // ns_per_unit
    while n < BATCH_PACKETS:
        if hi - pos < header_bytes:
            return n, pos, WALK_NEED, header_bytes
        cap_len = np.int64(load32(frames, pos + 8, big_endian))
        if cap_len > max_frame_bytes:
            return n, pos, WALK_LENGTH, 0
        if hi - pos < header_bytes + cap_len:
            return n, pos, WALK_NEED, header_bytes + cap_len
        fraction = np.int64(load32(frames, pos + 4, big_endian))
        if fraction >= units_per_s:
            counters[TS_FRACTION] += 1
        ts_ns[n] = np.int64(load32(frames, pos, big_endian)) * 1_000_000_000 + fraction * ns_per_unit
        wire_len[n] = note_packet(counters, ts_ns[n], cap_len, np.int64(load32(frames, pos + 12, big_endian)))
        start[n] = pos + header_bytes
        pos += header_bytes + cap_len
        end[n] = pos
        n += 1
    return n, pos, WALK_FULL, 0
