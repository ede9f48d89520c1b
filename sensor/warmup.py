"""Compiles all kernels into the cache, on two cores where there are two: the wait of a first run.

Kernels compile when they are first called, so each half here calls its own with next to nothing. The kernel that
reads payloads, with all parsers, is one half; a second process does the other meanwhile. This module never prints.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from sensor.capture.batch import empty_batch
from sensor.jit import CACHE_DIR, first_run, note_run

_ASIDE = "import gc; gc.disable(); from sensor.warmup import compile_rest; compile_rest()"


def kernels_folder() -> Path | None:
    """Where compiled kernels are kept; None where no folder can be written."""
    return CACHE_DIR


def is_warm() -> bool:
    """Whether they are there."""
    return not first_run()


def warm_up() -> None:
    """Compile what is not in the cache yet; returns at once when everything is."""
    if not first_run() or CACHE_DIR is None:
        return
    aside = subprocess.Popen([sys.executable, "-c", _ASIDE]) if (os.cpu_count() or 1) > 1 else None
    compile_payload()
    if aside is None or aside.wait() != 0:
        compile_rest()
    note_run()


def compile_payload() -> None:
    """Compile the kernel that reads payloads, with all parsers."""
    from sensor.far import address_of
    from sensor.flows.payload import take_payload

    address_of(take_payload)


def compile_rest() -> None:
    """Call the kernels of reading, decoding, flows, writing segments and scoring."""
    from analyzers.beacon import score_beacons
    from analyzers.beacon.context import Population
    from analyzers.series import Series
    from sensor.capture.reader import open_capture
    from sensor.decode.decoder import Decoder
    from sensor.flows.state import new_state, part
    from sensor.flows.tracker import FlowTracker
    from sensor.segments import Columns
    from sensor.sightings import Sightings
    from sensor.site import Site
    from sensor.store.lake import Lake

    Sightings().add(empty_batch(), Decoder().decode(empty_batch()))
    _walk_an_empty_block()
    FlowTracker(lambda out, pool: None, max_flows=16, buffer_rows=16).compile_kernels()
    state = new_state(np.zeros(2, np.uint64), 2, 2, 16, 64)
    out, pool = part(state, "out"), part(state, "pool")
    columns = Columns("warm-up")
    with tempfile.TemporaryDirectory() as folder:
        for name, magic in (("pcap", b"\xd4\xc3\xb2\xa1\2\0\4\0" + bytes(8) + b"\0\0\4\0\1\0\0\0"), ("ng", _SECTION)):
            path = Path(folder) / name
            path.write_bytes(magic)
            for _ in open_capture(str(path)).batches():
                pass
        for table, rows, make in (
            ("flow", out.flows[:1], columns.flows),
            ("event", out.events[:1], columns.events),
            ("dns", out.dns[:1], columns.dns),
        ):
            Lake(Path(folder)).append(table, "warm-up", make(rows, pool, out.facts), rows["bucket"])
    beats = np.arange(5, dtype=np.int64)
    one = ["198.51.100.1"]
    series = Series(
        off=np.array([0, 5]),
        ts_ns=beats * 10**9,
        orig_bytes=beats,
        resp_bytes=beats,
        duration_s=np.zeros(5),
        answered=np.ones(5, np.bool_),
        orig_ip=one,
        dest=one,
        dest_ips=[()],
        resp_port=[0],
        proto=one,
        name_source=one,
        via_proxy=[""],
        kind=one,
    )
    score_beacons(series, Site(), Population(1_000, {}))  # hosts enough for the model of a network as well


def compile_keeping() -> None:
    """Call the kernel of keeping packets, which only live captures use that are told to."""
    from sensor.live.chooser import Chooser, Shelf

    Chooser(Shelf(0), flow_bytes=0, max_flows=16)


def _walk_an_empty_block() -> None:
    from sensor.capture.ring import N_RING_COUNTERS, walk_block

    block = np.zeros(64, np.uint8)
    none = np.zeros(0, np.int64)
    columns = (none, none, none, np.zeros(0, np.uint32), np.zeros(0, np.uint16), np.zeros(N_RING_COUNTERS, np.int64))
    walk_block(block, block.view(np.uint16), block.view(np.uint32), np.zeros(2, np.int64), 0, *columns)


_SECTION = b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\1\0\0\0" + b"\xff" * 8 + b"\x1c\0\0\0"
