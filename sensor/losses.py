"""Findings that were scored on lossy time say so: what was not seen may have changed their pace and their counts."""

import numpy as np

from analyzers.finding import Finding
from sensor.store.health import health_rows
from sensor.store.store import Store

DROP_FRAC, LOSS_FRAC = 0.001, 0.01
"""Shares of packets dropped here, and of TCP acknowledgements for bytes nobody saw, from which on it is said."""

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


def _sentences(counts: dict[str, int]) -> list[str]:
    told = []
    gone = counts["dropped"] + counts["nic_dropped"]
    if gone > DROP_FRAC * (counts["seen"] + counts["nic_dropped"]):
        told.append(f"{gone / (counts['seen'] + counts['nic_dropped']):.2g} of all packets were dropped on the sensor")
    if counts["acks"] and counts["ack_gaps"] > LOSS_FRAC * counts["acks"]:
        told.append(f"{counts['ack_gaps'] / counts['acks']:.2g} of TCP acknowledgements were for bytes it never saw")
    if counts["rows_lost"]:
        told.append(f"{counts['rows_lost']:,} rows could not be stored")
    if not told:
        return []
    return [
        f"the sensor did not see everything in this time ({'; '.join(told)}): there may be more than is counted here"
    ]
