"""One CPU hint: ask for a cache line before it is needed.

A flow table is larger than the cache, and waiting for memory is most of the cost of a packet. Since a batch knows
which flows come next, their lines are asked for some packets ahead. The hint changes no result.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic


@intrinsic
def prefetch(typing_context: Any, array: Any, index: Any) -> Any:
    """Prefetch array[index] for reading (LLVM's llvm.prefetch). The index must lie inside the array."""
    if not isinstance(array, types.Array):
        return None
    signature = types.void(array, types.int64)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        struct = context.make_array(signature.args[0])(context, builder, args[0])
        pointer = cgutils.get_item_pointer(context, builder, signature.args[0], struct, [args[1]], wraparound=False)
        address = builder.bitcast(pointer, ir.IntType(8).as_pointer())
        int32 = ir.IntType(32)
        hint = builder.module.declare_intrinsic(
            "llvm.prefetch",
            [address.type],
            ir.FunctionType(ir.VoidType(), [address.type, int32, int32, int32]),
        )
        builder.call(hint, [address, ir.Constant(int32, 0), ir.Constant(int32, 3), ir.Constant(int32, 1)])
        return context.get_dummy_value()

    return signature, generate
