"""What everybody's machines need, and whose front ends many sites share: what blocking would take along.

Blocking an update source, certificate status, time or a public resolver does more harm than most implants. The names
are the sets of sensor/data/destinations.toml, with what the site file adds; the ranges of shared front ends are in
sensor/data/front_ends.toml.
"""

import tomllib
from functools import cache
from importlib import resources
from ipaddress import ip_network

from sensor.destinations import Destinations
from sensor.site import Address, Network

NEEDS = {
    "an update source": (
        *("windows-update", "linux-update", "linux-project", "apple-update", "office-update", "browser-update"),
        "antivirus",
    ),
    "a source of certificate status": ("revocation", "certificate-authority"),
    "a time source": ("ntp",),
}
"""What a domain is needed for -> the sets of destinations that say so."""


def need_of_name(name: str, destinations: Destinations) -> str:
    """What a domain is needed for: blocking it, with all under it, would take an update source or the like along.

    name : lower case, without the dot at its end
    Returns: words, or an empty text.
    """
    for words, sets in NEEDS.items():
        for domain in (domain for known in sets for domain in destinations.sets[known].names):
            if name == domain or name.endswith("." + domain) or domain.endswith("." + name):
                return words
    return ""


def is_public_resolver(address: Address, destinations: Destinations) -> bool:
    """Whether an address is one of the resolvers that people put into their settings by number."""
    return str(address) in destinations.doh_addresses


def shared_network(address: Address) -> str:
    """The content network whose front ends, shared by many sites, have the address; empty for none known."""
    for operator, networks in _front_ends():
        if any(address in network for network in networks):
            return operator
    return ""


@cache
def _front_ends() -> tuple[tuple[str, tuple[Network, ...]], ...]:
    text = resources.files("sensor").joinpath("data", "front_ends.toml").read_text(encoding="utf-8")
    return tuple((name, tuple(map(ip_network, known))) for name, known in tomllib.loads(text)["networks"].items())
