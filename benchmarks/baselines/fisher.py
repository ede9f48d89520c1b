"""Fisher's g: how far one line of the periodogram stands out of counts a second, and how likely chance does that.

Source: msticpy's periodicity check, after Heard et al. 2014: counts in one-second bins, less their mean; g is the
largest power's share of all; the p-value is exact for up to 700 frequencies, 1 - (1 - e^(-n g))^n above. Fisher 1929.
A span of more than MAX_BINS seconds gets wider bins, so that a month of events takes no minutes.
"""

import math
from typing import Any

import numpy as np

MAX_BINS = 2**17
EXACT_UP_TO = 700
TINY = 1e-6
"""Below it the first term of the exact series is the sum to six digits; the later ones only cancel."""


def log_p_value(g: float, n: int) -> float:
    """The logarithm of the chance that n frequencies of white noise have a g at least so large."""
    if g >= 1:
        return -math.inf
    if n > EXACT_UP_TO:
        first = math.log(n) - n * g
        return first if first < math.log(TINY) else math.log(-math.expm1(n * math.log1p(-math.exp(-n * g))))
    first = math.log(n) + (n - 1) * math.log1p(-g)
    if first < math.log(TINY):
        return first
    terms = (
        (-1) ** (k - 1) * math.exp(_log_binomial(n, k) + (n - 1) * math.log1p(-k * g))
        for k in range(1, min(n, int(1 / g)) + 1)
        if k * g < 1
    )
    return math.log(min(max(math.fsum(terms), TINY), 1.0))


def _log_binomial(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def score(ev: Any) -> dict[str, Any]:
    """The negative logarithm of the p-value; the period is that of the largest power."""
    result, period = np.zeros(ev.n), np.full(ev.n, np.nan)
    for i in ev.eligible():
        ts = ev.ts[ev.off[i] : ev.off[i + 1]]
        width_s = max(1.0, (ts[-1] - ts[0]) / MAX_BINS)
        counts = np.bincount(((ts - ts[0]) / width_s).astype(np.int64)).astype(np.float64)
        power = np.abs(np.fft.rfft(counts - counts.mean())[1:]) ** 2
        if power.sum() > 0:
            k = int(power.argmax())
            result[i] = -log_p_value(float(power[k] / power.sum()), len(power))
            period[i] = len(counts) * width_s / (k + 1)
    return {"score": np.minimum(result, 1e300), "period": period}
