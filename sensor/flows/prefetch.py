"""One CPU hint: ask for memory before it is needed.

A flow table is larger than the cache, and waiting for memory is most of the cost of a packet. Since a batch knows
which flows come next, their lines are asked for some packets ahead. The hint changes no result.
"""

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

_LINE_BYTES = 64
_MOST_BYTES = 448  # of one item


def _prefetch(typing_context: Any, array: Any, index: Any) -> Any:
    """Prefetch the first cache lines of array[index] (LLVM's llvm.prefetch). The index must lie inside the array."""
    if not isinstance(array, types.Array):
        return None
    signature = types.void(array, types.int64)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        struct = context.make_array(signature.args[0])(context, builder, args[0])
        pointer = cgutils.get_item_pointer(context, builder, signature.args[0], struct, [args[1]], wraparound=False)
        start = builder.bitcast(pointer, ir.IntType(8).as_pointer())
        int32 = ir.IntType(32)
        hint = builder.module.declare_intrinsic(
            "llvm.prefetch",
            [start.type],
            ir.FunctionType(ir.VoidType(), [start.type, int32, int32, int32]),
        )
        item = signature.args[0].dtype
        n_bytes = item.size if isinstance(item, types.Record) else item.bitwidth // 8
        for_writing, keep_close, data = (ir.Constant(int32, n) for n in (1, 3, 1))
        for offset in range(0, min(n_bytes, _MOST_BYTES), _LINE_BYTES):
            builder.call(hint, [builder.gep(start, [ir.Constant(int32, offset)]), for_writing, keep_close, data])
        return context.get_dummy_value()

    return signature, generate


prefetch = cast(Callable[[Any, Any], None], intrinsic(_prefetch))
"""prefetch(array, index), for kernels only."""
