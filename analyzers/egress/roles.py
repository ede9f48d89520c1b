"""What servers there are inside: those that the site file names, and those that show themselves by what they answer."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from analyzers.words import english as say
from analyzers.words.phrase import Phrase
from sensor.policy import Role, default_role
from sensor.site import Site

MIN_CLIENTS = 2
MIN_FILE_CLIENTS = 3
"""A workstation shares a folder with a colleague, a file server with many."""

Service = tuple[str, int, str, int, int, int]
"""Address, port, protocol, clients, first and last seen in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Server:
    """A host with a role. why : what the role was guessed from, empty where the site file names it"""

    ip: str
    role: Role
    why: str = ""


def guess_roles(services: Iterable[Service], names: Mapping[int, str]) -> dict[str, tuple[str, Phrase]]:
    """The role that each host shows by what it answers, and from what: address -> (role, evidence).

    names : port -> service
    """
    by_host: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for ip, port, _, clients, _, _ in services:
        name = names.get(port, "")
        by_host[ip][name] = max(by_host[ip].get(name, 0), clients)
    found = {}
    for ip, answered in by_host.items():
        if role := _role(answered):
            told = sorted(answered.items(), key=lambda item: (-item[1], item[0]))
            found[ip] = (role, say.answers(told))
    return found


def _role(answered: Mapping[str, int]) -> str:
    """The role of a host that answers these services to so many hosts, or empty."""

    def serves(name: str, least: int = MIN_CLIENTS) -> bool:
        return answered.get(name, 0) >= least

    if serves("kerberos") and (serves("ldap") or serves("dns")):
        return "directory"
    for name, role, least in (
        ("smb", "file", MIN_FILE_CLIENTS),
        ("mail", "mail", MIN_FILE_CLIENTS),
        ("sql", "database", MIN_CLIENTS),
        ("update", "update", MIN_FILE_CLIENTS),
        ("print", "print", MIN_FILE_CLIENTS),
        ("dns", "dns", MIN_CLIENTS),
    ):
        if serves(name, least):
            return role
    return ""


JUDGED_GUESSES = frozenset({"directory", "file", "mail", "database"})
"""Guessed roles whose way out is judged. A router that answers DNS and a printer are told by `kagami hosts`, no more:
what they may do outside is for a person to say."""


def servers_of(site: Site, guessed: Mapping[str, tuple[str, str]], hosts: Iterable[str]) -> dict[str, Server]:
    """The servers among some hosts: those declared, then those guessed."""
    servers = {}
    for ip in hosts:
        declared = site.role_of(ip)
        if declared is not None:
            servers[ip] = Server(ip, declared)
        elif ip in guessed and guessed[ip][0] in JUDGED_GUESSES:
            role, why = guessed[ip]
            servers[ip] = Server(ip, default_role(role), why)
    return servers
