"""Small pictures made of text: a line of bars, and a histogram. Numbers in, lines out; nothing is printed."""

import math
from collections.abc import Sequence

_LEVELS = " ▁▂▃▄▅▆▇█"
_NARROW_RATIO = 1.02


def sparkline(counts: Sequence[int]) -> str:
    """One character for each count, its height by the largest; a blank only for zero."""
    top = max(counts, default=0)
    steps = len(_LEVELS) - 1
    return "".join(_LEVELS[math.ceil(n * steps / top)] if n > 0 else _LEVELS[0] for n in counts)


def counts_in_slots(values: Sequence[int], first: int, last: int, n_slots: int) -> list[int]:
    """How many values lie in each of `n_slots` equal parts of first..last (both inclusive)."""
    counts = [0] * n_slots
    width = max(1, last - first + 1)
    for value in values:
        counts[min(max(value - first, 0) * n_slots // width, n_slots - 1)] += 1
    return counts


def ratio_bins(values: Sequence[float], n_bins: int) -> list[tuple[float, float, int]]:
    """A histogram of positive values with edges in constant ratio: (from, to, how many) for each bin.

    Intervals of one channel reach from seconds to the nights between working days, so equal widths would show one
    bar. Values that differ by less than 2 % are one bin.
    """
    positive = sorted(value for value in values if value > 0)
    if not positive:
        return []
    low, high = positive[0], positive[-1]
    if high <= low * _NARROW_RATIO:
        return [(low, high, len(positive))]
    step = math.log(high / low) / n_bins
    counts = [0] * n_bins
    for value in positive:
        counts[min(int(math.log(value / low) / step), n_bins - 1)] += 1
    return [(low * math.exp(i * step), low * math.exp((i + 1) * step), n) for i, n in enumerate(counts)]


def bar(n: int, top: int, width: int) -> str:
    """A bar of at most `width` characters; something is shown for everything above zero."""
    return "█" * max(1, round(n * width / top)) if n > 0 else ""
