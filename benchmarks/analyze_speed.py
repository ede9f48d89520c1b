"""How fast `kagami analyze` is: a lake made of generated networks, scored by the command, one core.

    python benchmarks/analyze_speed.py NETWORK.npz... [--store DIR]

Networks are those of beaconbench's generate.py. Every network is written twice, to the store's lake of its own, so that
growth shows: events, seconds, million events a minute, peak memory.
"""

import argparse
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


def write_events(store: Path, network: Path) -> int:
    """Write a network's events to a store's lake, as a sensor that flushes now and then would."""
    with np.load(network) as file:
        z: dict[str, Any] = {name: file[name] for name in file.files}
    order = np.argsort(z["ts"], kind="stable")
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


def main() -> None:
    """Write and analyze, with one network, then with two, ..."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="+", type=Path)
    args = parser.parse_args()
    kagami = Path(sys.executable).with_name("kagami")
    print("| events | channels' networks | seconds | M events/min | peak MiB |\n|--:|--:|--:|--:|--:|")
    n_events = 0
    with tempfile.TemporaryDirectory() as folder:
        for n, network in enumerate(args.networks, 1):
            n_events += write_events(Path(folder), network)
            start = time.perf_counter()
            pid = os.posix_spawn(kagami, [kagami, "--store", folder, "analyze", "--json"], os.environ,
                                 file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])  # fmt: skip
            _, status, usage = os.wait4(pid, 0)
            seconds = time.perf_counter() - start
            if os.waitstatus_to_exitcode(status):
                raise SystemExit("kagami analyze failed")
            peak = usage.ru_maxrss / 1024
            print(
                f"| {n_events:,} | {n} | {seconds:.1f} | {n_events / seconds * 60 / 1e6:.1f} | {peak:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
