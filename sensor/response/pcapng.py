"""Writing chosen frames as a pcapng file: one section, one interface for each link type, nanosecond times.

Source: draft-ietf-opsawg-pcapng (Enhanced Packet Block). Frames are copied as they are; a frame that a snaplen cut
keeps its length on the wire.
"""

import struct
from pathlib import Path
from types import TracebackType

from sensor.capture import blocks

_FILE_MODE = 0o640  # packets are for those who may read the store


class PcapngWriter:
    """A new file; a context manager. packets : frames written so far."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=_FILE_MODE)
        self._file = path.open("wb")
        self._interfaces: dict[int, int] = {}
        self.packets = 0
        self._file.write(blocks.section())

    def write(self, ts_ns: int, frame: bytes, wire_len: int, link: int) -> None:
        """Add a frame. A time before 1970 has no form here and becomes 0."""
        number = self._interfaces.get(link)
        if number is None:
            number = self._interfaces[link] = len(self._interfaces)
            self._file.write(blocks.interface(link))
        units = max(ts_ns, 0)
        head = struct.pack("=IIIII", number, units >> 32, units & 0xFFFFFFFF, len(frame), max(wire_len, len(frame)))
        self._file.write(blocks.block(blocks.PACKET, head + frame))
        self.packets += 1

    def __enter__(self) -> "PcapngWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
