"""Feed the capture readers with mutated captures and look for exceptions and reads outside of the buffer.

usage: NUMBA_DISABLE_JIT=1 python benchmarks/fuzz_capture.py [CORPUS_DIR] -max_total_time=60   kernels as Python: guided
       NUMBA_BOUNDSCHECK=1 python benchmarks/fuzz_capture.py [CORPUS_DIR] -max_total_time=60   kernels as compiled

Coverage guides the search through the kernels only while they are Python; compiled, it sees what surrounds them, and
the corpus of a guided run is the best thing to start from. Without a corpus directory the run starts from captures
built here. Other options are libFuzzer's (-help=1). A crash leaves its input in the working directory.
"""

import os
import struct
import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

GUIDED = os.environ.get("NUMBA_DISABLE_JIT") == "1"
KERNELS = ["sensor.jit", "sensor.capture.walk", "sensor.capture.pcap", "sensor.capture.pcapng"]

# numba cannot compile instrumented code
with atheris.instrument_imports(include=["sensor"], exclude=[] if GUIDED else KERNELS):
    from sensor.capture import reader, window
    from sensor.errors import InputError


class Pieces:
    """The input as a byte source, in pieces of a size that the input chooses."""

    path = "fuzz"
    compression = ""
    damage = None
    bytes_total = None
    bytes_read = 0

    def __init__(self, data: bytes, size: int) -> None:
        self._rest = data
        self._size = size

    def readinto(self, view: memoryview) -> int:
        piece = self._rest[: min(self._size, len(view))]
        view[: len(piece)] = piece
        self._rest = self._rest[len(piece) :]
        return len(piece)

    def sha256(self) -> str | None:
        return None

    def close(self) -> None:
        return


def read(capture: reader.CaptureReader, n_bytes: int) -> None:
    """Take every batch; check what batches promise."""
    frame_bytes = 0
    try:
        for batch in capture.batches():
            assert (batch.start >= 0).all()
            assert (batch.start <= batch.end).all()
            assert (batch.end <= len(batch.frames)).all()
            assert (batch.wire_len >= batch.end - batch.start).all()
            frame_bytes += int((batch.end - batch.start).sum())
    except InputError:
        pass
    assert frame_bytes <= n_bytes


def one_input(data: bytes) -> None:
    """First byte: 255 goes through a file (and decompression), else the size of pieces and of the buffer."""
    if not data:
        return
    first, data = data[0], data[1:]
    try:
        if first == 255:
            FILE.write_bytes(data)
            read(reader.CaptureReader(str(FILE)), 1 << 40)
        else:
            window.BUFFER_BYTES = 16 + first
            reader.open_source = lambda path: Pieces(data, first + 1)  # type: ignore[assignment]
            read(reader.CaptureReader("fuzz"), len(data))
    except InputError:
        pass
    finally:
        window.BUFFER_BYTES, reader.open_source = DEFAULTS


def seeds() -> list[bytes]:
    """A capture of each form, small enough to mutate everywhere."""
    frame = bytes(range(20))
    found = []
    for order in "<>":
        for magic in (0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34):
            head = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 1)
            extra = bytes(8) if magic == 0xA1B2CD34 else b""
            found.append(head + (struct.pack(order + "IIII", 1, 2, 20, 60) + extra + frame) * 3)
        blocks = [
            (0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)),
            (1, struct.pack(order + "HHIHHBxxxHHq", 1, 0, 0, 9, 1, 0x9E, 14, 8, 1 << 30)),
            (6, struct.pack(order + "IIIII", 0, 1, 2, 20, 60) + frame),
            (3, struct.pack(order + "I", 20) + frame),
            (2, struct.pack(order + "HHIIII", 0, 0, 1, 2, 20, 60) + frame),
            (5, bytes(12)),
        ]
        pcapng = b""
        for kind, body in blocks:
            length = struct.pack(order + "I", len(body) + 12)
            pcapng += struct.pack(order + "I", kind) + length + body + length
        found.append(pcapng * 2)
    return [bytes([size]) + data for data in found for size in (7, 200)]


def main() -> None:
    if not any(not word.startswith("-") for word in sys.argv[1:]):
        corpus = FILE.parent / "corpus"
        corpus.mkdir(exist_ok=True)
        for i, data in enumerate(seeds()):
            (corpus / f"seed{i:02d}").write_bytes(data)
        sys.argv.append(str(corpus))
    if not GUIDED and os.environ.get("NUMBA_BOUNDSCHECK") != "1":
        sys.exit("set NUMBA_DISABLE_JIT=1 or NUMBA_BOUNDSCHECK=1: otherwise reads outside of the buffer go unseen")
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        FILE = Path(folder) / "capture"
        DEFAULTS = (window.BUFFER_BYTES, reader.open_source)
        main()
