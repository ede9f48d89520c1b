"""The site file that `kagami site init` proposes: what the store has shown, each guess with its evidence.

In: a survey, or none. Out: TOML text that `load_site` reads without an error. What could not be guessed is said in its
place. Names from the network stand in comments only, cleaned.
"""

from collections.abc import Iterator, Sequence

from sensor.policy import ROLE_DEFAULTS
from sensor.site import DEFAULT_INTERNAL, Site
from sensor.survey import Survey, enclosing

MIN_STRANGER_FLOWS = 100
MAX_LISTED = 20


def proposal(survey: Survey | None) -> str:
    """The text of a site file. survey : of the defaults; None: nothing was seen, so everything is left to say"""
    lines = [
        "# What kagami has to know of this network. Check it with `kagami site check FILE`; every key may be left out.",
        "# Guesses say what they were made from: correct what is wrong.",
    ]
    for part in (_networks, _proxies, _roles, _direct, _calendar, _keeping):
        lines += ["", *part(survey)]
    return "\n".join(lines) + "\n"


def _networks(survey: Survey | None) -> Iterator[str]:
    yield "[networks]"
    seen = list(survey.networks) if survey else []
    internal = enclosing(seen, DEFAULT_INTERNAL) or list(Site().internal)
    for net, n in survey.networks.most_common(MAX_LISTED) if survey else ():
        yield f"# seen: {n:,} {'host' if n == 1 else 'hosts'} in {net}"
    strangers = [item for item in survey.strangers.most_common(5) if item[1] >= MIN_STRANGER_FLOWS] if survey else []
    for net, n in strangers:
        yield f"# not in the list, though {n:,} flows begin there: is {net} yours? Then add it."
    yield f"internal = {_texts(map(str, internal))}"
    yield "# excluded = []  # networks that are not judged, such as a guest network"


def _proxies(survey: Survey | None) -> Iterator[str]:
    yield "[proxies]"
    if survey and survey.proxies:
        for proxy in survey.proxies:
            asked = f"{proxy.clients:,} hosts in {proxy.requests:,} flows"
            yield f"# {_endpoint(proxy.ip, proxy.port)} was asked by {asked}"
        yield f"addresses = {_texts(_endpoint(proxy.ip, proxy.port) for proxy in survey.proxies)}"
    else:
        yield "# No host was seen to ask a proxy."
        yield '# addresses = ["10.0.0.5:3128"]'
    if survey:
        yield f"# the traffic looks like mode {survey.mode.word!r}: {survey.mode.why}"
    yield "# mode: explicit (all web through a proxy), transparent (one that nobody asks), none, or auto: learned"
    yield '# mode = "auto"'


def _roles(survey: Survey | None) -> Iterator[str]:
    yield "# Servers, and what each may contact outside. Roles: " + ", ".join(sorted(ROLE_DEFAULTS)) + "."
    yield "# allow: sets (windows-update, linux-update, revocation, ntp, antivirus, ...), services (dns, ntp, mail),"
    yield "# names, addresses, networks. Left out: what is usual for the role."
    roles = survey.roles if survey else {}
    for ip, (role, why) in roles.items():
        network = f"{ip}/{128 if ':' in ip else 32}"
        allow = _texts(ROLE_DEFAULTS[role])
        yield from ("", "[[roles]]", f"# guessed: {ip} {why}", f'role = "{role}"', f"hosts = {_texts([network])}")
        yield f"allow = {allow}"
    guessed = {role for role, _ in roles.values()}
    for role, by in (("directory", "Kerberos with LDAP or DNS"), ("file", "SMB"), ("mail", "mail")):
        if role not in guessed:
            yield from ("", f"# No {role} server was seen: none that answers {by} to several hosts.")
    if survey and survey.resolvers_outside:
        told = ", ".join(f"{ip} ({n:,} hosts)" for ip, n in survey.resolvers_outside[:5])
        yield from ("", f"# Outside resolvers that hosts ask: {told}")


def _direct(_: Survey | None) -> Iterator[str]:
    yield "# What may go out without the proxy. dest: as in allow above; port and from may be left out."
    yield "# [[direct.allow]]"
    yield '# dest = "meetings.example.com"'
    yield "# port = 443"
    yield '# from = ["10.0.0.0/8"]'
    yield '# why = "video calls, agreed with the network team"'


def _calendar(_: Survey | None) -> Iterator[str]:
    yield "# When people work: activity at other times weighs more."
    yield "# [calendar]"
    yield '# time_zone = "Asia/Tokyo"'
    yield '# working_hours = "08:30-18:00"'
    yield '# working_days = ["mon", "tue", "wed", "thu", "fri"]'
    yield '# holidays = "JP"  # ISO 3166 code; public holidays are days off'
    yield "# closed = [2026-12-29, 2026-12-30, 2026-12-31]  # further days off"


def _keeping(_: Survey | None) -> Iterator[str]:
    yield "# Packets that a live capture keeps, for `kagami evidence` and `kagami show --deep`; the oldest go first."
    yield "# What people write and read is in them: ask whoever has to be asked."
    yield "# [capture]"
    yield "# keep_packets = true"
    yield "# keep_flow_bytes = 16384  # of the beginning of each connection; suspicious channels are kept whole"
    yield "# keep_gib = 10.0"


def _endpoint(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _texts(values: "Sequence[str] | Iterator[str] | map[str]") -> str:
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"
