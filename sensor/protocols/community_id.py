"""Community ID version 1 (seed 0): the same short text for the same flow in every tool that supports it.

One SHA-1 block a flow suffices, so `LANES` flows are hashed side by side: each step of SHA-1 is a loop over lanes
that the compiler turns into vector instructions.

Source: https://github.com/corelight/community-id-spec; SHA-1 by FIPS 180-4 section 6.1; base64 by RFC 4648 section 4.
"""

import numpy as np
from numba import types
from numpy.typing import NDArray

from sensor.constants import PROTO_ICMP, PROTO_ICMP6, PROTO_SCTP, PROTO_TCP, PROTO_UDP
from sensor.jit import kernel

TEXT_BYTES = 30
"""The length of every Community ID, bytes: "1:" and 28 characters of base64."""

LANES = 64

_ALPHABET: NDArray[np.uint8] = np.frombuffer(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", np.uint8
)
_V4_MAPPED = np.uint64(0xFFFF)
_NO_COUNTERPART = -1
_CONSTANTS: NDArray[np.uint32] = np.array([0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6], np.uint32)
_ALL_ONES = 0xFFFFFFFF


def _counterparts(pairs: tuple[tuple[int, int], ...]) -> NDArray[np.int16]:
    """int16[256]: for an ICMP type the type that answers it (or asks for it), -1 when it is one-way."""
    table = np.full(256, _NO_COUNTERPART, np.int16)
    for request, reply in pairs:
        table[request] = reply
        table[reply] = request
    return table


# echo, router solicitation, timestamp, information, address mask
_ICMP_COUNTERPART = _counterparts(((8, 0), (10, 9), (13, 14), (15, 16), (17, 18)))
# echo, listener query, router solicitation, neighbour solicitation, node information, home agent discovery
_ICMP6_COUNTERPART = _counterparts(((128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145)))

_COLUMN64 = types.Array(types.uint64, 1, "A", readonly=True)
_COLUMN16 = types.Array(types.uint16, 1, "A", readonly=True)
_COLUMN8 = types.Array(types.uint8, 1, "A", readonly=True)
_WORDS = types.uint32[::1]
_U64 = types.uint64
_I64 = types.int64


@kernel(types.uint32(types.uint32, types.uint32))
def _rotate(x, n):
    """`x` rotated left by `n` bits, 1 to 31."""
    return (x << n) | (x >> (np.uint32(32) - n))


@kernel(types.void(_WORDS, _WORDS))
def _sha1_lanes(words, state):
    """SHA-1 of one block in every lane.

    words : uint32[80 * LANES], row after row, the block in rows 0 to 15; the rest is overwritten
    state : uint32[85 * LANES]; row t + 5 gets what FIPS 180-4 calls `a` after round t. The four older variables are
        older rows, rotated: so a round writes one row only. The digest comes back in rows 80 (first word) to 84.
    """
    for lane in range(LANES):
        state[lane] = np.uint32(0x0F4B87C3)  # the last three initial words, rotated left by 2
        state[lane + LANES] = np.uint32(0x40C951D8)
        state[lane + 2 * LANES] = np.uint32(0x62EB73FA)
        state[lane + 3 * LANES] = np.uint32(0xEFCDAB89)
        state[lane + 4 * LANES] = np.uint32(0x67452301)
    for i in range(16 * LANES, 80 * LANES):
        mixed = words[i - 3 * LANES] ^ words[i - 8 * LANES] ^ words[i - 14 * LANES] ^ words[i - 16 * LANES]
        words[i] = _rotate(mixed, np.uint32(1))
    for phase in range(4):
        constant = _CONSTANTS[phase]
        is_choice = np.uint32(_ALL_ONES if phase == 0 else 0)
        is_majority = np.uint32(_ALL_ONES if phase == 2 else 0)
        is_parity = ~(is_choice | is_majority)
        for t in range(20 * phase, 20 * phase + 20):
            for lane in range(LANES):
                i = t * LANES + lane
                b = state[i + 3 * LANES]
                c = _rotate(state[i + 2 * LANES], np.uint32(30))
                d = _rotate(state[i + LANES], np.uint32(30))
                e = _rotate(state[i], np.uint32(30))
                # all three functions and masks: a branch in here would keep the loop from becoming vectors
                f = (is_choice & (d ^ (b & (c ^ d)))) | (is_majority & ((b & c) | (d & (b | c))))
                f |= is_parity & (b ^ c ^ d)
                state[i + 5 * LANES] = _rotate(state[i + 4 * LANES], np.uint32(5)) + f + e + constant + words[i]
    for lane in range(LANES):
        i = 80 * LANES + lane
        a = state[i + 4 * LANES] + np.uint32(0x67452301)
        b = state[i + 3 * LANES] + np.uint32(0xEFCDAB89)
        c = _rotate(state[i + 2 * LANES], np.uint32(30)) + np.uint32(0x98BADCFE)
        d = _rotate(state[i + LANES], np.uint32(30)) + np.uint32(0x10325476)
        e = _rotate(state[i], np.uint32(30)) + np.uint32(0xC3D2E1F0)
        state[i] = a
        state[i + LANES] = b
        state[i + 2 * LANES] = c
        state[i + 3 * LANES] = d
        state[i + 4 * LANES] = e


