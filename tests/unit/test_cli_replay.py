"""What replay, analyze and demo say and how they end, with a stand-in for the work itself."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from sensor.errors import StoreError, UsageError
from sensor.site import DEFAULT_GAP_S, Site
from tests.support.cli_store import make_store
from tests.support.command import Call, caller


def source(name: str = "lab.pcap", **values: Any) -> SimpleNamespace:
    told = {"packets": 1_000, "flows": 42, "events": 41, "dns": 2, "skipped": False, "error": "", "counters": {}}
    return SimpleNamespace(**({"name": name} | told | values))


class Work:
    """Stands in for sensor.run and sensor.analysis: remembers how it was called, gives what it was told to give."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.sources = [source()]
        self.analysis: SimpleNamespace | None = SimpleNamespace(
            findings=3, channels=7, events=41, flows=42, notes=["no proxy is known"], finding_ids=[1, 2, 3]
        )
        self.error: BaseException | None = None

    def replay(self, paths: list[str], store_dir: Path, **options: Any) -> SimpleNamespace:
        self.calls.append({"paths": paths, "store_dir": store_dir} | options)
        if options["progress"]:
            options["progress"](SimpleNamespace(source="x", bytes_done=1, bytes_total=2, packets=3, seconds=1.0))
        if self.error:
            raise self.error
        if not store_dir.exists():
            make_store(store_dir)
        analysis = self.analysis if options.get("with_analysis", True) else None
        incomplete = any(one.error for one in self.sources)
        return SimpleNamespace(sources=self.sources, analysis=analysis, incomplete=incomplete)

    def analyze(self, store_dir: Path, **options: Any) -> SimpleNamespace | None:
        self.calls.append({"store_dir": store_dir} | options)
        return self.analysis


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    stand_in, running, judging = Work(), ModuleType("sensor.run"), ModuleType("sensor.analysis")
    running.replay, judging.analyze = stand_in.replay, stand_in.analyze  # type: ignore[attr-defined]
    running.demo_capture = lambda: Path("demo.pcap")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sensor.run", running)
    monkeypatch.setitem(sys.modules, "sensor.analysis", judging)
    monkeypatch.setattr("sensor.jit.first_run", lambda: False)
    return stand_in


