"""Writing chosen frames as a pcapng file: one section, one interface for each link type, nanosecond times.

Source: draft-ietf-opsawg-pcapng (Section Header, Interface Description, Enhanced Packet Block). Frames are copied as
they are; a frame that a snaplen cut keeps its length on the wire.
"""

import struct
from pathlib import Path
from types import TracebackType

_SECTION = 0x0A0D0D0A
_INTERFACE, _PACKET = 1, 6
_BYTE_ORDER = 0x1A2B3C4D
_UNKNOWN_LENGTH = -1
_OPT_TSRESOL, _NANOSECONDS = 9, 9
_FILE_MODE = 0o640  # packets are for those who may read the store


class PcapngWriter:
    """A new file; a context manager. packets : frames written so far."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=_FILE_MODE)
        self._file = path.open("wb")
        self._interfaces: dict[int, int] = {}
        self.packets = 0
        self._block(_SECTION, struct.pack("<IHHq", _BYTE_ORDER, 1, 0, _UNKNOWN_LENGTH))

    def write(self, ts_ns: int, frame: bytes, wire_len: int, link: int) -> None:
        """Add a frame. A time before 1970 has no form here and becomes 0."""
        number = self._interfaces.get(link)
        if number is None:
            number = self._interfaces[link] = len(self._interfaces)
            options = struct.pack("<HHB3xHH", _OPT_TSRESOL, 1, _NANOSECONDS, 0, 0)
            self._block(_INTERFACE, struct.pack("<HHI", link, 0, 0) + options)
        units = max(ts_ns, 0)
        head = struct.pack("<IIIII", number, units >> 32, units & 0xFFFFFFFF, len(frame), max(wire_len, len(frame)))
        self._block(_PACKET, head + frame)
        self.packets += 1

    def _block(self, kind: int, body: bytes) -> None:
        body += bytes(-len(body) % 4)
        length = struct.pack("<I", len(body) + 12)
        self._file.write(struct.pack("<I", kind) + length + body + length)

    def __enter__(self) -> "PcapngWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
