"""What the two file formats share: the columns of a batch, what a walk over records comes to, and byte loads.

In: nothing. Out: definitions for `pcap` and `pcapng`. Never reads a file.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sensor.capture.batch import BATCH_PACKETS, Batch
from sensor.jit import kernel

MAX_FRAME_BYTES = 262144  # libpcap's largest snaplen for network link types; a larger declared snaplen raises it
MAX_RECORD_BYTES = 16 << 20  # no record may make the buffer grow past this, whatever the file declares

# What stopped a walk. Damage codes are keys of DAMAGE.
WALK_FULL = 0  # the columns are full
WALK_NEED = 1  # the record at the position goes past the bytes at hand
WALK_BLOCK = 2  # pcapng: a section or interface block, for the driver to read
WALK_LENGTH = 10
WALK_TRAILER = 11
WALK_CAPTURED = 12
WALK_INTERFACE = 13
WALK_BYTE_ORDER = 14
DAMAGE = {
    WALK_LENGTH: "a record length that no capture has",
    WALK_TRAILER: "the two lengths of a block differ",
    WALK_CAPTURED: "a packet longer than the block it lies in",
    WALK_INTERFACE: "a packet of an interface that the section does not describe",
    WALK_BYTE_ORDER: "a section without a byte-order magic",
}

# Slots of the counters array that kernels keep between calls.
LAST_TS_NS = 0  # time of the newest packet in capture order, ns
TS_CLAMPED = 1
TS_MISSING = 2
TS_BACKWARDS = 3
TS_FRACTION = 4
WIRE_LEN_SHORT = 5
N_PACKETS = 6
N_COUNTERS = 7
ANOMALIES = {
    TS_CLAMPED: "timestamp_clamped",  # outside of what int64 nanoseconds hold (years 1677 to 2262)
    TS_MISSING: "timestamp_missing",  # the format gave none: the time of the packet before it was taken
    TS_BACKWARDS: "timestamp_backwards",  # earlier than the packet before it
    TS_FRACTION: "timestamp_fraction_too_large",  # more than a second of micro- or nanoseconds; kept, added up
    WIRE_LEN_SHORT: "wire_len_below_captured",  # the captured length was taken as the length on the wire
}


@dataclass(frozen=True, slots=True)
class Interface:
    """One capture interface as a file describes it.

    link : LINKTYPE_ value
    snaplen_bytes : longest captured frame, 0 unlimited
    ts_base, ts_exponent : a time unit is ts_base ** -ts_exponent seconds
    ts_offset_s : seconds that the file adds to every timestamp
    name : as the capturing host called it, "" when not told; text from a file, escape it before showing
    """

    link: int
    snaplen_bytes: int
    ts_base: int
    ts_exponent: int
    ts_offset_s: int
    name: str


class Columns:
    """The arrays of a batch, allocated once and filled again for every batch."""

    def __init__(self) -> None:
        self.start = np.zeros(BATCH_PACKETS, np.int64)
        self.end = np.zeros(BATCH_PACKETS, np.int64)
        self.ts_ns = np.zeros(BATCH_PACKETS, np.int64)
        self.wire_len = np.zeros(BATCH_PACKETS, np.uint32)
        self.link = np.zeros(BATCH_PACKETS, np.uint16)
        self.vlan_id = np.zeros(BATCH_PACKETS, np.uint16)
        self.counters = np.zeros(N_COUNTERS, np.int64)

    def batch(self, frames: NDArray[np.uint8], n: int) -> Batch:
        """The first n rows, as views."""
        return Batch(
            frames, self.start[:n], self.end[:n], self.ts_ns[:n], self.wire_len[:n], self.link[:n], self.vlan_id[:n]
        )

    def anomalies(self) -> dict[str, int]:
        """Oddities met so far, by name; only what was met."""
        return {name: int(self.counters[slot]) for slot, name in ANOMALIES.items() if self.counters[slot]}


class Format(Protocol):
    """A file format's walk over the window's bytes."""

    interfaces: list[Interface]
    need: int  # bytes that the record at the window's position takes, when `index` stopped for want of bytes
    damage: str | None  # why the walk cannot go on

    def index(self, columns: Columns) -> int:
        """Fill the columns with the frames in the window, move its position on, return how many."""
        ...


@kernel()
def load32(frames, pos, big_endian):
    """uint32 at pos, in the byte order asked for."""
    b0 = np.uint32(frames[pos])
    b1 = np.uint32(frames[pos + 1])
    b2 = np.uint32(frames[pos + 2])
    b3 = np.uint32(frames[pos + 3])
    if big_endian:
        return b0 << np.uint32(24) | b1 << np.uint32(16) | b2 << np.uint32(8) | b3
    return b3 << np.uint32(24) | b2 << np.uint32(16) | b1 << np.uint32(8) | b0


@kernel()
def note_packet(counters, ts_ns, cap_len, wire_len):
    """Count what is odd about a packet; return its length on the wire, at least what was captured."""
    if ts_ns < counters[LAST_TS_NS] and counters[N_PACKETS] > 0:
        counters[TS_BACKWARDS] += 1
    counters[LAST_TS_NS] = ts_ns
    counters[N_PACKETS] += 1
    if wire_len < cap_len:
        counters[WIRE_LEN_SHORT] += 1
        return cap_len
    return wire_len
