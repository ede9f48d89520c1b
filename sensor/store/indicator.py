"""One indicator of compromise: what it is, and the one way its value is written. Standard library only.

People and feeds write indicators in many ways, also made harmless (hxxp://evil[.]example); all of them are read here.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from sensor.errors import UsageError
from sensor.store.match import parse_target

KINDS = ("address", "network", "domain", "url", "ja3", "ja4", "user-agent", "certificate")
"""address, network, domain: as in match.Target; ja3: JA3, JA3S, HASSH or hasshServer, which are all MD5; certificate:
SHA-256."""

_ALIASES = {
    "ip": "address", "cidr": "network", "net": "network", "host": "domain", "ua": "user-agent", "cert": "certificate",
    "ja3s": "ja3", "hassh": "ja3", "hasshserver": "ja3",
} | {kind: kind for kind in KINDS}  # fmt: skip
_MD5 = re.compile(r"[0-9a-f]{32}", re.I | re.A)
_SHA1 = re.compile(r"[0-9a-f]{40}", re.I | re.A)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.I | re.A)
_JA4 = re.compile(r"[a-z][0-9a-z]{2}[di]\d{4}[0-9a-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}", re.I | re.A)
_HARMLESS = (("[.]", "."), ("(.)", "."), ("{.}", "."), ("[dot]", "."), ("[:]", ":"), ("[://]", "://"), ("[@]", "@"))
_HXXP = re.compile(r"^h(?:xx|\*\*|tt)p(s?)(?=://)", re.I)
MAX_CHARS = 4_096


@dataclass(frozen=True, slots=True)
class Indicator:
    """kind : one of KINDS; origin, reason : where it comes from and what is known of it, for the person who reads."""

    kind: str
    value: str
    origin: str = ""
    reason: str = ""


def parse_indicator(text: str, kind: str = "", *, origin: str = "", reason: str = "") -> Indicator:
    """An indicator from what a person or a feed wrote.

    text : the value, or `kind:value` (ua:curl/7, ja3:..., cert:...)
    kind : one of KINDS where it is known; else it is seen from the value

    Raises: UsageError for what is none.
    """
    value = text.strip()
    if not value or len(value) > MAX_CHARS:
        raise UsageError("an indicator is one to 4,096 characters")
    prefix, colon, rest = value.partition(":")
    if not kind and colon and prefix.lower() in _ALIASES and rest.strip():
        kind, value = _ALIASES[prefix.lower()], rest.strip()
    if kind == "user-agent":
        return Indicator(kind, value, origin, reason)
    value = _armed(value)
    kind = kind or _kind_of(value)
    if kind == "url":
        return Indicator(kind, _url(value), origin, reason)
    if kind in ("ja3", "ja4", "certificate"):
        shape = {"ja3": _MD5, "ja4": _JA4, "certificate": _SHA256}[kind]
        value = value.replace(":", "")
        if not shape.fullmatch(value):
            raise UsageError(f"{text!r} is no {kind} fingerprint")
        return Indicator(kind, value.lower(), origin, reason)
    target = parse_target(value)
    found = "domain" if target.name else "network" if target.network is not None else "address"
    if kind and kind != found:
        raise UsageError(f"{text!r} is a {found}, not a {kind}")
    if target.network is not None and target.network.prefixlen == 0:
        raise UsageError(f"{text!r} is every address")
    if found == "domain" and "." not in target.name:
        raise UsageError(f"{text!r} is no address, network, domain, URL or fingerprint; a user agent is ua:TEXT")
    return Indicator(found, str(target), origin, reason)


def _kind_of(value: str) -> str:
    """The kind of a value that nobody named, empty for an address, a network or a name.

    Raises: UsageError for hashes of files, which no packet shows.
    """
    if "://" in value:
        return "url"
    for shape, kind in ((_MD5, "ja3"), (_JA4, "ja4"), (_SHA256, "certificate")):
        if shape.fullmatch(value):
            return kind
    if _SHA1.fullmatch(value):
        raise UsageError(f"{value} is a SHA-1: certificates are kept by SHA-256, and files are not seen")
    return ""


def _armed(value: str) -> str:
    for harmless, plain in _HARMLESS:
        value = value.replace(harmless, plain)
    return _HXXP.sub(r"http\1", value)


def _url(value: str) -> str:
    """Scheme and host in lower case, no fragment, no user; the rest as it is.

    Raises: UsageError for what has no host.
    """
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{value!r} is no URL: {error}") from error
    if not host:
        raise UsageError(f"{value!r} is no URL: it has no host")
    host = str(parse_target(host))
    place = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme.lower()}://{place}{parts.path or '/'}{query}"


def url_parts(url: str) -> tuple[str, str, str]:
    """Scheme, host and request target (path and query) of a URL as `parse_indicator` gives it."""
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return parts.scheme, parts.hostname or "", f"{parts.path}{query}"
