"""A day's traffic in minutes: do the sensor's memory and files stay as they are, and the disk within its limit?

    python benchmarks/soak.py [--minutes 10] [--pps 15000] [--capture FILE] [--lake-gib 0.05]

A capture is sent over a cable of its own again and again, each time with other addresses, to a `kagami watch`, while
`kagami prune` and `kagami analyze --rolling` run every minute as their timers would have it. A line a minute; at the
end whether memory after the first third stayed within 5 %, and the lake as close to its limit. Needs root (or user
namespaces) and tcpreplay.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from namespace import INSIDE, KAGAMI, REPO, start_again_inside

STEADY = 0.05

AT_ONCE = 4
"""A capture is sent so many times as fast as on average; the pause behind it holds the pace on a busy machine too."""


def resident_mib(pid: int) -> float:
    """Anonymous memory, without the ring and the files that are mapped."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def lake_mib(store: Path) -> float:
    """Bytes of all segments, also of those that are just being written."""
    size = 0
    for folder, _, names in os.walk(store / "lake"):
        for name in names:
            with suppress(FileNotFoundError):  # its place was taken meanwhile
                size += (Path(folder) / name).stat().st_size
    return size / 2**20


def inside(options: argparse.Namespace) -> bool:
    """In the namespace; whether everything stayed."""
    for words in ("link set lo up", "link add name out type veth peer name in", "link set out up", "link set in up"):
        subprocess.run(["ip", *words.split()], check=True)
    with tempfile.TemporaryDirectory() as folder:
        store, site = Path(folder) / "store", Path(folder) / "site.toml"
        site.write_text(f"[capture]\nflush_s = 2\n[retention]\nlake_gib = {options.lake_gib}\nfree_gib = 0\n")
        kagami = [*KAGAMI, "-q", "--store", str(store), "--site", str(site)]
        with (Path(folder) / "log").open("w") as log:
            sensor = subprocess.Popen([*kagami, "watch", "-i", "in"], stderr=log, stdin=subprocess.DEVNULL)
        while "watching" not in (Path(folder) / "log").read_text():
            time.sleep(0.2)
        memory, files, disk = [], [], []
        began = time.monotonic()
        print("| minute | packets | memory MiB | file descriptors | lake MiB |\n|--:|--:|--:|--:|--:|", flush=True)
        sent = 0
        while time.monotonic() - began < options.minutes * 60:
            minute_ends = time.monotonic() + 60
            while time.monotonic() < minute_ends:
                started = time.monotonic()
                seed = f"--seed={sent % 2**31 + 1}"
                said = subprocess.run(
                    ["tcpreplay-edit", "-q", seed, f"--pps={AT_ONCE * options.pps}", "-i", "out", str(options.capture)],
                    capture_output=True, text=True, check=True,
                ).stdout  # fmt: skip
                n_packets = int(said.split("Actual: ")[1].split()[0])
                sent += n_packets
                time.sleep(max(0.0, started + n_packets / options.pps - time.monotonic()))
            subprocess.run([*kagami, "prune"], check=True, stdout=subprocess.DEVNULL)
            disk.append(lake_mib(store))
            subprocess.run([*kagami, "analyze", "--rolling"], check=True, stdout=subprocess.DEVNULL)
            memory.append(resident_mib(sensor.pid))
            files.append(len(list(Path(f"/proc/{sensor.pid}/fd").iterdir())))
            print(f"| {len(memory)} | {sent:,} | {memory[-1]:.0f} | {files[-1]} | {disk[-1]:.1f} |", flush=True)
        sensor.send_signal(signal.SIGTERM)
        sensor.wait(60)
        status = subprocess.run([*kagami, "status"], capture_output=True, text=True, check=True).stdout
        print("\n" + "\n".join(line for line in status.splitlines() if line.startswith(("live", "  "))))
    steady = memory[len(memory) // 3 :]
    spread = (max(steady) - min(steady)) / min(steady)
    print(f"\nmemory after the first third: within {spread:.1%}; descriptors {min(files)} to {max(files)}")
    print(f"lake at most {max(disk):.1f} MiB of {options.lake_gib * 1024:.1f}, right after pruning")
    # a descriptor or two are files being written; the lake gets rows while prune is at work
    return spread <= STEADY and max(files) - min(files) <= 2 and max(disk) <= options.lake_gib * 1024 * (1 + STEADY)


def main() -> None:
    """Enter a namespace and go on there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--capture", type=Path, default=REPO / "pcaps" / "demo" / "demo.pcap")
    parser.add_argument("--pps", type=int, default=15_000, help="packets a second, on average")
    parser.add_argument("--lake-gib", type=float, default=0.05)
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        sys.exit(0 if inside(options) else 1)
    sys.exit(start_again_inside())


if __name__ == "__main__":
    main()
