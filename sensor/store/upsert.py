"""Keeping findings: a known one is brought up to date, and what a person noted of it stays."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from sensor.store.columns import FINDING, FINDING_CHANNEL
from sensor.store.schema import BENEATH_FINDING, FINDING_KEY

_KEPT_BY_TRIAGE = ("id", "state", "note")
"""Finding fields that a new analysis never overwrites."""

_KEEP_CHANNEL = (
    f"INSERT INTO finding_channel VALUES (?{', ?' * len(FINDING_CHANNEL)}) "
    "ON CONFLICT (finding_id, dest, resp_port, proto, via_proxy) DO UPDATE SET "
    + ", ".join(
        f"{field.name} = {'min' if field.name == 'first_ts' else 'max'}({field.name}, excluded.{field.name})"
        if field.name in ("first_ts", "last_ts")
        else f"{field.name} = excluded.{field.name}"
        for field in FINDING_CHANNEL
        if field.name not in ("dest", "resp_port", "proto", "via_proxy")
    )
)

_SUPERSEDED = """SELECT old.id FROM finding AS kept JOIN finding_channel AS channel ON channel.finding_id = kept.id
    JOIN finding AS old ON old.analyzer = kept.analyzer AND old.orig_ip = kept.orig_ip AND old.dest = channel.dest
    AND old.resp_port = channel.resp_port AND old.proto = channel.proto
    WHERE kept.id = :id AND old.id <> :id AND old.state = 'new' AND old.note = '' AND old.outcome = kept.outcome
    AND old.first_ts >= kept.first_ts AND old.last_ts <= kept.last_ts"""


def upsert_findings(db: sqlite3.Connection, findings: Iterable[Mapping[str, Any]]) -> list[int]:
    """Keep findings; one that is known (see schema.FINDING_KEY) is updated and keeps its id, state and note.

    findings : mappings with the contract's fields except id, state and note; lists are lists. `channels` and
        `parts`, if they are there, are mappings with the fields of columns.FINDING_CHANNEL and FINDING_PART;
        `phrases` says what texts were made of, see findings.phrases
    db : in a transaction of the caller's
    Returns: ids, in the order given.
    """
    names = [field.name for field in FINDING if field.name not in _KEPT_BY_TRIAGE]
    is_list = {field.name for field in FINDING if field.type == "json"}
    columns = (*names, "phrases")
    changes = {name: f"{name} = excluded.{name}" for name in columns if name not in FINDING_KEY}
    changes["first_ts"] = "first_ts = min(first_ts, excluded.first_ts)"
    changes["last_ts"] = "last_ts = max(last_ts, excluded.last_ts)"
    sql = (
        f"INSERT INTO finding ({', '.join(columns)}, state, note) "
        f"VALUES ({', '.join('?' * len(columns))}, 'new', '') "
        f"ON CONFLICT ({', '.join(FINDING_KEY)}) DO UPDATE SET {', '.join(changes.values())} RETURNING id"
    )
    ids = []
    for finding in findings:
        values = [
            json.dumps(list(finding[name]), ensure_ascii=False) if name in is_list else finding[name] for name in names
        ]
        values.append(json.dumps(finding.get("phrases", {}), ensure_ascii=False))
        ids.append(int(db.execute(sql, values).fetchone()[0]))
        _keep_channels(db, ids[-1], finding.get("channels", ()))
        _keep_parts(db, ids[-1], finding.get("parts", ()))
    return ids


def _keep_channels(db: sqlite3.Connection, finding_id: int, channels: Iterable[Mapping[str, Any]]) -> None:
    """Keep the channels beneath a finding, and let go of the findings that they were before they were gathered.

    One that a person has touched stays.
    """
    for channel in channels:
        values = [
            json.dumps(list(channel[field.name]), ensure_ascii=False) if field.type == "json" else channel[field.name]
            for field in FINDING_CHANNEL
        ]
        db.execute(_KEEP_CHANNEL, (finding_id, *values))
    superseded = db.execute(_SUPERSEDED, {"id": finding_id}).fetchall()
    for table in BENEATH_FINDING:
        db.executemany(f"DELETE FROM {table} WHERE finding_id = ?", superseded)
    db.executemany("DELETE FROM finding WHERE id = ?", superseded)


def _keep_parts(db: sqlite3.Connection, finding_id: int, parts: Iterable[Mapping[str, Any]]) -> None:
    """Keep what the score of the last analysis is made of."""
    db.execute("DELETE FROM finding_part WHERE finding_id = ?", (finding_id,))
    db.executemany(
        "INSERT INTO finding_part VALUES (?, ?, ?, ?, ?)",
        [(finding_id, number, part["name"], part["amount"], part["unit"]) for number, part in enumerate(parts)],
    )
