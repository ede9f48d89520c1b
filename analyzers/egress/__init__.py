"""Egress: which host goes out although it should not, or tries to. `judge_clients` and `judge_servers` lead in.

`beat` is imported by itself: it needs numba, and commands that only ask who is a server do without."""

from analyzers.egress.bypass import Kept, Surroundings, judge_clients
from analyzers.egress.category import KNOWN_PORTS, WEB_PORTS
from analyzers.egress.mode import decide_mode, learn_proxies, proxies_of
from analyzers.egress.roles import Server, guess_roles, servers_of
from analyzers.egress.servers import judge_servers
from analyzers.egress.table import EgressTable

__all__ = [
    "KNOWN_PORTS",
    "WEB_PORTS",
    "EgressTable",
    "Kept",
    "Server",
    "Surroundings",
    "decide_mode",
    "guess_roles",
    "judge_clients",
    "judge_servers",
    "learn_proxies",
    "proxies_of",
    "servers_of",
]
