"""Indicators under watch, added, listed and removed. A contact with one becomes a finding at the next analysis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sensor.errors import UsageError
from sensor.store.columns import WATCH
from sensor.store.indicator import Indicator
from sensor.store.store import Store


def watch(store: Store, indicators: Iterable[Indicator], *, who: str, made_ts: int, expires_ts: int | None) -> int:
    """Put indicators under watch; one that is there already gets the new words and expiry. Returns how many are new."""
    n_before = _count(store)
    rows = [
        (one.kind, one.value, one.origin, one.reason, who, made_ts, expires_ts) for one in dict.fromkeys(indicators)
    ]
    with store.transaction():
        store.db.executemany(
            """INSERT INTO watch (kind, value, origin, reason, who, made_ts, expires_ts) VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (kind, value) DO UPDATE SET origin = excluded.origin, reason = excluded.reason,
            who = excluded.who, expires_ts = excluded.expires_ts""",
            rows,
        )
    return _count(store) - n_before


def unwatch(store: Store, entry_ids: Sequence[int]) -> None:
    """Take entries off; all of them or, when one is not there, none.

    Raises: UsageError for a number that no entry has.
    """
    with store.transaction():
        for entry_id in entry_ids:
            if not store.db.execute("DELETE FROM watch WHERE id = ?", (entry_id,)).rowcount:
                raise UsageError(f"there is no watch entry {entry_id}; `kagami watchlist list` lists them")


def watch_entries(store: Store) -> list[dict[str, Any]]:
    """Every entry in the fields of columns.WATCH, also expired ones, the oldest first."""
    names = [field.name for field in WATCH]
    rows = store.db.execute(f"SELECT {', '.join(names)} FROM watch ORDER BY id")
    return [dict(zip(names, row, strict=True)) for row in rows]


def watched(store: Store, now_ns: int) -> list[Indicator]:
    """The indicators under watch that have not expired."""
    return [
        Indicator(row["kind"], row["value"], row["origin"], row["reason"])
        for row in watch_entries(store)
        if row["expires_ts"] is None or row["expires_ts"] > now_ns
    ]


def _count(store: Store) -> int:
    return int(store.db.execute("SELECT count(*) FROM watch").fetchone()[0])
