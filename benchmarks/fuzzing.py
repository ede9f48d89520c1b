"""What the fuzz harnesses share: checks that are really on, outputs between guards, seeds from captures, guidance.

A harness runs in one of two ways. With NUMBA_DISABLE_JIT=1 its kernels are Python and coverage guides the search
through them. With NUMBA_BOUNDSCHECK=1 they are compiled, many times faster, and coverage sees nothing of them: what
they returned guides the search instead (`note`). Compiled kernels get a cache of their own, as numba would take ones
without the check from the usual one.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import atheris
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
GUIDED = os.environ.get("NUMBA_DISABLE_JIT") == "1"
AROUND = bytes(range(1, 250, 7))
"""What stands before and behind a payload in one of two looks at it."""

_GUARD, _N_GUARDS = 0x55, 8
_MARK_BITS = 6

sys.path.insert(0, str(ROOT))
if not GUIDED:
    if os.environ.get("NUMBA_BOUNDSCHECK") != "1":
        sys.exit("set NUMBA_DISABLE_JIT=1 or NUMBA_BOUNDSCHECK=1: without one of them a stray read goes unseen")
    os.environ["NUMBA_CACHE_DIR"] = str(Path(os.environ.get("NUMBA_CACHE_DIR") or Path.home() / ".cache") / "fuzz")


def _refuse_negative_indices() -> None:
    """Let the bounds check see indices below zero, which numba otherwise counts from the array's end."""
    from numba.core import types
    from numba.np import arrayobj

    def as_it_is(context: Any, builder: Any, kind: Any, index: Any, _: Any) -> Any:
        return context.cast(builder, index, kind, types.intp if kind.signed else types.uintp)

    arrayobj.fix_integer_index = as_it_is


def _prove_checks() -> None:
    """End the run unless a stray index is reported: direct, in a kernel taken in by another, in a record's arrays."""
    from numba import types

    from sensor.flows.state import STATE_REC, new_state
    from sensor.jit import kernel, packet_kernel
    from sensor.protocols.reads import FRAMES, HELPER, LEAF

    byte_at = kernel(types.int64(FRAMES, types.int64), **HELPER)(lambda data, at: np.int64(data[at]))
    through = kernel(types.int64(FRAMES, types.int64), **LEAF)(lambda data, at: byte_at(data, at) + 0)
    on_record = packet_kernel(types.int64(STATE_REC, types.int64))
    text_at = on_record(lambda s, at: np.int64(s.scratch.text[at]))
    handed_on = on_record(lambda s, at: through(s.scratch.text, at))
    slot_at = on_record(lambda s, at: np.int64(s.streams.slots[at]["have"]))
    row_at = on_record(lambda s, at: np.int64(s.prints.ja3[at][0]))
    state = new_state(np.zeros(2, np.uint64), 16, 16, 16, 256)
    data = np.zeros(3, np.uint8)
    tries = [(byte_at, data, 3), (through, data, 3), (text_at, state[0], 4096), (handed_on, state[0], 4096)]
    tries += [(slot_at, state[0], 1 << 10), (row_at, state[0], 1 << 10)]
    tries += [(call, where, -1) for call, where, _ in tries]
    for call, where, at in tries:
        try:
            call(where, at)
        except IndexError:
            continue
        sys.exit(f"index {at} of {call.__name__} went unseen: the bounds check is not on")


if GUIDED:
    np.seterr(over="ignore")  # hashes wrap, as they do compiled
else:
    _refuse_negative_indices()
    _prove_checks()


class Around:
    """A payload between other bytes, and spans of it counted from its start."""

    def __init__(self, payload: bytes, before: bytes = b"", after: bytes = b"") -> None:
        self.frames = np.frombuffer(before + payload + after, np.uint8)
        self.pos, self.end = len(before), len(before) + len(payload)
        self.all = (self.frames, self.pos, self.end)

    def span(self, offset: Any, length: Any, most: int = 1 << 31) -> tuple[int, int]:
        offset, length = int(offset), int(length)
        assert 0 <= length <= most, f"{length} bytes"
        if length == 0:
            return 0, 0
        assert self.pos <= offset <= offset + length <= self.end, "a span outside the payload"
        return offset - self.pos, length

    def spans(self, values: Any, at: Iterable[int], most: int = 1 << 31) -> list[tuple[int, int]]:
        return [self.span(values[i], values[i + 1], most) for i in at]


class Outputs:
    """Arrays to be written to, between guards."""

    def __init__(self) -> None:
        self._all: list[Any] = []

    def take(self, n: int, kind: Any = np.uint8) -> Any:
        whole = np.full(n + 2 * _N_GUARDS, _GUARD, kind)
        self._all.append(whole)
        return whole[_N_GUARDS : _N_GUARDS + n]

    def check(self) -> None:
        for whole in self._all:
            assert (whole[:_N_GUARDS] == _GUARD).all() and (whole[-_N_GUARDS:] == _GUARD).all(), "written beside"


def untouched(values: Any) -> bool:
    return bool((values == _GUARD).all())


def _branches(depth: int) -> Callable[[int], Any]:
    """A function with one branch for each value of its argument's lower bits, as atheris counts them."""
    lines = ["def choose(bits):"]

    def grow(bit: int) -> None:
        indent = " " * (depth - bit + 1)
        if bit == 0:
            lines.append(indent + "return")
            return
        lines.append(f"{indent}if bits & {1 << (bit - 1)}:")
        grow(bit - 1)
        lines.append(f"{indent}else:")
        grow(bit - 1)

    grow(depth)
    names: dict[str, Any] = {}
    exec("\n".join(lines), names)
    return atheris.instrument_func(names["choose"])  # type: ignore[no-any-return]


_choose = [_branches(_MARK_BITS) for _ in range(1 << _MARK_BITS)]  # one large one takes atheris minutes


def note(*outcome: int) -> None:
    """Tell the fuzzer that this came out, as if it were a branch: what is new is worth keeping."""
    bits = hash(outcome)
    _choose[bits & ((1 << _MARK_BITS) - 1)](bits >> _MARK_BITS)


def captured() -> list[bytes]:
    """Beginnings of conversations in captures, as fuzz_seeds.py writes them: made by kernels as they always are."""
    with tempfile.TemporaryDirectory() as folder:
        plain = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
        subprocess.run([sys.executable, str(ROOT / "benchmarks/fuzz_seeds.py"), folder], env=plain, check=True)
        return [path.read_bytes() for path in sorted(Path(folder).iterdir())]


def fuzz(one_input: Callable[[bytes], None], seeds: Callable[[], Iterable[bytes]]) -> None:
    """Run with libFuzzer's options of the command line; without a corpus folder there, from seeds in a new one."""
    arguments = list(sys.argv)
    with tempfile.TemporaryDirectory() as folder:
        if all(argument.startswith("-") for argument in arguments[1:]):
            arguments.append(folder)
        corpus = Path(next(argument for argument in arguments[1:] if not argument.startswith("-")))
        if not corpus.is_file():  # one input, to run again
            corpus.mkdir(exist_ok=True, parents=True)
        if corpus.is_dir() and not any(corpus.iterdir()):
            for i, data in enumerate(seeds()):
                (corpus / f"seed{i:04}").write_bytes(data)
        if not any(argument.startswith("-max_len") for argument in arguments):
            arguments.append("-max_len=5000")
        atheris.Setup(arguments, one_input)
        atheris.Fuzz()
