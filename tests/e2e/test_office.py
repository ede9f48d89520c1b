"""The made office: everything planted in it is found with the right outcome, and its normal days are quiet."""

from pathlib import Path

import pytest

from sensor.analysis import AnalyzeReport
from sensor.run import replay
from sensor.site import Site, load_site
from sensor.store.findings import channels_of_finding, findings
from sensor.store.store import Store
from tests.support import office

DAYS = 3
EGRESS = ("bypass", "egress", "server-egress")


def analyzed(path: Path, planted: bool, site: Site | None = None) -> AnalyzeReport:
    office.build(path / "office.pcap", DAYS, planted)
    report = replay([str(path / "office.pcap")], path / "store", site=site or load_site(None))
    assert report.analysis is not None
    return report.analysis


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AnalyzeReport]:
    path = tmp_path_factory.mktemp("planted")
    return path / "store", analyzed(path, True)


@pytest.mark.parametrize("plant", office.PLANTED, ids=lambda plant: f"{plant.dest}-{plant.port}")
def test_what_was_planted_is_found(planted: tuple[Path, AnalyzeReport], plant: office.Plant) -> None:
    with Store.open(planted[0]) as store:
        rows, _ = findings(store, analyzer=plant.analyzer, host=plant.host)
        (found,) = [row for row in rows if row["dest"] == plant.dest]
        assert found["outcome"] == plant.outcome
        assert found["resp_port"] == (office.PROXY_PORT if found["via_proxy"] else plant.port)
        assert [row["dest"] for row in channels_of_finding(store, found["id"])] == [plant.dest]


def test_the_blocked_beat_is_the_first_and_high(planted: tuple[Path, AnalyzeReport]) -> None:
    with Store.open(planted[0]) as store:
        first = findings(store)[0][0]
    assert (first["orig_ip"], first["dest"], first["severity"]) == (office.PLANTED[1].host, "203.0.113.44", "high")
    assert first["interval_s"] == pytest.approx(office.BEAT_S, rel=0.02)
    assert first["reasons"][0].startswith("attempts every 300 s")


def test_nothing_else_is_found(planted: tuple[Path, AnalyzeReport]) -> None:
    with Store.open(planted[0]) as store:
        rows = [row for row in findings(store)[0] if row["analyzer"] in EGRESS]
    assert {(row["orig_ip"], row["dest"]) for row in rows} == {(plant.host, plant.dest) for plant in office.PLANTED}


def test_what_was_assumed_is_said(planted: tuple[Path, AnalyzeReport]) -> None:
    notes = planted[1].notes
    assert notes[0].startswith("proxy mode explicit: 10.30.0.5:3128 was asked by 32 hosts")
    assert any(note.startswith("direct channels with a benign explanation") for note in notes)
    assert any(note.startswith("events.data.vendor.example is contacted directly by 30 hosts alike") for note in notes)


def test_normal_days_are_quiet(tmp_path: Path) -> None:
    """At most one finding below high in 100 host-days, and none at high: here 102 host-days of clients and servers."""
    analyzed(tmp_path, False)
    with Store.open(tmp_path / "store") as store:
        rows = [row for row in findings(store)[0] if row["analyzer"] in EGRESS]
    assert [(row["orig_ip"], row["dest"], row["score"]) for row in rows] == []
