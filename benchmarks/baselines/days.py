"""The runs of rules that look at one day at a time: the last 24 hours of the capture, the 24 before, ..."""

from typing import Any

DAY_S = 86_400.0
MIN_RUN_S = 3600.0


def days(ev: Any) -> list[tuple[float, float]]:
    """First and last second of each run, the newest first; a rest of less than an hour has no run."""
    first, end = float(ev.ts.min()), float(ev.ts.max())
    runs = []
    while end - first > MIN_RUN_S:
        runs.append((max(first, end - DAY_S), end))
        end -= DAY_S
    return runs
