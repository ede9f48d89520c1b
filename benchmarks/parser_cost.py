"""What reading payloads costs in a replay: CPU time with all parsers, and with a reader that does nothing.

The difference is an upper bound: names and requests that nobody read are not written either.

    python benchmarks/parser_cost.py capture.pcap --runs 5
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from numba import types

from sensor.capture.reader import open_capture
from sensor.flows import tracker
from sensor.flows.payload import TAKES, take_payload
from sensor.jit import packet_kernel
from sensor.pipeline import Capture, run_capture
from sensor.store.lake import Lake


@packet_kernel(types.void(*TAKES))
def take_nothing(s: Any, f: Any, row: int, p: Any, d: int, frames: Any, pos: int, end: int, fresh: int) -> None:
    """A reader of payloads that reads none."""


def cpu_s(capture: Path, reader: Any) -> float:
    """CPU seconds of one replay into an empty lake."""
    setattr(tracker, "take_payload", reader)  # noqa: B010  (mypy knows the name as a constant)
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        run_capture(open_capture(str(capture)), Lake(Path(folder)), "bench-{}".format, Capture())
        return time.process_time() - began


def main() -> None:
    """Measure both in turns and print the shares."""
    parser = argparse.ArgumentParser(description="Share of the parsers in a replay.")
    parser.add_argument("capture", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    words = parser.parse_args()
    readers = (take_payload, take_nothing)
    for reader in readers:  # load the kernels, touch the memory
        cpu_s(words.capture, reader)
    times = [[cpu_s(words.capture, reader) for reader in readers] for _ in range(words.runs)]
    full, bare = (median(column) for column in zip(*times, strict=True))
    print(f"with parsers {full:.2f} s, without {bare:.2f} s of CPU: parsers take {100 * (1 - bare / full):.0f} %")


if __name__ == "__main__":
    main()
