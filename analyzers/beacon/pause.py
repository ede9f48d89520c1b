"""Kernels: the pause that parts bursts from beats. Events closer than it are one beat.

A burst is several connections of one check-in, a retry, or an operator at work; its gaps are shorter than the beat and
lie closer together. All gaps here are those from event to event, sorted once.
"""

import numpy as np
from numpy.typing import NDArray

from analyzers.beacon.period import mean_wait, waits
from sensor.jit import kernel

RESOLUTION_S = 0.25
"""Events closer than this are one exchange (parallel connections, pipelined requests), whatever their regularity."""

LULL_RATIO, LULL_GAPS = 2.0, 8
"""Bursts and beats leave a lull in the lengths of gaps, nothing between the one and the other. Above it lie this many
gaps or more: of a few, chance makes a clock."""

STEP_GAPS, STEP_SHARE, LEAST_DENSE, MOST_DENSE = 4.0, 0.2, 0.5, 3.0
"""The pause is lowered by a fifth, or by where four gaps are to be expected, while half to three times as many as in
the window lie there."""

SLOW_GAPS, SLOW_SHARE = 8, 0.5
"""A slower loop has this many gaps or more, and makes this share of those above its pause."""

BURST_FRACTION = 3.0
"""A gap divided by this is a pause below it, whatever the jitter up to +-50 %."""


@kernel()
def lull(gaps: NDArray[np.float64], base: int) -> float:
    """The longest gap below the widest lull, where the next longer one is LULL_RATIO times as long or more; 0: no lull.

    gaps : as for _search
    """
    widest, end_s = LULL_RATIO, 0.0
    for i in range(base, gaps.shape[0] - LULL_GAPS):
        if gaps[i + 1] >= widest * gaps[i]:
            widest, end_s = gaps[i + 1] / gaps[i], gaps[i]
    return end_s


@kernel()
def lower_pause(gaps: NDArray[np.float64], low_s: float, high_s: float, pause_s: float) -> float:
    """The pause that parts bursts from beats, moved down as long as gaps lie there as they do in the window.

    A pause taken from quantiles cuts into a wide jitter, and two beats become one. Bursts are denser, silence is not.
    gaps : as for _search; the window of its result, whose pause is pause_s
    """
    inside = np.searchsorted(gaps, high_s, side="right") - np.searchsorted(gaps, low_s, side="left")
    dense = inside / max(high_s - low_s, 1e-3 * low_s)
    while pause_s > RESOLUTION_S:
        lower_s = max(pause_s - max(STEP_GAPS / dense, STEP_SHARE * pause_s), RESOLUTION_S)
        between = np.searchsorted(gaps, pause_s, side="right") - np.searchsorted(gaps, lower_s, side="right")
        usual = dense * (pause_s - lower_s)
        if not LEAST_DENSE * usual <= between <= MOST_DENSE * usual:
            break
        pause_s = lower_s
    return pause_s


@kernel()
def slow_wait(gaps: NDArray[np.float64], fast_s: float, fast_filled_s: float) -> float:
    """The mean wait of a loop that is slower than the one that was found and fills more of the time, seconds; 0: none.

    A thousand quick commands of an operator are a clearer clock than the sleep of hours between them.
    gaps : as for lower_pause; fast_s : above the waits of the loop that was found; fast_filled_s : the time they fill
    """
    half, rest_s, span_s = gaps.shape[0] - 1, gaps[-1], gaps.sum()
    while rest_s < 0.5 * span_s:
        half -= 1
        rest_s += gaps[half]
    pause_s = gaps[half] / BURST_FRACTION
    first = np.searchsorted(gaps, pause_s, side="right")
    if pause_s < fast_s or gaps.shape[0] - first < SLOW_GAPS:
        return 0.0
    low_s, high_s = waits(gaps[first:])
    pause_s = lower_pause(gaps, low_s, high_s, pause_s)
    slow = gaps[np.searchsorted(gaps, pause_s, side="right") :]
    low_s, high_s = waits(slow)
    inside = slow[np.searchsorted(slow, low_s, side="left") : np.searchsorted(slow, high_s, side="right")]
    if inside.shape[0] < SLOW_SHARE * slow.shape[0] or inside.sum() < fast_filled_s:
        return 0.0
    return mean_wait(slow, low_s, high_s, pause_s)
