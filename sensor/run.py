"""The verbs that do work: replay captures into a store, analyze what a store holds.

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

import numpy as np

from analyzers.beacon import score_beacons
from analyzers.beacon.context import Population
from analyzers.bypass import find_bypass
from analyzers.finding import Finding, by_score
from analyzers.flow_table import FlowTable
from analyzers.proxies import learn_proxies
from analyzers.series import Series
from sensor import __version__
from sensor.capture.files import discover, order_rotated
from sensor.capture.reader import CaptureReader, RotatedReader, open_capture
from sensor.capture.stream import STDIN
from sensor.errors import InputError
from sensor.flows.tracker import Timeouts
from sensor.pipeline import Capture, Progress, run_capture
from sensor.site import Site
from sensor.store.columns import N_BUCKETS
from sensor.store.evidence import keep_evidence
from sensor.store.lake import Lake
from sensor.store.series import flow_columns, population_columns, series_columns
from sensor.store.store import Store
from sensor.store.summaries import save_channels, save_hosts

MIN_CHANNEL_EVENTS = 4
"""Channels with fewer events cannot be scored and are not kept in the database; the lake has them."""


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
class AnalyzeReport:
    """What an analysis did. notes : what could not be judged and why, in sentences."""

    channels: int = 0
    events: int = 0
    notes: list[str] = field(default_factory=list)
    finding_ids: list[int] = field(default_factory=list)

    @property
    def findings(self) -> int:
        """Findings new or updated."""
        return len(self.finding_ids)


@dataclass(slots=True)
class ReplayReport:
    """What a replay did."""

    sources: list[SourceReport] = field(default_factory=list)
    analysis: AnalyzeReport | None = None

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
            times = [s for s in report.sources if s.first_ts is not None and s.last_ts is not None]
            since = min((s.first_ts for s in times if s.first_ts is not None), default=None)
            until = max((s.last_ts + 1 for s in times if s.last_ts is not None), default=None)
            report.analysis = _analyze(store, site, since, until)
    return report


def analyze(store_dir: Path, *, site: Site, since_ns: int | None = None, until_ns: int | None = None) -> AnalyzeReport:
    """Score what a store holds of a time span (ns; None: all of it) and keep the findings in it.

    Raises: StoreError.
    """
    with Store.open(store_dir, write=True) as store:
        return _analyze(store, site, since_ns, until_ns)


def demo_capture() -> Path:
    """The bundled capture of `kagami demo`: beside the installed package, else in a checkout."""
    installed = Path(str(resources.files("sensor"))) / "data" / "demo" / "demo.pcap"
    return installed if installed.exists() else Path(__file__).parent.parent / "pcaps" / "demo" / "demo.pcap"


def _analyze(store: Store, site: Site, since_ns: int | None, until_ns: int | None) -> AnalyzeReport:
    report = AnalyzeReport()
    findings: list[Finding] = []
    people = population_columns(store, since_ns, until_ns)
    population = Population(sum(site.internal_mask(people["clients"])), people["clients_of"])
    for bucket in range(N_BUCKETS):
        if store.lake.files("event", since_ns=since_ns, until_ns=until_ns, buckets=[bucket]):
            series = Series(**series_columns(store, bucket, since_ns, until_ns))
            report.channels += len(series)
            report.events += len(series.ts_ns)
            findings += score_beacons(series, site, population)
            _summarize(store, series, site)
    proxied = FlowTable(**flow_columns(store, since_ns, until_ns, proxied_only=True))
    learned = learn_proxies(proxied, site)
    if learned or site.proxies:
        for bucket in range(N_BUCKETS):
            flows = FlowTable(**flow_columns(store, since_ns, until_ns, bucket=bucket))
            found, report.notes = find_bypass(flows, site, learned)
            findings += found
    else:  # without a proxy there is no way around it; the analyzer says so whatever the flows
        report.notes = find_bypass(proxied, site, learned)[1]
    findings.sort(key=by_score)
    report.finding_ids = store.upsert_findings(finding.row() for finding in findings)
    keep_evidence(store, report.finding_ids)
    return report


def _summarize(store: Store, series: Series, site: Site) -> None:
    """Keep in the database, beyond the lake's retention, which hosts there are and which channels they return to."""
    firsts, lasts = series.ts_ns[series.off[:-1]], series.ts_ns[series.off[1:] - 1]
    sums = [np.add.reduceat(array, series.off[:-1]) for array in (series.orig_bytes, series.resp_bytes)]
    events = np.diff(series.off)
    spans: dict[str, tuple[int, int]] = {}
    for i, ip in enumerate(series.orig_ip):
        first, last = spans.get(ip, (int(firsts[i]), int(lasts[i])))
        spans[ip] = (min(first, int(firsts[i])), max(last, int(lasts[i])))
    names = ("orig_ip", "dest", "resp_port", "proto", "via_proxy", "name_source")
    save_channels(
        store,
        (
            {
                **{name: getattr(series, name)[i] for name in names},
                "dest_ips": list(series.dest_ips[i]),
                "events": int(events[i]),
                "orig_bytes": int(sums[0][i]),
                "resp_bytes": int(sums[1][i]),
                "first_ts": int(firsts[i]),
                "last_ts": int(lasts[i]),
            }
            for i in np.flatnonzero(events >= MIN_CHANNEL_EVENTS).tolist()
        ),
    )
    save_hosts(store, ((ip, *span) for ip, span in spans.items() if site.is_internal(ip)))


