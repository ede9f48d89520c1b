"""Busy stretches, long connections and first contacts as the lake tells them, and findings made of them."""

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sensor.analysis import analyze
from sensor.site import Site
from sensor.store.columns import N_BUCKETS
from sensor.store.connections import MAX_SILENCE_S, busy_slots, long_pairs
from sensor.store.contacts import first_contacts
from sensor.store.findings import findings
from sensor.store.store import Store
from sensor.store.summaries import save_channels
from tests.support.lake_rows import NOON_NS, buckets_of, columns_of, row

S = 1_000_000_000
HOUR = 3600 * S
SHA256 = "cd" * 32
HOST, ADDRESS, NAME = "10.0.0.9", "203.0.113.7", "c2.example"


def flow(i: int, start_s: float, length_s: float = 1.0, **values: Any) -> dict[str, Any]:
    first = NOON_NS + int(start_s * S)
    base: dict[str, Any] = {
        "uid": f"C{i}", "community_id": f"1:{i}", "first_ts": first, "last_ts": first + int(length_s * S),
        "duration_s": length_s, "orig_ip": HOST, "orig_port": 40_000, "resp_ip": ADDRESS, "resp_port": 443,
        "proto": "tcp", "name": NAME, "conn_state": "SF", "history": "ShADadFf", "resp_pkts": 4, "orig_bytes": 10,
        "resp_bytes": 20, "end_reason": "idle",
    }  # fmt: skip
    return row("flow", **(base | values))


def store_of(path: Path, flows: list[dict[str, Any]], events: list[dict[str, Any]] | None = None) -> Path:
    with Store.open(path, write=True) as store:
        store.begin_source(SHA256, "made.pcap")
        for table, rows in (("flow", flows), ("event", events or [])):
            if rows:
                store.lake.append(table, store.segment_name(SHA256, 0), columns_of(table, rows), buckets_of(rows))
        store.finish_source(
            SHA256, state="complete", packets=1, n_bytes=1, first_ts=NOON_NS, last_ts=NOON_NS + 40 * HOUR,
            rows={"flow": len(flows), "event": len(events or []), "dns": 0},
        )  # fmt: skip
    return path


def event_of(flow: dict[str, Any]) -> dict[str, Any]:
    names = ("uid", "orig_ip", "resp_ip", "resp_port", "proto")
    dest = flow["name"] or flow["resp_ip"]
    return row("event", ts=flow["first_ts"], dest=dest, kind="connection", **{name: flow[name] for name in names})


def busy(path: Path, least: int, **span: Any) -> list[dict[str, Any]]:
    with Store.open(path, write=False) as store:
        found = (busy_slots(store, [bucket], slot_s=600, min_connections=least, **span) for bucket in range(N_BUCKETS))
        return [slot for rows in found for slot in rows]


def long(path: Path, **span: Any) -> list[dict[str, Any]]:
    with Store.open(path, write=False) as store:
        found = (long_pairs(store, [bucket], min_open_s=3600, **span) for bucket in range(N_BUCKETS))
        return [pair for rows in found for pair in rows]


def test_busy_stretches_count_connections_not_reports(tmp_path: Path) -> None:
    flows = [flow(i, i * 10) for i in range(60)]
    flows += [flow(100 + i, 600 + i, resp_port=80 + i, resp_ip="203.0.113.8", resp_pkts=0) for i in range(50)]
    flows += [flow(7, 700, end_reason="active") for _ in range(80)]  # reports of one connection
    flows += [flow(8, 1300) for _ in range(80)]  # pieces of one connection
    flows += [flow(200 + i, 0, orig_ip="10.0.0.10") for i in range(49)]
    path = store_of(tmp_path / "store", flows)
    first, second = busy(path, 50)
    assert (first["connections"], first["silent"], first["ports"], first["resp_port"]) == (60, 0, 1, 443)
    assert (first["first_ts"], first["last_ts"]) == (NOON_NS, NOON_NS + 591 * S)
    assert (first["orig_bytes"], first["resp_bytes"], first["dest"]) == (600, 1200, NAME)
    assert (second["connections"], second["silent"], second["ports"]) == (50, 50, 50)
    assert second["dest_ips"] == ["203.0.113.8"]
    assert len(busy(path, 51)) == 1
    assert len(busy(path, 50, since_ns=NOON_NS + 600 * S)) == 1
    assert busy(path, 50, until_ns=NOON_NS) == []


def test_pieces_of_a_connection_are_one(tmp_path: Path) -> None:
    mid = {"history": "DadA", "name": "", "community_id": "1:7"}
    flows = [
        flow(7, 0, 400),
        flow(8, 400 + MAX_SILENCE_S, 10, **mid),
        flow(9, 410 + 2 * MAX_SILENCE_S, 10, **mid, end_reason="forced"),
        flow(10, 40_000, 3000, community_id="1:7"),  # the port again, with a handshake of its own
        flow(11, 43_100, 900, **mid),
        flow(12, 80_000, 900, **mid),  # long after: another
        flow(20, 0, 3500, proto="udp", resp_port=123, resp_ip="203.0.113.9", community_id="1:20", name=""),
        flow(21, 3600, 3500, proto="udp", resp_port=123, resp_ip="203.0.113.9", community_id="1:20", name=""),
    ]
    (pair,) = long(store_of(tmp_path / "store", flows))
    assert (pair["dest"], pair["connections"], pair["is_open"]) == (NAME, 2, True)
    assert pair["longest_s"] == pytest.approx(420 + 2 * MAX_SILENCE_S)
    assert pair["open_s"] == pytest.approx(420 + 2 * MAX_SILENCE_S + 4000)
    assert pair["pieces"] == 5
    assert (pair["orig_bytes"], pair["last_ts"]) == (50, NOON_NS + 44_000 * S)


