"""CPU hints: ask for memory before it is needed.

A flow table and a ring are larger than the cache, and waiting for memory is most of the cost of a packet. Since a batch
knows which flows come next, and a ring where the next frames lie, their lines are asked for some packets ahead.
The hints change no result.
"""

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

_LINE_BYTES = 64


def _hint(most_bytes: int, *, for_writing: bool) -> Callable[[Any, Any], None]:
    """Prefetch the first cache lines of array[index] (LLVM's llvm.prefetch). The index must lie inside the array."""

    def hint(typing_context: Any, array: Any, index: Any) -> Any:
        if not isinstance(array, types.Array):
            return None
        signature = types.void(array, types.int64)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            struct = context.make_array(signature.args[0])(context, builder, args[0])
            pointer = cgutils.get_item_pointer(context, builder, signature.args[0], struct, [args[1]], wraparound=False)
            start = builder.bitcast(pointer, ir.IntType(8).as_pointer())
            int32 = ir.IntType(32)
            llvm_hint = builder.module.declare_intrinsic(
                "llvm.prefetch",
                [start.type],
                ir.FunctionType(ir.VoidType(), [start.type, int32, int32, int32]),
            )
            item = signature.args[0].dtype
            n_bytes = item.size if isinstance(item, types.Record) else item.bitwidth // 8
            is_written, keep_close, data = (ir.Constant(int32, n) for n in (int(for_writing), 3, 1))
            for offset in range(0, min(n_bytes, most_bytes), _LINE_BYTES):
                builder.call(
                    llvm_hint, [builder.gep(start, [ir.Constant(int32, offset)]), is_written, keep_close, data]
                )
            return context.get_dummy_value()

        return signature, generate

    return cast(Callable[[Any, Any], None], intrinsic(hint))


prefetch = _hint(448, for_writing=True)
"""prefetch(array, index), for kernels only: an item that will be changed."""

prefetch_head = _hint(3 * _LINE_BYTES, for_writing=True)
"""The same for an item of which only the first three lines will most likely be needed."""

prefetch_line = _hint(_LINE_BYTES, for_writing=False)
"""The same for one line that will be read."""
