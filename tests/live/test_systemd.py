"""The units, installed and started by a real systemd: they come up as closed as they are, and do what they are for."""

import json
import time
from collections.abc import Iterator

import pytest

from tests.support.mirror import until
from tests.support.systemd import PROGRAM, Systemd, why_no_systemd

MISSING = why_no_systemd("tcpreplay")
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

CAPTURE = "kagami-capture@mirror.service"
STORE = ("env", "KAGAMI_STORE=/var/lib/kagami", "KAGAMI_SITE=/etc/kagami/site.toml", PROGRAM)
CAP_NET_RAW = 1 << 13


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Systemd]:
    """Installed as docs/live.md says, with a cable from `out` to `mirror`, and capturing."""
    with Systemd(tmp_path_factory.mktemp("systemd")) as systemd:
        for words in ("link add out type veth peer name mirror", "link set out up", "link set mirror up"):
            systemd.run("ip", *words.split())
        systemd.run(PROGRAM, "service", "install", "--prefix", "/", "--program", PROGRAM)
        systemd.run("sh", "-c", "systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload")
        systemd.run("systemctl", "start", CAPTURE, timeout=300)  # compiles first
        yield systemd


def rows(machine: Systemd, *words: str) -> list[dict[str, object]]:
    told: list[dict[str, object]] = json.loads(machine.run(*STORE, "-q", *words, "--json"))
    return told


def test_the_sensor_runs_with_one_capability_under_its_own_account(machine: Systemd) -> None:
    assert machine.show(CAPTURE, "ActiveState") == "active"
    pid = machine.show(CAPTURE, "MainPID")
    status = dict(
        line.split(":\t", 1) for line in machine.run("cat", f"/proc/{pid}/status").splitlines() if ":\t" in line
    )
    assert [int(status[f"Cap{of}"], 16) for of in ("Eff", "Prm", "Bnd", "Amb")] == [CAP_NET_RAW] * 4
    assert status["Uid"].split()[0] == machine.run("id", "-u", "kagami").strip() != "0"
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_what_it_captured_is_analyzed_told_and_kept_within_limits(machine: Systemd) -> None:
    machine.run("tcpreplay", "-q", "--pps=20000", "-i", "out", "/opt/kagami/checkout/pcaps/demo/demo.pcap")

    def analyzed() -> list[dict[str, object]]:
        time.sleep(3)  # systemd lets a unit start five times in ten seconds
        machine.run("systemctl", "start", "kagami-analyze", timeout=120)
        return rows(machine, "findings")

    until(lambda: any(row["analyzer"] == "bypass" for row in analyzed()), 120)  # when what was seen has been written
    for unit in ("kagami-notify", "kagami-prune"):
        machine.run("systemctl", "start", unit, timeout=120)
    found = rows(machine, "findings")
    assert {row["analyzer"] for row in found} >= {"bypass"}
    assert "bypass" not in machine.journal("kagami-analyze")  # what it prints is for people
    told = [json.loads(line) for line in machine.run("journalctl", "-o", "json", "-t", "kagami").splitlines()]
    told = [entry for entry in told if entry.get("KAGAMI_ANALYZER")]
    assert len(told) == sum(row["severity"] != "low" for row in found) > 0
    assert machine.run("systemctl", "--failed", "--quiet").strip() == ""


def test_a_killed_sensor_is_back_at_once_and_a_stuck_one_is_restarted(machine: Systemd) -> None:
    folder = f"/run/systemd/system/{CAPTURE}.d"
    machine.run("sh", "-c", f"mkdir -p {folder} && printf '[Service]\nWatchdogSec=3\n' > {folder}/soon.conf")
    machine.run("sh", "-c", f"systemctl daemon-reload && systemctl restart {CAPTURE}", timeout=120)
    for signal, result in (("KILL", "signal"), ("STOP", "watchdog")):
        before = machine.show(CAPTURE, "MainPID")
        machine.run("kill", f"-{signal}", before)
        until(lambda pid=before: machine.show(CAPTURE, "MainPID") not in (pid, "0"))  # type: ignore[misc]
        until(lambda: machine.show(CAPTURE, "ActiveState") == "active")
        assert machine.show(CAPTURE, "ActiveState") == "active"
        assert f"Failed with result '{result}'" in machine.journal(CAPTURE)


def test_a_changed_site_file_is_taken_over_and_a_wrong_one_is_not(machine: Systemd) -> None:
    site = "/etc/kagami/site.toml"
    machine.run("sh", "-c", f"echo 'wrong = 1' >> {site} && systemctl reload {CAPTURE}", check=False)
    until(lambda: "the old one goes on" in machine.journal(CAPTURE), 20)
    assert "the site file is not taken, the old one goes on" in machine.journal(CAPTURE)
    assert machine.show(CAPTURE, "ActiveState") == "active"


def test_the_target_starts_the_timers_and_stops_everything(machine: Systemd) -> None:
    machine.run("systemctl", "start", "kagami.target")
    timers = machine.run("systemctl", "list-timers", "--no-pager", "kagami-*")
    assert {"kagami-analyze.timer", "kagami-notify.timer", "kagami-prune.timer"} <= set(timers.split())
    machine.run("systemctl", "stop", "kagami.target", CAPTURE)
    assert machine.show(CAPTURE, "Result") == "success"
    assert machine.show("kagami-analyze.timer", "ActiveState") == "inactive"
    assert " stopped: " in machine.journal(CAPTURE)
