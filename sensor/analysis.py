"""The verb that judges: what a store holds of a time span becomes findings in it.

In: a store, a site. Out: a report for whoever asked. A piece of the clients is in memory at a time; of the others
only what the hosts of one are compared by with those of another.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from analyzers.beacon import Beacons
from analyzers.beacon.context import BUSY_DESTS, Population
from analyzers.contacts import FirstContacts
from analyzers.egress import (
    KNOWN_PORTS,
    EgressTable,
    Kept,
    Surroundings,
    guess_roles,
    judge_clients,
    judge_servers,
    servers_of,
)
from analyzers.egress.beat import blocked_beats
from analyzers.egress.roles import MIN_CLIENTS
from analyzers.egress.table import ChannelKey
from analyzers.finding import Finding, by_score
from analyzers.long_connection import MIN_OPEN_S, find_long_connections
from analyzers.series import Series
from analyzers.strobe import MIN_CONNECTIONS, SLOT_S, find_strobes
from analyzers.text import count
from analyzers.together import Channel, raise_bypassing, ways_around
from analyzers.watchlist import Contact, find_watched
from sensor.losses import tell_losses
from sensor.shelf import shelf_in
from sensor.site import Site
from sensor.store.connections import busy_slots, long_pairs
from sensor.store.contacts import first_contacts
from sensor.store.egress import SERVICE_PORTS, Egress
from sensor.store.evidence import keep_evidence
from sensor.store.hunt import hunt
from sensor.store.probes import LOOKUPS
from sensor.store.series import population_columns, series_columns
from sensor.store.store import Store
from sensor.store.summaries import hosts_first_seen, save_channels, save_hosts
from sensor.store.watch import watched
from sensor.survey import gather_egress

MIN_CHANNEL_EVENTS = 4
"""Channels with fewer events cannot be scored and are not kept in the database; the lake has them."""

MAX_WAITING_FINDINGS = 5_000
"""Findings in memory before they are written."""


@dataclass(slots=True)
class AnalyzeReport:
    """What an analysis did. notes : what could not be judged and why, in sentences."""

    channels: int = 0
    events: int = 0
    notes: list[str] = field(default_factory=list)
    finding_ids: list[int] = field(default_factory=list)

    @property
    def findings(self) -> int:
        """Findings new or updated."""
        return len(self.finding_ids)


def analyze(store_dir: Path, *, site: Site, since_ns: int | None = None, until_ns: int | None = None) -> AnalyzeReport:
    """Score what a store holds of a time span (ns; None: all of it) and keep the findings in it.

    Raises: StoreError.
    """
    with Store.open_for_notes(store_dir) as store:
        return analyze_store(store, site, since_ns, until_ns)


def analyze_store(store: Store, site: Site, since_ns: int | None, until_ns: int | None) -> AnalyzeReport:
    """As `analyze`, in a store that is open for writing."""
    report = AnalyzeReport()
    found = _Found(store, report)
    slots: list[dict[str, Any]] = []
    pairs: list[dict[str, Any]] = []
    people = population_columns(store, since_ns, until_ns)
    beats: dict[ChannelKey, tuple[float, float]] = {}
    internal = [client for client in people["clients"] if site.is_internal(client)]
    n_busy = sum(people["clients"][client] >= BUSY_DESTS for client in internal)
    population = Population(
        len(internal), people["clients_of"], people["span_ns"], n_busy, people["askers_of"], people["middlemen"]
    )
    with shelf_in(store.path) as shelf:
        beacons = Beacons(site, population, shelf)
        for buckets in store.lake.pieces(since_ns, until_ns):
            series = Series(**series_columns(store, buckets, since_ns, until_ns))
            report.channels += len(series)
            report.events += len(series.ts_ns)
            beacons.look(series)
            beats |= blocked_beats(series)
            _summarize(store, series, site)
            del series  # before the next is read
            slots += busy_slots(store, buckets, SLOT_S, MIN_CONNECTIONS, since_ns, until_ns)
            pairs += long_pairs(store, buckets, MIN_OPEN_S, since_ns, until_ns)
        found.add(_judge_pairs(store, slots, pairs, site, population))
        around: set[Channel] = set()
        for findings in judge_egress(store, site, since_ns, until_ns, population.n_hosts, beats, report):
            around.update(ways_around(findings))
            found.add(findings)
        for findings in beacons.findings():
            raise_bypassing(findings, around)
            found.add(findings)
    found.add(_watched(store, site, since_ns, until_ns))
    found.save()
    keep_evidence(store, report.finding_ids)
    return report


def _judge_pairs(
    store: Store, slots: list[dict[str, Any]], pairs: list[dict[str, Any]], site: Site, population: Population
) -> list[Finding]:
    """What counts and durations of connections show."""
    dests = {row["dest"] for row in (*slots, *pairs)}
    contacts = FirstContacts(**first_contacts(store, dests)) if dests else FirstContacts()
    strobes = find_strobes(slots, site, population, contacts)
    return strobes + find_long_connections(pairs, site, population, contacts)


class _Found:
    """Findings on their way into the store: the highest score first, as long as they are not too many for memory."""

    def __init__(self, store: Store, report: AnalyzeReport) -> None:
        self._store, self._report = store, report
        self._waiting: list[Finding] = []

    def add(self, findings: list[Finding]) -> None:
        """Take those of one piece."""
        self._waiting += findings
        if len(self._waiting) > MAX_WAITING_FINDINGS:
            self.save()

    def save(self) -> None:
        """Write what waits."""
        tell_losses(self._store, self._waiting)
        self._waiting.sort(key=by_score)
        self._report.finding_ids += self._store.upsert_findings(finding.row() for finding in self._waiting)
        self._waiting.clear()


def judge_egress(
    store: Store,
    site: Site,
    since_ns: int | None,
    until_ns: int | None,
    n_hosts: int,
    beats: Mapping[ChannelKey, tuple[float, float]],
    report: AnalyzeReport,
) -> Iterator[list[Finding]]:
    """Findings on what left the network, one piece of the clients at a time.

    What was assumed, and what stayed below the threshold, goes into the notes.
    """
    kept = Kept()
    with Egress(store, site, since_ns, until_ns) as egress:
        asked, learned, users, mode = gather_egress(egress, site)
        services = egress.services()
        report.notes.append(f"proxy mode {mode.word}: {mode.why}")
        report.notes += [
            f"proxy {proxy.ip}:{proxy.port} was learned from {count(proxy.requests, 'flow')} of "
            f"{count(proxy.clients, 'client')}; declare it in the site file to keep it"
            for proxy in learned
            if not site.is_proxy(proxy.ip, proxy.port)
        ]
        resolvers = [row for row in services if row[1] == 53 and row[3] >= MIN_CLIENTS]
        around = Surroundings(mode, users, n_hosts, bool(resolvers), beats)
        guessed = guess_roles(services, SERVICE_PORTS)
        hosts = {row[0] for row in services} | {row[0] for row in asked} | egress.originators()
        # a proxy that is only learned may be a server all the same
        declared = {str(proxy.address) for proxy in site.proxies}
        servers = servers_of(site, guessed, sorted(hosts - declared))
        first_seen = hosts_first_seen(store, servers)
        for ip, _, _, _, first_ts, _ in services:
            if ip in servers:  # one that only answers begins nothing
                first_seen[ip] = min(first_ts, first_seen.get(ip, first_ts))
        proxied = egress.proxied(list(servers))
        for piece in egress.pieces():
            table = EgressTable(**egress.channels(piece, KNOWN_PORTS))
            yield judge_clients(table, site, around, frozenset(servers), kept)
            yield judge_servers(table, [], site, servers, first_seen, beats)
        nothing = EgressTable(**dict.fromkeys((field.name for field in fields(EgressTable)), ()))
        yield judge_servers(nothing, proxied, site, servers, first_seen, beats)
    report.notes += kept.sentences()


def _watched(store: Store, site: Site, since_ns: int | None, until_ns: int | None) -> list[Finding]:
    """Contacts of one's own hosts with what is under watch; one only looked up counts where there was no contact."""
    indicators = watched(store, time.time_ns())
    if not indicators:
        return []
    hits = hunt(store, indicators, since_ns=since_ns, until_ns=until_ns).hits
    contacted = {(hit.indicator, hit.orig_ip) for hit in hits if hit.how not in LOOKUPS}
    return find_watched(
        Contact(
            **{name: getattr(hit.indicator, name) for name in ("value", "reason", "origin")},
            **{name: getattr(hit, name) for name in ("orig_ip", "proto", "via_proxy", "first_ts", "last_ts")},
            **{name: getattr(hit, name) for name in ("events", "orig_bytes", "resp_bytes")},
            is_lookup=hit.how in LOOKUPS,
            dest=min(hit.dests),
            dest_ips=() if hit.how in LOOKUPS else tuple(sorted(hit.resp_ips)),
            resp_port=min(hit.ports),
        )
        for hit in hits
        if site.is_internal(hit.orig_ip) and (hit.how not in LOOKUPS or (hit.indicator, hit.orig_ip) not in contacted)
    )


