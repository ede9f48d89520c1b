"""What people decide: triage, allow entries, and how they show in every answer."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sensor.cli.people import parse_until
from sensor.errors import UsageError
from sensor.store import desk
from sensor.store.findings import finding as one_finding
from sensor.store.findings import findings
from sensor.store.match import overlaps, parse_target
from sensor.store.schema import DATABASE_NAME
from sensor.store.store import Store
from tests.support.cli_store import BEACON_HOST, BEACON_IP, BEACON_NAME, BYPASS_HOST, BYPASS_IP, make_store
from tests.support.command import Call, caller

NOW = 1_700_000_000_000_000_000
DAY = 86_400_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_store(tmp_path / "store")


@pytest.fixture
def kagami(path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Call:
    return caller(path, monkeypatch, capfdbinary)


def allow(store: Store, dest: str, **options: Any) -> int:
    given = {"reason": "asked its owner", "who": "ann", "made_ts": NOW, "expires_ts": None} | options
    return desk.allow(store, dest, **given)


def hidden(path: Path, dest: str, now_ns: int = NOW, **options: Any) -> set[int]:
    """Findings that one entry covers."""
    with Store.open_for_notes(path) as store:
        number = allow(store, dest, **options)
        found = {row["id"] for row in findings(store, now_ns=now_ns)[0] if row["allowed_by"] == number}
        desk.take_back(store, number, who="ann", made_ts=NOW)
        assert all(row["allowed_by"] is None for row in findings(store, now_ns=now_ns)[0])
    return found


@pytest.mark.parametrize(
    ("dest", "options", "found"),
    [
        (BEACON_NAME, {}, {1}),
        ("updates.example", {}, {1}),
        ("dates.example", {}, set()),
        (BEACON_IP, {}, {1}),  # all the addresses of the name
        ("203.0.113.0/24", {}, {1}),
        ("203.0.113.0/30", {}, set()),
        (BYPASS_IP, {}, {2, 3}),
        (BYPASS_IP, {"port": 443}, {2}),
        (BYPASS_IP, {"port": 444}, set()),
        ("any", {"port": 443}, {1, 2}),
        ("any", {"hosts": [BEACON_HOST, BYPASS_HOST]}, {1, 2}),
        ("any", {"hosts": ["10.0.0.0/26"]}, {1}),
        (BEACON_NAME, {"hosts": [BYPASS_HOST]}, set()),
        (BEACON_NAME, {"expires_ts": NOW + DAY}, {1}),
    ],
)
def test_what_an_entry_covers(path: Path, dest: str, options: dict[str, Any], found: set[int]) -> None:
    assert hidden(path, dest, **options) == found


def test_an_expired_entry_hides_nothing_any_more(path: Path) -> None:
    with Store.open_for_notes(path) as store:
        number = allow(store, BEACON_NAME, expires_ts=NOW + DAY)
        assert one_finding(store, 1, NOW + DAY - 1)["allowed_by"] == number
        assert one_finding(store, 1, NOW + DAY)["allowed_by"] is None


def test_an_address_behind_a_proxy_is_not_the_destinations(path: Path) -> None:
    with closing(sqlite3.connect(path / DATABASE_NAME)) as db, db:
        db.execute("UPDATE finding SET via_proxy = '10.0.0.238:3128' WHERE id = 1")
    assert hidden(path, BEACON_IP) == set()
    assert hidden(path, BEACON_NAME) == {1}


@pytest.mark.parametrize(
    ("dest", "options", "words"),
    [
        ("any", {}, "needs a port or a host"),
        ("0.0.0.0/0", {}, "every address"),
        ("::/0", {}, "every address"),
        ("a b", {}, "no address"),
        (BEACON_NAME, {"hosts": ["pc.example"]}, "a host is an address"),
        (BEACON_NAME, {"reason": "  "}, "needs a reason"),
        (BEACON_NAME, {"expires_ts": NOW}, "later than now"),
    ],
)
def test_entries_that_would_hide_too_much_are_refused(
    path: Path, dest: str, options: dict[str, Any], words: str
) -> None:
    with Store.open_for_notes(path) as store:
        with pytest.raises(UsageError, match=words):
            allow(store, dest, **options)
        assert desk.allow_entries(store) == []


@pytest.mark.parametrize(
    ("one", "other", "do"),
    [
        ("example.com", "a.example.com", True),
        ("a.example.com", "example.com", True),
        ("example.com", "notexample.com", False),
        ("203.0.113.0/24", "203.0.113.9", True),
        ("203.0.113.9", "203.0.113.9", True),
        ("203.0.113.0/24", "203.0.114.0/24", False),
        ("203.0.113.9", "2001:db8::9", False),
        ("example.com", "203.0.113.9", False),
    ],
)
def test_overlaps(one: str, other: str, do: bool) -> None:
    assert overlaps(parse_target(one), parse_target(other)) is do
    assert overlaps(parse_target(other), parse_target(one)) is do


def test_triage_keeps_who_when_and_why(path: Path) -> None:
    with Store.open_for_notes(path) as store:
        desk.triage(store, [1, 2], "investigating", note="", who="ann", made_ts=NOW)
        desk.triage(store, [1], "confirmed", note="found it", who="ben", made_ts=NOW + 1)
        desk.triage(store, [1], "resolved", note="", who="ann", made_ts=NOW + 2)
        said = [(one["who"], one["state"], one["note"]) for one in desk.triage_history(store, 1)]
        assert said == [("ann", "investigating", ""), ("ben", "confirmed", "found it"), ("ann", "resolved", "")]
        finding = one_finding(store, 1)
        assert (finding["state"], finding["note"]) == ("resolved", "found it")
        assert one_finding(store, 2)["state"] == "investigating"


def test_triage_of_several_is_done_whole_or_not_at_all(path: Path) -> None:
    with Store.open_for_notes(path) as store:
        with pytest.raises(UsageError, match="no finding 99"):
            desk.triage(store, [1, 99], "resolved", note="", who="ann", made_ts=NOW)
        assert one_finding(store, 1)["state"] == "new"
        assert desk.triage_history(store, 1) == []


def test_people_decide_while_a_sensor_writes(path: Path) -> None:
    with Store.open(path, write=True), Store.open_for_notes(path) as store:
        desk.triage(store, [1], "confirmed", note="", who="ann", made_ts=NOW)
        assert one_finding(store, 1)["state"] == "confirmed"


def test_the_words_of_the_command(kagami: Any) -> None:
    assert kagami("triage", "1", "confirmed", "--note", "an implant", "--by", "ann").err == "kagami: 1: confirmed\n"
    assert kagami("allow", "add", BYPASS_IP, "--reason", "lab", "--by", "ann").err.endswith("covers 2 findings\n")
    listed = json.loads(kagami("allow", "list", "--json").out)
    assert [(one["dest"], one["resp_port"], one["hosts"]) for one in listed] == [(BYPASS_IP, -1, [])]
    shown = kagami("findings", "--json")
    assert [row["id"] for row in json.loads(shown.out)] == [1]
    assert "2 hidden by allow entries" in shown.err
    everything = json.loads(kagami("findings", "--all", "--json").out)
    assert {row["id"]: row["allowed_by"] for row in everything} == {1: None, 2: 1, 3: 1}
    page = kagami("show", "1").out
    assert re.search(r"- \S+ \S+ UTC ann: confirmed: an implant", page)
    assert "hidden by allow entry 1 for 198.51.100.23, until" in kagami("show", "2").out
    assert kagami("findings", "--fail-on", "high", "--host", BYPASS_HOST).code == 0
    assert kagami("allow", "remove", "1").code == 0
    assert kagami("allow", "remove", "1").code == 2
    assert kagami("findings", "--fail-on", "high", "--host", BYPASS_HOST).code == 1
    assert json.loads(kagami("allow", "list", "--json").out) == []
    assert len(json.loads(kagami("allow", "list", "--all", "--json").out)) == 1


@pytest.mark.parametrize("text", ["never", "30d", "2h", "1w", "2100-01-01", "2100-01-01T00:00:00Z"])
def test_times_to_come(text: str) -> None:
    until_ns = parse_until(text, NOW)
    assert until_ns is None if text == "never" else until_ns is not None and until_ns > NOW


@pytest.mark.parametrize("text", ["2001-01-01", "soon", "-3d", ""])
def test_times_that_are_not_to_come(text: str) -> None:
    with pytest.raises(UsageError, match="allowed: 30d"):
        parse_until(text, NOW)
