"""Linux firewalls: nftables (a table of its own, replaced in one transaction) and ipset (sets swapped in)."""

from collections.abc import Sequence

from sensor.response.blocklist import ADDRESS, Entry
from sensor.response.formats.form import Form, Made, addresses, heading, seconds_left, words

_TABLE = "kagami"
_MAX_NFT_TIMEOUT_S = 366 * 86_400
_MAX_IPSET_TIMEOUT_S = 2_147_483
"""ipset(8): what fits its 32-bit milliseconds."""

_IPSET_MAX_ELEMENTS = 1_048_576
"""The same for every list: a set is only swapped with one of equal parameters."""


def _nftables(entries: Sequence[Entry], made: Made) -> str:
    """For `nft -f`. The table is made, so that deleting it cannot fail, deleted and made anew, all at once."""
    sets = "".join(
        f"  set block{version} {{\n    type {kind}; flags interval, timeout; auto-merge;\n"
        f"{_elements(addresses(entries, version), made)}  }}\n"
        for version, kind in ((4, "ipv4_addr"), (6, "ipv6_addr"))
    )
    rules = "    ip daddr @block4 counter drop\n    ip6 daddr @block6 counter drop\n"
    chains = "".join(
        f"  chain {name} {{\n    type filter hook {hook} priority filter - 10; policy accept;\n{rules}  }}\n"
        for name, hook in (("passing", "forward"), ("leaving", "output"))
    )
    head = heading(
        len(entries), made, "#", f"check: nft -c -f FILE; load: nft -f FILE; undo: nft delete table inet {_TABLE}"
    )
    return f"{head}table inet {_TABLE}\ndelete table inet {_TABLE}\ntable inet {_TABLE} {{\n{sets}{chains}}}\n"


def _elements(entries: Sequence[Entry], made: Made) -> str:
    if not entries:
        return ""
    lines = ",\n".join(
        f'      {entry.value} timeout {seconds_left(entry, made, _MAX_NFT_TIMEOUT_S)}s comment "{words(entry)}"'
        for entry in entries
    )
    return f"    elements = {{\n{lines}\n    }}\n"


def _ipset(entries: Sequence[Entry], made: Made) -> str:
    """For `ipset restore`: a new set is filled beside the one in use, then swapped."""
    lines = []
    for version, family in ((4, "inet"), (6, "inet6")):
        name = f"{_TABLE}{version}"
        options = f"hash:net family {family} maxelem {_IPSET_MAX_ELEMENTS} timeout 0 comment -exist"
        lines += [f"create {name} {options}", f"create {name}_new {options}", f"flush {name}_new"]
        lines += [
            f"add {name}_new {entry.value} timeout {seconds_left(entry, made, _MAX_IPSET_TIMEOUT_S)} "
            f'comment "{words(entry)}"'
            for entry in addresses(entries, version)
        ]
        lines += [f"swap {name}_new {name}", f"destroy {name}_new"]
    return heading(len(entries), made, "#", "load: ipset restore < FILE") + "".join(f"{line}\n" for line in lines)


NFTABLES = Form((ADDRESS,), _nftables)
IPSET = Form((ADDRESS,), _ipset)
