"""The one door to numba: kernels are declared with `kernel`, compiled once and cached on disk.

numba's cache notices an edit only in the file that defines a kernel, not in the files it calls, and would go on
giving the old answer. So the cache directory's name holds a digest of every source file that kernels could depend
on, and of where they lie, which numba goes by: after a change in one of them, and for another installation, kernels
compile anew. Where no directory can be written, they compile in memory.
This module never prints; `first_run` says whether a wait is ahead.
"""

import contextlib
import functools
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import types

from sensor.kernelcache import KernelCache
from sensor.numba_patches import patch_numba
from sensor.parts import PartCompiler

_ROOT = Path(__file__).resolve().parent.parent
_KERNEL_PACKAGES = ("capture", "decode", "flows", "protocols", "beacon")
_DONE = "complete"
_FROZEN = ("constants.py", "dtypes.py", "far.py", "kernelcache.py", "numba_patches.py", "parts.py", "prefetch.py")
"""Compiled code holds something of these modules as well."""


def _sources_digest() -> str:
    digest = hashlib.sha256(bytes(_ROOT))
    for package in ("sensor", "analyzers"):
        for path in sorted((_ROOT / package).rglob("*.py")):
            text = path.read_bytes()
            if path.parent.name in _KERNEL_PACKAGES or path.name in _FROZEN or b"sensor.jit" in text:
                digest.update(path.name.encode() + text)
    return digest.hexdigest()[:16]


def _cache_dir() -> Path | None:
    """A writable directory for this version of the kernels, or None."""
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    try:
        parent = Path(base) if base else Path.home() / ".cache"
        path = parent / "kagami" / f"kernels-{_sources_digest()}"
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except (OSError, RuntimeError):
        return None
    return path if os.access(path, os.W_OK) else None


CACHE_DIR = _cache_dir()
if CACHE_DIR is not None:
    # not by the environment: numba may have been imported before
    setattr(numba.config, "CACHE_DIR", str(CACHE_DIR))  # noqa: B010  (numba makes its settings at run time)

patch_numba()


def first_run() -> bool:
    """Whether kernels still have to be compiled (tens of seconds): no run has come to its end with this cache."""
    return CACHE_DIR is None or not (CACHE_DIR / _DONE).exists()


def note_run() -> None:
    """Note that a run came to its end, so its kernels are in the cache."""
    if CACHE_DIR is not None:
        with contextlib.suppress(OSError):
            (CACHE_DIR / _DONE).touch()


def kernel(*args: Any, **options: Any) -> Callable[..., Any]:
    """`numba.njit` with our defaults: cached, without the GIL, NumPy's division (no exception raised).

    A signature given is the only one the kernel is ever compiled for, so other integers are cast to it; but it is
    compiled, or loaded from the cache, when it is first called. numba itself would do so at the definition: loading
    the helpers that a cached kernel already has inside took longer than replaying a small capture.
    """
    signature = args[0] if args and not callable(args[0]) else None
    options = {"nogil": True, "error_model": "numpy", **options}

    def decorate(function: Callable[..., Any]) -> Any:
        if getattr(numba.config, "DISABLE_JIT"):  # noqa: B009  (as above)
            return function
        dispatcher = numba.njit(**options)(function)

        @functools.cache  # only a run that compiles needs it
        def part() -> Any:
            return numba.njit(pipeline_class=PartCompiler, **options)(function)

        def from_a_kernel(args: Any, kws: Any) -> Any:
            if signature is None:
                args = [_widened(kind) for kind in args]
            elif not part().overloads:
                part().compile(signature)
                part().disable_compile()
            return part().get_call_template(args, kws)

        # numba asks these two when another kernel calls this one
        dispatcher.get_call_template = from_a_kernel
        dispatcher.get_overload = lambda kinds: part().get_overload(kinds)
        if signature is not None:
            _compile_when_called(dispatcher, signature)
        elif CACHE_DIR is not None:
            dispatcher._cache = KernelCache(function)
        return dispatcher

    return decorate


def _compile_when_called(dispatcher: Any, signature: Any) -> None:
    """Make a kernel compile for `signature`, and only for it, when Python first calls it."""

    def from_python(*_: Any, **__: Any) -> Any:
        if CACHE_DIR is not None:
            dispatcher._cache = KernelCache(dispatcher.py_func)
        entry = dispatcher.compile(signature)
        dispatcher.disable_compile()
        return entry

    dispatcher._compile_for_args = from_python


def _widened(kind: Any) -> Any:
    """The type that a kernel without signature is compiled for: without this, every literal number is another one."""
    kind = types.unliteral(kind)
    if kind in types.integer_domain and kind != types.uint64:
        return types.int64
    return types.Array(kind.dtype, kind.ndim, "C") if isinstance(kind, types.NestedArray) else kind


def packet_kernel(*args: Any, **options: Any) -> Callable[..., Any]:
    """`kernel` for the per-packet path: nothing in it may allocate, and arrays are not reference-counted.

    Counting costs atomic operations for every array of every call, measured at more than half of a packet's time.
    The driver's own references keep the arrays alive for the length of the outermost call.
    """
    return kernel(*args, **{"_nrt": False, "no_cfunc_wrapper": True, **options})
