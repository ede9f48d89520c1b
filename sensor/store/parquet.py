"""A small Parquet writer for the lake: one file, a few row groups, one data page a column, no nulls, no compression.

Why our own: a whole replay may take about a second, and writing its rows through DuckDB alone takes half of that, while
pyarrow weighs 160 MB. The encodings do the compressing: differences in packed bits, and dictionaries.
A general compressor on top (zstd level 1) would take off another third, but takes three times as long as all the rest;
older days can be compressed when they are compacted.

Source: the Apache Parquet format (parquet-format: README.md, Encodings.md, parquet.thrift). We differ from other
writers in leaving out what no reader needs here: definition levels (every column is REQUIRED), indexes, checksums.
This module never reads Parquet and knows nothing of days, buckets or tables.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from sensor.store import thrift
from sensor.store.columnar import Column, Kind
from sensor.store.encode import delta_bound, dictionary_bound, encode_coded, encode_ints, encode_text

ROW_GROUP_ROWS = 131_072

_MAGIC = b"PAR1"
_FORMAT_VERSION = 2
_CREATED_BY = b"kagami"
_BUFFER_BYTES = 1 << 18
_FILE_MODE = 0o640  # no internal name or address is for the world to read
_MAX_PAGE_BYTES = 2**31 - 1  # page sizes are int32

# parquet.thrift: Type, Encoding, PageType, FieldRepetitionType, ConvertedType, CompressionCodec
_BOOLEAN, _INT32, _INT64, _DOUBLE, _BYTE_ARRAY = 0, 1, 2, 5, 6
_PLAIN, _RLE, _DELTA_BINARY_PACKED, _DELTA_LENGTH_BYTE_ARRAY, _RLE_DICTIONARY = 0, 3, 5, 6, 8
_DATA_PAGE, _DICTIONARY_PAGE = 0, 2
_REQUIRED = 0
_UTF8 = 0
_UNCOMPRESSED = 0

_TYPES = {
    Kind.INT32: (_INT32, (_DELTA_BINARY_PACKED,)),
    Kind.INT64: (_INT64, (_DELTA_BINARY_PACKED,)),
    Kind.DOUBLE: (_DOUBLE, (_PLAIN,)),
    Kind.BOOL: (_BOOLEAN, (_PLAIN,)),
    Kind.TEXT: (_BYTE_ARRAY, (_DELTA_LENGTH_BYTE_ARRAY,)),
    Kind.CODED: (_BYTE_ARRAY, (_PLAIN, _RLE_DICTIONARY)),
}


@dataclass(slots=True)
class Scratch:
    """Memory that one writer uses again for every page; grows to the largest page it met."""

    out: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))
    values: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    used: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    renamed: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    index: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    numbers: NDArray[np.int64] = field(default_factory=lambda: np.zeros(2, np.int64))

    def reserve(self, n_rows: int, n_words: int, out_bytes: int) -> None:
        if len(self.values) < n_rows:
            self.values = np.empty(n_rows, np.int64)
            self.used = np.empty(n_rows, np.int32)
            self.renamed = np.empty(n_rows, np.int32)
        if len(self.index) < n_words:
            self.index = np.full(n_words, -1, np.int32)
        if len(self.out) < out_bytes:
            self.out = np.empty(out_bytes, np.uint8)


def write_parquet(
    path: Path,
    columns: Sequence[Column],
    *,
    rows: NDArray[np.int64] | None = None,
    row_group_rows: int = ROW_GROUP_ROWS,
    sync: bool = False,
    scratch: Scratch | None = None,
) -> int:
    """Write one Parquet file.

    columns : all of the same number of rows
    rows : int64[n], the rows to take, in this order; None takes all. An index of a row that is not there is an error
    row_group_rows : most rows in a row group
    sync : wait until the file is on the disk
    scratch : working memory to use again from file to file
    Returns: bytes written.
    Raises: OSError when writing fails (the unfinished file is left: see `lake.segment`), ValueError for columns that
        contradict themselves.
    """
    n_total = len(columns[0])
    for column in columns:
        if len(column) != n_total:
            raise ValueError(f"column {column.name} has {len(column)} rows, {columns[0].name} has {n_total}")
    if rows is None:
        rows = np.arange(n_total, dtype=np.int64)
    elif len(rows) and (rows.min() < 0 or rows.max() >= n_total):
        raise ValueError(f"rows to take are not within 0 to {n_total - 1}")
    writer = _Writer(columns, scratch or Scratch())
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _FILE_MODE)
    with os.fdopen(descriptor, "wb", buffering=_BUFFER_BYTES) as handle:
        size = writer.write(handle, rows, row_group_rows)
        if sync:
            handle.flush()
            os.fsync(descriptor)
    return size


class _Writer:
    """The state of one file being written."""

    def __init__(self, columns: Sequence[Column], scratch: Scratch) -> None:
        self.columns = columns
        self.scratch = scratch
        self.pos = 0
        self.row_groups: list[bytes] = []

    def write(self, handle: BinaryIO, rows: NDArray[np.int64], row_group_rows: int) -> int:
        self._put(handle, _MAGIC)
        for start in range(0, len(rows), row_group_rows):
            self._row_group(handle, np.ascontiguousarray(rows[start : start + row_group_rows]))
        footer = self._footer(len(rows))
        self._put(handle, footer + len(footer).to_bytes(4, "little") + _MAGIC)
        return self.pos

    def _put(self, handle: BinaryIO, piece: bytes | memoryview) -> None:
        handle.write(piece)
        self.pos += len(piece)

    def _row_group(self, handle: BinaryIO, rows: NDArray[np.int64]) -> None:
        begin = self.pos
        chunks = [self._chunk(handle, column, rows) for column in self.columns]
        size = self.pos - begin
        self.row_groups.append(
            thrift.bare_struct(
                thrift.structs(1, chunks), thrift.i64(1, size), thrift.i64(1, len(rows)), thrift.i64(2, begin)
            )
        )

    def _chunk(self, handle: BinaryIO, column: Column, rows: NDArray[np.int64]) -> bytes:
        """Write the pages of one column; return its ColumnChunk for the footer."""
        n = len(rows)
        begin = data_page = self.pos
        statistics = b""
        if column.kind is Kind.CODED:
            n_words, dictionary, page = self._coded(column, rows)
            self._put(handle, _dictionary_header(len(dictionary), n_words))
            self._put(handle, dictionary)
            data_page = self.pos
        elif column.kind is Kind.TEXT:
            page = self._text(column, rows)
        elif column.kind in (Kind.INT32, Kind.INT64):
            page, statistics = self._ints(column, rows)
        elif column.kind is Kind.DOUBLE:
            page = column.values[rows].view(np.uint8).data
        else:
            page = np.packbits(column.values[rows], bitorder="little").data
        self._put(handle, _data_header(len(page), n, column.kind))
        self._put(handle, page)
        size = self.pos - begin
        meta = (
            _chunk_head(column.name, column.kind),
            thrift.i64(1, n),
            thrift.i64(1, size),
            thrift.i64(1, size),
            thrift.i64(2, data_page),
            thrift.i64(2, begin) if data_page != begin else b"",
            statistics and thrift.struct(1 if data_page != begin else 3, statistics),
        )
        return thrift.bare_struct(thrift.i64(2, begin), thrift.struct(1, *meta))

    def _ints(self, column: Column, rows: NDArray[np.int64]) -> tuple[memoryview, bytes]:
        scratch = self.scratch
        scratch.reserve(len(rows), 0, delta_bound(len(rows)))
        is_32_bit = column.kind is Kind.INT32
        size = encode_ints(column.values, rows, is_32_bit, scratch.values, scratch.out, scratch.numbers)
        n_bytes = 4 if is_32_bit else 8
        low, high = (int(bound).to_bytes(n_bytes, "little", signed=True) for bound in scratch.numbers)
        # Statistics: null_count, max_value, min_value
        statistics = thrift.i64(3, 0) + thrift.binary(2, high) + thrift.binary(1, low)
        return _checked(column, scratch.out, size), statistics

    def _text(self, column: Column, rows: NDArray[np.int64]) -> memoryview:
        scratch = self.scratch
        # room for the text of all rows: memory that stays untouched costs nothing, adding up lengths would
        scratch.reserve(len(rows), 0, delta_bound(len(rows)) + len(column.data))
        size = encode_text(column.offsets, column.data, rows, scratch.values, scratch.out)
        return _checked(column, scratch.out, size)

    def _coded(self, column: Column, rows: NDArray[np.int64]) -> tuple[int, memoryview, memoryview]:
        scratch = self.scratch
        n_words = len(column.offsets) - 1
        scratch.reserve(len(rows), n_words, dictionary_bound(len(rows), n_words, len(column.data)))
        size = encode_coded(
            column.codes,
            rows,
            column.offsets,
            column.data,
            scratch.index,
            scratch.used,
            scratch.renamed,
            scratch.out,
            scratch.numbers,
        )
        both = _checked(column, scratch.out, size)
        n_used, dictionary_bytes = (int(number) for number in scratch.numbers)
        return n_used, both[:dictionary_bytes], both[dictionary_bytes:]

    def _footer(self, n_rows: int) -> bytes:
        """FileMetaData: version, schema, number of rows, row groups, writer, order of statistics."""
        type_order = thrift.bare_struct(thrift.struct(1))
        return thrift.bare_struct(
            _schema(tuple((column.name, column.kind) for column in self.columns)),
            thrift.i64(1, n_rows),
            thrift.structs(1, self.row_groups),
            thrift.binary(2, _CREATED_BY),
            thrift.structs(1, [type_order] * len(self.columns)),
        )


def _checked(column: Column, out: NDArray[np.uint8], size: int) -> memoryview:
    if size < 0:
        raise ValueError(f"column {column.name}: a code or an offset points outside its words")
    if size > _MAX_PAGE_BYTES:
        raise ValueError(f"column {column.name}: {size} bytes are too many for one page; write smaller row groups")
    return out[:size].data


# What a table's files have in common is made once: a replay writes hundreds of them.


@cache
def _schema(columns: tuple[tuple[str, Kind], ...]) -> bytes:
    """The first two fields of a footer: version, and the columns by name and kind."""
    root = thrift.bare_struct(thrift.binary(4, b"schema"), thrift.i32(1, len(columns)))
    elements = [_schema_element(name, kind) for name, kind in columns]
    return thrift.i32(1, _FORMAT_VERSION) + thrift.structs(1, [root, *elements])


def _schema_element(name: str, column_kind: Kind) -> bytes:
    kind, _ = _TYPES[column_kind]
    fields = [thrift.i32(1, kind), thrift.i32(2, _REQUIRED), thrift.binary(1, name.encode())]
    if kind == _BYTE_ARRAY:
        fields += [thrift.i32(2, _UTF8), thrift.struct(4, thrift.struct(1))]  # LogicalType.STRING
    return thrift.bare_struct(*fields)


@cache
def _chunk_head(name: str, column_kind: Kind) -> bytes:
    """The fields of a column's ColumnMetaData that are always the same: type, encodings, path, compression."""
    kind, encodings = _TYPES[column_kind]
    path = thrift.binaries(1, [name.encode()])
    return thrift.i32(1, kind) + thrift.i32s(1, encodings) + path + thrift.i32(1, _UNCOMPRESSED)


@cache
def _page_encodings(column_kind: Kind) -> bytes:
    """The fields of a DataPageHeader behind the number of values: of the values, and of levels (there are none)."""
    return thrift.i32(1, _TYPES[column_kind][1][-1]) + 2 * thrift.i32(1, _RLE)


def _data_header(n_bytes: int, n_values: int, column_kind: Kind) -> bytes:
    size = thrift.i32(1, n_bytes)
    header = thrift.struct(2, thrift.i32(1, n_values), _page_encodings(column_kind))
    return thrift.bare_struct(thrift.i32(1, _DATA_PAGE), size, size, header)


def _dictionary_header(n_bytes: int, n_words: int) -> bytes:
    header = (thrift.i32(1, n_words), thrift.i32(1, _PLAIN))
    return thrift.bare_struct(
        thrift.i32(1, _DICTIONARY_PAGE), thrift.i32(1, n_bytes), thrift.i32(1, n_bytes), thrift.struct(4, *header)
    )
