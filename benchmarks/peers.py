"""Replays one capture with kagami and with other flow exporters, in turns on one core, and writes the table.

`make bench` runs it. A program that is not here is left out and named. tshark, which is far slower, reads a slice; its
figures are extrapolated by packets, and the table says so. This script never compares what the programs find.
"""

import argparse
import datetime
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from make_capture import templates, write
from measure import Cost, machine, middle, run, warm_page_cache

HERE = Path(__file__).resolve().parent
REPO = HERE.parent
KAGAMI = Path(sys.executable).parent / "kagami"
TSHARK_PACKETS = 100_000
PCAP_HEADER, RECORD_HEADER = 24, 16


@dataclass(frozen=True, slots=True)
class Peer:
    """A program to measure.

    does : what it does with the capture, for the table
    command : its command line for a capture and an empty scratch folder
    version : the command that prints its version
    packets : how many packets it reads; None: all
    """

    name: str
    does: str
    command: Callable[[Path, Path], list[str]]
    version: list[str]
    packets: int | None = None


def peers(sink_port: int, nfstream_python: str) -> list[Peer]:
    """Every program of the table, kagami first."""
    kagami = str(KAGAMI)

    def replay(capture: Path, scratch: Path, *options: str) -> list[str]:
        # an installed kagami has its modules compiled; with this variable set a checkout would compile them each time
        settings = ["-u", "PYTHONDONTWRITEBYTECODE", f"KAGAMI_STORE={scratch}/store"]
        return ["env", *settings, kagami, "replay", *options, str(capture)]

    return [
        Peer(
            "kagami replay --no-analyze",
            "flows, names, events, DNS, stored",
            lambda capture, scratch: replay(capture, scratch, "--no-analyze"),
            [kagami, "--version"],
        ),
        Peer(
            "kagami replay",
            "the same, scored",
            replay,
            [kagami, "--version"],
        ),
        Peer(
            "nfpcapd",
            "flows, stored",
            lambda capture, scratch: ["nfpcapd", "-r", str(capture), "-l", str(scratch)],
            ["nfpcapd", "-V"],
        ),
        Peer(
            "argus",
            "flows, thrown away",
            lambda capture, scratch: ["argus", "-r", str(capture), "-w", "/dev/null"],
            ["argus", "-h"],
        ),
        Peer(
            "softflowd",
            "flows, sent to a socket that nobody reads",
            lambda capture, scratch: ["softflowd", "-r", str(capture), "-n", f"127.0.0.1:{sink_port}"],
            ["softflowd", "-h"],
        ),
        Peer(
            "nfstream",
            "flows and names, as Python objects",
            lambda capture, scratch: [nfstream_python, str(HERE / "peer_nfstream.py"), str(capture)],
            [nfstream_python, "-c", "import importlib.metadata as m; print(m.version('nfstream'))"],
        ),
        Peer(
            "tshark",
            "dissection, connection list",
            lambda capture, scratch: [
                *("tshark", "-n", "-r", str(capture), "-c", str(TSHARK_PACKETS)),
                *("-q", "-z", "conv,tcp", "-z", "conv,udp"),
            ],
            ["tshark", "--version"],
            packets=TSHARK_PACKETS,
        ),
        Peer(
            "tcpdump",
            "copies packets to /dev/null, tracks nothing",
            lambda capture, scratch: ["tcpdump", "-r", str(capture), "-w", "/dev/null"],
            ["tcpdump", "--version"],
        ),
    ]


