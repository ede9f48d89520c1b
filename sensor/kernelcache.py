"""Compiled kernels on disk: numba's cache, but without what a kernel that is only called does not need.

A start loads some twenty kernels, and took longer for what numba prepares around them than for the kernels.
"""

from typing import Any

import llvmlite.binding as llvm
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.runtime.nrt import rtsys


class _MachineCode(CompileResultCacheImpl):
    """What is kept of a kernel: its machine code.

    numba adds the LLVM code, for other functions to take in; reading it took longer than loading all else. Our kernels
    take in parts (sensor.parts), and of this code nothing but the names is asked for.
    """

    def reduce(self, cres: Any) -> tuple[Any, ...]:
        """See numba's CompileResultCacheImpl."""
        plain: Any = super()  # numba has no types
        (name, kind, (machine_code, _)), *rest = plain.reduce(cres)
        code = cres.library._get_module_for_linking()
        defined = [value.name for value in (*code.functions, *code.global_variables) if not value.is_declaration]
        names = llvm.parse_assembly("\n".join(f'@"{one}" = global i8 0' for one in defined))
        return ((name, kind, (machine_code, names.as_bitcode())), *rest)


class KernelCache(FunctionCache):
    """The cache of one kernel."""

    _impl_class = _MachineCode

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The kernel for a signature, or None where it is not there.

        numba first makes ready what compiling needs, which takes longer than the rest of a start; whatever does compile
        makes it ready by itself.
        """
        rtsys.initialize(target_context)  # cached code calls it
        cache: Any = self
        with cache._guard_against_spurious_io_errors():
            return cache._load_overload(sig, target_context)
