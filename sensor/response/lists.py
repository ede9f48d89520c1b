"""Blocklists over time: what the last one held, whether a new one changes too much, and the files of one.

Every list that is written is kept in the store with its entries, so that the next can be compared with it and an older
one brought back. This module never asks the clock and never applies a list.
"""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensor import __version__
from sensor.errors import PrivilegeError, UsageError
from sensor.response.blocklist import Blocklist, Entry, Held
from sensor.response.files import write_atomically
from sensor.response.formats.form import NS, Made, moment
from sensor.response.formats.table import FORMS
from sensor.response.jsontext import json_text
from sensor.store.columns import BLOCKLIST
from sensor.store.store import Store

MAX_CHANGE = 0.5
FEW = 5
"""A list may grow or shrink by half of what it held, or by FEW entries, before somebody has to say yes."""

SIGN_NAMESPACE = "kagami-blocklist"
_SIGN_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Change:
    """What a new list does to the last one of its format: values, sorted."""

    added: list[str]
    removed: list[str]
    kept: list[str]

    @property
    def is_large(self) -> bool:
        """Whether more changed than goes without asking; a first list has nothing to change."""
        n_before = len(self.removed) + len(self.kept)
        n_changed = max(len(self.added), len(self.removed))
        return n_before > 0 and n_changed > FEW and n_changed > MAX_CHANGE * n_before


@dataclass(frozen=True, slots=True)
class Written:
    """A list that was written. entries : what was on it."""

    number: int
    made_ts: int
    form: str
    path: str
    serial: int
    entries: list[Entry]


def written_lists(store: Store) -> list[dict[str, Any]]:
    """Every list that was written, the newest first, in the fields of columns.BLOCKLIST; `entries` is their number."""
    names = ", ".join(f'"{field.name}"' for field in BLOCKLIST[:-1])
    rows = store.db.execute(f"SELECT {names}, json_array_length(entries) FROM blocklist ORDER BY id DESC")
    return [dict(zip((field.name for field in BLOCKLIST), row, strict=True)) for row in rows]


def last_list(store: Store, form: str) -> Written | None:
    """The last list of a format."""
    return _one(store, "WHERE format = ? ORDER BY id DESC LIMIT 1", form)


def list_number(store: Store, number: int) -> Written:
    """The list of a number.

    Raises: UsageError when there is none.
    """
    found = _one(store, "WHERE id = ?", number)
    if found is None:
        raise UsageError(f"there is no blocklist {number}; `kagami blocklist --history` lists them")
    return found


def _one(store: Store, rest: str, value: object) -> Written | None:
    row = store.db.execute(
        f'SELECT id, made_ts, "format", path, serial, entries FROM blocklist {rest}', (value,)
    ).fetchone()
    if row is None:
        return None
    number, made_ts, form, path, serial, entries = row
    return Written(number, made_ts, form, path, serial, [Entry.of_row(entry) for entry in json.loads(entries)])


def change(entries: Sequence[Entry], last: Written | None) -> Change:
    """What entries change against the last list."""
    new = {entry.value for entry in entries}
    old = {entry.value for entry in last.entries} if last else set()
    return Change(sorted(new - old), sorted(old - new), sorted(new & old))


def next_serial(last: Written | None, now_ns: int) -> int:
    """Seconds since 1970, or one more than the last where the clock went back: a zone's serial has to rise."""
    return max(now_ns // NS, last.serial + 1 if last else 0)


def render(form: str, entries: Sequence[Entry], made: Made) -> str:
    """The text of a list: of the kinds of entries that its format has a place for."""
    return FORMS[form].render([entry for entry in entries if FORMS[form].takes(entry)], made)


def write(
    store: Store, path: Path, form: str, chosen: Blocklist, made: Made, *, who: str, sign_key: Path | None = None
) -> int:
    """Write a list, its sidecar `<name>.meta.json` and, with a key, its signature `<name>.sig`; keep it in the store.

    store : opened for notes
    Returns: the list's number.
    Raises: UsageError when a file cannot be written, PrivilegeError when it cannot be signed.
    """
    text = render(form, chosen.entries, made)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    sidecar = path.with_name(path.name + ".meta.json")
    write_atomically(sidecar, json_text(_meta(form, chosen, made, sha256, who)))
    write_atomically(path, text)
    if sign_key is not None:
        sign(path, sign_key)
    entries = [entry.row() for entry in chosen.entries if FORMS[form].takes(entry)]
    with store.transaction():
        cursor = store.db.execute(
            """INSERT INTO blocklist (made_ts, who, "format", path, serial, sha256, entries)
            VALUES (?, ?, ?, ?, ?, ?, ?)""",
            (made.ts_ns, who, form, str(path.resolve()), made.serial, sha256, json.dumps(entries)),
        )
    return int(cursor.lastrowid or 0)


def sign(path: Path, key: Path) -> None:
    """Make a detached signature `<path>.sig` with an SSH key (ssh-keygen -Y sign).

    Raises: PrivilegeError when ssh-keygen is missing or refuses.
    """
    program = shutil.which("ssh-keygen")
    if program is None:
        raise PrivilegeError("--sign needs ssh-keygen (Debian: apt-get install openssh-client)")
    path.with_name(path.name + ".sig").unlink(missing_ok=True)  # ssh-keygen asks before it replaces one
    done = subprocess.run(
        [program, "-Y", "sign", "-f", str(key), "-n", SIGN_NAMESPACE, str(path.resolve())],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SIGN_TIMEOUT_S, check=False,
    )  # fmt: skip
    if done.returncode:
        raise PrivilegeError(f"ssh-keygen cannot sign with {key}: {done.stderr.strip()}; the list itself was written")


def _meta(form: str, chosen: Blocklist, made: Made, sha256: str, who: str) -> dict[str, Any]:
    return {
        "generator": f"kagami {__version__}",
        "format": form,
        "made": moment(made.ts_ns),
        "made_by": who,
        "serial": made.serial,
        "sha256": sha256,
        "entries": [_told(entry) for entry in chosen.entries if FORMS[form].takes(entry)],
        "not_in_this_format": [entry.value for entry in chosen.entries if not FORMS[form].takes(entry)],
        "held_back": [_held(held) for held in chosen.held],
    }


def _told(entry: Entry) -> dict[str, Any]:
    return {
        "value": entry.value,
        "kind": entry.kind,
        "finding": entry.finding_id,
        "analyzer": entry.analyzer,
        "severity": entry.severity,
        "score": entry.score,
        "reasons": list(entry.reasons),
        "first_seen": moment(entry.first_ts),
        "last_seen": moment(entry.last_ts),
        "expires": moment(entry.expires_ts),
        "shared": entry.is_shared,
    }


def _held(held: Held) -> dict[str, Any]:
    return {"value": held.value, "finding": held.finding_id, "reason": held.reason}
