"""Who shares what with a finding, and one host's day in order."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sensor.cli.columns import RELATIONS, TIMELINE
from sensor.cli.main import run
from sensor.response.dossier import Dossier, gather
from sensor.response.related import related, uri_shape
from sensor.store.host_day import last_day, timeline
from sensor.store.store import Store
from tests.support.cli_store import (
    BEACON_HOST,
    BEACON_IP,
    BEACON_NAME,
    BYPASS_HOST,
    N_BEATS,
    S,
    finding,
    make_store,
)
from tests.support.lake_rows import DAY_NS, NOON_NS, buckets_of, columns_of, row

JA4, CERT = "t13d1516h2_8daaf6152771_e5627efa2ab1", "ab" * 32
JA3, HASSH = "ab" * 16, "cd" * 16
NEIGHBOUR, LOOKER = "10.0.1.2", "10.0.1.3"
PEER, CROWD = "10.0.1.1", [f"10.0.2.{i}" for i in range(8)]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = make_store(tmp_path_factory.mktemp("related") / "store")
    flows = [
        row("flow", uid="C1", orig_ip=PEER, resp_ip="203.0.113.200", name="other.example", ja4=JA4, cert_sha256=CERT),
        *(row("flow", uid=f"C2{i}", orig_ip=ip, resp_ip="9.9.9.10", ja4=JA4) for i, ip in enumerate(CROWD)),
    ]
    events = [
        row("event", uid="C1", orig_ip=PEER, dest=BEACON_NAME, kind="request", uri="/gate/9999.php?x"),
        row(
            "event", uid="C1", orig_ip=PEER, dest="x.example", kind="request", uri="/gate/1.php", user_agent="Havana/1"
        ),
    ]
    flows.append(row("flow", uid="C3", orig_ip=NEIGHBOUR, resp_ip=BEACON_IP, ja3=JA3, hassh=HASSH))
    events.append(row("event", uid="C3", orig_ip=LOOKER, dest=BEACON_NAME, kind="query"))
    with Store.open(path, write=True) as store:
        for table, rows in (("flow", flows), ("event", events)):
            store.lake.append(table, "more", columns_of(table, rows), buckets_of(rows))
        store.upsert_findings([finding(orig_ip="10.0.3.1", dest="third.example", interval_s=61.0),
                               finding(orig_ip="10.0.3.2", dest="fourth.example", interval_s=70.0)])  # fmt: skip
    return path


@pytest.fixture
def shared(path: Path) -> dict[tuple[str, str], Any]:
    with Store.open(path) as store:
        known = gather(store, 1)
        own = known.flows[0] | {"ja4": JA4, "cert_sha256": CERT, "user_agent": "Havana/1", "ja3": JA3, "hassh": HASSH}
        event = known.events[0] | {"uri": "/gate/77.php"}
        dossier = Dossier(**vars(known) | {"flows": [own], "events": [event]})
        return {(one.orig_ip, one.kind): one for one in related(store, dossier)}


def test_every_trait_is_found(shared: dict[tuple[str, str], Any]) -> None:
    assert {kind for ip, kind in shared if ip == PEER} == {
        "destination", "certificate", "ja4", "user-agent", "request", "block",
    }  # fmt: skip
    assert shared[PEER, "request"].value == "/gate/#.php"
    assert shared[PEER, "block"].value == "203.0.113.0/24"
    assert shared["10.0.3.1", "rhythm"].dests == ("third.example",)
    assert ("10.0.3.2", "rhythm") not in shared
    assert BEACON_HOST not in {ip for ip, _ in shared}


def test_the_same_address_is_not_told_again_as_its_block(shared: dict[tuple[str, str], Any]) -> None:
    assert {kind for ip, kind in shared if ip == NEIGHBOUR} == {"address", "ja3", "hassh"}
    assert shared[PEER, "block"].hosts == 2


def test_a_lookup_is_no_visit(shared: dict[tuple[str, str], Any]) -> None:
    assert LOOKER not in {ip for ip, _ in shared}


def test_what_lies_beneath_a_finding_is_its_destination(path: Path) -> None:
    with Store.open(path) as store:
        known = gather(store, 1)
        gathered = Dossier(
            known.finding | {"dest": "many destinations (web, established)"}, channels=[{"dest": "x.example"}]
        )
        assert {(one.orig_ip, one.kind, one.value) for one in related(store, gathered) if one.kind != "rhythm"} == {
            (PEER, "destination", "x.example")
        }


def test_what_many_share_counts_for_less(shared: dict[tuple[str, str], Any]) -> None:
    assert shared[PEER, "ja4"].hosts == 2 + len(CROWD)  # the finding's own too
    assert shared[PEER, "certificate"].strength > 3 * shared[PEER, "ja4"].strength
    strengths = [one.strength for one in shared.values()]
    assert strengths == sorted(strengths, reverse=True)


@pytest.mark.parametrize(
    ("uri", "shape"),
    [("/a/12/b34.php?x=1", "/a/#/b#.php"), ("/9f86d081884c7d65/x", "/#/x"), ("", ""), ("/", "/")],
)
def test_shapes_of_requests(uri: str, shape: str) -> None:
    assert uri_shape(uri) == shape


# --- one host's day ---


def test_a_day_in_order(path: Path) -> None:
    with Store.open(path) as store:
        since_ns, until_ns = last_day(store, BEACON_HOST) or (0, 0)
        assert until_ns - since_ns == DAY_NS
        rows = timeline(store, BEACON_HOST, since_ns, until_ns)
        assert last_day(store, "10.9.9.9") is None
    assert [(one["kind"], one["dest"], one["count"]) for one in rows] == [
        ("lookup", BEACON_NAME, 1), ("connection", BEACON_NAME, 1), ("finding", BEACON_NAME, N_BEATS),
        ("connection", BEACON_NAME, N_BEATS - 1),
    ]  # fmt: skip
    assert rows[0]["detail"] == f"A {BEACON_IP}"
    assert rows[2]["finding_id"] == 1
    assert rows[3]["last_ts"] == NOON_NS + (N_BEATS - 1) * 60 * S
    assert sum(one["orig_bytes"] for one in rows) == 512 * N_BEATS


def test_a_part_of_a_day(path: Path) -> None:
    with Store.open(path) as store:
        (rows,) = timeline(store, BEACON_HOST, NOON_NS + 60 * S, NOON_NS + 180 * S)
    assert rows["count"] == 2


def test_the_words_of_the_commands(
    path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAGAMI_STORE", str(path))
    for args, fields in ((["related", "1"], RELATIONS.fields), (["timeline", BYPASS_HOST], TIMELINE.fields),
                         (["timeline", BEACON_HOST], TIMELINE.fields)):  # fmt: skip
        assert run([*args, "--json"]) == 0
        sys.stdout.flush()
        rows = json.loads(capfd.readouterr().out)
        assert all(list(one) == list(fields) for one in rows)
    assert run(["timeline", "nobody"]) == 2
    assert "no address" in capfd.readouterr().err
