"""A finding as a message: CEF or JSON for syslog, JSON for a webhook, fields for the journal. Pure text.

Everything is ASCII on one line: what came from the network stands as JSON escapes, so it can neither end a message nor
begin another, nor act on a terminal that shows the receiver's log.

Source: ArcSight Common Event Format (header and extension escaping), RFC 5424, systemd's native journal protocol.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sensor import __version__

SCHEMA_VERSION = 1
_LEVELS = {"low": 5, "medium": 4, "high": 3, "critical": 2}  # notice to critical, RFC 5424 section 6.2.1
_MAX_TEXT = 1000
_FACILITY = 10  # security and authorization
_NS = 10**9

Row = Mapping[str, Any]


def summary(finding: Row, change: str) -> str:
    """One line for a person."""
    what = f"{finding['analyzer']}: {finding['orig_ip']} -> {finding['dest']} {finding['resp_port']}/{finding['proto']}"
    graver = ", graver than before" if change == "graver" else ""
    first = f": {finding['reasons'][0]}" if finding["reasons"] else ""
    return _plain(
        f"{finding['severity']} {what} (finding {finding['id']}, score {finding['score']:.2f}{graver}){first}"
    )


def as_json(finding: Row, change: str) -> bytes:
    """{"schema_version", "change", "finding"}: the finding's fields as `kagami findings --json` has them."""
    told = {name: _time(value) if name.endswith("_ts") else value for name, value in finding.items()}
    told.pop("allowed_by", None)  # one that is allowed is not told
    return json.dumps({"schema_version": SCHEMA_VERSION, "change": change, "finding": told}).encode("ascii")


def shortened(finding: Row) -> dict[str, Any]:
    """A finding with half of its longest list, and how many values were left out of it; the same when none is long."""
    lists = {name: value for name, value in finding.items() if isinstance(value, list | tuple) and len(value) > 1}
    if not lists:
        return dict(finding)
    name = max(lists, key=lambda name: len(json.dumps(lists[name])))
    kept = list(lists[name][: len(lists[name]) // 2])
    left_out = dict(finding.get("left_out", {}))
    left_out[name] = left_out.get(name, 0) + len(lists[name]) - len(kept)
    return {**finding, name: kept, "left_out": left_out}


def as_cef(finding: Row, change: str) -> bytes:
    """One CEF event; its severity is the score times ten."""
    name = f"{finding['analyzer']} {'again, graver' if change == 'graver' else 'found'}"
    head = ("CEF:0", "kagami", "kagami", __version__, finding["analyzer"], name, str(round(finding["score"] * 10)))
    extension = {
        "externalId": finding["id"],
        "src": finding["orig_ip"],
        "dst": finding["dest_ips"][0] if finding["dest_ips"] else "",
        "dhost": finding["dest"],
        "dpt": finding["resp_port"],
        "proto": finding["proto"].upper(),
        "start": finding["first_ts"] // 10**6,
        "end": finding["last_ts"] // 10**6,
        "cnt": finding["events"],
        "outcome": finding["outcome"],
        "cs1Label": "severity",
        "cs1": finding["severity"],
        "cs2Label": "techniques",
        "cs2": " ".join(finding["techniques"]),
        "cs3Label": "proxy",
        "cs3": finding["via_proxy"],
        "msg": "; ".join(finding["reasons"])[:_MAX_TEXT],
    }
    pairs = (f"{name}={_cef_value(value)}" for name, value in extension.items() if value != "")
    return f"{'|'.join(_cef_head(part) for part in head)}|{' '.join(pairs)}".encode("ascii")


def syslog_line(message: bytes, severity: str, host: str, now_ns: int, pid: int) -> bytes:
    """RFC 5424 around a message. host : this machine's name; now_ns : ns since 1970"""
    priority = _FACILITY * 8 + _LEVELS[severity]
    stamp = f"{datetime.fromtimestamp(now_ns // _NS, UTC):%Y-%m-%dT%H:%M:%S}.{now_ns % _NS // 1000:06d}Z"
    return f"<{priority}>1 {stamp} {_plain(host)[:255] or '-'} kagami {pid} finding - ".encode("ascii") + message


def journal_fields(finding: Row, change: str) -> bytes:
    """Fields of systemd's native protocol, one a line: none of the values has a newline."""
    fields = {
        "MESSAGE": summary(finding, change),
        "PRIORITY": _LEVELS[finding["severity"]],
        "SYSLOG_IDENTIFIER": "kagami",
        "KAGAMI_CHANGE": change,
        "KAGAMI_FINDING": finding["id"],
        **{f"KAGAMI_{name.upper()}": finding[name] for name in ("analyzer", "orig_ip", "dest", "severity", "score")},
    }
    return "".join(f"{name}={_plain(str(value))}\n" for name, value in fields.items()).encode("ascii")


def _plain(text: str) -> str:
    """ASCII without controls."""
    return json.dumps(text[:_MAX_TEXT])[1:-1].replace('\\"', '"')


def _cef_head(text: str) -> str:
    return json.dumps(text)[1:-1].replace("\\", "\\\\").replace("|", "\\|")


def _cef_value(value: object) -> str:
    return json.dumps(str(value))[1:-1].replace("\\", "\\\\").replace("=", "\\=")


def _time(ts_ns: int) -> str:
    return f"{datetime.fromtimestamp(ts_ns // _NS, UTC):%Y-%m-%dT%H:%M:%S}.{ts_ns % _NS:09d}Z"
