"""Compiles all kernels into the cache, on two cores where there are two: the wait of a first run.

The flow kernels and the parsers they call are half of the work; a second process does the other half meanwhile.
This module never prints.
"""

import os
import subprocess
import sys

import numpy as np

from sensor.capture.batch import Batch
from sensor.jit import CACHE_DIR, first_run, note_run

_ASIDE = "import sensor.decode.decoder, sensor.capture.reader, sensor.segments, analyzers.beacon"


def warm_up() -> None:
    """Compile what is not in the cache yet; returns at once when everything is."""
    if not first_run() or CACHE_DIR is None:
        return
    aside = subprocess.Popen([sys.executable, "-c", _ASIDE]) if (os.cpu_count() or 1) > 1 else None
    _compile_flows()
    if aside is not None:
        aside.wait()
    _compile_rest()
    note_run()


def _compile_flows() -> None:
    """Run the tracker over nothing: its kernels compile at their first call."""
    from sensor.dtypes import PACKET
    from sensor.flows.tracker import FlowTracker

    tracker = FlowTracker(lambda out, pool: None, max_flows=16, buffer_rows=16)
    tracker.add(_empty_batch(), np.zeros(0, PACKET))
    tracker.finish()


def _compile_rest() -> None:
    """Load or compile what the other process was given."""
    import analyzers.beacon
    import sensor.segments
    from sensor.decode.decoder import Decoder

    Decoder().decode(_empty_batch())
    assert analyzers.beacon is not None
    assert sensor.segments is not None


def _empty_batch() -> Batch:
    none = np.zeros(0, np.int64)
    frames = np.zeros(1, np.uint8)
    return Batch(frames, none, none, none, np.zeros(0, np.uint32), np.zeros(0, np.uint16), np.zeros(0, np.uint16))
