"""What kind of traffic a direct flow is, and how much it matters that it went around the proxy."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of outbound traffic.

    words : what a sentence calls it
    weight : 0 to 1, how much going out directly speaks against it where a web proxy exists
    techniques : MITRE ATT&CK ids that it would be
    """

    words: str
    weight: float
    techniques: tuple[str, ...]


WEB = Kind("web", 1.0, ("T1071.001",))
WEB_ODD_PORT = Kind("web on an unusual port", 1.0, ("T1071.001", "T1571"))
FOREIGN_PROXY = Kind("web through somebody else's proxy", 1.0, ("T1090.002",))
REMOTE = Kind("remote access", 0.85, ("T1572",))
FILES = Kind("file transfer", 0.75, ("T1048",))
MAIL = Kind("mail", 0.65, ("T1048", "T1071.003"))
NAMES = Kind("DNS to an outside resolver", 0.6, ("T1071.004",))
OTHER_TCP = Kind("TCP of no known kind", 0.7, ("T1095",))
OTHER = Kind("traffic of no known kind", 0.55, ("T1095",))
PING = Kind("ICMP", 0.4, ("T1095",))

WEB_PORTS = frozenset({80, 443, 8080, 8443})
_REMOTE_PORTS = frozenset({22, 23, 3389, 5900, 5938})
_FILE_PORTS = frozenset({20, 21, 69, 139, 445, 873, 990, 2049})
_MAIL_PORTS = frozenset({25, 110, 143, 465, 587, 993, 995})
_NAME_PORTS = frozenset({53, 853})
_NTP_PORT = 123


def kind_of(proto: str, resp_port: int, app: str, via_proxy: str) -> Kind | None:
    """The kind of one flow to the outside; None for NTP, which no proxy carries and every host needs."""
    if proto in ("icmp", "icmp6"):
        return PING
    if via_proxy:
        return FOREIGN_PROXY
    if proto == "udp" and resp_port == _NTP_PORT:
        return None
    if app in ("dns", "dot", "doq") or resp_port in _NAME_PORTS:
        return NAMES
    if proto == "tcp" and resp_port in WEB_PORTS:
        return WEB
    if app in ("http", "tls", "quic"):
        if resp_port in _MAIL_PORTS:
            return MAIL
        return WEB if resp_port in WEB_PORTS else WEB_ODD_PORT
    if proto == "udp" and resp_port in (80, 443):  # QUIC whose Initial was not seen
        return WEB
    if app == "ssh" or resp_port in _REMOTE_PORTS:
        return REMOTE
    if resp_port in _FILE_PORTS:
        return FILES
    if resp_port in _MAIL_PORTS:
        return MAIL
    return OTHER_TCP if proto == "tcp" else OTHER
