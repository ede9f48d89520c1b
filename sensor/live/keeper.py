"""The keeping thread: the beginnings of flows and all of suspicious channels, as a ring of pcapng files in the store.

Workers choose (chooser.py), this thread writes, removes the oldest, and looks up which channels are suspicious. Nothing
waits for it: a disk that is full or slow costs kept packets, which are counted, never captured ones.
"""

import queue
import shutil
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sensor import __version__
from sensor.capture.keep import sorted_suspects
from sensor.errors import KagamiError
from sensor.live.chooser import Chooser, Chunk, Shelf, Suspects
from sensor.live.keptfile import OpenFile, recover
from sensor.site import Site
from sensor.store.kept import kept_files, packets_folder
from sensor.store.store import Store
from sensor.store.suspects import Channel, suspicious_channels

FILE_S = 60.0
"""A file is completed after this time: questions see complete files only."""
MAX_FILE_BYTES = 64 << 20
MAX_SUSPECTS = 1 << 14
REFRESH_S = 10.0
"""How often the findings are asked for suspicious channels."""

_FILES_A_RING = 16  # at least, so that little goes at once
_SPARE_CHUNKS = 6
_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class KeepLimits:
    """flow_bytes : of each flow's beginning; ring_bytes : of all files; floor_bytes : free space that is left alone."""

    flow_bytes: int
    ring_bytes: int
    floor_bytes: int

    @classmethod
    def of(cls, site: Site) -> "KeepLimits":
        """What the site file says."""
        return cls(site.keep_flow_bytes, int(site.keep_gib * _GIB), int(site.free_gib * _GIB))


