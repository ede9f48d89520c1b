"""The question "was this ever contacted?": indicators against all kept history.

History is searched from the newest day back, some days at a time, so that a first answer is there at once, however long
the history. What could not be searched is told by its days.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from sensor.store.columns import LAKE_TABLES, MIXED_DAY, NANOSECONDS_A_DAY
from sensor.store.indicator import Indicator
from sensor.store.lake import day_name
from sensor.store.matcher import Matcher
from sensor.store.probes import HOWS, PROBES
from sensor.store.search import Hit, Search, day_of
from sensor.store.store import Store

_MAX_DAYS = 3_653
_MAX_DAYS_AT_ONCE = 16


@dataclass(slots=True)
class Answer:
    """What a hunt found, and what it could not search.

    hits : by indicator in the order given, then by how, then the earliest first
    days : days of the lake that were searched, sorted
    unreadable : days of which a segment could not be read, sorted
    absent : days within a source's time of which nothing is kept, sorted
    """

    hits: list[Hit] = field(default_factory=list)
    days: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Searched:
    """How far a hunt has come.

    day : back to which; days, all_days : how many were searched, of how many
    hits : what was met so far, in no order
    """

    day: str
    days: int
    all_days: int
    hits: Sequence[Hit]


def hunt(
    store: Store,
    indicators: Sequence[Indicator],
    *,
    since_ns: int | None = None,
    until_ns: int | None = None,
    progress: Callable[[Searched], None] | None = None,
) -> Answer:
    """Look for indicators in a span of history (ns; None: all of it).

    progress : called after each step back in time

    Raises: StoreError when the lake cannot be listed.
    """
    search = Search(store, since_ns, until_ns)
    order = {indicator: i for i, indicator in enumerate(dict.fromkeys(indicators))}
    by_kind: defaultdict[str, list[Indicator]] = defaultdict(list)
    for indicator in order:
        by_kind[indicator.kind].append(indicator)
    matchers = [Matcher(kind, found) for kind, found in by_kind.items()]
    n_days = 0
    for days in _steps_back(search.days):
        for matcher in matchers:
            for probe in PROBES[matcher.kind]:
                search.run(matcher, probe, days)
        n_days += len(days)
        if progress is not None:
            progress(Searched(days[-1], n_days, len(search.days), list(search.hits.values())))
    hows = list(HOWS)
    hits = sorted(
        search.hits.values(), key=lambda hit: (order[hit.indicator], hows.index(hit.how), hit.first_ts, hit.orig_ip)
    )
    return Answer(hits, search.days, sorted(search.unreadable), _absent(store, set(search.days), since_ns, until_ns))


def _steps_back(days: Sequence[str]) -> Iterator[list[str]]:
    """Days from the newest back: one, then twice as many each time."""
    back, n = list(reversed(days)), 1
    while back:
        yield back[:n]
        back, n = back[n:], min(2 * n, _MAX_DAYS_AT_ONCE)


def absent_days(store: Store, since_ns: int | None, until_ns: int | None) -> list[str]:
    """Days within a source's time of which the lake has nothing (pruned, or nothing seen), at most of ten years."""
    files = [path for table in LAKE_TABLES for path in store.lake.files(table, since_ns=since_ns, until_ns=until_ns)]
    return _absent(store, {day_of(path) for path in files}, since_ns, until_ns)


def _absent(store: Store, kept: set[str], since_ns: int | None, until_ns: int | None) -> list[str]:
    if MIXED_DAY in kept:
        return []
    absent = set()
    spans = store.db.execute("SELECT first_ts, last_ts FROM source WHERE first_ts IS NOT NULL AND last_ts IS NOT NULL")
    for first_ts, last_ts in spans.fetchall():
        start = max(first_ts, first_ts if since_ns is None else since_ns) // NANOSECONDS_A_DAY
        end = min(last_ts, last_ts if until_ns is None else until_ns - 1) // NANOSECONDS_A_DAY
        absent |= {day_name(day * NANOSECONDS_A_DAY) for day in range(start, min(end, start + _MAX_DAYS) + 1)} - kept
    return sorted(absent)
