"""What the kernel says about a network interface: index, whether it is up, link type, MTU.

In: a name. Out: facts, read by ioctl so that they are those of this network namespace. Changes nothing.
"""

import fcntl
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sensor.constants import LINK_ETHERNET, LINK_IEEE802_11, LINK_RADIOTAP, LINK_RAW
from sensor.errors import UsageError

_SIOCGIFFLAGS, _SIOCGIFMTU, _SIOCGIFHWADDR = 0x8913, 0x8921, 0x8927
_IFF_UP, _IFF_LOOPBACK, _IFF_RUNNING = 0x1, 0x8, 0x40
_COUNTERS = Path("/proc/self/net/dev")
_NAME_BYTES = 15  # IFNAMSIZ less its zero

_LINKS = {  # ARPHRD_ of linux/if_arp.h -> LINKTYPE_ of what an AF_PACKET raw socket gives
    1: LINK_ETHERNET,
    772: LINK_ETHERNET,  # loopback has Ethernet headers
    801: LINK_IEEE802_11,
    803: LINK_RADIOTAP,
    65534: LINK_RAW,  # tun, wireguard
    768: LINK_RAW,  # IP in IP
    769: LINK_RAW,
    776: LINK_RAW,  # sit
    778: LINK_RAW,  # GRE over IP
    823: LINK_RAW,
}


@dataclass(frozen=True, slots=True)
class InterfaceFacts:
    """One interface as it is now.

    hardware : ARPHRD_ number; link : LINKTYPE_ of its frames, None where kagami does not decode them
    is_up : brought up by a person; is_running : a cable is in and the other end is there
    mtu_bytes : longest IP packet
    """

    name: str
    index: int
    hardware: int
    link: int | None
    mtu_bytes: int
    is_up: bool
    is_running: bool
    is_loopback: bool

    @property
    def state(self) -> str:
        """up, no-carrier or down."""
        return "down" if not self.is_up else "up" if self.is_running else "no-carrier"


def interface_names() -> list[str]:
    """Every interface of this network namespace, sorted."""
    return sorted(name for _, name in socket.if_nameindex())


def interface_facts(name: str) -> InterfaceFacts | None:
    """What is known of an interface; None where there is none of that name."""
    if not name or len(name.encode()) > _NAME_BYTES:
        return None
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asker:
        index = socket.if_nametoindex(name)
        (flags,) = struct.unpack_from("=H", _ask(asker, _SIOCGIFFLAGS, name), 16)
        (mtu,) = struct.unpack_from("=i", _ask(asker, _SIOCGIFMTU, name), 16)
        (hardware,) = struct.unpack_from("=H", _ask(asker, _SIOCGIFHWADDR, name), 16)
        return InterfaceFacts(
            name=name,
            index=index,
            hardware=hardware,
            link=_LINKS.get(hardware),
            mtu_bytes=mtu,
            is_up=bool(flags & _IFF_UP),
            is_running=bool(flags & _IFF_RUNNING),
            is_loopback=bool(flags & _IFF_LOOPBACK),
        )
    return None


def dropped_before(name: str) -> int:
    """Packets that the interface dropped before any program could see them, by its own counters; 0 where it is gone.

    No room in the card, its driver or the kernel's queue: rx_dropped, rx_missed_errors and rx_fifo_errors.
    """
    with suppress(OSError):
        for line in _COUNTERS.read_text(encoding="ascii", errors="replace").splitlines():
            label, _, numbers = line.partition(":")
            if label.strip() == name:
                fields = numbers.split()
                return int(fields[3]) + int(fields[4])
    return 0


def must_be_watchable(name: str) -> InterfaceFacts:
    """The facts of an interface that can be captured from.

    Raises: UsageError when there is none of that name, or its frames are of a kind that kagami does not decode.
    """
    facts = interface_facts(name)
    if facts is None:
        raise UsageError(f"there is no interface {name!r}; there are: {', '.join(interface_names()) or 'none'}")
    if facts.link is None:
        raise UsageError(
            f"{name} has frames of hardware type {facts.hardware}, which kagami does not decode; "
            "it watches Ethernet, tunnels that carry IP, and 802.11 in monitor mode"
        )
    return facts


def _ask(asker: socket.socket, question: int, name: str) -> bytes:
    return fcntl.ioctl(asker, question, struct.pack("=16s24x", name.encode()))
