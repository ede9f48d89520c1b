"""The blocks that pcapng files of ours begin with: a section, and its interfaces with nanosecond times.

In: what is said of an interface. Out: bytes in this machine's byte order, which the section tells. Writes no file.

Source: draft-ietf-opsawg-pcapng (Section Header Block, Interface Description Block).
"""

import struct

SECTION, INTERFACE, PACKET = 0x0A0D0D0A, 1, 6
"""Block types; a packet's is the Enhanced Packet Block."""

_BYTE_ORDER = 0x1A2B3C4D
_UNKNOWN_LENGTH = -1
_OPT_END, _OPT_COMMENT, _OPT_IF_NAME, _OPT_TSRESOL = 0, 1, 2, 9
_NANOSECONDS = 9
_MAX_OPTION_BYTES = 0xFFFF


def block(kind: int, body: bytes) -> bytes:
    """One block of any type, padded."""
    body += bytes(-len(body) % 4)
    length = struct.pack("=I", len(body) + 12)
    return struct.pack("=I", kind) + length + body + length


def section(comment: str = "") -> bytes:
    """A section header, with a remark for whoever opens the file."""
    body = struct.pack("=IHHq", _BYTE_ORDER, 1, 0, _UNKNOWN_LENGTH)
    return block(SECTION, body + (_option(_OPT_COMMENT, comment.encode()) + _option(_OPT_END) if comment else b""))


def interface(link: int, *, name: str = "", snaplen_bytes: int = 0) -> bytes:
    """An interface with times in nanoseconds.

    link : LINKTYPE_; name : as the machine calls it, empty: not told; snaplen_bytes : longest frame, 0: no limit
    """
    options = _option(_OPT_IF_NAME, name.encode()) if name else b""
    options += _option(_OPT_TSRESOL, bytes([_NANOSECONDS])) + _option(_OPT_END)
    return block(INTERFACE, struct.pack("=HHI", link, 0, snaplen_bytes) + options)


def _option(code: int, value: bytes = b"") -> bytes:
    value = value[:_MAX_OPTION_BYTES]
    return struct.pack("=HH", code, len(value)) + value + bytes(-len(value) % 4)
