"""How fast `kagami analyze` is, and how its time grows: lakes made of generated networks, scored by the command.

    python benchmarks/analyze_speed.py NETWORK.npz... [--millions 1 2 5 10 20] [--plot growth.svg]

Networks are those of beaconbench's generate.py. For each number of events a store is made of the first so many, network
after network, and analyzed: events, seconds, million events a minute, peak memory. `--plot` draws seconds over events.
"""

import argparse
import math
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from sensor.store.columnar import Column, bools, coded, constant, floats, ints, pack_words
from sensor.store.columns import LAKE_TABLES, N_BUCKETS
from sensor.store.lake import Lake
from sensor.store.schema import LAKE_NAME
from sensor.store.store import Store

ROWS_A_SEGMENT = 1 << 18


def write_events(store: Path, network: Path, most: int) -> int:
    """Write the first events of a network, `most` at most, to a store's lake, as a sensor that flushes now and then."""
    with np.load(network) as file:
        z: dict[str, Any] = {name: file[name] for name in file.files}
    order = np.argsort(z["ts"], kind="stable")[:most]
    pair = z["pair_id"][order]
    clients, names = z["src_names"].tolist(), z["dst_names"].tolist()
    words = {"orig_ip": (z["pair_src"], clients), "dest": (z["pair_dst"], names), "resp_ip": (None, ["198.51.100.1"])}
    with Store.open(store, write=True):
        lake = Lake(store / LAKE_NAME)
        for n, begin in enumerate(range(0, len(order), ROWS_A_SEGMENT)):
            rows, pairs = order[begin : begin + ROWS_A_SEGMENT], pair[begin : begin + ROWS_A_SEGMENT]
            bucket = (z["pair_src"][pairs] % N_BUCKETS).astype(np.uint8)
            by_bucket = np.argsort(bucket, kind="stable")
            rows, pairs, bucket = rows[by_bucket], pairs[by_bucket], bucket[by_bucket]
            columns = [_column(field.name, field.type, z, rows, pairs, words) for field in LAKE_TABLES["event"]]
            lake.append("event", f"{network.stem}-{n}", columns, bucket)
    return len(order)


def _column(name: str, kind: str, z: dict[str, Any], rows: Any, pairs: Any, words: dict[str, Any]) -> Column:
    if name in words:
        numbers, values = words[name]
        codes = np.zeros(len(rows), np.int32) if numbers is None else numbers[pairs].astype(np.int32)
        used, codes = np.unique(codes, return_inverse=True)
        return coded(name, codes, *pack_words([values[i] for i in used.tolist()]))
    fixed = {"proto": "tcp", "name_source": "sni", "kind": "connection", "uid": "C0"}
    if kind == "text":
        return constant(name, fixed.get(name, ""), len(rows))
    if kind == "bool":
        return bools(name, np.ones(len(rows), np.bool_))
    if kind == "double":
        return floats(name, z["duration"][rows])
    if name == "ts":
        return ints(name, np.round(z["ts"][rows] * 1e9).astype(np.int64))
    if name in ("orig_bytes", "resp_bytes"):
        return ints(name, z[name][rows].astype(np.int64))
    value = 443 if name == "resp_port" else 0
    return ints(name, np.full(len(rows), value, np.int32 if kind == "int32" else np.int64))


def analyze_seconds(store: Path) -> tuple[float, float]:
    """Run the command on a store. Returns: wall-clock seconds, and peak memory in MiB."""
    kagami = Path(sys.executable).with_name("kagami")
    start = time.perf_counter()
    pid = os.posix_spawn(kagami, [kagami, "--store", store, "analyze", "--json"], os.environ,
                         file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])  # fmt: skip
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status):
        raise SystemExit("kagami analyze failed")
    return seconds, usage.ru_maxrss / 1024


def growth_plot(measured: list[tuple[int, float]]) -> str:
    """Seconds over events as an SVG picture. measured : number of events and seconds of each run, ascending"""
    width, height, left, top, foot = 640, 320, 60, 20, 48
    most_events = measured[-1][0]
    most_s = 4 * math.ceil(max(seconds for _, seconds in measured) / 4)  # whole seconds at each quarter

    def at(events: float, seconds: float) -> tuple[float, float]:
        inner = width - left - 30, height - top - foot
        return left + inner[0] * events / most_events, top + inner[1] * (1 - seconds / most_s)

    (x0, y0), (x1, y1) = at(0, 0), at(most_events, most_s)
    parts = [f'<path d="M{x0} {y1}V{y0}H{x1}" fill="none" stroke="#888"/>']
    for quarter in range(5):
        events, seconds = most_events * quarter / 4, most_s * quarter / 4
        x, y = at(events, seconds)
        parts.append(f'<text x="{x:.0f}" y="{y0 + 18}" text-anchor="middle">{events / 1e6:.3g}</text>')
        parts.append(f'<text x="{x0 - 8}" y="{y + 4:.0f}" text-anchor="end">{seconds:.0f}</text>')
    points = [at(events, seconds) for events, seconds in measured]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts.append(f'<polyline points="{line}" fill="none" stroke="#1f6fb2" stroke-width="2"/>')
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#1f6fb2"/>' for x, y in points]
    parts.append(f'<text x="{(x0 + x1) / 2:.0f}" y="{height - 8}" text-anchor="middle">million events</text>')
    parts.append(f'<text x="{x0 + 8}" y="{top + 8}">seconds of kagami analyze</text>')
    style = f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13" fill="#555"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {style}>{"".join(parts)}</svg>\n'


def main() -> None:
    """Write and analyze, with more events each time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="+", type=Path)
    parser.add_argument("--millions", nargs="+", type=float, default=[1, 2, 5, 10, 20], help="of events, ascending")
    parser.add_argument("--plot", type=Path, metavar="SVG")
    args = parser.parse_args()
    print("| events | seconds | M events/min | peak MiB |\n|--:|--:|--:|--:|")
    measured = []
    for millions in args.millions:
        wanted, n_events = int(millions * 1e6), 0
        with tempfile.TemporaryDirectory() as folder:
            for network in args.networks:
                n_events += write_events(Path(folder), network, wanted - n_events)
                if n_events >= wanted:
                    break
            seconds, peak = analyze_seconds(Path(folder))
        measured.append((n_events, seconds))
        speed = n_events / seconds * 60 / 1e6
        print(f"| {n_events:,} | {seconds:.1f} | {speed:.1f} | {peak:,.0f} |", flush=True)
    if args.plot:
        args.plot.write_text(growth_plot(measured), encoding="utf-8")


if __name__ == "__main__":
    main()
