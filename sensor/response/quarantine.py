"""Which of one's own hosts should be taken off the network until somebody has looked at them.

In: findings and the rails. Out: hosts, and what was held back: isolating the proxy or the resolver takes everybody off.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from sensor.response.blocklist import Held, wanted
from sensor.response.formats.form import NS, Made, heading, moment
from sensor.response.rails import as_address
from sensor.response.seen import History, Seen
from sensor.site import Site
from sensor.store.store import Store

_TABLE = "kagami_quarantine"
FIELDS = ("ip", "vlan_id", "severity", "score", "findings", "first_seen", "last_seen", "sources")


@dataclass(frozen=True, slots=True)
class Suspect:
    """A host to isolate, with the findings that say so, the highest score first.

    vlan_ids, sources : where its flows were seen: 802.1Q ids, interfaces or captures
    """

    ip: str
    finding_ids: tuple[int, ...]
    severity: str
    score: float
    first_ts: int
    last_ts: int
    vlan_ids: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()


def suspects(
    findings: Sequence[Mapping[str, Any]], site: Site, history: History, places: Mapping[str, tuple[Any, Any]]
) -> tuple[list[Suspect], list[Held]]:
    """The hosts of open findings, by address, and those that are held back.

    findings : the highest score first
    history : of the hosts' addresses
    places : address -> VLAN ids and sources, as `places_of` gives them
    """
    by_host: dict[str, list[Mapping[str, Any]]] = {}
    for finding in wanted(findings):
        by_host.setdefault(finding["orig_ip"], []).append(finding)
    found, held = [], []
    for ip, rows in by_host.items():
        if reason := _objection(ip, site, history):
            held.append(Held(ip, rows[0]["id"], reason))
            continue
        vlan_ids, sources = places.get(ip, ((), ()))
        found.append(
            Suspect(
                ip,
                tuple(row["id"] for row in rows),
                rows[0]["severity"],
                rows[0]["score"],
                min(row["first_ts"] for row in rows),
                max(row["last_ts"] for row in rows),
                tuple(vlan_ids),
                tuple(sources),
            )
        )
    return sorted(found, key=lambda one: (ip_address(one.ip).version, int(ip_address(one.ip)))), held


def places_of(store: Store, addresses: Sequence[str]) -> dict[str, tuple[Any, Any]]:
    """Where hosts are: the VLANs and the sources that the evidence kept for their findings names."""
    found = {}
    for ip in addresses:
        rows = store.db.execute("SELECT DISTINCT vlan_id, source FROM flow WHERE orig_ip = ?", (ip,)).fetchall()
        vlan_ids = sorted({vlan_id for vlan_id, _ in rows if vlan_id})
        found[ip] = (tuple(vlan_ids), tuple(sorted({source for _, source in rows if source})))
    return found


def _objection(ip: str, site: Site, history: History) -> str:
    address = as_address(ip)
    if address is None:
        return "is no address"
    use = history.seen.get(str(address), Seen())
    if use.is_proxy or any(proxy.address == address for proxy in site.proxies):
        return "is a proxy: isolating it takes everybody off the web"
    if use.is_resolver:
        return "is a DNS resolver: isolating it takes everybody off the network"
    return "" if site.is_internal(address) else "is not one of your own hosts"


def _plain(found: Sequence[Suspect], made: Made) -> str:
    return "".join(f"{one.ip}\n" for one in found)


def _csv(found: Sequence[Suspect], made: Made) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(FIELDS)
    for one in found:
        writer.writerow([
            one.ip, " ".join(map(str, one.vlan_ids)), one.severity, f"{one.score:.2f}",
            " ".join(map(str, one.finding_ids)), moment(one.first_ts), moment(one.last_ts),
            " ".join(_word(source) for source in one.sources),
        ])  # fmt: skip
    return out.getvalue()


def _word(text: str) -> str:
    """A source's name as a cell may hold it: nothing but what names of files and interfaces are made of."""
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
