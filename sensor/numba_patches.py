"""What numba does more than kernels need, or not at all: changed once, for this process, by `patch_numba`.

Each change says what it saves. None changes what a kernel computes.
"""

from typing import Any

from numba.core import types
from numba.core.imputils import lower_cast
from numba.core.types.functions import BaseFunction
from numba.np import arrayobj

_index_from_the_end = arrayobj.fix_integer_index
_ask_templates = BaseFunction.get_call_type
_answers: dict[tuple[Any, ...], Any] = {}
_DATA = (types.Number, types.Boolean, types.Array, types.NestedArray, types.Record, types.BaseTuple)


def _index_as_it_is(context: Any, builder: Any, kind: Any, index: Any, size: Any) -> Any:
    """An index of a kernel that allocates nothing, as LLVM's integer.

    numba lets a negative index count from the end, with a compare and a choice at each access, which also keeps LLVM
    from joining neighbouring bytes into words and copies into vectors: a third of reading TLS handshakes. Kernels of
    the packet path never count from the end; checked runs (NUMBA_BOUNDSCHECK=1) keep numba's way and report what does.
    """
    if context.enable_nrt or context.enable_boundscheck:
        return _index_from_the_end(context, builder, kind, index, size)
    return context.cast(builder, index, kind, types.intp)


def _remembered_call_type(self: Any, context: Any, args: Any, kws: Any) -> Any:
    """The type of a call on data, asked once.

    numba tries dozens of templates for every `a + b`: a fifth of compiling.
    """
    if kws or not all(isinstance(kind, _DATA) for kind in args):
        return _ask_templates(self, context, args, kws)
    call = (self, *args)
    if call not in _answers:
        _answers[call] = _ask_templates(self, context, args, kws)
    return _answers[call]


def _array_of_a_record(context: Any, builder: Any, source: Any, target: Any, value: Any) -> Any:
    """An array inside a record is handed to a kernel that takes any array: to numba both look alike."""
    return value


def patch_numba() -> None:
    """Make the changes; once is enough, again does no harm."""
    lower_cast(types.NestedArray, types.Array)(_array_of_a_record)
    for home, name, ours in (
        (arrayobj, "fix_integer_index", _index_as_it_is),
        (BaseFunction, "get_call_type", _remembered_call_type),
    ):
        setattr(home, name, ours)
