"""The fragment table: which ports the later fragments of a datagram belong to.

Bounded: sets of four places under a keyed hash, so nobody outside can aim at one set. An entry lives 30 s of packet
time (RFC 791 section 3.2 suggests at least 15 s for reassembly). Nothing is reassembled: a later fragment that comes
before its first stays an orphan.
"""

import numpy as np
from numpy.typing import NDArray

from sensor import constants as c
from sensor.jit import packet_kernel

FRAGMENT = np.dtype(
    [
        ("ts_ns", np.int64),  # time of the first fragment
        ("src_hi", np.uint64),
        ("src_lo", np.uint64),
        ("dst_hi", np.uint64),
        ("dst_lo", np.uint64),
        ("ident", np.uint32),  # identification in the IP or fragment header
        ("src_port", np.uint16),
        ("dst_port", np.uint16),
        ("vlan_id", np.uint16),
        ("named_proto", np.uint8),  # the protocol that fragments carry in their headers
        ("proto", np.uint8),  # the protocol behind the extension headers of the first fragment
        ("is_carrier", np.uint8),  # the datagram is a UDP tunnel's
        ("is_used", np.uint8),
        ("pad", np.uint8, (6,)),
    ]
)

_WAYS = 4
_N_SETS = 1024  # a power of two; 4,096 datagrams under way at once
N_FRAGMENTS = _WAYS * _N_SETS
_LIFE_NS = 30_000_000_000

_MIX_A = np.uint64(0x9E3779B97F4A7C15)  # odd numbers with well-spread bits
_MIX_B = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)


@packet_kernel()
def _mixed(state: np.uint64, word: np.uint64) -> np.uint64:
    state = (state ^ word) * _MIX_A
    state = (state ^ (state >> _HALF)) * _MIX_B
    return state ^ (state >> _HALF)


@packet_kernel()
def _first_place(
    secret: NDArray[np.uint64], packets: NDArray[np.void], row: int, ident: int, named_proto: int
) -> np.int64:
    """The first place of the set that a datagram belongs to."""
    state = _mixed(secret[0], packets["src_hi"][row])
    state = _mixed(state, packets["src_lo"][row])
    state = _mixed(state, packets["dst_hi"][row])
    state = _mixed(state, packets["dst_lo"][row])
    state = _mixed(state, np.uint64((ident << 8) | named_proto))
    state = _mixed(state ^ secret[1], np.uint64(packets["vlan_id"][row]))
    return np.int64(state & np.uint64(_N_SETS - 1)) * _WAYS


@packet_kernel()
def _is_entry_of(
    fragments: NDArray[np.void],
    place: int,
    packets: NDArray[np.void],
    row: int,
    ident: int,
    named_proto: int,
    ts_ns: int,
) -> bool:
    """Whether the entry is alive and of the same datagram."""
    return (
        fragments["is_used"][place] == 1
        and abs(ts_ns - fragments["ts_ns"][place]) <= _LIFE_NS
        and fragments["ident"][place] == ident
        and fragments["src_lo"][place] == packets["src_lo"][row]
        and fragments["src_hi"][place] == packets["src_hi"][row]
        and fragments["dst_lo"][place] == packets["dst_lo"][row]
        and fragments["dst_hi"][place] == packets["dst_hi"][row]
        and fragments["named_proto"][place] == named_proto
        and fragments["vlan_id"][place] == packets["vlan_id"][row]
    )


@packet_kernel()
def remember_first(
    fragments: NDArray[np.void],
    secret: NDArray[np.uint64],
    packets: NDArray[np.void],
    row: int,
    ident: int,
    named_proto: int,
    ts_ns: int,
) -> int:
    """Keep the ports of a first fragment, in the place of the oldest entry when its set is full; returns the place."""
    first = _first_place(secret, packets, row, ident, named_proto)
    chosen, chosen_age = first, np.int64(-1)
    for place in range(first, first + _WAYS):
        if _is_entry_of(fragments, place, packets, row, ident, named_proto, ts_ns):
            chosen = place
            break
        age = np.int64(1) << 62
        if fragments["is_used"][place] == 1:
            age = abs(ts_ns - fragments["ts_ns"][place])
        if age > chosen_age:
            chosen, chosen_age = place, age
    fragments["ts_ns"][chosen] = ts_ns
    fragments["src_hi"][chosen] = packets["src_hi"][row]
    fragments["src_lo"][chosen] = packets["src_lo"][row]
    fragments["dst_hi"][chosen] = packets["dst_hi"][row]
    fragments["dst_lo"][chosen] = packets["dst_lo"][row]
    fragments["ident"][chosen] = ident
    fragments["src_port"][chosen] = packets["src_port"][row]
    fragments["dst_port"][chosen] = packets["dst_port"][row]
    fragments["vlan_id"][chosen] = packets["vlan_id"][row]
    fragments["named_proto"][chosen] = named_proto
    fragments["proto"][chosen] = packets["proto"][row]
    fragments["is_carrier"][chosen] = 0
    fragments["is_used"][chosen] = 1
    return chosen


@packet_kernel()
def follow_first(
    fragments: NDArray[np.void],
    secret: NDArray[np.uint64],
    packets: NDArray[np.void],
    row: int,
    ident: int,
    named_proto: int,
    ts_ns: int,
) -> int:
    """Give a later fragment the ports and protocol of its first; returns its status."""
    first = _first_place(secret, packets, row, ident, named_proto)
    for place in range(first, first + _WAYS):
        if _is_entry_of(fragments, place, packets, row, ident, named_proto, ts_ns):
            packets["src_port"][row] = fragments["src_port"][place]
            packets["dst_port"][row] = fragments["dst_port"][place]
            packets["proto"][row] = fragments["proto"][place]
            packets["is_carrier"][row] = fragments["is_carrier"][place]
            return c.STATUS_OK
    return c.STATUS_ORPHAN_FRAGMENT
