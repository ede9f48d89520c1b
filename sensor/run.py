"""The verb that brings captures into a store.

In: paths, a store, a site. Out: reports for whoever asked. Neither prints nor exits.
"""

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from sensor import __version__
from sensor.capture.files import discover, order_rotated
from sensor.capture.reader import CaptureReader, RotatedReader, open_capture
from sensor.capture.stream import STDIN
from sensor.errors import InputError
from sensor.flows.tracker import Timeouts
from sensor.pipeline import Capture, Progress, run_capture
from sensor.site import Site
from sensor.store.lake import Lake
from sensor.store.store import Store
from sensor.store.summaries import save_host_facts

if TYPE_CHECKING:
    from sensor.analysis import AnalyzeReport


@dataclass(slots=True)
class SourceReport:
    """What became of one input. skipped : it was in the store already; error : empty when nothing was wrong."""

    name: str
    packets: int = 0
    flows: int = 0
    events: int = 0
    dns: int = 0
    skipped: bool = False
    error: str = ""
    counters: dict[str, dict[str, int]] = field(default_factory=dict)
    first_ts: int | None = None
    last_ts: int | None = None


@dataclass(slots=True)
class ReplayReport:
    """What a replay did."""

    sources: list[SourceReport] = field(default_factory=list)
    analysis: "AnalyzeReport | None" = None

    @property
    def incomplete(self) -> bool:
        """Whether some input could not be read, or not to its end."""
        return any(source.error for source in self.sources)


