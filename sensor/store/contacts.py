"""When each host was first seen at a destination, over all that is kept: the lake, and the channels that outlive it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sensor.errors import StoreError
from sensor.store.store import Store


def first_contacts(store: Store, dests: Collection[str]) -> dict[str, Any]:
    """First contacts with some destinations, by the names that analyzers.contacts.FirstContacts gives them.

    Returns: begins_ns, the time of the oldest packet ever read (None: nothing was), and of, for each destination that
        is known the first time of each client.
    Raises: StoreError when the lake cannot be read.
    """
    import duckdb

    begins_ns = store.db.execute("SELECT min(first_ts) FROM source").fetchone()[0]
    of: dict[str, dict[str, int]] = {}
    if dests:
        wanted = sorted(dests)
        marks = ", ".join("?" * len(wanted))
        question = f"SELECT dest, orig_ip, min({{ts}}) FROM {{table}} WHERE dest IN ({marks}) GROUP BY dest, orig_ip"
        events, files = store.lake.relation("event")
        try:
            with store.lake.connect() as lake:
                found = lake.execute(question.format(ts="ts", table=events), [*files, *wanted]).fetchall()
        except duckdb.Error as error:
            raise StoreError(f"cannot read the events: {error}") from error
        found += store.db.execute(question.format(ts="first_ts", table="channel"), wanted).fetchall()
        for dest, orig_ip, ts in found:
            firsts = of.setdefault(dest, {})
            firsts[orig_ip] = min(ts, firsts.get(orig_ip, ts))
    return {"begins_ns": begins_ns, "of": of}
