"""Elastic: the Network Beaconing Identification package, one-minute buckets of the last six hours, run every hour.

Source: elastic/integrations, packages/beaconing, the transform's scripts (v1.3.3): between the first and the last
bucket that is not empty at least 12 buckets, 7 of them not empty; then up to three signs: even counts or a period
(normalised covariance of windows one period apart, 0.7 or more, maximum jitter 0 as shipped), even request sizes,
even answer sizes. Its process names and its list of known good ones have nothing to stand on here. Own code after the
description.

Its score has four steps; pairs of one step are ranked by the covariance.
"""

from typing import Any

import numpy as np
from numba import njit

N_BUCKETS, BUCKET_S = 360, 60.0
RUN_EVERY_S = 3600.0
MIN_SPAN, MIN_FILLED = 12, 7
LOW, HIGH = 0.1, 0.8
SIZE_VARIATION, COUNT_VARIATION = 0.05, 0.1
MIN_COVARIANCE = 0.7


@njit(cache=True)
def _is_even(values, variation):
    """Whether SD <= variation * |mean| among values from the 10th to the 80th percentile of those not 0."""
    filled = np.sort(values[values != 0])
    n = len(filled)
    low, high = filled[min(int(LOW * n + 0.5), n - 1)], filled[min(int(HIGH * n + 0.5), n - 1)]
    kept = values[(values >= low) & (values <= high)]
    return len(kept) > 0 and kept.std() <= variation * abs(kept.mean())


@njit(cache=True)
def best_period(counts):
    """The highest normalised covariance of windows one period apart, and the period in buckets.

    A period's value is the mean of its own and of those of its multiples, over the same windows. counts : float64[n]
    """
    n = len(counts)
    longest = n // 6
    weight = np.zeros(longest - 1)
    value = np.zeros(longest - 1)
    for period in range(2, longest + 1):
        last = n - 2 * period + 1
        mean = counts[period : period * (last // period)].mean()
        xx = yy = xy = 0.0
        for begin in range(0, last, period):
            for j in range(begin + period, begin + 2 * period):
                x, y = counts[j] - mean, counts[j - period] - mean
                xx += x * x
                yy += y * y
                xy += x * y
        scale = np.sqrt(xx * yy)
        covariance = 1.0 if scale == 0 else xy / scale
        weight[period - 2] += 1
        value[period - 2] = covariance
        for part in range(2, period // 2):
            if period % part == 0:
                weight[part - 2] += 1
                value[part - 2] += (covariance - value[part - 2]) / weight[part - 2]
    best = value.argmax()
    return value[best], best + 2


@njit(cache=True)
def judge(ts, orig_bytes, resp_bytes, now):
    """beaconing_score (0 to 3), the best covariance and the period in buckets, of the six hours before `now`."""
    counts = np.zeros(N_BUCKETS)
    sent = np.zeros(N_BUCKETS)
    received = np.zeros(N_BUCKETS)
    for i in range(len(ts)):
        bucket = int((np.floor(now) - np.floor(ts[i])) / BUCKET_S)
        if 0 <= bucket < N_BUCKETS:
            counts[bucket] += 1
            sent[bucket] += orig_bytes[i]
            received[bucket] += resp_bytes[i]
    filled = np.flatnonzero(counts)
    if len(filled) < MIN_FILLED or filled[-1] + 1 - filled[0] < MIN_SPAN:
        return 0, 0.0, 0
    span = slice(filled[0], filled[-1] + 1)
    counts = counts[span]
    many = np.maximum(counts, 1.0)
    sent, received = sent[span] / many, received[span] / many
    even_sent = (sent != 0).sum() >= MIN_FILLED and _is_even(sent, SIZE_VARIATION)
    even_received = (received != 0).sum() >= MIN_FILLED and _is_even(received, SIZE_VARIATION)
    even_count = len(filled) > int(0.5 * len(counts)) and _is_even(counts, COUNT_VARIATION)
    covariance, period = best_period(counts)
    timed = even_count or covariance >= MIN_COVARIANCE
    return int(timed) + int(even_sent) + int(even_received), covariance, period


@njit(cache=True)
def _score_all(off, ts, orig_bytes, resp_bytes, first, last):
    n = len(off) - 1
    score = np.zeros(n)
    period_s = np.full(n, np.nan)
    for pair in range(n):
        begin, end = off[pair], off[pair + 1]
        if end - begin < MIN_FILLED:
            continue
        now = first + N_BUCKETS * BUCKET_S
        while now <= last + RUN_EVERY_S:
            low = begin + np.searchsorted(ts[begin:end], now - N_BUCKETS * BUCKET_S)
            high = begin + np.searchsorted(ts[begin:end], now)
            if high - low >= MIN_FILLED:
                signs, covariance, period = judge(ts[low:high], orig_bytes[low:high], resp_bytes[low:high], now)
                within = min(max(covariance, 0.0), 1.0)
                rank = signs + 0.9 * within if signs > 0 else 0.3 * within
                if rank > score[pair]:
                    score[pair], period_s[pair] = rank, period * BUCKET_S
            now += RUN_EVERY_S
    return score / 4.0, period_s


def score(ev: Any) -> dict[str, Any]:
    """A quarter of beaconing_score, within it the covariance; the best of all hourly runs."""
    result, period_s = _score_all(ev.off, ev.ts, ev.orig_bytes, ev.resp_bytes, ev.window[0], ev.window[1])
    return {"score": result, "period": period_s}
