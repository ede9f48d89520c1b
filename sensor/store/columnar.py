"""Columns in memory, ready for the lake: the one form in which flow, event and DNS rows reach the store.

Text is checked here, once for each column: what goes into a segment is valid UTF-8, because one bad byte from the
network would make a reader refuse the whole file. Bytes that are no UTF-8 are kept visible as \\xNN. This module never
writes files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_FIRST_NON_ASCII = 0x80
_TOP_BITS = 0xC0
_CONTINUATION = 0x80  # a byte inside a UTF-8 character (RFC 3629 section 3): no value may begin with one
_EMPTY_I32: NDArray[np.int32] = np.empty(0, np.int32)
_EMPTY_I64: NDArray[np.int64] = np.empty(0, np.int64)
_EMPTY_U8: NDArray[np.uint8] = np.empty(0, np.uint8)


class Kind(IntEnum):
    """How a column is stored."""

    INT32 = 0
    INT64 = 1
    DOUBLE = 2
    BOOL = 3
    TEXT = 4
    CODED = 5


@dataclass(frozen=True, slots=True)
class Column:
    """One named column of n rows; made by `ints`, `floats`, `bools`, `text` and `coded`.

    values : int64[n], float64[n] or uint8[n] (0 or 1); empty for text
    codes : int32[n], the word of each row; only for CODED
    offsets, data : int64[k + 1] and uint8[], value i is data[offsets[i]:offsets[i + 1]] (TEXT: k = n, CODED: k words)
    """

    name: str
    kind: Kind
    values: NDArray[Any]
    codes: NDArray[np.int32]
    offsets: NDArray[np.int64]
    data: NDArray[np.uint8]

    def __len__(self) -> int:
        if self.kind is Kind.TEXT:
            return len(self.offsets) - 1
        return len(self.codes) if self.kind is Kind.CODED else len(self.values)


def ints(name: str, values: ArrayLike) -> Column:
    """Integers; up to 16 bits and int32 are stored in 32 bits, uint32 and int64 in 64."""
    array = np.asarray(values)
    narrow = np.can_cast(array.dtype, np.int32, "safe")
    if not narrow and not np.can_cast(array.dtype, np.int64, "safe"):
        raise TypeError(f"column {name}: {array.dtype} does not fit int64")
    wide = np.ascontiguousarray(array, np.int64)
    return Column(name, Kind.INT32 if narrow else Kind.INT64, wide, _EMPTY_I32, _EMPTY_I64, _EMPTY_U8)


def floats(name: str, values: ArrayLike) -> Column:
    return Column(name, Kind.DOUBLE, np.ascontiguousarray(values, np.float64), _EMPTY_I32, _EMPTY_I64, _EMPTY_U8)


def bools(name: str, values: ArrayLike) -> Column:
    flags = np.ascontiguousarray(np.asarray(values, np.bool_)).view(np.uint8)
    return Column(name, Kind.BOOL, flags, _EMPTY_I32, _EMPTY_I64, _EMPTY_U8)


def text(name: str, offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> Column:
    """A value of its own for each row: value i is data[offsets[i]:offsets[i + 1]]."""
    return Column(name, Kind.TEXT, _EMPTY_I64, _EMPTY_I32, *_utf8(name, offsets, data))


def coded(name: str, codes: ArrayLike, offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> Column:
    """Few distinct values: `codes` says which word each row has; the words are given like the values of `text`."""
    narrow = np.ascontiguousarray(codes, np.int32)
    return Column(name, Kind.CODED, _EMPTY_I64, narrow, *_utf8(name, offsets, data))


def constant(name: str, value: str, n: int) -> Column:
    """The same text in all of n rows; costs nothing in the file."""
    return coded(name, np.zeros(n, np.int32), *pack_words([value]))


def pack_words(words: Sequence[str | bytes]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Words as the offsets and data that `text` and `coded` take."""
    encoded = [word if isinstance(word, bytes) else word.encode("utf-8", "backslashreplace") for word in words]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(word) for word in encoded], out=offsets[1:])
    return offsets, np.frombuffer(b"".join(encoded), np.uint8)


def _utf8(
    name: str, offsets: NDArray[np.int64], data: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """The same values as valid UTF-8; ASCII, which nearly everything is, costs one pass at memory speed."""
    offsets = np.ascontiguousarray(offsets, np.int64)
    data = np.ascontiguousarray(data, np.uint8)
    if len(offsets) == 0 or offsets[0] < 0 or offsets[-1] > len(data):
        raise ValueError(f"column {name}: offsets do not fit {len(data)} bytes of text")
    used = data[: offsets[-1]]
    if len(used) == 0 or used.max() < _FIRST_NON_ASCII:
        return offsets, data
    raw = used.tobytes()
    if _is_utf8(raw) and not (used[offsets[offsets < len(used)]] & _TOP_BITS == _CONTINUATION).any():
        return offsets, data
    return pack_words([_repaired(raw[begin:end]) for begin, end in pairwise(offsets.tolist())])


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _repaired(value: bytes) -> bytes:
    return value if value.isascii() else value.decode("utf-8", "backslashreplace").encode()
