"""BAYWATCH's core: a periodogram held against shuffled series, pruned, and verified by the autocorrelation.

Source: Hu et al., "BAYWATCH: Robust Beaconing Detection to Identify Infected Hosts in Large-Scale Enterprise
Networks", DSN 2016; the paper's text was not at hand: after public descriptions and the patents US9591007 and
US10284584. Its filters (whitelists, popularity, URL tokens, novelty, ranking) are left out: there is nothing for them
to stand on here.

Steps for each pair: bins of a tenth of the median gap, at least 1 s (0.1 s for gaps below 5 s); candidates are the
frequencies whose power passes the 95th percentile of the largest power of 20 permutations; pruned by the shortest
gap, by the span and by a t-test of the gaps against the period; or kept because a part of a Gaussian mixture of the
gaps (one to three parts, by BIC) lies at the period; verified on a hill of the autocorrelation, whose height is the
score.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.gaps import Floats

N_PERMUTATIONS, CONFIDENCE = 20, 0.95
MAX_BINS, MAX_CANDIDATES, MAX_MIXED = 4096, 40, 400
MAX_PARTS = 3
MIN_GAPS, MIN_BINS, MIN_CYCLES = 3, 8, 2.5
SAME_EXCHANGE_S = 0.05
MIN_HILL = 0.05
NOTHING = (0.0, float("nan"))


def mixture(gaps: Floats, n_parts: int, rounds: int = 25) -> tuple[float, Floats, Floats]:
    """BIC, means and weights of a Gaussian mixture in one dimension, by expectation maximisation."""
    n = len(gaps)
    mean = np.quantile(gaps, (np.arange(n_parts) + 0.5) / n_parts)
    sd = np.full(n_parts, max(gaps.std() / n_parts, 1e-3 * gaps.mean(), 1e-6))
    weight = np.full(n_parts, 1.0 / n_parts)
    narrowest = max(1e-3 * float(np.median(gaps)), 1e-6)
    for _ in range(rounds):
        log_density = np.log(weight) - np.log(sd) - 0.5 * ((gaps[:, None] - mean) / sd) ** 2
        top = log_density.max(1, keepdims=True)
        share = np.exp(log_density - top)
        total = share.sum(1, keepdims=True)
        share /= total
        members = share.sum(0) + 1e-9
        weight = members / n
        mean = (share * gaps[:, None]).sum(0) / members
        sd = np.maximum(np.sqrt((share * (gaps[:, None] - mean) ** 2).sum(0) / members), narrowest)
    log_likelihood = float((top[:, 0] + np.log(total[:, 0])).sum() - 0.5 * n * np.log(2 * np.pi))
    return -2 * log_likelihood + (3 * n_parts - 1) * np.log(n), mean, weight


def fast_length(n: int) -> int:
    """The smallest number from n on that is 1, 3 or 5 times a power of two: a quick Fourier transform."""
    return min(factor << max(0, (-(-n // factor) - 1).bit_length()) for factor in (1, 3, 5))


def candidates(binned: Floats, width_s: float, rng: np.random.Generator) -> tuple[Floats, float]:
    """Periods in seconds whose power passes the permutations', the strongest first, and the best power's ratio."""
    length = fast_length(len(binned))
    power = np.abs(np.fft.rfft(binned, length)) ** 2
    shuffled = rng.permuted(np.broadcast_to(binned, (N_PERMUTATIONS, len(binned))), axis=1)
    largest = np.sort((np.abs(np.fft.rfft(shuffled, length, axis=1)) ** 2).max(1))
    threshold = largest[int(CONFIDENCE * N_PERMUTATIONS) - 1]
    passed = np.flatnonzero(power > threshold)
    passed = passed[passed > 0]
    passed = passed[np.argsort(-power[passed])][:MAX_CANDIDATES]
    return length * width_s / passed, float(power.max() / threshold)


def supported(periods: Floats, gaps: Floats, width_s: float, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Candidates that the gaps agree with, each with the gap that it stands for."""
    mean, error = float(gaps.mean()), float(gaps.std(ddof=1) / np.sqrt(len(gaps)))
    kept = [(float(period), mean) for period in periods if abs(mean - period) <= 1.96 * error + width_s]
    some = gaps if len(gaps) <= MAX_MIXED else rng.choice(gaps, MAX_MIXED, replace=False)
    fits = [mixture(some, n_parts) for n_parts in range(1, min(MAX_PARTS, len(some) // 2) + 1)]
    _, means, weights = min(fits, key=lambda fit: fit[0])
    kept += [
        (float(period), float(part))
        for period in periods
        for part, weight in zip(means, weights, strict=True)
        if abs(period - part) <= max(0.1 * part, width_s) and weight > 0.2
    ]
    return kept


def autocorrelation(binned: Floats) -> Floats:
    """At each lag, corrected for the fewer products at long ones."""
    n = len(binned)
    length = fast_length(2 * n)
    acf = np.fft.irfft(np.abs(np.fft.rfft(binned, length)) ** 2, length)[:n]
    return acf / acf[0] * n / (n - np.arange(n))


def hill(acf: Floats, lag: float) -> float:
    """The height of the autocorrelation near a lag where it is higher there than beside, else 0."""
    near = max(1, int(0.15 * lag))
    begin, end = max(1, int(lag) - near), min(len(acf) // 2, int(lag) + near + 2)
    if end <= begin:
        return 0.0
    sides = [acf[max(1, begin - near) : begin], acf[end : end + near]]
    beside = max(float(side.mean()) if len(side) else 0.0 for side in sides)
    height = float(acf[begin:end].max())
    return height if height > max(beside, MIN_HILL) else 0.0


def _busiest(ts: Floats, span_s: float) -> Floats:
    """The events of the stretch of that length with the most of them."""
    end = np.searchsorted(ts, ts + span_s)
    begin = int((end - np.arange(len(ts))).argmax())
    return ts[begin : end[begin]]


def score_pair(ts: NDArray[np.float64], rng: np.random.Generator) -> tuple[float, float]:
    """Score (0.3 to 1 where a period is verified, else at most 0.1) and period in seconds of one pair."""
    gaps = np.diff(ts)
    gaps = gaps[gaps > SAME_EXCHANGE_S]
    if len(gaps) < MIN_GAPS:
        return NOTHING
    slow = gaps[gaps >= 1.0]
    grain_s = 1.0 if np.median(slow if len(slow) >= MIN_GAPS else gaps) >= 5 else 0.1
    gaps = gaps[gaps >= grain_s]
    if len(gaps) < MIN_GAPS:
        return NOTHING
    width_s = max(grain_s, 0.1 * float(np.median(gaps)))
    if ts[-1] - ts[0] > MAX_BINS * width_s:
        ts = _busiest(ts, MAX_BINS * width_s)
        gaps = np.diff(ts)
        gaps = gaps[gaps >= grain_s]
    span_s = float(ts[-1] - ts[0])
    n_bins = int(span_s / width_s) + 1
    if len(gaps) < MIN_GAPS or n_bins < MIN_BINS:
        return NOTHING
    binned = np.minimum(np.bincount(((ts - ts[0]) / width_s).astype(np.int64), minlength=n_bins), 1).astype(np.float64)
    binned -= binned.mean()
    if not binned.any():
        return NOTHING
    periods, ratio = candidates(binned, width_s, rng)
    if len(periods) == 0:
        return 0.05 * min(1.0, ratio), float("nan")
    periods = periods[(periods >= 0.9 * gaps.min()) & (periods <= span_s / MIN_CYCLES)]
    acf = autocorrelation(binned)
    verified = [(hill(acf, period / width_s), gap) for period, gap in supported(periods, gaps, width_s, rng)]
    height, gap = max(verified, default=(0.0, 0.0))
    return (0.3 + 0.7 * min(1.0, height), gap) if height > 0 else (0.1, float("nan"))


def score(ev: Any) -> dict[str, Any]:
    """The verified height of the autocorrelation; permutations come from a fixed seed."""
    rng = np.random.default_rng(0)
    result, period = np.zeros(ev.n), np.full(ev.n, np.nan)
    for i in ev.eligible():
        result[i], period[i] = score_pair(ev.ts[ev.off[i] : ev.off[i + 1]], rng)
    return {"score": result, "period": period}
