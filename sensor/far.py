"""A kernel that another one calls by its address instead of taking its code in.

So that both are compiled apart, side by side on two cores: the wait of a first run is the longer of the two. It costs a
call that cannot be inlined, so it is for what is called once a payload, not once a byte.
"""

from collections.abc import Callable
from typing import Any, cast

from numba.core import cgutils, types
from numba.extending import intrinsic


def address_of(kernel: Any) -> int:
    """The address of a kernel that has one signature, compiled or loaded now if it is not yet."""
    if not kernel.overloads:
        kernel._compile_for_args()
    (compiled,) = kernel.overloads.values()
    return int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))


def far_call(*kinds: Any) -> Callable[..., None]:
    """`call(address, args)` for kernels: call the kernel at `address`, void(*kinds), with the tuple `args`."""

    def call(typing_context: Any, address: Any, args: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            given = signature.args[1]
            unpacked = [
                context.cast(builder, builder.extract_value(values[1], i), given[i], kind)
                for i, kind in enumerate(kinds)
            ]
            layout = context.call_conv.get_function_type(types.void, kinds)
            callee = builder.inttoptr(values[0], layout.as_pointer())
            status, _ = context.call_conv.call_function(builder, callee, types.void, kinds, unpacked)
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            return context.get_dummy_value()

        return types.void(types.uint64, args), generate

    return cast(Callable[..., None], intrinsic(call))
