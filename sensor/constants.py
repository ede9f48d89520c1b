"""Numbers of the protocols and codes of our own rows, named once. Kernels freeze them at compile time."""

# --- link types (LINKTYPE_ values, https://www.tcpdump.org/linktypes.html) ---
LINK_NULL = 0
LINK_ETHERNET = 1
LINK_PPP = 9
LINK_RAW_BSD = 12
LINK_RAW_BSD2 = 14
LINK_PPP_HDLC = 50
LINK_PPP_ETHER = 51
LINK_CHDLC = 104
LINK_RAW = 101
LINK_LOOP = 108
LINK_IEEE802_11 = 105
LINK_LINUX_SLL = 113
LINK_RADIOTAP = 127
LINK_PPI = 192
LINK_IPV4 = 228
LINK_IPV6 = 229
LINK_NFLOG = 239
LINK_LINUX_SLL2 = 276

# --- IP protocol numbers (IANA) ---
PROTO_ICMP = 1
PROTO_IPIP = 4
PROTO_TCP = 6
PROTO_UDP = 17
PROTO_IPV6 = 41
PROTO_GRE = 47
PROTO_ICMP6 = 58
PROTO_SCTP = 132

PROTO_NAMES = {PROTO_ICMP: "icmp", PROTO_TCP: "tcp", PROTO_UDP: "udp", PROTO_ICMP6: "icmp", PROTO_SCTP: "sctp"}
"""What rows call IP protocols; the others are `ip-` and the number."""

# --- TCP flags (RFC 9293) ---
TCP_FIN = 0x01
TCP_SYN = 0x02
TCP_RST = 0x04
TCP_PSH = 0x08
TCP_ACK = 0x10

# --- PACKET.status: what decoding a frame came to ---
STATUS_OK = 0
STATUS_NOT_IP = 1  # ARP, LLC, LLDP, ...: nothing for flows, nothing wrong
STATUS_UNKNOWN_LINK = 2  # a link type or ethertype-less framing kagami does not decode
STATUS_TRUNCATED_LINK = 3  # the capture ends inside a link or tunnel header
STATUS_TRUNCATED_IP = 4  # the capture ends inside the IP header or its extensions
STATUS_MALFORMED_IP = 5  # lengths or version contradict themselves
STATUS_TRUNCATED_L4 = 6  # the capture ends inside the TCP/UDP/ICMP header
STATUS_MALFORMED_L4 = 7  # e.g. a TCP header length under 20
STATUS_ORPHAN_FRAGMENT = 8  # a later fragment whose first was not seen: addresses but no ports
STATUS_TUNNEL_TOO_DEEP = 9  # more tunnels in tunnels than MAX_TUNNELS
STATUS_NAMES = (
    "ok",
    "not_ip",
    "unknown_link",
    "truncated_link",
    "truncated_ip",
    "malformed_ip",
    "truncated_l4",
    "malformed_l4",
    "orphan_fragment",
    "tunnel_too_deep",
)

# --- PACKET.tunnel: the innermost tunnel a packet came out of ---
TUNNEL_NONE = 0
TUNNEL_GRE = 1
TUNNEL_ERSPAN = 2
TUNNEL_VXLAN = 3
TUNNEL_GENEVE = 4
TUNNEL_IPIP = 5
TUNNEL_6IN4 = 6
TUNNEL_GTP = 7
TUNNEL_TEREDO = 8
TUNNEL_AYIYA = 9
TUNNEL_CAPWAP = 10
TUNNEL_NAMES = ("", "gre", "erspan", "vxlan", "geneve", "ipip", "6in4", "gtp", "teredo", "ayiya", "capwap")
MAX_TUNNELS = 4

# --- PACKET.fragment ---
FRAGMENT_NONE = 0
FRAGMENT_FIRST = 1
FRAGMENT_LATER = 2

# --- applications, as sensor.protocols.apps tells them ---
APP_NONE = 0
APP_TLS = 1
APP_HTTP = 2
APP_DNS = 3
APP_SSH = 4
APP_QUIC = 5
APP_SMTP = 6
APP_FTP = 7
APP_IMAP = 8
APP_POP3 = 9
APP_RDP = 10
APP_SMB = 11
APP_NTP = 12
APP_STUN = 13
APP_SOCKS = 14
APP_BITTORRENT = 15
APP_DTLS = 16
APP_KERBEROS = 17
APP_LDAP = 18
APP_SIP = 19
APP_RTSP = 20
APP_IRC = 21
APP_DHCP = 22
APP_SNMP = 23
APP_MDNS = 24
APP_SSDP = 25
APP_LLMNR = 26
APP_NETBIOS = 27
APP_DCERPC = 28
APP_MQTT = 29
APP_MYSQL = 30
APP_POSTGRESQL = 31
APP_MSSQL = 32
APP_VNC = 33
APP_TELNET = 34
APP_REDIS = 35
APP_AMQP = 36
APP_XMPP = 37
APP_BGP = 38
APP_HTTP2 = 39
APP_WIREGUARD = 40
APP_OPENVPN = 41
APP_IKE = 42
APP_RADIUS = 43
APP_SYSLOG = 44
APP_TFTP = 45
APP_DHCPV6 = 46
APP_WEBSOCKET = 47  # behind an upgrade: no first payload tells it
APP_TEAMVIEWER = 48
APP_PPTP = 49
APP_STRATUM = 50
APP_RSYNC = 51
APP_NBNS = 52  # the name service of NetBIOS

APP_NAMES = (
    "",
    *("tls", "http", "dns", "ssh", "quic", "smtp", "ftp", "imap", "pop3", "rdp", "smb", "ntp", "stun", "socks"),
    *("bittorrent", "dtls", "kerberos", "ldap", "sip", "rtsp", "irc", "dhcp", "snmp", "mdns", "ssdp", "llmnr"),
    *("netbios", "dcerpc", "mqtt", "mysql", "postgresql", "mssql", "vnc", "telnet", "redis", "amqp", "xmpp", "bgp"),
    *("http2", "wireguard", "openvpn", "ike", "radius", "syslog", "tftp", "dhcpv6"),
    *("websocket", "teamviewer", "pptp", "stratum", "rsync", "nbns"),
)
"""The name of each APP_ code. New ones go to the end: stored codes keep their meaning."""
