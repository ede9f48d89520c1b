"""Findings as rows of RITA v5's table, for people and scripts that read its CSV.

Source: activecm/rita v5, viewer/csv.go and viewer/results.go: columns, their order and meaning. A row is a client and a
destination, with what its findings say together. What kagami does not judge (subdomains, threat intelligence, missing
Host headers, modifiers) has the value that RITA gives where nothing was found.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from sensor.response.rita_facts import Facts, History
from sensor.site import parse_address

COLUMNS = (
    *("Severity", "Source IP", "Destination IP", "FQDN", "Beacon Score", "Strobe", "Total Duration"),
    *("Long Connection Score", "Subdomains", "C2 Over DNS Score", "Threat Intel", "Prevalence", "First Seen"),
    *("Missing Host Header", "Connection Count", "Total Bytes", "Port:Proto:Service", "Modifiers"),
)
QUOTED = frozenset({"Port:Proto:Service", "Modifiers"})
"""Columns that RITA puts in quotes whatever is in them."""

ANALYZERS = frozenset({"beacon", "strobe", "long-connection"})
"""The analyzers whose findings RITA has a column for."""

NO_ADDRESS = "::"
"""What RITA writes as the address of a destination that it knows by name."""

_LONG_STEPS = ((3600.0, 0.2), (14400.0, 0.4), (28800.0, 0.6), (43200.0, 0.8))
_AGES = (("year", 8760.0), ("month", 720.0), ("day", 24.0), ("hour", 1.0))

Finding = Mapping[str, Any]


def grouped(findings: Iterable[Finding]) -> dict[tuple[str, str], list[Finding]]:
    """Findings that RITA has a column for, by client and destination, in the order they come."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        if finding["analyzer"] in ANALYZERS:
            groups.setdefault((finding["orig_ip"], finding["dest"]), []).append(finding)
    return groups


def rows(
    groups: Mapping[tuple[str, str], list[Finding]], history: History, severities: Sequence[str]
) -> Iterator[dict[str, str]]:
    """One row for each group, by RITA's column names. severities : the lowest first"""
    for (orig_ip, dest), same in groups.items():
        known = history.facts.get((orig_ip, dest))
        facts = known or Facts(max(finding["events"] for finding in same), 0.0, 0, ())
        open_s = max(facts.open_s, *(_held_s(finding) for finding in same))
        is_address = parse_address(dest) is not None
        first_ts = history.first_ts.get(dest, min(finding["first_ts"] for finding in same))
        severity = max((finding["severity"] for finding in same), key=severities.index)
        beacon = max((finding["score"] for finding in same if finding["analyzer"] == "beacon"), default=0.0)
        share = history.clients_of.get(dest, 0) / history.n_hosts if history.n_hosts else 0.0
        strobe = any(finding["analyzer"] == "strobe" for finding in same)
        values = (
            *(severity.title(), orig_ip, dest if is_address else NO_ADDRESS, "" if is_address else dest),
            *(number(beacon), _bool(strobe), number(open_s), number(long_score(open_s))),
            *("0", "0", _bool(False), number(share)),
            *(age((history.newest_ts - first_ts) / 3.6e12), _bool(False), str(facts.connections)),
            *(str(facts.ip_bytes), ",".join(facts.services), ""),
        )
        yield dict(zip(COLUMNS, values, strict=True))


def long_score(open_s: float) -> float:
    """RITA's score of a total duration: 0 below an hour, 0.2, 0.4, 0.6 and 0.8 at 1, 4, 8 and 12 hours."""
    for (low_s, low), (high_s, high) in pairwise(_LONG_STEPS):
        if open_s < high_s:
            return low + (high - low) * (open_s - low_s) / (high_s - low_s) if open_s >= low_s else 0.0
    return _LONG_STEPS[-1][1]


def age(hours: float) -> str:
    """A time ago in RITA's words: whole years, months of 30 days, days, hours or minutes."""
    for unit, length_h in _AGES:
        if hours >= length_h:
            return _ago(int(hours / length_h), unit)
    return _ago(max(int(hours * 60), 0), "minute")


def number(value: float) -> str:
    """A number as Go prints a float32: the shortest digits."""
    return f"{value:.8g}"


def _held_s(finding: Finding) -> float:
    """The time of a long connection, whose silent parts no flow's duration holds; 0 for other findings."""
    is_long = finding["analyzer"] == "long-connection"
    return (finding["last_ts"] - finding["first_ts"]) / 1e9 if is_long else 0.0


def _ago(n: int, unit: str) -> str:
    return f"{n} {unit}{'' if n == 1 else 's'} ago"


def _bool(value: bool) -> str:
    return "true" if value else "false"
