"""What a score is made of: amounts that add up to it, kept with the finding, shown, and missing in old stores."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.beacon import score_beacons
from analyzers.beacon.model import load_model
from analyzers.finding import Finding
from analyzers.parts import LOG_ODDS, SCORE, points, rows
from analyzers.together import raise_bypassing
from sensor.cli.page import finding_page
from sensor.response.dossier import Dossier, gather
from sensor.store.findings import parts_of_finding
from sensor.store.store import Store
from tests.support import cli_store
from tests.unit import test_beacon_detect as beacons
from tests.unit import test_egress_clients as clients
from tests.unit import test_pairs as pairs
from tests.unit.test_store_database import database_of

AMOUNTS = st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=5)
PARTS = [{"name": "the clock", "amount": 1.5, "unit": LOG_ODDS}, {"name": "others", "amount": -0.25, "unit": SCORE}]


@given(AMOUNTS, st.dictionaries(st.text("xyz", min_size=4, max_size=6), st.floats(0, 1.2), max_size=3))
def test_amounts_add_up_to_the_score(added: dict[str, float], factors: dict[str, float]) -> None:
    score = min(sum(added.values()), 1.0)
    for factor in factors.values():
        score *= factor
    found = points(added, factors, 0.9)
    assert sum(found.values()) == pytest.approx(min(score, 0.9), abs=1e-9)
    assert 0.0 not in found.values()


def sum_of(finding: Finding, unit: str = SCORE) -> float:
    return sum(float(part["amount"]) for part in finding.parts if part["unit"] == unit)


def test_a_clock_alone_is_points() -> None:
    for period_s, n in ((60, 200), (60, 6), (600, 40)):
        (finding,) = beacons.found([beacons.clock(np.random.default_rng(3), n, period_s, 0.1)])
        assert sum_of(finding) == pytest.approx(finding.score, abs=0.002)
        assert finding.parts[0]["name"] == "the clock: timing"
        assert {part["unit"] for part in finding.parts} == {SCORE}
    assert any(part["name"] == "few beats" and part["amount"] < 0 for part in beacons.found(
        [beacons.clock(np.random.default_rng(3), 6, 60, 0.1)])[0].parts)  # fmt: skip


def test_in_a_network_log_odds_give_the_score() -> None:
    series = beacons.network(beacons.clock(np.random.default_rng(6), 700, 120, 0.3))
    findings = score_beacons(series, beacons.SITE)
    for finding in findings:
        of_model = float(load_model().scores(np.array([sum_of(finding, LOG_ODDS)]), len(set(series.orig_ip)))[0])
        assert of_model + sum_of(finding) == pytest.approx(finding.score, abs=0.005)
    assert "the clock" in {part["name"] for part in findings[0].parts}


def test_other_analyzers_add_up() -> None:
    ordinary: tuple[dict[str, Any], ...] = ({}, {"resp_port": 4444}, {"app": "ssh"})
    found = [finding for values in ordinary for finding in clients.found({**clients.times(40), **values})]
    found += clients.found(*({**clients.times(9, "unanswered"), "dest": f"a{i}.example"} for i in range(4)))
    found += pairs.strobes(pairs.slots(3)) + pairs.longs(pairs.held(3 * pairs.HOUR_S))
    assert {finding.analyzer for finding in found} == {"bypass", "strobe", "long-connection"}
    for finding in found:
        assert sum_of(finding) == pytest.approx(finding.score, abs=0.001), finding
    assert any(part["name"] == "further destinations" for finding in found for part in finding.parts)


def test_what_changes_a_score_afterwards_is_a_part() -> None:
    (finding,) = beacons.found([beacons.clock(np.random.default_rng(3), 200, 60, 0.1)])
    before = finding.score
    raise_bypassing([finding], frozenset({(finding.orig_ip, finding.dest, finding.resp_port, finding.proto)}))
    assert finding.score > before
    assert sum_of(finding) == pytest.approx(finding.score, abs=0.002)
    amounts = [part["amount"] for part in finding.parts]
    assert [amount > 0 for amount in amounts] == sorted((amount > 0 for amount in amounts), reverse=True)


def test_what_raises_comes_first_by_size() -> None:
    assert [row["name"] for row in rows({"c": -0.1, "a": 0.1, "d": -0.9, "b": 0.2})] == ["b", "a", "d", "c"]


def test_they_are_those_of_the_last_analysis(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store", write=True) as store:
        (number,) = store.upsert_findings([cli_store.finding(parts=PARTS)])
        assert parts_of_finding(store, number) == PARTS
        assert store.upsert_findings([cli_store.finding(parts=PARTS[1:])]) == [number]
        assert gather(store, number).parts == PARTS[1:]
        assert store.upsert_findings([cli_store.finding()]) == [number]  # as an analyzer that tells none
        assert parts_of_finding(store, number) == []


def test_a_store_that_has_none_is_shown_without_them(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    database_of(tmp_path / "store" / "kagami.sqlite", 6).close()
    with Store.open(tmp_path / "store") as store:
        assert parts_of_finding(store, 1) == []
    row = {"id": 7, "state": "new", "note": "", "allowed_by": None} | cli_store.finding()
    assert "What made the score" not in finding_page(Dossier(row), 80)


def test_the_page_says_what_raised_and_lowered() -> None:
    width = 80
    row = {"id": 7, "state": "new", "note": "", "allowed_by": None} | cli_store.finding(score=0.6)
    small = [{"name": f"n{i}", "amount": 0.05, "unit": LOG_ODDS} for i in range(3)]
    hostile = [{"name": cli_store.HOSTILE + "y" * 200, "amount": -1.0, "unit": LOG_ODDS}]
    page = finding_page(Dossier(row, parts=[*PARTS, *small, *hostile]), width)
    at = page.index("What made the score")
    told = page[at : page.index("", at)]
    assert told[1] == "    +1.50  the clock"
    assert "    +0.15  3 smaller parts together" in told
    assert "    +0.65  together, in log odds (0.7 doubles or halves them): a score of 0.85" in told
    assert told[-2:] == ["    -0.25  others", "     0.60  the score"]
    assert max(map(len, told)) <= width
    assert "\x1b" not in "".join(told)
