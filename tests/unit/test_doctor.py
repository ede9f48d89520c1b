"""The doctor: each check says how it stands and, where something is wrong, what to do; the self-test finds both."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sensor.doctor import selftest
from sensor.doctor.craft import BEACON, BYPASS, conversation, to_pcap
from sensor.doctor.interface import interface_checks
from sensor.doctor.machine import machine_checks, store_checks
from sensor.doctor.offload import offloads, receive_queues
from sensor.doctor.selftest import selftest_checks
from sensor.site import Site, load_site
from sensor.store.store import Store


def named(checks: Any) -> dict[str, Any]:
    found = {check.name: check for check in checks}
    assert all((check.status == "ok") == (check.fix == "") for check in found.values())
    return found


def test_the_machine() -> None:
    found = named(machine_checks())
    assert {"version", "kernels", "tshark", "libpcap", "clock"} <= found.keys()
    assert "fail" not in {check.status for check in found.values()}


def test_a_store_that_is_not_there_one_that_is_sound_and_one_that_is_not(store_dir: Path) -> None:
    assert "there is none" in named(store_checks(store_dir, Site(), None))["store"].told
    with Store.open(store_dir, write=True):
        found = named(store_checks(store_dir, Site(), None))
        assert found["store"].status == "ok"
        assert "writes into it" in found["writer"].told
        assert "nobody" not in found["writer"].told
    assert "nobody" in named(store_checks(store_dir, Site(), None))["writer"].told
    (store_dir / "kagami.sqlite").write_bytes(b"no database at all" * 100)
    assert named(store_checks(store_dir, Site(), None))["store"].status == "fail"


def test_the_disk_and_the_site_file(store_dir: Path, tmp_path: Path) -> None:
    assert named(store_checks(store_dir, Site(free_gib=1e6), None))["disk"].status == "fail"
    assert named(store_checks(store_dir, Site(), None))["site file"].status == "warn"
    file = tmp_path / "site.toml"
    file.write_text("[networks]\ninternal = ['10.1.0.0/16']\n")
    found = named(store_checks(store_dir, load_site(file), file))
    assert (found["site file"].status, found["internal networks"].told) == ("ok", "10.1.0.0/16")
    assert found["proxies"].status == "warn"


def test_an_interface_that_is_not_there() -> None:
    (check,) = interface_checks("nope0", 1)
    assert check.status == "fail"
    assert "lo" in check.fix
    assert (offloads("nope0"), receive_queues("nope0")) == ({}, None)


def test_the_self_test_finds_both_also_from_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(*_: Any, **__: Any) -> None:
        raise OSError("unshare: not permitted")

    monkeypatch.setattr(selftest.subprocess, "run", cannot)
    (check,) = selftest_checks()
    assert check.status == "ok"
    assert check.told == "2 of 2 detected, replayed from a file (not live: unshare: not permitted)"


def test_the_self_test_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    done: subprocess.CompletedProcess[str] = subprocess.CompletedProcess([], 1, "", "no such device")
    monkeypatch.setattr(selftest.subprocess, "run", lambda *_, **__: done)
    monkeypatch.setattr(
        selftest, "conversation", lambda: [(t, f) for t, f in conversation() if 203 not in (f[26], f[30])]
    )
    (check,) = selftest_checks()
    assert check.status == "fail"
    assert "1 of 2 detected" in check.told
    assert "missing: beacon 10.77.0.57 203.0.113.66" in check.told


def test_what_is_played_is_in_order_and_a_capture() -> None:
    times = [at_s for at_s, _ in conversation()]
    assert times == sorted(times)
    assert times[-1] < 12
    assert to_pcap(conversation())[:4] == b"\xd4\xc3\xb2\xa1"
    assert {BEACON[0], BYPASS[0]} == {"beacon", "bypass"}


def test_the_verb_exits_with_1_when_something_fails(store_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sensor.cli.main import run

    assert run(["doctor", "--json"]) == 0
    assert {check["status"] for check in json.loads(capsys.readouterr().out)} <= {"ok", "warn"}
    assert run(["doctor", "nope0"]) == 1
    assert "fail  interface" in capsys.readouterr().out
