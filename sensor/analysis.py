"""The verb that judges: what a store holds of a time span becomes findings in it.

In: a store, a site. Out: a report for whoever asked. One client bucket is in memory at a time.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from analyzers.beacon import score_beacons
from analyzers.beacon.context import Population
from analyzers.bypass import find_bypass
from analyzers.finding import Finding, by_score
from analyzers.flow_table import FlowTable
from analyzers.proxies import learn_proxies
from analyzers.series import Series
from analyzers.watchlist import Contact, find_watched
from sensor.site import Site
from sensor.store.columns import N_BUCKETS
from sensor.store.evidence import keep_evidence
from sensor.store.hunt import LOOKUPS, hunt
from sensor.store.series import flow_columns, population_columns, series_columns
from sensor.store.store import Store
from sensor.store.summaries import save_channels, save_hosts
from sensor.store.watch import watched

MIN_CHANNEL_EVENTS = 4
"""Channels with fewer events cannot be scored and are not kept in the database; the lake has them."""


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
    with Store.open(store_dir, write=True) as store:
        return analyze_store(store, site, since_ns, until_ns)


def analyze_store(store: Store, site: Site, since_ns: int | None, until_ns: int | None) -> AnalyzeReport:
    """As `analyze`, in a store that is open for writing."""
    report = AnalyzeReport()
    findings: list[Finding] = []
    people = population_columns(store, since_ns, until_ns)
    population = Population(sum(site.internal_mask(people["clients"])), people["clients_of"])
    for bucket in range(N_BUCKETS):
        if store.lake.files("event", since_ns=since_ns, until_ns=until_ns, buckets=[bucket]):
            series = Series(**series_columns(store, bucket, since_ns, until_ns))
            report.channels += len(series)
            report.events += len(series.ts_ns)
            findings += score_beacons(series, site, population)
            _summarize(store, series, site)
    proxied = FlowTable(**flow_columns(store, since_ns, until_ns, proxied_only=True))
    learned = learn_proxies(proxied, site)
    if learned or site.proxies:
        for bucket in range(N_BUCKETS):
            flows = FlowTable(**flow_columns(store, since_ns, until_ns, bucket=bucket))
            found, report.notes = find_bypass(flows, site, learned)
            findings += found
    else:  # without a proxy there is no way around it; the analyzer says so whatever the flows
        report.notes = find_bypass(proxied, site, learned)[1]
    findings += _watched(store, site, since_ns, until_ns)
    findings.sort(key=by_score)
    report.finding_ids = store.upsert_findings(finding.row() for finding in findings)
    keep_evidence(store, report.finding_ids)
    return report


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