def replay(
    paths: Sequence[str],
    store_dir: Path,
    *,
    site: Site,
    rotated: bool = False,
    jobs: int = 1,
    with_analysis: bool = True,
    timeouts: Timeouts | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> ReplayReport:
    """Bring captures into a store, then score what it holds of their time.

    paths : files, directories, or "-" for standard input
    rotated : the files are one ring of captures (tcpdump -C, -G) and continue each other
    jobs : captures read side by side, each by a process of its own
    timeouts : when flows and exchanges end; None: the defaults, with the site's gap between exchanges
    progress : called now and then, only with one job
    Raises: UsageError, StoreError; InputError when nothing at all could be opened. Damaged inputs are in the report.
    """
    files = discover(paths)
    report = ReplayReport()
    timeouts = timeouts or Timeouts(gap_s=site.exchange_gap_s)
    with Store.open(store_dir, write=True) as store:
        if rotated:
            report.sources = [_replay_ring(store, order_rotated(files), timeouts, progress)]
        elif jobs > 1 and len(files) > 1 and STDIN not in files:
            report.sources = _replay_side_by_side(store, files, jobs, timeouts)
        else:
            report.sources = [_replay_one(store, path, timeouts, progress) for path in files]
        if with_analysis:
            from sensor.analysis import analyze_store  # brings the analyzers along

            times = [s for s in report.sources if s.first_ts is not None and s.last_ts is not None]
            since = min((s.first_ts for s in times if s.first_ts is not None), default=None)
            until = max((s.last_ts + 1 for s in times if s.last_ts is not None), default=None)
            report.analysis = analyze_store(store, site, since, until)
    return report


def demo_capture() -> Path:
    """The bundled capture of `kagami demo`: beside the installed package, else in a checkout."""
    installed = Path(str(resources.files("sensor"))) / "data" / "demo" / "demo.pcap"
    return installed if installed.exists() else Path(__file__).parent.parent / "pcaps" / "demo" / "demo.pcap"


def _replay_one(
    store: Store, path: str, timeouts: Timeouts, progress: Callable[[Progress], None] | None
) -> SourceReport:
    """Read one file or standard input, unless the store has it."""
    report = SourceReport("-" if path == STDIN else Path(path).name)
    try:
        with open_capture(path) as reader:
            _read(store, reader, report, timeouts, progress)
    except InputError as error:
        report.error = str(error)
    return report


def _replay_ring(
    store: Store, paths: list[str], timeouts: Timeouts, progress: Callable[[Progress], None] | None
) -> SourceReport:
    """Read the files of one ring as one capture, unless the store has it."""
    reader = RotatedReader(paths)
    report = SourceReport(reader.source)
    try:
        _read(store, reader, report, timeouts, progress)
    except InputError as error:
        report.error = str(error)
    return report


def _read(
    store: Store,
    reader: CaptureReader | RotatedReader,
    report: SourceReport,
    timeouts: Timeouts,
    progress: Callable[[Progress], None] | None,
) -> None:
    """Read an open source into the store, unless the store has it, and fill its report."""
    digest = _begin(store, reader, report)
    if report.skipped:
        return
    capture = Capture()
    state = "interrupted"
    try:
        name_segment = partial(store.segment_name, digest)
        run_capture(reader, store.lake, name_segment, capture, timeouts=timeouts, progress=progress)
        state = "damaged" if capture.error else "complete"
    finally:
        _finish(store, digest, state, capture, report)
    if reader.bytes_total is None:
        store.forget_unread(reader.likeness)
    _give_its_hash(store, digest, reader.content_hash, report)


def _begin(store: Store, reader: CaptureReader | RotatedReader, report: SourceReport) -> str:
    """Announce an open source; returns its identity. One that is in the store already is `skipped` in its report.

    What a source holds is known at its end, so that it is read once; only where the store has one as large as a file,
    which may be the same, the file is read for that alone first.
    """
    told = {"path": _place(reader), "kagami_version": __version__}
    if reader.bytes_total is None:
        digest = f"stream{secrets.token_hex(13)}"
        store.begin_source(digest, report.name, **told)
        return digest
    likeness = reader.likeness
    store.forget_unread(likeness)
    if store.has_source_of(reader.bytes_total):
        digest = reader.content_hash
        if store.begin_source(digest, report.name, **told):
            report.skipped = True
            report.first_ts, report.last_ts = store.source_span(digest)
        return digest
    return store.begin_unread(likeness, report.name, **told)


def _give_its_hash(store: Store, digest: str, content_hash: str, report: SourceReport) -> None:
    """End of a source: from now on it goes by the hash of its content."""
    if digest != content_hash and not store.rename_source(digest, content_hash):
        report.skipped = True
        report.packets = report.flows = report.events = report.dns = 0


def _place(reader: CaptureReader | RotatedReader) -> str:
    """Where a source is, so that its packets are found again from any folder; the files of a ring a line each."""
    paths = reader.paths if isinstance(reader, RotatedReader) else [reader.path]
    return "\n".join(path if path == STDIN else str(Path(path).absolute()) for path in paths)


def _finish(store: Store, digest: str, state: str, capture: Capture, report: SourceReport) -> None:
    """Record how the reading of a source ended, in the store and in its report."""
    store.finish_source(
        digest,
        state=state,
        packets=capture.packets,
        n_bytes=capture.n_bytes,
        first_ts=capture.first_ts,
        last_ts=capture.last_ts,
        link_types=list(capture.counters.get("link", {})),
        rows=capture.rows,
        error=capture.error,
    )
    store.save_counters(digest, capture.counters)
    save_host_facts(store, capture.host_facts)
    report.packets, report.counters, report.error = capture.packets, capture.counters, capture.error
    report.flows, report.events, report.dns = (capture.rows[table] for table in ("flow", "event", "dns"))
    report.first_ts, report.last_ts = capture.first_ts, capture.last_ts


def _replay_side_by_side(store: Store, files: list[str], jobs: int, timeouts: Timeouts) -> list[SourceReport]:
    """Read files by several processes; they write segments, this one keeps the books."""
    reports = []
    running: dict[str, tuple[Future[tuple[Capture, str]], SourceReport]] = {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for path in files:
            report = SourceReport(Path(path).name)
            reports.append(report)
            try:
                with open_capture(path) as reader:
                    digest = _begin(store, reader, report)
            except InputError as error:
                report.error = str(error)
                continue
            if digest in running:
                report.skipped = True
            if not report.skipped:
                running[digest] = (pool.submit(_read_aside, path, store.lake.root, digest, timeouts), report)
        for digest, (read, report) in running.items():
            capture, content_hash = read.result()
            _finish(store, digest, "damaged" if capture.error else "complete", capture, report)
            _give_its_hash(store, digest, content_hash, report)
    return reports


def _read_aside(path: str, lake_root: Path, digest: str, timeouts: Timeouts) -> tuple[Capture, str]:
    """The part of `_read` that a process of its own does; also returns the hash of the content."""
    capture = Capture()
    with open_capture(path) as reader:
        run_capture(reader, Lake(lake_root), partial(Store.segment_name, digest), capture, timeouts=timeouts)
        return capture, reader.content_hash
