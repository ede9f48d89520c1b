"""Findings seen together: by host, by destination, by registered domain; and what their evidence adds up to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sensor.store.store import Store

GROUPS = ("host", "dest", "domain")
_RANK = {"low": 0, "medium": 1, "high": 2, "critical": 3}


def grouped(findings: Iterable[Mapping[str, Any]], by: str) -> list[dict[str, Any]]:
    """A row for each host, destination or registered domain, the one with the highest score first.

    findings : rows, the highest score first
    by : one of GROUPS
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for finding in findings:
        groups.setdefault(_key(finding, by), []).append(finding)
    return [
        {
            "group": key,
            "severity": max((row["severity"] for row in rows), key=lambda level: _RANK.get(level, 0)),
            "score": rows[0]["score"],
            "findings": len(rows),
            "ids": [row["id"] for row in rows],
            "analyzers": sorted({row["analyzer"] for row in rows}),
            "hosts": sorted({row["orig_ip"] for row in rows}),
            "dests": sorted({row["dest"] for row in rows}),
            "events": sum(row["events"] for row in rows),
            "first_ts": min(row["first_ts"] for row in rows),
            "last_ts": max(row["last_ts"] for row in rows),
            "states": sorted({row["state"] for row in rows}),
        }
        for key, rows in groups.items()
    ]


def _key(finding: Mapping[str, Any], by: str) -> str:
    if by == "host":
        return str(finding["orig_ip"])
    return str(finding["dest"]) if by == "dest" else registered_domain(finding["dest"])


def registered_domain(name: str) -> str:
    """The registered domain a name is in (example.co.jp); an address, and what has none, stands for itself."""
    if not any(char.isalpha() for char in name.rpartition(".")[2]) or ":" in name:
        return name
    return _suffixes().privatesuffix(name.lower().rstrip(".")) or name


@cache
def _suffixes() -> Any:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()


def shapes(store: Store, findings: Sequence[Mapping[str, Any]], n_slots: int) -> dict[int, dict[str, Any]]:
    """What the evidence kept for findings adds up to, by id; findings without evidence are not in it.

    Each: `counts` (events in n_slots equal parts of the finding's time), `orig_bytes`, `resp_bytes`.
    """
    found: dict[int, dict[str, Any]] = {}
    wanted = {row["id"] for row in findings}
    rows = store.db.execute(
        """SELECT finding.id, (event.ts - finding.first_ts) / ((finding.last_ts - finding.first_ts) / ?1 + 1), count(*),
        sum(event.orig_bytes), sum(event.resp_bytes)
        FROM finding JOIN finding_flow ON finding_flow.finding_id = finding.id
        JOIN event ON event.uid = finding_flow.uid AND event.orig_ip = finding.orig_ip AND event.dest = finding.dest
        AND event.resp_port = finding.resp_port AND event.proto = finding.proto GROUP BY 1, 2""",
        (n_slots,),
    )
    for finding_id, slot, n, sent, received in rows:
        if finding_id in wanted:
            one = found.setdefault(finding_id, {"counts": [0] * n_slots, "orig_bytes": 0, "resp_bytes": 0})
            one["counts"][min(max(slot, 0), n_slots - 1)] += n
            one["orig_bytes"] += sent
            one["resp_bytes"] += received
    return found
