"""Indicators from files of other people: lists of lines, CSV, Zeek Intel, STIX 2.1 bundles, MISP events.

What the file is, is seen from its content. In: bytes. Out: indicators, and how many entries were of a kind that no
packet shows or could not be read. Nothing here asks the network, and nothing is ever executed or fetched.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sensor.errors import UsageError
from sensor.store.indicator import Indicator, parse_indicator

MAX_BYTES = 256 << 20
MAX_INDICATORS = 1_000_000
_MAX_REASON_CHARS = 500

_STIX_COMPARISON = re.compile(
    r"(?<![a-z0-9-])([a-z0-9-]{1,64}):([A-Za-z0-9_.'\"-]+?)\s*(=|IN|ISSUBSET)\s*"
    r"(\((?:[^()']|'(?:[^'\\]|\\.)*')*\)|'(?:[^'\\]|\\.)*')"
)
_STIX_LITERAL = re.compile(r"'((?:[^'\\]|\\.)*)'")
_STIX_PATHS = {
    ("ipv4-addr", "value"): "", ("ipv6-addr", "value"): "", ("domain-name", "value"): "domain", ("url", "value"): "url",
    ("network-traffic", "dst_ref.value"): "", ("network-traffic", "src_ref.value"): "",
    ("x509-certificate", "hashes.'SHA-256'"): "certificate",
    ("network-traffic", "extensions.'http-request-ext'.request_header.'User-Agent'"): "user-agent",
}  # fmt: skip
_STIX_OBJECTS = {"ipv4-addr": "", "ipv6-addr": "", "domain-name": "domain", "url": "url"}
_MISP_TYPES = {
    "ip-dst": "", "ip-src": "", "ip-dst|port": "", "ip-src|port": "", "domain": "domain", "hostname": "domain",
    "hostname|port": "domain", "domain|ip": "domain", "url": "url", "uri": "url", "link": "url",
    "ja3-fingerprint-md5": "ja3", "hassh-md5": "ja3", "hasshserver-md5": "ja3", "ja4": "ja4", "ja4-fingerprint": "ja4",
    "user-agent": "user-agent", "x509-fingerprint-sha256": "certificate",
}  # fmt: skip
_ZEEK_TYPES = {
    "Intel::ADDR": "", "Intel::SUBNET": "network", "Intel::DOMAIN": "domain", "Intel::URL": "url",
    "Intel::JA3": "ja3", "Intel::JA4": "ja4",
}  # fmt: skip
_CSV_VALUES = ("indicator", "value", "ioc", "ioc_value", "ip", "dst_ip", "ip_address", "address", "domain", "fqdn",
               "hostname", "url", "ja3", "ja4", "ja3_md5", "sha256")  # fmt: skip
_CSV_REASONS = ("description", "comment", "reason", "malware", "malware_printable", "threat", "threat_type", "tags")


@dataclass(slots=True)
class Intel:
    """What a file held. skipped : entries of kinds that no packet shows, or that could not be read."""

    indicators: list[Indicator] = field(default_factory=list)
    skipped: int = 0

    def add(self, text: str, kind: str = "", *, origin: str, reason: str = "") -> None:
        """Add one entry, or count it as skipped; half characters (UTF-16 surrogates) come only from a broken file."""
        if _whole(text) != text:
            self.skipped += 1
            return
        try:
            found = parse_indicator(text, kind, origin=origin, reason=_whole(reason[:_MAX_REASON_CHARS]))
        except UsageError:
            self.skipped += 1
            return
        if len(self.indicators) >= MAX_INDICATORS:
            raise UsageError(f"{origin} holds more than {MAX_INDICATORS:,} indicators; divide it")
        self.indicators.append(found)


def _whole(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def read_intel(path: Path) -> Intel:
    """The indicators of a file.

    Raises: UsageError for a file that cannot be read, is too large, or holds none.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise UsageError(f"{path} is larger than {MAX_BYTES >> 20} MiB; divide it")
    found = parse_intel(data, path.name)
    if not found.indicators:
        raise UsageError(f"{path} holds no indicator that kagami knows ({found.skipped:,} entries skipped)")
    return found


def parse_intel(data: bytes, origin: str) -> Intel:
    """The indicators of a file's content.

    Raises: UsageError for JSON that is neither STIX nor MISP.
    """
    text = data.decode("utf-8-sig", "backslashreplace")
    found = Intel()
    if text.lstrip()[:1] in ("{", "["):
        _read_json(text, origin, found)
    elif "#fields\t" in text[:65_536]:
        _read_zeek(text, origin, found)
    elif _is_csv(text):
        _read_csv(text, origin, found)
    else:
        for line in text.splitlines():
            value, _, reason = (
                line.partition("#") if not line.strip().lower().startswith(("http", "hxxp")) else (line, "", "")
            )
            if value.strip():
                found.add(value, origin=origin, reason=reason.strip())
    return found


