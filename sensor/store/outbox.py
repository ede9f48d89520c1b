"""What is to be told about findings, and how far each outlet has come. The database fills the outbox by itself.

An outlet is told one message after the other; where one cannot be delivered, it and all after it wait. So nothing is
lost while a receiver is down, and nothing comes out of order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sensor.errors import UsageError
from sensor.store.findings import finding
from sensor.store.schema import SETTLED_STATES
from sensor.store.store import Store

Entry = tuple[int, str, dict[str, Any] | None]
"""Number, how it changed, and the finding as it is now; None when it is gone, settled or allowed meanwhile."""

NEW_OUTLET_NS = 24 * 3_600 * 10**9
"""How far back a new outlet begins: what a first analysis found is told, what lies there since long is not."""


def waiting(store: Store, outlet: str, now_ns: int) -> Iterator[Entry]:
    """Entries that an outlet was not told yet, oldest first. A new outlet begins with those of the last day."""
    row = store.db.execute("SELECT sent FROM outlet WHERE name = ?", (outlet,)).fetchone()
    sent = _begin(store, outlet, now_ns - NEW_OUTLET_NS) if row is None else row[0]
    for number, finding_id, change in store.db.execute(
        "SELECT id, finding_id, change FROM outbox WHERE id > ? ORDER BY id", (sent,)
    ).fetchall():
        yield number, change, _open_finding(store, finding_id)


def _begin(store: Store, outlet: str, since_ns: int) -> int:
    """Note a new outlet, which is told what is noted from a time on. Returns: the number of the last entry before."""
    sent: int = store.db.execute("SELECT coalesce(max(id), 0) FROM outbox WHERE ts < ?", (since_ns,)).fetchone()[0]
    with store.transaction():
        store.db.execute(
            "INSERT INTO outlet (name, sent, sent_ts, failed_ts, error) VALUES (?, ?, 0, 0, '')", (outlet, sent)
        )
    return sent


def _open_finding(store: Store, finding_id: int) -> dict[str, Any] | None:
    try:
        found = finding(store, finding_id)
    except UsageError:  # retention took it
        return None
    is_settled = found["state"] in SETTLED_STATES or found.get("allowed_by") is not None
    return None if is_settled else found


def note_sent(store: Store, outlet: str, number: int, now_ns: int) -> None:
    """The outlet was told everything up to a number."""
    with store.transaction():
        store.db.execute(
            "UPDATE outlet SET sent = max(sent, ?), sent_ts = ?, error = '' WHERE name = ?", (number, now_ns, outlet)
        )


def note_failure(store: Store, outlet: str, error: str, now_ns: int) -> None:
    """The outlet could not be told."""
    with store.transaction():
        store.db.execute("UPDATE outlet SET failed_ts = ?, error = ? WHERE name = ?", (now_ns, error[:500], outlet))


def outlets_state(store: Store) -> list[dict[str, Any]]:
    """Each outlet: name, how many entries wait, when it last worked and failed (ns, None never), the last error."""
    if store.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'outlet'").fetchone() is None:
        return []
    names = ("name", "waiting", "sent_ts", "failed_ts", "error")
    rows = store.db.execute(
        """SELECT name, (SELECT count(*) FROM outbox WHERE id > outlet.sent), nullif(sent_ts, 0),
        nullif(failed_ts, 0), error FROM outlet
        ORDER BY name"""
    )
    return [dict(zip(names, row, strict=True)) for row in rows]
