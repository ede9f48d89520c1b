"""The question "was this ever contacted?": indicators against all kept history.

For each kind of indicator and each column where it can show, one pass over that column; what a pass finds is grouped by
host. Segments that cannot be read are told by their day, and the rest is searched all the same.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor.store.columns import LAKE_TABLES, MIXED_DAY, NANOSECONDS_A_DAY
from sensor.store.indicator import Indicator, url_parts
from sensor.store.lake import day_name
from sensor.store.matcher import Condition, Matcher, exactly
from sensor.store.store import Store

if TYPE_CHECKING:
    import duckdb

_MAX_DAYS = 3_653
_MAX_THREADS = 4  # the sensor may be capturing on the same machine

CONTACTED, CAME_FROM, CLAIMED, LOOKED_UP, RESOLVED = "contacted", "came-from", "named", "looked-up", "resolved"
HOWS = {
    CONTACTED: "the host contacted it",
    CAME_FROM: "it contacted one of the hosts",
    CLAIMED: "the host's TLS hello named it, in a connection that has another name",
    LOOKED_UP: "the host asked DNS for it",
    RESOLVED: "DNS gave it to the host as an answer",
}
"""How an indicator was met."""

LOOKUPS = (LOOKED_UP, RESOLVED)
"""Those that are no contact."""

_FLOW = "first_ts AS t0, last_ts AS t1, orig_bytes AS b0, resp_bytes AS b1"
_EVENT = "ts AS t0, ts AS t1, orig_bytes AS b0, resp_bytes AS b1"
_DNS = "ts AS t0, ts AS t1, 0 AS b0, 0 AS b1"


@dataclass(frozen=True, slots=True)
class _Probe:
    """Where a kind of indicator can show.

    value : SQL of the value that is compared
    listed : the column of texts joined by commas that it is one of, empty where it is a column itself
    host, dest : SQL of one's own host and of the other end
    port : SQL of the port
    """

    table: str
    value: str
    how: str
    host: str = "orig_ip"
    dest: str = "name"
    port: str = "resp_port"
    more: str = "true"
    listed: str = ""


def _flow(value: str, how: str = CONTACTED, **options: str) -> _Probe:
    return _Probe("flow", value, how, **{"dest": "CASE WHEN name <> '' THEN name ELSE resp_ip END"} | options)


_ADDRESS = (
    _flow("resp_ip"),
    _flow("orig_ip", CAME_FROM, host="resp_ip", dest="orig_ip"),
    _Probe("event", "dest", CONTACTED, dest="dest", more="via_proxy <> ''"),
    _Probe("dns", "answer", RESOLVED, dest="qname", port="0", listed="answers"),
)
_PROBES: dict[str, tuple[_Probe, ...]] = {
    "address": _ADDRESS,
    "network": _ADDRESS,
    "domain": (
        _Probe("event", "dest", CONTACTED, dest="dest", more="kind <> 'query'"),
        _flow("sni", CLAIMED, dest="name", more="sni <> name"),
        _Probe("dns", "qname", LOOKED_UP, dest="qname", port="0"),
        _Probe("dns", "answer", RESOLVED, dest="qname", port="0", listed="answers"),
    ),
    "url": (_Probe("event", "dest", CONTACTED, dest="uri", more="kind <> 'query'"),),
    "ja3": (_flow("ja3"), _flow("ja3s"), _flow("hassh")),
    "ja4": (_flow("ja4"),),
    "user-agent": (_Probe("event", "user_agent", CONTACTED, dest="dest"),),
    "certificate": (_flow("cert_sha256"),),
}


@dataclass(slots=True)
class Hit:
    """An indicator and one of one's own hosts that met it.

    how : one of HOWS
    dests : names or addresses at the other end, at most MAX_DESTS
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


MAX_DESTS = 20


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


def hunt(
    store: Store, indicators: Sequence[Indicator], *, since_ns: int | None = None, until_ns: int | None = None
) -> Answer:
    """Look for indicators in a span of history (ns; None: all of it).

    Raises: StoreError when the lake cannot be listed.
    """
    search = _Search(store, since_ns, until_ns)
    by_kind: defaultdict[str, list[Indicator]] = defaultdict(list)
    for indicator in dict.fromkeys(indicators):
        by_kind[indicator.kind].append(indicator)
    for kind, found in by_kind.items():
        matcher = Matcher(kind, found)
        for probe in _PROBES[kind]:
            search.run(matcher, probe)
    order = {indicator: i for i, indicator in enumerate(dict.fromkeys(indicators))}
    hows = list(HOWS)
    hits = sorted(
        search.hits.values(), key=lambda hit: (order[hit.indicator], hows.index(hit.how), hit.first_ts, hit.orig_ip)
    )
    return Answer(
        hits, search.days(), sorted(search.unreadable), _absent(store, set(search.days()), since_ns, until_ns)
    )


