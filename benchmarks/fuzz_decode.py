"""Feed the decoder with mutated frames and look for exceptions and reads outside of the frame.

usage: NUMBA_DISABLE_JIT=1 python benchmarks/fuzz_decode.py [CORPUS_DIR] -max_total_time=60   kernels as Python: guided
       NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=... python benchmarks/fuzz_decode.py [CORPUS_DIR] -max_total_time=60

Coverage guides the search through the kernels only while they are Python; the corpus of a guided run is the best thing
to start a compiled run from. That one needs a cache directory of its own: from the usual one numba would take kernels
without the check. Without a corpus directory the run starts from the captures in pcaps/. Other options are
libFuzzer's (-help=1). A crash leaves its input in the working directory.

An input is a frame behind two bytes: which link type, and how much longer the frame was on the wire.
"""

import os
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import atheris
import numpy as np

_ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(_ROOT))

GUIDED = os.environ.get("NUMBA_DISABLE_JIT") == "1"
if not GUIDED and os.environ.get("NUMBA_BOUNDSCHECK") != "1":
    sys.exit("set NUMBA_DISABLE_JIT=1 or NUMBA_BOUNDSCHECK=1: without one of them a stray read goes unseen")

# numba cannot compile instrumented code
with atheris.instrument_imports(include=["sensor"]) if GUIDED else nullcontext():
    from sensor import constants as c
    from sensor.capture.batch import Batch
    from sensor.capture.reader import open_capture
    from sensor.decode.decoder import Decoder

LINKS = sorted(value for name, value in vars(c).items() if name.startswith("LINK_"))
SHORT, LONG = Decoder(), Decoder()
LONG._takes_short_way = False
LONG._secret = SHORT._secret


@atheris.instrument_func
def check(data: bytes) -> None:
    """Decode one frame, both ways, and hold the rows to what they promise."""
    if len(data) < 2:
        return
    frame = np.frombuffer(data, np.uint8)[2:]  # the array ends where the frame does
    n = len(frame)
    batch = Batch(
        frame,
        np.zeros(1, np.int64),
        np.array([n]),
        np.zeros(1, np.int64),
        np.array([n + data[1] * 8], np.uint32),
        np.array([LINKS[data[0] % len(LINKS)]], np.uint16),
        np.zeros(1, np.uint16),
    )
    rows = SHORT.decode(batch)
    assert rows.tobytes() == LONG.decode(batch).tobytes()
    offset, captured = rows["payload_off"].astype(np.int64), rows["payload_cap"].astype(np.int64)
    assert len(rows) >= 1
    assert ((captured == 0) | ((offset >= 0) & (offset + captured <= n))).all()
    assert ((captured >= 0) & (captured <= rows["payload_len"])).all()
    assert (rows["is_carrier"][:-1] == 1).all()


def write_seeds(folder: Path) -> None:
    """Frames of the sample captures, as inputs."""
    for path in sorted((_ROOT / "pcaps").rglob("*.pcap*")):
        with open_capture(str(path)) as capture:
            batch = next(capture.batches())
            for i in range(0, len(batch), max(len(batch) // 20, 1)):
                frame = batch.frames[batch.start[i] : batch.end[i]][:200].tobytes()
                link = int(batch.link[i])
                if link in LINKS:
                    (folder / f"{path.stem}-{i}").write_bytes(bytes([LINKS.index(link), 0]) + frame)


def main() -> None:
    np.seterr(over="ignore")  # hashes wrap, as they do compiled
    arguments = list(sys.argv)
    with tempfile.TemporaryDirectory() as seeds:
        if all(argument.startswith("-") for argument in arguments[1:]):
            write_seeds(Path(seeds))
            arguments.append(seeds)
        atheris.Setup(arguments, check)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