class Keeper(threading.Thread):
    """Writes until `end` was called and everything that was handed over is on the disk.

    choosers : one a worker
    failure : what ended it before its time
    """

    def __init__(
        self,
        store_path: Path,
        interface: str,
        limits: KeepLimits,
        *,
        n_workers: int,
        max_flows: int,
        tell: Callable[[str], None],
        note: Callable[[str], None],
    ) -> None:
        """max_flows : of one worker; tell : takes words for a person; note : takes a word for the health row"""
        super().__init__(name="keeper", daemon=True)
        self.failure: BaseException | None = None
        self._store_path, self._interface, self._tell, self._note = store_path, interface, tell, note
        self._folder = packets_folder(store_path)
        shelf = Shelf(n_workers + _SPARE_CHUNKS)
        self._shelf = shelf
        self.choosers = [Chooser(shelf, limits.flow_bytes, max_flows) for _ in range(n_workers)]
        self._limits = limits
        self._held: deque[tuple[Path, int]] = deque()  # complete files with their bytes, the oldest first
        self._held_bytes = 0
        self._file: OpenFile | None = None
        self._opened_s = self._refreshed_s = 0.0
        self._packets = self._bytes = self._lost = 0
        self._trouble = ""
        self._channels: list[Channel] = []
        self._is_blind = self._has_told_of_too_many = False

    def counts(self) -> dict[str, int]:
        """Packets and bytes written, and packets that could not be, since the start; as columns.HEALTH has them."""
        lost = self._lost + sum(chooser.lost for chooser in self.choosers)
        return {"kept": self._packets, "kept_bytes": self._bytes, "kept_lost": lost}

    def set_limits(self, limits: KeepLimits) -> None:
        """Use other limits from now on; may be called from any thread."""
        self._limits = limits
        for chooser in self.choosers:
            chooser.flow_bytes = limits.flow_bytes

    def end(self) -> None:
        """Write what was handed over and complete the file. The workers must have ended."""
        self._shelf.full.put(None)

    def run(self) -> None:
        """Write what comes; see Keeper."""
        try:
            for file in kept_files(self._store_path):
                self._held.append((file.path, file.size))
            self._held_bytes = sum(size for _, size in self._held)
            while self._is_going_on():
                now = time.monotonic()
                if self._file is not None and now - self._opened_s >= FILE_S:
                    self._complete()
                if now - self._refreshed_s >= REFRESH_S:
                    self._refreshed_s = now
                    self._refresh()
            self._complete()
        except BaseException as failure:
            self.failure = failure

    def _is_going_on(self) -> bool:
        """Wait a moment for a chunk and write it; False when there will be none any more."""
        try:
            chunk = self._shelf.full.get(timeout=1.0)
        except queue.Empty:
            return True
        if chunk is None:
            return False
        try:
            self._write(chunk)
            self._packets += chunk.packets
            self._bytes += chunk.used
            self._now_is("")
        except OSError as error:
            self._lost += chunk.packets
            self._now_is(error.strerror or str(error))
        finally:
            self._shelf.free.put(chunk)
        return True

    def _write(self, chunk: Chunk) -> None:
        """Append a chunk to the file, or to a new one. Raises: OSError."""
        self._make_room(chunk.used)
        most_bytes = min(MAX_FILE_BYTES, self._limits.ring_bytes // _FILES_A_RING)
        if self._file is not None and (self._file.link != chunk.link or self._file.size + chunk.used > most_bytes):
            self._complete()
        if self._file is None:
            recover(self._folder)  # a file that could not be given its name
            self._file = OpenFile(self._folder, chunk.link, self._interface, self._comment())
            self._opened_s = time.monotonic()
        self._file.append(chunk)

    def _comment(self) -> str:
        return (
            f"kagami {__version__}: the first {self._limits.flow_bytes:,} bytes of each flow, "
            "and everything of suspicious channels"
        )

    def _make_room(self, n_bytes: int) -> None:
        """Remove the oldest files until so many bytes more fit. Raises: OSError when they do not fit even then."""
        limits = self._limits
        own = self._file.size if self._file is not None else 0
        free = shutil.disk_usage(self._store_path).free
        while True:
            is_too_much = self._held_bytes + own + n_bytes > limits.ring_bytes
            if not is_too_much and free - n_bytes >= limits.floor_bytes:
                return
            if not self._held:
                raise OSError(
                    f"{free / _GIB:.2f} GiB of the disk are free, {limits.floor_bytes / _GIB:g} are to be left"
                    if not is_too_much
                    else f"{limits.ring_bytes / _GIB:g} GiB ([capture] keep_gib) are too little"
                )
            path, size = self._held.popleft()
            path.unlink(missing_ok=True)  # `kagami prune` may have been first
            self._held_bytes -= size
            free += size  # which some file systems tell a little later

    def _complete(self) -> None:
        """End the file that is being written."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            if file.packets:
                self._held.append((file.finish(), file.size))
                self._held_bytes += file.size
            else:
                file.drop()
        except OSError as error:
            self._now_is(error.strerror or str(error))

    def _now_is(self, trouble: str) -> None:
        """Say when keeping begins to fail and when it works again, once each."""
        if bool(trouble) == bool(self._trouble):
            return
        self._trouble = trouble
        self._note("keeping packets stopped" if trouble else "keeping packets again")
        self._tell(f"packets are not kept, only counted: {trouble}" if trouble else "packets are kept again")

    def _refresh(self) -> None:
        """Ask the findings which channels are suspicious. When they cannot be read, those known stay."""
        try:
            with Store.open(self._store_path) as store:
                channels, n = suspicious_channels(store, time.time_ns(), MAX_SUSPECTS)
        except (KagamiError, sqlite3.Error) as error:
            if not self._is_blind:
                self._tell(f"suspicious channels could not be looked up, those known stay: {error}")
            self._is_blind = True
            return
        self._is_blind = False
        if n > MAX_SUSPECTS and not self._has_told_of_too_many:
            self._has_told_of_too_many = True
            self._tell(f"of {n:,} suspicious channels the gravest {MAX_SUSPECTS:,} are kept whole")
        if channels == self._channels:
            return
        self._channels = channels
        suspects: Suspects = sorted_suspects(channels)
        for chooser in self.choosers:
            chooser.suspects = suspects
        self._tell(f"suspicious channels that are kept whole: {len(channels):,}")
