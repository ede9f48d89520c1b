"""Numbers and lists of `analyzers.text` in Japanese."""

from collections.abc import Sequence
from itertools import pairwise

from analyzers import text

_UNITS = (("日", 86_400), ("時間", 3_600), ("分", 60), ("秒", 1))


def duration(seconds: float) -> str:
    """A length of time in two units, as it is said: 8.26 秒, 17 分 18 秒, 3 時間 30 分, 2 日."""
    for (unit, length_s), (part, part_s) in pairwise(_UNITS):
        n, n_parts = divmod(round(seconds / part_s), length_s // part_s)
        if n:
            return f"{n:,} {unit}" + (f" {n_parts} {part}" if n_parts else "")
    return f"{seconds:.3g} 秒"


def interval(seconds: float) -> str:
    """A beat, in seconds up to ten minutes: 60.1 秒, 15 分 12 秒."""
    return f"{seconds:.3g} 秒" if seconds < 600 else duration(seconds)


def size(n_bytes: int) -> str:
    """A number of bytes, as analyzers.text has it."""
    return f"{n_bytes:,} バイト" if n_bytes < 10_000 else text.size(n_bytes)


def percent(share: float) -> str:
    """A share of 1 as a percentage, as analyzers.text has it."""
    return "0.1% 未満" if 0 < share < 0.0005 else text.percent(share).replace(" %", "%")


def listed(values: Sequence[str], n_more: int = 0) -> str:
    """Values one after the other, and how many there are besides."""
    return "、".join(values) + (f"、ほか {n_more:,} 件" if n_more else "")
