"""Every question against rows whose answer is known."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensor.errors import StoreError, UsageError
from sensor.store.columns import DNS, EVENT, FINDING, FLOW, N_BUCKETS
from sensor.store.evidence import keep_evidence
from sensor.store.findings import dns_of_finding, events_of_finding, finding, findings, flows_of_finding
from sensor.store.match import parse_target
from sensor.store.questions import dns, events, flows
from sensor.store.series import series_columns
from sensor.store.store import Store
from tests.support.lake_rows import DAY_NS, NOON_NS, buckets_of, columns_of, row
from tests.unit.test_store_store import FOUND

JA3, JA4 = "0123456789abcdef" * 2, "t13d1516h2_8daaf6152771_e5627efa2ab1"
FLOWS = [
    row(
        "flow", uid="C1", orig_ip="10.0.0.5", resp_ip="198.51.100.7", resp_port=443, proto="tcp",
        name="www.c2.example", app="tls", ja3=JA3, ja4=JA4, sni="front.example",
    ),
    row("flow", uid="C2", orig_ip="10.0.0.6", resp_ip="10.0.0.5", resp_port=445, proto="tcp", conn_state="S0",
        user_agent="Mozilla/5.0 Ünïx 100%_", via_proxy="10.0.0.2:3128"),
    row(
        "flow",
        uid="C3",
        orig_ip="2001:db8::1",
        resp_ip="2001:db8:ffff::9",
        resp_port=53,
        proto="udp",
        name="notc2.example",
    ),
    row(
        "flow",
        uid="C4",
        orig_ip="10.1.0.5",
        resp_ip="198.51.100.200",
        proto="tcp",
        first_ts=NOON_NS + DAY_NS,
        last_ts=NOON_NS + 3 * DAY_NS,
        name="C2.Example.",
    ),
]  # fmt: skip
EVENTS = [
    row("event", ts=NOON_NS + 2, uid="C1", orig_ip="10.0.0.5", dest="c2.example", resp_ip="198.51.100.7", resp_port=443,
        proto="tcp", kind="connection", orig_bytes=10, name_source="sni", answered=True, duration_s=0.5),
    row("event", ts=NOON_NS + 1, uid="C1", orig_ip="10.0.0.5", dest="c2.example", resp_ip="198.51.100.6", resp_port=443,
        proto="tcp", kind="attempt", orig_bytes=20, name_source="dns", ja4=JA4),
    row("event", ts=NOON_NS, uid="C9", orig_ip="10.0.0.5", dest="198.51.100.9", resp_ip="198.51.100.9", resp_port=80,
        proto="tcp", kind="attempt"),
    row("event", ts=NOON_NS, uid="C8", orig_ip="10.0.0.6", dest="a.c2.example", resp_ip="198.51.100.6", resp_port=443,
        proto="tcp", kind="request", via_proxy="10.0.0.2:3128", method="Post", uri="/Gate.php?id=1",
        user_agent="curl/8.1"),
]  # fmt: skip
QUESTIONS = [
    row("dns", orig_ip="10.0.0.5", qname="c2.example", qtype="A", rcode="NOERROR", answers="198.51.100.6,198.51.100.7"),
    row("dns", orig_ip="10.0.0.6", qname="x.c2.example", qtype="AAAA", rcode="NXDOMAIN", ttl=-1, app="mdns"),
    row("dns", orig_ip="10.0.0.7", qname="alias.example", qtype="A", answers="Edge.cdn.example,TXT 37,2001:db8::7"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path = tmp_path_factory.mktemp("questions") / "store"
    with Store.open(path, write=True) as writer:
        for table, rows in (("flow", FLOWS), ("event", EVENTS), ("dns", QUESTIONS)):
            writer.lake.append(table, "s-0", columns_of(table, rows), buckets_of(rows))
        ids = writer.upsert_findings(
            [
                FOUND,
                FOUND | {"dest": "198.51.100.9", "resp_port": 80, "score": 0.4, "analyzer": "bypass", "dest_ips": []},
            ]
        )
        assert ids == [1, 2]
        keep_evidence(writer, ids)
        keep_evidence(writer, ids)  # again: changes nothing
    with Store.open(path) as reader:
        yield reader


@pytest.mark.parametrize(
    ("asked", "uids"),
    [
        ({}, "C4 C1 C2 C3"),
        ({"host": "10.0.0.5"}, "C1 C2"),
        ({"host": "10.0.0.0/16"}, "C1 C2"),
        ({"host": "2001:db8::/48"}, "C3"),
        ({"host": "2001:DB8:0::1"}, "C3"),
        ({"host": "::ffff:10.0.0.6"}, "C2"),
        ({"host": "192.0.2.0/24"}, ""),
        ({"dest": "198.51.100.0/25"}, "C1"),
        ({"dest": "10.0.0.5"}, "C2"),
        ({"dest": "c2.example"}, "C4 C1"),
        ({"dest": "*.C2.example."}, "C4 C1"),
        ({"dest": "www.c2.example"}, "C1"),
        ({"dest": "%"}, ""),
        ({"host": "10.0.0.5", "dest": "c2.example"}, "C1"),
        ({"port": 443}, "C1"),
        ({"proto": "UDP"}, "C3"),
        ({"state": "s0"}, "C2"),
        ({"since_ns": NOON_NS + 1}, "C4"),
        ({"since_ns": NOON_NS + 2 * DAY_NS, "until_ns": NOON_NS + 2 * DAY_NS + 1}, "C4"),
        ({"until_ns": NOON_NS}, ""),
        ({"until_ns": NOON_NS + 1}, "C1 C2 C3"),
        ({"host": ["10.0.0.5", "10.1.0.0/16"]}, "C4 C1 C2"),
        ({"dest": ["10.0.0.5", "www.c2.example"]}, "C1 C2"),
        ({"name": "c2.example"}, "C4 C1"),
        ({"name": "C2.EXAMPLE."}, "C4 C1"),
        ({"name": "*.c2.example"}, "C4 C1"),
        ({"name": "2.example"}, ""),
        ({"name": "front.example"}, "C1"),
        ({"name": ("front.example", "notc2.example")}, "C1 C3"),
        ({"name": "%"}, ""),
        ({"name": "c_.example"}, ""),
        ({"name": "x'||'y"}, ""),
        ({"port": [443, 53]}, "C1 C3"),
        ({"port": 0}, "C4"),
        ({"proto": ["udp", "TCP"]}, "C4 C1 C2 C3"),
        ({"state": []}, "C4 C1 C2 C3"),
        ({"app": "TLS"}, "C1"),
        ({"app": "none"}, "C4 C2 C3"),
        ({"app": ["tls", "none"]}, "C4 C1 C2 C3"),
        ({"ja3": JA3.upper()}, "C1"),
        ({"ja4": JA4.upper()}, "C1"),
        ({"ja4": JA4[:10]}, ""),
        ({"user_agent": "ünïX"}, "C2"),
        ({"user_agent": "100%_"}, "C2"),
        ({"user_agent": "100_%"}, ""),
        ({"user_agent": ["nothing", "mozilla"]}, "C2"),
        ({"via_proxy": True}, "C2"),
        ({"via_proxy": False}, "C4 C1 C3"),
        ({"via_proxy": False, "app": "tls", "name": "c2.example"}, "C1"),
        ({"via_proxy": True, "app": "tls"}, ""),
        ({"order": "-resp_port"}, "C2 C1 C3 C4"),
        ({"order": "uid"}, "C1 C2 C3 C4"),
    ],
)
def test_flows(store: Store, asked: dict[str, Any], uids: str) -> None:
    rows, total = flows(store, **asked)
    assert [r["uid"] for r in rows] == uids.split()
    assert total == len(uids.split())


def test_rows_have_the_contract_columns_in_order_and_the_total_ignores_the_limit(store: Store) -> None:
    rows, total = flows(store, limit=2)
    got = list(rows)
    assert (len(got), total) == (2, 4)
    assert got[1] == FLOWS[0]
    assert list(got[0]) == [field.name for field in FLOW]
    assert [list(next(events(store)[0])), list(next(dns(store)[0]))] == [[f.name for f in EVENT], [f.name for f in DNS]]
    assert list(flows(store, limit=0)[0]) == []


@pytest.mark.parametrize(
    ("asked", "uids"),
    [
        ({}, ["C1", "C1", "C9", "C8"]),
        ({"dest": "c2.example"}, ["C1", "C1", "C8"]),
        ({"dest": "198.51.100.9"}, ["C9"]),
        ({"dest": "198.51.100.6/31", "kind": "attempt"}, ["C1"]),
        ({"host": "10.0.0.6"}, ["C8"]),
        ({"host": "198.51.100.9"}, []),
        ({"since_ns": NOON_NS + 1, "until_ns": NOON_NS + 2}, ["C1"]),
        ({"name": "c2.example"}, ["C1", "C1", "C8"]),
        ({"name": ["a.c2.example", "b.c2.example"]}, ["C8"]),
        ({"kind": ["attempt", "request"]}, ["C1", "C8", "C9"]),
        ({"method": "POST"}, ["C8"]),
        ({"method": "GET"}, []),
        ({"uri": "gate.PHP"}, ["C8"]),
        ({"user_agent": "CURL"}, ["C8"]),
        ({"ja4": JA4}, ["C1"]),
        ({"app": "tls"}, ["C1", "C1"]),
        ({"app": "tls", "ja3": JA3, "kind": "attempt"}, ["C1"]),
        ({"app": "tls", "ja3": "0" * 32}, []),
        ({"app": "none", "since_ns": NOON_NS}, []),
        ({"via_proxy": True}, ["C8"]),
        ({"via_proxy": False, "port": [80, 443]}, ["C1", "C1", "C9"]),
    ],
)
def test_events(store: Store, asked: dict[str, Any], uids: list[str]) -> None:
    rows, total = events(store, **asked)
    assert sorted(r["uid"] for r in rows) == sorted(uids)
    assert total == len(uids)


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, ["alias.example", "c2.example", "x.c2.example"]),
        ({"dest": "c2.example"}, ["c2.example", "x.c2.example"]),
        ({"dest": "198.51.100.7"}, ["c2.example"]),
        ({"dest": "98.51.100.7"}, []),
        ({"dest": "198.51.100.0/24"}, ["c2.example"]),
        ({"dest": ["198.51.100.7", "x.c2.example"]}, ["c2.example", "x.c2.example"]),
        ({"name": "c2.example"}, ["c2.example", "x.c2.example"]),
        ({"name": "c2.example", "answer": "198.51.100.6"}, ["c2.example"]),
        ({"answer": "198.51.100.6/31"}, ["c2.example"]),
        ({"answer": "2001:DB8:0::7"}, ["alias.example"]),
        ({"answer": "2001:db8::/32"}, ["alias.example"]),
        ({"answer": "cdn.example"}, ["alias.example"]),
        ({"answer": "edge.cdn.example"}, ["alias.example"]),
        ({"answer": "dn.example"}, []),
        ({"answer": ["192.0.2.1", "198.51.100.7"]}, ["c2.example"]),
        ({"qtype": ["A", "AAAA"], "app": "dns"}, []),
        ({"app": "mdns"}, ["x.c2.example"]),
        ({"rcode": "none"}, ["alias.example"]),
        ({"rcode": ["none", "nxdomain"]}, ["alias.example", "x.c2.example"]),
        ({"qtype": "aaaa"}, ["x.c2.example"]),
        ({"rcode": "noerror", "host": "10.0.0.0/8"}, ["c2.example"]),
    ],
)
def test_dns(store: Store, asked: dict[str, Any], names: list[str]) -> None:
    rows, total = dns(store, **asked)
    assert sorted(r["qname"] for r in rows) == names
    assert total == len(names)


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda s: flows(s, host="www.example"), "no address and no network"),
        (lambda s: flows(s, dest=""), "is no address"),
        (lambda s: flows(s, dest="a b"), "is no address"),
        (lambda s: flows(s, dest="10.0.0.0/99"), "is no address"),
        (lambda s: flows(s, order="uid; DROP TABLE x"), "cannot order by"),
        (lambda s: flows(s, name="10.0.0.1"), "'10.0.0.1' is an address or a network, no name"),
        (lambda s: events(s, name=["a.example", "10.0.0.0/8"]), "no name such as example.com"),
        (lambda s: dns(s, name="."), "is no address"),
        (lambda s: dns(s, answer="a b"), "is no address"),
        (lambda s: findings(s, state="ugly"), "one of new, investigating"),
        (lambda s: finding(s, 99), "there is no finding 99"),
    ],
)
def test_senseless_values_are_told(store: Store, ask: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        ask(store)


def test_a_segment_that_rotted_is_told(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store", write=True) as store:
        store.lake.append("dns", "s-0", columns_of("dns", QUESTIONS), buckets_of(QUESTIONS))
        for path in store.lake.files("dns"):
            path.write_bytes(b"PAR1 rotten PAR1")
        with pytest.raises(StoreError, match="cannot read the dns history"):
            dns(store)


def test_names_of_other_scripts_are_asked_for_as_they_are_on_the_wire() -> None:
    assert parse_target("日本.example").name == "xn--wgv71a.example"


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ({}, [1, 2]),
        ({"analyzer": "bypass"}, [2]),
        ({"min_score": 0.5}, [1]),
        ({"host": "10.0.0.0/24"}, [1, 2]),
        ({"host": "10.0.1.0/24"}, []),
        ({"dest": "example"}, [1]),
        ({"dest": "2.example"}, []),
        ({"dest": "198.51.100.7"}, [1]),
        ({"dest": "198.51.100.0/24"}, [1, 2]),
        ({"since_ns": NOON_NS + 101}, []),
        ({"until_ns": NOON_NS + 1}, [1, 2]),
        ({"state": "new"}, [1, 2]),
        ({"state": "confirmed"}, []),
    ],
)
def test_findings(store: Store, asked: dict[str, Any], ids: list[int]) -> None:
    rows, total = findings(store, **asked)
    assert [r["id"] for r in rows] == ids
    assert total == len(ids)


def test_findings_have_the_contract_fields_and_the_limit_does_not_change_the_total(store: Store) -> None:
    rows, total = findings(store, limit=1)
    assert ([r["id"] for r in rows], total) == ([1], 2)
    assert list(rows[0]) == [*(field.name for field in FINDING), "allowed_by"]
    assert finding(store, 1) == FOUND | {"id": 1, "state": "new", "note": "", "allowed_by": None}


def test_the_evidence_of_a_finding_is_its_own(store: Store) -> None:
    assert flows_of_finding(store, 1) == [FLOWS[0]]
    assert events_of_finding(store, 1) == [EVENTS[1], EVENTS[0]]
    assert dns_of_finding(store, 1) == [QUESTIONS[0]]
    assert events_of_finding(store, 2) == [EVENTS[2]]
    assert flows_of_finding(store, 2) == []  # its flow is not in the lake
    assert store.db.execute("SELECT count(*) FROM conn").fetchone() == (1,)


def test_series_are_the_events_by_channel_and_time(store: Store) -> None:
    bucket = int(buckets_of(EVENTS)[0])
    got = series_columns(store, [bucket])
    assert list(zip(got["orig_ip"], got["dest"], got["resp_port"], got["proto"], got["via_proxy"], strict=True)) == [
        ("10.0.0.5", "198.51.100.9", 80, "tcp", ""),
        ("10.0.0.5", "c2.example", 443, "tcp", ""),
    ]
    assert got["off"].tolist() == [0, 1, 3]
    assert got["ts_ns"].tolist() == [NOON_NS, NOON_NS + 1, NOON_NS + 2]
    assert got["orig_bytes"].tolist() == [0, 20, 10]
    assert got["answered"].tolist() == [False, False, True]
    assert got["duration_s"].tolist() == [0.0, 0.0, 0.5]
    assert list(got["dest_ips"]) == [("198.51.100.9",), ("198.51.100.6", "198.51.100.7")]
    assert list(got["name_source"]) == ["", "dns"]  # of the first event
    assert got["kind"][0] == "attempt"
    assert list(got["ja4"]) == ["", JA4]
    assert [
        a.dtype.str
        for a in (got["off"], got["ts_ns"], got["orig_bytes"], got["resp_bytes"], got["answered"], got["duration_s"])
    ] == [*("<i8", "<i8", "<i8", "<i8", "|b1", "<f8")]


def test_a_channel_has_the_one_certificate_that_its_flows_showed(tmp_path: Path) -> None:
    """By name where there is one, also behind a proxy; of two certificates none; another client's does not count."""
    same = {"orig_ip": "10.0.0.5", "resp_port": 443, "proto": "tcp"}
    proxied = {"resp_ip": "10.0.0.2", "via_proxy": "10.0.0.2:3128"}
    flows = [
        row("flow", **same, resp_ip="198.51.100.7", name="named.example", cert_sha256="a" * 64),
        row("flow", **same, resp_ip="198.51.100.8", name="named.example"),  # a resumed session shows none
        row("flow", **same, resp_ip="198.51.100.7", name="changed.example", cert_sha256="a" * 64),
        row("flow", **same, resp_ip="198.51.100.7", name="changed.example", cert_sha256="b" * 64),
        row("flow", **same, resp_ip="198.51.100.9", cert_sha256="c" * 64),
        row("flow", **same, **proxied, name="asked.example", cert_sha256="d" * 64),
        row(
            "flow",
            **same | {"orig_ip": "10.0.0.6"},
            resp_ip="198.51.100.3",
            name="theirs.example",
            cert_sha256="e" * 64,
        ),
    ]
    direct = ("198.51.100.9", "changed.example", "named.example", "theirs.example")
    events = [row("event", **same, dest=dest, ts=NOON_NS) for dest in direct]
    events.append(row("event", **same, **proxied, dest="asked.example", ts=NOON_NS))
    with Store.open(tmp_path / "store", write=True) as store:
        for table, rows in (("flow", flows), ("event", events)):
            store.lake.append(table, "s-0", columns_of(table, rows), np.zeros(len(rows), np.uint8))
        got = series_columns(store, [0])
    certificate_of = dict(zip(got["dest"], got["certificate"], strict=True))
    assert certificate_of == {
        "198.51.100.9": "c" * 64,
        "asked.example": "d" * 64,
        "changed.example": "",
        "named.example": "a" * 64,
        "theirs.example": "",
    }


