"""RITA v5: its beacon score, and its ranking.

Source: activecm/rita, analysis/beacons.go, analysis.go, spagooper.go, modifier.go and the default configuration:
timestamp, data size, histogram and duration score in equal parts, over the last 24 hours; own code after a
description of the algorithm, held to the worked values of RITA's tests (tests/unit/test_baseline_rita.py). One run
for each 24 hours, the best counts. RITA has no period; the median gap, which it stores, stands in.

Not in it, since the events here have neither ports, names nor subdomains: missing Host, rare signature, MIME
mismatch, threat intelligence, C2 over DNS. First seen counts in rolling data sets only.
"""

from typing import Any

import numpy as np
from numba import njit

from benchmarks.baselines.days import days
from benchmarks.baselines.gaps import Floats, Ints, medians, positive_gaps

MIN_UNIQUE = 4
STROBE = 86_400
"""From so many connections a day on, a pair is a strobe and is not scored as a beacon."""

HOURS, HOUR_S = 24, 3600
BIMODAL_MIN_BARS = 11
MODE_SENSITIVITY = 0.05
OUTLIERS = 1
DURATION_MIN_BARS = 6
IDEAL_HOURS = 12

BEACON_STEPS = (50.0, 70.0, 90.0, 100.0)
"""Per cent at which the threat score reaches 0.2, 0.4, 0.6 and 0.8."""
LONG_STEPS_S = (3600.0, 14400.0, 28800.0, 43200.0)
STROBE_SCORE = 0.8
RARE_SHARE, COMMON_SHARE, PREVALENCE_CHANGE = 0.02, 0.5, 0.15
LISTED = 0.2
"""Added for pairs that RITA lists, so that they stand above the others whatever their modifier."""


@njit(cache=True)
def _median(ordered, low, high):
    n = high - low
    middle = low + n // 2
    return ordered[middle] if n % 2 else 0.5 * (ordered[middle - 1] + ordered[middle])


@njit(cache=True)
def _round3(value):
    return np.floor(value * 1000 + 0.5) / 1000


