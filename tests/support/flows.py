"""Runs captures through reader, decoder and tracker in this process, and gives rows as plain dictionaries."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sensor.capture.reader import open_capture
from sensor.constants import APP_NAMES
from sensor.decode.decoder import Decoder
from sensor.errors import DamagedCaptureError
from sensor.flows.pool import texts
from sensor.flows.rows import CONN_STATES, END_NAMES, KIND_NAMES, NOTE_NAMES, SOURCE_NAMES
from sensor.flows.tracker import FlowTracker, Timeouts


@dataclass
class Collected:
    """Everything one capture gave."""

    flows: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    dns: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def address(hi: int, lo: int) -> str:
    value = int(hi) << 64 | int(lo)
    if value >> 32 == 0xFFFF:
        return str(ipaddress.IPv4Address(value & 0xFFFFFFFF))
    return str(ipaddress.IPv6Address(value))


class Collector:
    """A sink that keeps all rows."""

    def __init__(self) -> None:
        self.got = Collected()

    def __call__(self, out: Any, pool: Any) -> None:
        words = texts(pool)
        for r in out.flows[: int(out.n[0])]:
            row = {n: r[n].item() for n in r.dtype.names if n not in ("pad",)}
            row |= {
                "orig_ip": words[r["orig_ip_id"]],
                "resp_ip": words[r["resp_ip_id"]],
                "name": words[r["name_id"]],
                "via_proxy": words[r["proxy_id"]],
                "user_agent": words[r["agent_id"]],
                "history": words[r["history_id"]],
                "conn_state": CONN_STATES[r["conn_state"]],
                "end_reason": END_NAMES[r["end_reason"]],
                "name_source": SOURCE_NAMES[r["name_source"]],
                "app": APP_NAMES[r["app"]],
            }
            facts = out.facts[row.pop("facts")]
            row |= {name.removesuffix("_id"): words[facts[name]] for name in facts.dtype.names if name.endswith("_id")}
            row["tls_version"] = int(facts["tls_version"])
            row["notes"] = " ".join(word for bit, word in enumerate(NOTE_NAMES) if r["notes"] >> bit & 1)
            assert row["orig_ip"] == address(r["orig_hi"], r["orig_lo"])
            self.got.flows.append(row)
        for e in out.events[: int(out.n[1])]:
            row = {n: e[n].item() for n in e.dtype.names if n not in ("pad",)}
            row |= {
                "orig_ip": words[e["orig_ip_id"]],
                "resp_ip": words[e["resp_ip_id"]],
                "dest": words[e["dest_id"]],
                "via_proxy": words[e["proxy_id"]],
                "method": words[e["method_id"]],
                "uri": words[e["uri_id"]],
                "user_agent": words[e["agent_id"]],
                "ja4": words[e["ja4_id"]],
                "content_type": words[e["content_id"]],
                "kind": KIND_NAMES[e["kind"]],
                "name_source": SOURCE_NAMES[e["name_source"]],
            }
            self.got.events.append(row)
        for q in out.dns[: int(out.n[2])]:
            row = {n: q[n].item() for n in q.dtype.names if n not in ("pad",)}
            row |= {
                "orig_ip": words[q["orig_ip_id"]],
                "resp_ip": words[q["resp_ip_id"]],
                "qname": words[q["qname_id"]],
                "answers": words[q["answers_id"]],
            }
            self.got.dns.append(row)


def collect(path: Path | str, *, timeouts: Timeouts | None = None, split: Iterable[int] | None = None) -> Collected:
    """All rows of one capture; packets before any damage."""
    collector = Collector()
    tracker = FlowTracker(collector, timeouts=timeouts, max_flows=1 << 14, buffer_rows=1 << 12)
    decoder = Decoder()
    try:
        for batch in open_capture(str(path)).batches():
            packets = decoder.decode(batch)
            tracker.add(batch, packets)
    except DamagedCaptureError:
        pass
    tracker.finish()
    collector.got.counts = tracker.counts
    return collector.got


def key(row: dict[str, Any]) -> tuple[Any, ...]:
    return (row["proto"], row["orig_ip"], row["orig_port"], row["resp_ip"], row["resp_port"])


__all__ = ["Collected", "Collector", "address", "collect", "key", "np"]
