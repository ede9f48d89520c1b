"""Which captures a person meant: files, directories, standard input; and the order of the files of one ring.

In: words of a command line. Out: paths that `reader.open_capture` takes. Never reads past a file's first packets.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from sensor.capture.pcap import MAGICS
from sensor.capture.pcapng import SECTION_MAGIC
from sensor.capture.reader import open_capture
from sensor.capture.stream import STDIN, open_source
from sensor.errors import InputError, UsageError

_CAPTURE_NAME = re.compile(r"\.(pcap|pcapng|cap)\d*(\.(gz|xz|zst|lz4))?$", re.IGNORECASE)  # tcpdump -C adds digits


def discover(paths: Sequence[str]) -> list[str]:
    """The captures that `paths` name, each once: files and "-" as given, directories searched in sorted order.

    In a directory (and those below it, symbolic links to directories aside) a plain file counts when its content
    begins like a capture, compressed or not, or when its name says it is one: then opening it tells what is wrong.
    Hidden names are passed over. A directory without any capture stands for itself, so that opening it tells.
    Raises UsageError when there is nothing to look at.
    """
    if not paths:
        raise UsageError("no capture given; name files, directories, or '-' for standard input")
    found: dict[str, str] = {}
    for path in paths:
        inside = list(_captures_below(path)) if path != STDIN and Path(path).is_dir() else []
        for name in inside or [path]:
            found.setdefault(STDIN if name == STDIN else str(Path(name).resolve()), name)
    return list(found.values())


def _captures_below(directory: str) -> Iterator[str]:
    for folder, subfolders, names in os.walk(directory):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if name.startswith(".") or not path.is_file():
                continue
            if _CAPTURE_NAME.search(name) or _is_capture(str(path)):
                yield str(path)


def _is_capture(path: str) -> bool:
    """Whether the content begins like a capture; also true when it cannot be read: opening it will tell why."""
    try:
        source = open_source(path)
    except InputError:
        return True
    head = bytearray(4)
    source.readinto(memoryview(head))
    source.close()
    return bytes(head) in MAGICS or bytes(head) == SECTION_MAGIC


def order_rotated(paths: Sequence[str]) -> list[str]:
    """The files of one ring in capture order: by the time of their first packet, equal times by name.

    Names alone cannot tell: a ring (tcpdump -W) wraps around. Files without a packet that can be read come last, by
    name; numbers in names count as numbers.
    Raises UsageError for "-", whose first packet cannot be looked at without consuming it.
    """
    if STDIN in paths:
        raise UsageError("'-' cannot be part of a ring of files; replay it without --rotated")
    return sorted(paths, key=_ring_key)


def _ring_key(path: str) -> tuple[bool, int, list[tuple[int, str]]]:
    natural = [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", path)]
    first_ns = _first_ts_ns(path)
    return (first_ns is None, first_ns or 0, natural)


def _first_ts_ns(path: str) -> int | None:
    try:
        with open_capture(path) as capture:
            return next((int(batch.ts_ns[0]) for batch in capture.batches()), None)
    except InputError:
        return None
