"""Indicators under watch become findings at the next analysis."""

import json
from pathlib import Path
from typing import Any

import pytest

from analyzers.watchlist import Contact, find_watched
from sensor.analysis import analyze
from sensor.errors import UsageError
from sensor.site import load_site
from sensor.store.findings import events_of_finding, findings
from sensor.store.indicator import parse_indicator
from sensor.store.store import Store
from sensor.store.watch import unwatch, watch, watch_entries, watched
from tests.support.cli_store import BEACON_HOST, BEACON_IP, BEACON_NAME, N_BEATS, make_store
from tests.support.command import caller

NOW = 1_700_000_000_000_000_000
FAR = 2**62


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_store(tmp_path / "store")


def put(path: Path, *values: str, expires_ts: int | None = FAR, reason: str = "") -> int:
    indicators = [parse_indicator(value, reason=reason, origin="feed") for value in values]
    with Store.open_for_notes(path) as store:
        return watch(store, indicators, who="ann", made_ts=NOW, expires_ts=expires_ts)


def test_entries_are_kept_once(path: Path) -> None:
    assert put(path, BEACON_NAME, BEACON_NAME, BEACON_IP) == 2
    assert put(path, BEACON_NAME, reason="again") == 0
    with Store.open_for_notes(path) as store:
        assert [(one["value"], one["reason"]) for one in watch_entries(store)] == [
            (BEACON_NAME, "again"),
            (BEACON_IP, ""),
        ]
        assert len(watched(store, FAR - 1)) == 2
        assert watched(store, FAR) == []
        unwatch(store, [1])
        with pytest.raises(UsageError, match="no watch entry 1"):
            unwatch(store, [2, 1])
        assert [one["id"] for one in watch_entries(store)] == [2]


@pytest.mark.parametrize(
    ("value", "severity", "dest"),
    [(BEACON_NAME, "high", BEACON_NAME), (BEACON_IP, "high", BEACON_NAME), ("203.0.113.0/24", "high", BEACON_NAME)],
)
def test_a_contact_becomes_a_finding(path: Path, value: str, severity: str, dest: str) -> None:
    put(path, value, reason="advisory 7")
    for _ in range(2):  # the same again is the same finding
        analyze(path, site=load_site(None))
        with Store.open(path) as store:
            found = [one for one in findings(store)[0] if one["analyzer"] == "watchlist"]
            assert [(one["orig_ip"], one["dest"], one["severity"]) for one in found] == [(BEACON_HOST, dest, severity)]
            assert found[0]["reasons"][0] == f"contacted {value}, which is under watch: advisory 7 (from feed)"
            assert len(events_of_finding(store, found[0]["id"])) == N_BEATS


def test_an_expired_one_finds_nothing(path: Path) -> None:
    put(path, BEACON_NAME, expires_ts=NOW + 1)
    analyze(path, site=load_site(None))
    with Store.open(path) as store:
        assert [one for one in findings(store)[0] if one["analyzer"] == "watchlist"] == []


def contact(**values: Any) -> Contact:
    known: dict[str, Any] = {
        "value": "evil.example", "reason": "", "origin": "", "is_lookup": False, "orig_ip": "10.0.0.1",
        "dest": "evil.example", "dest_ips": (), "resp_port": 443, "proto": "tcp", "via_proxy": "", "first_ts": 5,
        "last_ts": 9, "events": 3, "orig_bytes": 1, "resp_bytes": 2,
    }  # fmt: skip
    return Contact(**known | values)


def test_several_indicators_of_one_destination_are_one_finding() -> None:
    (found,) = find_watched([contact(), contact(value="203.0.113.7", first_ts=2, last_ts=4)])
    assert (found.first_ts, found.last_ts, len(found.reasons)) == (2, 9, 4)


def test_a_name_only_asked_for_weighs_less() -> None:
    (found,) = find_watched([contact(is_lookup=True, events=1)])
    assert found.severity == "medium"
    assert found.reasons == ["asked DNS for evil.example, which is under watch"]


def test_the_words_of_the_command(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    kagami = caller(path, monkeypatch, capfdbinary)
    (tmp_path / "feed.txt").write_text("evil.example\n???\n")
    added = kagami("watchlist", "add", "203.0.113.7", "-f", str(tmp_path / "feed.txt"), "--reason", "advisory")
    assert added.code == 0
    assert "1 entry skipped" in added.err
    assert "2 indicators under watch, 2 of them new" in added.err
    listed = json.loads(kagami("watchlist", "list", "--json").out)
    assert [(one["kind"], one["value"], one["reason"], one["origin"]) for one in listed] == [
        ("address", "203.0.113.7", "advisory", ""), ("domain", "evil.example", "advisory", "feed.txt"),
    ]  # fmt: skip
    assert kagami("watchlist", "remove", "1", "2").code == 0
    assert kagami("watchlist", "add").code == 2
    assert kagami("hunt").code == 2
    hunted = kagami("hunt", BEACON_NAME, "nothing.example", "--json")
    assert [one["how"] for one in json.loads(hunted.out)] == ["contacted", "looked-up"]
    assert "1 of 2 indicators met in 1 day of history, " in hunted.err
