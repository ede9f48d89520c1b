"""What a report tells of a window of time: findings with all around them, hosts, blocked attempts, health, blind spots.

In: an open store and a window. Out: rows and dossiers. This module never renders and never asks the clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sensor.response.dossier import Dossier, gather
from sensor.store.findings import findings, phrases
from sensor.store.groups import grouped
from sensor.store.hunt import absent_days
from sensor.store.schema import SETTLED_STATES
from sensor.store.store import Store
from sensor.store.surroundings import captures

Row = Mapping[str, Any]

BLOCKED = ("refused", "unanswered")


@dataclass(frozen=True)
class Summary:
    """What happened in a window.

    since_ns, until_ns : the window, ns, until exclusive; of all that the store holds where nobody chose one
    findings : those of the window that are open, the highest score first
    settled, hidden : how many more were settled, or covered by allow entries
    dossiers : of the first of them
    hosts : the findings by host
    blocked : findings whose attempts were stopped or stayed unanswered
    captures : sources of the window, with what was lost
    absent : days within a source's time of which nothing is kept
    health : of the store, as Store.health
    phrases : what texts of the findings were made of, as store.findings.phrases
    """

    since_ns: int
    until_ns: int
    findings: Sequence[Row]
    settled: int
    hidden: int
    dossiers: Sequence[Dossier]
    hosts: Sequence[Row]
    blocked: Sequence[Row]
    captures: Sequence[Row]
    absent: Sequence[str]
    health: Mapping[str, Any]
    phrases: Mapping[str, Row] = field(default_factory=dict)

    def severities(self) -> dict[str, int]:
        """How many findings of each severity, the worst first; those that occur."""
        counts = Counter(row["severity"] for row in self.findings)
        return {level: counts[level] for level in ("critical", "high", "medium", "low") if counts[level]}


def summarize(
    store: Store, since_ns: int | None, until_ns: int | None, *, min_score: float, most: int, now_ns: int
) -> Summary:
    """The summary of a window (ns; None: as far as the store reaches).

    min_score : findings at or above it
    most : findings that are shown with all around them

    Raises: StoreError when the lake cannot be read.
    """
    health = store.health()
    since = (health["first_ts"] or 0) if since_ns is None else since_ns
    until = ((health["last_ts"] or 0) + 1) if until_ns is None else until_ns
    rows = findings(store, min_score=min_score, since_ns=since, until_ns=until, now_ns=now_ns)[0]
    seen = [row for row in rows if row["allowed_by"] is None]
    unsettled = [row for row in seen if row["state"] not in SETTLED_STATES]
    return Summary(
        since_ns=since,
        until_ns=until,
        findings=unsettled,
        settled=len(seen) - len(unsettled),
        hidden=len(rows) - len(seen),
        dossiers=[gather(store, row["id"]) for row in unsettled[:most]],
        hosts=grouped(unsettled, "host"),
        blocked=[row for row in unsettled if row["outcome"] in BLOCKED],
        captures=captures(store, since, until),
        absent=absent_days(store, since, until),
        health=health,
        phrases=phrases(store, (row["id"] for row in unsettled)),
    )
