"""One capture, from its frames to the lake: batches -> decoder -> flow tracker -> segments.

In: an open reader, or the batches of a live link. Out: finished rows, segments in the lake, counts. Judges nothing;
what cannot be decoded is counted.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensor.capture.batch import Batch, empty_batch
from sensor.capture.reader import CaptureReader, RotatedReader
from sensor.constants import STATUS_NAMES, TUNNEL_NAMES
from sensor.decode.decoder import Decoder
from sensor.errors import DamagedCaptureError
from sensor.flows.tracker import FlowTracker, Sink, Timeouts
from sensor.segments import TABLES, Columns, by_bucket, finished_rows
from sensor.sightings import Fact, Sightings
from sensor.store.lake import Lake
from sensor.store.schema import SETTINGS


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the reading of a source has come. bytes_total is None for a stream."""

    source: str
    bytes_done: int
    bytes_total: int | None
    packets: int
    seconds: float


@dataclass(slots=True)
class Capture:
    """What reading one source gave.

    rows : rows brought into the lake, by table
    first_ts, last_ts : ns of the oldest and newest packet, None without packets
    counters : everything counted, by kind and name
    error : what was wrong with the file, in words; empty when nothing was
    host_facts : what hosts told of themselves, see Sightings.facts
    """

    packets: int = 0
    n_bytes: int = 0
    first_ts: int | None = None
    last_ts: int | None = None
    rows: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLES, 0))
    counters: dict[str, dict[str, int]] = field(default_factory=dict)
    error: str = ""
    host_facts: dict[Fact, list[int]] = field(default_factory=dict)


class LakeSink:
    """Writes the tracker's full buffers as segments of the lake."""

    def __init__(self, lake: Lake, source: str, name_segment: Callable[[int], str]) -> None:
        self._lake = lake
        self._columns = Columns(source)
        self._name_segment = name_segment
        self._number = 0
        self.rows = dict.fromkeys(TABLES, 0)

    def __call__(self, out: Any, pool: Any) -> None:
        """Write what the buffers hold."""
        name = self._name_segment(self._number)
        self._number += 1
        for table, rows, columns in finished_rows(out, self._columns):
            for mine in by_bucket(rows):
                self._lake.append(table, name, columns(mine, pool, out.facts), mine["bucket"])
            self.rows[table] += len(rows)


class Pipeline:
    """Decoder and flow tracker of one capture, from whatever source: batches in, finished rows to the sink.

    sightings : what hosts told of themselves
    packets : frames taken
    """

    def __init__(self, sink: Sink, **options: Any) -> None:
        """options : those of FlowTracker"""
        self.tracker = FlowTracker(sink, **options)
        self.decoder = Decoder()
        self.sightings = Sightings()
        self.packets = 0

    @property
    def oldest_ts(self) -> int | None:
        """Time of the oldest frame, ns, None before the first."""
        return int(self.decoder.span_ns[0]) if self.packets else None

    @property
    def newest_ts(self) -> int | None:
        """Time of the newest frame, ns, None before the first."""
        return int(self.decoder.span_ns[1]) if self.packets else None

    def take(self, batch: Batch) -> NDArray[np.void]:
        """Decode a batch and account for its packets; returns their rows, PACKET[n], which the next call fills anew."""
        self.packets += len(batch)
        packets = self.decoder.decode(batch)
        self.sightings.add(batch, packets)
        self.tracker.add(batch, packets)
        return packets

    def load_kernels(self) -> None:
        """Load every kernel before the first frame, which else would wait for it."""
        self.tracker.compile_kernels()
        nothing = empty_batch()
        self.tracker.add(nothing, self.decoder.decode(nothing))

    def counters(self) -> dict[str, dict[str, int]]:
        """Everything counted so far, by kind and name."""
        return {
            "decode": _named(STATUS_NAMES, self.decoder.status_counts),
            "link": {str(link): n for link, n in self.decoder.link_counts.items()},
            "tunnel": _named(TUNNEL_NAMES, self.decoder.tunnel_counts),
            "flows": {name: n for name, n in self.tracker.counts.items() if n},
            "hosts": {"announcements_skipped": self.sightings.skipped} if self.sightings.skipped else {},
        }


def run_capture(
    reader: CaptureReader | RotatedReader,
    lake: Lake,
    name_segment: Callable[[int], str],
    capture: Capture,
    *,
    timeouts: Timeouts | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> None:
    """Read a capture to its end (or to its damage) into the lake.

    name_segment : gives the name of the n-th segment
    capture : filled in, also when reading is interrupted
    timeouts : when flows and exchanges end; None: the defaults
    progress : called now and then
    Raises: StoreError when the lake cannot be written; KeyboardInterrupt after the rows so far were written.
    """
    started = time.monotonic()
    told = started
    sink = LakeSink(lake, reader.source, name_segment)
    timeouts = timeouts or Timeouts()
    pipeline = Pipeline(sink, timeouts=timeouts)
    interrupted = False
    try:
        for batch in reader.batches():
            pipeline.take(batch)
            if progress is not None and (now := time.monotonic()) - told > 0.5:
                told = now
                progress(Progress(reader.source, reader.bytes_read, reader.bytes_total, reader.packets, now - started))
    except DamagedCaptureError as error:
        capture.error = str(error)
    except KeyboardInterrupt:
        interrupted = True
    pipeline.tracker.finish(interrupted=interrupted)
    capture.packets = reader.packets
    capture.n_bytes = reader.bytes_read
    capture.first_ts, capture.last_ts = pipeline.oldest_ts, pipeline.newest_ts
    capture.rows = sink.rows
    capture.host_facts = pipeline.sightings.facts
    capture.counters = pipeline.counters() | {
        "capture": {name: n for name, n in reader.anomalies.items() if n},
        SETTINGS: {"exchange_gap_ms": round(timeouts.gap_s * 1000)},
    }
    if interrupted:
        raise KeyboardInterrupt


def _named(names: tuple[str, ...], counts: NDArray[np.int64]) -> dict[str, int]:
    return {name: int(n) for name, n in zip(names, counts, strict=True) if n and name}
