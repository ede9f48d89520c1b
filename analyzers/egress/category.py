"""What kind of traffic a channel to the outside is, and how much it matters that no proxy carried it."""

import re
from dataclasses import dataclass

from analyzers.egress.table import Channel
from sensor.destinations import Destinations


@dataclass(frozen=True, slots=True)
class Category:
    """A kind of outbound traffic.

    words : what a sentence calls it
    weight : 0 to 1, how much going out directly speaks against it where everything should go through a proxy
    techniques : MITRE ATT&CK ids that it would be
    port, proto : what a finding of several destinations is filed under, so that it keeps its id
    """

    words: str
    weight: float
    techniques: tuple[str, ...]
    port: int = 0
    proto: str = "tcp"


WEB = Category("web", 1.0, ("T1071.001",), 443)
WEB_ODD_PORT = Category("web on an unusual port", 1.0, ("T1071.001", "T1571"))
FOREIGN_PROXY = Category("web through somebody else's proxy", 1.0, ("T1090.002",), 8080)
PROXIED = Category("web through the proxy", 1.0, ("T1071.001", "T1090"), 443)
DNS = Category("DNS to an outside resolver", 0.75, ("T1071.004",), 53, "udp")
DOT = Category("encrypted DNS (DoT, DoQ) to an outside resolver", 0.85, ("T1071.004", "T1573"), 853)
DOH = Category("encrypted DNS (DoH) to an outside resolver", 0.9, ("T1071.004", "T1573"), 443)
MAIL = Category("direct mail", 0.75, ("T1048", "T1071.003"), 25)
REMOTE = Category("remote control", 0.9, ("T1219", "T1572"), 22)
TUNNEL = Category("VPN or tunnel", 0.9, ("T1572",), 1194, "udp")
TOR = Category("Tor, or what looks like it", 1.0, ("T1090.003",), 9001)
RELAY = Category("STUN or TURN relay", 0.6, ("T1090", "T1572"), 3478, "udp")
FILES = Category("file transfer", 0.8, ("T1048",), 445)
PEERS = Category("peer to peer", 0.7, ("T1095",))
CLOCK = Category("NTP", 0.6, ("T1095",), 123, "udp")
PAYLOAD_PING = Category("ICMP with payload", 0.9, ("T1095", "T1572"), 0, "icmp")
PING = Category("ping", 0.4, ("T1095",), 0, "icmp")
ODD_TCP = Category("TCP on an odd port", 0.75, ("T1095", "T1571"))
ODD_UDP = Category("UDP on an odd port", 0.6, ("T1095", "T1571"), 0, "udp")
OTHER = Category("another IP protocol", 0.75, ("T1095",), 0, "ip")

WEB_PORTS = (80, 443, 8080, 8443)
_REMOTE_PORTS = frozenset({22, 23, 3389, 5900, 5938, 7070})
_TUNNEL_PORTS = frozenset({("udp", 1194), ("tcp", 1194), ("udp", 51820), ("udp", 500), ("udp", 4500), ("udp", 1701),
                           ("tcp", 1723)})  # fmt: skip
_RELAY_PORTS = frozenset({3478, 3479, 5349, 19302})
_FILE_PORTS = frozenset({20, 21, 69, 139, 445, 873, 990, 2049})
_MAIL_PORTS = frozenset({25, 110, 143, 465, 587, 993, 995})
_TOR_PORTS = frozenset({9001, 9030})
_APPS = {
    "ssh": REMOTE, "rdp": REMOTE, "vnc": REMOTE, "telnet": REMOTE, "teamviewer": REMOTE, "openvpn": TUNNEL,
    "wireguard": TUNNEL, "ike": TUNNEL, "pptp": TUNNEL, "socks": FOREIGN_PROXY, "stun": RELAY, "smtp": MAIL,
    "imap": MAIL, "pop3": MAIL, "ftp": FILES, "tftp": FILES, "smb": FILES, "rsync": FILES,
    "bittorrent": PEERS, "dns": DNS,
}  # fmt: skip
_WEB_APPS = frozenset({"http", "tls", "quic", "http2", "websocket"})
_TUNNEL_PROTOS = frozenset({"ip-47", "ip-50", "ip-51", "ip-4", "ip-41", "gre", "esp"})

