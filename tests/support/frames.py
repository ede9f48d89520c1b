"""Frames for decoding tests: a batch from bytes, rows in readable terms, captures to mutate."""

import ipaddress
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sensor import constants as c
from sensor.capture.batch import Batch
from sensor.capture.reader import open_capture
from sensor.decode.decoder import Decoder
from sensor.errors import InputError


def batch_of(
    frames: Sequence[bytes],
    links: int | Sequence[int] = c.LINK_ETHERNET,
    ts_ns: Sequence[int] | None = None,
    wire_lens: Sequence[int] | None = None,
    vlan_ids: Sequence[int] | None = None,
) -> Batch:
    """One batch of these frames; times count up from 0 ns, nothing is cut and no tag was stripped unless said."""
    n = len(frames)
    lengths = np.array([len(frame) for frame in frames], np.int64)
    end = np.cumsum(lengths)
    return Batch(
        frames=np.frombuffer(b"".join(frames), np.uint8),
        start=end - lengths,
        end=end,
        ts_ns=np.arange(n, dtype=np.int64) if ts_ns is None else np.array(ts_ns, np.int64),
        wire_len=np.array(lengths if wire_lens is None else wire_lens, np.uint32),
        link=np.full(n, links, np.uint16) if isinstance(links, int) else np.array(links, np.uint16),
        vlan_id=np.zeros(n, np.uint16) if vlan_ids is None else np.array(vlan_ids, np.uint16),
    )


def decode(batch: Batch, decoder: Decoder | None = None) -> NDArray[np.void]:
    """The rows of a batch, copied out."""
    return (decoder or Decoder()).decode(batch).copy()


def address(row: np.void, side: str) -> str:
    """The address of side "src" or "dst" as text."""
    high, low = int(row[f"{side}_hi"]), int(row[f"{side}_lo"])
    if row["ip_version"] == 4:
        assert high == 0
        assert low >> 32 == 0xFFFF
        return str(ipaddress.IPv4Address(low & 0xFFFFFFFF))
    return str(ipaddress.IPv6Address((high << 64) | low))


def endpoints(row: np.void) -> tuple[str, int, str, int]:
    """(source address, source port, destination address, destination port)."""
    return address(row, "src"), int(row["src_port"]), address(row, "dst"), int(row["dst_port"])


def payload(row: np.void, batch: Batch) -> bytes:
    """The captured payload that a row points at."""
    start = int(row["payload_off"])
    return batch.frames[start : start + int(row["payload_cap"])].tobytes()


def real_frames(paths: Iterable[Path], each: int) -> list[tuple[int, bytes]]:
    """(link type, bytes) of up to `each` frames of every capture."""
    found: list[tuple[int, bytes]] = []
    for path in paths:
        try:
            with open_capture(str(path)) as capture:
                batch = next(capture.batches(), None)
                for i in range(min(each, len(batch) if batch else 0)):
                    assert batch is not None
                    found.append((int(batch.link[i]), batch.frames[batch.start[i] : batch.end[i]].tobytes()))
        except InputError:
            continue
    return found
