"""Addresses and networks: their text, and whether one holds the other. The standard library only."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_address

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


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