@kernel(types.void(_WORDS, _I64, _U64, _U64, _U64, _U64, _I64, _I64, _I64, types.boolean))
def _fill_block(words, lane, a_hi, a_lo, b_hi, b_lo, a_port, b_port, proto, has_ports):
    """Write the padded message of one flow, already in order, into rows 0 to 15 of a lane.

    The message is the seed (two zero bytes), both addresses, the protocol, a zero byte and both ports. IPv4 has four
    bytes an address, used when both ends are IPv4-mapped.
    """
    mapped = (a_hi | b_hi) == np.uint64(0)
    mapped = mapped and (a_lo >> np.uint64(32)) == _V4_MAPPED and (b_lo >> np.uint64(32)) == _V4_MAPPED
    if mapped:
        words[lane] = np.uint32((a_lo >> np.uint64(16)) & np.uint64(0xFFFF))
        words[LANES + lane] = np.uint32((a_lo << np.uint64(16)) | ((b_lo >> np.uint64(16)) & np.uint64(0xFFFF)))
        at = 2
    else:
        words[lane] = np.uint32(a_hi >> np.uint64(48))
        words[LANES + lane] = np.uint32(a_hi >> np.uint64(16))
        words[2 * LANES + lane] = np.uint32((a_hi << np.uint64(16)) | (a_lo >> np.uint64(48)))
        words[3 * LANES + lane] = np.uint32(a_lo >> np.uint64(16))
        words[4 * LANES + lane] = np.uint32((a_lo << np.uint64(16)) | (b_hi >> np.uint64(48)))
        words[5 * LANES + lane] = np.uint32(b_hi >> np.uint64(16))
        words[6 * LANES + lane] = np.uint32((b_hi << np.uint64(16)) | (b_lo >> np.uint64(48)))
        words[7 * LANES + lane] = np.uint32(b_lo >> np.uint64(16))
        at = 8
    words[at * LANES + lane] = np.uint32((b_lo << np.uint64(16)) | np.uint64(proto << 8))
    at += 1
    if has_ports:
        words[at * LANES + lane] = np.uint32((a_port << 16) | b_port)
        at += 1
    n_bits = 32 * at
    words[at * LANES + lane] = np.uint32(0x80000000)
    for t in range(at + 1, 15):
        words[t * LANES + lane] = np.uint32(0)
    words[15 * LANES + lane] = np.uint32(n_bits)


