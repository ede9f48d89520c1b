"""Findings in the formats of other systems: ECS, OCSF, CEF and Suricata's EVE, one record a line.

In: finding rows. Out: UTF-8 lines. What came from the network stands in them as data: JSON's own escapes, CEF's and no
controls. Sources: ECS 9 field reference; OCSF 1.3 class 2004; the CEF implementation standard (ArcSight, revision 26);
Suricata's EVE output (alert).
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from analyzers.finding import SEVERITIES
from sensor import __version__
from sensor.cli.clean import clean
from sensor.cli.columns import Row
from sensor.cli.formats import json_value
from sensor.cli.times import NS, rfc3339
from sensor.constants import PROTO_NAMES
from sensor.response.techniques import technique_name

_PROTO_NUMBERS = {name: number for number, name in reversed(PROTO_NAMES.items())}  # ICMP, not ICMPv6, is icmp
_ECS_SEVERITY = {"low": 21, "medium": 47, "high": 73, "critical": 99}
_OCSF_SEVERITY = {"low": 2, "medium": 3, "high": 4, "critical": 5}
_OCSF_STATUS = {"new": 1, "investigating": 2, "confirmed": 2, "false-positive": 3, "resolved": 4}
_CEF_SEVERITY = {"low": 3, "medium": 5, "high": 8, "critical": 10}
_EVE_SEVERITY = {"low": 3, "medium": 2, "high": 1, "critical": 1}
_OWN = ("severity", "state", "events", "interval_s", "jitter_frac", "via_proxy", "outcome")
"""Fields that ECS has no place for."""

_MAX_CEF_CHARS = 1023  # what most receivers keep of one value

Finding = Mapping[str, Any]


def records(form: str, findings: Iterable[Row]) -> Iterator[bytes]:
    """The lines of a format of EXPORTS."""
    for finding in findings:
        yield EXPORTS[form](finding) + b"\n"


def _address(value: str) -> str | None:
    try:
        return str(ip_address(value))
    except ValueError:
        return None


def _destination_ip(finding: Finding) -> str | None:
    """The destination's address: its own, or the only one known of a name."""
    own = _address(finding["dest"])
    return own or next((_address(one) for one in finding["dest_ips"] if _address(one)), None)


def _named(finding: Finding) -> str | None:
    return None if _address(finding["dest"]) else finding["dest"]


def _filled(value: Any) -> Any:
    """The same without what is nothing, at every depth: these formats leave out what is not known."""
    if isinstance(value, dict):
        return {key: _filled(one) for key, one in value.items() if one not in (None, "", [], {})}
    return [_filled(one) for one in value] if isinstance(value, list) else value


def _ecs(finding: Finding) -> bytes:
    address, name = _destination_ip(finding), _named(finding)
    document = {
        "@timestamp": rfc3339(finding["last_ts"]),
        "ecs": {"version": "9.0.0"},
        "message": "; ".join(finding["reasons"]),
        "event": {
            "kind": "alert",
            "category": ["network", "intrusion_detection"],
            "type": ["info"],
            "module": "kagami",
            "dataset": "kagami.finding",
            "id": str(finding["id"]),
            "action": finding["analyzer"],
            "start": rfc3339(finding["first_ts"]),
            "end": rfc3339(finding["last_ts"]),
            "severity": _ECS_SEVERITY.get(finding["severity"]),
            "risk_score": round(finding["score"] * 100, 2),
        },
        "source": {"ip": _address(finding["orig_ip"]), "address": finding["orig_ip"]},
        "destination": {"ip": address, "domain": name, "address": finding["dest"], "port": finding["resp_port"]},
        "network": {"transport": finding["proto"], "direction": "outbound"},
        "rule": {"name": finding["analyzer"], "category": "kagami"},
        "threat": {
            "framework": "MITRE ATT&CK",
            "technique": {"id": list(finding["techniques"]), "name": _names(finding)},
        },
        "related": {
            "ip": [one for one in (_address(finding["orig_ip"]), address) if one],
            "hosts": [] if name is None else [name],
        },
        "observer": {"type": "sensor", "vendor": "kagami", "product": "kagami", "version": __version__},
        "kagami": {field: finding[field] for field in _OWN},
    }  # fmt: skip
    return json_value(_filled(document))


