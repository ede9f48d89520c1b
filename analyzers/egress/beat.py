"""Attempts that are all blocked and still come at a beat: an implant behind a tight firewall shows itself so.

In: the events of a client bucket. Out: for each channel of this kind its interval and how far the gaps spread.
"""

from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzers.beacon import measure_channels, score_channels
from analyzers.egress.table import ChannelKey
from analyzers.series import Series

MIN_ATTEMPTS = 6
MIN_SCORE = 0.5
"""Of the beacon analyzer's score of timing."""


def blocked_beats(series: Series) -> dict[ChannelKey, tuple[float, float]]:
    """Interval in seconds and spread (half of the middle 80 % of gaps, as a share of it) of channels with a beat whose
    attempts were never answered."""
    lengths = np.diff(series.off)
    answered = np.add.reduceat(series.answered.astype(np.int64), series.off[:-1]) if len(series) else lengths
    blocked = np.flatnonzero((answered == 0) & (lengths >= MIN_ATTEMPTS)).tolist()
    chosen = np.array([i for i in blocked if not series.via_proxy[i]], np.int64)
    if not len(chosen):
        return {}
    part = _only(series, chosen)
    scores = np.nan_to_num(score_channels(measure_channels(part)))
    found = {}
    for i in np.flatnonzero(scores >= MIN_SCORE).tolist():
        gaps_s = np.diff(part.ts_ns[part.off[i] : part.off[i + 1]]) / 1e9
        low_s, interval_s, high_s = np.quantile(gaps_s[gaps_s > 0.25 * np.median(gaps_s)], (0.1, 0.5, 0.9))
        key = (part.orig_ip[i], part.dest[i], part.resp_port[i], part.proto[i])
        found[key] = (float(interval_s), float((high_s - low_s) / (2 * interval_s)))
    return found


def _only(series: Series, chosen: NDArray[np.int64]) -> Series:
    """A series of some channels of another."""
    lengths = np.diff(series.off)[chosen]
    off = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    events = np.arange(off[-1]) + np.repeat(series.off[:-1][chosen] - off[:-1], lengths)
    changed: dict[str, Any] = {}
    for field in fields(series):
        value = getattr(series, field.name)
        if field.name == "off":
            changed["off"] = off
        elif len(value) == len(series.ts_ns) and isinstance(value, np.ndarray):
            changed[field.name] = value[events]
        else:
            changed[field.name] = [value[i] for i in chosen.tolist()]
    return replace(series, **changed)