def naive_long_pairs(flows: list[dict[str, Any]]) -> dict[str, tuple[int, float, float]]:
    """Connections, the longest and the sum by destination, piece by piece."""
    open_s: dict[tuple[str, int], list[int]] = {}
    numbers: dict[str, int] = {}
    last: dict[str, dict[str, Any]] = {}
    for piece in sorted(flows, key=lambda f: (f["community_id"], f["first_ts"], f["last_ts"])):
        key = piece["community_id"]
        before = last.get(key)
        opens = "S" in piece["history"] or "h" in piece["history"]
        apart = before is not None and piece["first_ts"] - before["last_ts"] > MAX_SILENCE_S * S
        same = before is not None and before["uid"] == piece["uid"]
        if not same and (before is None or piece["proto"] != "tcp" or opens or apart):
            numbers[key] = numbers.get(key, 0) + 1
        span = open_s.setdefault((key, numbers[key]), [piece["first_ts"], piece["last_ts"]])
        span[:] = min(span[0], piece["first_ts"]), max(span[1], piece["last_ts"])
        last[key] = piece
    found: dict[str, tuple[int, float, float]] = {}
    for (key, _), (first, end) in open_s.items():
        seconds = (end - first) / S
        if seconds >= 3600:
            n, longest, total = found.get(key, (0, 0.0, 0.0))
            found[key] = (n + 1, max(longest, seconds), total + seconds)
    return found


def test_long_pairs_are_those_of_a_naive_twin(tmp_path: Path) -> None:
    rng = random.Random(5)
    flows = []
    for pair in range(150):
        now, uid = 0.0, pair * 100
        for _ in range(rng.randint(1, 8)):
            now += rng.choice([1.0, 400.0, MAX_SILENCE_S - 1.0, MAX_SILENCE_S + 1.0])
            length = rng.choice([0.0, 50.0, 1800.0, 3600.0, 9000.0])
            uid += rng.random() < 0.7
            flows.append(
                flow(
                    uid, now, length, community_id=f"1:{pair}", name=f"n{pair}.example",
                    proto="tcp" if pair % 3 else "udp", history=rng.choice(["ShADd", "Dd", "^hAdD", "DadF"]),
                )
            )  # fmt: skip
            now += length
    for piece, after in pairwise(flows):
        piece["end_reason"] = "active" if piece["uid"] == after["uid"] else "idle"
    got = {
        f"1:{pair['dest'].removeprefix('n').removesuffix('.example')}": pair
        for pair in long(store_of(tmp_path / "store", flows))
    }
    expected = naive_long_pairs(flows)
    assert got.keys() == expected.keys()
    for key, (n, longest, total) in expected.items():
        assert (got[key]["connections"], got[key]["longest_s"], got[key]["open_s"]) == pytest.approx(
            (n, longest, total)
        )


def test_reports_of_one_uid_are_one_connection_whatever_the_protocol(tmp_path: Path) -> None:
    reports = [flow(30, i * 3600, 3600, proto="udp", end_reason="active", community_id="1:30") for i in range(3)]
    (pair,) = long(store_of(tmp_path / "store", reports))
    assert (pair["connections"], pair["pieces"], pair["open_s"]) == (1, 1, pytest.approx(3 * 3600))


def test_first_contacts_join_the_lake_and_what_outlives_it(tmp_path: Path) -> None:
    flows = [flow(1, 100), flow(2, 50), flow(3, 70, orig_ip="10.0.0.10")]
    path = store_of(tmp_path / "store", flows, [event_of(each) for each in flows])
    channel = {"orig_ip": "10.0.0.10", "dest": NAME, "resp_port": 443, "proto": "tcp", "via_proxy": ""}
    channel |= {"name_source": "sni", "dest_ips": [], "events": 9, "orig_bytes": 0, "resp_bytes": 0}
    with Store.open(path, write=True) as store:
        save_channels(store, [channel | {"first_ts": NOON_NS - HOUR, "last_ts": NOON_NS}])
        got = first_contacts(store, [NAME, "unknown.example"])
        assert first_contacts(store, []) == {"begins_ns": NOON_NS, "of": {}}
    assert got == {
        "begins_ns": NOON_NS,
        "of": {NAME: {HOST: NOON_NS + 50 * S, "10.0.0.10": NOON_NS - HOUR}},
    }


def test_an_analysis_finds_both_with_evidence(tmp_path: Path) -> None:
    strobe = [flow(i, 30 * 3600 + i / 2) for i in range(1200)]
    tunnel = flow(5000, 25 * 3600, 9 * 3600, resp_port=8022, resp_ip="203.0.113.9", name="")
    flows = [*strobe, tunnel]
    path = store_of(tmp_path / "store", flows, [event_of(each) for each in flows])
    analyze(path, site=Site())
    with Store.open(path, write=False) as store:
        rows = {row["analyzer"]: row for row in findings(store)[0]}
        kept = store.db.execute("SELECT count(*) FROM finding_flow").fetchone()[0]
    assert rows["strobe"]["events"] == 1200
    assert rows["strobe"]["dest"] == NAME
    assert (rows["long-connection"]["dest"], rows["long-connection"]["severity"]) == ("203.0.113.9", "medium")
    assert any(said.startswith("first contact: in the 25 h kept before") for said in rows["long-connection"]["reasons"])
    assert kept >= 1001  # 1,000 of the strobe, the tunnel