def _ocsf(finding: Finding) -> bytes:
    number = _PROTO_NUMBERS.get(finding["proto"])
    evidence = {
        "src_endpoint": {"ip": _address(finding["orig_ip"])},
        "dst_endpoint": {"ip": _destination_ip(finding), "domain": _named(finding), "port": finding["resp_port"]},
        "connection_info": {"direction_id": 2, "direction": "Outbound", "protocol_num": number,
                            "protocol_name": finding["proto"]},
    }  # fmt: skip
    document = {
        "activity_id": 1,
        "category_uid": 2,
        "class_uid": 2004,
        "type_uid": 200401,
        "time": finding["last_ts"] // 1_000_000,
        "severity_id": _OCSF_SEVERITY.get(finding["severity"], 0),
        "status_id": _OCSF_STATUS.get(finding["state"], 0),
        "confidence_score": round(finding["score"] * 100),
        "is_alert": True,
        "count": finding["events"],
        "message": "; ".join(finding["reasons"]),
        "metadata": {
            "version": "1.3.0",
            "product": {"name": "kagami", "vendor_name": "kagami", "version": __version__},
            "uid": str(finding["id"]),
        },
        "finding_info": {
            "uid": str(finding["id"]),
            "title": _title(finding),
            "desc": "; ".join(finding["reasons"]),
            "types": [finding["analyzer"]],
            "first_seen_time": finding["first_ts"] // 1_000_000,
            "last_seen_time": finding["last_ts"] // 1_000_000,
            "analytic": {"name": finding["analyzer"], "type_id": 3, "type": "Statistical"},
            "attacks": [
                {"version": "15.0", "technique": {"uid": one, "name": technique_name(one) or one}}
                for one in finding["techniques"]
            ],
        },
        "evidences": [evidence],
    }
    return json_value(_filled(document))


def _cef(finding: Finding) -> bytes:
    address, name = _destination_ip(finding), _named(finding)
    head = ("CEF:0", "kagami", "kagami", __version__, finding["analyzer"], _title(finding))
    fields = {
        "externalId": finding["id"],
        "src": _address(finding["orig_ip"]) or "",
        "dst": address or "",
        "dhost": name or "",
        "dpt": finding["resp_port"],
        "proto": str(finding["proto"]).upper(),
        "cnt": finding["events"],
        "start": finding["first_ts"] // 1_000_000,
        "end": finding["last_ts"] // 1_000_000,
        "rt": finding["last_ts"] // 1_000_000,
        "cs1Label": "techniques",
        "cs1": ", ".join(finding["techniques"]),
        "cs2Label": "state",
        "cs2": finding["state"],
        "cfp1Label": "score",
        "cfp1": f"{finding['score']:.4f}",
        "cfp2Label": "interval_s",
        "cfp2": finding["interval_s"] or "",
        "msg": "; ".join(finding["reasons"]),
    }
    start = "|".join((*(_cef_head(one) for one in head), str(_CEF_SEVERITY.get(finding["severity"], 0))))
    extension = " ".join(f"{key}={_cef_value(value)}" for key, value in fields.items() if value not in (None, ""))
    return f"{start}|{extension}".encode("utf-8", "backslashreplace")


def _cef_head(value: str) -> str:
    return clean(value, _MAX_CEF_CHARS).replace("\\", "\\\\").replace("|", "\\|")


def _cef_value(value: Any) -> str:
    return clean(str(value), _MAX_CEF_CHARS).replace("\\", "\\\\").replace("=", "\\=")


def _eve(finding: Finding) -> bytes:
    document = {
        "timestamp": _eve_time(finding["last_ts"]),
        "event_type": "alert",
        "src_ip": finding["orig_ip"],
        "dest_ip": _destination_ip(finding) or finding["dest"],
        "dest_port": finding["resp_port"],
        "proto": str(finding["proto"]).upper(),
        "alert": {
            "action": "allowed",
            "gid": 1,
            "signature_id": 1_900_000_000 + zlib.crc32(str(finding["analyzer"]).encode("utf-8", "replace")) % 1_000_000,
            "rev": 1,
            "signature": f"kagami {_title(finding)}",
            "category": "A Network Trojan was detected" if finding["analyzer"] == "beacon" else "Misc activity",
            "severity": _EVE_SEVERITY.get(finding["severity"], 3),
            "metadata": {
                "kagami_finding": [str(finding["id"])],
                "kagami_severity": [finding["severity"]],
                "mitre_technique_id": list(finding["techniques"]),
                "reasons": list(finding["reasons"]),
            },
        },
        "flow": {"start": _eve_time(finding["first_ts"])},
        "dest_name": _named(finding),
    }
    return json_value(_filled(document))


def _eve_time(ts_ns: int) -> str:
    seconds, rest_ns = divmod(ts_ns, NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns // 1000:06d}+0000"


def _title(finding: Finding) -> str:
    return f"{finding['analyzer']}: {finding['orig_ip']} to {finding['dest']}"


def _names(finding: Finding) -> list[str]:
    return [technique_name(one) or one for one in finding["techniques"]]


EXPORTS: dict[str, Callable[[Finding], bytes]] = {"ecs": _ecs, "ocsf": _ocsf, "cef": _cef, "eve": _eve}
"""Format -> one record without the line's end."""

assert set(SEVERITIES) == set(_ECS_SEVERITY)
