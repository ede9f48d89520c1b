"""One capturing thread: its own ring, decoder, flow table and flushes.

The kernels run without the GIL, so several of these share the cores. Everything it knows goes to the writer's inbox; it
never touches the store.
"""

import queue
import threading
import time
from collections.abc import Callable

from sensor.capture.afpacket import Ring, RingCounts
from sensor.capture.interface import dropped_before
from sensor.errors import KagamiError
from sensor.flows.tracker import Timeouts
from sensor.live.chooser import Chooser
from sensor.live.portion import Inbox, QueueSink, Snapshot
from sensor.pipeline import Pipeline

POLL_S = 0.25
GATHER_S = 0.02
"""What is waited after a block or two, so that more come at once: waking up costs as much as a thousand packets."""
GATHER_FRAC = 1 / 32
"""Not where more of the ring than this was waiting."""
IDLE_MARGIN_NS = 1_500_000_000
"""On an idle link time is taken to have come this far less than the clock: no packet still in the ring is older."""
CHECK_S = 1.0
BUFFER_ROWS = 1 << 16
STEP_S = 0.5
"""A clock that moved by this much more than time did was set."""

_GOOD = ("ok", "not_ip")


class Worker(threading.Thread):
    """Captures until `stop` is set, then flushes what it has.

    beats : moves on as long as the thread does
    failure : what ended it before its time
    """

    def __init__(
        self,
        number: int,
        open_ring: Callable[[], Ring],
        inbox: Inbox,
        *,
        source: str,
        timeouts: Timeouts,
        flush_s: float,
        max_flows: int,
        tell: Callable[[str], None],
    ) -> None:
        """tell : takes words as soon as something happened; only the first worker speaks, as all see the same"""
        super().__init__(name=f"capture-{number}", daemon=True)
        self.number = number
        self.stop = threading.Event()
        self.beats = 0
        self.failure: BaseException | None = None
        self.flush_s = flush_s
        self._open_ring = open_ring
        self._inbox = inbox
        self._timeouts: Timeouts | None = None
        self._chooser: Chooser | None = None
        self._next_chooser: Chooser | None = None
        self._source = source
        self._sink = QueueSink(inbox, source)
        self._pipeline = Pipeline(self._sink, timeouts=timeouts, max_flows=max_flows, buffer_rows=BUFFER_ROWS)
        self._past = RingCounts()
        self._ring: Ring | None = None
        self._state = "up"
        self._nic_dropped = 0
        self._nic_before = dropped_before(source)
        self._words: list[str] = []
        self._tell = tell
        self._ring_frac = 0.0
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def open(self) -> None:
        """Load the kernels, then open the ring, so that nothing has to wait in it. Raises as Ring does."""
        self._pipeline.load_kernels()
        self._ring = self._open_ring()
        self._state = self._ring.interface.state

    def set_timeouts(self, timeouts: Timeouts) -> None:
        """Use other timeouts soon; may be called from any thread."""
        self._timeouts = timeouts

    def keep_with(self, chooser: Chooser | None) -> None:
        """Keep packets by way of a chooser from the next batch on, or, None, none; may be called from any thread."""
        self._next_chooser = chooser

    def run(self) -> None:
        """Capture; see `open`."""
        try:
            self._capture()
        except BaseException as failure:
            self.failure = failure

    def _capture(self) -> None:
        checked = flushed = time.monotonic()
        while not self.stop.is_set():
            self.beats += 1
            if self._ring is not None and self._ring.wait(POLL_S):
                self._take_ready(self._ring)
            elif self._ring is None:
                self.stop.wait(POLL_S)
            else:
                self._pipeline.tracker.tick(time.time_ns() - IDLE_MARGIN_NS)
            now = time.monotonic()
            if now - checked >= CHECK_S:
                checked = now
                self._check()
            if now - flushed >= self.flush_s or _hour(now + self._offset_ns / 1e9) != _hour(
                flushed + self._offset_ns / 1e9
            ):
                flushed = now
                self.flush()
        self._finish()

    def _take_ready(self, ring: Ring) -> None:
        self._take_chooser()
        waiting_frac = ring.occupancy()
        self._ring_frac = max(self._ring_frac, waiting_frac)
        for batch in ring.batches():
            packets = self._pipeline.take(batch)
            if self._chooser is not None:
                self._chooser.take(batch, packets, self._pipeline.tracker.codes)
        if waiting_frac <= GATHER_FRAC:
            self.stop.wait(GATHER_S)

    def _check(self) -> None:
        """Once a second: the clock, the interface, and what the main thread asked for."""
        offset_ns = time.time_ns() - time.monotonic_ns()
        if abs(offset_ns - self._offset_ns) > STEP_S * 1e9:
            self._say(f"clock step {(offset_ns - self._offset_ns) / 1e9:+.1f} s")
        self._offset_ns = offset_ns
        if self._timeouts is not None:
            self._pipeline.tracker.set_timeouts(self._timeouts)
            self._timeouts = None
        self._take_chooser()
        if self.number == 0:  # the counters are the interface's, so one worker reads them for all
            dropped = dropped_before(self._source)
            self._nic_dropped += max(0, dropped - self._nic_before)
            self._nic_before = dropped
        self._check_interface()

    def _take_chooser(self) -> None:
        if self._chooser is not None and self._chooser is not self._next_chooser:
            self._chooser.flush()
        self._chooser = self._next_chooser

    def _check_interface(self) -> None:
        if self._ring is None:
            try:
                self._ring = self._open_ring()
            except KagamiError:
                return
            self._turn(self._ring.interface.state)
            return
        facts = self._ring.interface_now()
        if facts is None:
            self._close(self._ring)
        self._turn("gone" if facts is None else facts.state)

    def _turn(self, state: str) -> None:
        if state != self._state:
            self._say(f"interface {state}")
            self._state = state

    def _say(self, word: str) -> None:
        if self.number == 0:
            self._tell(f"{self._source}: {word}")
            self._words.append(word)

    def _finish(self) -> None:
        """Read the ring to its end and report every live flow: the capture ends here."""
        self._check()
        if self._ring is not None:
            self._close(self._ring)
        self._pipeline.tracker.finish()
        self._state = "stopped"
        self.flush()

    def _close(self, ring: Ring) -> None:
        """Read the ring to its end: traffic that goes on meanwhile is left to whoever captures next."""
        ring.stop_intake()
        while ring.wait(POLL_S):  # the block being filled comes after the retirement time
            self._take_ready(ring)
        self._past = self._counts()
        ring.close()
        self._ring = None

    def flush(self) -> None:
        """Hand over the finished rows, what was kept of packets, and how things stand."""
        if self._chooser is not None:
            self._chooser.flush()
        self._pipeline.tracker.drain(final=self._state == "stopped")
        snapshot = self._snapshot()
        try:
            self._inbox.put(snapshot, timeout=0 if self._state != "stopped" else None)
        except queue.Full:
            return  # the next one holds the same counts
        self._words = []
        self._ring_frac = 0.0
        self._pipeline.sightings.facts = {}  # the others are the writer's now

    def _counts(self) -> RingCounts:
        """Counts of this ring and of those before it."""
        past = self._past
        if self._ring is None:
            return past
        now = self._ring.counts()
        return RingCounts(*(getattr(past, name) + getattr(now, name) for name in RingCounts.__slots__))

    def _snapshot(self) -> Snapshot:
        pipeline, ring = self._pipeline, self._counts()
        flows = pipeline.tracker.counts
        counters = pipeline.counters()
        return Snapshot(
            worker=self.number,
            counted={
                "packets": ring.frames,
                "bytes": ring.wire_bytes,
                "seen": ring.seen,
                "dropped": ring.dropped,
                "freezes": ring.freezes,
                "nic_dropped": self._nic_dropped,
                "undecoded": sum(n for name, n in counters["decode"].items() if name not in _GOOD),
                **{name: flows[name] for name in ("duplicates", "evicted", "acks", "ack_gaps")},
                "tcp_flows": self._sink.tcp_flows,
                "one_sided": self._sink.one_sided,
                "rows_lost": self._sink.rows_lost,
            },
            counters=counters,
            flows_live=pipeline.tracker.live_flows,
            flows_max=pipeline.tracker.max_flows,
            ring_frac=self._ring_frac,
            state=self._state,
            oldest_ts=pipeline.oldest_ts,
            newest_ts=pipeline.newest_ts,
            words=list(self._words),
            host_facts=pipeline.sightings.facts,
        )


def _hour(seconds: float) -> int:
    return int(seconds // 3600)
