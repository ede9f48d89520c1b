"""One carved conversation under pyshark, in a process of its own: certificates, requests, logins, as tshark reads them.

Run as `python -m sensor.response.microscope CAPTURE TSHARK`, only ever by `deep.py`: in a private empty directory
(pyshark takes a config.ini from the current one), with limits on time and memory, and nothing of the caller's
environment. It writes one JSON object. Dissectors of hostile packets are where programs break, so nothing of this runs
in the command itself.
"""

import json
import resource
import sys
from collections import Counter
from typing import Any

MAX_PACKETS = 400
MAX_ROWS = 400
MAX_CHARS = 300
_MAX_VALUES = 16
_MEMORY_BYTES = 2 << 30
_CPU_S = 60

_WANTED = {
    "tls": ("server_name", "ja3", "ja3s", "ja4", "handshake_version", "alpn_str", "x509sat", "dnsname", "utctime",
            "serialnumber", "handshake_certificate", "alert_message"),
    "quic": ("server_name", "ja3", "ja4", "version", "alpn_str"),
    "http": ("request_method", "request_full_uri", "host", "user_agent", "server", "content_type", "response_code",
             "referer", "location", "x_forwarded_for", "authorization"),
    "http2": ("header_name", "header_value", "headers_method", "headers_path", "headers_authority"),
    "dns": ("qry_name", "resp_name", "dns_a", "txt", "cname"),
    "kerberos": ("cnamestring", "snamestring", "realm", "etype", "msg_type", "error_code"),
    "ntlmssp": ("username", "domain", "hostname", "target_name"),
    "smb": ("file", "path", "share", "native_os", "cmd", "nt_status"),
    "smb2": ("filename", "tree", "path", "cmd", "nt_status"),
    "dcerpc": ("bind_to_uuid", "opnum"),
    "ldap": ("name", "baseobject", "assertionvalue"),
    "ssh": ("protocol",),
    "smtp": ("command", "parameter", "response_parameter"),
    "ftp": ("command", "arg", "response_code"),
}  # fmt: skip
"""Of each layer the fields that say who and what, by a part of their names."""

_WARNINGS = "_ws_expert_message"
_LAYERS = tuple(_WANTED)
_FILTER = " or ".join(("tls.handshake", "tls.alert_message", "http2.header", *(
    name for name in _LAYERS if name not in ("tls", "http2")
)))  # fmt: skip


def main(capture: str, tshark: str) -> None:
    """Dissect and print; a capture that breaks off gives what came before."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import pyshark
    from pyshark.capture.capture import TSharkCrashException

    counts: Counter[tuple[str, str, str]] = Counter()
    error, n_packets = "", 0
    packets = pyshark.FileCapture(capture, display_filter=_FILTER, tshark_path=tshark, keep_packets=False)
    try:
        try:
            for packet in packets:
                n_packets += 1
                _count(packet, counts)
                if n_packets >= MAX_PACKETS:
                    break
        finally:
            packets.close()  # which is also where a tshark that broke off is told of
    except TSharkCrashException as wrong:
        error = _last_words(str(wrong))
    rows = [
        {"layer": layer, "field": name, "value": value, "packets": n}
        for (layer, name, value), n in sorted(counts.items(), key=lambda item: (_LAYERS.index(item[0][0]), item[0]))
    ]
    n_out = max(0, len(rows) - MAX_ROWS)
    json.dump({"packets": n_packets, "error": error, "rows": rows[:MAX_ROWS], "rows_left_out": n_out}, sys.stdout)


def _last_words(text: str) -> str:
    """What tshark itself said last, out of pyshark's message about it."""
    said = [line.partition("Last error line:")[2].strip() for line in text.splitlines() if "Last error line:" in line]
    return (said or text.splitlines() or ["tshark broke off"])[0][:MAX_CHARS]


def _count(packet: Any, counts: Counter[tuple[str, str, str]]) -> None:
    """Count the readable fields of the layers that say who and what; each once a packet."""
    seen = set()
    for layer in packet.layers:
        name = layer.layer_name
        if name not in _LAYERS:
            continue
        for field in layer.field_names:
            if field == _WARNINGS or any(part in field for part in _WANTED[name]):
                shown = "warning" if field == _WARNINGS else field[:MAX_CHARS]
                seen |= {(name, shown, value[:MAX_CHARS]) for value in _values(layer.get_field(field))}
    counts.update(seen)


def _values(field: Any) -> list[str]:
    """What tshark shows for a field, which stands several times where a packet has several."""
    found = [str(one.showname_value or one.show or "") for one in getattr(field, "all_fields", [])]
    return [value.removesuffix("\\r\\n") for value in found if value][:_MAX_VALUES]


if __name__ == "__main__":
    main(*sys.argv[1:])
