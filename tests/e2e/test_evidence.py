"""The folder for the expert: complete, checkable, and there whole or not at all."""

import csv
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sensor.cli.main import run
from sensor.cli.report.handover import LANGUAGES, MEANINGS
from sensor.response.bundle import MANIFEST, SUMS, Bundle
from sensor.run import demo_capture, replay
from sensor.site import load_site
from tests.support.cli_store import HOSTILE, make_store
from tests.support.command import Call, caller
from tests.support.programs import needs

DEMO = demo_capture()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("evidence") / "store"
    replay([str(DEMO)], path, site=load_site(None))
    return path


@pytest.fixture
def kagami(store: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Call:
    return caller(store, monkeypatch, capfdbinary)


def test_everything_is_there_and_checks(kagami: Any, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    told = kagami("evidence", "1", "-o", str(folder), "--by", "ann")
    assert told.code == 0
    assert "23 flows, 23 events" in told.err
    assert {path.name for path in folder.iterdir()} == {*MEANINGS["en"], MANIFEST, SUMS}
    assert folder.stat().st_mode & 0o777 == 0o750
    subprocess.run([needs("sha256sum", "coreutils"), "-c", SUMS], cwd=folder, check=True, capture_output=True)
    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest["captures"][0]["sha256"] == hashlib.sha256(DEMO.read_bytes()).hexdigest()
    assert (manifest["made_by"], manifest["time_zone"], manifest["finding"]) == ("ann", "UTC", 1)
    with (folder / "flows.csv").open(newline="") as file:
        flows = list(csv.DictReader(file))
    n_packets = sum(int(flow["orig_pkts"]) + int(flow["resp_pkts"]) for flow in flows)
    assert manifest["packets"] == n_packets
    capinfos = needs("capinfos", "wireshark-common")
    said = subprocess.run(
        [capinfos, "-c", "-M", str(folder / "packets.pcapng")], capture_output=True, text=True, check=True
    )
    assert str(n_packets) in said.stdout
    assert "sha256sum -c SHA256SUMS" in (folder / "README.txt").read_text()


def test_the_readme_in_both_languages(kagami: Any, tmp_path: Path) -> None:
    assert {*MEANINGS} == {*LANGUAGES}
    assert len({tuple(told) for told in MEANINGS.values()}) == 1
    assert kagami("evidence", "1", "-o", str(tmp_path / "case"), "--lang", "ja").code == 0
    text = (tmp_path / "case" / "README.txt").read_text(encoding="utf-8")
    assert "sha256sum -c SHA256SUMS" in text
    assert all(meaning in text for name, meaning in MEANINGS["ja"].items() if name != "README.txt")


def test_a_folder_that_is_there_is_left_alone(kagami: Any, tmp_path: Path) -> None:
    (tmp_path / "case").mkdir()
    told = kagami("evidence", "1", "-o", str(tmp_path / "case"))
    assert told.code == 2
    assert "is there already" in told.err
    assert list((tmp_path / "case").iterdir()) == []


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Bundle(tmp_path / "case") as bundle:
        bundle.add("a", [b"x"])
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_without_packets_and_with_hostile_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAGAMI_STORE", str(make_store(tmp_path / "store")))
    assert run(["evidence", "3", "-o", str(tmp_path / "none"), "--max-packets", "0"]) == 0
    assert not (tmp_path / "none" / "packets.pcapng").exists()
    assert run(["evidence", "3", "-o", str(tmp_path / "gone")]) == 0
    assert "no packets of =1+1.pcap" in capfd.readouterr().err
    for path in (tmp_path / "gone").iterdir():
        if path.suffix != ".pcapng":
            text = path.read_text(encoding="utf-8")
            assert text.replace("\n", "").replace("\r", "").isprintable(), path.name
            assert HOSTILE not in text
    manifest = json.loads((tmp_path / "gone" / MANIFEST).read_text())
    assert list(manifest["captures_missing"]) == ["=1+1.pcap"]
