"""Live capture from one interface into a store, until it is told to stop.

    signals, clock, watchdog   main thread (here)
    ring -> batches -> flows   one worker a thread
    segments, health           one writer
    kept packets, if wanted    one keeper

SIGTERM and SIGINT flush and end it, SIGHUP reads the site file again. Every packet takes the same way as in a replay.
"""

import os
import queue
import secrets
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sensor import __version__
from sensor.bpf import compile_filter
from sensor.capture.afpacket import Ring
from sensor.capture.interface import must_be_watchable
from sensor.errors import UsageError
from sensor.flows.tracker import Timeouts
from sensor.live.keeper import Keeper, KeepLimits
from sensor.live.keptfile import recover
from sensor.live.manager import Notifier
from sensor.live.memory import give_back_large
from sensor.live.metrics import exposition, serve
from sensor.live.portion import Inbox
from sensor.live.worker import Worker
from sensor.live.writer import Writer
from sensor.site import Site
from sensor.store.kept import packets_folder
from sensor.store.schema import LIVE_PREFIX
from sensor.store.store import Store

MAX_WORKERS = 64
_INBOX_ROOM = 4
_TELL_S = 600.0
_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Plan:
    """What to capture.

    interface : its name
    filter : tcpdump's expression, empty for everything; None: the site file's
    workers : threads that share the interface's connections; None: the site file's
    takes_outgoing : whether what this machine sends counts too
    metrics_port : of the loopback, for Prometheus; None: no metrics
    """

    interface: str
    filter: str | None = None
    workers: int | None = None
    takes_outgoing: bool = False
    metrics_port: int | None = None


def watch(
    store_dir: Path,
    plan: Plan,
    load_site: Callable[[], Site],
    tell: Callable[[str], None],
) -> int:
    """Capture until SIGTERM or SIGINT; returns that signal's number. Runs in the main thread.

    load_site : reads the site file, raises UsageError
    tell : takes words for the person or the journal
    Raises: UsageError, PrivilegeError, StoreError before anything was captured; later, what ended a thread too early.
    """
    give_back_large()
    site = load_site()
    link = must_be_watchable(plan.interface).link
    expression = site.filter if plan.filter is None else plan.filter
    program = compile_filter(expression, link or 0) if expression else b""
    with Store.open(store_dir, write=True) as store:
        return _Watch(store, plan, program, site, load_site, tell).run()


