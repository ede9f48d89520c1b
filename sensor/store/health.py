"""How live captures fared: rows of one minute each, written while it goes on and asked by status and analysis.

Loads neither DuckDB nor numba nor sqlite-utils.
"""

import json
from collections.abc import Mapping
from typing import Any

from sensor.store.columns import HEALTH
from sensor.store.store import Store

_SUMS = (
    *(
        "span_s",
        "packets",
        "bytes",
        "seen",
        "dropped",
        "freezes",
        "nic_dropped",
        "undecoded",
        "duplicates",
        "evicted",
        "tcp_flows",
    ),
    *("one_sided", "acks", "ack_gaps", "rows", "rows_lost", "bytes_written", "kept", "kept_bytes", "kept_lost"),
)
_PEAKS = ("ring_frac", "flush_s")

DROP_FRAC, LOSS_FRAC = 0.001, 0.01
"""Shares of packets dropped here, and of TCP acknowledgements for bytes nobody saw, from which on it is said."""


def save_health(store: Store, row: Mapping[str, Any]) -> None:
    """Keep an interval; the same one again replaces it. Raises: StoreError when the database cannot be written."""
    names = [field.name for field in HEALTH]
    values = [json.dumps(row[field.name]) if field.type == "json" else row[field.name] for field in HEALTH]
    with store.transaction():
        store.db.execute(
            f"INSERT OR REPLACE INTO health ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", values
        )


def health_rows(store: Store, since_ns: int, until_ns: int) -> list[dict[str, Any]]:
    """Intervals that touch a time span (ns), oldest first."""
    if not _is_kept(store):
        return []
    names = [field.name for field in HEALTH]
    rows = store.db.execute(
        f"SELECT {', '.join(names)} FROM health WHERE ts < ? AND ts + span_s * 1e9 >= ? ORDER BY ts, source, number",
        (until_ns, since_ns),
    )
    return [
        {
            field.name: json.loads(value) if field.type == "json" else value
            for field, value in zip(HEALTH, row, strict=True)
        }
        for row in rows
    ]


def live_summary(store: Store, since_ns: int) -> list[dict[str, Any]]:
    """Live captures with an interval since then: sums and peaks over those intervals, and how the newest one stands.

    Of each: interface, source, run state, first and last ts, the sums, the peaks, and of the newest interval state,
    flows_live, flows_max; words with their time, oldest first.
    """
    if not _is_kept(store):
        return []
    sums = ", ".join(f"sum(health.{name})" for name in _SUMS)
    peaks = ", ".join(f"max(health.{name})" for name in _PEAKS)
    found = []
    for source, interface, run_state, first, last, number, *rest in store.db.execute(
        f"""SELECT health.source, source.name, source.state, min(health.ts),
        max(health.ts + CAST(health.span_s * 1e9 AS INTEGER)), max(health.number), {sums}, {peaks} FROM health
        JOIN source ON source.content_hash = health.source
        WHERE health.ts + health.span_s * 1e9 >= ? GROUP BY health.source ORDER BY min(health.ts)""",
        (since_ns,),
    ).fetchall():
        now = store.db.execute(
            "SELECT state, flows_live, flows_max FROM health WHERE source = ? AND number = ?", (source, number)
        ).fetchone()
        words = [
            {"ts": ts, "what": word}
            for ts, texts in store.db.execute(
                "SELECT ts, words FROM health WHERE source = ? AND words <> '[]' AND ts >= ? ORDER BY number",
                (source, since_ns),
            )
            for word in json.loads(texts)
        ]
        found.append(
            {
                **{"interface": interface, "source": source, "run": run_state, "first_ts": first, "last_ts": last},
                **dict(zip(("state", "flows_live", "flows_max"), now, strict=True)),
                **dict(zip((*_SUMS, *_PEAKS), rest, strict=True)),
                "words": words,
            }
        )
    return found


def shares(row: Mapping[str, Any]) -> dict[str, float | None]:
    """What an interval or a summary says of loss, as shares of 0 to 1; None where nothing was there to judge by.

    drop_frac : dropped on this machine: by the interface, or by the kernel for want of room in the ring
    loss_frac : by gaps in TCP, as Zeek's capture loss: also what the mirror port lost before the sensor
    one_sided_frac : of TCP connections; duplicate_frac : of packets
    """
    return {
        "drop_frac": _share(row["dropped"] + row["nic_dropped"], row["seen"] + row["nic_dropped"]),
        "loss_frac": _share(row["ack_gaps"], row["acks"]),
        "one_sided_frac": _share(row["one_sided"], row["tcp_flows"]),
        "duplicate_frac": _share(row["duplicates"], row["packets"]),
    }


def is_lossy(row: Mapping[str, Any]) -> bool:
    """Whether so much of an interval was not seen, or not kept, that counts of its time cannot be trusted."""
    known = shares(row)
    drop, loss = known["drop_frac"] or 0.0, known["loss_frac"] or 0.0
    return drop > DROP_FRAC or loss > LOSS_FRAC or row["rows_lost"] > 0


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _is_kept(store: Store) -> bool:
    """Whether the database has the table: one of an older version, only read, has not."""
    return store.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'health'").fetchone() is not None
