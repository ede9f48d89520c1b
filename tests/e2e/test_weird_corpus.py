"""Every odd and damaged capture through the command: the right exit code, and everything readable kept."""

import csv
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.command import KAGAMI
from tests.unit.test_capture_corpus import LINKS_TSHARK_LACKS


def kagami(store: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KAGAMI_S")}
    return subprocess.run(
        [*KAGAMI, "--store", str(store), "-q", *words], capture_output=True, text=True, check=False, env=environment
    )


@pytest.mark.differential
def test_the_corpus_gives_the_right_exit_codes_and_packets(shared_data: Path, tmp_path: Path) -> None:
    weird = shared_data / "pcaps" / "weird"
    rows = list(csv.DictReader((weird / "expected.csv").open()))
    sound = [row["file"] for row in rows if row["state"] == "ok" and row["file"] not in LINKS_TSHARK_LACKS]
    assert len(sound) > 300
    done = kagami(tmp_path / "sound", "replay", "--no-analyze", *(str(weird / name) for name in sound))
    assert (done.returncode, done.stderr) == (0, "")
    damaged = [row["file"] for row in rows if row["state"] != "ok" and row["file"] not in LINKS_TSHARK_LACKS]
    for name in damaged:
        done = kagami(tmp_path / "damaged", "replay", "--no-analyze", str(weird / name))
        assert done.returncode == 3, name
        assert "Traceback" not in done.stderr
        assert name in done.stderr
    whole = kagami(tmp_path / "damaged", "status", "--json")
    assert json.loads(whole.stdout)["packets"] > 0