class _Search:
    """One hunt under way."""

    def __init__(self, store: Store, since_ns: int | None, until_ns: int | None) -> None:
        self._lake = store.lake
        self._since_ns, self._until_ns = since_ns, until_ns
        self._files: dict[str, list[Path]] = {
            table: store.lake.files(table, since_ns=since_ns, until_ns=until_ns) for table in ("flow", "event", "dns")
        }
        self._connection: duckdb.DuckDBPyConnection | None = None
        self.hits: dict[tuple[Indicator, str, str], Hit] = {}
        self.unreadable: set[str] = set()

    def days(self) -> list[str]:
        """Days of which there is a segment."""
        return sorted({_day(path) for files in self._files.values() for path in files})

    def run(self, matcher: Matcher, probe: _Probe) -> None:
        """Look into one column."""
        condition, values = matcher.condition(probe.value)
        if not matcher.is_spelled:
            known = self._ask(matcher, probe, f"SELECT DISTINCT {probe.value} FROM {{source}} WHERE {probe.more}", [])
            condition, values = exactly(probe.value, sorted({value for (value,) in known if matcher.of(value)}))
        told = ", ".join((
            *(probe.value, f"{probe.host} AS host", "via_proxy", "any_value(resp_ip)", f"any_value({probe.port})"),
            *("any_value(proto)", "min(t0)", "max(t1)", "count(*)", "sum(b0)::BIGINT", "sum(b1)::BIGINT"),
            f"{probe.dest} AS told",
        ))  # fmt: skip
        span, span_values = self._span()
        sql = (
            f"SELECT {told} FROM {{source}} WHERE ({condition}) AND {probe.more} AND {span} "
            f"GROUP BY {probe.value}, host, via_proxy, told"
        )
        for row in self._ask(matcher, probe, sql, [*values, *span_values]):
            for indicator in matcher.of(row[0]):
                if indicator.kind != "url" or _is_url(indicator, row[-1]):
                    self._add(indicator, probe.how, row)

    def _add(self, indicator: Indicator, how: str, row: tuple[Any, ...]) -> None:
        _, host, via_proxy, resp_ip, port, proto, first_ts, last_ts, n, sent, received, dest = row
        hit = self.hits.get((indicator, how, host))
        if hit is None:
            self.hits[indicator, how, host] = Hit(
                indicator, how, host, {dest}, {port}, proto, {resp_ip}, via_proxy, first_ts, last_ts, n, sent, received
            )
            return
        for known, new in ((hit.dests, dest), (hit.ports, port), (hit.resp_ips, resp_ip)):
            if len(known) < MAX_DESTS:
                known.add(new)
        hit.via_proxy = hit.via_proxy or via_proxy
        hit.first_ts, hit.last_ts = min(hit.first_ts, first_ts), max(hit.last_ts, last_ts)
        hit.events += n
        hit.orig_bytes += sent
        hit.resp_bytes += received

    def _span(self) -> tuple[str, list[object]]:
        sql, values = "true", []
        for condition, value in ((" AND t1 >= ?", self._since_ns), (" AND t0 < ?", self._until_ns)):
            if value is not None:
                sql += condition
                values.append(value)
        return sql, list(values)

    def _ask(self, matcher: Matcher, probe: _Probe, sql: str, values: list[object]) -> list[tuple[Any, ...]]:
        """The rows of all segments that can be read: of all at once or, where that fails, of one after another."""
        import duckdb

        files = self._files[probe.table]
        sieve = matcher.sieve(probe.listed) if probe.listed else None
        try:
            return self._of(files, probe, sieve, sql, values)
        except duckdb.Error:
            rows = []
            for path in files:
                try:
                    rows += self._of([path], probe, sieve, sql, values)
                except duckdb.Error:
                    self.unreadable.add(_day(path))
            return rows

    def _of(
        self, files: Iterable[Path], probe: _Probe, sieve: Condition | None, sql: str, values: list[object]
    ) -> list[tuple[Any, ...]]:
        if self._connection is None:
            self._connection = self._lake.connect(threads=min(os.cpu_count() or 1, _MAX_THREADS))
        relation, given = self._lake.relation_of(probe.table, files)
        columns = {"flow": _FLOW, "event": _EVENT, "dns": f"'' AS via_proxy, {_DNS}"}[probe.table]
        if sieve is not None:  # before the texts are taken apart, which costs more than looking into them
            relation = f"(SELECT * FROM {relation} WHERE {sieve[0]})"
            given = [*given, *sieve[1]]
            columns = f"unnest(string_split({probe.listed}, ',')) AS {probe.value}, {columns}"
        source = f"(SELECT *, {columns} FROM {relation})"
        return self._connection.execute(sql.format(source=source), [*given, *values]).fetchall()


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


def _day(path: Path) -> str:
    return path.parent.parent.name.removeprefix("day=")


def absent_days(store: Store, since_ns: int | None, until_ns: int | None) -> list[str]:
    """Days within a source's time of which the lake has nothing (pruned, or nothing seen), at most of ten years."""
    files = [path for table in LAKE_TABLES for path in store.lake.files(table, since_ns=since_ns, until_ns=until_ns)]
    return _absent(store, {_day(path) for path in files}, since_ns, until_ns)


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