@pytest.fixture
def kagami(store_dir: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Call:
    return caller(store_dir, monkeypatch, capfdbinary)


def test_words_reach_the_work(kagami: Any, work: Work, store_dir: Path) -> None:
    done = kagami(
        "replay", "-", ".", "--jobs", "3", "--rotated", "--internal", "192.0.2.0/24", "--internal", "fd00::/8"
    )
    assert done.code == 0, done.err
    call = work.calls[0]
    assert (call["paths"], call["store_dir"], call["jobs"], call["rotated"]) == (["-", "."], store_dir, 3, True)
    assert call["with_analysis"] is True
    assert call["site"].is_internal("192.0.2.7")
    assert not call["site"].is_internal("10.0.0.1")


def test_the_gap_is_the_options_else_the_sites(kagami: Any, work: Work, tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text("[capture]\nexchange_gap_s = 5\n")
    for args in ((), ("--site", str(site)), ("--site", str(site), "--gap", "0.2")):
        assert kagami("replay", ".", *args).code == 0
    assert [call["site"].exchange_gap_s for call in work.calls] == [DEFAULT_GAP_S, 5.0, 0.2]


@pytest.mark.parametrize("value", ["0", "0.01", "3601", "nan", "inf", "soon", ""])
def test_gaps_that_make_no_sense(kagami: Any, work: Work, value: str) -> None:
    done = kagami("replay", ".", "--gap", value)
    assert (done.code, work.calls) == (2, [])
    assert f"'--gap': {value!r}; allowed: a number of seconds from 0.05 to 3600" in done.err


def test_a_gap_for_what_is_in_the_store_already(kagami: Any, work: Work) -> None:
    work.sources = [source(skipped=True)]
    assert "--gap changes nothing about what was in the store already" in kagami("replay", ".", "--gap", "2").err
    assert "--gap" not in kagami("replay", ".").err


def test_findings_on_stdout_and_the_rest_on_stderr(kagami: Any, work: Work) -> None:
    done = kagami("replay", ".", "--json")
    assert [row["id"] for row in json.loads(done.out)] == [1, 2, 3]
    assert "1 source: 1,000 packets, 42 flows, 41 events, 2 DNS rows in" in done.err
    assert "scored 7 channels with 41 events: 3 findings" in done.err
    assert "no proxy is known" in done.err
    assert "kagami show 1 explains the first" in done.err


def test_only_findings_of_this_run_are_listed(kagami: Any, work: Work) -> None:
    assert work.analysis
    work.analysis.finding_ids = [2]
    assert [row["id"] for row in json.loads(kagami("replay", ".", "--json").out)] == [2]


def test_quiet_is_quiet(kagami: Any, work: Work) -> None:
    assert kagami("replay", ".", "-q").err == ""


def test_no_analyze_lists_nothing(kagami: Any, work: Work) -> None:
    done = kagami("replay", ".", "--no-analyze")
    assert (done.code, done.out) == (0, "")
    assert work.calls[0]["with_analysis"] is False


def test_what_went_wrong_is_said_even_when_quiet(kagami: Any, work: Work) -> None:
    work.sources = [
        source(),
        source("cut\x1b.pcap", error="ends inside a record"),
        source("b.pcap", error="b.pcap: is text"),
    ]
    done = kagami("replay", ".", "-q", "--json")
    assert done.code == 3
    assert done.err.splitlines() == ["kagami: cut\\x1b.pcap: ends inside a record", "kagami: b.pcap: is text"]
    assert len(json.loads(done.out)) == 3


def test_findings_come_before_incomplete_input(kagami: Any, work: Work) -> None:
    work.sources = [source(error="damaged")]
    assert kagami("replay", ".", "--fail-on", "critical").code == 1


def test_fail_on_looks_at_this_run(kagami: Any, work: Work) -> None:
    assert work.analysis
    work.analysis.finding_ids = [3]
    assert kagami("replay", ".", "--fail-on", "medium").code == 0
    assert kagami("replay", ".", "--fail-on", "low").code == 1


def test_what_could_not_be_decoded_is_said(kagami: Any, work: Work) -> None:
    work.sources = [source(counters={"decode": {"ok": 9, "not_ip": 5, "truncated_ip": 2, "malformed_l4": 3}})] * 2
    err = kagami("replay", ".").err
    assert "packets that could not be decoded in full: 6 malformed l4, 4 truncated ip" in err
    assert "not ip" not in err


def test_a_known_file_is_said(kagami: Any, work: Work) -> None:
    work.sources = [source(skipped=True)]
    err = kagami("replay", ".").err
    assert "lab.pcap: in the store already" in err
    assert "1 source" not in err


def test_an_interruption_is_130_and_said(kagami: Any, work: Work) -> None:
    work.error = KeyboardInterrupt()
    done = kagami("replay", ".")
    assert done.code == 130
    assert "keeps what was read so far" in done.err


@pytest.mark.parametrize(("error", "code"), [(UsageError("x"), 2), (StoreError("has another writer"), 2)])
def test_errors_of_the_work(kagami: Any, work: Work, error: Exception, code: int) -> None:
    work.error = error
    assert kagami("replay", ".").code == code


def test_a_wrong_site_file_stops_before_the_work(kagami: Any, work: Work, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("[nets]\nx = 1\n[networks]\ninternal = 5\n")
    done = kagami("replay", ".", "--site", str(tmp_path / "site.toml"))
    assert done.code == 2
    assert work.calls == []
    assert "[nets]" in done.err
    assert "internal" in done.err


def test_the_first_run_says_that_it_compiles(kagami: Any, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensor.jit.first_run", lambda: True)
    assert kagami("replay", ".").err.count("compiling kernels (first run, up to 30 s)") == 1
    assert kagami("demo").err.count("compiling kernels") == 1
    assert "compiling" not in kagami("replay", ".", "-q").err


def test_analyze(kagami: Any, work: Work, store_dir: Path) -> None:
    assert kagami("analyze").code == 2  # no store yet
    assert not store_dir.exists()
    make_store(store_dir)
    done = kagami("analyze", "--since", "2024-10-04", "--until", "2024-10-04", "--fail-on", "critical", "--ndjson")
    assert done.code == 1
    assert len(done.out.splitlines()) == 3
    call = work.calls[0]
    assert call["until_ns"] - call["since_ns"] == 86_400 * 10**9
    assert call["site"] == Site()


def test_the_demo_explains_and_leaves_nothing(kagami: Any, work: Work, store_dir: Path) -> None:
    done = kagami("demo")
    assert done.code == 0, done.err
    assert done.out.startswith("Finding 1: beacon")
    assert done.out.count("\nWhat to do\n") == 2
    assert "explained 2 of 3 findings" in done.err
    assert "kagami --store demo-store flows" in done.out
    assert work.calls[0]["paths"] == ["demo.pcap"]
    assert work.calls[0]["store_dir"] != store_dir  # KAGAMI_STORE is the person's own
    assert not work.calls[0]["store_dir"].exists()


def test_the_demo_keeps_its_store_where_it_is_told(kagami: Any, work: Work, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    done = kagami("demo", "--store", str(kept))
    assert work.calls[0]["store_dir"] == kept
    assert kept.exists()
    assert f"kagami --store {kept} flows" in done.out
