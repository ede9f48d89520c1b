"""Everything that is known of one finding, gathered once, for whoever shows it: a page, a report, a file.

In: an open store and a number. Out: rows as the store has them. This module never renders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sensor.store import desk, surroundings
from sensor.store import findings as questions
from sensor.store.store import Store
from sensor.workdays import Calendar

Row = Mapping[str, Any]

MAX_BEFORE = 12
ACTIVITY_SLOTS = 56
"""Parts that a timeline has: what fits a page of 60 characters."""

_LEARNED = (
    ("name_source", "name"),
    ("TLS server name", "sni"),
    ("certificate", "cert_subject"),
    ("issuer", "cert_issuer"),
    ("certificate SHA-256", "cert_sha256"),
    ("JA3", "ja3"),
    ("JA4", "ja4"),
    ("JA3S", "ja3s"),
    ("HASSH", "hassh"),
    ("hasshServer", "hassh_server"),
    ("User-Agent", "user_agent"),
    ("ALPN", "alpn"),
)
_NAME_SOURCES = {"proxy": "asked of the proxy", "sni": "TLS", "quic": "QUIC", "http": "HTTP Host", "dns": "DNS"}


@dataclass(frozen=True)
class Dossier:
    """One finding with all that belongs to it.

    flows, events, dns : the evidence kept for it, in time order
    channels : what lies beneath a finding of several destinations
    parts : what its score is made of; as findings.parts_of_finding
    said : its triage, the oldest first
    allowed_by : the allow entry that hides it, or None
    peers : hosts with events to its destination, itself too; as surroundings.peers
    n_hosts : hosts that the store knows
    first_contact_ts : ns, when the host first went there in all kept history, or None
    before : what it did in the minute before; as surroundings.before
    activity : its events to anything else, over the time of the events, in ACTIVITY_SLOTS parts
    captures : the sources of its time; as surroundings.captures
    lossy : the minutes of its time in which a live capture lost something; as surroundings.lossy
    closed : when nobody was at work in that time: first_ts, last_ts (ns, exclusive); None without a calendar
    holidays : days off in that time that are no weekend: first_ts, last_ts, name
    """

    finding: Row
    flows: Sequence[Row] = ()
    events: Sequence[Row] = ()
    dns: Sequence[Row] = ()
    channels: Sequence[Row] = ()
    parts: Sequence[Row] = ()
    said: Sequence[Row] = ()
    allowed_by: Row | None = None
    peers: Sequence[Row] = ()
    n_hosts: int = 0
    first_contact_ts: int | None = None
    before: Sequence[Row] = ()
    activity: Sequence[int] = ()
    captures: Sequence[Row] = field(default_factory=list)
    lossy: Sequence[Row] = ()
    closed: Sequence[Row] | None = None
    holidays: Sequence[Row] = ()

    def learned(self) -> list[tuple[str, str, int]]:
        """What connections told of the destination: how it was learned, the value, in how many flows; most first."""
        counts: Counter[tuple[str, str]] = Counter()
        for flow in self.flows:
            for how, name in _LEARNED:
                value = flow.get(name, "")
                if value:
                    source = _NAME_SOURCES.get(flow["name_source"], "") if name == "name" else how
                    counts[source, value] += 1
        for row in self.dns:
            if row["answers"]:
                counts["DNS answer", row["answers"]] += 1
        return [(how, value, n) for (how, value), n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]

    def sizes(self) -> dict[str, list[tuple[int, int]]]:
        """The commonest sizes of exchanges: `orig_bytes` and `resp_bytes` -> (bytes, how many), commonest first."""
        return {name: _common(event[name] for event in self.events) for name in ("orig_bytes", "resp_bytes")}

    def span_ns(self) -> tuple[int, int]:
        """First and last event kept; those of the finding where none is."""
        times = [event["ts"] for event in self.events]
        return (min(times), max(times)) if times else (self.finding["first_ts"], self.finding["last_ts"])


def gather(store: Store, finding_id: int, calendar: Calendar | None = None) -> Dossier:
    """The dossier of a finding.

    calendar : of the site, where it is known when people work
    Raises: UsageError when there is none of this number, StoreError when the lake cannot be read.
    """
    finding = questions.finding(store, finding_id)
    allows = {entry["id"]: entry for entry in desk.allow_entries(store)}
    events = questions.events_of_finding(store, finding_id)
    first_ts = surroundings.first_contact_ts(store, finding)
    dossier = Dossier(
        finding=finding,
        flows=questions.flows_of_finding(store, finding_id),
        events=events,
        dns=questions.dns_of_finding(store, finding_id),
        channels=questions.channels_of_finding(store, finding_id),
        parts=questions.parts_of_finding(store, finding_id),
        said=desk.triage_history(store, finding_id),
        allowed_by=allows.get(finding["allowed_by"]),
        peers=surroundings.peers(store, finding),
        n_hosts=store.db.execute("SELECT count(*) FROM host").fetchone()[0],
        first_contact_ts=first_ts,
        before=[] if first_ts is None else surroundings.before(store, finding["orig_ip"], first_ts, MAX_BEFORE),
        captures=surroundings.captures(store, finding["first_ts"], finding["last_ts"] + 1),
    )
    since_ns, until_ns = dossier.span_ns()
    more: dict[str, Any] = {
        "activity": surroundings.activity(store, finding, since_ns, until_ns + 1, ACTIVITY_SLOTS),
        "lossy": surroundings.lossy(store, since_ns, until_ns + 1),
    }
    if calendar is not None:
        more["closed"] = [
            {"first_ts": begin, "last_ts": end} for begin, end in calendar.closed_spans(since_ns, until_ns)
        ]
        more["holidays"] = [
            {"first_ts": begin, "last_ts": end, "name": name}
            for begin, end, name in calendar.holidays(since_ns, until_ns)
        ]
    return Dossier(**{**vars(dossier), **more})


def _common(values: Iterable[int], n: int = 3) -> list[tuple[int, int]]:
    return sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))[:n]
