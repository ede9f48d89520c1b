"""Feed a flow tracker with packets that carry real beginnings of conversations: cut, shuffled, repeated, with gaps.

usage: NUMBA_BOUNDSCHECK=1 python benchmarks/fuzz_flows.py CORPUS_DIR -max_total_time=60   kernels as compiled

There is no guided way: the tracker's state is a record, which Python cannot read as kernels do. An input is four bytes
of options (SIZES, POOLS, where batches are cut), then steps as fuzz_script.py reads them. After the last packet
everything must be accounted for and given back.
"""

import sys
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from fuzz_script import packets_of, seeds
from fuzzing import GUIDED, captured, fuzz, note

from sensor.flows import tracker as trackers
from sensor.flows.pool import MAX_TEXT_BYTES
from sensor.flows.state import MOST_FACTS, new_state, part
from sensor.flows.table import META_FREE, n_slots
from tests.support import packets as support
from tests.support.flow_cases import everything
from tests.support.flows import Collector
from tests.support.packets import Packet, batches_of, rows_of

SIZES = ((1 << 10, 1 << 10), (4, 64), (1, 16), (40, 16))  # flows, rows of the buffers
POOLS = ((1 << 12, 1 << 18), (1 << 6, 1 << 10))  # texts, their bytes
KEPT: list[Any] = []


def begin_again(*sizes: Any) -> Any:
    """`new_state` in the memory of the last one, of which everything was given back: new memory takes milliseconds."""
    if not KEPT:
        KEPT.append(new_state(*sizes))
        return KEPT[0]
    pool, cache, out, clock = (part(KEPT[0], name) for name in ("pool", "cache", "out", "clock"))
    pool.slots[: int(pool.meta[5]) + 1] = 0
    if cache.answers:
        cache.names[:] = np.zeros(1, cache.names.dtype)
    cache.answers = 0
    out.addresses[:] = np.zeros(1, out.addresses.dtype)
    out.n[:] = clock.counts[:] = 0
    with mock.patch.object(np, "zeros", lambda *_: KEPT[0]):
        return new_state(*sizes)


class Sink:
    """Looks at all rows and at what they point to, and keeps a few numbers; a Collector is far slower."""

    def __init__(self) -> None:
        self.n_packets = 0

    def __call__(self, out: Any, pool: Any) -> None:
        n_texts, n_bytes = int(pool.meta[0]), int(pool.meta[1])
        lengths = np.diff(pool.off[: n_texts + 1])
        assert (lengths[1:] > 0).all() and (lengths <= MAX_TEXT_BYTES).all() and pool.off[n_texts] == n_bytes
        assert (out.n <= out.room).all()
        flows, events, dns = (
            out[name][: out.n[i]].view(np.ndarray) for i, name in enumerate(("flows", "events", "dns"))
        )
        for rows in (flows, events, dns, out.facts[: out.n[3] + 1]):
            ids = [name for name in rows.dtype.names if name.endswith("_id") and not name.endswith("vlan_id")]
            assert all((rows[name] < n_texts).all() for name in ids)
        assert (flows["facts"] <= out.n[3]).all()
        assert (flows["first_ts"] <= flows["last_ts"]).all()
        assert (events["duration_ns"] >= 0).all() and (dns["duration_ns"] >= 0).all()
        self.n_packets += int(flows["orig_pkts"].sum() + flows["resp_pkts"].sum())
        for row in flows[:20]:
            fact = out.facts[row["facts"]]
            known = [bool(fact[name]) for name in fact.dtype.names if name.endswith("_id")]
            note(*(int(row[name]) for name in ("proto", "app", "name_source", "notes")), *known)
            note(int(row["conn_state"]), int(row["end_reason"]), int(fact["tls_version"]))
        for event in events[:20]:
            known = [bool(event[name]) for name in event.dtype.names if name.endswith("_id")]
            note(int(event["kind"]), int(event["status"]), *known)


def run(packets: list[Packet], sizes: tuple[int, int], cuts: list[int], sink: Any) -> None:
    tracker = trackers.FlowTracker(sink, max_flows=sizes[0], buffer_rows=sizes[1])
    for batch, rows in batches_of(*rows_of(packets), cuts):
        tracker.add(batch, rows)
    tracker.finish()
    state, counts = tracker._state, tracker.counts
    assert not part(state, "streams").slots["owner"].any(), "a buffer is still owned"
    assert part(state, "facts").meta[0] == MOST_FACTS - 1, "facts were not freed"
    assert part(state, "table").meta[META_FREE] == sizes[0], "rows were not freed"
    assert not part(state, "table").slots[: 2 * n_slots(state["table"][0])].any(), "a slot was not freed"
    assert counts["packets"] + counts["duplicates"] + counts["not_flow"] == len(packets), "packets are lost"
    if isinstance(sink, Sink):
        assert sink.n_packets == counts["packets"], "packets are in no row"


def one_input(data: bytes) -> None:
    options, packets = data[:4], packets_of(data[4:])
    if len(options) < 4 or not packets:
        return
    sizes, pool, cuts = SIZES[options[0] & 3], POOLS[options[1] % 16 == 1], list(options[2:4])
    with mock.patch.object(trackers, "MOST_TEXTS", pool[0]), mock.patch.object(trackers, "MOST_BYTES", pool[1]):
        run(packets, sizes, cuts, Sink())
        if options[0] == 4:
            whole, parts = Collector(), Collector()
            run(packets, sizes, [], whole)
            run(packets, sizes, cuts, parts)
            assert everything(whole.got) == everything(parts.got), "batches changed the rows"


if __name__ == "__main__":
    if GUIDED:
        sys.exit("the tracker does not run as Python: set NUMBA_BOUNDSCHECK=1 instead")
    trackers.new_state = begin_again
    support.words = cache(support.words)
    fuzz(one_input, lambda: seeds(captured()))