def test_every_event_is_in_exactly_one_series(store: Store) -> None:
    assert sum(len(series_columns(store, [bucket])["ts_ns"]) for bucket in range(N_BUCKETS)) == len(EVENTS)


def test_replies_are_a_series_of_their_own_and_the_longer_one_counts(tmp_path: Path) -> None:
    def event(ts: int, kind: str, dest: str) -> dict[str, Any]:
        return row("event", orig_ip="10.0.0.5", dest=dest, kind=kind, ts=NOON_NS + ts)

    rows = [event(0, "connection", "polled.example"), *(event(n, "reply", "polled.example") for n in (1, 2, 3))]
    rows += [event(10, "connection", "polling.example"), event(20, "exchange", "polling.example")]
    rows += [event(15, "reply", "polling.example"), event(25, "reply", "polling.example")]
    with Store.open(tmp_path / "store", write=True) as store:
        store.lake.append("event", "s-0", columns_of("event", rows), np.zeros(len(rows), np.uint8))
        got = series_columns(store, [0])
    assert (list(got["dest"]), got["off"].tolist()) == (["polled.example", "polling.example"], [0, 3, 5])
    assert (got["ts_ns"] - NOON_NS).tolist() == [1, 2, 3, 10, 20]
    assert got["kind"][0] == "reply"


