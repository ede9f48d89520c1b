"""The part that replay, analyze and demo share: do the work with progress, say how it went, list what was found."""

import gc
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor.cli.columns import FINDINGS
from sensor.cli.human import human_count, human_duration, plural
from sensor.cli.options import fails
from sensor.cli.output import emit, row_limit
from sensor.cli.progress import ProgressLine
from sensor.cli.session import Session, warn

if TYPE_CHECKING:
    from sensor.analysis import AnalyzeReport
    from sensor.run import ReplayReport
    from sensor.site import Site

TOP_FINDINGS = 10
"""Findings listed after a replay on a terminal."""

DECODED = ("ok", "not_ip")
"""Statuses of packets with which nothing is wrong."""


def compile_first(session: Session) -> None:
    """Compile on the first run, and say so. Before `sensor.run` is imported, because importing it compiles too."""
    from sensor.jit import first_run

    if first_run():
        from sensor.warmup import warm_up

        session.say("compiling kernels (first run, up to 30 s)")
        warm_up()


def replay_with_words(
    session: Session, paths: Sequence[str], store_dir: Path, site: "Site", **options: Any
) -> "ReplayReport":
    """Replay with progress, then say what was wrong with which source, and how much there was."""
    compile_first(session)
    from sensor.run import replay

    if "duckdb" not in sys.modules:  # its objects want to be freed
        gc.freeze()  # numba's stay: to look through them once more at the end takes a tenth of a second
    started_s = time.monotonic()
    try:
        with ProgressLine(session) as progress:
            report = replay(list(paths), store_dir, site=site, progress=progress, **options)
    except KeyboardInterrupt:
        session.say("stopped: the store keeps what was read so far; the same replay again completes it")
        raise
    for source in report.sources:
        if source.error:
            warn(source.error if source.name in source.error else f"{source.name}: {source.error}")
        if source.skipped:
            session.say(f"{source.name}: in the store already")
    _say_summary(session, report, time.monotonic() - started_s)
    if report.analysis is not None:
        say_analysis(session, report.analysis)
    return report


def say_analysis(session: Session, report: "AnalyzeReport") -> None:
    """What was scored, and what could not be judged."""
    for note in report.notes:
        session.say(note)
    session.say(
        f"scored {plural(report.channels, 'channel')} with {plural(report.events, 'event')}: "
        f"{plural(report.findings, 'finding')}"
    )


def list_findings(session: Session, ids: Sequence[int], form: str | None, fail_on: str | None) -> bool:
    """List the findings of these ids, the highest score first; return whether one is at or above `fail_on`."""
    from sensor.store.findings import findings

    wanted = set(ids)
    with session.open_store() as store:
        rows = [row for row in findings(store)[0] if row["id"] in wanted and row["allowed_by"] is None]
    limit = row_limit(form, None, on_terminal=TOP_FINDINGS)
    emit(session, rows[:limit], len(rows), FINDINGS, form, limit)
    if rows:
        session.say(f"kagami show {rows[0]['id']} explains the first")
    return fails(rows, fail_on)


def counted(counters: Mapping[str, int], but: Sequence[str] = ()) -> str:
    """Counters in words, the largest first: '12 truncated ip, 3 malformed l4'."""
    told = sorted((item for item in counters.items() if item[1] and item[0] not in but), key=lambda item: -item[1])
    return ", ".join(f"{human_count(n)} {name.replace('_', ' ')}" for name, n in told)


def _say_summary(session: Session, report: "ReplayReport", took_s: float) -> None:
    read = [source for source in report.sources if not source.skipped]
    if not read:
        return
    totals = ", ".join(
        plural(sum(getattr(source, field) for source in read), noun)
        for field, noun in (("packets", "packet"), ("flows", "flow"), ("events", "event"), ("dns", "DNS row"))
    )
    session.say(f"{plural(len(read), 'source')}: {totals} in {human_duration(took_s)}")
    undecoded: Counter[str] = Counter()
    for source in read:
        undecoded.update({k: n for k, n in source.counters.get("decode", {}).items() if k not in DECODED})
    if undecoded:
        session.say(f"packets that could not be decoded in full: {counted(undecoded)}")
