"""What a person means by --host and --dest: an address, a network, or a name with everything under it."""

import ipaddress
from dataclasses import dataclass

from sensor.errors import UsageError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NONE = "none"
"""What stands for an empty column in a filter: an application not recognised, a question not answered."""


@dataclass(frozen=True, slots=True)
class Target:
    """Exactly one of the three is set.

    address : canonical text
    network : the network
    name : lower case, without dots at its ends
    """

    address: str = ""
    network: Network | None = None
    name: str = ""

    def matches_address(self, address: str) -> bool:
        """Whether an address in canonical text is meant."""
        if self.network is None:
            return address == self.address
        try:
            return ipaddress.ip_address(address) in self.network
        except ValueError:
            return False

    def matches_name(self, name: str) -> bool:
        """Whether a name is the one meant, or under it."""
        lower = name.lower().rstrip(".")
        return bool(self.name) and (lower == self.name or lower.endswith("." + self.name))

    def __str__(self) -> str:
        """As `parse_target` takes it."""
        return self.address or self.name or str(self.network)


def overlaps(one: Target, other: Target) -> bool:
    """Whether something is in both: one is the other, in it, or under it."""
    if one.name or other.name:
        return bool(one.name and other.name) and (one.matches_name(other.name) or other.matches_name(one.name))
    first, second = _network(one), _network(other)
    return first.version == second.version and first.overlaps(second)


def _network(target: Target) -> Network:
    return ipaddress.ip_network(target.address) if target.network is None else target.network


def parse_target(value: str) -> Target:
    """An address, a network in CIDR notation, or a name.

    Raises: UsageError for what is none of them.
    """
    value = value.strip()
    try:
        if "/" in value:
            return Target(network=ipaddress.ip_network(value, strict=False))
        return Target(address=canonical_address(value))
    except ValueError:
        name = value.lower().removeprefix("*").strip(".")
    if not name or any(mark in name for mark in "/ \t\n"):
        raise UsageError(f"{value!r} is no address, no network such as 10.0.0.0/8, and no name")
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise UsageError(f"{value!r} is no valid name: {error}") from error
    return Target(name=name)


def parse_name(value: str) -> str:
    """A name as `Target.name` has it.

    Raises: UsageError for an address, a network, and what is no name.
    """
    target = parse_target(value)
    if not target.name:
        raise UsageError(f"{value!r} is an address or a network, no name such as example.com")
    return target.name


def canonical_address(value: str) -> str:
    """The one way kagami writes an address; an IPv4-mapped IPv6 address is the IPv4 address.

    Raises: ValueError.
    """
    address = ipaddress.ip_address(value)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