def test_series_of_a_span_and_of_nothing(store: Store) -> None:
    bucket = int(buckets_of(EVENTS)[0])
    assert series_columns(store, [bucket], NOON_NS + 1, NOON_NS + 2)["ts_ns"].tolist() == [NOON_NS + 1]
    nothing = series_columns(store, [(bucket + 7) % N_BUCKETS])
    assert (len(nothing["orig_ip"]), nothing["off"].tolist(), nothing["ts_ns"].dtype) == (0, [0], np.dtype(np.int64))


def test_series_that_do_not_fit_the_memory_limit_spill(tmp_path: Path) -> None:
    from sensor.store.columnar import coded, ints, pack_words

    rng = np.random.default_rng(3)
    n = 1_000_000
    with Store.open(tmp_path / "store", write=True) as store:
        columns = columns_of("event", [row("event", orig_ip="10.0.0.5")] * n)
        ts = rng.permutation(n) + NOON_NS
        words = pack_words([f"{i}.example" for i in range(1000)])
        columns[0] = ints("ts", ts)
        columns[6] = coded("dest", ts % 1000, *words)
        store.lake.append("event", "s-0", columns, np.zeros(n, np.uint8))
        spill = store.path / f".spill-{os.getpid()}"
        spill.write_text("in the way")
        with pytest.raises(StoreError, match="cannot read the events"):  # so the limit is too small without it
            series_columns(store, [0], memory_limit="40MiB")
        spill.unlink()
        got = series_columns(store, [0], memory_limit="40MiB")
        assert len(got["orig_ip"]) == 1000
        assert (np.diff(got["off"]) == n // 1000).all()
        for channel in (0, 999):
            part = got["ts_ns"][got["off"][channel] : got["off"][channel + 1]]
            assert (np.diff(part) > 0).all()
            assert set(part % 1000) == {int(got["dest"][channel].split(".")[0])}


def test_questions_load_no_numba_and_no_sqlite_utils(store: Store) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from sensor.store.store import Store\n"
        "from sensor.store.questions import flows\n"
        "from sensor.store.findings import findings\n"
        f"with Store.open(Path({str(store.path)!r})) as store:\n"
        "    findings(store); assert 'duckdb' not in sys.modules; list(flows(store, dest='c2.example')[0])\n"
        "assert not {'numba', 'sqlite_utils', 'scapy', 'pyshark'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
