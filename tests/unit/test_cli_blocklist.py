"""`kagami blocklist` and `kagami quarantine`: preview, comparison with the last list, the stop, and coming back."""

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from sensor.cli.verbs.blocklist import FORMATS
from sensor.response.formats.table import FORMS
from sensor.store.store import Store
from sensor.store.summaries import save_host_facts
from tests.support.cli_store import BEACON_HOST, BEACON_IP, BEACON_NAME, BYPASS_HOST, finding, make_store
from tests.support.command import Call, caller
from tests.support.lake_rows import buckets_of, columns_of, row


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_store(tmp_path / "store")


@pytest.fixture
def kagami(path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Call:
    return caller(path, monkeypatch, capfdbinary)


def add_findings(path: Path, *dests: str) -> None:
    with Store.open(path, write=True) as store:
        store.upsert_findings([finding(dest=dest, dest_ips=[dest]) for dest in dests])


def test_every_format_has_a_name() -> None:
    assert tuple(FORMS) == FORMATS


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_previewed_and_written(kagami: Any, tmp_path: Path, form: str) -> None:
    preview = kagami("blocklist", "--format", form, "--force")
    target = tmp_path / "list"
    assert kagami("blocklist", "--format", form, "--force", "-o", str(target)).code == preview.code == 0
    text = target.read_text(encoding="utf-8")
    assert (BEACON_NAME if form in ("hosts", "unbound") else BEACON_IP.split(".")[2]) in text
    meta = json.loads((tmp_path / "list.meta.json").read_text(encoding="utf-8"))
    assert meta["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert all(entry["finding"] in (1, 2) and entry["reasons"] and entry["expires"] for entry in meta["entries"])


def test_a_list_is_compared_with_the_last_one(kagami: Any, path: Path, tmp_path: Path) -> None:
    target = tmp_path / "list"
    assert "the first of its format" in kagami("blocklist").err
    assert kagami("blocklist", "-o", str(target)).err.endswith("as list 1\n")
    first = target.read_text()
    assert first == f"{BEACON_IP}\n{BEACON_NAME}\n"  # the other address serves one more name
    add_findings(path, "9.9.9.90")
    kagami("allow", "add", BEACON_NAME, "--reason", "ours")
    diff = kagami("blocklist", "--diff")
    assert set(diff.out.splitlines()) == {f"-{BEACON_NAME}", f"-{BEACON_IP}", "+9.9.9.90"}
    assert "since list 1 of" in diff.err
    assert kagami("blocklist", "-o", str(target)).code == 0  # too few to stop for
    assert BEACON_NAME not in target.read_text()
    back = kagami("blocklist", "--revert", "1", "-o", str(target))
    assert f"held back {BEACON_NAME} (finding 1): is allowed by entry 1" in back.err
    assert BEACON_NAME not in target.read_text()
    kagami("allow", "remove", "1")
    assert kagami("blocklist", "--revert", "1", "-o", str(target)).code == 0
    assert target.read_text() == first
    assert [line.split("\t")[0] for line in kagami("blocklist", "--history").out.splitlines()] == [
        "id",
        "4",
        "3",
        "2",
        "1",
    ]


def test_a_list_that_changes_too_much_waits_for_a_yes(kagami: Any, path: Path, tmp_path: Path) -> None:
    target = tmp_path / "list"
    kagami("blocklist", "-o", str(target))
    before = target.read_text()
    add_findings(path, *(f"9.9.9.{n}" for n in range(20, 30)))
    stopped = kagami("blocklist", "-o", str(target))
    assert stopped.code == 2
    assert "this would add 10 entries and remove 0" in stopped.err
    assert target.read_text() == before
    assert kagami("blocklist", "-o", str(target), "--yes").code == 0
    assert "9.9.9.29" in target.read_text()
    serials = [int(line.split("\t")[5]) for line in kagami("blocklist", "--history").out.splitlines()[1:]]
    assert serials[0] > serials[1]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--diff", "--history"], "choose one of"),
        (["--sign", "/dev/null"], "needs the file"),
        (["--revert", "9"], "no blocklist 9"),
        (["--format", "hosts", "--only", "ip"], "no place for ip"),
        (["--format", "fortigate"], "is not one of"),
    ],
)
def test_words_that_make_no_sense(kagami: Any, args: list[str], words: str) -> None:
    told = kagami("blocklist", *args)
    assert told.code == 2
    assert words in told.err


