"""A small office on a bridge, mirrored to the sensor: a proxy, a name server, a server outside, and three machines that
should not do what they do. All of it is found while the capture goes on.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sensor.rolling import analyze_rolling
from sensor.site import load_site
from sensor.store.findings import findings
from sensor.store.store import Store
from tests.support.mirror import Namespace, Watch, until, why_not

MISSING = why_not("tinyproxy", "dnsmasq", "curl", "tc") or ("" if os.getuid() == 0 else "dnsmasq wants to be root")
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

PROXY, SERVER, OTHER, BLOCKED = "10.0.0.3", "203.0.113.66", "203.0.113.77", "198.51.100.23"
BEACON, BYPASS, STOPPED = "10.0.0.10", "10.0.0.11", "10.0.0.12"
SITE = f"[capture]\nflush_s = 1\nring_mib = 16\n[retention]\nfree_gib = 0\n[proxies]\naddresses = ['{PROXY}:3128']\n"


class Office:
    """The switch, and machines on it by address. What passes a client's port is mirrored to `mirror`."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.switch = stack.enter_context(Namespace())
        self.machines: dict[str, Namespace] = {}
        self._stack, self._folder = stack, folder
        self.switch.run("ip", "link", "add", "name", "br0", "type", "bridge")
        self.switch.run("ip", "link", "set", "br0", "up")
        self.switch.veth("span", "mirror")
        for address in (PROXY, SERVER, BEACON, BYPASS, STOPPED):
            self._join(address, is_client=address in (BEACON, BYPASS, STOPPED))
        self.machines[SERVER].run("ip", "address", "add", f"{OTHER}/32", "dev", "eth0")
        # what is blocked goes to the server's card, which is not asked for it and does not answer
        card = self.machines[SERVER].run("ip", "-br", "link", "show", "dev", "eth0").split()[2]
        self.machines[STOPPED].run("ip", "neighbor", "add", BLOCKED, "lladdr", card, "dev", "eth0")

    def _join(self, address: str, *, is_client: bool) -> None:
        machine = self._stack.enter_context(Namespace(self.switch))
        port = f"p{len(self.machines)}"
        self.switch.veth(port, "eth0", machine)
        self.switch.run("ip", "link", "set", port, "master", "br0")
        machine.run("ip", "address", "add", f"{address}/32", "dev", "eth0")
        machine.run("ip", "route", "add", "default", "dev", "eth0")
        resolver = self._folder / f"{port}.conf"
        resolver.write_text(f"nameserver {PROXY}\n")
        machine.run("mount", "--bind", str(resolver), "/etc/resolv.conf")
        self.machines[address] = machine
        if is_client:
            self.switch.run("tc", "qdisc", "add", "dev", port, "clsact")
            for way in ("ingress", "egress"):
                everything = f"tc filter add dev {port} {way} protocol all u32 match u32 0 0"
                self.switch.run(*everything.split(), *["action", "mirred", "egress", "mirror", "dev", "span"])

    def start(self, address: str, *command: str) -> None:
        """Run a program on a machine until the test ends."""
        process = self.machines[address].start(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        made = Office(stack, tmp_path)
        page = tmp_path / "www"
        page.mkdir()
        (page / "poll").write_text("sleep\n")
        for port in ("80", "443"):
            made.start(SERVER, "python3", "-m", "http.server", "-d", str(page), port)
        made.start(
            PROXY, "dnsmasq", "-k", "--no-resolv", "--no-hosts", "--user=root", "--conf-file=/dev/null", "--pid-file=",
            *(f"--address=/{name}.example/{ip}" for name, ip in (("c2", SERVER), ("news", SERVER), ("direct", OTHER))),
        )  # fmt: skip
        settings = tmp_path / "tinyproxy.conf"
        settings.write_text(
            f'Port 3128\nListen {PROXY}\nTimeout 60\nLogFile "{tmp_path}/proxy.log"\nAllow 10.0.0.0/8\n'
        )
        made.start(PROXY, "tinyproxy", "-d", "-c", str(settings))
        ask = ["curl", "-sf", "-m", "2", "-x", f"http://{PROXY}:3128", "http://news.example/poll"]
        until(lambda: made.machines[BYPASS].run(*ask, check=False) == "sleep\n")
        yield made


def loop(times: int, pause_s: float, command: str) -> list[str]:
    return ["sh", "-c", f"for i in $(seq {times}); do {command} >/dev/null 2>&1 & sleep {pause_s}; done; wait"]


def test_what_goes_on_is_found_while_it_goes_on(office: Office, tmp_path: Path) -> None:
    with Watch(office.switch, tmp_path / "store", "mirror", site=SITE) as watch:
        through = f"curl -s -m 5 -x http://{PROXY}:3128"
        office.start(BEACON, *loop(18, 1, f"{through} http://c2.example/poll"))
        office.start(BYPASS, *loop(6, 2.3, "curl -s -m 5 http://direct.example/poll"))
        office.start(STOPPED, *loop(6, 1.7, f"curl -s -m 1 https://{BLOCKED}/"))
        site = load_site(watch.site)

        def found() -> dict[tuple[str, str, str], str]:
            analyze_rolling(watch.store, site, time.time_ns())
            with Store.open(watch.store) as store:
                rows, _ = findings(store)
            return {(row["analyzer"], row["orig_ip"], row["dest"]): row["outcome"] for row in rows}

        live = {("beacon", BEACON, "c2.example"): "", ("bypass", BYPASS, "direct.example"): "established"}
        until(lambda: live.items() <= found().items(), 60)
        assert live.items() <= found().items()
        # an attempt is over a minute after its last SYN, or when the capture ends
        assert watch.stop() == 0
        assert found()["bypass", STOPPED, BLOCKED] == "unanswered"
        health = watch.health()
    assert health["dropped"] == 0
    assert health["seen"] == health["packets"]
