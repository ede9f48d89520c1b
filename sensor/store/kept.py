"""The captures that a live sensor keeps in its store: pcapng files, each named after the time it spans.

In: a store's folder. Out: which files there are, and room made by removing the oldest. Never reads or writes a packet.
Loads nothing heavy.
"""

from __future__ import annotations

import calendar
import re
import time
from bisect import bisect_left
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensor.store.schema import PACKETS_NAME

NS = 1_000_000_000
UNFINISHED = ".unfinished.pcapng"
"""The file that is being written; it gets its name when it is complete. There is one writer, and so one such file."""

_FORM = "%Y%m%dT%H%M%S"
_NAME = re.compile(r"(\d{8}T\d{6})\.(\d{9})-(\d{8}T\d{6})\.(\d{9})\.pcapng")


@dataclass(frozen=True, slots=True, order=True)
class KeptFile:
    """A complete file. first_ts, last_ts : ns of its oldest and newest packet."""

    first_ts: int
    last_ts: int
    path: Path

    @property
    def size(self) -> int:
        """Bytes; 0 when it is gone."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0


def packets_folder(store_path: Path) -> Path:
    """Where the files are; there only once something was kept."""
    return store_path / PACKETS_NAME


def name_of(first_ts: int, last_ts: int) -> str:
    """The name of a file with packets of this span, UTC; names sort by time. Times before 1970 count as 1970."""
    return "-".join(_stamp(max(ts, 0)) for ts in (first_ts, last_ts)) + ".pcapng"


def kept_files(store_path: Path) -> list[KeptFile]:
    """Every complete file, the oldest first."""
    try:
        paths = list(packets_folder(store_path).iterdir())
    except FileNotFoundError:
        return []
    found = []
    for path in paths:
        parts = _NAME.fullmatch(path.name)
        if parts:
            with suppress(ValueError):  # no file of ours: there is no such time
                found.append(KeptFile(_ns(*parts.group(1, 2)), _ns(*parts.group(3, 4)), path))
    return sorted(found)


def overlapping(files: Iterable[KeptFile], spans: Iterable[tuple[int, int]]) -> list[KeptFile]:
    """The files that hold packets of one of the spans (ns, both ends included), the oldest first."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    starts, ends = [first for first, _ in merged], [last for _, last in merged]
    found = []
    for file in files:
        i = bisect_left(ends, file.first_ts)
        if i < len(merged) and starts[i] <= file.last_ts:
            found.append(file)
    return found


def kept_summary(store_path: Path) -> dict[str, Any]:
    """`files` and `bytes` of the kept captures, the unfinished one included; `first_ts` and `last_ts`, ns, or None."""
    files = kept_files(store_path)
    unfinished = KeptFile(0, 0, packets_folder(store_path) / UNFINISHED).size
    return {
        "files": len(files) + bool(unfinished),
        "bytes": sum(file.size for file in files) + unfinished,
        "first_ts": min((file.first_ts for file in files), default=None),
        "last_ts": max((file.last_ts for file in files), default=None),
    }


def _stamp(ts: int) -> str:
    seconds, rest = divmod(ts, NS)
    return f"{time.strftime(_FORM, time.gmtime(seconds))}.{rest:09d}"


def _ns(second: str, rest: str) -> int:
    return calendar.timegm(time.strptime(second, _FORM)) * NS + int(rest)
