"""Sharing with other organisations: a STIX 2.1 bundle and a MISP event.

Both name what was contacted, when and why, never one's own hosts. Identifiers are made of what they stand for, so that
the same finding exported again is the same object to whoever receives it.
"""

import json
import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Any
from uuid import UUID, uuid5

from sensor.response.blocklist import ADDRESS, DOMAIN, Entry
from sensor.response.formats.form import NS, Form, Made, moment
from sensor.response.jsontext import json_text

_OBSERVABLES = UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")  # STIX 2.1 section 2.9
_OURS = UUID("3d5f2f5e-8a1c-5d38-9a53-6b6167616d69")
_TLP_AMBER = "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"  # STIX 2.1 section 7.2.1.4
_MOST_OBSERVED = 999_999_999
_CONFIDENCE = {"low": 30, "medium": 50, "high": 75, "critical": 90}
_THREAT_LEVEL = {"critical": "1", "high": "1", "medium": "2", "low": "3"}
_ADDRESS_IN_TEXT = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b|[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:]*")


def _stix(entries: Sequence[Entry], made: Made) -> str:
    """STIX 2.1: for each entry an indicator, what was observed, and that the one rests on the other."""
    objects = [_identity()]
    for entry in entries:
        objects += _stix_objects(entry)
    bundle_id = uuid5(_OURS, json.dumps(objects, sort_keys=True))
    return json_text({"type": "bundle", "id": f"bundle--{bundle_id}", "objects": objects})


def _identity() -> dict[str, Any]:
    return {
        "type": "identity",
        "spec_version": "2.1",
        "id": f"identity--{uuid5(_OURS, 'identity')}",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "name": "kagami",
        "identity_class": "system",
    }


def _stix_objects(entry: Entry) -> Iterator[dict[str, Any]]:
    last_ts = max(entry.last_ts, entry.first_ts)
    common = {
        "spec_version": "2.1",
        "created_by_ref": _identity()["id"],
        "created": moment(entry.first_ts),
        "modified": moment(last_ts),
        "object_marking_refs": [_TLP_AMBER],
    }
    observable = _observable(entry)
    indicator_id = f"indicator--{uuid5(_OURS, f'indicator {entry.value}')}"
    observed_id = f"observed-data--{uuid5(_OURS, f'observed {entry.value}')}"
    yield observable
    yield {
        "type": "indicator",
        "id": indicator_id,
        **common,
        "name": f"{entry.value} ({entry.analyzer})",
        "description": "; ".join(_without_addresses(entry)),
        "indicator_types": ["malicious-activity"],
        "pattern": _pattern(entry),
        "pattern_type": "stix",
        "valid_from": moment(entry.first_ts),
        **({"valid_until": moment(entry.expires_ts)} if entry.expires_ts > entry.first_ts else {}),
        "confidence": _CONFIDENCE.get(entry.severity, 50),
    }
    yield {
        "type": "observed-data",
        "id": observed_id,
        **common,
        "first_observed": moment(entry.first_ts),
        "last_observed": moment(last_ts),
        "number_observed": max(1, min(entry.events, _MOST_OBSERVED)),
        "object_refs": [observable["id"]],
    }
    yield {
        "type": "relationship",
        "id": f"relationship--{uuid5(_OURS, f'based-on {entry.value}')}",
        **common,
        "relationship_type": "based-on",
        "source_ref": indicator_id,
        "target_ref": observed_id,
    }


def _observable(entry: Entry) -> dict[str, Any]:
    kind = _stix_type(entry)
    name = json.dumps({"value": entry.value}, separators=(",", ":"))  # STIX 2.1 section 2.9: of the contributing values
    return {"type": kind, "spec_version": "2.1", "id": f"{kind}--{uuid5(_OBSERVABLES, name)}", "value": entry.value}


def _stix_type(entry: Entry) -> str:
    if entry.kind == DOMAIN:
        return "domain-name"
    return f"ipv{ip_address(entry.value).version}-addr"


def _pattern(entry: Entry) -> str:
    kind = _stix_type(entry)
    if entry.kind == DOMAIN:
        return f"[{kind}:value = '{entry.value}']"
    port = f" AND network-traffic:dst_port = {entry.resp_port}" if entry.resp_port > 0 else ""
    return f"[network-traffic:dst_ref.type = '{kind}' AND network-traffic:dst_ref.value = '{entry.value}'{port}]"


def _misp(entries: Sequence[Entry], made: Made) -> str:
    """A MISP event in MISP's core format."""
    worst = min((_THREAT_LEVEL.get(entry.severity, "2") for entry in entries), default="4")
    event = {
        "uuid": str(uuid5(_OURS, f"event {made.serial}")),
        "info": "Destinations that kagami found suspicious",
        "date": moment(made.ts_ns)[:10],
        "timestamp": str(made.ts_ns // NS),
        "threat_level_id": worst,
        "analysis": "0",
        "distribution": "0",
        "published": False,
        "Tag": [{"name": "tlp:amber"}],
        "Attribute": [_misp_attribute(entry, made) for entry in entries],
    }
    return json_text({"Event": event})


def _misp_attribute(entry: Entry, made: Made) -> dict[str, Any]:
    return {
        "uuid": str(uuid5(_OURS, f"attribute {entry.value}")),
        "type": "domain" if entry.kind == DOMAIN else "ip-dst",
        "category": "Network activity",
        "value": entry.value,
        "to_ids": not entry.is_shared,
        "comment": "; ".join([f"{entry.analyzer}, score {entry.score:.2f}", *_without_addresses(entry)]),
        "first_seen": moment(entry.first_ts),
        "last_seen": moment(max(entry.last_ts, entry.first_ts)),
        "timestamp": str(made.ts_ns // NS),
    }


def _without_addresses(entry: Entry) -> list[str]:
    """The reasons, without sentences that name an address other than the entry's: it could be one of our own hosts."""
    return [
        reason for reason in entry.reasons if all(found == entry.value for found in _ADDRESS_IN_TEXT.findall(reason))
    ]


STIX = Form((ADDRESS, DOMAIN), _stix)
MISP = Form((ADDRESS, DOMAIN), _misp)
