"""Blocks of a ring, built here as the kernel would fill them: no interface needed."""

import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sensor.capture.ring import (
    BLOCK_FIRST,
    BLOCK_PACKETS,
    N_RING_COUNTERS,
    RING_FRAMES,
    RING_HARDWARE_TIME,
    RING_OUTGOING,
    RING_WIRE_BYTES,
    walk_block,
)

BLOCK_BYTES = 1 << 14
FIRST, MAC_AT = 48, 82
OUTGOING = 4
VLAN_VALID, RAW_HARDWARE = 0x10, 1 << 31


def block_of(frames: list[bytes], *, outgoing: frozenset[int] = frozenset(), status: int = 0) -> NDArray[np.uint8]:
    """Frame i came at i seconds and 7 * i ns, is tagged with i + 1, and was 1000 bytes longer on the wire."""
    block = bytearray(BLOCK_BYTES)
    struct.pack_into("=I", block, 4 * BLOCK_PACKETS, len(frames))
    struct.pack_into("=I", block, 4 * BLOCK_FIRST, FIRST)
    pos = FIRST
    for i, frame in enumerate(frames):
        step = 0 if i == len(frames) - 1 else (MAC_AT + len(frame) + 15) // 16 * 16
        struct.pack_into(
            "=6I2H2I", block, pos, step, i, 7 * i, len(frame), len(frame) + 1000, status, MAC_AT, 0, 0, i + 1
        )
        block[pos + 58] = OUTGOING if i in outgoing else 0
        block[pos + MAC_AT : pos + MAC_AT + len(frame)] = frame
        pos += step
    return np.frombuffer(bytes(block), np.uint8)


def walk(
    block: NDArray[np.uint8], room: int, *, takes_outgoing: bool = False
) -> tuple[list[Any], list[int], list[int]]:
    """(frames with their times, lengths and tags; how many each call gave; counters)"""
    words = block.view(np.uint32)
    place = np.array([words[BLOCK_FIRST], words[BLOCK_PACKETS]], np.int64)
    start, end, ts_ns = (np.zeros(room, np.int64) for _ in range(3))
    wire_len, vlan_id, counters = (
        np.zeros(room, np.uint32),
        np.zeros(room, np.uint16),
        np.zeros(N_RING_COUNTERS, np.int64),
    )
    rows, steps = [], []
    for _ in range(1000):
        n = walk_block(
            *(block, block.view(np.uint16), words, place, int(takes_outgoing)),
            *(start, end, ts_ns, wire_len, vlan_id, counters),
        )
        if n == 0:
            return rows, steps, counters.tolist()
        steps.append(n)
        for i in range(n):
            frame = block[start[i] : end[i]].tobytes()
            rows.append((frame, int(ts_ns[i]), int(wire_len[i]), int(vlan_id[i])))
    raise AssertionError("the walk does not end")


FRAMES = [bytes([i]) * (i * 5 % 90) for i in range(60)]


@pytest.mark.parametrize("room", [1, 7, 59, 60, 61, 200])
def test_a_block_comes_in_pieces_of_any_size(room: int) -> None:
    rows, steps, counters = walk(block_of(FRAMES, status=VLAN_VALID | RAW_HARDWARE), room)
    assert rows == [(frame, i * 10**9 + 7 * i, len(frame) + 1000, i + 1) for i, frame in enumerate(FRAMES)]
    assert steps == [room] * (60 // room) + [60 % room] * (60 % room > 0)
    assert counters[RING_FRAMES] == counters[RING_HARDWARE_TIME] == 60
    assert counters[RING_WIRE_BYTES] == sum(len(frame) + 1000 for frame in FRAMES)


def test_a_tag_counts_only_where_the_kernel_says_that_there_is_one() -> None:
    assert {tag for *_, tag in walk(block_of(FRAMES), 60)[0]} == {0}


@pytest.mark.parametrize("takes_outgoing", [False, True])
def test_frames_of_this_machine_do_not_end_a_piece(*, takes_outgoing: bool) -> None:
    """Ten in a row, more than a piece has room for."""
    rows, _, counters = walk(block_of(FRAMES, outgoing=frozenset(range(20, 30))), 4, takes_outgoing=takes_outgoing)
    assert [frame for frame, *_ in rows] == (FRAMES if takes_outgoing else FRAMES[:20] + FRAMES[30:])
    assert counters[RING_OUTGOING] == (0 if takes_outgoing else 10)


@pytest.mark.parametrize(("word", "value"), [(0, BLOCK_BYTES), (3, BLOCK_BYTES), (0, 0)])
def test_a_header_that_leads_out_of_the_block_ends_it(word: int, value: int) -> None:
    """The second header's: the next one lies outside, the frame ends outside, there is no next one."""
    block = block_of(FRAMES).copy()
    second = FIRST + int(block.view(np.uint32)[FIRST >> 2])
    block.view(np.uint32)[(second >> 2) + word] = value
    rows, _, _ = walk(block, 7)
    assert [frame for frame, *_ in rows] == FRAMES[: 1 if word == 3 else 2]


def test_an_empty_block_has_nothing() -> None:
    assert walk(block_of([]), 7)[0] == []
