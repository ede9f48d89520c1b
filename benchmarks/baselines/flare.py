"""Flare: the share of gaps in a two-second window around the commonest.

Source: austin-taylor/flare, flare/analytics/command_control.py, with the thresholds of its shipped configurations: the
last 24 hours; pairs with more than 10 events; gaps in whole seconds, those under 30 s dropped; more than 10 gaps left;
an alert when the best window of two seconds at the mode holds more than half of them. One run for each 24 hours, the
best counts. The port, which is in Flare's key, is not in the events here.
"""

from typing import Any

import numpy as np

from benchmarks.baselines.days import days
from benchmarks.baselines.gaps import Floats

MIN_EVENTS = 10
MIN_INTERVAL_S = 30
WINDOW_S = 2


def best_window(gaps: Floats) -> tuple[float, float]:
    """The share of whole-second gaps in the best window around the mode, and the window's centre in seconds."""
    values, counts = np.unique(gaps, return_counts=True)
    of = dict(zip(values.tolist(), counts.tolist(), strict=True))
    mode = int(values[counts.argmax()])
    shares = [sum(of.get(s, 0) for s in range(at, at + WINDOW_S)) for at in range(mode - WINDOW_S, mode + 1)]
    best = int(np.argmax(shares))
    return shares[best] / len(gaps), mode - WINDOW_S + best + WINDOW_S / 2


def score(ev: Any) -> dict[str, Any]:
    """Flare's percentage, as a share; it would alert above 0.5."""
    result, period = np.zeros(ev.n), np.full(ev.n, np.nan)
    for since, until in days(ev):
        for i in np.flatnonzero(np.diff(ev.off) > MIN_EVENTS):
            ts = ev.ts[ev.off[i] : ev.off[i + 1]]
            ts = ts[np.searchsorted(ts, since) : np.searchsorted(ts, until, "right")]
            if len(ts) <= MIN_EVENTS:
                continue
            gaps = np.diff(np.floor(ts))
            gaps = gaps[gaps >= MIN_INTERVAL_S]
            if len(gaps) <= MIN_EVENTS:
                continue
            share, centre = best_window(gaps)
            if share > result[i]:
                result[i], period[i] = share, centre
    return {"score": result, "period": period}
