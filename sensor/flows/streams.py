"""Messages that come in several packets: their bytes put in order, in a bounded number of bounded buffers.

A flow's side has at most one buffer, and only while a message is being waited for. Bytes may come in any order and
again; the first copy stays. When all buffers are taken, the one that was begun first is given up and counted. Its flow
notices, as the buffer's owner is another by then.
"""

import numba
import numpy as np
from numba import types as t

from sensor.flows.rows import FLOW_REC
from sensor.flows.state import MOST_RANGES, N_STREAMS, STATE_REC, STREAM, STREAM_BYTES
from sensor.jit import packet_kernel as kernel
from sensor.protocols.reads import FRAMES

STREAM_REC = numba.from_dtype(STREAM)
GIVEN_UP = 0
_END = N_STREAMS  # of the ring of slots


@kernel(t.int64(STATE_REC, FLOW_REC, t.int64, t.int64))
def stream_of(s, f, row, d):
    """Slot of the buffer that side d of the flow in `row` has, or -1."""
    slot = np.int64(f["stream"][d]) - 1
    return slot if slot >= 0 and s.streams.slots[slot]["owner"] == 2 * row + d + 1 else np.int64(-1)


@kernel(t.void(STATE_REC, t.int64, t.int64))
def _move_behind(s, slot, place):
    """Take a slot out of the ring and put it in again behind `place`, another."""
    after, before = s.streams.after, s.streams.before
    after[before[slot]] = after[slot]
    before[after[slot]] = before[slot]
    after[slot], before[slot] = after[place], place
    before[after[place]] = slot
    after[place] = slot


@kernel(t.int64(STATE_REC, FLOW_REC, t.int64, t.int64, t.uint32))
def open_stream(s, f, row, d, base):
    """Slot of a new, empty buffer for side d, of which the first byte has the sequence number `base`."""
    streams = s.streams
    slot = np.int64(streams.after[_END])  # a free one, else the oldest
    if streams.slots[slot]["owner"] != 0:
        streams.meta[GIVEN_UP] += 1
    if streams.before[_END] != slot:
        _move_behind(s, slot, np.int64(streams.before[_END]))
    mine = streams.slots[slot]
    mine["owner"] = 2 * row + d + 1
    mine["base"] = base
    mine["have"] = mine["waits"] = 0
    mine["keys"][0] = 0
    for i in range(MOST_RANGES):
        mine["begin"][i] = mine["end"][i] = 0
    f["stream"][d] = np.uint16(slot + 1)
    return slot


@kernel(t.void(STATE_REC, FLOW_REC, t.int64, t.int64))
def close_stream(s, f, row, d):
    """Free the buffer of side d, if it has one."""
    slot = stream_of(s, f, row, d)
    if slot >= 0:
        s.streams.slots[slot]["owner"] = 0
        if s.streams.after[_END] != slot:
            _move_behind(s, slot, np.int64(_END))
    f["stream"][d] = 0


@kernel(t.void(STATE_REC, FLOW_REC, t.int64))
def close_streams(s, f, row):
    """Free the buffers of a flow that ends."""
    if f["stream"][0]:
        close_stream(s, f, row, 0)
    if f["stream"][1]:
        close_stream(s, f, row, 1)


@kernel(t.void(STREAM_REC))
def _join(mine):
    """Take the ranges into `have` that it reaches now."""
    n = 0
    for i in range(MOST_RANGES):
        if mine["end"][i] == 0:
            break
        if mine["begin"][i] <= mine["have"]:
            mine["have"] = max(mine["have"], mine["end"][i])
        else:
            mine["begin"][n], mine["end"][n] = mine["begin"][i], mine["end"][i]
            n += 1
    for i in range(n, MOST_RANGES):
        mine["begin"][i] = mine["end"][i] = 0


@kernel(t.boolean(STREAM_REC, t.int64, t.int64))
def _note_range(mine, begin, end):
    """Add a range beyond `have`, joined with those that it touches; False when there is no place for it."""
    n = 0  # ranges that stay
    for i in range(MOST_RANGES):
        if mine["end"][i] == 0:
            break
        if mine["begin"][i] <= end and mine["end"][i] >= begin:
            begin = min(begin, np.int64(mine["begin"][i]))
            end = max(end, np.int64(mine["end"][i]))
        else:
            mine["begin"][n], mine["end"][n] = mine["begin"][i], mine["end"][i]
            n += 1
    if n == MOST_RANGES:
        return False
    at = n
    while at > 0 and mine["begin"][at - 1] > begin:
        mine["begin"][at], mine["end"][at] = mine["begin"][at - 1], mine["end"][at - 1]
        at -= 1
    mine["begin"][at], mine["end"][at] = np.int32(begin), np.int32(end)
    for i in range(n + 1, MOST_RANGES):
        mine["begin"][i] = mine["end"][i] = 0
    return True


@kernel(t.boolean(STATE_REC, t.int64, t.int64, FRAMES, t.int64, t.int64))
def feed(s, slot, offset, data, pos, end):
    """Put data[pos:end] at `offset` of a buffer; whether more bytes are in order now than before.

    What lies before the buffer or beyond its end is left out, and so is a piece for which no range is left.
    """
    mine = s.streams.slots[slot]
    if offset < 0:
        pos -= offset
        offset = np.int64(0)
    stop = min(offset + end - pos, np.int64(STREAM_BYTES))
    have = np.int64(mine["have"])
    if pos >= end or stop <= have or offset >= STREAM_BYTES:
        return False
    start = slot * STREAM_BYTES
    # the bytes between the ranges that are there
    at = max(offset, have)
    for i in range(MOST_RANGES + 1):
        until = stop if i == MOST_RANGES or mine["end"][i] == 0 else min(stop, np.int64(mine["begin"][i]))
        for k in range(at, until):
            s.streams.bytes[start + k] = data[pos + k - offset]
        if i == MOST_RANGES or mine["end"][i] == 0:
            break
        at = max(at, min(stop, np.int64(mine["end"][i])))
    if offset <= have:
        mine["have"] = np.int32(stop)
        _join(mine)
        return True
    _note_range(mine, offset, stop)
    return False


@kernel(t.void(STATE_REC, t.int64, t.int64))
def move_on(s, slot, used):
    """Forget the first `used` bytes of a buffer: the next message begins behind them."""
    if used <= 0:
        return
    mine = s.streams.slots[slot]
    stop = np.int64(mine["have"])
    for i in range(MOST_RANGES):
        stop = max(stop, np.int64(mine["end"][i]))
    start = slot * STREAM_BYTES
    for k in range(used, stop):
        s.streams.bytes[start + k - used] = s.streams.bytes[start + k]
    mine["base"] = np.uint32(np.int64(mine["base"]) + used)
    mine["have"] -= np.int32(used)
    for i in range(MOST_RANGES):
        if mine["end"][i]:
            mine["begin"][i] -= np.int32(used)
            mine["end"][i] -= np.int32(used)
