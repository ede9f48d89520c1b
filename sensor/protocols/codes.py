"""Names of the small codes that kernels write. Plain Python: whoever only shows rows need not load numba.

Source: IANA "Domain Name System (DNS) Parameters".
"""

_QTYPES = {
    1: "A",
    2: "NS",
    5: "CNAME",
    6: "SOA",
    10: "NULL",
    11: "WKS",
    12: "PTR",
    13: "HINFO",
    14: "MINFO",
    15: "MX",
    16: "TXT",
    17: "RP",
    18: "AFSDB",
    24: "SIG",
    25: "KEY",
    28: "AAAA",
    29: "LOC",
    32: "NB",  # RFC 1002; IANA has NIMLOC here, which nobody sends
    33: "SRV",
    35: "NAPTR",
    36: "KX",
    37: "CERT",
    38: "A6",
    39: "DNAME",
    41: "OPT",
    42: "APL",
    43: "DS",
    44: "SSHFP",
    45: "IPSECKEY",
    46: "RRSIG",
    47: "NSEC",
    48: "DNSKEY",
    49: "DHCID",
    50: "NSEC3",
    51: "NSEC3PARAM",
    52: "TLSA",
    53: "SMIMEA",
    55: "HIP",
    59: "CDS",
    60: "CDNSKEY",
    61: "OPENPGPKEY",
    62: "CSYNC",
    63: "ZONEMD",
    64: "SVCB",
    65: "HTTPS",
    99: "SPF",
    108: "EUI48",
    109: "EUI64",
    249: "TKEY",
    250: "TSIG",
    251: "IXFR",
    252: "AXFR",
    255: "ANY",
    256: "URI",
    257: "CAA",
    32768: "TA",
    32769: "DLV",
}

_RCODES = (
    *("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"),
    *("YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE", "DSOTYPENI"),
)

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

APP_NAMES = (
    "",
    *("tls", "http", "dns", "ssh", "quic", "smtp", "ftp", "imap", "pop3", "rdp", "smb", "ntp", "stun", "socks"),
    *("bittorrent", "dtls", "kerberos", "ldap", "sip", "rtsp", "irc", "dhcp", "snmp", "mdns", "ssdp", "llmnr"),
    *("netbios", "dcerpc", "mqtt", "mysql", "postgresql", "mssql", "vnc", "telnet", "redis", "amqp", "xmpp", "bgp"),
    *("http2", "wireguard", "openvpn", "ike", "radius", "syslog", "tftp", "dhcpv6"),
)
"""What `apps.identify` returns is an index into this tuple. New names go to the end: codes keep their meaning."""


def qtype_name(code: int) -> str:
    """The mnemonic of a DNS record type, "TYPE4711" for one without (RFC 3597 section 5)."""
    return _QTYPES.get(code) or f"TYPE{code}"


def rcode_name(code: int) -> str:
    """The mnemonic of a DNS response code, "RCODE12" for one without."""
    return _RCODES[code] if 0 <= code < len(_RCODES) else f"RCODE{code}"
