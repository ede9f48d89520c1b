"""What two analyzers say of one channel: a clock that also goes around the proxy is worse than either alone."""

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

from analyzers.finding import Finding, severity_of
from analyzers.parts import with_points
from analyzers.words import english as say

BYPASS_GAIN = 0.15
"""What a beacon gains by going around the proxy: software that keeps time asks the proxy it was given."""

ENOUGH_EVENTS = 20
"""Fewer events are no settled clock, and the bypass finding says what they are."""

MOST = 0.94
"""Below critical: neither analyzer says whose clock it is."""

Channel = tuple[str, str, int, str]


def ways_around(findings: Iterable[Finding]) -> Iterator[Channel]:
    """The channels (client, destination, port, protocol) beneath findings of the bypass analyzer."""
    for finding in findings:
        if finding.analyzer == "bypass":
            channels: Iterable[Mapping[str, Any]] = finding.channels or [finding.row()]
            for channel in channels:
                yield finding.orig_ip, channel["dest"], int(channel["resp_port"]), channel["proto"]


def raise_bypassing(beacons: Iterable[Finding], around: Set[Channel]) -> None:
    """Raise the score of beacons whose channel goes around the proxy, and say so."""
    for finding in beacons:
        is_around = (finding.orig_ip, finding.dest, finding.resp_port, finding.proto) in around
        if is_around and finding.events >= ENOUGH_EVENTS and finding.score < MOST:
            raised = min(finding.score + BYPASS_GAIN, MOST)
            finding.parts = with_points(finding.parts, "it goes around the proxy as well", raised - finding.score)
            finding.score, finding.severity = round(raised, 4), severity_of(raised)
            finding.reasons.append(say.goes_around_as_well(BYPASS_GAIN))
