"""Which of one's own hosts should be taken off the network until somebody has looked at them.

In: findings, and what is known of their hosts. Out: hosts, how each is found on the switches, and what was held back:
isolating the proxy, the resolver or a server takes everybody off.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any

from sensor.response.blocklist import Held, wanted
from sensor.response.formats.form import NS, Made, heading, moment
from sensor.response.rails import SURE_CLIENTS, as_address
from sensor.response.seen import History, Seen
from sensor.site import Site
from sensor.store import hosts
from sensor.store.store import Store

_TABLE = "kagami_quarantine"
FIELDS = (
    *("ip", "vlan_id", "severity", "score", "findings", "first_seen", "last_seen", "sources"),
    *("macs", "vendor", "names", "switch_hint", "remarks"),
)
MAX_TOLD = 3
"""MAC addresses, names, and other addresses of a MAC that are told of a host, the newest."""

FORCE = "--force lists it all the same"
_LOCALLY_MADE = 0x02  # IEEE 802: the bit of the first octet that says that nobody assigned the address


@dataclass(frozen=True, slots=True)
class Place:
    """How a host is found.

    vlan_ids, sources : where its flows were seen: 802.1Q ids, interfaces or captures
    macs : the newest first, vendor : of the newest; names : what it calls itself; all three are its own claims
    neighbours : other addresses that had its newest MAC address
    """

    vlan_ids: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    vendor: str = ""
    names: tuple[str, ...] = ()
    neighbours: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suspect:
    """A host to isolate, with the findings that say so, the highest score first.

    service : what others need it for, in words: by the site file where the caller forced it, else by what it answers
    """

    ip: str
    finding_ids: tuple[int, ...]
    severity: str
    score: float
    first_ts: int
    last_ts: int
    place: Place = Place()
    service: str = ""


def suspects(
    findings: Sequence[Mapping[str, Any]],
    site: Site,
    history: History,
    places: Mapping[str, Place],
    *,
    guessed: Mapping[str, tuple[str, str]] = MappingProxyType({}),
    force: bool = False,
) -> tuple[list[Suspect], list[Held]]:
    """The hosts of open findings, by address, and those that are held back.

    findings : the highest score first
    history : of the hosts' addresses
    places : by address, as `places_of` gives them
    guessed : address -> role and evidence of hosts that look like servers: listed, with a remark
    force : list also proxies, resolvers and servers
    """
    by_host: dict[str, list[Mapping[str, Any]]] = {}
    for finding in wanted(findings):
        by_host.setdefault(finding["orig_ip"], []).append(finding)
    found, held = [], []
    for ip, rows in by_host.items():
        service = _service(ip, site, history)
        if reason := _objection(ip, site) or (f"{service} ({FORCE})" if service and not force else ""):
            held.append(Held(ip, rows[0]["id"], reason))
            continue
        if not service and ip in guessed:
            role, evidence = guessed[ip]
            service = f"looks like a {role} server: it {evidence}"
        found.append(
            Suspect(
                ip,
                tuple(row["id"] for row in rows),
                rows[0]["severity"],
                rows[0]["score"],
                min(row["first_ts"] for row in rows),
                max(row["last_ts"] for row in rows),
                places.get(ip, Place()),
                service,
            )
        )
    return sorted(found, key=lambda one: (ip_address(one.ip).version, int(ip_address(one.ip)))), held


def places_of(store: Store, addresses: Sequence[str]) -> dict[str, Place]:
    """Where hosts are: by the evidence that is kept for their findings, and by what they told of themselves."""
    told = hosts.facts(store)
    at: dict[str, list[str]] = {}
    for ip, kinds in told.items():
        for mac, _ in kinds.get("mac", []):
            at.setdefault(mac, []).append(ip)
    found = {}
    for ip in addresses:
        rows = store.db.execute("SELECT DISTINCT vlan_id, source FROM flow WHERE orig_ip = ?", (ip,)).fetchall()
        own = told.get(ip, {})
        macs = own.get("mac", [])
        found[ip] = Place(
            tuple(sorted({vlan_id for vlan_id, _ in rows if vlan_id})),
            tuple(sorted({source for _, source in rows if source})),
            tuple(mac for mac, _ in macs[:MAX_TOLD]),
            macs[0][1] if macs else "",
            tuple(dict.fromkeys(name for kind in ("dhcp", "netbios") for name, _ in own.get(kind, [])))[:MAX_TOLD],
            tuple(other for other in at[macs[0][0]] if other != ip) if macs else (),
        )
    return found


def _objection(ip: str, site: Site) -> str:
    """Why a host is never listed."""
    address = as_address(ip)
    if address is None:
        return "is no address"
    return "" if site.is_internal(address) else "is not one of your own hosts"


def _service(ip: str, site: Site, history: History) -> str:
    """What everybody needs the host for, as it is known for certain."""
    use = history.seen.get(ip, Seen())
    if use.n_proxied >= SURE_CLIENTS or any(str(proxy.address) == ip for proxy in site.proxies):
        return "is a proxy: isolating it takes everybody off the web"
    role = site.role_of(ip)
    if role is not None and role.name == "directory":
        return "is a directory server by the site file: isolating it stops everybody's logon"
    if use.n_resolved >= SURE_CLIENTS or (role is not None and role.name == "dns"):
        return "is a DNS resolver: isolating it takes everybody off the network"
    if role is not None:
        kind = "server" if role.name == "server" else f"{role.name} server"
        return f"is a {kind} by the site file: isolating it stops whoever uses it"
    return ""


def _switch_hint(one: Suspect) -> str:
    """What to ask a switch for the port, or a router for the MAC address, in the words of Cisco IOS."""
    if not one.place.macs:
        neighbours = "show ipv6 neighbors" if ":" in one.ip else "show ip arp"
        return f"{neighbours} {one.ip}"
    digits = one.place.macs[0].replace(":", "")
    return f"show mac address-table address {digits[:4]}.{digits[4:8]}.{digits[8:]}"


def _remarks(one: Suspect) -> str:
    """What to think of before the host is cut off."""
    told = [one.service] if one.service else []
    others = one.place.neighbours
    if others:
        more = f" and {len(others) - MAX_TOLD} more" if len(others) > MAX_TOLD else ""
        told.append(f"its MAC address was also that of {', '.join(others[:MAX_TOLD])}{more}: a router, or a new lease")
    if one.place.macs and int(one.place.macs[0][:2], 16) & _LOCALLY_MADE:
        told.append("its MAC address is locally made: a virtual machine, or one that changes")
    if len(one.place.macs) > 1:
        told.append("it had several MAC addresses: the newest is meant")
    return "; ".join(told)


def _plain(found: Sequence[Suspect], made: Made) -> str:
    return "".join(f"{one.ip}\n" for one in found)


def _csv(found: Sequence[Suspect], made: Made) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(FIELDS)
    for one in found:
        writer.writerow([
            one.ip, " ".join(map(str, one.place.vlan_ids)), one.severity, f"{one.score:.2f}",
            " ".join(map(str, one.finding_ids)), moment(one.first_ts), moment(one.last_ts),
            " ".join(map(_word, one.place.sources)), " ".join(one.place.macs), one.place.vendor,
            " ".join(map(_word, one.place.names)), _switch_hint(one), _remarks(one),
        ])  # fmt: skip
    return out.getvalue()


def _word(text: str) -> str:
    """A name as a cell may hold it: nothing but what names of files, interfaces and hosts are made of."""
    word = "".join(char if char.isascii() and (char.isalnum() or char in "._-:@") else "_" for char in text)
    return f"'{word}" if word[:1] in "-@" else word


def _nftables(found: Sequence[Suspect], made: Made) -> str:
    sets = ""
    for version, kind in ((4, "ipv4_addr"), (6, "ipv6_addr")):
        lines = ",\n".join(
            f'      {one.ip} comment "kagami finding {one.finding_ids[0]} {one.severity}"'
            for one in found
            if ip_address(one.ip).version == version
        )
        elements = f"    elements = {{\n{lines}\n    }}\n" if lines else ""
        sets += f"  set hosts{version} {{\n    type {kind};\n{elements}  }}\n"
    rules = "".join(
        f"    {family} {side} @hosts{version} counter drop\n"
        for family, version in (("ip", 4), ("ip6", 6))
        for side in ("saddr", "daddr")
    )
    undo = f"nft delete table inet {_TABLE}"
    head = heading(len(found), made, "#", f"check: nft -c -f FILE; load: nft -f FILE; undo: {undo}")
    chain = f"  chain passing {{\n    type filter hook forward priority filter - 10; policy accept;\n{rules}  }}\n"
    return f"{head}table inet {_TABLE}\ndelete table inet {_TABLE}\ntable inet {_TABLE} {{\n{sets}{chain}}}\n"


FORMS: dict[str, Callable[[Sequence[Suspect], Made], str]] = {"plain": _plain, "nftables": _nftables, "csv": _csv}


def render(form: str, found: Iterable[Suspect], now_ns: int) -> str:
    """The text of a quarantine list."""
    return FORMS[form](list(found), Made(now_ns, now_ns // NS))
