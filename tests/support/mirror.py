"""A network of our own for live tests: namespaces that end with the test, veth pairs, and a sensor watching one end.

Nothing outside is touched. Root is not needed where the system lets everybody make user namespaces, which the others
belong to then. `why_not` says in words what is missing.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from sensor.store.findings import findings
from sensor.store.questions import dns, events, flows
from sensor.store.store import Store
from tests.support.command import KAGAMI

REPO = Path(__file__).resolve().parents[2]
_USER = [] if os.getuid() == 0 else ["--map-root-user"]
START_S = 120
"""For a watch to begin: kernels may have to compile."""
NOT_COMPARED = ("uid", "first_ts", "last_ts", "ts", "duration_s", "source", "end_reason")
"""What depends on when and where it was captured. `end` or `idle`: whether a sweep came before the capture's end."""


@cache
def why_not(*programs: str) -> str:
    """Why no live test with these programs can run here; empty when it can."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    for program in ("unshare", "nsenter", "ip", *programs):
        if shutil.which(program, path=path) is None:
            return f"{program} is not installed"
    attempt = "ip link add name v0 type veth peer name v1"
    done = subprocess.run(
        ["unshare", "--net", *_USER, *attempt.split()],
        capture_output=True, text=True, check=False, env=os.environ | {"PATH": path},
    )  # fmt: skip
    return "" if done.returncode == 0 else f"no network namespace with a veth pair: {done.stderr.strip()}"


class Namespace:
    """A network namespace, alive as long as this object is open; `host` nests it inside another's user namespace."""

    def __init__(self, host: "Namespace | None" = None) -> None:
        inside = host.enter if host else []
        new_user = [] if host else _USER
        self._holder = subprocess.Popen(
            [*inside, "unshare", "--net", "--mount", *new_user, "sh", "-c", "echo $$; exec sleep 600"],
            stdout=subprocess.PIPE, text=True, env=self._environment(),
        )  # fmt: skip
        assert self._holder.stdout is not None
        self.pid = int(self._holder.stdout.readline())
        self.enter = [
            "nsenter",
            "-t",
            str(self.pid),
            "-n",
            "-m",
            *(["-U", "--preserve-credentials"] if _USER else []),
            "--",
        ]
        for setting in ("all", "default"):  # no router solicitations among the packets that are counted
            self.run("sysctl", "-qw", f"net.ipv6.conf.{setting}.disable_ipv6=1")
        self.run("ip", "link", "set", "lo", "up")

    @staticmethod
    def _environment(**more: str) -> dict[str, str]:
        return os.environ | {"PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin", "PYTHONPATH": str(REPO), **more}

    def run(self, *command: str, check: bool = True, timeout: float = 60) -> str:
        """Run a program inside; its output, errors included."""
        done = subprocess.run(
            [*self.enter, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            env=self._environment(), timeout=timeout, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{command}: {done.stdout}"
        return done.stdout

    def start(self, *command: str, **options: Any) -> "subprocess.Popen[str]":
        """Start a program inside."""
        environment = self._environment(**options.pop("env", {}))
        return subprocess.Popen([*self.enter, *command], text=True, env=environment, **options)

    def veth(self, ours: str, theirs: str, peer: "Namespace | None" = None) -> None:
        """A pair of interfaces, both up; the other end in `peer`."""
        self.run("ip", "link", "add", "name", ours, "type", "veth", "peer", "name", theirs)
        if peer:
            self.run("ip", "link", "set", theirs, "netns", str(peer.pid))
        for where, name in ((self, ours), (peer or self, theirs)):
            where.run("ip", "link", "set", name, "mtu", "9000", "up")

    def send(self, interface: str, capture: Path, *options: str) -> int:
        """Put a capture on the wire with tcpreplay; how many packets went."""
        told = self.run("tcpreplay", "-q", *options, "-i", interface, str(capture))
        return int(told.split("Actual: ")[1].split()[0])

    def close(self) -> None:
        self._holder.kill()
        self._holder.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_RECORD = """
import signal, struct, sys
from sensor.capture.afpacket import Ring
stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
ring = Ring(sys.argv[1])
with open(sys.argv[2], "wb") as file:
    file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
    print("ready", flush=True)
    while ring.wait(0.3) or not stopped:
        for batch in ring.batches():
            for i in range(len(batch)):
                frame = batch.frames[batch.start[i] : batch.end[i]].tobytes()
                if batch.vlan_id[i]:
                    frame = frame[:12] + struct.pack(">HH", 0x8100, batch.vlan_id[i]) + frame[12:]
                seconds, rest = divmod(int(batch.ts_ns[i]), 10**9)
                file.write(struct.pack("<IIII", seconds, rest, len(frame), len(frame)) + frame)
"""


class Recording:
    """What passes an interface, as a file with the times of the wire. tcpdump would want to become another user."""

    def __init__(self, inside: Namespace, interface: str, path: Path) -> None:
        self._process = inside.start(sys.executable, "-c", _RECORD, interface, str(path), stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def stop(self) -> None:
        self._process.terminate()
        assert self._process.wait(30) == 0


METRICS_PORT = "9187"
_METRICS = f"""
import sys, urllib.request
with urllib.request.urlopen("http://127.0.0.1:{METRICS_PORT}/metrics", timeout=60) as answer:
    sys.stdout.write(answer.read().decode())
"""


class Watch:
    """`kagami watch` running inside a namespace."""

    def __init__(
        self,
        inside: Namespace,
        store: Path,
        interface: str,
        *options: str,
        site: str = "",
        env: dict[str, str] | None = None,
        notes: Path | None = None,
    ) -> None:
        """notes : folder for the site file and what it said; else beside the store"""
        notes = notes or store.parent
        self.site = notes / f"{store.name}.toml"
        self.site.write_text(site)
        self.store = store
        self._inside = inside
        self.log = notes / f"{store.name}.log"
        with self.log.open("w") as log:
            self.process = inside.start(
                *KAGAMI, "--store", str(store), "--site", str(self.site), "watch", "-i", interface,
                "--metrics", METRICS_PORT, *options,
                stderr=log, stdin=subprocess.DEVNULL, env=env or {},
            )  # fmt: skip
        until(lambda: "watching" in self.said() or self.process.poll() is not None, START_S)
        if "watching" not in self.said():
            self.process.kill()  # nobody else would
            self.process.wait()
            pytest.fail(self.said())

    def said(self) -> str:
        return self.log.read_text()

    def counted(self, name: str) -> int:
        """A running total, as the metrics tell it."""
        page = self._inside.run(sys.executable, "-c", _METRICS)
        return int(page.split(f"\nkagami_{name}_total{{")[1].split()[1])

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)

    def health(self) -> dict[str, Any]:
        """Sums over all health rows, with all words."""
        from sensor.store.health import health_rows

        with Store.open(self.store) as store:
            rows = health_rows(store, 0, 2**62)
        sums: Counter[str] = Counter()
        for row in rows:
            sums.update({name: value for name, value in row.items() if isinstance(value, int)})
        return {**sums, "words": [word for row in rows for word in row["words"]], "state": rows[-1]["state"]}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def until(holds: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Wait until something holds; the caller asserts."""
    deadline = time.monotonic() + timeout_s
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)


def rows_of_store(store_dir: Path, without: Sequence[str] = NOT_COMPARED) -> dict[str, Counter[str]]:
    """All rows of the lake and all findings as multisets of text, but for some columns."""
    kept = {}
    with Store.open(store_dir) as store:
        for table, (rows, _) in {
            "flow": flows(store), "event": events(store), "dns": dns(store), "finding": findings(store),
        }.items():  # fmt: skip
            left = ({name: value for name, value in row.items() if name not in without} for row in rows)
            kept[table] = Counter(json.dumps(row, sort_keys=True, default=str) for row in left)
    return kept


def notify_socket(path: Path) -> socket.socket:
    """What systemd would listen at."""
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ear.bind(str(path))
    ear.settimeout(START_S)
    return ear
