"""An analyst's walk over real captures: every step works, nothing acts on a terminal.

One walk has a process for each step, as an analyst's has; it is much slower and would find nothing else in the others.
"""

import csv
import io
import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.command import KAGAMI, caller

REPO = Path(__file__).resolve().parents[2]
CAPTURES = {
    "c2/dcrat-tls.pcap": ("procesoexitos1.duckdns.org", []),
    "c2/lokibot-2020-01.pcap": ("batlxt.org", []),
    "c2/hancitor-2021-01.pcap": ("spabyasiande.ru", []),
    "c2/empire-in-the-wild-85.255.pcap": ("85.255.1.7", []),
    "c2/cc-test-2s.pcap": ("testing.com", ["147.32.0.0/16"]),
}
"""Capture -> the destination that its catalogue names, and internal networks that are not private ones."""

IN_PROCESSES = "c2/dcrat-tls.pcap"
INTERNAL = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]


def spawned(*args: str) -> SimpleNamespace:
    done = subprocess.run(
        [*KAGAMI, *args], env=os.environ | {"PYTHONPATH": str(REPO)}, capture_output=True, check=False
    )
    assert b"leaked" not in done.stderr  # what DuckDB says at the end of a process that keeps its objects
    return SimpleNamespace(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())


@pytest.mark.slow
@pytest.mark.parametrize("name", CAPTURES)
def test_a_walk(
    name: str,
    shared_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    capture = shared_data / "pcaps" / name
    if not capture.exists():
        pytest.skip(f"{name} is not among the shared captures")
    wanted, networks = CAPTURES[name]
    store, site = tmp_path / "store", tmp_path / "site.toml"

    monkeypatch.chdir(tmp_path)
    call = spawned if name == IN_PROCESSES else caller(store, monkeypatch, capfdbinary)

    def kagami(*args: str) -> str:
        done = call("--store", str(store), "--site", str(site), *args)
        assert done.code == 0, (args, done.err)
        assert done.err.replace("\n", "").isprintable(), args
        return done.out

    site.write_text(f"[networks]\ninternal = {[*INTERNAL, *networks]!r}\n", encoding="utf-8")
    kagami("replay", str(capture))
    kagami("watchlist", "add", wanted, "--reason", "as the catalogue says")
    kagami("analyze")  # so that each has a finding, also where the timing alone shows none
    found = json.loads(kagami("findings", "--json"))
    ours = next(row for row in found if wanted in (row["dest"], *row["dest_ips"]))
    number = str(ours["id"])
    assert [group["group"] for group in json.loads(kagami("findings", "--by", "host", "--json"))]
    for form in ("ecs", "ocsf", "cef", "eve"):
        assert len(kagami("findings", "--format", form).splitlines()) == len(found)
    page = kagami("show", number)
    assert wanted in page
    assert page.replace("\n", "").isprintable()
    assert json.loads(kagami("show", number, "--json"))[0]["id"] == ours["id"]
    json.loads(kagami("related", number, "--json"))
    day = list(csv.DictReader(io.StringIO(kagami("timeline", ours["orig_ip"], "--csv"))))
    assert any(row["dest"] == wanted for row in day)
    hits = json.loads(kagami("hunt", wanted, "--json"))
    assert ours["orig_ip"] in {hit["orig_ip"] for hit in hits if hit["how"] == "contacted"}
    kagami("triage", number, "confirmed", "--note", "as the catalogue says")
    listed = kagami("blocklist", "--min-severity", "low").split()
    assert wanted in listed
    kagami("blocklist", "--min-severity", "low", "--format", "stix", "-o", "list.json")
    assert json.loads(kagami("hunt", "-f", "list.json", "--json"))
    kagami("quarantine", "--min-severity", "low", "--format", "csv")
    kagami("evidence", number, "-o", "case")
    manifest = json.loads((tmp_path / "case" / "manifest.json").read_text())
    assert manifest["packets"] > 0
    assert manifest["captures_missing"] == {}
    assert (tmp_path / "case" / "packets.pcapng").stat().st_size > 100
    for language in ("en", "ja"):
        kagami("report", "--lang", language, "-o", f"report-{language}.html")
    kagami("allow", "add", wanted, "--reason", "only for this test")
    assert wanted not in kagami("blocklist", "--min-severity", "low").split()
    assert all(wanted != row["dest"] for row in json.loads(kagami("findings", "--json")))
