"""Analysis of a store that grows: the last day every time, the last month when that is due, nothing when nothing came.

Run every few minutes by a timer, in a process of its own that needs no capability. What windows find is the same
finding where analyzer, client, destination, port and protocol are the same, so looking again changes nothing by itself.
"""

from pathlib import Path

from sensor.analysis import AnalyzeReport, analyze_store
from sensor.errors import StoreError
from sensor.site import Site
from sensor.store.columns import LAKE_TABLES
from sensor.store.store import Store

DAY_NS, MONTH_NS = 24 * 3600 * 10**9, 30 * 24 * 3600 * 10**9
MONTH_EVERY_NS = 4 * 3600 * 10**9
"""Slow beacons are looked for this often; one that calls once a day cannot be in more of a hurry."""

_ATTEMPTS = 3

_LAST, _LAST_MONTH = "rolling_ts", "rolling_month_ts"


def analyze_rolling(store_dir: Path, site: Site, now_ns: int) -> AnalyzeReport:
    """Score the windows that are due and keep the findings.

    now_ns : ns since 1970
    Returns: the reports of all windows as one.
    Raises: StoreError.
    """
    report = AnalyzeReport()
    with Store.open_for_notes(store_dir) as store:
        last_ns, last_month_ns = (_read(store, key, now_ns) for key in (_LAST, _LAST_MONTH))
        if not _newer(store, last_ns):
            report.notes.append("nothing was stored since the last rolling analysis")
            return report
        spans = [DAY_NS]
        if now_ns - last_month_ns >= MONTH_EVERY_NS:
            spans.append(MONTH_NS)
        for span_ns in reversed(spans):  # the day last: its view of a finding is the newer one
            part = _analyze(store, site, now_ns - span_ns)
            report.channels, report.events = part.channels, part.events
            report.notes = part.notes
            report.finding_ids = list(dict.fromkeys([*report.finding_ids, *part.finding_ids]))
            _write(store, _LAST_MONTH if span_ns == MONTH_NS else _LAST, now_ns)
    return report


def _analyze(store: Store, site: Site, since_ns: int) -> AnalyzeReport:
    """Score a window; again where retention took away a segment after it was chosen."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return analyze_store(store, site, since_ns, None)
        except StoreError as error:
            if "No such file" not in str(error):
                raise
    return analyze_store(store, site, since_ns, None)


def _newer(store: Store, since_ns: int) -> bool:
    """Whether a segment was written after a moment."""
    return any(
        path.stat().st_mtime_ns > since_ns
        for table in LAKE_TABLES
        for path in reversed(store.lake.files(table, since_ns=max(0, since_ns - DAY_NS)))
    )


def _read(store: Store, key: str, now_ns: int) -> int:
    """When something was last done, ns since 1970; 0: never, or at a time that is still to come.

    A clock that was ahead for one run must not stop all until it is caught up with.
    """
    row = store.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    then_ns = int(row[0]) if row else 0
    return then_ns if then_ns <= now_ns else 0


def _write(store: Store, key: str, value: int) -> None:
    with store.transaction():
        store.db.execute(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, str(value))
        )
