"""Numbers as people read them: counts, bytes, durations. Machine formats never come here."""

_STEPS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


def human_count(n: int) -> str:
    """1,234,567."""
    return f"{n:,}"


def plural(n: int, noun: str) -> str:
    """1 flow, 1,234 flows."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def human_bytes(n_bytes: float) -> str:
    """980 B, 1.2 kB, 3.4 GB; powers of 1000, as disks and links are sold."""
    if n_bytes < 1000:
        return f"{n_bytes:.0f} B"
    for unit in ("kB", "MB", "GB"):
        n_bytes /= 1000
        if n_bytes < 999.95:
            return f"{n_bytes:.1f} {unit}"
    return f"{n_bytes / 1000:,.1f} TB"


def human_duration(seconds: float) -> str:
    """35 ms, 4.5 s, 60 s, 5 min, 1.5 h, 2 d: about three digits, the largest unit that keeps them."""
    if seconds < 0:
        return "-" + human_duration(-seconds)
    for length, unit in _STEPS:
        if seconds >= 2 * length:
            return f"{_three(seconds / length)} {unit}"
    if seconds >= 1 or seconds == 0:
        return f"{_three(seconds)} s"
    return f"{_three(seconds * 1000)} ms"


def _three(value: float) -> str:
    text = f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
