"""What left the network, summed up by DuckDB: one row a channel, however many flows it had.

    with Egress(store, site, since_ns, until_ns) as egress:
        egress.proxies(), egress.services()     small tables of the whole network
        egress.gather(proxies)                  reads the flows, one piece of the clients at a time
        for piece in egress.pieces():
            egress.channels(piece)              columns of that piece's channels

Flows never become Python objects. What does not fit DuckDB's memory spills beside the store. This module knows what an
outcome is (docs/detection.md says why) and judges nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any

from sensor.errors import StoreError
from sensor.site import Site
from sensor.store.lake import DEFAULT_MEMORY_LIMIT
from sensor.store.store import Store
from sensor.workdays import Calendar

OUTCOMES = ("unanswered", "refused", "half", "established")
"""In rising order: of several the last counts."""

OUTCOME_SQL = """CASE
    WHEN proto = 'tcp' AND orig_pkts = 0 THEN 2
    WHEN proto = 'tcp' AND resp_pkts = 0 AND regexp_matches(history, '[AD]') THEN 2
    WHEN conn_state = 'REJ' THEN 1
    WHEN conn_state IN ('RSTR', 'RSTRH') THEN CASE WHEN resp_bytes > 0 THEN 3 ELSE 1 END
    WHEN conn_state IN ('SF', 'S1', 'S2', 'S3', 'RSTO', 'SHR') THEN 3
    WHEN conn_state NOT IN ('S0', 'SH', 'RSTOS0') AND resp_pkts > 0 THEN 3
    WHEN contains(notes, 'unreachable') THEN 1
    ELSE 0 END"""
"""The outcome of one flow row, an index of OUTCOMES. A mirror that carries one direction shows an originator that goes
on after its SYN although nobody answered, or a responder alone. A reset before any payload of the far end is a refusal,
also after the handshake: filters that look at the request let the handshake pass. States that say nothing (OTH, and
all that is not TCP) go by whether anything came back."""

MAX_CHANNELS_OF_PORT, MAX_CHANNELS_OF_HOST = 200, 2_000
"""Channels told one by one, the busiest that got through first; the rest of a scan is one row a service."""

MAX_ADDRESSES = 50
QUARTER_NS = 900 * 10**9  # every time zone is whole quarters of an hour from UTC

SERVICE_PORTS = {
    53: "dns", 88: "kerberos", 389: "ldap", 636: "ldap", 3268: "ldap", 445: "smb", 139: "smb", 25: "mail", 587: "mail",
    465: "mail", 143: "mail", 993: "mail", 123: "ntp", 80: "http", 443: "https", 3389: "rdp", 22: "ssh", 1433: "sql",
    3306: "sql", 5432: "sql", 631: "print", 9100: "print", 515: "print", 8530: "update", 8531: "update", 67: "dhcp",
    1812: "radius", 514: "syslog", 5060: "sip",
}  # fmt: skip
"""Ports whose answering says what an internal host is."""

_COLUMNS = (
    *("orig_ip", "dest", "resp_port", "proto", "app", "is_foreign_proxy", "n_dests", "dest_ips", "no_lookup", "flows"),
    *("unanswered", "refused", "half", "established", "orig_bytes", "resp_bytes", "orig_pkts", "first_ts", "last_ts"),
    *("away", "clients"),
)


class Egress:
    """The summed up way out of a store's network in a time span; used as a context manager."""

    def __init__(
        self,
        store: Store,
        site: Site,
        since_ns: int | None = None,
        until_ns: int | None = None,
        *,
        memory_limit: str = DEFAULT_MEMORY_LIMIT,
    ) -> None:
        self._store, self._site = store, site
        self._since_ns, self._until_ns = since_ns, until_ns
        self._db = store.lake.connect(memory_limit=memory_limit)
        self._pieces: list[range] = []

    def __enter__(self) -> Egress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._db.close()

    def proxies(self) -> list[tuple[str, str, int, int]]:
        """Who was answered by whom as by a proxy: originator, responder, port, flows; originators inside only.

        Anybody can send a request to anything: an answer that is none of HTTP makes no proxy.
        """
        events, values = self._store.lake.relation("event", since_ns=self._since_ns, until_ns=self._until_ns)
        condition = self._span("ts", "ts", values)
        rows = self._ask(
            f"""SELECT orig_ip, resp_ip, resp_port, count(*) FROM (
                SELECT orig_ip, resp_ip, resp_port, uid FROM {events} WHERE via_proxy <> '' AND answered AND {condition}
                GROUP BY ALL HAVING bool_or(status > 0) OR NOT bool_or(method <> '')
            ) GROUP BY ALL ORDER BY ALL""",
            values,
        ).fetchall()
        return [row for row in rows if self._site.is_internal(row[0])]

    def services(self, hosts: Sequence[str] | None = None) -> list[tuple[str, int, str, int, int, int]]:
        """What internal hosts answer: address, port, protocol, how many internal clients, first and last seen (ns).

        Only SERVICE_PORTS.

        hosts : only these; None: all
        """
        flows, values = self._flows(f"resp_pkts > 0 AND orig_pkts > 0 AND resp_port IN {tuple(SERVICE_PORTS)}")
        if hosts is not None:
            flows = f"(SELECT * FROM {flows} WHERE resp_ip IN (SELECT unnest(?::VARCHAR[])))"
            values = [*values, list(hosts)]
        pairs = f"""SELECT resp_ip, resp_port, proto, orig_ip, min(first_ts) AS first_ts, max(last_ts) AS last_ts
            FROM {flows} WHERE proto IN ('tcp', 'udp') GROUP BY ALL"""
        self._ask("DROP TABLE IF EXISTS answered")
        self._ask(f"CREATE TEMP TABLE answered AS {pairs}", values)
        self._keep_addresses("answered", "resp_ip", "server", self._site.is_internal)
        self._keep_addresses("answered", "orig_ip", "asker", self._site.is_internal)
        return self._ask(
            """SELECT resp_ip, resp_port, proto, count(DISTINCT orig_ip), min(first_ts), max(last_ts) FROM answered
            WHERE resp_ip IN (FROM server) AND orig_ip IN (FROM asker) GROUP BY ALL ORDER BY ALL"""
        ).fetchall()

    def gather(self, proxies: Iterable[tuple[str, int | None]] = ()) -> None:
        """Sum up the flows from inside to outside that went to none of these proxies (port None: any)."""
        self._ask("CREATE TEMP TABLE own_proxy (ip VARCHAR, port INTEGER)")
        for ip, port in proxies:
            self._ask("INSERT INTO own_proxy VALUES (?, ?)", [ip, -1 if port is None else port])
        self._fill_away(self._site.calendar)
        self._ask(
            """CREATE TEMP TABLE channel (piece UTINYINT, orig_ip VARCHAR, dest VARCHAR, resp_port INTEGER,
            proto VARCHAR, app VARCHAR, is_foreign_proxy BOOLEAN, dest_ips VARCHAR[], via VARCHAR, no_lookup BOOLEAN,
            flows BIGINT, unanswered BIGINT, refused BIGINT, half BIGINT, established BIGINT, orig_bytes BIGINT,
            resp_bytes BIGINT, orig_pkts BIGINT, first_ts BIGINT, last_ts BIGINT, away BIGINT)"""
        )
        self._pieces = self._store.lake.pieces(self._since_ns, self._until_ns)
        for piece in range(len(self._pieces)):
            self._gather(piece)
        self._ask(
            """CREATE TEMP TABLE common AS SELECT dest, count(DISTINCT orig_ip) AS clients FROM channel
            GROUP BY dest HAVING clients > 1"""
        )

    def _gather(self, piece: int) -> None:
        flows, values = self._flows("true", self._pieces[piece])
        self._ask(f"CREATE OR REPLACE TEMP TABLE pair AS SELECT DISTINCT orig_ip, resp_ip FROM {flows}", values)
        site = self._site
        self._keep_addresses("pair", "orig_ip", "client", lambda ip: site.is_internal(ip) and not site.is_excluded(ip))
        self._keep_addresses("pair", "resp_ip", "inside", lambda ip: not site.is_outside(ip))
        counts = ", ".join(f"count(*) FILTER (outcome = {i}) AS {name}" for i, name in enumerate(OUTCOMES))
        self._ask(
            f"""INSERT INTO channel WITH connection AS (
                SELECT uid, orig_ip, resp_ip, resp_port, proto, max(name) AS name, max(app) AS app,
                    max(via_proxy) AS via_proxy, max(via) AS via, bool_or(contains(notes, 'no-lookup')) AS no_lookup,
                    bool_or(resolved) AS resolved,
                    max({OUTCOME_SQL}) AS outcome, sum(orig_bytes) AS orig_bytes, sum(resp_bytes) AS resp_bytes,
                    sum(orig_pkts) AS orig_pkts, min(first_ts) AS first_ts, max(last_ts) AS last_ts
                FROM {flows} AS flow WHERE orig_ip IN (FROM client) AND resp_ip NOT IN (FROM inside)
                    AND (proto <> 'icmp' OR orig_port IN (8, 13, 15, 17, 128))
                    AND NOT EXISTS (FROM own_proxy WHERE ip = flow.resp_ip AND port IN (-1, flow.resp_port))
                GROUP BY uid, orig_ip, resp_ip, resp_port, proto
            )
            SELECT {piece}, orig_ip, CASE WHEN via_proxy <> '' OR name = '' THEN resp_ip ELSE name END AS dest,
                resp_port, proto, max(app), via_proxy <> '' AS is_foreign_proxy,
                list(DISTINCT resp_ip)[:{MAX_ADDRESSES}], max(via),
                bool_or(no_lookup) AND NOT bool_or(resolved), count(*), {counts},
                sum(orig_bytes), sum(resp_bytes), sum(orig_pkts), min(first_ts), max(last_ts),
                count(*) FILTER (first_ts // {QUARTER_NS} IN (FROM away_quarter))
            FROM connection GROUP BY orig_ip, dest, resp_port, proto, is_foreign_proxy""",
            values,
        )

    def pieces(self) -> range:
        """The numbers of the pieces that the clients were taken in; one has all channels of its clients."""
        return range(len(self._pieces))

    def channels(self, piece: int, services: Sequence[int] = ()) -> dict[str, Any]:
        """The channels of one piece as columns, by the names that analyzers.egress.table gives them.

        services : ports that the rest of a host's many channels is kept apart by
        """
        told = f"port_rank <= {MAX_CHANNELS_OF_PORT} AND host_rank <= {MAX_CHANNELS_OF_HOST}"
        busiest = "ORDER BY established > 0 DESC, flows DESC, dest"
        sums = ", ".join(f"sum({name}) AS {name}" for name in (*_COLUMNS[9:17],))
        known = tuple(services) or (0,)
        result = self._ask(
            f"""WITH ranked AS (SELECT *,
                row_number() OVER (PARTITION BY orig_ip, proto, resp_port {busiest}) AS port_rank,
                row_number() OVER (PARTITION BY orig_ip {busiest}) AS host_rank FROM channel WHERE piece = ?)
            SELECT * REPLACE (array_to_string(dest_ips, ',') AS dest_ips) FROM (SELECT {", ".join(_COLUMNS)} FROM (
                SELECT ranked.*, 1 AS n_dests, coalesce(clients, 1) AS clients
                FROM ranked LEFT JOIN common USING (dest) WHERE {told}
                UNION ALL BY NAME
                SELECT orig_ip, '' AS dest,
                    CASE WHEN resp_port IN {(*known, 0)} THEN resp_port ELSE 0 END AS resp_port, proto,
                    max(app) AS app, is_foreign_proxy, []::VARCHAR[] AS dest_ips, bool_and(no_lookup) AS no_lookup,
                    {sums}, min(first_ts) AS first_ts, max(last_ts) AS last_ts, sum(away) AS away, count(*) AS n_dests,
                    1 AS clients
                FROM ranked WHERE NOT ({told}) GROUP BY orig_ip, 3, proto, is_foreign_proxy
            )) ORDER BY orig_ip, dest, resp_port, proto, is_foreign_proxy""",
            [piece],
        )
        rows = result.fetchall()
        columns = zip(*rows, strict=True) if rows else iter([()] * len(_COLUMNS))
        found = dict(zip(_COLUMNS, map(list, columns), strict=True))
        # a list as a text: DuckDB makes Python lists of lists ten times slower than texts
        found["dest_ips"] = [tuple(text.split(",")) if text else () for text in found["dest_ips"]]
        return found

    def originators(self) -> set[str]:
        """The hosts inside that have channels to the outside."""
        return {row[0] for row in self._ask("SELECT DISTINCT orig_ip FROM channel").fetchall()}

    def direct_flows(self) -> dict[str, int]:
        """How many connections to the outside each host made without a proxy."""
        return dict(self._ask("SELECT orig_ip, sum(flows)::BIGINT FROM channel GROUP BY orig_ip").fetchall())

    def resolvers(self) -> list[tuple[str, int]]:
        """Outside addresses asked on port 53, and how many hosts ask, the commonest first."""
        return self._ask(
            """SELECT ip, count(DISTINCT orig_ip) AS n FROM (SELECT unnest(dest_ips) AS ip, orig_ip FROM channel
            WHERE resp_port = 53) GROUP BY ip ORDER BY n DESC, ip LIMIT 20"""
        ).fetchall()

    def strangers(self) -> list[tuple[str, int]]:
        """Originators outside the internal networks that were answered from outside as well, and their flows.

        Those who only call hosts inside are visitors; these look like one's own network under public addresses.
        """
        flows, values = self._flows("resp_pkts > 0")
        rows = self._ask(
            f"SELECT orig_ip, resp_ip, count(*) FROM {flows} GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL", values
        )
        counts: Counter[str] = Counter()
        while piece := rows.fetchmany(50_000):
            for orig_ip, resp_ip, n in piece:
                if self._site.is_outside(orig_ip) and self._site.is_outside(resp_ip):
                    counts[orig_ip] += n
        return counts.most_common(1_000)

    def web_hosts(self, ports: Sequence[int]) -> list[tuple[str, int]]:
        """Hosts with web connections that got through directly, and to how many destinations."""
        return self._ask(
            f"""SELECT orig_ip, count(DISTINCT dest) FROM channel WHERE established > 0 AND proto = 'tcp'
            AND resp_port IN {tuple(ports)} GROUP BY orig_ip ORDER BY orig_ip"""
        ).fetchall()

    def via_words(self) -> tuple[list[tuple[str, int, int]], int]:
        """What answers of direct plain HTTP name as the last proxy on their way: words, hosts, destinations, the
        commonest first; and how many destinations answered plain HTTP at all."""
        http = "FROM channel WHERE app = 'http' AND established > 0 AND NOT is_foreign_proxy"
        words = self._ask(
            f"""SELECT trim(list_last(string_split(via, ','))) AS word, count(DISTINCT orig_ip), count(DISTINCT dest)
            {http} AND via <> '' GROUP BY word ORDER BY 3 DESC, word LIMIT 5"""
        ).fetchall()
        total = self._ask(f"SELECT count(DISTINCT dest) {http}").fetchone()
        return words, int(total[0]) if total else 0

    def proxied(self, hosts: Sequence[str]) -> list[tuple[Any, ...]]:
        """What some hosts asked of proxies: orig_ip, dest, port, proto, via_proxy, requests, requests that an answer
        denied, bytes either way, first and last (ns), requests while nobody works."""
        if not hosts:
            return []
        events, values = self._store.lake.relation("event", since_ns=self._since_ns, until_ns=self._until_ns)
        condition = self._span("ts", "ts", values)
        return self._ask(
            f"""SELECT orig_ip, dest, resp_port, proto, via_proxy, count(*), count(*) FILTER (status >= 400),
                sum(orig_bytes), sum(resp_bytes), min(ts), max(ts),
                count(*) FILTER (ts // {QUARTER_NS} IN (FROM away_quarter))
            FROM {events} WHERE via_proxy <> '' AND {condition} AND orig_ip IN (SELECT unnest(?::VARCHAR[]))
            GROUP BY orig_ip, dest, resp_port, proto, via_proxy ORDER BY ALL""",
            [*values, list(hosts)],
        ).fetchall()

    def _flows(self, condition: str, buckets: Sequence[int] | None = None) -> tuple[str, list[object]]:
        """SQL for the flows of the span that meet a condition, to stand after FROM."""
        relation, values = self._store.lake.relation(
            "flow", since_ns=self._since_ns, until_ns=self._until_ns, buckets=buckets
        )
        condition += f" AND {self._span('last_ts', 'first_ts', values)}"
        return f"(SELECT * FROM {relation} WHERE {condition})", values

    def _span(self, last: str, first: str, values: list[object]) -> str:
        span = "true"
        for condition, value in ((f"{last} >= ?", self._since_ns), (f"{first} < ?", self._until_ns)):
            if value is not None:
                span += f" AND {condition}"
                values.append(value)
        return span

    def _fill_away(self, calendar: Calendar | None) -> None:
        """The quarters of an hour in which nobody works."""
        self._ask("CREATE TEMP TABLE away_quarter (quarter BIGINT)")
        flows, values = self._flows("true")
        if calendar is None:
            return
        first, last = self._ask(f"SELECT min(first_ts), max(last_ts) FROM {flows}", values).fetchone()
        for start_ns, end_ns in calendar.closed_spans(first, last) if first is not None else ():
            self._ask(
                "INSERT INTO away_quarter SELECT unnest(range(?, ?))",
                [start_ns // QUARTER_NS, -(-end_ns // QUARTER_NS)],
            )

    def _keep_addresses(self, table: str, column: str, name: str, wanted: Callable[[str], bool]) -> None:
        """A table of the addresses in a column that are wanted. Read in pieces: a scan brings millions of others."""
        found: list[str] = []
        result = self._ask(f"SELECT DISTINCT {column} FROM {table}")
        while rows := result.fetchmany(50_000):
            found += [ip for (ip,) in rows if wanted(ip)]
        self._ask(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT unnest(?::VARCHAR[]) AS ip", [found])

    def _ask(self, sql: str, values: Sequence[object] = ()) -> Any:
        import duckdb

        try:
            return self._db.execute(sql, list(values))
        except duckdb.Error as error:
            raise StoreError(f"cannot read the flow history: {error}") from error
