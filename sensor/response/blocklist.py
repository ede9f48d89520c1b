"""What goes on a blocklist: the values of findings that pass the rails, each with what it stands on.

In: findings and the rails (`rails.py`). Out: entries, and what was held back with the reason. How a list is written is
for `formats`, how it is kept for `lists`. This module never touches a firewall.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sensor.response.rails import Rails, as_address, canonical, is_domain
from sensor.store.schema import SETTLED_STATES

ADDRESS, DOMAIN = "address", "domain"


@dataclass(frozen=True, slots=True)
class Entry:
    """A value to block and the finding that asks for it (the one with the highest score).

    kind : ADDRESS or DOMAIN
    resp_port : the destination's port in that finding
    first_ts, last_ts : nanoseconds, when the finding's events were seen
    expires_ts : nanoseconds, the time of day at which it should be taken off again
    is_shared : it may serve others too, and was listed on demand
    """

    value: str
    kind: str
    finding_id: int
    analyzer: str
    severity: str
    score: float
    reasons: tuple[str, ...]
    resp_port: int
    events: int
    first_ts: int
    last_ts: int
    expires_ts: int
    is_shared: bool = False

    def row(self) -> dict[str, Any]:
        """The fields by name, as the store keeps them."""
        return asdict(self)

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "Entry":
        """The entry that `row` gave."""
        return cls(**{**row, "reasons": tuple(row["reasons"])})


@dataclass(frozen=True, slots=True)
class Held:
    """A value that was asked for but is not on the list, and why not."""

    value: str
    finding_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Blocklist:
    """Entries sorted by value, each value once; and what was held back, each value once."""

    entries: list[Entry]
    held: list[Held]


def wanted(findings: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The findings that may bring something to a list: those that nobody settled and no allow entry covers."""
    return [one for one in findings if one["state"] not in SETTLED_STATES and one.get("allowed_by") is None]


def values_of(findings: Iterable[Mapping[str, Any]]) -> list[str]:
    """Every value that findings could bring to a list, for `seen.history_of`."""
    return sorted({canonical(value) for finding in findings for value in _values(finding)})


def build(findings: Sequence[Mapping[str, Any]], rails: Rails, *, expires_ts: int) -> Blocklist:
    """Choose what goes on the list.

    findings : finding rows, the highest score first
    expires_ts : nanoseconds, for all entries
    """
    entries: dict[str, Entry] = {}
    held: dict[str, Held] = {}
    for finding in wanted(findings):
        for value in _values(finding):
            key = canonical(value)
            if key in entries:
                continue
            if reason := rails.objection(value, finding):
                held.setdefault(value, Held(value, finding["id"], reason))
            else:
                entries[key] = _entry(key, finding, expires_ts, bool(rails.doubt(value, finding)))
    kept = [one for one in held.values() if canonical(one.value) not in entries]
    return Blocklist(sorted(entries.values(), key=lambda entry: entry.value), sorted(kept, key=lambda one: one.value))


def recheck(entries: Iterable[Entry], rails: Rails) -> Blocklist:
    """What of an older list may still be listed: what is one's own or allowed by now is held back."""
    kept, held = [], []
    for entry in entries:
        if reason := rails.never(entry.value):
            held.append(Held(entry.value, entry.finding_id, reason))
        else:
            kept.append(entry)
    return Blocklist(kept, held)


def _entry(value: str, finding: Mapping[str, Any], expires_ts: int, is_shared: bool) -> Entry:
    return Entry(
        value=value,
        kind=DOMAIN if as_address(value) is None else ADDRESS,
        finding_id=finding["id"],
        analyzer=finding["analyzer"],
        severity=finding["severity"],
        score=finding["score"],
        reasons=tuple(finding["reasons"]),
        resp_port=finding["resp_port"],
        events=finding["events"],
        first_ts=finding["first_ts"],
        last_ts=finding["last_ts"],
        expires_ts=expires_ts,
        is_shared=is_shared,
    )


def _values(finding: Mapping[str, Any]) -> list[str]:
    """The values of a finding: its destination, and the addresses that stand for it.

    Behind a proxy the addresses are the proxy's. A destination that is neither address nor name is a summary of many
    (a host that does not use the proxy at all), whose addresses are no one party's.
    """
    dest = finding["dest"]
    return [dest, *finding["dest_ips"]] if is_domain(dest) and not finding["via_proxy"] else [dest]