def test_a_list_for_one_kind_alone(kagami: Any) -> None:
    assert kagami("blocklist", "--only", "domain").out == f"{BEACON_NAME}\n"
    edl = kagami("blocklist", "--format", "edl")
    assert BEACON_NAME not in edl.out
    assert "files of their own" in edl.err
    assert kagami("blocklist", "--format", "edl", "--only", "domain").out == f"{BEACON_NAME}\n*.{BEACON_NAME}\n"


def test_hosts_to_isolate(kagami: Any, tmp_path: Path) -> None:
    assert kagami("quarantine").out == f"{BEACON_HOST}\n{BYPASS_HOST}\n"
    rows = list(csv.DictReader(io.StringIO(kagami("quarantine", "--format", "csv", "--min-severity", "low").out)))
    assert [row["ip"] for row in rows] == [BEACON_HOST, BYPASS_HOST, "10.0.0.99"]
    assert rows[0]["sources"] == "lab.pcap"
    assert rows[2]["sources"] == "_1_1.pcap"
    site = tmp_path / "site.toml"
    site.write_text(f'[proxies]\naddresses = ["{BEACON_HOST}"]\n', encoding="utf-8")
    held = kagami("quarantine", "--site", str(site))
    assert held.out == f"{BYPASS_HOST}\n"
    assert "is a proxy" in held.err
    assert kagami("quarantine", "-o", str(tmp_path / "hosts")).code == 0
    assert (tmp_path / "hosts").read_text() == f"{BEACON_HOST}\n{BYPASS_HOST}\n"


def test_servers_of_the_site_file_are_held_back_unless_forced(kagami: Any, tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text(f'[[roles]]\nrole = "directory"\nhosts = ["{BEACON_HOST}/32"]\n', encoding="utf-8")
    held = kagami("quarantine", "--site", str(site))
    assert held.out == f"{BYPASS_HOST}\n"
    assert f"held back {BEACON_HOST}" in held.err
    assert "directory server" in held.err
    forced = kagami("quarantine", "--site", str(site), "--force", "--format", "csv")
    row = next(csv.DictReader(io.StringIO(forced.out)))
    assert row["ip"] == BEACON_HOST
    assert "directory server" in row["remarks"]
    assert f"listed {BEACON_HOST}" in forced.err


def test_an_outside_host_is_not_listed_by_force_either(kagami: Any, tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text('[networks]\ninternal = ["192.168.0.0/16"]\n', encoding="utf-8")
    assert kagami("quarantine", "--site", str(site), "--force").out == ""


def test_a_host_that_looks_like_a_server_is_listed_and_told(path: Path, kagami: Any) -> None:
    asked = [
        row("flow", uid=f"Cs{i}{port}", orig_ip=f"10.0.1.{i}", resp_ip=BYPASS_HOST, resp_port=port, proto="tcp",
            orig_pkts=5, resp_pkts=5, conn_state="SF")
        for i in range(3) for port in (88, 389)
    ]  # fmt: skip
    with Store.open(path, write=True) as store:
        store.lake.append("flow", "servers", columns_of("flow", asked), buckets_of(asked))
    told = kagami("quarantine")
    assert told.out == f"{BEACON_HOST}\n{BYPASS_HOST}\n"
    assert f"listed {BYPASS_HOST}" in told.err
    assert "looks like a directory server: it answers kerberos to 3 hosts" in told.err


def test_how_a_host_is_found_on_the_switches(path: Path, kagami: Any) -> None:
    with Store.open(path, write=True) as store:
        save_host_facts(store, {
            (BEACON_HOST, "mac", "00:00:0c:01:02:03"): [5, 9],
            (BEACON_HOST, "mac", "00:00:0c:ff:ff:ff"): [1, 2],
            (BEACON_HOST, "dhcp", "=cmd|x\x1b"): [5, 9],
            ("10.0.0.1", "mac", "00:00:0c:01:02:03"): [5, 6],
            (BYPASS_HOST, "mac", "02:00:0c:01:02:03"): [5, 9],
        })  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(kagami("quarantine", "--format", "csv", "--min-severity", "low").out)))
    beacon, bypass, third = rows
    assert beacon["macs"] == "00:00:0c:01:02:03 00:00:0c:ff:ff:ff"
    assert beacon["vendor"].startswith("Cisco")
    assert beacon["names"] == "_cmd_x_"
    assert beacon["switch_hint"] == "show mac address-table address 0000.0c01.0203"
    assert "also that of 10.0.0.1" in beacon["remarks"]
    assert "several MAC addresses" in beacon["remarks"]
    assert "locally made" in bypass["remarks"]
    assert (third["macs"], third["switch_hint"]) == ("", f"show ip arp {third['ip']}")
