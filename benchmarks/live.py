"""What capturing costs: one traffic, sent as fast as tcpreplay can, to each program in turn, over a cable of its own.

    python benchmarks/live.py [--packets 3000000] [--only kagami tcpdump] [--capture FILE] [--pps N]
    python benchmarks/live.py --only kagami kagami-keep-1 kagami-keep-16384 kagami-keep-1073741824

Needs root (or user namespaces), tcpreplay and two cores: the sender has the first, the program the second. CPU time is
counted from before the first packet to after the last, so that starting up is not in it; copying into the ring happens
on the sender's core, for all alike. What the interface dropped for want of the sensor's core is nobody's: it is told
apart. This script never looks at what the programs find.
"""

import argparse
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from measure import machine
from namespace import INSIDE, KAGAMI, start_again_inside

TICKS = os.sysconf("SC_CLK_TCK")
SETTLE_S = 2.0
KEPT_FLOW_BYTES = (1, 16_384, 1 << 30)
"""Keeping measured: next to nothing is kept, so that choosing is what costs; the default; everything."""


@dataclass(frozen=True, slots=True)
class Program:
    """name; its command line, given the interface and a scratch folder; what its output says when it is ready."""

    name: str
    command: list[str]
    ready: str = ""
    stop: int = signal.SIGINT


def programs(folder: str, sink: int, workers: int) -> list[Program]:
    """Everything that can be measured."""
    more = [] if workers == 1 else ["--workers", str(workers)]
    watch = ["watch", "-i", "in", *more]
    return [
        Program("kagami", [*KAGAMI, "--store", f"{folder}/store", *watch], "watching", signal.SIGTERM),
        *(
            Program(
                f"kagami-keep-{n_bytes}",
                [*KAGAMI, "--store", f"{folder}/store", "--site", str(site_file(folder, n_bytes)), *watch],
                "watching",
                signal.SIGTERM,
            )
            for n_bytes in KEPT_FLOW_BYTES
        ),
        Program("tcpdump", ["tcpdump", "-Z", "root", "-B", "131072", "-i", "in", "-w", "/dev/null"], "listening"),
        Program("nfpcapd", ["nfpcapd", "-i", "in", "-l", folder], "", signal.SIGTERM),
        Program("softflowd", ["softflowd", "-d", "-i", "in", "-n", f"127.0.0.1:{sink}"], ""),
        Program("argus", ["argus", "-i", "in", "-w", "/dev/null"], ""),
    ]


def site_file(folder: str, n_bytes: int) -> Path:
    """A site file that has so many bytes of each flow's beginning kept."""
    path = Path(folder) / f"keep-{n_bytes}.toml"
    path.write_text(f"[capture]\nkeep_packets = true\nkeep_flow_bytes = {n_bytes}\n")
    return path


def small_packets(path: Path, n_packets: int = 300_000, n_flows: int = 3_000) -> Path:
    """TCP acknowledgements of 60 bytes in some thousand connections."""
    records = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)]
    ethernet = bytes.fromhex("02000000000102000000000f0800")
    for i in range(n_packets):
        flow, turn = i % n_flows, i // n_flows
        ip = struct.pack(
            ">BBHHHBBHII", 0x45, 0, 40, i & 0xFFFF, 0, 64, 6, 0, 0x0A000001 + flow, 0xCB007100 + flow % 200
        )
        flags = 0x02 if turn == 0 else 0x10
        tcp = struct.pack(">HHIIBBHHH", 1024 + flow, 443, 1000 + turn, 1, 0x50, flags, 1000, i & 0xFFFF, 0)
        records.append(struct.pack("<IIII", i // 10**6, i % 10**6, 60, 60) + ethernet + ip + tcp + bytes(6))
    path.write_bytes(b"".join(records))
    return path


def cpu_s(pid: int) -> float:
    """User and system time of a process and its living children, seconds."""
    total = 0.0
    for line in subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split():
        total += cpu_s(int(line))
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return total + (int(fields[11]) + int(fields[12])) / TICKS


def interface_dropped() -> int:
    """Packets that the receiving end dropped before any program."""
    line = next(text for text in Path("/proc/self/net/dev").read_text(encoding="ascii").splitlines() if " in:" in text)
    return int(line.split(":")[1].split()[3])


def measure(program: Program, capture: Path, loops: int, pps: int, folder: str) -> None:
    """Run one program and print its row."""
    log = Path(folder) / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            ["taskset", "-c", "1", *program.command], stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=folder
        )
    deadline = time.monotonic() + 180
    while program.ready not in log.read_text(errors="replace") and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(SETTLE_S)
    before_cpu, before_drops = cpu_s(process.pid), interface_dropped()
    pace = ["--topspeed"] if not pps else [f"--pps={pps}"]
    sender = ["taskset", "-c", "0", "tcpreplay", "-q", "-K", *pace, "-i", "out", "--loop", str(loops), str(capture)]
    said = subprocess.run(sender, capture_output=True, text=True, check=True).stdout
    time.sleep(SETTLE_S)
    spent_s, nic = cpu_s(process.pid) - before_cpu, interface_dropped() - before_drops
    process.send_signal(program.stop)
    process.wait(120)
    sent = int(said.split("Actual: ")[1].split()[0])
    rate = float(re.findall(r"([\d.]+) pps", said)[0])
    told = " ".join(log.read_text(errors="replace").split())
    lost = re.findall(r"([\d,]+) (?:packets )?dropped|dropped by OS/Buffer: (\d+)", told)
    print(
        f"| {program.name} | {sent:,} | {rate:,.0f} | {nic:,} | {''.join(lost[-1]) if lost else 'not told'} | "
        f"{spent_s:.2f} | {spent_s / max(sent - nic, 1) * 1e9:.0f} |",
        flush=True,
    )


def inside(options: argparse.Namespace) -> None:
    """In the namespace: the cable, then each program."""
    for words in ("link set lo up", "link add name out type veth peer name in", "link set out up", "link set in up"):
        subprocess.run(["ip", *words.split()], check=True)
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    with tempfile.TemporaryDirectory() as folder:
        capture = options.capture or small_packets(Path(folder) / "small.pcap")
        head = subprocess.run(["capinfos", "-cM", str(capture)], capture_output=True, text=True, check=False).stdout
        counted = re.findall(r"Number of packets:\s*(\d+)", head)
        loops = max(1, options.packets // int(counted[0] if counted else 300_000))
        print(f"{machine()}\n{capture.name}, load {os.getloadavg()[0]:.1f}\n")
        print("| program | sent | packets/s | lost by the interface | dropped (as it says) | CPU s | ns a packet |")
        print("|---|--:|--:|--:|--:|--:|--:|")
        for program in programs(folder, sink.getsockname()[1], options.workers):
            if options.only and program.name not in options.only:
                continue
            if program.command[0] != KAGAMI[0] and shutil.which(program.command[0]) is None:
                print(f"| {program.name} | is not here |||||| ")
                continue
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                command = [
                    word if word.endswith(".toml") else word.replace(folder, scratch) for word in program.command
                ]
                measure(
                    Program(program.name, command, program.ready, program.stop), capture, loops, options.pps, scratch
                )


def main() -> None:
    """Enter a namespace and measure there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packets", type=int, default=3_000_000)
    parser.add_argument("--pps", type=int, default=0, help="packets a second; 0: as fast as it goes")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--capture", type=Path)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        inside(options)
        return
    sys.exit(start_again_inside())


if __name__ == "__main__":
    main()
