"""The few types of the Thrift compact protocol that a Parquet footer needs, as bytes.

Source: thrift-compact-protocol.md of Apache Thrift. A field is one byte (distance to the field before it, type) and its
value; so every function takes the distance `step`, and a struct is the joined fields and a stop byte. Fields with
numbers more than 15 apart do not occur in Parquet's structs. This module never reads.
"""

from collections.abc import Sequence

_I32 = 5
_I64 = 6
_BINARY = 8
_LIST = 9
_STRUCT = 12
_STOP = b"\x00"
_SHORT_LIST = 15


_ONE_BYTE = [bytes((value,)) for value in range(128)]


def varint(value: int) -> bytes:
    """An unsigned number in LEB128."""
    if value < 128:
        return _ONE_BYTE[value]
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value: int) -> bytes:
    """A signed number (within 64 bits) as Thrift writes integers."""
    return varint((value << 1) ^ (value >> 63))


def i32(step: int, value: int) -> bytes:
    return bytes((step << 4 | _I32,)) + zigzag(value)


def i64(step: int, value: int) -> bytes:
    return bytes((step << 4 | _I64,)) + zigzag(value)


def binary(step: int, value: bytes) -> bytes:
    return bytes((step << 4 | _BINARY,)) + varint(len(value)) + value


def struct(step: int, *fields: bytes) -> bytes:
    """A struct as a field of another."""
    return bytes((step << 4 | _STRUCT,)) + b"".join(fields) + _STOP


def bare_struct(*fields: bytes) -> bytes:
    """A struct that stands alone or in a list."""
    return b"".join(fields) + _STOP


def _sequence(step: int, kind: int, items: Sequence[bytes]) -> bytes:
    n = len(items)
    head = bytes((n << 4 | kind,)) if n < _SHORT_LIST else bytes((0xF0 | kind,)) + varint(n)
    return bytes((step << 4 | _LIST,)) + head + b"".join(items)


def structs(step: int, items: Sequence[bytes]) -> bytes:
    """A list of `bare_struct`."""
    return _sequence(step, _STRUCT, items)


def i32s(step: int, items: Sequence[int]) -> bytes:
    return _sequence(step, _I32, [zigzag(item) for item in items])


def binaries(step: int, items: Sequence[bytes]) -> bytes:
    return _sequence(step, _BINARY, [varint(len(item)) + item for item in items])
