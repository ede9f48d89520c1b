"""Kernel: the mean wait of a channel, by the likeliest of many ways in which a loop may have made its gaps.

A loop waits between a shortest and a longest time, all alike (Cobalt Strike [s(1-j), s], Sliver s + U(0, j), Empire and
most others s(1 +- j)); now and then a beat is not seen, so that a gap is the sum of two or three waits; and some gaps
have nothing to do with it: absences, an operator at work. For the shortest and longest wait, the share of beats missed
and the share of foreign gaps, the likelihood of the gaps that were seen says how good a guess is. The middle of a range
is told closer by its ends than by the mean of few gaps; of many gaps the mean is taken, whatever their shape.
"""

import math

import numpy as np
from numpy.typing import NDArray

from sensor.jit import kernel

COARSE, FINE = 18, 128
"""Quantiles of the gaps that stand for all: for the first guess, and for making it better."""

LEAST_SHARE = 0.3
"""The first guess is a range that holds at least this share of the gaps."""

MISSED = np.array([0.0, 0.04, 0.1, 0.2, 0.33])
FOREIGN = np.array([0.02, 0.1, 0.3])
MISSED_COST, FOREIGN_COST = 3.0, 15.0
"""Shares tried, and what each costs, in nats a whole: with few gaps, some of them always look foreign."""

NARROWEST = 0.02
"""Width of the narrowest range as a share of its middle."""

HALVINGS = 6
MANY_GAPS = 200

REACHES = 1.1
"""Waits whose shortest is at most this many times the pause reach down to it."""


@kernel()
def _likelihood(gaps: NDArray[np.float64], low: float, high: float, missed: float, foreign: float) -> float:
    """Log-likelihood of ascending gaps: waits between low and high, sums of them, and a log-uniform rest, in nats."""
    wide = math.log(gaps[-1] / gaps[0]) + 0.3
    width, own = high - low, (1.0 - foreign) * (1.0 - missed)
    centre, spread = 1.5 * (low + high), 0.25 * width * width
    total = -MISSED_COST * missed - FOREIGN_COST * foreign
    for i in range(gaps.shape[0]):
        gap = gaps[i]
        density = foreign / (gap * wide)
        if low <= gap <= high:
            density += own / width
        if missed > 0.0 and gap > 2.0 * low:
            if gap < 2.0 * high:  # the sum of two
                density += own * missed * (width - abs(gap - low - high)) / (width * width)
            off = (gap - centre) * (gap - centre) / spread
            if off < 30.0:  # the sum of three, about normal
                density += own * missed * missed * math.exp(-0.5 * off) / math.sqrt(2.0 * math.pi * spread)
        total += math.log(density)
    return total


@kernel()
def _quantiles(ordered: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """At most n of the gaps, evenly by rank."""
    if ordered.shape[0] <= n:
        return ordered
    return ordered[((np.arange(n) + 0.5) * ordered.shape[0] / n).astype(np.int64)]


@kernel()
def _best_foreign(gaps: NDArray[np.float64], low: float, high: float, missed: float) -> float:
    """The likelihood with the share of foreign gaps that suits best: it changes with every move of an end."""
    best = -np.inf
    for foreign in FOREIGN:
        best = max(best, _likelihood(gaps, low, high, missed, foreign))
    return best


@kernel()
def _refine(gaps: NDArray[np.float64], low: float, high: float) -> tuple[float, float, float]:
    """Move the ends by ever smaller steps while that makes the gaps likelier. Returns (nats, low, high)."""
    high = max(high, low * (1.0 + NARROWEST))
    best, lost, step = -np.inf, 0.0, 0.25 * (high - low)
    for _ in range(HALVINGS):
        for missed in MISSED:
            nats = _best_foreign(gaps, low, high, missed)
            if nats > best:
                best, lost = nats, missed
        moved = True
        while moved:
            moved = False
            for down, up in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1)):
                lower, upper = max(low + down * step, 0.0), high + up * step
                if upper - lower < NARROWEST * 0.5 * (lower + upper):
                    continue
                nats = _best_foreign(gaps, lower, upper, lost)
                if nats > best + 1e-9:
                    best, low, high, moved = nats, lower, upper, True
        step *= 0.5
    return best, low, high


@kernel()
def waits(ordered: NDArray[np.float64]) -> tuple[float, float]:
    """The shortest and the longest wait that explain gaps best, seconds: from a first guess, or from all there is.

    ordered : float64[n], seconds, ascending, above 0; n of 3 or more
    """
    few = _quantiles(ordered, COARSE)
    best, low, high = -np.inf, few[0], few[-1]
    for i in range(few.shape[0] - 1):
        for k in range(i + 1, few.shape[0]):
            if k - i + 1 < LEAST_SHARE * few.shape[0]:
                continue
            middle = 0.5 * (few[i] + few[k])
            half = max(few[k] - few[i], NARROWEST * few[i]) * (0.5 + 1.0 / (k - i + 1))
            for missed in (0.0, 0.15):
                for foreign in (0.02, 0.2):
                    nats = _likelihood(few, max(middle - half, 0.0), middle + half, missed, foreign)
                    if nats > best:
                        best, low, high = nats, max(middle - half, 0.0), middle + half
    many = _quantiles(ordered, FINE)
    nats, low, high = _refine(many, low, high)
    whole_nats, whole_low, whole_high = _refine(many, many[0], many[-1])
    return (low, high) if nats >= whole_nats else (whole_low, whole_high)


@kernel()
def mean_wait(ordered: NDArray[np.float64], low_s: float, high_s: float, pause_s: float) -> float:
    """The mean wait between a shortest and a longest one, seconds.

    ordered : as for waits
    pause_s : gaps up to this were taken together, seconds; waits that reach down to it go on below, who knows how far
    """
    if low_s <= REACHES * pause_s:
        return 0.5 * (0.5 * pause_s + high_s)
    first = np.searchsorted(ordered, low_s, side="left")
    end = np.searchsorted(ordered, high_s, side="right")
    if ordered.shape[0] < MANY_GAPS or first == end:
        return 0.5 * (low_s + high_s)
    return ordered[first:end].mean()
