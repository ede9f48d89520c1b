"""The flow tracker: owns the table and its neighbours, feeds packets to the kernels, hands full buffers on.

It reads no file and writes none: finished rows go to a `sink`, a callable that must copy what it keeps.
"""

import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensor.capture.batch import Batch, empty_batch
from sensor.dtypes import PACKET
from sensor.far import address_of
from sensor.flows import track
from sensor.flows.dns_rows import DNS_WAIT_NS, reopen
from sensor.flows.facts import LOST
from sensor.flows.keys import hash_packets
from sensor.flows.out import add_queries
from sensor.flows.payload import take_payload
from sensor.flows.pool import MOST_BYTES, MOST_TEXTS, POOL, begin_pool, keep, nearly_full, take_over
from sensor.flows.rows import END_END, END_FORCED, FACT, SOURCE_NONE, new_record
from sensor.flows.state import COUNT_NAMES, MOST_ROWS, N_DNS, N_EVENTS, N_FACTS, N_FLOWS, new_state, part
from sensor.flows.streams import GIVEN_UP
from sensor.flows.table import META_FREE, META_ROWS, META_TOP, NEVER, idle_threshold

_S = 10**9
_EVICT_SHARE = 1 / 16
_FLOW_IDS = (
    *("name_id", "proxy_id", "event_dest_id"),
    *("agent_id", "event_method_id", "event_agent_id", "event_uri_id", "event_content_id"),
)
_FACT_IDS = tuple(name for name in FACT.names or () if name.endswith("_id"))
_COMPACTIONS = (
    (_FLOW_IDS, _FACT_IDS, True),
    (_FLOW_IDS, _FACT_IDS, False),
    (_FLOW_IDS[:3], (), False),
    ((), (), False),
)
"""Which texts of flows and facts a compaction keeps, and whether what clients resolved; the next if it is too much."""

