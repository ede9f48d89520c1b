"""Write beginnings of conversations found in captures to a folder: what the fuzz harnesses start from.

usage: python benchmarks/fuzz_seeds.py FOLDER

Captures are those in pcaps/ and, where there are any, in the folder that KAGAMI_SHARED_DATA names or ../shared/data.
A file holds the first payloads of one conversation, each behind three bytes: side (0 originator) with bit 1 set for
UDP, and its length, big-endian. Conversations whose first payloads begin alike are left out.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sensor.capture.reader import open_capture
from sensor.constants import PROTO_TCP, PROTO_UDP, STATUS_OK
from sensor.decode.decoder import Decoder
from sensor.errors import KagamiError

_ROOT = Path(__file__).resolve().parent.parent
_FILE_BYTES_MAX = 4_000_000
_FILES_MAX = 500
_PACKETS = 400  # of each capture
_PAYLOADS = 6  # of each conversation
_PAYLOAD_BYTES = 1500
_ALIKE = 12  # bytes in which two first payloads of one kind are taken for the same

Conversation = list[tuple[int, bytes]]


def conversations(path: Path) -> dict[tuple[object, ...], Conversation]:
    """(side, payload) of the first packets of each conversation in the first batch of a capture."""
    found: dict[tuple[object, ...], Conversation] = {}
    sides: dict[tuple[object, ...], int] = {}
    with open_capture(str(path)) as capture:
        batch = next(iter(capture.batches()), None)
        if batch is None:
            return found
        for row in Decoder().decode(batch)[:_PACKETS]:
            proto, cap = int(row["proto"]), int(row["payload_cap"])
            if row["status"] != STATUS_OK or cap == 0 or row["is_carrier"] or proto not in (PROTO_TCP, PROTO_UDP):
                continue
            ends = [(int(row[f"{side}_lo"]), int(row[f"{side}_port"])) for side in ("src", "dst")]
            key = (proto, *sorted(ends))
            first = sides.setdefault((key, ends[0]), 0 if key not in found else 1)
            begin = int(row["payload_off"])
            payload = batch.frames[begin : begin + min(cap, _PAYLOAD_BYTES)].tobytes()
            taken = found.setdefault(key, [])
            if len(taken) < _PAYLOADS:
                taken.append((first | (2 if proto == PROTO_UDP else 0), payload))
    return found


def main() -> None:
    folder = Path(sys.argv[1])
    shared = Path(os.environ.get("KAGAMI_SHARED_DATA") or _ROOT.parent / "shared" / "data")
    paths = [path for root in (_ROOT, shared) for path in sorted((root / "pcaps").rglob("*.pcap*")) if path.is_file()]
    seen: set[tuple[object, ...]] = set()
    for path in [path for path in paths if path.stat().st_size <= _FILE_BYTES_MAX][:_FILES_MAX]:
        try:
            found = conversations(path)
        except (KagamiError, OSError):
            continue
        for conversation in found.values():
            alike = tuple((side, payload[:_ALIKE]) for side, payload in conversation[:2])
            if alike in seen:
                continue
            seen.add(alike)
            parts = [bytes([side]) + len(payload).to_bytes(2, "big") + payload for side, payload in conversation]
            (folder / f"{len(seen):05}").write_bytes(b"".join(parts))


if __name__ == "__main__":
    main()