@njit(cache=True)
def bowley_skew(ordered):
    """(Q1 + Q3 - 2 Q2) / (Q3 - Q1) of sorted values; 0 where RITA calls it unreliable."""
    n = len(ordered)
    q1, q2, q3 = _median(ordered, 0, n // 2), _median(ordered, 0, n), _median(ordered, n // 2 + n % 2, n)
    if q3 - q1 < 10 or q2 == q1 or q2 == q3:
        return 0.0
    return (q1 + q3 - 2 * q2) / (q3 - q1)


@njit(cache=True)
def statistical_score(ordered, default_mad_score):
    """Skewness and deviation about the median in equal parts; the default is for a median below 1."""
    middle = _median(ordered, 0, len(ordered))
    mad_score = default_mad_score
    if middle >= 1:
        deviation = np.sort(np.abs(ordered - middle))
        mad_score = max((middle - _median(deviation, 0, len(deviation))) / middle, 0.0)
    return _round3((1.0 - abs(bowley_skew(ordered)) + mad_score) / 2.0)


@njit(cache=True)
def timestamp_score(ts):
    """Of the gaps above 0 between sorted whole seconds."""
    gaps = np.sort((ts[1:] - ts[:-1]).astype(np.float64))
    return statistical_score(gaps[np.searchsorted(gaps, 0.5) :], 1.0)


@njit(cache=True)
def histogram(ts, first, last, bars):
    """Events in equal bars from first to last, the last bar with its end; int64[bars]. ts : sorted"""
    counts = np.zeros(bars, np.int64)
    step = (last - first) / bars
    bar = 0
    for t in ts:
        while bar < bars - 1 and t >= first + (bar + 1) * step:
            bar += 1
        counts[bar] += 1
    return counts


@njit(cache=True)
def longest_run(counts):
    """Most bars in a row that are not empty, around the end to the start."""
    run = best = 0
    for i in range(2 * len(counts)):
        run = run + 1 if counts[i % len(counts)] > 0 else 0
        best = max(best, run)
    return min(best, len(counts))


@njit(cache=True)
def bimodal_fit(counts, min_bars):
    """How many of the bars have one of the two commonest heights, to 5 % of the highest; one outlier is forgiven."""
    bars = counts[counts > 0]
    if len(bars) < min_bars:
        return 0.0
    width = np.ceil(bars.max() * MODE_SENSITIVITY)
    heights = np.sort(np.floor(bars / width))
    first = second = begin = 0
    for i in range(1, len(heights) + 1):
        if i == len(heights) or heights[i] != heights[begin]:
            same = i - begin
            if same > first:
                first, second = same, first
            elif same > second:
                second = same
            begin = i
    return min(_round3((first + second) / max(len(bars) - OUTLIERS, 1)), 1.0)


@njit(cache=True)
def histogram_score(counts, min_bars):
    """The better of flat (coefficient of variation over all bars) and bimodal. min_bars : RITA takes 11 for below 6"""
    variation = counts.std() / counts.mean()
    flat = 0.0 if variation > 1 else _round3(1 - variation)
    return max(flat, bimodal_fit(counts, min_bars))


@njit(cache=True)
def duration_score(first, last, seen_first, seen_last, bars, run):
    """The better of the share of the time covered and the longest run of hours; 0 with fewer than 6 bars."""
    if bars < DURATION_MIN_BARS:
        return 0.0
    coverage = min(np.ceil((seen_last - seen_first) / (last - first) * 1000) / 1000, 1.0)
    consistency = min(np.ceil(run / IDEAL_HOURS * 1000) / 1000, 1.0)
    return max(coverage, consistency)


@njit(cache=True)
def beacon_score(timestamp, size, duration, hist):
    """The four scores in equal parts."""
    return _round3(0.25 * timestamp + 0.25 * size + 0.25 * duration + 0.25 * hist)


@njit(cache=True)
def _score_run(off, ts, orig_bytes, first, last):
    """The beacon score of each pair in the whole seconds first to last, and its events there; 0: not scored.

    RITA keeps its connections by the hour, so a run begins with the hour that `first` is in.
    """
    n = len(off) - 1
    score = np.zeros(n)
    count = np.zeros(n, np.int64)
    begin = first // HOUR_S * HOUR_S
    for pair in range(n):
        low = off[pair] + np.searchsorted(ts[off[pair] : off[pair + 1]], begin)
        high = off[pair] + np.searchsorted(ts[off[pair] : off[pair + 1]], last + 1.0)
        count[pair] = high - low
        if high - low < MIN_UNIQUE or high - low >= STROBE:
            continue
        seconds = np.floor(ts[low:high]).astype(np.int64)
        if (seconds[1:] != seconds[:-1]).sum() < MIN_UNIQUE - 1:
            continue
        counts = histogram(seconds, first, last, HOURS)
        score[pair] = beacon_score(
            timestamp_score(seconds),
            statistical_score(np.sort(orig_bytes[low:high].astype(np.float64)), 0.0),
            duration_score(first, last, seconds[0], seconds[-1], (counts > 0).sum(), longest_run(counts)),
            histogram_score(counts, BIMODAL_MIN_BARS),
        )
    return score, count


def stepped(value: Floats, steps: tuple[float, float, float, float]) -> Floats:
    """0 below the first step, then 0.2, 0.4, 0.6 and (at the most) 0.8 at the steps, straight in between."""
    return np.where(value < steps[0], 0.0, np.interp(value, steps, (0.2, 0.4, 0.6, 0.8)))


def _runs(ev: Any) -> list[tuple[Floats, Ints, float, float]]:
    runs = []
    for since, until in days(ev):
        first, last = int(np.floor(since)), int(np.floor(until))
        runs.append((*_score_run(ev.off, ev.ts, ev.orig_bytes, first, last), first, last))
    return runs


def score(ev: Any) -> dict[str, Any]:
    """RITA's beacon score, 0 to 1."""
    gap, pair = positive_gaps(ev)
    best = np.max([run[0] for run in _runs(ev)], axis=0, initial=0.0)
    return {"score": np.broadcast_to(best, ev.n).copy(), "period": medians(gap, pair, ev.n)}


def ranking(ev: Any) -> dict[str, Any]:
    """What RITA sorts by: the best of beacon, long connection and strobe in steps, with its prevalence modifier.

    Ties are broken as RITA does: strobes, then the beacon score.
    """
    best = np.zeros(ev.n)
    share = ev.prevalence() / ev.n_hosts
    change = np.where(share <= RARE_SHARE, PREVALENCE_CHANGE, np.where(share >= COMMON_SHARE, -PREVALENCE_CHANGE, 0.0))
    pair = np.repeat(np.arange(ev.n), np.diff(ev.off))
    for beacon, count, first, last in _runs(ev):
        inside = (ev.ts >= first // HOUR_S * HOUR_S) & (ev.ts < last + 1)
        open_s = np.bincount(pair[inside], ev.duration[inside], ev.n)
        strobe = np.where(count >= STROBE, STROBE_SCORE, 0.0)
        base = np.maximum(np.maximum(stepped(beacon * 100, BEACON_STEPS), stepped(open_s, LONG_STEPS_S)), strobe)
        final = np.where((beacon > 0) | (base > 0), base + change + LISTED, 0.0)
        best = np.maximum(best, final + 1e-4 * strobe + 1e-5 * beacon)
    return {"score": best}