class _Watch:
    """One run of `watch`."""

    def __init__(
        self,
        store: Store,
        plan: Plan,
        program: bytes,
        site: Site,
        load_site: Callable[[], Site],
        tell: Callable[[str], None],
    ) -> None:
        self._store, self._plan, self._load_site, self._tell = store, plan, load_site, tell
        self._notifier = Notifier()
        # not an Event: a handler that sets one waits for a lock that its own thread may be holding
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._signal = 0
        self._source = f"{LIVE_PREFIX}{secrets.token_hex(14)}"
        n_workers = plan.workers or site.workers
        inbox: Inbox = queue.Queue(_INBOX_ROOM * n_workers)
        self._inbox = inbox
        self._site = site
        group = None if n_workers == 1 else os.getpid() & 0xFFFF
        open_ring = partial(
            Ring,
            plan.interface,
            ring_mib=max(1, site.ring_mib // n_workers),
            filter_program=program,
            fanout_group=group,
            takes_outgoing=plan.takes_outgoing,
        )
        self._workers = [
            Worker(
                number,
                open_ring,
                inbox,
                source=plan.interface,
                timeouts=Timeouts(gap_s=site.exchange_gap_s),
                flush_s=site.flush_s,
                max_flows=site.max_flows // n_workers,
                tell=tell,
            )
            for number in range(n_workers)
        ]
        self._writer = Writer(
            store,
            self._source,
            inbox,
            floor_bytes=int(site.free_gib * _GIB),
            settings=_settings(site),
            tell=tell,
        )
        self._keeper: Keeper | None = None

    def run(self) -> int:
        """Capture; returns the signal that ended it."""
        self._recover_kept()
        self._keep(self._site)  # loads its kernel, which nothing in a ring should have to wait for
        for worker in self._workers:
            worker.open()
        metrics = None
        if self._plan.metrics_port is not None:  # a port that is taken is found before a source is begun
            metrics = serve(self._plan.metrics_port, self._metrics)
        self._store.begin_source(
            self._source, self._plan.interface, path=self._plan.interface, kagami_version=__version__
        )
        handlers = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        try:
            self._writer.start()
            for worker in self._workers:
                worker.start()
            self._tell(f"watching {self._plan.interface}, writing to {self._store.path}")
            self._notifier.ready()
            self._supervise()
            self._notifier.stopping()
            self._end()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            if metrics is not None:
                metrics.shutdown()
                metrics.server_close()
        return self._signal

    def _recover_kept(self) -> None:
        """Complete the file of kept packets that a capture left when it was killed."""
        try:
            n = recover(packets_folder(self._store.path))
        except OSError as error:
            self._tell(f"the last file of kept packets could not be completed: {error}")
        else:
            if n:
                self._tell(f"the last {n:,} kept packets of a capture that was broken off are there")

    def _keep(self, site: Site) -> None:
        """Begin, change or end the keeping of packets, as the site file has it."""
        if site.keep_packets and self._keeper is None:
            self._keeper = Keeper(
                self._store.path,
                self._plan.interface,
                KeepLimits.of(site),
                n_workers=len(self._workers),
                max_flows=self._site.max_flows // len(self._workers),
                tell=self._tell,
                note=self._writer.meter.say,
            )
            self._writer.meter.kept = self._keeper.counts
            self._keeper.start()
        if self._keeper is not None:
            self._keeper.set_limits(KeepLimits.of(site))
            for worker, chooser in zip(self._workers, self._keeper.choosers, strict=True):
                worker.keep_with(chooser if site.keep_packets else None)

    def _on_signal(self, number: int, _frame: object) -> None:
        if number != signal.SIGHUP:
            self._signal = number
        self._signals.put(number)

    def _next_signal(self) -> int:
        """The signal that came, or within a second comes; else 0."""
        try:
            return self._signals.get(timeout=1.0)
        except queue.Empty:
            return 0

    def _supervise(self) -> None:
        """Until a signal comes or a thread dies: reloads, the watchdog, a line now and then."""
        told = time.monotonic()
        beats = [-1] * (len(self._workers) + 1)
        while not self._signal and not self._failure():
            if self._next_signal() == signal.SIGHUP:
                self._reload()
            now_beats = [*(worker.beats for worker in self._workers), self._writer.beats]
            moved = [new != old for new, old in zip(now_beats, beats, strict=True)]
            moved[-1] = moved[-1] or not self._writer.is_busy
            if all(moved):
                beats = now_beats
                self._notifier.alive()
            self._notifier.status(self._line())
            if time.monotonic() - told >= _TELL_S:
                told = time.monotonic()
                self._tell(self._line())

    def _metrics(self) -> str:
        meter = self._writer.meter
        return exposition(self._plan.interface, {"up": int(meter.state == "up"), **meter.gauges(), **meter.totals()})

    def _line(self) -> str:
        totals = self._writer.meter.totals()
        return (
            f"{self._plan.interface} {self._writer.meter.state}: {totals['packets']:,} packets, "
            f"{totals['dropped']:,} dropped, {totals['rows']:,} rows, {totals['rows_lost']:,} rows lost"
            + (f", {totals['kept']:,} packets kept, {totals['kept_lost']:,} not" if self._keeper else "")
        )

    def _reload(self) -> None:
        """Take the site file as it is now; a bad one is refused and the old one goes on."""
        self._notifier.reloading()
        try:
            site = self._load_site()
        except UsageError as error:
            self._tell(f"the site file is not taken, the old one goes on: {error}")
            self._writer.meter.say("site file refused")
        else:
            for worker in self._workers:
                worker.set_timeouts(Timeouts(gap_s=site.exchange_gap_s))
                worker.flush_s = site.flush_s
            self._writer.floor_bytes = int(site.free_gib * _GIB)
            self._writer.settings = _settings(site)
            self._keep(site)
            self._writer.meter.say("site file reloaded")
            later = [name for name in _AT_START if getattr(site, name) != getattr(self._site, name)]
            waits = f"; the next start takes over: {', '.join(later)}" if later else ""
            self._tell(f"the site file was read again{waits}")
        self._notifier.ready()

    def _failure(self) -> BaseException | None:
        keeper = () if self._keeper is None else (self._keeper.failure,)
        failures = (self._writer.failure, *(worker.failure for worker in self._workers), *keeper)
        return next((failure for failure in failures if failure is not None), None)

    def _end(self) -> None:
        """Flush everything, in order: workers, then the keeper, then the writer."""
        for worker in self._workers:
            worker.stop.set()
        for worker in self._workers:
            while worker.is_alive() and self._writer.is_alive():
                worker.join(0.5)
        if self._keeper is not None:
            self._keeper.end()
            self._keeper.join()
        while self._writer.is_alive():
            try:
                self._inbox.put(None, timeout=1)
                break
            except queue.Full:
                continue
        self._writer.join()
        failure = self._failure()
        if failure is not None:
            raise failure
        self._tell(self._line())


_AT_START = ("filter", "workers", "ring_mib", "max_flows")
"""What the site file says of a capture that cannot change while it goes on."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _settings(site: Site) -> dict[str, int]:
    return {"exchange_gap_ms": round(site.exchange_gap_s * 1000)}
