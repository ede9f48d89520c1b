"""What a network card does to packets before anyone sees them, by ethtool's ioctl. Reads only; needs no privilege."""

import fcntl
import socket
import struct
from array import array
from contextlib import suppress

_SIOCETHTOOL = 0x8946
_FLAG_LRO, _FLAG_RX_VLAN = 1 << 15, 1 << 8  # ETH_FLAG_ of ETHTOOL_GFLAGS
_QUESTIONS = {"gro": 0x2B, "tso": 0x1E, "gso": 0x23}  # ETHTOOL_GGRO, GTSO, GGSO
_GET_FLAGS, _GET_CHANNELS = 0x25, 0x3C


def offloads(name: str) -> dict[str, bool]:
    """Which of gro, lro, tso, gso and rx-vlan are on; what the driver does not answer is left out."""
    answers = {}
    for feature, question in _QUESTIONS.items():
        if (value := _ask(name, question)) is not None:
            answers[feature] = bool(value)
    if (flags := _ask(name, _GET_FLAGS)) is not None:
        answers["lro"] = bool(flags & _FLAG_LRO)
        answers["rx-vlan"] = bool(flags & _FLAG_RX_VLAN)
    return answers


def receive_queues(name: str) -> int | None:
    """How many queues the card spreads received packets over; None where the driver does not say."""
    answer = _ethtool(name, struct.pack("=9I", _GET_CHANNELS, *(0 for _ in range(8))))
    if answer is None:
        return None
    counts = struct.unpack("=9I", answer)
    return counts[5] + counts[8] or None  # rx_count and combined_count


def _ask(name: str, question: int) -> int | None:
    answer = _ethtool(name, struct.pack("=II", question, 0))
    return None if answer is None else int(struct.unpack("=II", answer)[1])


def _ethtool(name: str, question: bytes) -> bytes | None:
    buffer = array("B", question)
    address, _ = buffer.buffer_info()
    request = struct.pack("16sP16x", name.encode(), address)
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asker:
        fcntl.ioctl(asker, _SIOCETHTOOL, request)
        return buffer.tobytes()
    return None
