"""Kernels: how much more alike are the gaps of a channel than chance makes them?

A timer puts its gaps into a narrow window [lo, r * lo], whatever its length: no jitter r = 1, +-10 % r = 1.22,
Cobalt Strike's 50 % r = 2, +-50 % r = 3. Windows of a few ratios r are moved over the sorted gaps; the share s of gaps
inside is compared with the share q(r) that chance gives by the log-likelihood ratio n * KL(s || q) in nats, and the
best window wins. Ratios only, so the unit of time does not matter.

Chance is a log-normal gap of log-deviation 1 seen at its best place: q(r) = erf(ln r / sqrt 8). That is above what an
exponential gap (a Poisson process, memoryless polling) of any rate puts into any window [lo, r * lo]
(max over lo of exp(-lo) - exp(-r * lo); r = 3: 0.385 against 0.417), so it covers both clock-less machines and the
heavier-tailed pauses of people. This module never sees absolute times.
"""

import math

import numpy as np
from numpy.typing import NDArray

from sensor.jit import kernel

RATIOS = np.array([1.02, 1.05, 1.1, 1.2, 1.35, 1.55, 1.8, 2.1, 2.5, 3.1])
"""Window widths tried. 1.02: clocks and networks are no better; 3.1: just above +-50 % of jitter."""

MULTIPLE_MAX_RATIO = 1.36
"""Only windows this narrow have multiples that do not run into each other (2 * 1.36 < 3)."""

MAX_MULTIPLE = 3
"""Gaps of up to this many beats count as missed beats."""


@kernel()
def chance_share(ratio: float) -> float:
    """Share of gaps that the null puts into the best window of this width."""
    return math.erf(math.log(ratio) / math.sqrt(8.0))


@kernel()
def evidence(n_inside: int, n: int, chance: float) -> float:
    """n * KL(n_inside / n || chance) in nats; 0 where the window holds no more than chance."""
    share = n_inside / n
    if share <= chance or chance >= 1.0:
        return 0.0
    gain = share * math.log(share / chance)
    if share < 1.0:
        gain += (1.0 - share) * math.log((1.0 - share) / (1.0 - chance))
    return n * gain


@kernel()
def densest_window(
    gaps: NDArray[np.float64], begin: int, shift_s: float, quantum_s: float
) -> tuple[float, int, int, float]:
    """Best window over gaps[begin:], all above `shift_s`.

    `shift_s` is the longest gap that was counted as part of a burst. The gaps left are longer than it, which alone
    makes them alike; subtracting it undoes that exactly for a memoryless process (order statistics of exponentials).
    `quantum_s` is the resolution of the times: a window cannot be narrower than it.

    gaps : float64[n], seconds, ascending
    Returns (evidence in nats, index of the first gap inside, how many are inside, chance share)
    """
    n = gaps.shape[0] - begin
    best, best_at, best_n, best_chance = 0.0, begin, 0, 1.0
    for k in range(RATIOS.shape[0]):
        top, top_at, low_at = 0, begin, begin
        for i in range(begin, gaps.shape[0]):
            # The window never shrinks: it grows onto gap i, or slides with it. What it ends at is the largest count.
            if gaps[i] - shift_s <= (gaps[low_at] - shift_s) * RATIOS[k]:
                top, top_at = top + 1, low_at
            else:
                low_at += 1
        low = max(gaps[top_at] - shift_s, 1e-9)
        ratio = max((gaps[top_at + top - 1] - shift_s) / low, RATIOS[0])  # as wide as its gaps are
        chance = chance_share(ratio + quantum_s / low)
        nats = evidence(top, n, chance)
        if nats > best:
            best, best_at, best_n, best_chance = nats, top_at, top, chance
    return best, best_at, best_n, best_chance


@kernel()
def multiple_window(shortest: float, longest: float, k: int) -> tuple[float, float]:
    """Gaps of k beats, given the shortest and the longest gap of one beat: (lowest, highest), seconds.

    The relative width is that of one beat (jitter adds up slower than that), and as for RATIOS never below 2 %.
    """
    if longest < shortest * RATIOS[0]:
        return k * shortest * 0.99, k * longest * 1.01
    return k * shortest, k * longest


@kernel()
def count_multiples(gaps: NDArray[np.float64], first: int, n_inside: int, k: int) -> tuple[int, float]:
    """Gaps of k beats for the window gaps[first:first + n_inside]: (how many, chance share of their window)."""
    beat = gaps[first + n_inside // 2]
    low, high = multiple_window(gaps[first], gaps[first + n_inside - 1], k)
    inside = np.searchsorted(gaps, high, side="right") - np.searchsorted(gaps, low, side="left")
    root = math.sqrt(2.0)
    chance = 0.5 * (math.erf(math.log(high / beat) / root) - math.erf(math.log(low / beat) / root))
    return inside, chance
