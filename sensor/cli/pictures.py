"""The pictures of a finding as lines of text: when, at what intervals, of what sizes. Data in, lines out."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from sensor.cli.charts import bar, counts_in_slots, ratio_bins, sparkline
from sensor.cli.clean import clean
from sensor.cli.columns import Row
from sensor.cli.human import human_duration, plural
from sensor.cli.times import DAY_NS, NS, short_time
from sensor.response.dossier import ACTIVITY_SLOTS as TIMELINE_SLOTS
from sensor.response.dossier import Dossier

_HISTOGRAM_BINS = 12
_MAX_MULTIPLE = 12
_BAR_WIDTH = 17
MAX_HOLIDAYS = 2
MAX_NAME_CHARS = 24


def timeline(dossier: Dossier) -> Iterator[str]:
    """The events over their time; below them the host's other traffic, what was not seen, when nobody worked, days."""
    events = dossier.events
    if len(events) < 2:
        return
    times = sorted(event["ts"] for event in events)
    first, last = times[0], times[-1]
    counts, activity = counts_in_slots(times, first, last, TIMELINE_SLOTS), dossier.activity
    yield f"|{sparkline(counts)}|"
    if any(activity):
        yield f"|{sparkline(activity)}|"
    edges = list(pairwise(_slot_edges(first, last)))
    rows = [_unseen(edges, dossier), _off_hours(edges, dossier)]
    if last - first >= 2 * DAY_NS:
        rows.append("".join("|" if end // DAY_NS > start // DAY_NS else "." for start, end in edges))
    yield from (f" {row}" for row in rows if row.strip())
    start, end = short_time(first), short_time(last)
    yield f" {start}{'':{max(2, TIMELINE_SLOTS - len(start) - len(end))}}{end}"
    slot = human_duration(max(last - first, 1) / NS / TIMELINE_SLOTS)
    n_in_all = dossier.finding["events"]
    kept = f"; of {n_in_all:,}, these are kept" if len(times) < n_in_all else ""
    yield f" {plural(len(times), 'event')}, {slot} a mark, {max(counts):,} at most{kept}"
    if any(activity):
        yield f" second line: the host's other traffic, {max(activity):,} at most"
    yield from _legend("".join(rows), times, dossier)


def _slot_edges(first: int, last: int) -> list[int]:
    width = max(1, last - first + 1)
    return [first + width * i // TIMELINE_SLOTS for i in range(TIMELINE_SLOTS + 1)]


def _unseen(edges: Sequence[tuple[int, int]], dossier: Dossier) -> str:
    """x for a part of the time that no source touches, ! for one in which a capture lost something."""

    def mark(start: int, end: int) -> str:
        if dossier.captures and not any(one["first_ts"] <= end and one["last_ts"] >= start for one in dossier.captures):
            return "x"
        return "!" if any(one["first_ts"] < end and one["last_ts"] > start for one in dossier.lossy) else " "

    return "".join(mark(start, end) for start, end in edges)


def _off_hours(edges: Sequence[tuple[int, int]], dossier: Dossier) -> str:
    """h for a part of the time that lies in a holiday, - for another one in which nobody was at work."""

    def mark(start: int, end: int) -> str:
        for letter, spans in (("h", dossier.holidays), ("-", dossier.closed or ())):
            if any(one["first_ts"] <= start and end <= one["last_ts"] for one in spans):
                return letter
        return " "

    return "".join(mark(start, end) for start, end in edges)


def _legend(marks: str, times: Sequence[int], dossier: Dossier) -> Iterator[str]:
    """What the marks mean, and how many events happened while nobody was at work."""
    if "x" in marks:
        yield " x: nothing was captured"
    if "!" in marks:
        yield " !: packets were lost"
    if dossier.closed is not None:
        n_closed = sum(any(one["first_ts"] <= ts < one["last_ts"] for one in dossier.closed) for ts in times)
        yield f" {'-: ' if '-' in marks else ''}nobody at work: {n_closed:,} of {plural(len(times), 'event')}"
    if "h" in marks:
        days = list(dict.fromkeys(clean(one["name"], MAX_NAME_CHARS) for one in dossier.holidays))
        more = f" and {len(days) - MAX_HOLIDAYS} more" if len(days) > MAX_HOLIDAYS else ""
        yield f" h: {', '.join(days[:MAX_HOLIDAYS])}{more}"
    if "|" in marks:
        yield " |: midnight, UTC"


def histogram(events: Sequence[Row], interval_s: float) -> Iterator[str]:
    """How often which interval occurs; the estimated one and its multiples (missed beats) are named beside it."""
    times = sorted(event["ts"] for event in events)
    gaps_s = [(later - earlier) / NS for earlier, later in pairwise(times)]
    bins = ratio_bins(gaps_s, _HISTOGRAM_BINS) if len(gaps_s) > 1 else []
    top = max((n for _, _, n in bins), default=1)
    for low_s, high_s, n in bins:
        span = f"{human_duration(low_s)} - {human_duration(high_s)}"
        name = _multiples(low_s, high_s, interval_s)
        yield f"{span:>18} {n:>6,} {bar(n, top, _BAR_WIDTH):<{_BAR_WIDTH}} {name}".rstrip()


def _multiples(low_s: float, high_s: float, interval_s: float) -> str:
    """Which multiples of the interval lie in a bin: 'the interval', 'x 2', 'x 3 to x 5'."""
    if interval_s <= 0:
        return ""
    found = [k for k in range(1, _MAX_MULTIPLE + 1) if low_s <= k * interval_s <= high_s]
    if not found:
        return ""
    if found[0] == 1:
        return "the interval" + (f", to x {found[-1]}" if len(found) > 1 else "")
    return f"x {found[0]}" + (f" to x {found[-1]}" if len(found) > 1 else "")


def sizes(common: dict[str, list[tuple[int, int]]], n_events: int) -> Iterator[str]:
    """The commonest sizes of requests and answers, of so many events."""
    for name, label in (("orig_bytes", "sent"), ("resp_bytes", "received")):
        told = [f"{size:,} B in {n:,}" for size, n in common[name]]
        if told and any(size for size, _ in common[name]):
            yield f"{label:<10}{', '.join(told)} of {n_events:,}"