def _summarize(store: Store, series: Series, site: Site) -> None:
    """Keep in the database, beyond the lake's retention, which hosts there are and which channels they return to."""
    firsts, lasts = series.ts_ns[series.off[:-1]], series.ts_ns[series.off[1:] - 1]
    sums = [np.add.reduceat(array, series.off[:-1]) for array in (series.orig_bytes, series.resp_bytes)]
    events = np.diff(series.off)
    spans: dict[str, tuple[int, int]] = {}
    for i, ip in enumerate(series.orig_ip):
        first, last = spans.get(ip, (int(firsts[i]), int(lasts[i])))
        spans[ip] = (min(first, int(firsts[i])), max(last, int(lasts[i])))
    names = ("orig_ip", "dest", "resp_port", "proto", "via_proxy", "name_source")
    save_channels(
        store,
        (
            {
                **{name: getattr(series, name)[i] for name in names},
                "dest_ips": list(series.dest_ips[i]),
                "events": int(events[i]),
                "orig_bytes": int(sums[0][i]),
                "resp_bytes": int(sums[1][i]),
                "first_ts": int(firsts[i]),
                "last_ts": int(lasts[i]),
            }
            for i in np.flatnonzero(events >= MIN_CHANNEL_EVENTS).tolist()
        ),
    )
    save_hosts(store, ((ip, *span) for ip, span in spans.items() if site.is_internal(ip)))
