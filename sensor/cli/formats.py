"""Rows to bytes for machines: JSON, NDJSON, CSV and TSV, each row as it comes.

In: rows (dicts) and the field names to write. Out: UTF-8 chunks. Nothing here can raise on what a row holds, and none
of it can act on a terminal: JSON escapes losslessly, CSV and TSV show escapes as `clean` does.
This module never writes to a stream.
"""

import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from sensor.cli.clean import clean
from sensor.cli.columns import Row, text_of
from sensor.cli.times import rfc3339

FORMULA_STARTS = "=+-@\t\r\uff1d\uff0b\uff0d\uff20"
"""First characters that make a spreadsheet compute a cell; the wide ones do so in East Asian editions (OWASP)."""

_PLAIN_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_ENCODER = msgspec.json.Encoder()


def lines(kind: str, rows: Iterable[Row], fields: Sequence[str]) -> Iterator[bytes]:
    """The whole output in a format ('json', 'ndjson', 'csv' or 'tsv'), a chunk a row."""
    return {"json": _json_array, "ndjson": _ndjson, "csv": _csv, "tsv": _tsv}[kind](rows, fields)


def json_value(value: Any) -> bytes:
    r"""Any value of dicts, lists, text and numbers as one JSON text.

    Characters that a terminal would act on or hide stand as \uXXXX, which a JSON reader turns back into them: the
    data is unchanged. A lone surrogate has no UTF-8 form and is given as visible text.
    """
    try:
        text = _ENCODER.encode(value).decode()
    except UnicodeEncodeError:
        text = _ENCODER.encode(_speakable(value)).decode()
    if text.isascii() and "\x7f" not in text:
        return text.encode()
    return "".join(char if char.isprintable() else _json_escape(char) for char in text).encode()


def machine_row(row: Row, fields: Sequence[str]) -> dict[str, Any]:
    """The row's fields in order, times as RFC 3339, also those inside; a field that the row lacks is None."""
    return {name: _machine_value(name, row.get(name)) for name in fields}


def _machine_value(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _machine_value(key, part) for key, part in value.items()}
    if isinstance(value, list):
        return [_machine_value(name, part) for part in value]
    is_time = name == "ts" or name.endswith("_ts")
    return rfc3339(value) if is_time and isinstance(value, int) else value


def _speakable(value: Any) -> Any:
    """The same value with every string encodable as UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_speakable(key): _speakable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_speakable(item) for item in value]
    return value


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be")  # RFC 8259 section 7: beyond the BMP as a surrogate pair
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def _json_array(rows: Iterable[Row], fields: Sequence[str]) -> Iterator[bytes]:
    opening = b"["
    for row in rows:
        yield opening + json_value(machine_row(row, fields))
        opening = b",\n"
    yield b"[]\n" if opening == b"[" else b"]\n"


def _ndjson(rows: Iterable[Row], fields: Sequence[str]) -> Iterator[bytes]:
    for row in rows:
        yield json_value(machine_row(row, fields)) + b"\n"


def _csv(rows: Iterable[Row], fields: Sequence[str]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)  # RFC 4180: CRLF, quotes doubled
    writer.writerow(fields)
    for row in rows:
        writer.writerow([csv_cell(value) for value in machine_row(row, fields).values()])
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()  # the header, where there was no row


def csv_cell(value: Any) -> str:
    """A value that neither acts on a terminal nor is computed by a spreadsheet."""
    text = text_of(value)
    guarded = text[:1] in FORMULA_STARTS and text and not _PLAIN_NUMBER.fullmatch(text)
    return "'" + clean(text) if guarded else clean(text)


def rita_csv(rows: Iterable[Row], fields: Sequence[str], quoted: Collection[str]) -> Iterator[bytes]:
    """CSV as RITA v5 writes it: bare cells, some columns always in quotes, lines that end with a newline alone."""
    yield (",".join(fields) + "\n").encode()
    for row in rows:
        cells = {name: csv_cell(row[name]).replace('"', '""') for name in fields}
        quotes = {name: name in quoted or any(mark in cell for mark in ',"') for name, cell in cells.items()}
        yield (",".join(f'"{cell}"' if quotes[name] else cell for name, cell in cells.items()) + "\n").encode()


def _tsv(rows: Iterable[Row], fields: Sequence[str]) -> Iterator[bytes]:
    yield "\t".join(fields).encode() + b"\n"
    for row in rows:
        yield "\t".join(map(_tsv_cell, machine_row(row, fields).values())).encode() + b"\n"


def _tsv_cell(value: Any) -> str:
    r"""Tab, newline and controls as \t, \n, \x1b; a backslash is doubled, so that a reader can tell them apart."""
    return clean(text_of(value).replace("\\", "\\\\"))
