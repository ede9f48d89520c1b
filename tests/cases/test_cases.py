"""Replays every capture under pcaps/ with the command line and checks its expected.toml (see pcaps/README.md)."""

import hashlib
import io
import json
import re
import subprocess
import sys
import tomllib
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from sensor.cli.main import run

REPO = Path(__file__).resolve().parents[2]
PCAPS = REPO / "pcaps"
CASES = sorted(path.parent for path in PCAPS.glob("*/expected.toml"))
KEYS = {"capture", "internal", "exit", "flows", "findings", "flow", "finding", "absent", "missed"}

Row = dict[str, Any]


def kagami(*words: str, store: Path, exit_code: int = 0) -> str:
    """Standard output of one run of the command; anything but the expected exit code fails with what it said."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        patch.delenv("KAGAMI_SITE", raising=False)
        code = run(["--store", str(store), *words])
    out.seek(0)
    err.seek(0)
    assert code == exit_code, err.read()
    return out.read()


def _is(got: Any, want: Any) -> bool:
    if isinstance(want, list) and len(want) == 2 and not any(isinstance(end, str) for end in want):
        return isinstance(got, int | float) and want[0] <= got <= want[1]
    if isinstance(want, list):
        return set(want) <= set(got)
    return bool(got == want)


def matching(rows: list[Row], wanted: Row) -> list[Row]:
    """The rows that have every field as wanted. A field that no row has is a mistake in the expectation."""
    unknown = wanted.keys() - {key for row in rows for key in row}
    assert not rows or not unknown, f"no row has {sorted(unknown)}"
    return [row for row in rows if all(_is(row[key], value) for key, value in wanted.items())]


@pytest.fixture(scope="module", params=CASES, ids=lambda path: path.name)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Row, list[Row], list[Row]]:
    """expected.toml, and the flows and findings of a replay into a fresh store."""
    folder: Path = request.param
    wanted = tomllib.loads((folder / "expected.toml").read_text(encoding="utf-8"))
    assert wanted.keys() <= KEYS
    store = tmp_path_factory.mktemp(folder.name) / "store"
    internal = [word for network in wanted.get("internal", []) for word in ("--internal", network)]
    kagami("replay", str(folder / wanted["capture"]), *internal, store=store, exit_code=wanted.get("exit", 0))
    flows = json.loads(kagami("flows", "--limit", "1000000", "--json", store=store))
    findings = json.loads(kagami("findings", "--limit", "1000000", "--json", store=store))
    return wanted, flows, [{**row, "rank": rank} for rank, row in enumerate(findings, 1)]


def test_flows(case: tuple[Row, list[Row], list[Row]]) -> None:
    wanted, flows, _ = case
    for proto, count in wanted.get("flows", {}).items():
        got = len({row["uid"] for row in flows if row["proto"] == proto})
        assert _is(got, count), f"{got} {proto} flows, expected {count}"
    for flow in wanted.get("flow", []):
        assert matching(flows, flow), f"no flow is {flow}"


def test_findings(case: tuple[Row, list[Row], list[Row]]) -> None:
    wanted, _, findings = case
    told = "\n".join(
        f"{f['analyzer']} {f['orig_ip']} -> {f['dest']}:{f['resp_port']} {f['score']} {f['interval_s']} {f['outcome']}"
        for f in findings
    )
    for severity, count in wanted.get("findings", {}).items():
        got = sum(row["severity"] == severity for row in findings)
        assert _is(got, count), f"{got} {severity} findings, expected {count}; there are\n{told}"
    for finding in wanted.get("finding", []):
        assert matching(findings, finding), f"no finding is {finding}; there are\n{told}"
    for absent in wanted.get("absent", []):
        assert matching(findings, absent) == [], f"found although benign: {absent}; there are\n{told}"
    for missed in wanted.get("missed", []):
        fields = {name: value for name, value in missed.items() if name != "why"}
        assert missed["why"]
        assert matching(findings, fields) == [], f"no longer missed, make it a [[finding]]: {fields}"


@pytest.mark.parametrize("folder", CASES, ids=lambda path: path.name)
def test_the_capture_is_the_one_its_readme_describes(folder: Path) -> None:
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for word in ("Purpose", "Origin", "Licence", "Ground truth"):
        assert f"**{word}:**" in readme
    name = tomllib.loads((folder / "expected.toml").read_text(encoding="utf-8"))["capture"]
    said = re.search(rf"SHA-256 of {re.escape(name)}:\*\* `([0-9a-f]{{64}})`", readme)
    assert said
    assert said[1] == hashlib.sha256((folder / name).read_bytes()).hexdigest()


def test_the_crafted_case_is_built_by_its_script(tmp_path: Path) -> None:
    script = PCAPS / "bypass-blocked" / "build.py"
    subprocess.run([sys.executable, script, tmp_path / "out.pcap"], check=True, capture_output=True, timeout=120)
    assert (tmp_path / "out.pcap").read_bytes() == (script.parent / "bypass-blocked.pcap").read_bytes()


def test_the_demo_is_built_by_its_script(tmp_path: Path) -> None:
    script = PCAPS / "demo" / "build.py"
    inputs = [PCAPS / "home-lan" / "home-lan.pcapng", PCAPS / "caldera-ragdoll" / "caldera-ragdoll.pcap"]
    command = [sys.executable, script, *inputs, tmp_path / "out.pcap"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert (tmp_path / "out.pcap").read_bytes() == (script.parent / "demo.pcap").read_bytes()


def test_the_cut_case_is_the_beginning_of_the_whole_one() -> None:
    cut = (PCAPS / "strrat-cut" / "strrat-cut.pcap").read_bytes()
    assert cut == (PCAPS / "strrat" / "strrat.pcap").read_bytes()[: len(cut)]


def test_the_samples_stay_small() -> None:
    assert sum(path.stat().st_size for path in PCAPS.rglob("*") if path.is_file()) < 8_000_000
