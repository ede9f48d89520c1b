"""Channels beneath a finding: kept, widened, looked through, shown, and what they take the place of."""

from pathlib import Path
from typing import Any

import pytest

from sensor.cli.page import MAX_CHANNELS, finding_page
from sensor.response.dossier import gather
from sensor.store import evidence, lake
from sensor.store.columns import FINDING_CHANNEL
from sensor.store.evidence import keep_evidence
from sensor.store.findings import channels_of_finding, events_of_finding, findings, flows_of_finding
from sensor.store.store import Store
from tests.support import cli_store
from tests.support.lake_rows import NOON_NS, buckets_of, columns_of, row

S = 10**9
HOST = "10.0.0.20"


def channel(dest: str, **values: Any) -> dict[str, Any]:
    return {
        "dest": dest, "dest_ips": [dest], "resp_port": 443, "proto": "tcp", "via_proxy": "", "outcome": "established",
        "events": 2, "orig_bytes": 10, "resp_bytes": 20, "first_ts": NOON_NS, "last_ts": NOON_NS + S, "label": "",
    } | values  # fmt: skip


def egress(dest: str, *channels: dict[str, Any], **values: Any) -> dict[str, Any]:
    return cli_store.finding(
        analyzer="bypass", orig_ip=HOST, dest=dest, dest_ips=[], outcome="established", interval_s=None,
        jitter_frac=None,
        first_ts=NOON_NS, last_ts=NOON_NS + 9 * S, channels=list(channels),
    ) | values  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store.open(tmp_path / "store", write=True) as opened:
        yield opened


def test_they_are_kept_and_widen(store: Store) -> None:
    (one,) = store.upsert_findings([egress("many destinations (web)", channel("a.example"), channel("b.example"))])
    later = channel("a.example", first_ts=NOON_NS + 5 * S, last_ts=NOON_NS + 8 * S, events=7, label="clock")
    assert store.upsert_findings([egress("many destinations (web)", later)]) == [one]
    first, second = channels_of_finding(store, one)
    assert list(first) == [field.name for field in FINDING_CHANNEL]
    assert (first["dest"], first["events"], first["label"], first["dest_ips"]) == (
        "a.example",
        7,
        "clock",
        ["a.example"],
    )
    assert (first["first_ts"], first["last_ts"]) == (NOON_NS, NOON_NS + 8 * S)
    assert second["dest"] == "b.example"


def test_a_destination_beneath_is_found(store: Store) -> None:
    store.upsert_findings(
        [egress("many destinations (web)", channel("198.51.100.7"), channel("www.b.example")), egress("c")]
    )
    for dest in ("198.51.100.0/24", "b.example"):
        assert [one["dest"] for one in findings(store, dest=dest)[0]] == ["many destinations (web)"]
    assert findings(store, dest="d.example") == ([], 0)


def test_findings_that_are_now_beneath_another_go_unless_a_person_touched_them(store: Store) -> None:
    seen = [egress(name, channel(name)) for name in ("a", "b", "c", "blocked", "older")]
    seen[3]["outcome"] = "refused"
    seen[4]["first_ts"] = NOON_NS - S
    ids = store.upsert_findings(seen)
    store.db.execute("UPDATE finding SET state = 'confirmed' WHERE id = ?", (ids[1],))
    beneath = [channel(name) for name in ("a", "b", "blocked", "older", "new")]
    (group,) = store.upsert_findings([egress("many destinations (web)", *beneath)])
    assert {one["id"] for one in findings(store)[0]} == {*ids[1:], group}
    assert channels_of_finding(store, ids[0]) == []


@pytest.mark.parametrize("piece_bytes", [1, lake.PIECE_BYTES])
def test_the_evidence_is_that_of_the_channels(store: Store, monkeypatch: pytest.MonkeyPatch, piece_bytes: int) -> None:
    """Collected of all hosts in one go, and of one bucket of them after the other."""
    monkeypatch.setattr(lake, "PIECE_BYTES", piece_bytes)
    rows = [("e1", "a", 443, ""), ("e2", "b", 443, ""), ("e3", "b", 80, ""), ("e4", "x", 443, "")]
    events = [
        row("event", uid=uid, orig_ip=HOST, dest=dest, resp_port=port, proto="tcp") for uid, dest, port, _ in rows
    ]
    flows = [row("flow", uid=uid, orig_ip=HOST, resp_port=port, proto="tcp") for uid, _, port, _ in rows]
    for table, made in (("event", events), ("flow", flows)):
        store.lake.append(table, "s-0", columns_of(table, made), buckets_of(made))
    (one,) = store.upsert_findings([egress("many destinations (web)", channel("a"), channel("b"))])
    keep_evidence(store, [one])
    keep_evidence(store, [one])
    assert {event["uid"] for event in events_of_finding(store, one)} == {"e1", "e2"}
    assert {flow["uid"] for flow in flows_of_finding(store, one)} == {"e1", "e2"}


def test_very_many_findings_keep_fewer_rows_each(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MAX_ROWS_IN_ALL", 8)
    monkeypatch.setattr(evidence, "LEAST_ROWS", 3)
    hosts = ("10.0.0.20", "10.0.0.21")
    events = [
        row("event", uid=f"{host}-{n}", orig_ip=host, dest="a", resp_port=443, proto="tcp", ts=NOON_NS + n)
        for host in hosts
        for n in range(10)
    ]
    store.lake.append("event", "s-0", columns_of("event", events), buckets_of(events))
    made = [egress("a", channel("a")) | {"orig_ip": host} for host in hosts]
    one, other = store.upsert_findings(made)
    keep_evidence(store, [one, other])
    assert [event["uid"] for event in events_of_finding(store, one)] == [f"10.0.0.20-{n}" for n in (6, 7, 8, 9)]
    keep_evidence(store, [one, other, 98, 99])
    assert len(events_of_finding(store, other)) == 4


def test_the_page_says_where_to_and_whether_it_got_out(store: Store) -> None:
    channels = [channel(f"w{i}.example", label="push service" if i else "") for i in range(MAX_CHANNELS + 3)]
    (one,) = store.upsert_findings([egress("many destinations (web)", *channels)])
    text = "\n".join(finding_page(gather(store, one), 100))
    assert "Where to\n  w0.example 443/tcp  2 connections established, first 2024-10-04 12:00:00" in text
    assert "push service" in text
    assert "and 3 more" in text
    assert "outcome       established (it got out)" in text


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        ({"analyzer": "bypass"}, "goes around the proxy; block its way out"),
        ({"analyzer": "bypass", "outcome": "refused"}, "the program on 10.0.0.20 that tries is still there"),
        (
            {"analyzer": "egress", "outcome": "unanswered", "interval_s": 60.0},
            "Isolate 10.0.0.20: a program on it keeps trying",
        ),
        ({"analyzer": "server-egress"}, "Ask who runs 10.0.0.20 what this is for."),
        ({"analyzer": "beacon", "outcome": ""}, "that keeps this timer"),
    ],
)
def test_advice(store: Store, values: dict[str, Any], advice: str) -> None:
    (one,) = store.upsert_findings([egress("c2.example", **values)])
    assert advice in " ".join(" ".join(finding_page(gather(store, one), 100)).split())
