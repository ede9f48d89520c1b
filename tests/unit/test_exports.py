"""Findings in groups, as they come, and in the formats of other systems."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given

from sensor.cli.columns import FINDING_GROUPS
from sensor.cli.exports import EXPORTS, records
from sensor.cli.follow import changes
from sensor.cli.verbs.findings import EXPORT_NAMES
from sensor.store.groups import grouped, registered_domain, shapes
from sensor.store.store import Store
from tests.property.test_hostile_output import HOSTILE_TEXT, encodable, rows_of
from tests.support.cli_store import BEACON_HOST, BEACON_NAME, HOSTILE, N_BEATS, finding, make_store
from tests.support.command import Call, caller


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("exports") / "store")


@pytest.fixture
def kagami(path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Call:
    return caller(path, monkeypatch, capfdbinary)


def a_finding(**values: Any) -> dict[str, Any]:
    return {"id": 7, "state": "new", "note": "", "allowed_by": None} | finding(**values)


def test_every_format_has_a_name() -> None:
    assert tuple(EXPORTS) == EXPORT_NAMES


def one(form: str, **values: Any) -> Any:
    (line,) = records(form, [a_finding(**values)])
    return json.loads(line)


def test_ecs() -> None:
    told = one("ecs")
    assert told["event"]["kind"] == "alert"
    assert (told["source"]["ip"], told["destination"]["ip"]) == (BEACON_HOST, "203.0.113.66")
    assert told["destination"]["domain"] == BEACON_NAME
    assert told["threat"]["technique"] == {"id": ["T1071.001"], "name": ["Web Protocols"]}
    assert told["event"]["risk_score"] == 97.0
    assert "domain" not in one("ecs", dest="203.0.113.66")["destination"]


def test_ocsf() -> None:
    told = one("ocsf")
    assert (told["class_uid"], told["type_uid"], told["severity_id"]) == (2004, 200401, 5)
    assert told["type_uid"] == told["class_uid"] * 100 + told["activity_id"]
    assert told["evidences"][0]["connection_info"]["protocol_num"] == 6
    assert told["finding_info"]["first_seen_time"] < told["time"] < 10**13


def test_eve() -> None:
    told = one("eve")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+0000", told["timestamp"])
    assert told["event_type"] == "alert"
    assert told["alert"]["signature_id"] == one("eve", dest="other.example")["alert"]["signature_id"]
    assert told["alert"]["severity"] == 1


CEF_KEYS = {
    *("externalId", "src", "dst", "dhost", "dpt", "proto", "cnt", "start", "end", "rt", "msg"),
    *("cs1Label", "cs1", "cs2Label", "cs2", "cfp1Label", "cfp1", "cfp2Label", "cfp2"),
}


def read_cef(line: str) -> tuple[list[str], dict[str, str]]:
    """A receiver's reading of CEF."""
    parts = re.split(r"(?<!\\)(?:\\\\)*\|", line, maxsplit=7)
    pairs = re.split(r"(?:^| )(\w+)=", parts[7])[1:]
    return parts[:7], dict(zip(pairs[::2], pairs[1::2], strict=True))


def test_cef() -> None:
    (line,) = records("cef", [a_finding(reasons=["a|b", "c=d\\e", "x\ny"])])
    head, fields = read_cef(line.decode().rstrip("\n"))
    assert head[:3] == ["CEF:0", "kagami", "kagami"]
    assert head[4:] == ["beacon", f"beacon: {BEACON_HOST} to {BEACON_NAME}", "10"]
    assert (fields["src"], fields["dst"], fields["dpt"], fields["cnt"]) == (BEACON_HOST, "203.0.113.66", "443", "40")
    assert "c\\=d" in fields["msg"]


@given(HOSTILE_TEXT)
@example(HOSTILE)
def test_hostile_text_stays_data(text: str) -> None:
    row = dict(rows_of(text)[0][1]) | {"state": text, "dest": text}
    for form in EXPORTS:
        (line,) = records(form, [row])
        shown = line.decode()
        assert shown.endswith("\n")
        assert shown[:-1].isprintable()
        if form == "cef":
            head, fields = read_cef(shown[:-1])
            assert len(head) == 7
            assert set(fields) <= CEF_KEYS
        elif text:
            told = json.loads(line)
            assert told.get("message", told.get("alert", {}).get("metadata", {}).get("reasons", [""])[0]) == encodable(
                text
            )


# --- groups ---


def test_groups() -> None:
    rows = [
        a_finding(dest="a.example.co.jp"),
        a_finding(dest="b.example.co.jp", severity="high", score=0.8) | {"id": 8},
        a_finding(dest="9.9.9.90", orig_ip="10.0.0.9", severity="low", score=0.2) | {"id": 9},
    ]
    assert [(row["group"], row["ids"]) for row in grouped(rows, "host")] == [(BEACON_HOST, [7, 8]), ("10.0.0.9", [9])]
    assert [row["group"] for row in grouped(rows, "dest")] == ["a.example.co.jp", "b.example.co.jp", "9.9.9.90"]
    (domain, address) = grouped(rows, "domain")
    assert (domain["group"], domain["findings"], domain["severity"]) == ("example.co.jp", 2, "critical")
    assert address["group"] == "9.9.9.90"


@pytest.mark.parametrize(
    ("name", "domain"),
    [("www.example.com", "example.com"), ("x.y.duckdns.org", "y.duckdns.org"), ("203.0.113.7", "203.0.113.7"),
     ("2001:db8::1", "2001:db8::1"), ("com", "com"), ("many destinations (web)", "many destinations (web)"), ("", "")],
)  # fmt: skip
def test_registered_domains(name: str, domain: str) -> None:
    assert registered_domain(name) == domain


def test_shapes(path: Path) -> None:
    with Store.open(path) as store:
        found = shapes(store, [{"id": 1}], 4)
    assert found == {1: {"counts": [10, 10, 10, 10], "orig_bytes": 512 * N_BEATS, "resp_bytes": 1_834 * N_BEATS}}


# --- the command ---


def test_words_that_do_not_go_together(kagami: Any) -> None:
    for args in (["--format", "ecs", "--json"], ["--format", "ecs", "--by", "host"], ["--follow", "--json"],
                 ["--follow", "--by", "host"], ["--follow", "--fail-on", "low"]):  # fmt: skip
        assert kagami("findings", *args).code == 2


def test_groups_and_formats_of_the_command(kagami: Any) -> None:
    groups = json.loads(kagami("findings", "--by", "host", "--json").out)
    assert [list(row) for row in groups] == [list(FINDING_GROUPS.fields)] * 3
    assert len(kagami("findings", "--format", "eve").out.splitlines()) == 3
    assert len(kagami("findings", "--format", "eve", "--limit", "1").out.splitlines()) == 1


def test_following_gives_each_change_once() -> None:
    first = [a_finding(), a_finding() | {"id": 8, "last_ts": 5}]
    asked = iter(
        [first, first, [*first, a_finding(score=0.5) | {"id": 9}], [first[0] | {"state": "resolved"}, first[1]]]
    )
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 4:
            raise KeyboardInterrupt

    told: list[tuple[int, str]] = []
    with pytest.raises(KeyboardInterrupt):
        told.extend((row["id"], row["state"]) for row in changes(lambda: next(asked), nap))
    assert told == [(8, "new"), (7, "new"), (9, "new"), (7, "resolved")]
