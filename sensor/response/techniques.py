"""The names of the MITRE ATT&CK techniques that findings carry (ATT&CK v15, enterprise)."""

_NAMES = {
    "T1008": "Fallback Channels",
    "T1029": "Scheduled Transfer",
    "T1041": "Exfiltration Over C2 Channel",
    "T1048": "Exfiltration Over Alternative Protocol",
    "T1071": "Application Layer Protocol",
    "T1071.001": "Web Protocols",
    "T1071.002": "File Transfer Protocols",
    "T1071.003": "Mail Protocols",
    "T1071.004": "DNS",
    "T1090": "Proxy",
    "T1090.001": "Internal Proxy",
    "T1090.002": "External Proxy",
    "T1090.003": "Multi-hop Proxy",
    "T1095": "Non-Application Layer Protocol",
    "T1102": "Web Service",
    "T1104": "Multi-Stage Channels",
    "T1105": "Ingress Tool Transfer",
    "T1132": "Data Encoding",
    "T1219": "Remote Access Software",
    "T1568": "Dynamic Resolution",
    "T1568.002": "Domain Generation Algorithms",
    "T1571": "Non-Standard Port",
    "T1572": "Protocol Tunneling",
    "T1573": "Encrypted Channel",
}


def technique_name(technique: str) -> str:
    """The name of a technique; empty for one that is not known here."""
    return _NAMES.get(technique, "")
