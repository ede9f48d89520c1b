"""The flow table: a keyed hash index over a fixed array of rows.

Bounded: rows are allocated once. When all are taken, the sixteenth that was idle longest is evicted in one sweep, so
the cost of an eviction is small and constant on average, whatever an attacker sends.

The index begins small and doubles when half full, so that few flows lie close together: where each is a slot in
megabytes, most packets wait for the page table.
"""

from typing import Any

import numba
import numpy as np
from numba import types as t
from numpy.typing import NDArray

from sensor.flows.rows import FLOW
from sensor.jit import packet_kernel as kernel

MOST_FLOWS = 1 << 21
"""What a table can be made for; memory that no flow uses is never touched."""

TABLE = np.dtype(
    [
        ("flows", FLOW, (MOST_FLOWS,)),  # first, so that they begin at cache lines as the record does
        # upper half of the hash << 32 | row + 1; 0 free. A row's home slot is given by the top bits of its hash, so a
        # slot alone tells where its row belongs. An index of n slots is slots[n:2 * n]
        ("slots", np.uint64, (4 * MOST_FLOWS,)),
        ("deadline", np.int64, (MOST_FLOWS,)),  # packet time in ns after which the flow is over; NEVER for a free row
        ("free", np.int32, (MOST_FLOWS,)),  # stack of free rows
        ("key", np.uint64, (2,)),  # secret of the hash
        ("meta", np.int64, (4,)),  # META_*
        ("blank", FLOW, (1,)),  # zeros
    ]
)
TABLE_REC = numba.from_dtype(TABLE)

META_FREE, META_TOP, META_SHIFT, META_ROWS = range(4)
"""Rows on the free stack; rows ever used; 64 - log2 of the slots; rows in all."""
NEVER = np.iinfo(np.int64).max
_FIRST_SLOTS_LOG2 = 5
_TAG = np.uint64(0xFFFFFFFF00000000)


def begin_table(table: Any, n_flows: int, key: NDArray[np.uint64]) -> None:
    """Make a zeroed TABLE record an empty table for up to `n_flows` live flows, at most MOST_FLOWS."""
    table.key[:] = key
    table.deadline[:n_flows] = NEVER
    table.free[:n_flows] = np.arange(n_flows - 1, -1, -1)
    table.meta[:] = (n_flows, 0, 64 - _FIRST_SLOTS_LOG2, n_flows)


@kernel(t.int64(TABLE_REC))
def n_slots(table):
    """Slots of the index: a power of two, at least twice the flows in the table."""
    return np.int64(1) << (64 - table.meta[META_SHIFT])


@kernel(t.int64(TABLE_REC, t.uint64))
def home_slot(table, code):
    """The slot where a hash, or a slot's content, belongs."""
    return np.int64(code >> np.uint64(table.meta[META_SHIFT])) | n_slots(table)


@kernel(t.int64(t.int64, t.int64))
def _next(slot, n):
    """The slot behind another one in an index of `n`."""
    return ((slot + 1) & (n - 1)) | n


@kernel(
    t.int64(TABLE_REC, t.uint64, t.uint64, t.uint64, t.uint64, t.uint64, t.uint32, t.int64, t.boolean), forceinline=True
)
def find(table, code, src_hi, src_lo, dst_hi, dst_lo, port, proto, one_way):
    """Row of the flow with this key, in either direction unless `one_way`, or -1. `port`: see FLOW.key_port."""
    flows = table.flows
    n = n_slots(table)
    slot = home_slot(table, code)
    tag = code & _TAG
    back = np.uint32(np.int64(port) >> 16 | (np.int64(port) & 0xFFFF) << 16)
    while table.slots[slot] != 0:
        entry = table.slots[slot]
        if entry & _TAG == tag:
            row = np.int64(entry & np.uint64(0xFFFFFFFF)) - 1
            f = flows[row]
            if f["proto"] == proto:
                if (
                    f["key_port"] == port
                    and f["orig_lo"] == src_lo
                    and f["resp_lo"] == dst_lo
                    and f["orig_hi"] == src_hi
                    and f["resp_hi"] == dst_hi
                ):
                    return row
                if (
                    not one_way
                    and f["key_port"] == back
                    and f["orig_lo"] == dst_lo
                    and f["resp_lo"] == src_lo
                    and f["orig_hi"] == dst_hi
                    and f["resp_hi"] == src_hi
                ):
                    return row
        slot = _next(slot, n)
    return np.int64(-1)


@kernel(t.void(TABLE_REC, t.uint64))
def _put(table, entry):
    """Put an entry into the index."""
    n = n_slots(table)
    slot = home_slot(table, entry)
    while table.slots[slot] != 0:
        slot = _next(slot, n)
    table.slots[slot] = entry


@kernel(t.void(TABLE_REC))
def _double(table):
    """Move all entries to an index of twice as many slots."""
    n = n_slots(table)
    table.meta[META_SHIFT] -= 1
    for slot in range(n, 2 * n):
        entry = table.slots[slot]
        if entry != 0:
            table.slots[slot] = 0
            _put(table, entry)


@kernel(t.int64(TABLE_REC, t.uint64))
def insert(table, code):
    """A zeroed row for a new key, or -1 when the table is full. The caller fills in the key."""
    if table.meta[META_FREE] == 0:
        return np.int64(-1)
    table.meta[META_FREE] -= 1
    row = np.int64(table.free[table.meta[META_FREE]])
    table.meta[META_TOP] = max(table.meta[META_TOP], row + 1)
    if 2 * (table.meta[META_ROWS] - table.meta[META_FREE]) > n_slots(table):
        _double(table)
    _put(table, (code & _TAG) | np.uint64(row + 1))
    table.flows[row] = table.blank[0]
    table.flows[row]["hash"] = np.uint32(code >> np.uint64(32))
    return row


@kernel(t.void(TABLE_REC, t.int64))
def remove(table, row):
    """Free a row. Later entries of its probe run move up, so no tombstones are left (Knuth 6.4, algorithm R)."""
    n = n_slots(table)
    slot = home_slot(table, np.uint64(table.flows[row]["hash"]) << np.uint64(32))
    while np.int64(table.slots[slot] & np.uint64(0xFFFFFFFF)) != row + 1:
        slot = _next(slot, n)
    hole = slot
    while True:
        slot = _next(slot, n)
        if table.slots[slot] == 0:
            break
        if ((slot - home_slot(table, table.slots[slot])) & (n - 1)) >= ((slot - hole) & (n - 1)):
            table.slots[hole] = table.slots[slot]
            hole = slot
    table.slots[hole] = 0
    table.deadline[row] = NEVER
    table.free[table.meta[META_FREE]] = row
    table.meta[META_FREE] += 1


def idle_threshold(table: Any, share: float) -> int:
    """The `last_ts` (ns) up to which flows belong to the idlest `share` (0 to 1) of the live ones."""
    top = int(table.meta[META_TOP])
    live = table.deadline[:top] != NEVER
    last = table.flows["last_ts"][:top][live]
    rank = min(len(last) - 1, max(0, int(len(last) * share)))
    return int(np.partition(last, rank)[rank])
