"""The writing thread: portions become segments, snapshots become health rows. The only one that touches the store.

A disk that is full stops the writing, not the capture: rows are counted as lost, and writing goes on when there is room
again. The database is tried again at every flush.
"""

import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from sensor.errors import StoreError
from sensor.live.meter import Meter
from sensor.live.portion import Inbox, Portion, Snapshot
from sensor.segments import TABLES
from sensor.store.health import save_health
from sensor.store.schema import SETTINGS, SOURCE_COMPLETE, SOURCE_RUNNING
from sensor.store.store import Store
from sensor.store.summaries import save_host_facts

_LOST = ("dropped", "freezes", "nic_dropped", "rows_lost", "kept_lost")
_MOST_WAITING = 24 * 60
"""Health rows kept while the database cannot be written: a day's."""


class Writer(threading.Thread):
    """Empties the inbox until a None comes. The store is its own from `start` until it has ended.

    beats : moves on as long as the thread does; is_busy : it has something to do
    failure : what ended it before its time
    floor_bytes : free space on the disk that is left alone
    settings : what the capture was set to, kept beside its counters
    """

    def __init__(
        self,
        store: Store,
        source: str,
        inbox: Inbox,
        *,
        floor_bytes: int,
        settings: dict[str, int],
        tell: Callable[[str], None],
    ) -> None:
        super().__init__(name="writer", daemon=True)
        self.beats = 0
        self.is_busy = False
        self.failure: BaseException | None = None
        self.floor_bytes = floor_bytes
        self.settings = settings
        self.meter = Meter(source, time.monotonic(), time.time_ns())
        self._store, self._source, self._inbox, self._tell = store, source, inbox, tell
        self._number = 0
        self._rows = dict.fromkeys(TABLES, 0)
        self._trouble = ""
        self._waiting: deque[dict[str, Any]] = deque(maxlen=_MOST_WAITING)

    def run(self) -> None:
        """Write what comes; see Writer."""
        try:
            while (item := self._inbox.get()) is not None:
                self.beats += 1
                self.is_busy = True
                if isinstance(item, Portion):
                    self._write(item)
                else:
                    self._note(item)
                self.is_busy = False
            self._finish()
        except BaseException as failure:
            self.failure = failure

    def _write(self, portion: Portion) -> None:
        began = time.monotonic()
        lake = self._store.lake
        before = lake.bytes_written
        name = self._store.segment_name(self._source, self._number)
        self._number += 1
        written = 0
        try:
            self._must_have_room()
            for table, columns, bucket in portion.parts:
                lake.append(table, name, columns, bucket)
                written += len(bucket)
                self._rows[table] += len(bucket)
                self.beats += 1
            self._now_is("")
        except StoreError as error:
            self.meter.rows_lost += sum(portion.rows.values()) - written
            self._now_is(str(error))
        self.meter.wrote(written, lake.bytes_written - before, time.monotonic() - began)

    def _must_have_room(self) -> None:
        free = shutil.disk_usage(self._store.path).free
        if free < self.floor_bytes:
            raise StoreError(
                f"only {free / 2**30:.2f} GiB are free on the disk of {self._store.path}, less than the "
                f"{self.floor_bytes / 2**30:g} GiB to be left; run `kagami prune`, or free some space"
            )

    def _now_is(self, trouble: str) -> None:
        """Say when writing begins to fail and when it works again, once each."""
        if bool(trouble) == bool(self._trouble):
            return
        self._trouble = trouble
        self.meter.say("writing stopped" if trouble else "writing again")
        self._tell(
            f"rows are not stored, only counted: {trouble}" if trouble else "there is room: rows are stored again"
        )

    def _note(self, snapshot: Snapshot) -> None:
        self.meter.take(snapshot)
        try:
            save_host_facts(self._store, snapshot.host_facts)
        except StoreError as error:  # hosts say such things again and again
            self._now_is(str(error))
        self._save()
        if self.meter.turn(time.monotonic(), time.time_ns()):
            self._save()

    def _save(self) -> None:
        """Bring the database up to date; what cannot be written now waits for the next flush."""
        row = self.meter.row(time.monotonic())
        if self._waiting and self._waiting[-1]["number"] == row["number"]:
            self._waiting.pop()
        self._waiting.append(row)
        try:
            while self._waiting:
                save_health(self._store, self._waiting[0])
                self._waiting.popleft()
            self._book(SOURCE_RUNNING)
        except StoreError as error:
            self._now_is(str(error))

    def _book(self, state: str) -> None:
        totals = self.meter.totals()
        counters = self.meter.counters()
        first_ts, last_ts = self.meter.span()
        self._store.finish_source(
            self._source,
            state=state,
            packets=totals["packets"],
            n_bytes=totals["bytes"],
            first_ts=first_ts,
            last_ts=last_ts,
            link_types=list(counters.get("link", {})),
            rows=self._rows,
        )
        counters["live"] = {name: totals[name] for name in _LOST if totals[name]}
        self._store.save_counters(self._source, counters | {SETTINGS: self.settings})

    def _finish(self) -> None:
        """The capture was stopped: its source is complete."""
        self._save()  # packets may have been kept since the last snapshot
        try:
            self._book(SOURCE_COMPLETE)
        except StoreError as error:
            self._tell(f"the end of the capture could not be noted: {error}")
