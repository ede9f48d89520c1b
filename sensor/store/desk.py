"""What people decide about findings: triage with its history, and allow entries.

They are few rows, written without the store's lock, so that nobody has to wait for a sensor that is at work. An allow
entry takes nothing away: findings stay, and questions say which entry covers one. This module never asks the clock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sensor.errors import UsageError
from sensor.store.columns import ALLOW, TRIAGE, Field
from sensor.store.match import Target, overlaps, parse_target
from sensor.store.schema import FINDING_STATES
from sensor.store.store import Store

ANY_DEST = "any"
ANY_PORT = -1


def triage(store: Store, finding_ids: Sequence[int], state: str, *, note: str, who: str, made_ts: int) -> None:
    """Give findings a state; all of them or, when one is not there, none.

    note : why, in plain words; empty: what was noted before stands
    made_ts : nanoseconds, now

    Raises: UsageError for a state or a finding that does not exist.
    """
    if state not in FINDING_STATES:
        raise UsageError(f"state {state!r}: one of {', '.join(FINDING_STATES)}")
    with store.transaction():
        for finding_id in finding_ids:
            changed = store.db.execute(
                "UPDATE finding SET state = ?, note = CASE WHEN ? = '' THEN note ELSE ? END WHERE id = ?",
                (state, note, note, finding_id),
            ).rowcount
            if not changed:
                raise UsageError(f"there is no finding {finding_id}; `kagami findings` lists them")
            store.db.execute(
                "INSERT INTO triage (finding_id, made_ts, who, state, note) VALUES (?, ?, ?, ?, ?)",
                (finding_id, made_ts, who, state, note),
            )


def triage_history(store: Store, finding_id: int) -> list[dict[str, Any]]:
    """What was said about a finding, the oldest first, in the fields of columns.TRIAGE."""
    return _rows(store, TRIAGE, "FROM triage WHERE finding_id = ? ORDER BY made_ts, id", (finding_id,))


@dataclass(frozen=True, slots=True)
class Allowed:
    """An allow entry that holds, ready to be compared.

    row : its fields as in columns.ALLOW
    dest : None: any destination
    """

    row: Mapping[str, Any]
    dest: Target | None
    hosts: tuple[Target, ...]

    def covers(self, finding: Mapping[str, Any]) -> bool:
        """Whether a finding is what the entry allows.

        An entry for an address or a network covers a finding under a name only when every address of it is meant, and
        none when a proxy went there: then nobody saw the address.
        """
        if self.row["resp_port"] not in (ANY_PORT, finding["resp_port"]):
            return False
        if self.hosts and not any(host.matches_address(finding["orig_ip"]) for host in self.hosts):
            return False
        if self.dest is None or self.dest.matches_name(finding["dest"]) or self.dest.matches_address(finding["dest"]):
            return True
        addresses = finding["dest_ips"]
        is_known = bool(addresses) and not finding["via_proxy"] and not self.dest.name
        return is_known and all(self.dest.matches_address(address) for address in addresses)

    def touches(self, value: Target) -> bool:
        """Whether blocking a value would cut off something that the entry allows to anyone at all."""
        return self.dest is not None and overlaps(self.dest, value)


def allow(
    store: Store,
    dest: str,
    *,
    port: int = ANY_PORT,
    hosts: Sequence[str] = (),
    reason: str,
    who: str,
    made_ts: int,
    expires_ts: int | None,
) -> int:
    """Add an allow entry; return its number.

    dest : an address, a network, a name with everything under it, or ANY_DEST
    port : of the destination, or ANY_PORT
    hosts : addresses and networks of clients; none: all
    expires_ts : nanoseconds; None: never

    Raises: UsageError for what is no destination or no host, for an entry that allows everything, and without a reason.
    """
    target = None if dest == ANY_DEST else parse_target(dest)
    clients = [parse_target(host) for host in hosts]
    if any(client.name for client in clients):
        raise UsageError(f"a host is an address or a network, not {next(c.name for c in clients if c.name)!r}")
    if target is None and port == ANY_PORT and not clients:
        raise UsageError("an entry for any destination needs a port or a host: else it would hide every finding")
    if target is not None and target.network is not None and target.network.prefixlen == 0:
        raise UsageError(f"{dest} is every address; name a smaller network")
    if not reason.strip():
        raise UsageError("an allow entry needs a reason: whoever meets it next year has only that")
    if expires_ts is not None and expires_ts <= made_ts:
        raise UsageError("an allow entry must expire later than now")
    values = (
        *(ANY_DEST if target is None else str(target), port, json.dumps([str(client) for client in clients])),
        *(reason, who, made_ts, expires_ts),
    )
    with store.transaction():
        cursor = store.db.execute(
            """INSERT INTO allow (dest, resp_port, hosts, reason, who, made_ts, expires_ts, removed_by)
            VALUES (?, ?, ?, ?, ?, ?, ?, '')""",
            values,
        )
    return int(cursor.lastrowid or 0)


def take_back(store: Store, entry_id: int, *, who: str, made_ts: int) -> None:
    """End an allow entry; it stays on record.

    Raises: UsageError when there is none of this number, or it was taken back before.
    """
    with store.transaction():
        n_changed = store.db.execute(
            "UPDATE allow SET removed_ts = ?, removed_by = ? WHERE id = ? AND removed_ts IS NULL",
            (made_ts, who, entry_id),
        ).rowcount
    if not n_changed:
        raise UsageError(f"there is no allow entry {entry_id} that still holds; `kagami allow list` lists them")


def allow_entries(store: Store) -> list[dict[str, Any]]:
    """Every allow entry there ever was, in the fields of columns.ALLOW, the oldest first."""
    return _rows(store, ALLOW, "FROM allow ORDER BY id", ())


def holds(entry: Mapping[str, Any], now_ns: int) -> bool:
    """Whether an entry is neither taken back nor expired."""
    return entry["removed_ts"] is None and (entry["expires_ts"] is None or entry["expires_ts"] > now_ns)


def allowed(store: Store, now_ns: int) -> list[Allowed]:
    """The allow entries that hold, the oldest first."""
    return [
        Allowed(
            entry,
            None if entry["dest"] == ANY_DEST else parse_target(entry["dest"]),
            tuple(parse_target(host) for host in entry["hosts"]),
        )
        for entry in allow_entries(store)
        if holds(entry, now_ns)
    ]


def _rows(store: Store, fields: tuple[Field, ...], rest: str, values: tuple[object, ...]) -> list[dict[str, Any]]:
    names = ", ".join(f'"{field.name}"' for field in fields)
    return [
        {
            field.name: json.loads(value) if field.type == "json" else value
            for field, value in zip(fields, row, strict=True)
        }
        for row in store.db.execute(f"SELECT {names} {rest}", values)
    ]
