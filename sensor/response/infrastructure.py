"""What everybody's machines need: update sources, certificate status, time, public resolvers; and shared front ends.

Blocking one of the first does more harm than most implants. The ranges of content networks are those that the operators
publish, as of 2025; they are not complete and need not be: an address in one asks for a second look, nothing more.
"""

from functools import cache
from ipaddress import ip_network

from sensor.site import Address, Network

_UPDATE_DOMAINS = """
    windowsupdate.com update.microsoft.com delivery.mp.microsoft.com do.dsp.mp.microsoft.com download.microsoft.com
    wdcp.microsoft.com wdcpalt.microsoft.com definitionupdates.microsoft.com officecdn.microsoft.com
    swcdn.apple.com swscan.apple.com swdist.apple.com mesu.apple.com gdmf.apple.com updates.cdn-apple.com
    debian.org ubuntu.com canonical.com fedoraproject.org centos.org redhat.com opensuse.org archlinux.org
    alpinelinux.org update.googleapis.com dl.google.com edgedl.me.gvt1.com clients2.google.com
    aus5.mozilla.org download.mozilla.org
""".split()  # noqa: SIM905

_CERTIFICATE_DOMAINS = """
    ocsp.digicert.com crl3.digicert.com crl4.digicert.com cacerts.digicert.com
    lencr.org letsencrypt.org pki.goog ocsp.sectigo.com crl.sectigo.com ocsp.usertrust.com ocsp.comodoca.com
    ocsp.globalsign.com crl.globalsign.com ocsp.entrust.net crl.entrust.net ocsp.apple.com crl.microsoft.com
    oneocsp.microsoft.com amazontrust.com ocsp.godaddy.com crl.godaddy.com jprs.jp secomtrust.net
""".split()  # noqa: SIM905

_TIME_DOMAINS = """
    pool.ntp.org ntp.org time.windows.com time.apple.com time.google.com time.cloudflare.com ntp.nict.jp ntp.ubuntu.com
""".split()  # noqa: SIM905

_RESOLVERS = """
    8.8.8.8 8.8.4.4 1.1.1.1 1.0.0.1 9.9.9.9 149.112.112.112 208.67.222.222 208.67.220.220
    2001:4860:4860::8888 2001:4860:4860::8844 2606:4700:4700::1111 2606:4700:4700::1001 2620:fe::fe 2620:fe::9
    2620:119:35::35 2620:119:53::53
""".split()  # noqa: SIM905

_SHARED = {
    "Cloudflare": """
        173.245.48.0/20 103.21.244.0/22 103.22.200.0/22 103.31.4.0/22 141.101.64.0/18 108.162.192.0/18 190.93.240.0/20
        188.114.96.0/20 197.234.240.0/22 198.41.128.0/17 162.158.0.0/15 104.16.0.0/13 104.24.0.0/14 172.64.0.0/13
        131.0.72.0/22 2400:cb00::/32 2606:4700::/32 2803:f800::/32 2405:b500::/32 2405:8100::/32 2a06:98c0::/29
        2c0f:f248::/32""",
    "Fastly": """
        23.235.32.0/20 43.249.72.0/22 103.244.50.0/24 103.245.222.0/23 103.245.224.0/24 104.156.80.0/20 140.248.64.0/18
        140.248.128.0/17 146.75.0.0/17 151.101.0.0/16 157.52.64.0/18 167.82.0.0/17 167.82.128.0/20 167.82.160.0/20
        167.82.224.0/20 172.111.64.0/18 185.31.16.0/22 199.27.72.0/21 199.232.0.0/16 2a04:4e40::/32 2a04:4e42::/32""",
    "Amazon CloudFront": """
        13.32.0.0/15 13.224.0.0/14 18.64.0.0/14 18.154.0.0/15 18.160.0.0/15 18.164.0.0/15 18.172.0.0/15 18.238.0.0/15
        18.244.0.0/15 52.84.0.0/15 52.222.128.0/17 54.182.0.0/16 54.192.0.0/16 54.230.0.0/17 54.239.128.0/18
        64.252.64.0/18 65.8.0.0/16 65.9.0.0/17 99.84.0.0/16 99.86.0.0/16 143.204.0.0/16 204.246.160.0/19
        205.251.192.0/19 216.137.32.0/19""",
    "Akamai": """
        2.16.0.0/13 23.0.0.0/12 23.32.0.0/11 23.64.0.0/14 23.72.0.0/13 88.221.0.0/16 92.122.0.0/15 95.100.0.0/15
        96.6.0.0/15 96.16.0.0/15 104.64.0.0/10 184.24.0.0/13 184.50.0.0/15 184.84.0.0/14""",
    "Google": """
        64.233.160.0/19 66.102.0.0/20 74.125.0.0/16 108.177.0.0/17 142.250.0.0/15 172.217.0.0/16 172.253.0.0/16
        173.194.0.0/16 209.85.128.0/17 216.58.192.0/19 216.239.32.0/19 2404:6800::/32 2607:f8b0::/32 2a00:1450::/32""",
    "Microsoft": """
        13.107.0.0/16 20.190.128.0/18 40.126.0.0/18 52.96.0.0/14 52.112.0.0/14 131.253.33.0/24 150.171.0.0/16
        204.79.197.0/24""",
    "Meta": "31.13.24.0/21 31.13.64.0/18 157.240.0.0/16 2a03:2880::/32",
}


def need_of_name(name: str) -> str:
    """What a domain is needed for: blocking it, with all under it, would take an update source or the like along.

    name : lower case, without the dot at its end
    Returns: words, or an empty text.
    """
    for words, domains in (
        ("an update source", _UPDATE_DOMAINS),
        ("a source of certificate status", _CERTIFICATE_DOMAINS),
        ("a time source", _TIME_DOMAINS),
    ):
        for domain in domains:
            if name == domain or name.endswith("." + domain) or domain.endswith("." + name):
                return words
    return ""


def is_public_resolver(address: Address) -> bool:
    """Whether an address is one of the resolvers that people put into their settings by number."""
    return str(address) in _RESOLVERS


def shared_network(address: Address) -> str:
    """The content network whose front ends, shared by many sites, have the address; empty for none known."""
    for operator, networks in _networks():
        if any(address in network for network in networks):
            return operator
    return ""


@cache
def _networks() -> tuple[tuple[str, tuple[Network, ...]], ...]:
    return tuple((operator, tuple(map(ip_network, text.split()))) for operator, text in _SHARED.items())
