"""Findings that were scored on lossy time say so: what was not seen may have changed their pace and their counts."""

import numpy as np

from analyzers.finding import Finding
from analyzers.words import english as say
from analyzers.words.phrase import Phrase
from sensor.store.health import DROP_FRAC, LOSS_FRAC, health_rows
from sensor.store.store import Store

_COUNTS = ("dropped", "nic_dropped", "seen", "ack_gaps", "acks", "rows_lost", "rows")


def tell_losses(store: Store, findings: list[Finding]) -> None:
    """Add a reason to each finding in whose time a live capture lost something. Findings are changed in place."""
    if not findings:
        return
    rows = health_rows(store, min(f.first_ts for f in findings), max(f.last_ts for f in findings) + 1)
    if not rows:
        return
    starts = np.array([row["ts"] for row in rows], np.int64)
    ends = starts + np.array([int(row["span_s"] * 1e9) for row in rows], np.int64)
    latest_end = np.maximum.accumulate(ends)
    sums = np.zeros((len(rows) + 1, len(_COUNTS)), np.int64)
    np.cumsum([[row[name] for name in _COUNTS] for row in rows], axis=0, out=sums[1:])
    for finding in findings:
        first = int(np.searchsorted(latest_end, finding.first_ts, side="left"))
        last = int(np.searchsorted(starts, finding.last_ts, side="right"))
        if last > first:
            finding.reasons += _sentences(dict(zip(_COUNTS, (sums[last] - sums[first]).tolist(), strict=True)))


def _sentences(counts: dict[str, int]) -> list[Phrase]:
    gone = counts["dropped"] + counts["nic_dropped"]
    all_packets = counts["seen"] + counts["nic_dropped"]
    dropped_frac = gone / all_packets if gone > DROP_FRAC * all_packets else 0.0
    gap_frac = counts["ack_gaps"] / max(counts["acks"], 1)
    gap_frac = gap_frac if gap_frac > LOSS_FRAC and counts["acks"] else 0.0
    if not (dropped_frac or gap_frac or counts["rows_lost"]):
        return []
    return [say.not_all_was_seen(dropped_frac, gap_frac, counts["rows_lost"])]
