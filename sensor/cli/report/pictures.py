"""The pictures of a report as inline SVG: bars, nothing else. Numbers in, markup out; every number is our own."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from sensor.cli.charts import counts_in_slots, ratio_bins
from sensor.cli.columns import Row
from sensor.cli.times import NS, short_time

_WIDTH, _HEIGHT, _BASE = 640, 96, 72
_SLOTS = 80
_BINS = 16


def timeline(events: Sequence[Row], label: str) -> str:
    """The events over their time; empty for fewer than two. label : its name, HTML-escaped already."""
    times = sorted(event["ts"] for event in events)
    if len(times) < 2:
        return ""
    counts = counts_in_slots(times, times[0], times[-1], _SLOTS)
    return _bars(counts, label, short_time(times[0]), short_time(times[-1]))


def most_in_a_slot(events: Sequence[Row]) -> int:
    """The highest bar of `timeline`."""
    times = sorted(event["ts"] for event in events)
    return max(counts_in_slots(times, times[0], times[-1], _SLOTS)) if times else 0


def histogram(events: Sequence[Row], label: str, span: Callable[[float], str]) -> str:
    """How often which interval occurs, from short to long; empty for fewer than two intervals. span : says seconds"""
    times = sorted(event["ts"] for event in events)
    bins = ratio_bins([(later - earlier) / NS for earlier, later in pairwise(times)], _BINS)
    if len(times) < 3 or not bins:
        return ""
    return _bars([n for _, _, n in bins], label, span(bins[0][0]), span(bins[-1][1]))


def _bars(counts: Sequence[int], label: str, left: str, right: str) -> str:
    top = max(counts)
    step = _WIDTH / len(counts)
    bars = "".join(
        f'<rect x="{i * step + 0.5:.1f}" y="{_BASE - _tall(n, top):.1f}" width="{max(step - 1, 1):.1f}" '
        f'height="{_tall(n, top):.1f}"/>'
        for i, n in enumerate(counts)
        if n
    )
    return (
        f'<svg class="bars" role="img" aria-label="{label}" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}"><title>{label}</title><g class="bar">{bars}</g>'
        f'<line x1="0" y1="{_BASE}" x2="{_WIDTH}" y2="{_BASE}"/><text x="0" y="{_HEIGHT - 6}">{left}</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT - 6}" text-anchor="end">{right}</text></svg>'
    )


def _tall(n: int, top: int) -> float:
    return max(1.5, (_BASE - 4) * n / top)
