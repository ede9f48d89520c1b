"""What stands around a finding: peers, the minute before, the host's other traffic, and what connections told."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from sensor.cli.columns import FINDINGS
from sensor.cli.main import run
from sensor.response.dossier import ACTIVITY_SLOTS, Dossier, gather
from sensor.response.techniques import technique_name
from sensor.store import desk
from sensor.store.store import Store
from tests.support.cli_store import BEACON_HOST, BEACON_IP, BEACON_NAME, N_BEATS, S, make_store
from tests.support.lake_rows import DAY_NS, NOON_NS, buckets_of, columns_of, row


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = make_store(tmp_path_factory.mktemp("dossier") / "store")
    host: dict[str, Any] = {"orig_ip": BEACON_HOST, "resp_ip": "198.51.100.9", "resp_port": 80, "proto": "tcp"}
    events = [
        row("event", ts=NOON_NS - DAY_NS, uid="C1", dest=BEACON_NAME, kind="request", **host),  # before the evidence
        row("event", ts=NOON_NS - DAY_NS - 5 * S, uid="C2", dest="mail.example", kind="request", method="GET",
            uri="/invoice.zip", resp_bytes=90_000, **host),
        row("event", ts=NOON_NS - DAY_NS - 61 * S, uid="C3", dest="old.example", kind="request", **host),
        row("event", ts=NOON_NS - DAY_NS - 2 * S, uid="C4", dest="239.1.1.1", **host | {"resp_ip": "239.1.1.1"}),
        row("event", ts=NOON_NS + 60 * S, uid="C5", dest="web.example", kind="request", **host),
        row("event", ts=NOON_NS, uid="C6", dest=BEACON_NAME, kind="request", **host | {"orig_ip": "10.0.0.9"}),
    ]  # fmt: skip
    dns = [row("dns", ts=NOON_NS - DAY_NS - S, orig_ip=BEACON_HOST, qname=BEACON_NAME, answers=BEACON_IP)]
    with Store.open(path, write=True) as store:
        for table, rows in (("event", events), ("dns", dns)):
            store.lake.append(table, "more", columns_of(table, rows), buckets_of(rows))
        store.db.execute("INSERT INTO host VALUES ('10.0.0.57', 0, 1), ('10.0.0.9', 0, 1)")
        store.db.commit()
        desk.triage(store, [1], "investigating", note="", who="ann", made_ts=NOON_NS)
    return path


@pytest.fixture
def dossier(path: Path) -> Dossier:
    with Store.open(path) as store:
        return gather(store, 1)


def test_who_else(dossier: Dossier) -> None:
    assert [(peer["orig_ip"], peer["events"]) for peer in dossier.peers] == [
        (BEACON_HOST, N_BEATS + 1),
        ("10.0.0.9", 1),
    ]
    assert dossier.n_hosts == 2


def test_the_minute_before_the_first_contact_in_all_history(dossier: Dossier) -> None:
    assert dossier.first_contact_ts == NOON_NS - DAY_NS
    assert [(one["kind"], one["what"], one["detail"]) for one in dossier.before] == [
        ("request", "mail.example", "GET /invoice.zip"), ("lookup", BEACON_NAME, BEACON_IP),
    ]  # fmt: skip


def test_the_hosts_other_traffic(dossier: Dossier) -> None:
    assert len(dossier.activity) == ACTIVITY_SLOTS
    assert sum(dossier.activity) == 1
    assert dossier.activity[60 * ACTIVITY_SLOTS // ((N_BEATS - 1) * 60)] == 1


def test_what_connections_told(dossier: Dossier) -> None:
    assert ("TLS", BEACON_NAME, N_BEATS) in dossier.learned()
    assert dossier.sizes() == {"orig_bytes": [(512, N_BEATS)], "resp_bytes": [(1_834, N_BEATS)]}


def test_captures_and_what_was_lost(dossier: Dossier) -> None:
    (capture,) = dossier.captures
    assert (capture["name"], capture["state"]) == ("lab.pcap", "complete")
    assert capture["counted"] == {"decode.truncated_ip": 67, "flows.evicted": 3}


def test_everything_is_in_the_json(
    path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAGAMI_STORE", str(path))
    assert run(["show", "1", "--json"]) == 0
    sys.stdout.flush()
    (told,) = json.loads(capfd.readouterr().out)
    assert list(told)[: len(FINDINGS.fields)] == list(FINDINGS.fields)
    assert told["triage"][0]["who"] == "ann"
    assert told["first_contact_ts"].endswith("Z")
    assert len(told["evidence_events"]) == N_BEATS
    assert run(["show", "1"]) == 0
    sys.stdout.flush()
    page = capfd.readouterr().out
    for words in (
        "The minute before the first contact",
        "GET /invoice.zip, 90.0 kB in",
        "10.0.0.9  1 event",
        "T1071.001 Web Protocols",
        "67 truncated ip, 3 evicted",
    ):
        assert words in page


def test_a_finding_whose_history_is_gone_is_still_shown(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(path, copy)
    shutil.rmtree(copy / "lake")
    with Store.open(copy) as store:
        dossier = gather(store, 1)
    assert (dossier.first_contact_ts, list(dossier.peers), dossier.before) == (None, [], [])
    assert len(dossier.events) == N_BEATS


def test_techniques_have_names() -> None:
    assert technique_name("T1071.001") == "Web Protocols"
    assert technique_name("T9999") == ""
