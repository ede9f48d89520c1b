"""The formats by name."""

from sensor.response.formats.detection import SURICATA, ZEEK_INTEL
from sensor.response.formats.firewall import IPSET, NFTABLES
from sensor.response.formats.form import Form
from sensor.response.formats.lines import EDL, HOSTS, PF, PLAIN, SQUID
from sensor.response.formats.resolver import RPZ, UNBOUND
from sensor.response.formats.sharing import MISP, STIX

FORMS: dict[str, Form] = {
    "plain": PLAIN,
    "edl": EDL,
    "nftables": NFTABLES,
    "ipset": IPSET,
    "pf": PF,
    "squid": SQUID,
    "rpz": RPZ,
    "unbound": UNBOUND,
    "hosts": HOSTS,
    "suricata": SURICATA,
    "zeek-intel": ZEEK_INTEL,
    "stix": STIX,
    "misp": MISP,
}
