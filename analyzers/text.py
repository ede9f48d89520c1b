"""Numbers as a person reads them in a sentence: short, with a unit, never more digits than are known."""

_UNITS = (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0))


def duration(seconds: float) -> str:
    """A length of time: 0.45 s, 12 s, 11 min, 3.5 h, 2 d."""
    for unit, size in _UNITS:
        if seconds >= 2 * size or (unit == "s" and seconds >= 10):
            return f"{_three(seconds / size)} {unit}"
    return f"{seconds:.2g} s"


def interval(seconds: float) -> str:
    """A beat, with three digits, in seconds up to ten minutes: 60.1 s, 15.2 min, 6 h."""
    if seconds < 600:
        return f"{_three(seconds)} s"
    return duration(seconds)


def count(n: int, thing: str, plural: str | None = None) -> str:
    """A number of things: 1 beat, 1,234 beats."""
    return f"{n:,} {thing if n == 1 else plural or thing + 's'}"


def size(n_bytes: int) -> str:
    """A number of bytes: 310 bytes, 12.3 KB, 4.1 MB (thousands)."""
    for unit, power in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if n_bytes >= 10 * power or (n_bytes >= power and unit != "KB"):
            return f"{_three(n_bytes / power)} {unit}"
    return count(n_bytes, "byte")


def percent(share: float) -> str:
    """A share of 1 as a percentage: under 0.1 %, 0.4 %, 12 %."""
    if 0 < share < 0.0005:
        return "under 0.1 %"
    return f"{100 * share:.1f} %" if 0 < share < 0.0095 else f"{100 * share:.0f} %"


def _three(value: float) -> str:
    """Three significant digits without an exponent or trailing zeros."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
