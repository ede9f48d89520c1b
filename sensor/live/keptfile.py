"""One pcapng file of kept packets in the making, and what a sensor that was killed left of one.

A file is appended to in whole blocks under another name and gets its own, with the time it spans, when it is complete.
"""

import mmap
import os
import struct
from pathlib import Path

from sensor.capture import blocks
from sensor.capture.walk import MAX_FRAME_BYTES
from sensor.live.chooser import Chunk
from sensor.store.kept import UNFINISHED, name_of

_FILE_MODE, _FOLDER_MODE = 0o640, 0o750  # packets are for those who may read the store


class OpenFile:
    """The file that is being written. Every method raises OSError when the disk does not take it.

    link : of its one interface; size : bytes that it holds; packets : in it
    """

    def __init__(self, folder: Path, link: int, interface: str, comment: str) -> None:
        folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        self._path = folder / UNFINISHED
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _FILE_MODE)
        self.link = link
        self.size = self.packets = 0
        self._first_ts = self._last_ts = 0
        head = blocks.section(comment) + blocks.interface(link, name=interface, snaplen_bytes=MAX_FRAME_BYTES)
        try:
            self._append(memoryview(head))
        except OSError:
            self.drop()
            raise

    def append(self, chunk: Chunk) -> None:
        """Append a chunk and have it on the disk; one that does not fit leaves nothing behind."""
        self._append(chunk.buffer[: chunk.used].data)
        self._first_ts = min(self._first_ts, chunk.first_ts) if self.packets else chunk.first_ts
        self._last_ts = max(self._last_ts, chunk.last_ts) if self.packets else chunk.last_ts
        self.packets += chunk.packets

    def _append(self, data: memoryview) -> None:
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._descriptor, data[written:], self.size + written)
            os.fdatasync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(data)

    def finish(self) -> Path:
        """Give the file its name."""
        os.close(self._descriptor)
        return _named(self._path, self._first_ts, self._last_ts)

    def drop(self) -> None:
        """Let go of a file without packets."""
        os.close(self._descriptor)
        self._path.unlink(missing_ok=True)


def recover(folder: Path) -> int:
    """Complete the file that a sensor left when it was killed: its whole blocks are kept; without a packet it goes.

    Returns: the packets in it. Raises: OSError.
    """
    path = folder / UNFINISHED
    if not path.exists():
        return 0
    end, packets, first_ts, last_ts = _whole_blocks(path)
    if not packets:
        path.unlink()
        return 0
    with path.open("r+b") as file:
        file.truncate(end)
        os.fsync(file.fileno())
    _named(path, first_ts, last_ts)
    return packets


def _named(path: Path, first_ts: int, last_ts: int) -> Path:
    target = path.with_name(name_of(first_ts, last_ts))
    number = 0
    while target.exists():  # two workers' packets of the very same times; the name sorts the same
        number += 1
        target = path.with_name(name_of(first_ts, last_ts + number))
    path.rename(target)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)  # the new name, too, survives a power cut
    finally:
        os.close(descriptor)
    return target


def _whole_blocks(path: Path) -> tuple[int, int, int, int]:
    """Where the last whole block of one of our files ends; the packets before it, their oldest and newest time, ns."""
    packets, first_ts, last_ts, pos = 0, 0, 0, 0
    if not path.stat().st_size:
        return 0, 0, 0, 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        while pos + 12 <= len(data):
            kind, length = struct.unpack_from("=II", data, pos)
            is_block = kind in (blocks.SECTION, blocks.INTERFACE, blocks.PACKET) and length >= 12 and length % 4 == 0
            if not is_block or pos + length > len(data):
                break
            if struct.unpack_from("=I", data, pos + length - 4)[0] != length:
                break
            if kind == blocks.PACKET:
                if length < 32:
                    break
                high, low = struct.unpack_from("=II", data, pos + 12)
                ts = high << 32 | low
                first_ts = min(first_ts, ts) if packets else ts
                last_ts = max(last_ts, ts)
                packets += 1
            pos += length
    return pos, packets, first_ts, last_ts
