"""Addresses, networks, protocols: their text, what packet rows have for it, and whether one network holds another.

The standard library only.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_address

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_MAPPED = 0xFFFF_0000_0000
_PROTOS = {"icmp": (1, 58), "tcp": (6,), "udp": (17,), "sctp": (132,)}


@dataclass(frozen=True, slots=True)
class Ranges:
    """Networks as sorted, disjoint integer ranges, one list per IP version: membership is one bisection."""

    starts4: list[int]
    ends4: list[int]
    starts6: list[int]
    ends6: list[int]

    @classmethod
    def of(cls, networks: Iterable[Network]) -> "Ranges":
        """The ranges that networks cover together."""
        networks = tuple(networks)
        v4 = list(collapse_addresses([net for net in networks if isinstance(net, IPv4Network)]))
        v6 = list(collapse_addresses([net for net in networks if isinstance(net, IPv6Network)]))
        return cls(
            [int(net.network_address) for net in v4],
            [int(net.broadcast_address) for net in v4],
            [int(net.network_address) for net in v6],
            [int(net.broadcast_address) for net in v6],
        )

    def holds(self, address: Address) -> bool:
        """Whether an address lies in one of the networks."""
        value = int(address)
        starts, ends = (self.starts4, self.ends4) if address.version == 4 else (self.starts6, self.ends6)
        i = bisect_right(starts, value) - 1
        return i >= 0 and value <= ends[i]


def parse_address(value: str | Address) -> Address | None:
    """An address from its text, None for other text; an IPv4-mapped IPv6 address is its IPv4 address, as in rows."""
    if isinstance(value, str):
        try:
            value = ip_address(value)
        except ValueError:
            return None
    if isinstance(value, IPv6Address) and value.ipv4_mapped is not None:
        return value.ipv4_mapped
    return value


def is_holding(network: Network, address: Address) -> bool:
    """Whether a network holds an address of the same version."""
    return network.version == address.version and address in network


def split_endpoint(text: str) -> tuple[str, str]:
    """Address and port of "address:port", as rows name a proxy; an IPv6 address loses its brackets."""
    address, _, port = text.rpartition(":")
    return address.strip("[]"), port


def packet_address(address: Address) -> int:
    """An address as packet rows have it: 128 bits, IPv4 in its mapped form (RFC 4291 section 2.5.5.2)."""
    return int(address) | _MAPPED if isinstance(address, IPv4Address) else int(address)


def packet_protos(name: str) -> tuple[int, ...]:
    """The IP protocol numbers that a row's `proto` stands for; none for other text."""
    number = name.removeprefix("ip-")
    return _PROTOS.get(name) or ((int(number),) if number.isascii() and number.isdigit() else ())


LOCAL_SUFFIXES = ("local", "localhost", "internal", "lan", "home", "corp", "intranet", "arpa", "invalid", "onion")
"""Names that the public DNS does not know (RFC 6761, RFC 6762, RFC 8375, ICANN's list of colliding names)."""


def is_public_name(name: str) -> bool:
    """Whether a name may be one of the public DNS: no address, of two labels or more, and not below a local suffix."""
    first, _, last = name.lower().removesuffix(".").rpartition(".")
    return bool(first) and last not in LOCAL_SUFFIXES and not last.isdigit() and ":" not in name
