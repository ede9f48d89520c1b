"""Keep-alives: what beats inside the open connections to many destinations by one clock, told as one finding.

A browser asks each connection that it keeps open whether it still lives, all of them at the same pace: as many beats as
it has destinations. An hour of browsing gives hundreds, which would bury what matters. An implant has one destination,
or a few that have something in common; those are in groups already. Nothing is dropped: the channels stand beneath.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

from analyzers.beacon.groups import registered_domain
from analyzers.beacon.tell import MAX_BENEATH, Channel, labelled
from analyzers.finding import SEVERITY_FROM, Finding, severity_of
from analyzers.parts import with_points
from analyzers.words import english as say

MIN_DESTS = 8
"""Domains and addresses that have to share a clock: more than a program of one maker calls at the same pace."""

SAME_CLOCK = 0.04
"""How far the intervals of one clock lie from the middle one: what the answers' way back and a timer's step add."""

FOLD_BELOW = SEVERITY_FROM[2]
"""What is high has more to it than this clock, and stays alone."""

LABEL = "keep-alives of connections that a program holds open"

MAX_TOLD = 5
MAX_CLOCKS_TOLD = 3

Told = tuple[Finding, Channel]


def fold_keepalives(told: Sequence[Told]) -> list[Finding]:
    """The findings of some clients, with those that share a clock inside connections made one for each client.

    told : findings with the channels that they are about; all of a client's
    """
    alike: defaultdict[tuple[str, str, str, int, str], list[Told]] = defaultdict(list)
    for finding, channel in told:
        if channel.kind in ("exchange", "reply") and finding.score < FOLD_BELOW and finding.interval_s:
            where = (finding.orig_ip, finding.via_proxy, finding.proto, finding.resp_port, channel.kind)
            alike[where].append((finding, channel))
    folded = [clocks for members in alike.values() if (clocks := shared_clocks(members))]
    gone = {id(finding) for clocks in folded for finding, _ in chain(*clocks)}
    return [*(finding for finding, _ in told if id(finding) not in gone), *(_one(clocks) for clocks in folded)]


def shared_clocks(told: Iterable[Told]) -> list[list[Told]]:
    """Sets of findings whose intervals are alike, of at least MIN_DESTS domains and addresses; the largest first."""
    left = sorted(told, key=lambda one: (one[0].interval_s or 0.0, one[0].dest))
    clocks = []
    while len(left) >= MIN_DESTS:
        paces = [finding.interval_s or 0.0 for finding, _ in left]
        around = [slice(bisect_left(paces, p - SAME_CLOCK * p), bisect_right(paces, p + SAME_CLOCK * p)) for p in paces]
        best = max(around, key=lambda some: some.stop - some.start)
        if len({registered_domain(finding.dest) or finding.dest for finding, _ in left[best]}) < MIN_DESTS:
            break
        clocks.append(left[best])
        del left[best]
    return clocks


def _one(clocks: Sequence[Sequence[Told]]) -> Finding:
    """The finding of one client's clocks."""
    told = sorted(chain(*clocks), key=lambda one: (-one[0].score, -one[0].events, one[0].dest))
    lead = max(clocks[0], key=lambda one: (one[0].score, one[0].dest))[0]
    rows = list(chain(*(finding.channels or [channel.row] for finding, channel in told)))
    highest = told[0][0]
    score = labelled(highest.score)
    reasons = [
        *(say.one_clock_for_many(len(clock), _pace_s(clock)) for clock in clocks[:MAX_CLOCKS_TOLD]),
        say.busiest_destinations(len(told), _busiest(told)),
        say.looks_like(LABEL, "score"),
        *([say.asked_of_proxy(lead.via_proxy)] if lead.via_proxy else []),
    ]
    return replace(
        lead,
        dest=say.many_kept_open(told[0][1].kind == "reply"),
        dest_ips=tuple(sorted({ip for row in rows for ip in row["dest_ips"]})[:MAX_BENEATH]),
        score=round(score, 4),
        severity=severity_of(score),
        first_ts=min(finding.first_ts for finding, _ in told),
        last_ts=max(finding.last_ts for finding, _ in told),
        events=sum(finding.events for finding, _ in told),
        interval_s=_pace_s(clocks[0]),
        reasons=reasons,
        channels=[{**row, "label": LABEL} for row in rows[:MAX_BENEATH]],
        parts=with_points(highest.parts, "one clock for many destinations", score - highest.score),
    )


def _pace_s(clock: Sequence[Told]) -> float:
    """The middle interval."""
    return clock[len(clock) // 2][0].interval_s or 0.0


def _busiest(told: Iterable[Told]) -> list[str]:
    events = Counter[str]()
    for finding, _ in told:
        events[finding.dest] += finding.events
    return [dest for dest, _ in events.most_common(MAX_TOLD)]
