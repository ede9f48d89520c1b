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
TUNNEL_NAMES = ("", "gre", "erspan", "vxlan", "geneve", "ipip", "6in4", "gtp", "teredo", "ayiya")
MAX_TUNNELS = 4

# --- PACKET.fragment ---
FRAGMENT_NONE = 0
FRAGMENT_FIRST = 1
FRAGMENT_LATER = 2
