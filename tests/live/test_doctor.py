"""The doctor at a cable: what it says of an interface, with and without traffic, and its self-test played live."""

import json
from pathlib import Path
from typing import Any

import pytest

from sensor.doctor.selftest import selftest_checks
from sensor.run import demo_capture
from tests.support.command import KAGAMI
from tests.support.mirror import Namespace


def ask(wire: Namespace, store: Path, seconds: str) -> dict[str, Any]:
    told = wire.run(
        *KAGAMI, "-q", "--store", str(store), "doctor", "mirror", "--seconds", seconds, "--json", check=False
    )
    return {check["name"]: check for check in json.loads(told)}


def test_a_quiet_cable_and_a_busy_one(wire: Namespace, tmp_path: Path) -> None:
    wire.run("ip", "address", "add", "192.0.2.7/24", "dev", "mirror")
    quiet = ask(wire, tmp_path / "store", "0.5")
    assert quiet["addresses"]["fix"].startswith("ip addr flush dev mirror")
    assert quiet["traffic"]["told"] == "nothing came in within 0.5 s"
    wire.run("ip", "address", "flush", "dev", "mirror")
    sender = wire.start("tcpreplay", "-q", "--loop=100", "--pps=1500", "-i", "out", str(demo_capture()))
    busy = ask(wire, tmp_path / "store", "3")
    sender.kill()
    sender.wait()
    assert {"addresses"}.isdisjoint(busy)
    assert busy["capture"]["status"] == busy["drops"]["status"] == busy["both directions"]["status"] == "ok"
    assert busy["interface"]["told"] == "mirror is up, MTU 9000"
    wire.run("ip", "link", "set", "mirror", "down")
    assert ask(wire, tmp_path / "store", "0.5")["interface"] == {
        "status": "fail", "name": "interface", "told": "mirror is down", "fix": "ip link set mirror up",
    }  # fmt: skip


@pytest.mark.slow
def test_the_self_test_is_played_live() -> None:
    (check,) = selftest_checks()
    assert check.told == "2 of 2 detected, captured live from a cable of its own"
