"""From the snapshots of the workers to one health row a minute. Pure: no clock, no store.

Counts of workers are added up; a row holds what came since the row before.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from sensor.live.portion import COUNTED, Snapshot

INTERVAL_S = 60.0
KEPT = ("kept", "kept_bytes", "kept_lost")
_MOST_WORDS = 50
_WORST = ("gone", "down", "no-carrier", "up", "stopped")


class Meter:
    """Health of one live capture.

    source : its identity in the store
    kept : what was kept of packets since the start, see keeper.Keeper.counts
    """

    def __init__(self, source: str, started_s: float, started_ns: int) -> None:
        """started_s : of the monotonic clock; started_ns : of the wall clock"""
        self._source = source
        self._latest: dict[int, Snapshot] = {}
        self._before: Counter[str] = Counter()
        self._began_s, self._ended_s, self._ts = started_s, started_s, started_ns
        self._number = 0
        self._peak = 0.0
        self._flush_s = 0.0
        self._words: list[str] = []
        self.kept: Callable[[], Mapping[str, int]] = lambda: dict.fromkeys(KEPT, 0)
        self.rows = self.rows_lost = self.bytes_written = 0

    def take(self, snapshot: Snapshot) -> None:
        """A worker's state at its flush."""
        self._latest[snapshot.worker] = snapshot
        self._peak = max(self._peak, snapshot.ring_frac)
        for word in snapshot.words:
            self.say(word)

    def say(self, word: str) -> None:
        """Note something that happened."""
        if len(self._words) < _MOST_WORDS:
            self._words.append(word)

    def wrote(self, rows: int, n_bytes: int, seconds: float) -> None:
        """A portion was written."""
        self.rows += rows
        self.bytes_written += n_bytes
        self._flush_s = max(self._flush_s, seconds)

    def totals(self) -> Counter[str]:
        """Everything counted since the start."""
        totals = Counter(dict.fromkeys(COUNTED, 0))
        for snapshot in self._latest.values():
            totals.update(snapshot.counted)
        totals.update({"rows": self.rows, "rows_lost": self.rows_lost, "bytes_written": self.bytes_written})
        totals.update(self.kept())
        return totals

    def counters(self) -> dict[str, dict[str, int]]:
        """The workers' counters by kind and name, added up."""
        sums: dict[str, Counter[str]] = {}
        for snapshot in self._latest.values():
            for kind, names in snapshot.counters.items():
                sums.setdefault(kind, Counter()).update(names)
        return {kind: dict(names) for kind, names in sums.items()}

    def span(self) -> tuple[int | None, int | None]:
        """ns of the oldest and the newest packet."""
        oldest = [s.oldest_ts for s in self._latest.values() if s.oldest_ts is not None]
        newest = [s.newest_ts for s in self._latest.values() if s.newest_ts is not None]
        return min(oldest, default=None), max(newest, default=None)

    @property
    def state(self) -> str:
        """The interface, as the worker that fares worst has it."""
        return min((snapshot.state for snapshot in self._latest.values()), key=_WORST.index, default="up")

    def gauges(self) -> dict[str, float]:
        """What goes up and down: flows in the table, its room, the ring's highest share of the interval."""
        latest = self._latest.values()
        return {
            "ring_frac": self._peak,
            "flows_live": sum(snapshot.flows_live for snapshot in latest),
            "flows_max": sum(snapshot.flows_max for snapshot in latest),
        }

    def row(self, now_s: float) -> dict[str, Any]:
        """The interval that is going on, up to now."""
        self._ended_s = now_s
        totals = self.totals()
        row: dict[str, Any] = {name: totals[name] - self._before[name] for name in totals}
        return row | {
            "source": self._source,
            "number": self._number,
            "ts": self._ts,
            "span_s": now_s - self._began_s,
            "state": self.state,
            **self.gauges(),
            "flush_s": self._flush_s,
            "words": list(self._words),
        }

    def turn(self, now_s: float, now_ns: int) -> bool:
        """Begin the next interval when this one is over; whether it was."""
        if now_s - self._began_s < INTERVAL_S:
            return False
        self._before = self.totals()
        self._began_s, self._ts = now_s, now_ns
        self._number += 1
        self._peak = self._flush_s = 0.0
        self._words = []
        return True