@kernel(types.void(_WORDS, _I64, types.uint8[:, ::1], _I64))
def _put_text(state, lane, out, row):
    """Write "1:" and the base64 of one lane's digest into a row."""
    first = (np.uint64(state[80 * LANES + lane]) << np.uint64(32)) | np.uint64(state[81 * LANES + lane])
    second = (np.uint64(state[82 * LANES + lane]) << np.uint64(32)) | np.uint64(state[83 * LANES + lane])
    third = np.uint64(state[84 * LANES + lane])
    out[row, 0] = np.uint8(0x31)
    out[row, 1] = np.uint8(0x3A)
    # three windows on the 160 bits, starting at bits 0, 60 and 120: ten, ten and seven characters
    middle = (first << np.uint64(60)) | (second >> np.uint64(4))
    last = (second << np.uint64(56)) | (third << np.uint64(24))
    for i in range(10):
        shift = np.uint64(58 - 6 * i)
        out[row, 2 + i] = _ALPHABET[(first >> shift) & np.uint64(63)]
        out[row, 12 + i] = _ALPHABET[(middle >> shift) & np.uint64(63)]
    for i in range(7):
        out[row, 22 + i] = _ALPHABET[(last >> np.uint64(58 - 6 * i)) & np.uint64(63)]
    out[row, 29] = np.uint8(0x3D)


@kernel(types.void(_COLUMN64, _COLUMN64, _COLUMN64, _COLUMN64, _COLUMN16, _COLUMN16, _COLUMN8, types.uint8[:, ::1]))
def community_ids(src_hi, src_lo, dst_hi, dst_lo, sport, dport, proto, out):
    """Write the Community ID of every row; either direction of a flow gives the same.

    src_hi, src_lo, dst_hi, dst_lo : uint64[n], addresses as in `sensor.dtypes`
    sport, dport : uint16[n], ports; for ICMP and ICMPv6 type and code, or type and answering type. A type that
        nothing answers is one-way: its ends are not put in order. Ignored for protocols without ports.
    proto : uint8[n], IP protocol number
    out : uint8[n, 30], filled with ASCII; left alone when it is too small or the columns differ in length
    """
    n_rows = src_hi.shape[0]
    is_table = src_lo.shape[0] == n_rows and dst_hi.shape[0] == n_rows and dst_lo.shape[0] == n_rows
    is_table = is_table and sport.shape[0] == n_rows and dport.shape[0] == n_rows and proto.shape[0] == n_rows
    if not is_table or out.shape[0] < n_rows or out.shape[1] < TEXT_BYTES:
        return
    words = np.zeros(80 * LANES, np.uint32)
    state = np.empty(85 * LANES, np.uint32)
    for base in range(0, n_rows, LANES):
        n_used = min(LANES, n_rows - base)
        for lane in range(n_used):
            i = base + lane
            a_hi, a_lo, b_hi, b_lo = src_hi[i], src_lo[i], dst_hi[i], dst_lo[i]
            a_port, b_port, protocol = np.int64(sport[i]), np.int64(dport[i]), np.int64(proto[i])
            has_ports = protocol in (PROTO_TCP, PROTO_UDP, PROTO_SCTP)
            is_one_way = False
            if protocol in (PROTO_ICMP, PROTO_ICMP6):
                has_ports = True
                counterpart = np.int64(_NO_COUNTERPART)
                if a_port < 256:
                    counterpart = np.int64(
                        _ICMP_COUNTERPART[a_port] if protocol == PROTO_ICMP else _ICMP6_COUNTERPART[a_port]
                    )
                is_one_way = counterpart == _NO_COUNTERPART
                if not is_one_way:
                    b_port = counterpart
            is_after = a_hi > b_hi or (
                a_hi == b_hi and (a_lo > b_lo or (a_lo == b_lo and has_ports and a_port > b_port))
            )
            if is_after and not is_one_way:
                _fill_block(words, lane, b_hi, b_lo, a_hi, a_lo, b_port, a_port, protocol, has_ports)
            else:
                _fill_block(words, lane, a_hi, a_lo, b_hi, b_lo, a_port, b_port, protocol, has_ports)
        _sha1_lanes(words, state)
        for lane in range(n_used):
            _put_text(state, lane, out, base + lane)
