"""Does this installation find anything? A beacon and a bypass are played to it, and must come out as findings.

Where a network namespace can be made, `kagami watch` captures them from a cable of its own, in real time; elsewhere
they are replayed from a file. The network and the stores of this machine are never touched.

    python -m sensor.doctor.selftest FOLDER     the part that runs inside the namespace
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sensor.analysis import analyze
from sensor.doctor.check import Check, fail, ok
from sensor.doctor.craft import BEACON, BYPASS, conversation, to_pcap
from sensor.errors import KagamiError
from sensor.run import replay
from sensor.site import Site
from sensor.store.findings import findings
from sensor.store.store import Store

_PROGRAM = [sys.executable, "-c", "from sensor.cli.main import main; main()"]
_TIMEOUT_S = 240
_SETTINGS = "[capture]\nflush_s = 1\nring_mib = 8\nmax_flows = 1024\n[retention]\nfree_gib = 0\n"


def selftest_checks() -> Iterator[Check]:
    """Play, analyze, compare."""
    with tempfile.TemporaryDirectory(prefix="kagami-selftest-") as folder:
        store = Path(folder) / "store"
        try:
            way = _play(Path(folder), store)
            analyze(store, site=Site())
            with Store.open(store) as opened:
                found = {(row["analyzer"], row["orig_ip"], row["dest"]) for row in findings(opened)[0]}
        except KagamiError as error:
            yield fail("selftest", str(error), "see the message")
            return
    wanted = {BEACON, BYPASS}
    told = f"{len(wanted & found)} of {len(wanted)} detected, {way}"
    if wanted <= found:
        yield ok("selftest", told)
    else:
        missing = ", ".join(" ".join(claim) for claim in sorted(wanted - found))
        yield fail("selftest", f"{told}; missing: {missing}", "please report this, with `kagami --version`")


def _play(folder: Path, store: Path) -> str:
    """Bring the packets into a store; returns how."""
    inside = ["unshare", "--net", "--map-root-user", sys.executable, "-m", "sensor.doctor.selftest", str(folder)]
    root = str(Path(__file__).resolve().parents[2])
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    try:
        done = subprocess.run(
            inside, cwd=root, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False,
            env=os.environ | {"PATH": path, "PYTHONPATH": root},
        )  # fmt: skip
        why_not = done.stderr.strip().splitlines()[-1:] if done.returncode else []
    except (OSError, subprocess.TimeoutExpired) as error:
        why_not = [str(error)]
    if not why_not:
        return "captured live from a cable of its own"
    capture = folder / "selftest.pcap"
    capture.write_bytes(to_pcap(conversation()))
    replay([str(capture)], folder / "store", site=Site(), with_analysis=False)
    return f"replayed from a file (not live: {why_not[0]})"


def _inside(folder: Path) -> None:
    """In the namespace: a cable, the sensor at one end, the packets into the other."""
    for words in ("add name out type veth peer name mirror", "set out up", "set mirror up"):
        subprocess.run(["ip", "link", *words.split()], check=True)
    site = folder / "site.toml"
    site.write_text(_SETTINGS)
    command = [*_PROGRAM, "--store", str(folder / "store"), "--site", str(site), "watch", "-i", "mirror"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as sensor:
        assert sensor.stderr is not None
        for line in sensor.stderr:
            if "watching" in line:
                break
        else:
            raise SystemExit("the sensor did not start")
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
            out.bind(("out", 0))
            began = time.monotonic()
            for at_s, frame in conversation():
                time.sleep(max(0.0, began + at_s - time.monotonic()))
                out.send(frame)
        sensor.send_signal(signal.SIGTERM)
        sensor.communicate(timeout=_TIMEOUT_S)
        if sensor.returncode:
            raise SystemExit(f"the sensor ended with {sensor.returncode}")


if __name__ == "__main__":
    _inside(Path(sys.argv[1]))
