"""How long the egress analysis takes on a large generated lake, and how much memory it needs.

usage: python -m benchmarks.egress_lake STORE [--millions N] [--hosts N] [--step egress|all]

Writes N million flows, and as many events, of an office of --hosts clients straight into a new store: nine of ten go
through the proxy, the rest directly, to names that follow a power law; one host scans 200,000 addresses. Then times the
step and prints the peak of the process's memory. A store that is there already is only timed.
"""

import argparse
import resource
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensor.store.columnar import Column, bools, coded, constant, floats, ints, pack_words, text
from sensor.store.columns import LAKE_TABLES, N_BUCKETS
from sensor.store.store import Store

START_NS = 20_000 * 86_400 * 10**9
DAYS = 30
PROXY = "10.0.0.5"
N_NAMES = 200_000
SCANNED = 200_000
PIECE = 1_000_000


def piece(rng: np.random.Generator, number: int, n: int, hosts: int) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """n rows as codes and numbers, grouped by client bucket as the pipeline writes them."""
    host = np.sort(rng.integers(0, hosts, n) * N_BUCKETS % (hosts // N_BUCKETS * N_BUCKETS) + rng.integers(0, 16, n))
    host = host[np.argsort(host % N_BUCKETS, kind="stable")]
    return {
        "host": host,
        "proxied": rng.random(n) < 0.9,
        "name": np.minimum(rng.zipf(1.3, n) - 1, N_NAMES - 1),
        "blocked": rng.random(n) < 0.4,
        "ts": START_NS + rng.integers(0, DAYS * 86_400 * 10**9, n),
        "scan": (host == 7) & (rng.random(n) < 0.9),
        "first": number * PIECE,
    }, (host % N_BUCKETS).astype(np.uint8)


@cache
def words(hosts: int) -> tuple[Any, Any, Any]:
    """Addresses of clients, names, addresses outside (the proxy's first), packed."""
    outside = [PROXY] + [f"192.{i // 65536}.{i // 256 % 256}.{i % 256}" for i in range(N_NAMES)]
    outside += [f"198.{51 + i // 65536}.{i // 256 % 256}.{i % 256}" for i in range(SCANNED)]
    clients = [f"10.{1 + i // 65536}.{i // 256 % 256}.{i % 256}" for i in range(hosts)]
    return pack_words(clients), pack_words([f"w{i}.example{i % 97}.net" for i in range(N_NAMES)]), pack_words(outside)


def columns(table: str, rows: dict[str, Any], hosts: int) -> list[Column]:
    """The columns of flows, or of the events in them."""
    n = len(rows["host"])
    clients, names, outside = words(hosts)
    direct = ~rows["proxied"] | rows["scan"]
    dest = np.where(direct, 1 + rows["name"], 0)
    dest = np.where(rows["scan"], 1 + N_NAMES + np.arange(n) * 7919 % SCANNED, dest)
    blocked = (rows["blocked"] & direct) | rows["scan"]
    values: dict[str, Column] = {
        "uid": text("uid", *pack_words([f"C{rows['first'] + i:015d}" for i in range(n)])),
        "orig_ip": coded("orig_ip", rows["host"], *clients),
        "resp_ip": coded("resp_ip", dest, *outside),
        "proto": constant("proto", "tcp", n),
        "name": coded("name", np.where(rows["scan"], N_NAMES, rows["name"]), *pack_words_and_none(names)),
        "conn_state": coded("conn_state", blocked.astype(np.int32), *pack_words(["SF", "S0"])),
        "history": coded("history", blocked.astype(np.int32), *pack_words(["ShADadFf", "S"])),
        "via_proxy": coded("via_proxy", direct.astype(np.int32), *pack_words([f"{PROXY}:3128", ""])),
        "app": coded("app", direct.astype(np.int32), *pack_words(["http", "tls"])),
        "kind": coded("kind", blocked.astype(np.int32), *pack_words(["connection", "attempt"])),
        "resp_port": ints("resp_port", np.where(direct, 443, 3128).astype(np.int32)),
        "orig_pkts": ints("orig_pkts", np.full(n, 8, np.int64)),
        "resp_pkts": ints("resp_pkts", np.where(blocked, 0, 8).astype(np.int64)),
        "orig_bytes": ints("orig_bytes", np.where(blocked, 0, 800).astype(np.int64)),
        "resp_bytes": ints("resp_bytes", np.where(blocked, 0, 4000).astype(np.int64)),
        "answered": bools("answered", ~blocked),
    }
    values["dest"] = Column("dest", *_rest(values["name"])) if table == "event" else values["name"]
    for name in ("ts", "first_ts", "last_ts"):
        values[name] = ints(name, rows["ts"])
    empty = {
        "int32": lambda name: ints(name, np.zeros(n, np.int32)),
        "int64": lambda name: ints(name, np.zeros(n, np.int64)),
        "double": lambda name: floats(name, np.zeros(n)),
        "bool": lambda name: bools(name, np.zeros(n, np.bool_)),
        "text": lambda name: constant(name, "", n),
    }
    return [values.get(field.name) or empty[field.type](field.name) for field in LAKE_TABLES[table]]


def pack_words_and_none(words: tuple[NDArray[np.int64], NDArray[np.uint8]]) -> Any:
    """The words with an empty one at the end."""
    return np.append(words[0], words[0][-1]), words[1]


def _rest(column: Column) -> Any:
    return column.kind, column.values, column.codes, column.offsets, column.data


def fill(path: Path, millions: int, hosts: int) -> None:
    """Write the lake."""
    rng = np.random.default_rng(5)
    with Store.open(path, write=True) as store:
        for number in range(millions):
            rows, bucket = piece(rng, number, PIECE, hosts)
            for table in ("flow", "event"):
                store.lake.append(table, f"made-{number:06d}", columns(table, rows, hosts), bucket)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Time the egress analysis on a generated lake.")
    parser.add_argument("store", type=Path)
    parser.add_argument("--millions", type=int, default=10)
    parser.add_argument("--hosts", type=int, default=4_800)
    parser.add_argument("--step", choices=("egress", "all"), default="egress")
    options = parser.parse_args()
    if not options.store.exists():
        fill(options.store, options.millions, options.hosts)
    from sensor.analysis import AnalyzeReport, analyze_store, judge_egress
    from sensor.site import load_site

    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started, used = time.monotonic(), time.process_time()
    with Store.open(options.store, write=True) as store:
        if options.step == "all":
            findings = analyze_store(store, load_site(None), None, None).findings
        else:
            report = AnalyzeReport()
            findings = sum(map(len, judge_egress(store, load_site(None), None, None, options.hosts, {}, report)))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    took_s, cpu_s = time.monotonic() - started, time.process_time() - used
    times = f"{took_s:.1f} s ({cpu_s:.1f} s of CPU)"
    print(f"{options.step}: {times}, {findings} findings, peak {peak_mb:.0f} MB (before {before_mb:.0f} MB)")


if __name__ == "__main__":
    main()
