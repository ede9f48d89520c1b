"""How fast questions to a large lake are answered, and in how much memory: hunt, flows --host, findings.

usage: python -m benchmarks.hunt_speed STORE [--days N] [--merged]

Writes a new store of the office that benchmarks/egress_lake.py generates: N days (100) of a million flows, as many
events and a quarter as many DNS rows. --merged writes each day as two segments and merges them, as `kagami prune` does
with what a live capture wrote. A store that is there already is only asked. Then runs each question as a command with
its output in a pipe, and prints the seconds to the first line that it says and to its end, its CPU seconds, and its
peak of memory. The page cache is as the run before left it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.egress_lake import PIECE, PROXY, START_NS, columns, piece, words
from benchmarks.measure import machine
from sensor.store.columnar import Column, coded, pack_words
from sensor.store.columns import LAKE_TABLES, NANOSECONDS_A_DAY
from sensor.store.merge import merge_segments, remove_merged
from sensor.store.store import Store

HOSTS = 4_800
DNS_SHARE = 4
SOURCE = "ab" * 32
QUESTIONS = (
    "findings",
    "flows --host 10.1.2.3 --limit 50",
    "flows --host 10.1.2.3",
    "flows --host 192.0.4.210 --limit 50",
    "hunt never.example",
    "hunt 203.0.113.7",
    "hunt 192.0.4.210",
    "hunt w1234.example70.net",
    "hunt example70.net",
    f"hunt {PROXY}",
    "hunt 192.0.0.0/16",
    "hunt ua:curl/8",
    "hunt -f INDICATORS",
)
"""From the rare to what every host does all day; INDICATORS: 10,000 names and addresses that nobody met."""
AGENTS = ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Firefox/120", "Mozilla/5.0 (X11; Linux) Chrome/119", "curl/8", "")


def day_of_rows(rng: np.random.Generator, number: int) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """A million rows of one day, by client bucket and then by time."""
    rows, bucket = piece(rng, number, PIECE, HOSTS)
    rows["ts"] = START_NS + number * NANOSECONDS_A_DAY + rng.integers(0, NANOSECONDS_A_DAY, PIECE)
    order = np.lexsort((rows["ts"], bucket))
    rows = {name: value[order] if isinstance(value, np.ndarray) else value for name, value in rows.items()}
    return rows, bucket[order]


def table_of(table: str, rows: dict[str, Any]) -> list[Column]:
    """The table's columns, with the texts that only a hunt reads."""
    made = {column.name: column for column in columns(table, rows, HOSTS)}
    names, outside = words(HOSTS)[1:]
    direct = ~rows["proxied"] & ~rows["scan"]
    agents = np.where(direct, 3, rows["name"] % 3)
    made |= {
        "user_agent": coded("user_agent", agents, *pack_words(AGENTS)),
        "qname": coded("qname", rows["name"], *names),
        "answers": coded("answers", 1 + rows["name"], *outside),
    }
    return [made[field.name] for field in LAKE_TABLES[table]]


def fill(path: Path, days: int, merged: bool) -> None:
    """Write the lake."""
    rng = np.random.default_rng(5)
    with Store.open(path, write=True) as store:
        store.begin_source(SOURCE, "mirror0")
        for number in range(days):
            rows, bucket = day_of_rows(rng, number)
            for table in ("flow", "event", "dns"):
                shares = DNS_SHARE if table == "dns" else 1
                for part in range(2 if merged else 1):
                    taken = slice(part, None, shares * (2 if merged else 1))
                    some = {name: v[taken] if isinstance(v, np.ndarray) else v for name, v in rows.items()}
                    name = store.segment_name(SOURCE, 2 * number + part)
                    store.lake.append(table, name, table_of(table, some), bucket[taken])
        last = START_NS + days * NANOSECONDS_A_DAY - 1
        store.finish_source(SOURCE, state="complete", packets=1, n_bytes=1, first_ts=START_NS, last_ts=last)
    if merged:
        merge_segments(store.lake, float("inf"), time.time() + 2 * 86_400)
        remove_merged(store.lake, time.time() + 4 * 86_400)


def ask(store: Path, question: str, indicators: Path) -> str:
    """Run one question; a row of the table."""
    words = question.replace("INDICATORS", str(indicators)).split()
    started_s = time.monotonic()
    with subprocess.Popen(
        [str(Path(sys.executable).with_name("kagami")), "--store", str(store), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        first_s = time.monotonic() - started_s
        process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    took_s, cpu_s = time.monotonic() - started_s, usage.ru_utime + usage.ru_stime
    failed = f" (exit code {process.returncode})" if process.returncode else ""
    return f"| `{question}`{failed} | {first_s:.1f} | {took_s:.1f} | {cpu_s:.1f} | {usage.ru_maxrss / 1024:.0f} |"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Time questions to a large generated lake.")
    parser.add_argument("store", type=Path)
    parser.add_argument("--days", type=int, default=100)
    parser.add_argument("--merged", action="store_true")
    options = parser.parse_args()
    if not options.store.exists():
        fill(options.store, options.days, options.merged)
    print(f"{machine()}; load {os.getloadavg()[0]:.1f} before\n")
    print("| question | first line s | end s | CPU s | peak MB |\n|---|--:|--:|--:|--:|")
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.writelines(f"never{i}.example\n203.0.{i // 250}.{i % 250}\n" for i in range(5_000))
        file.flush()
        for question in QUESTIONS:
            print(ask(options.store, question, Path(file.name)), flush=True)


if __name__ == "__main__":
    main()
