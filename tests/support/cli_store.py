"""A small store for tests of the command line: one beacon, one bypass, names that mean harm."""

import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sensor.store.evidence import keep_evidence
from sensor.store.store import Store
from tests.support.lake_rows import NOON_NS, buckets_of, columns_of, row

S = 1_000_000_000
BEACON_HOST, BEACON_IP, BEACON_NAME = "10.0.0.57", "203.0.113.66", "cdn.updates.example"
BYPASS_HOST, BYPASS_IP = "10.0.0.64", "198.51.100.23"
PROXY, RESOLVER = "10.0.0.238", "198.51.100.53"
HOSTILE = "\x1b]0;owned\x07[bold red]evil\u202e\u200b\x9b31m\t=cmd|'/c calc'!A1\r\n\udcff"[:-1]
N_BEATS = 40
SHA256 = "ab" * 32


def beats() -> list[dict[str, Any]]:
    """The beacon's flows: one every 60 s."""
    return [
        row(
            "flow", uid=f"Cbeacon{i:02d}", first_ts=NOON_NS + i * 60 * S,
            last_ts=NOON_NS + i * 60 * S + S, duration_s=1.0,
            orig_ip=BEACON_HOST, orig_port=40_000 + i, resp_ip=BEACON_IP, resp_port=443, proto="tcp", name=BEACON_NAME,
            name_source="sni", app="tls", conn_state="SF", history="ShADadFf", orig_pkts=8, resp_pkts=7,
            orig_bytes=512, resp_bytes=1_834, source="lab.pcap",
        )
        for i in range(N_BEATS)
    ]  # fmt: skip


def finding(**values: Any) -> dict[str, Any]:
    """A finding as an analyzer gives it."""
    return {
        "analyzer": "beacon", "orig_ip": BEACON_HOST, "dest": BEACON_NAME, "dest_ips": [BEACON_IP], "resp_port": 443,
        "proto": "tcp", "score": 0.97, "severity": "critical", "first_ts": NOON_NS,
        "last_ts": NOON_NS + (N_BEATS - 1) * 60 * S, "events": N_BEATS, "interval_s": 60.0, "jitter_frac": 0.02,
        "via_proxy": "", "outcome": "", "reasons": [f"{N_BEATS} connections, one every 60 s within 2 %"],
        "techniques": ["T1071.001"],
    } | values  # fmt: skip


def make_store(path: Path) -> Path:
    """Fill a new store: findings 1 (beacon, critical), 2 (bypass, high), 3 (hostile name, low)."""
    shutil.copytree(_template().name, path)
    return path


@cache
def _template() -> TemporaryDirectory[str]:
    """The filled store, made once a process: writing one waits for the disk, a copy does not."""
    folder = TemporaryDirectory(prefix="kagami-test-store-")
    _fill(Path(folder.name))
    return folder


def _fill(path: Path) -> None:
    flows = beats()
    events = [
        row(
            "event", ts=flow["first_ts"], dest=BEACON_NAME, kind="connection", answered=True,
            **{name: flow[name] for name in ("uid", "orig_ip", "resp_ip", "resp_port", "proto", "name_source",
                                             "orig_bytes", "resp_bytes", "duration_s", "source")},
        )
        for flow in flows
    ]  # fmt: skip
    flows.append(row("flow", uid="Cbypass", orig_ip=BYPASS_HOST, resp_ip=BYPASS_IP, resp_port=443, proto="tcp",
                     conn_state="S0", history="S"))  # fmt: skip
    flows.append(row("flow", uid="Chostile", orig_ip="10.0.0.99", resp_ip=BYPASS_IP, resp_port=80, proto="tcp",
                     name=HOSTILE, user_agent=HOSTILE, source="=1+1.pcap"))  # fmt: skip
    events.append(row("event", uid="Chostile", orig_ip="10.0.0.99", resp_ip=BYPASS_IP, resp_port=80, proto="tcp",
                      dest=HOSTILE, kind="request", method="GET", uri=HOSTILE))  # fmt: skip
    dns = [row("dns", orig_ip=BEACON_HOST, resp_ip=RESOLVER, qname=BEACON_NAME, qtype="A", rcode="NOERROR",
               answers=BEACON_IP, ttl=300),
           row("dns", orig_ip="10.0.0.99", resp_ip=RESOLVER, qname=HOSTILE, qtype="TXT", rcode="NOERROR",
               answers=HOSTILE, ttl=-1)]  # fmt: skip
    with Store.open(path, write=True) as store:
        assert not store.begin_source(SHA256, "lab.pcap")
        for table, rows in (("flow", flows), ("event", events), ("dns", dns)):
            store.lake.append(table, store.segment_name(SHA256, 0), columns_of(table, rows), buckets_of(rows))
        store.finish_source(
            SHA256, state="complete", packets=1_234_567, n_bytes=98_765_432, first_ts=NOON_NS,
            last_ts=NOON_NS + 3_600 * S, rows={"flow": len(flows), "event": len(events), "dns": len(dns)},
        )  # fmt: skip
        store.save_counters(
            SHA256,
            {
                "decode": {"ok": 1_234_500, "truncated_ip": 67},
                "flows": {"evicted": 3},
                "settings": {"exchange_gap_ms": 200},
            },
        )
        ids = store.upsert_findings(
            [
                finding(),
                finding(analyzer="bypass", orig_ip=BYPASS_HOST, dest=BYPASS_IP, dest_ips=[BYPASS_IP], score=0.81,
                        severity="high", events=1, interval_s=0.0, jitter_frac=0.0, outcome="unanswered",
                        last_ts=NOON_NS, reasons=["12 attempts past the proxy, all unanswered"]),
                finding(orig_ip="10.0.0.99", dest=HOSTILE, dest_ips=[BYPASS_IP], score=0.4, severity="low", events=1,
                        last_ts=NOON_NS, resp_port=80, reasons=[f"asks for {HOSTILE}"], interval_s=0.0),
            ]
        )  # fmt: skip
        keep_evidence(store, ids)
