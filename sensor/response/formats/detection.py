"""Other sensors: rules of Suricata, and Zeek's Intelligence Framework."""

import hashlib
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from sensor.response.blocklist import ADDRESS, DOMAIN, Entry
from sensor.response.formats.form import Form, Made, heading, words

_FIRST_SID = 1_000_000_000
_N_SIDS = 1 << 30


def _suricata(entries: Sequence[Entry], made: Made) -> str:
    """Rules, for names in DNS, TLS and HTTP as for addresses. A value keeps its sid from list to list."""
    taken: set[int] = set()
    lines = [
        f'{header} (msg:"{words(entry)}"; {match}metadata:kagami_finding {entry.finding_id}; '
        f"classtype:trojan-activity; sid:{_sid(f'{protocol} {entry.value}', taken)}; rev:1;)\n"
        for entry in entries
        for protocol, header, match in _matches(entry)
    ]
    return heading(
        len(entries), made, "#", "drop takes effect where Suricata is inline; elsewhere it alerts"
    ) + "".join(lines)


def _matches(entry: Entry) -> Iterator[tuple[str, str, str]]:
    if entry.kind == ADDRESS:
        value = f"[{entry.value}]" if ip_address(entry.value).version == 4 else f'["{entry.value}"]'.replace('"', "")
        yield "ip", f"drop ip $HOME_NET any -> {value} any", ""
        return
    name = f'dotprefix; content:".{entry.value}"; endswith; '
    yield "dns", "drop dns any any -> any any", f"dns.query; {name}nocase; "
    yield "tls", "drop tls $HOME_NET any -> any any", f"tls.sni; {name}nocase; "
    yield "http", "drop http $HOME_NET any -> any any", f"http.host; {name}"  # this buffer is in lower case already


def _sid(what: str, taken: set[int]) -> int:
    number = int.from_bytes(hashlib.sha256(what.encode()).digest()[:8], "big") % _N_SIDS
    while number in taken:
        number = (number + 1) % _N_SIDS
    taken.add(number)
    return _FIRST_SID + number


def _zeek_intel(entries: Sequence[Entry], made: Made) -> str:
    """For Intel::read_files: columns divided by tabs, - for nothing."""
    fields = ("indicator", "indicator_type", "meta.source", "meta.desc", "meta.url")
    lines = ["#fields\t" + "\t".join(fields)]
    for entry in entries:
        kind = "Intel::ADDR" if entry.kind == ADDRESS else "Intel::DOMAIN"
        lines.append("\t".join((entry.value, kind, "kagami", words(entry), "-")))
    return "".join(f"{line}\n" for line in lines)


SURICATA = Form((ADDRESS, DOMAIN), _suricata)
ZEEK_INTEL = Form((ADDRESS, DOMAIN), _zeek_intel)