Sink = Callable[[Any, Any], None]
"""Takes the buffers (a state.OUT record) and the text pool (a pool.POOL record)."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """When flows end, on packet time, seconds. The defaults are Zeek's where Zeek has one.

    tcp_idle_s : of an established connection; handshake_idle_s : of an attempt, so that retransmitted SYNs (up to
    half a minute apart) stay one attempt; closed_s : how long late packets still belong to a closed connection;
    active_s : a flow that lives on is reported this often; gap_s : silence between two exchanges of a connection
    """

    tcp_idle_s: float = 300.0
    handshake_idle_s: float = 60.0
    udp_idle_s: float = 60.0
    closed_s: float = 5.0
    active_s: float = 3600.0
    gap_s: float = 0.8


class FlowTracker:
    """Flows of one capture.

    sink : called with full buffers and the pool their numbers refer to; rows used are out.n
    max_flows : live flows kept at once; the idlest are evicted beyond it
    buffer_rows : flows held before the sink is called (events and DNS rows in proportion)
    codes : uint64[>= n], keyed hashes of the flow keys of the n packets taken last, the same both ways
    """

    def __init__(
        self,
        sink: Sink,
        *,
        max_flows: int = 1 << 19,
        buffer_rows: int = MOST_ROWS,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._sink = sink
        self.max_flows = max_flows
        self._key = np.array([secrets.randbits(64), secrets.randbits(64)], np.uint64)
        self._state = new_state(self._key, max_flows, buffer_rows, MOST_TEXTS, MOST_BYTES)
        self._table, self._pool, self._out = (part(self._state, name) for name in ("table", "pool", "out"))
        self._facts, self._clock = part(self._state, "facts"), part(self._state, "clock")
        self._config = part(self._state, "config")
        self.set_timeouts(timeouts or Timeouts())
        self.codes: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._texts_lost = 0
        self._reads_payloads = False  # its kernel is loaded with the first packets

    @property
    def counts(self) -> dict[str, int]:
        """What was counted so far: packets taken, duplicates left out, evictions, ..."""
        counts = {name: int(n) for name, n in zip(COUNT_NAMES, self._clock.counts, strict=True)}
        counts["texts_lost"] = self._texts_lost + int(self._pool.meta[2])
        counts["messages_lost"] = int(part(self._state, "streams").meta[GIVEN_UP])
        counts["facts_lost"] = int(self._facts.meta[LOST])
        return counts

    def set_timeouts(self, timeouts: Timeouts) -> None:
        """Use other timeouts from the next packet on."""
        for name, seconds in asdict(timeouts).items():
            self._config[name.removesuffix("_s") + "_ns"] = int(seconds * _S)

    @property
    def live_flows(self) -> int:
        """Flows in the table now."""
        return self.max_flows - int(self._table.meta[META_FREE])

    def add(self, batch: Batch, packets: NDArray[np.void]) -> None:
        """Take the decoded packets of a batch. packets : PACKET[n]"""
        if len(self.codes) < len(packets):
            self.codes = np.zeros(len(packets), np.uint64)
        if not self._reads_payloads:
            self._config.payload_at = address_of(take_payload)
            self._reads_payloads = True
        codes = self.codes[: len(packets)]
        hash_packets(self._state, packets, codes)
        first, why = 0, track.DRAIN
        while why != track.DONE:
            first, why = track.track(packets, first, batch.frames, codes, self._state)
            if why == track.DRAIN:
                self.drain()
            elif why == track.EVICT:
                self._evict()

    def compile_kernels(self) -> None:
        """Call every kernel of an empty tracker once, but for the one that reads payloads."""
        hash_packets(self._state, np.zeros(0, PACKET), self.codes)
        self.finish()
        track.evict(self._state, 0, 1)
        track.sweep_to(self._state, 0)
        track.track(np.zeros(0, PACKET), 0, empty_batch().frames, self.codes, self._state)

    def tick(self, now_ns: int) -> None:
        """Let time pass without packets, on an idle live link. now_ns : not later than any packet still to come"""
        while not track.sweep_to(self._state, now_ns):
            self.drain()

    def finish(self, *, interrupted: bool = False) -> None:
        """Report every live flow and hand over the last rows."""
        reason = END_FORCED if interrupted else END_END
        while not track.finish_all(self._state, reason):
            self.drain()
        self.drain(final=True)

    def drain(self, *, final: bool = False) -> None:
        """Hand the rows over and empty the buffers; DNS questions that may still be answered stay, unless `final`.

        Each DNS question handed over is an event as well.
        """
        out = self._out
        n_dns = int(out.n[N_DNS])
        newest = int(self._clock.meta[1])
        waiting = (out.dns["is_open"][:n_dns] != 0) & (out.dns["ts"][:n_dns] > newest - DNS_WAIT_NS)
        keeps = not final and n_dns < out.room[N_DNS] // 2 and not nearly_full(self._pool)
        kept = out.dns[:n_dns][waiting] if keeps else out.dns[:0].copy()
        if len(kept):
            out.dns[: n_dns - len(kept)] = out.dns[:n_dns][~waiting]
            out.n[N_DNS] = n_dns - len(kept)
        add_queries(self._state)
        self._sink(out, self._pool)
        out.n[N_FLOWS] = out.n[N_EVENTS] = out.n[N_FACTS] = 0
        if nearly_full(self._pool):
            self._compact()
        out.dns[: len(kept)] = kept
        out.n[N_DNS] = len(kept)
        scratch = part(self._state, "scratch")
        scratch.pending[: int(scratch.mask) + 1] = 0
        reopen(self._state)

    def _evict(self) -> None:
        n_max = max(1, int(self._table.meta[META_ROWS] * _EVICT_SHARE))
        if track.evict(self._state, idle_threshold(self._table, _EVICT_SHARE), n_max) < n_max:
            self.drain()

    def _compact(self) -> None:
        """Move the texts still in use to a new pool. If they alone fill it, let go of what
        clients resolved, then of request words and facts, then of names."""
        top = int(self._table.meta[META_TOP])
        flows = self._table.flows[:top]
        live = self._table.deadline[:top] != NEVER
        facts = self._facts.rows[: int(self._facts.meta[1])]
        cached = part(self._state, "cache").names
        old = self._pool
        self._texts_lost += int(old.meta[2])
        for fields, fact_fields, with_cache in _COMPACTIONS:
            pool = new_record(POOL)
            begin_pool(pool, MOST_TEXTS, MOST_BYTES, self._key)
            moved = {field: np.ascontiguousarray(flows[field][live]) for field in fields}
            moved_facts = {field: np.ascontiguousarray(facts[field]) for field in fact_fields}
            names = np.ascontiguousarray(cached["name"]) if with_cache else np.zeros(len(cached), np.uint32)
            for numbers in (*moved.values(), *moved_facts.values(), names):
                keep(pool, old, numbers)
            if not nearly_full(pool):
                break
        for field in _FLOW_IDS:
            if field not in moved:
                self._texts_lost += int(np.count_nonzero(flows[field][live]))
            flows[field][live] = moved.get(field, 0)
        for field in _FACT_IDS:
            if field not in moved_facts:
                self._texts_lost += int(np.count_nonzero(facts[field]))
            facts[field] = moved_facts.get(field, 0)
        flows["name_source"][live & (flows["name_id"] == 0)] = SOURCE_NONE
        cached["name"] = names
        self._out.addresses["name_id"] = 0
        take_over(self._pool, pool)
