"""How numba compiles a kernel that another kernel calls: as a part of it, without machine code of its own.

numba makes each function ready to run by itself: a wrapper for Python, all optimisations, machine code. For a function
that only other kernels call all of this is thrown away, since the caller takes its code in and optimises the whole
again; it was two thirds of compiling. A part stops after the code that is taken in.

Only what numba gives for this purpose is derived from: a compiler pipeline, a lowering pass, a code library.
"""

from types import MethodType
from typing import Any

from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.typed_passes import NativeLowering


def _finalize_for_linking(library: Any) -> None:
    """Nothing is linked into a part: the kernel at the end takes in every part once, however many of them share it."""
    library._finalize_dynamic_globals()
    library._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class PartLowering(NativeLowering):
    """Lower to LLVM code and make it known to callers."""

    _name = "part_lowering"

    def run_pass(self, state: Any) -> bool:
        """See numba's NativeLowering."""
        state.library = state.targetctx.codegen().create_library(state.func_id.func_qualname)
        state.library.finalize = MethodType(_finalize_for_linking, state.library)
        super().run_pass(state)
        # callers find the code by the built-in function that would run it; any that is like no other does
        key = [state.func_id].append
        needed = dict.fromkeys(state.library._linking_libraries)
        state.targetctx.insert_user_function(key, state.cr.fndesc, [state.library, *needed])
        state.cr = state.cr._replace(cfunc=key)
        return True


_NOT_FOR_KERNELS = (
    "InlineClosureLikes",
    "InlineInlinables",
    "FindLiterallyCalls",
    "LiteralUnroll",
    "NopythonRewrites",
    "DumpParforDiagnostics",
    "WithLifting",
)
"""Passes for what no kernel has: closures, inlining by numba, `with`, array expressions. Each walks all code."""


class PartCompiler(CompilerBase):
    """The usual pipeline with PartLowering at its end."""

    def define_pipelines(self) -> list[PassManager]:
        """See numba's CompilerBase."""
        flags = self.state.flags
        flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
        part = PassManager("part")
        for step, why in DefaultPassBuilder.define_nopython_pipeline(self.state).passes:
            if step.__name__ not in _NOT_FOR_KERNELS:
                part.add_pass(PartLowering if step is NativeLowering else step, why)
        part.finalize()
        return [part]