def version(peer: Peer) -> str | None:
    """The program's version; None when it cannot be run."""
    try:
        done = subprocess.run(peer.version, capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return None
    found = re.search(r"\d+\.\d+(?:\.\d+)*(?:[-.]?\w+)*", done.stdout + done.stderr)
    usage_is_exit_1 = peer.version[-1] == "-h"  # argus and softflowd print their version with the usage
    return found[0] if found and (done.returncode == 0 or usage_is_exit_1) else None


def count_packets(capture: Path) -> int:
    """The packets of a little-endian pcap, by walking its record headers."""
    n, at, size = 0, PCAP_HEADER, capture.stat().st_size
    with capture.open("rb", buffering=1 << 20) as file:
        while at + RECORD_HEADER <= size:
            file.seek(at + 8)
            at += RECORD_HEADER + int.from_bytes(file.read(4), "little")
            n += at <= size
    return n


def measure(chosen: list[Peer], capture: Path, runs: int, core: int, scratch: Path) -> dict[str, list[Cost]]:
    """The costs of each program, taken in turns, so that a busy minute of the machine falls on all of them."""
    costs: dict[str, list[Cost]] = {peer.name: [] for peer in chosen}
    for number in range(runs):
        for peer in chosen:
            with tempfile.TemporaryDirectory(dir=scratch) as folder:
                cost = run(peer.command(capture, Path(folder)), core)
            costs[peer.name].append(cost)
            print(f"run {number + 1}/{runs}  {peer.name:28} {cost.wall_s:8.2f} s  {cost.rss_mib:7.0f} MiB", flush=True)
    return costs


def table(chosen: list[Peer], costs: dict[str, list[Cost]], versions: dict[str, str], n_packets: int) -> str:
    """The Markdown table. `times` is a program's wall time over that of the first one."""
    lines = [
        "| program | version | does | wall s | CPU s | peak MiB | M packets/s | times |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    first_s = None
    for peer in chosen:
        cost = middle(costs[peer.name])
        scale = n_packets / min(peer.packets, n_packets) if peer.packets else 1.0
        first_s = first_s or cost.wall_s * scale
        note = "" if scale == 1 else f" (extrapolated from {peer.packets:,} packets)"
        lines.append(
            f"| {peer.name} | {versions[peer.name]} | {peer.does}{note} | {cost.wall_s * scale:.2f} "
            f"| {cost.cpu_s * scale:.2f} | {cost.rss_mib:.0f} | {n_packets / cost.wall_s / scale / 1e6:.2f} "
            f"| {cost.wall_s * scale / first_s:.1f} |"
        )
    return "\n".join(lines)


def report(rows: str, capture: str, command: str, left_out: list[str], runs: int) -> str:
    """The page that docs/benchmarks.md is."""
    lines = [
        "# Benchmarks: replaying a capture",
        "",
        "Written by `make bench`; do not edit. Wall time, CPU time and peak memory are medians "
        f"of {runs} runs, taken in turns, each program pinned to one core, the capture in the page cache. "
        "Trust the last column (wall time, as a multiple of the first row) more than seconds on a shared machine.",
        "",
        rows,
        "",
        f"- Capture: {capture}",
        f"- Machine: {machine()}; {datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        f"- Command: `{command}`",
    ]
    if left_out:
        lines.append(f"- Not on this machine, so not measured: {', '.join(left_out)}")
    lines += ["", "What is compared, and what not, stands in [benchmarks/README.md](../benchmarks/README.md).", ""]
    return "\n".join(lines)


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure kagami against other flow exporters.")
    parser.add_argument("--capture", type=Path, help="an Ethernet pcap; default: one is made from pcaps/")
    parser.add_argument("--packets", type=int, default=3_000_000, help="size of the capture that is made")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--only", nargs="*", help="names of programs; default: all that are here")
    parser.add_argument("--nfstream-python", default=sys.executable, help="an interpreter that has nfstream")
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()), help="where stores are written")
    parser.add_argument("--output", type=Path, default=REPO / "docs" / "benchmarks.md")
    return parser.parse_args()


def main() -> None:
    """Measure, print and write the table."""
    words = options()
    with (
        tempfile.TemporaryDirectory(dir=words.scratch) as folder,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink,  # softflowd's collector
    ):
        sink.bind(("127.0.0.1", 0))
        candidates = peers(sink.getsockname()[1], words.nfstream_python)
        if unknown := set(words.only or ()) - {peer.name for peer in candidates}:
            sys.exit(f"--only: no program {sorted(unknown)}; there are {[peer.name for peer in candidates]}")
        candidates = [peer for peer in candidates if not words.only or peer.name in words.only]
        found = {peer.name: version(peer) for peer in candidates}
        chosen = [peer for peer in candidates if found[peer.name]]
        left_out = [peer.name for peer in candidates if not found[peer.name]]
        if not chosen:
            sys.exit(f"none of these programs is here: {', '.join(left_out)}")
        capture = words.capture
        if capture is None:
            capture = Path(folder) / "made.pcap"
            samples = sorted((REPO / "pcaps").glob("*/*.pcap"))
            n_flows = write(capture, templates(samples), words.packets, seed=1, seconds=600, mean=8)
            described = f"made by benchmarks/make_capture.py from pcaps/, {n_flows:,} flows"
        else:
            described = f"`{capture.name}`"
        n_packets = count_packets(capture)
        described += f", {n_packets:,} packets, {capture.stat().st_size / 1e6:,.0f} MB"
        if chosen[0].name.startswith("kagami"):  # the first run ever compiles the kernels
            with tempfile.TemporaryDirectory(dir=words.scratch) as warm:
                run(chosen[0].command(REPO / "pcaps" / "demo" / "demo.pcap", Path(warm)), words.core)
        warm_page_cache(capture)
        costs = measure(chosen, capture, words.runs, words.core, Path(folder))
    rows = table(chosen, costs, {name: text for name, text in found.items() if text}, n_packets)
    arguments = shlex.join(Path(word).name if word.startswith("/") else word for word in sys.argv[1:])
    command = f'make bench BENCH_ARGS="{arguments}"' if arguments else "make bench"
    page = report(rows, described, command, left_out, words.runs)
    words.output.write_text(page, encoding="utf-8")
    print(f"\n{page}")


if __name__ == "__main__":
    main()
