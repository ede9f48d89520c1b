"""DNS resolvers: a response policy zone (BIND, Unbound, Knot, PowerDNS) and Unbound's own local zones."""

from collections.abc import Sequence
from ipaddress import ip_address

from sensor.response.blocklist import ADDRESS, DOMAIN, Entry
from sensor.response.formats.form import Form, Made, addresses, covering, domains, heading

_TTL_S = 300
_MAX_OWNER_CHARS = 240
"""An owner name with the zone's own name behind it must stay within 255 octets (RFC 1035 section 2.3.4)."""


def _rpz(entries: Sequence[Entry], made: Made) -> str:
    """A zone file, draft-vixie-dnsop-dns-rpz: NXDOMAIN for names, all under them, and answers with these addresses."""
    lines = [
        f"$TTL {_TTL_S}",
        f"@ IN SOA localhost. root.localhost. ( {made.serial} 3600 600 86400 {_TTL_S} )",
        "@ IN NS localhost.",
    ]
    for entry in domains(entries):
        lines += [f"{entry.value} CNAME .", f"*.{entry.value} CNAME ."]
    lines += [f"32.{'.'.join(reversed(entry.value.split('.')))}.rpz-ip CNAME ." for entry in addresses(entries, 4)]
    lines += [f"128.{_reversed6(entry.value)}.rpz-ip CNAME ." for entry in addresses(entries, 6)]
    return heading(len(entries), made, ";") + "".join(f"{line}\n" for line in lines)


def _reversed6(value: str) -> str:
    """An IPv6 address as RPZ writes it: its words backwards, zz for the run of zeros."""
    head, gap, tail = str(ip_address(value)).partition("::")
    words = [*reversed(tail.split(":") if tail else []), *(["zz"] if gap else [])]
    return ".".join([*words, *reversed(head.split(":") if head else [])])


def _unbound(entries: Sequence[Entry], made: Made) -> str:
    """A file for `include:` in unbound.conf; a local zone stands for everything under it."""
    found = covering(entries)
    lines = "".join(f'    local-zone: "{entry.value}." always_nxdomain\n' for entry in found)
    return heading(len(found), made, "#") + "server:\n" + lines


RPZ = Form((ADDRESS, DOMAIN), _rpz, most_chars=_MAX_OWNER_CHARS)
UNBOUND = Form((DOMAIN,), _unbound)
