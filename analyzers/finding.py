"""A finding: one scored claim about one host and one destination, with the evidence that explains it.

Analyzers make findings; the store adds the identity, the triage state and the note. Nothing here does I/O.
"""

from dataclasses import dataclass, field, fields
from typing import Any

from analyzers.words.phrase import Phrase

SEVERITIES = ("low", "medium", "high", "critical")
SEVERITY_FROM = (0.0, 0.6, 0.8, 0.95)
"""The lowest score of each severity: medium from 0.6, high from 0.8, critical from 0.95."""


@dataclass(slots=True)
class Finding:
    """One claim. Field names are those of the finding row that the store keeps and the commands print.

    analyzer : beacon, bypass, ...
    orig_ip : the host of one's own, canonical text
    dest, dest_ips : the destination by its best name, and the addresses it had
    resp_port, proto : most used port, and its protocol in lower case
    score : 0 to 1
    first_ts, last_ts : int nanoseconds since 1970 UTC
    events : how many events or flows the claim stands on
    interval_s, jitter_frac : the beat and half the spread of the middle 90 % of gaps as a share of it; None: no beat
    via_proxy : the proxy in between, or empty
    outcome : established, half, refused, unanswered, or empty where the analyzer does not judge it
    reasons : phrases of `analyzers.words.english`, the most telling first
    techniques : MITRE ATT&CK ids
    channels : where the claim stands on several destinations, one mapping each: dest, dest_ips, resp_port, proto,
        via_proxy, outcome, events, orig_bytes, resp_bytes, first_ts, last_ts, label (a benign explanation, or empty)
    parts : what made the score, one mapping each: name, amount (above 0 raised it), unit; see analyzers/parts.py
    """

    analyzer: str
    orig_ip: str
    dest: str
    dest_ips: tuple[str, ...]
    resp_port: int
    proto: str
    score: float
    severity: str
    first_ts: int
    last_ts: int
    events: int
    interval_s: float | None = None
    jitter_frac: float | None = None
    via_proxy: str = ""
    outcome: str = ""
    reasons: list[Phrase] = field(default_factory=list)
    techniques: list[str] = field(default_factory=list)
    channels: list[dict[str, Any]] = field(default_factory=list)
    parts: list[dict[str, Any]] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """The fields by name, as the store takes them, and `phrases`: what reasons and destination were made of, by
        their text. Lists are not copied."""
        phrases = {str(text): text.made for text in (self.dest, *self.reasons) if isinstance(text, Phrase)}
        return {field.name: getattr(self, field.name) for field in fields(self)} | {"phrases": phrases}


def severity_of(score: float, at_most: str = "critical") -> str:
    """The severity a score gives, never above `at_most`."""
    level = sum(score >= lowest for lowest in SEVERITY_FROM[1:])
    return SEVERITIES[min(level, SEVERITIES.index(at_most))]


def by_score(finding: Finding) -> tuple[float, str, str, int, str]:
    """Sort key: the highest score first, then a fixed order, so that the same rows always list alike."""
    return (-finding.score, finding.orig_ip, finding.dest, finding.resp_port, finding.proto)