# --- STIX and MISP ---


def _read_json(text: str, origin: str, found: Intel) -> None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:  # also for a number of thousands of digits
        raise UsageError(f"{origin} begins like JSON but is none: {error}") from error
    if isinstance(document, dict) and isinstance(document.get("objects"), list):
        _read_stix([one for one in document["objects"] if isinstance(one, dict)], origin, found)
        return
    events = list(_misp_events(document))
    if not events:
        raise UsageError(f"{origin} is JSON, but neither a STIX 2.1 bundle nor a MISP event")
    for event in events:
        _read_misp(event, origin, found)


def _read_stix(objects: list[dict[str, Any]], origin: str, found: Intel) -> None:
    indicators = [one for one in objects if one.get("type") == "indicator" and not one.get("revoked")]
    for one in indicators:
        reason = _text(one.get("name")) or _text(one.get("description"))
        pattern = _text(one.get("pattern"))
        n_before = len(found.indicators)
        comparisons = [] if _is_negated(pattern) else _STIX_COMPARISON.findall(pattern)
        for kind, path, operator, literals in comparisons:
            wanted = _STIX_PATHS.get((kind, path))
            if wanted is None:
                continue
            for literal in _STIX_LITERAL.findall(literals):
                value = re.sub(r"\\(.)", r"\1", literal)
                found.add(value, "network" if operator == "ISSUBSET" else wanted, origin=origin, reason=reason)
        found.skipped += len(found.indicators) == n_before
    if not indicators:
        for one in objects:
            if one.get("type") in _STIX_OBJECTS:
                found.add(_text(one.get("value")), _STIX_OBJECTS[one["type"]], origin=origin)


def _is_negated(pattern: str) -> bool:
    """A pattern with a negation says what must not be seen; taking its parts for indicators would turn it around."""
    return re.search(r"\bNOT\b|!=", _STIX_LITERAL.sub("''", pattern)) is not None


def _misp_events(document: Any) -> Iterator[dict[str, Any]]:
    if isinstance(document, dict) and isinstance(document.get("response"), list):
        document = document["response"]
    for one in document if isinstance(document, list) else [document]:
        event = one.get("Event") if isinstance(one, dict) else None
        if isinstance(event, dict):
            yield event


def _read_misp(event: dict[str, Any], origin: str, found: Intel) -> None:
    attributes = list(_dicts(event.get("Attribute")))
    for one in _dicts(event.get("Object")):
        attributes += _dicts(one.get("Attribute"))
    for attribute in attributes:
        kind = _MISP_TYPES.get(_text(attribute.get("type")))
        if kind is None:
            found.skipped += 1
            continue
        value = _text(attribute.get("value"))
        if "|" in _text(attribute.get("type")):
            value = value.partition("|")[0]
        reason = _text(attribute.get("comment")) or _text(event.get("info"))
        found.add(value, kind, origin=origin, reason=reason)


def _dicts(value: Any) -> Iterable[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


# --- tables ---


def _read_zeek(text: str, origin: str, found: Intel) -> None:
    fields: list[str] = []
    for line in text.splitlines():
        if line.startswith("#fields\t"):
            fields = line.split("\t")[1:]
        elif line and not line.startswith("#"):
            row = dict(zip(fields, line.split("\t"), strict=False))
            kind = _ZEEK_TYPES.get(row.get("indicator_type", ""))
            if kind is None:
                found.skipped += 1
                continue
            reason = row.get("meta.desc", "-")
            found.add(row.get("indicator", ""), kind, origin=origin, reason="" if reason == "-" else reason)


def _is_csv(text: str) -> bool:
    head = text.split("\n", 1)[0]
    names = [name.strip().strip('"').lower() for name in re.split(r"[,;\t]", head)]
    return len(names) > 1 and any(name in _CSV_VALUES for name in names)


def _read_csv(text: str, origin: str, found: Intel) -> None:
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    rows = csv.reader(text.splitlines(), delimiter=delimiter)
    try:
        names = [name.strip().lower() for name in next(rows)]
        values = [i for i, name in enumerate(names) if name in _CSV_VALUES]
        reasons = [i for i, name in enumerate(names) if name in _CSV_REASONS]
        for row in rows:
            reason = "; ".join(row[i] for i in reasons if i < len(row) and row[i])
            for i in values:
                if i < len(row) and row[i].strip():
                    found.add(row[i], origin=origin, reason=reason)
    except csv.Error as error:
        raise UsageError(f"{origin} is no CSV that can be read: {error}") from error