def _replay_one(
    store: Store, path: str, timeouts: Timeouts, progress: Callable[[Progress], None] | None
) -> SourceReport:
    """Read one file or standard input, unless the store has it."""
    report = SourceReport("-" if path == STDIN else Path(path).name)
    try:
        with open_capture(path) as reader:
            # a stream's content is known only at its end: until then it goes by a name of its own
            digest = f"stream{secrets.token_hex(13)}" if path == STDIN else reader.content_hash
            if not _read(store, reader, digest, report, timeouts, progress):
                return report
            if path == STDIN and not store.rename_source(digest, reader.content_hash):
                report.skipped = True
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
        _read(store, reader, reader.content_hash, report, timeouts, progress)
    except InputError as error:
        report.error = str(error)
    return report


def _read(
    store: Store,
    reader: CaptureReader | RotatedReader,
    digest: str,
    report: SourceReport,
    timeouts: Timeouts,
    progress: Callable[[Progress], None] | None,
) -> bool:
    """Read an open source into the store and fill its report; False when the store had it already."""
    if store.begin_source(digest, report.name, path=reader.path, kagami_version=__version__):
        report.skipped = True
        report.first_ts, report.last_ts = store.source_span(digest)
        return False
    capture = Capture()
    state = "interrupted"
    try:
        name_segment = partial(store.segment_name, digest)
        run_capture(reader, store.lake, name_segment, capture, timeouts=timeouts, progress=progress)
        state = "damaged" if capture.error else "complete"
    finally:
        _finish(store, digest, state, capture, report)
    return True


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
    report.packets, report.counters, report.error = capture.packets, capture.counters, capture.error
    report.flows, report.events, report.dns = (capture.rows[table] for table in ("flow", "event", "dns"))
    report.first_ts, report.last_ts = capture.first_ts, capture.last_ts


def _replay_side_by_side(store: Store, files: list[str], jobs: int, timeouts: Timeouts) -> list[SourceReport]:
    """Read files by several processes; they write segments, this one keeps the books."""
    reports = []
    running: dict[str, tuple[Future[Capture], SourceReport]] = {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for path in files:
            report = SourceReport(Path(path).name)
            reports.append(report)
            try:
                with open_capture(path) as reader:
                    digest = reader.content_hash
            except InputError as error:
                report.error = str(error)
                continue
            if digest in running or store.begin_source(digest, report.name, path=path, kagami_version=__version__):
                report.skipped = True
                report.first_ts, report.last_ts = store.source_span(digest)
            else:
                running[digest] = (pool.submit(_read_aside, path, store.lake.root, digest, timeouts), report)
        for digest, (capture, report) in running.items():
            result = capture.result()
            _finish(store, digest, "damaged" if result.error else "complete", result, report)
    return reports


def _read_aside(path: str, lake_root: Path, digest: str, timeouts: Timeouts) -> Capture:
    """The part of `_read` that a process of its own does."""
    capture = Capture()
    with open_capture(path) as reader:
        run_capture(reader, Lake(lake_root), partial(Store.segment_name, digest), capture, timeouts=timeouts)
    return capture
