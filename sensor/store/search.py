"""One hunt under way: indicators against some days of the history, column by column.

One pass over a column tells the values that are met; only where there are any are the other columns read, and what is
met is summed up by indicator and host, never row by row in Python. Segments that cannot be read are told by their day,
and the rest is searched all the same.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor.store.indicator import Indicator, url_parts
from sensor.store.matcher import Condition, Matcher, exactly
from sensor.store.probes import COLUMNS, Probe
from sensor.store.store import Store

if TYPE_CHECKING:
    import duckdb

_MAX_THREADS = 4  # the sensor may be capturing on the same machine
_SAMPLE_ROWS = 300_000
"""Of more contacts than this in the days of one pass, only so many are looked at for names, addresses and ports."""

MAX_DESTS = 20

_Met = tuple[str, str, int, Indicator]
"""A value of the history, the target of a request to it or nothing, in how many rows, and the indicator that it is."""

_SETS = ", ".join(f"list_sort(list(DISTINCT {name}))[:{MAX_DESTS}]" for name in ("told", "port", "resp_ip"))


@dataclass(slots=True)
class Hit:
    """An indicator and one of one's own hosts that met it.

    how : one of HOWS
    dests : names or addresses at the other end, as ports and resp_ips at most MAX_DESTS, the first in order
    proto : of one of the contacts
    events : flows, events or questions
    """

    indicator: Indicator
    how: str
    orig_ip: str
    dests: set[str]
    ports: set[int]
    proto: str
    resp_ips: set[str]
    via_proxy: str
    first_ts: int
    last_ts: int
    events: int
    orig_bytes: int
    resp_bytes: int

    def widen(self, dests: Iterable[Any], ports: Iterable[Any], resp_ips: Iterable[Any]) -> None:
        """Take in more names, ports and addresses."""
        for own, more in ((self.dests, dests), (self.ports, ports), (self.resp_ips, resp_ips)):
            own.update(more)
            if len(own) > MAX_DESTS:
                own.difference_update(sorted(own)[MAX_DESTS:])


class Search:
    """One hunt under way.

    days : of which there is a segment, sorted
    """

    def __init__(self, store: Store, since_ns: int | None, until_ns: int | None) -> None:
        self._lake = store.lake
        self._since_ns, self._until_ns = since_ns, until_ns
        self._files: defaultdict[tuple[str, str], list[Path]] = defaultdict(list)
        for table in ("flow", "event", "dns"):
            for path in store.lake.files(table, since_ns=since_ns, until_ns=until_ns):
                self._files[table, day_of(path)].append(path)
        self.days = sorted({day for _, day in self._files})
        self._connection: duckdb.DuckDBPyConnection | None = None
        self.hits: dict[tuple[Indicator, str, str], Hit] = {}
        self.unreadable: set[str] = set()

    def run(self, matcher: Matcher, probe: Probe, days: Sequence[str]) -> None:
        """Look into one column in some days."""
        files = [path for day in days for path in self._files[probe.table, day]]
        if not files:
            return
        span, span_values = self._span()
        condition, values = matcher.condition(probe.value) if matcher.is_spelled else ("true", [])
        sql = f"""SELECT {probe.value}, {_target(matcher, probe)}, count(*) FROM {{source}}
            WHERE ({condition}) AND {probe.more} AND {span} GROUP BY ALL"""
        known = self._ask(files, matcher, probe, sql, [*values, *span_values])
        met = [
            (value, target, n, indicator)
            for value, target, n in known
            for indicator in matcher.of(value)
            if matcher.kind != "url" or _is_url(indicator, target)
        ]
        if not matcher.is_spelled or len(met) < len(known):  # else the condition lets nothing else pass
            condition, values = exactly(probe.value, sorted({value for value, *_ in met}))
        if met:
            self._sum_up(files, matcher, probe, (condition, values), met)

    def _sum_up(
        self, files: Sequence[Path], matcher: Matcher, probe: Probe, condition_of_met: Condition, met: Sequence[_Met]
    ) -> None:
        """Read the rows of the values that are met, and add them up by indicator and host."""
        condition, values = condition_of_met
        span, span_values = self._span()
        told = _target(matcher, probe)
        indicators = list(dict.fromkeys(indicator for *_, indicator in met))
        number, join, columns = "0 AS number", "", list[Any]()
        if len(indicators) > 1 or matcher.kind == "url":
            number = "number"
            join = f"""JOIN (SELECT unnest(?::VARCHAR[]) AS is_value, unnest(?::VARCHAR[]) AS is_told,
                unnest(?::INTEGER[]) AS number) ON {probe.value} = is_value AND {told} = is_told"""
            places = {indicator: place for place, indicator in enumerate(indicators)}
            columns = [
                [value for value, *_ in met],
                [target for _, target, *_ in met],
                [places[one] for *_, one in met],
            ]
        rows = f"""(SELECT {number}, {probe.host} AS host, {probe.dest} AS told, {probe.port} AS port, resp_ip, proto,
            via_proxy, t0, t1, b0, b1 FROM (SELECT * FROM {{source}} WHERE ({condition}) AND {probe.more} AND {span})
            {join})"""
        given = [*values, *span_values, *columns]
        sums = """SELECT number, host, max(via_proxy), min(proto), min(t0), max(t1), count(*), sum(b0)::BIGINT,
            sum(b1)::BIGINT"""
        few = sum(n for _, _, n, _ in met) <= _SAMPLE_ROWS
        sets = _SETS if few else "[min(told)], [min(port)], [min(resp_ip)]"
        sql = f"{sums}, {sets} FROM {rows} GROUP BY number, host"
        hits = [
            self._add(indicators[place], probe.how, host, sums_of_host)
            for place, host, *sums_of_host in self._ask(files, matcher, probe, sql, given)
        ]
        if few or all(len(hit.dests) == MAX_DESTS for hit in hits):
            return
        sql = f"SELECT number, host, {_SETS} FROM (FROM {rows} LIMIT {_SAMPLE_ROWS}) GROUP BY number, host"
        for place, host, *sets_of_host in self._ask(files, matcher, probe, sql, given):
            if hit := self.hits.get((indicators[place], probe.how, host)):  # else its segment cannot be read any more
                hit.widen(*sets_of_host)

    def _add(self, indicator: Indicator, how: str, host: str, sums: Sequence[Any]) -> Hit:
        via_proxy, proto, first_ts, last_ts, n, sent, received, *sets = sums
        hit = self.hits.get((indicator, how, host))
        if hit is None:
            hit = self.hits[indicator, how, host] = Hit(
                indicator, how, host, set(), set(), proto, set(), via_proxy, first_ts, last_ts, 0, 0, 0
            )
        hit.widen(*sets)
        hit.via_proxy = hit.via_proxy or via_proxy
        hit.first_ts, hit.last_ts = min(hit.first_ts, first_ts), max(hit.last_ts, last_ts)
        hit.events += n
        hit.orig_bytes += sent
        hit.resp_bytes += received
        return hit

    def _span(self) -> tuple[str, list[object]]:
        sql, values = "true", []
        for condition, value in ((" AND t1 >= ?", self._since_ns), (" AND t0 < ?", self._until_ns)):
            if value is not None:
                sql += condition
                values.append(value)
        return sql, list(values)

    def _ask(
        self, files: Sequence[Path], matcher: Matcher, probe: Probe, sql: str, values: Sequence[object]
    ) -> list[tuple[Any, ...]]:
        """The rows of all segments that can be read: of all at once or, where that fails, of one after another."""
        import duckdb

        sieve = matcher.sieve(probe.listed) if probe.listed else None
        try:
            return self._of(files, probe, sieve, sql, values)
        except duckdb.Error:
            rows = []
            for path in files:
                try:
                    rows += self._of([path], probe, sieve, sql, values)
                except duckdb.Error:
                    self.unreadable.add(day_of(path))
            return rows

    def _of(
        self, files: Iterable[Path], probe: Probe, sieve: Condition | None, sql: str, values: Sequence[object]
    ) -> list[tuple[Any, ...]]:
        if self._connection is None:
            self._connection = self._lake.connect(threads=min(os.cpu_count() or 1, _MAX_THREADS))
        relation, given = self._lake.relation_of(probe.table, files)
        columns = COLUMNS[probe.table]
        if sieve is not None:  # before the texts are taken apart, which costs more than looking into them
            relation = f"(SELECT * FROM {relation} WHERE {sieve[0]})"
            given = [*given, *sieve[1]]
            columns = f"unnest(string_split({probe.listed}, ',')) AS {probe.value}, {columns}"
        source = f"(SELECT *, {columns} FROM {relation})"
        return self._connection.execute(sql.format(source=source), [*given, *values]).fetchall()


def _target(matcher: Matcher, probe: Probe) -> str:
    """SQL of what is compared besides the value: of a URL its target, for the value is its host."""
    return probe.dest if matcher.kind == "url" else "''"


def _is_url(indicator: Indicator, uri: str) -> bool:
    """Whether a request target is the URL's: its path and query, or the whole of it asked of a proxy.

    Of an encrypted request only the host is seen: then the host has to do, and the row says so by having no target.
    """
    scheme, host, target = url_parts(indicator.value)
    if not uri:
        return scheme == "https"
    if target == "/":
        return True  # a site, not a page of it
    return uri == target or (uri.lower().startswith(f"{scheme}://{host}") and uri.endswith(target))


def day_of(path: Path) -> str:
    """The day of the lake that a segment lies in."""
    return path.parent.parent.name.removeprefix("day=")
