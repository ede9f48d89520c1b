"""Questions to the results database: findings, and the evidence that was kept for each.

Loads neither DuckDB nor numba nor sqlite-utils.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any

from sensor.errors import UsageError
from sensor.store.columns import DNS, EVENT, FINDING, FINDING_CHANNEL, FINDING_PART, FLOW, Field
from sensor.store.desk import allowed
from sensor.store.match import Target, parse_target
from sensor.store.schema import FINDING_STATES
from sensor.store.store import Store


def findings(
    store: Store,
    *,
    analyzer: str | None = None,
    min_score: float | None = None,
    host: str | None = None,
    dest: str | None = None,
    since_ns: int | None = None,
    until_ns: int | None = None,
    state: str | None = None,
    now_ns: int | None = None,
    limit: int | None = None,
) -> tuple[list[dict[str, Any]], int]:
    """Findings, the highest score first.

    analyzer, state : as in the columns
    min_score : 0 to 1, findings at or above it
    host : address or network of the client
    dest : the destination: a name or a domain it is in, an address or network it is or had
    since_ns, until_ns : nanoseconds; it counts when it was last seen at `since` or later and first before `until`
    now_ns : nanoseconds, by which allow entries expire; None: the time of day
    limit : most findings to give; the total is exact all the same
    Returns: the findings, in the contract's fields with lists as lists and `allowed_by`, the number of the first allow
        entry that covers it or None; and how many match in all.
    Raises: UsageError for values that make no sense.
    """
    if state is not None and state not in FINDING_STATES:
        raise UsageError(f"state {state!r}: one of {', '.join(FINDING_STATES)}")
    conditions = {
        "analyzer = ?": analyzer,
        "score >= ?": min_score,
        "last_ts >= ?": since_ns,
        "first_ts < ?": until_ns,
        "state = ?": state,
    }
    given = {condition: value for condition, value in conditions.items() if value is not None}
    where = " AND ".join(given) or "true"
    rows = _select(store, FINDING, f"FROM finding WHERE {where} ORDER BY score DESC, id", tuple(given.values()))
    if host is not None:
        client = parse_target(host)
        rows = [row for row in rows if client.matches_address(row["orig_ip"])]
    if dest is not None:
        target = parse_target(dest)
        beneath = _channels(store)
        rows = [row for row in rows if any(_is_destination(target, one) for one in (row, *beneath.get(row["id"], ())))]
    _say_allowed(store, rows, now_ns)
    return rows[:limit], len(rows)


def finding(store: Store, finding_id: int, now_ns: int | None = None) -> dict[str, Any]:
    """One finding, as in `findings`.

    Raises: UsageError when there is none of this number.
    """
    rows = _select(store, FINDING, "FROM finding WHERE id = ?", (finding_id,))
    if not rows:
        raise UsageError(f"there is no finding {finding_id}; `kagami findings` lists them")
    _say_allowed(store, rows, now_ns)
    return rows[0]


def flows_of_finding(store: Store, finding_id: int) -> list[dict[str, Any]]:
    """The flows kept as evidence of a finding, in time order."""
    return _select(
        store,
        FLOW,
        "FROM flow WHERE uid IN (SELECT uid FROM finding_flow WHERE finding_id = ?) ORDER BY first_ts, uid",
        (finding_id,),
    )


def events_of_finding(store: Store, finding_id: int) -> list[dict[str, Any]]:
    """The events kept as evidence of a finding, in time order."""
    return _select(
        store,
        EVENT,
        """FROM event WHERE uid IN (SELECT uid FROM finding_flow WHERE finding_id = ?1)
        AND ((orig_ip, dest, resp_port, proto) = (SELECT orig_ip, dest, resp_port, proto FROM finding WHERE id = ?1)
        OR (dest, resp_port, proto) IN (SELECT dest, resp_port, proto FROM finding_channel WHERE finding_id = ?1))
        ORDER BY ts, uid""",
        (finding_id,),
    )


def dns_of_finding(store: Store, finding_id: int) -> list[dict[str, Any]]:
    """The DNS questions of a finding's client for its destination that were kept, in time order."""
    return _select(
        store,
        DNS,
        "FROM dns_query WHERE (orig_ip, qname) = (SELECT orig_ip, dest FROM finding WHERE id = ?) ORDER BY ts, qtype",
        (finding_id,),
    )


def channels_of_finding(store: Store, finding_id: int) -> list[dict[str, Any]]:
    """The channels beneath a finding that stands on several, the busiest first."""
    return _select(
        store, FINDING_CHANNEL, "FROM finding_channel WHERE finding_id = ? ORDER BY events DESC, dest", (finding_id,)
    )


def phrases(store: Store, finding_ids: Iterable[int]) -> dict[str, dict[str, Any]]:
    """What the texts of findings were made of, by the text: `code` and `values`, see analyzers.words.phrase.

    Findings of analyses before schema 7 have none.
    """
    found: dict[str, dict[str, Any]] = {}
    for finding_id in finding_ids:
        for (made,) in store.db.execute("SELECT phrases FROM finding WHERE id = ?", (finding_id,)):
            found.update(json.loads(made))
    return found


def parts_of_finding(store: Store, finding_id: int) -> list[dict[str, Any]]:
    """What the finding's score is made of, as the analyzer ranked it; nothing where an older version judged it."""
    return _select(store, FINDING_PART, "FROM finding_part WHERE finding_id = ? ORDER BY number", (finding_id,))


def _channels(store: Store) -> dict[int, list[dict[str, Any]]]:
    """Destination and addresses of every channel beneath a finding, by the finding's id."""
    found: dict[int, list[dict[str, Any]]] = {}
    for finding_id, dest, dest_ips in store.db.execute("SELECT finding_id, dest, dest_ips FROM finding_channel"):
        found.setdefault(finding_id, []).append({"dest": dest, "dest_ips": json.loads(dest_ips)})
    return found


def _say_allowed(store: Store, rows: list[dict[str, Any]], now_ns: int | None) -> None:
    entries = allowed(store, time.time_ns() if now_ns is None else now_ns)
    for row in rows:
        row["allowed_by"] = next((entry.row["id"] for entry in entries if entry.covers(row)), None)


def _is_destination(target: Target, row: dict[str, Any]) -> bool:
    if target.name:
        return target.matches_name(row["dest"])
    return any(target.matches_address(address) for address in (row["dest"], *row["dest_ips"]))


def _select(store: Store, fields: tuple[Field, ...], rest: str, values: tuple[object, ...]) -> list[dict[str, Any]]:
    names = ", ".join(f'"{field.name}"' for field in fields)
    return [
        {field.name: _value(field, value) for field, value in zip(fields, row, strict=True)}
        for row in store.db.execute(f"SELECT {names} {rest}", values)
    ]


def _value(field: Field, value: Any) -> Any:
    if field.type == "json":
        return json.loads(value)
    return bool(value) if field.type == "bool" else value