KNOWN_PORTS = tuple(
    sorted({53, 853, 123, *WEB_PORTS, *_REMOTE_PORTS, *(port for _, port in _TUNNEL_PORTS), *_RELAY_PORTS,
            *_FILE_PORTS, *_MAIL_PORTS, *_TOR_PORTS})
)  # fmt: skip
"""Ports that name a service."""

_TOR_NAME = re.compile(r"www\.(?=[a-z]*[2-7])[a-z2-7]{8,25}\.(com|net)")
"""Server names that Tor makes up (crypto_random_hostname in its sources); without a digit, many names do."""

PING_BYTES = 64
"""Payload of an ordinary ping, at most: Windows sends 32 bytes, Linux and macOS 56."""

CLOCK_BYTES = 96
"""Payload of an NTP packet, at most: 48, and some for authentication (RFC 5905 section 7.3)."""


def categorize(channel: Channel, known: Destinations) -> Category:
    """The kind of a channel."""
    proto, port, app = channel.proto, channel.resp_port, channel.app
    if proto in ("icmp", "icmp6"):
        return PAYLOAD_PING if _bytes_a_packet(channel) > PING_BYTES else PING
    if channel.via_proxy:
        return PROXIED
    if channel.is_foreign_proxy:
        return FOREIGN_PROXY
    if proto == "udp" and port == 123:
        return CLOCK if _bytes_a_packet(channel) <= CLOCK_BYTES else ODD_UDP
    if port == 853 or app in ("dot", "doq"):
        return DOT
    if port == 443 and known.is_doh(channel.dest, channel.dest_ips):
        return DOH
    if proto in _TUNNEL_PROTOS or (proto, port) in _TUNNEL_PORTS:
        return TUNNEL
    if (port in _TOR_PORTS and proto == "tcp") or (channel.no_lookup and _TOR_NAME.fullmatch(channel.dest)):
        return TOR
    if app in _WEB_APPS:
        return _web(port)
    if (by_app := _APPS.get(app)) is not None:
        return by_app
    return _by_port(proto, port)


def _web(port: int) -> Category:
    if port in _MAIL_PORTS:
        return MAIL
    if port in _REMOTE_PORTS:
        return REMOTE
    if port in _RELAY_PORTS:
        return RELAY
    return WEB if port in WEB_PORTS else WEB_ODD_PORT


def _by_port(proto: str, port: int) -> Category:
    """The kind where no payload tells it: attempts, and protocols nobody knows."""
    if port == 53:
        return DNS
    if (proto == "tcp" and port in WEB_PORTS) or (proto == "udp" and port in (80, 443)):
        return WEB
    for ports, category in ((_REMOTE_PORTS, REMOTE), (_RELAY_PORTS, RELAY), (_FILE_PORTS, FILES), (_MAIL_PORTS, MAIL)):
        if port in ports:
            return category
    return {"tcp": ODD_TCP, "udp": ODD_UDP}.get(proto, OTHER)


def _bytes_a_packet(channel: Channel) -> float:
    return channel.orig_bytes / max(channel.orig_pkts, 1)


def benign_label(channel: Channel, category: Category, known: Destinations) -> str:
    """What an ordinary machine does this for, or empty. It lowers a weight and is told; it never drops anything.

    A name in a hello is only a claim: where DNS is seen and never told this address, the name explains nothing.
    """
    if category is CLOCK:
        return "clock"
    if category is PING:
        return "ping of ordinary size"
    if channel.no_lookup or not channel.is_named:
        return ""
    sets = known.sets_of(channel.dest, channel.resp_port, channel.proto)
    return next((found.label for found in sets if found.label), "")
