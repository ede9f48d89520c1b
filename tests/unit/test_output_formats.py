"""JSON, NDJSON, CSV and TSV: what each does with hostile and odd values."""

import csv
import io
import json

import pytest

from sensor.cli import formats
from sensor.cli.columns import DNS, EVENTS, FINDINGS, FLOWS

FIELDS = ("ts", "name", "n", "reasons", "ok")
ROW = {"ts": 1_700_000_000_000_000_000, "name": "a\tb", "n": 3, "reasons": ["x", "y"], "ok": True, "extra": 1}


def written(form: str, *rows: dict[str, object], fields: tuple[str, ...] = FIELDS) -> str:
    return b"".join(formats.lines(form, rows, fields)).decode("utf-8")


def test_json_is_one_array_in_the_order_of_the_fields() -> None:
    text = written("json", ROW, {})
    assert json.loads(text) == [
        {"ts": "2023-11-14T22:13:20.000000000Z", "name": "a\tb", "n": 3, "reasons": ["x", "y"], "ok": True},
        dict.fromkeys(FIELDS),
    ]
    assert list(json.loads(text)[0]) == list(FIELDS)


def test_no_rows() -> None:
    assert [written(form) for form in ("json", "ndjson", "csv", "tsv")] == [
        "[]\n", "", "ts,name,n,reasons,ok\r\n", "ts\tname\tn\treasons\tok\n",
    ]  # fmt: skip


def test_ndjson_is_an_object_a_line() -> None:
    lines = written("ndjson", ROW, ROW).splitlines()
    assert len(lines) == 2
    assert lines[0] == lines[1]
    assert json.loads(lines[0])["name"] == "a\tb"


@pytest.mark.parametrize("char", ["\x1b", "\x7f", "\x9b", "\u202e", "\u200b", "\u2028", "\U000e0041", "\x00"])
def test_json_escapes_losslessly_what_a_terminal_would_act_on(char: str) -> None:
    text = written("json", {"name": char})
    assert char not in text
    assert json.loads(text)[0]["name"] == char


def test_json_shows_a_lone_surrogate_as_text() -> None:
    assert json.loads(written("json", {"name": "x\udcff"}))[0]["name"] == r"x\udcff"


def test_json_has_no_number_that_is_none() -> None:
    assert json.loads(written("json", {"n": float("nan")}))[0]["n"] is None


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd", "'+cmd"),
        ("-x", "'-x"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", r"'\t=1"),
        ("\r=1", r"'\r=1"),
        ("\uff1d1", "'\uff1d1"),
        ("-5", "-5"),
        (-5, "-5"),
        (-0.5, "-0.5"),
        ("+1e3", "+1e3"),
        ("-1+cmd|'/c calc'!A1", "'-1+cmd|'/c calc'!A1"),
        (["=1", "x"], "'=1; x"),
        ('say "hi", you', 'say "hi", you'),
        ("two\nlines", r"two\nlines"),
        (None, ""),
        (False, "false"),
    ],
)
def test_csv_cells(value: object, cell: str) -> None:
    text = written("csv", {"name": value}, fields=("name", "n"))
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == [["name", "n"], [cell, ""]]
    assert text.count("\r\n") == 2


def test_tsv_tells_a_backslash_from_an_escape() -> None:
    assert written("tsv", {"name": "a\tb\\tc\n\x1b"}, fields=("name",)) == "name\na\\tb\\\\tc\\n\\x1b\n"


def test_the_kinds_have_the_fields_of_the_contract() -> None:
    assert FLOWS.fields[:6] == ("uid", "community_id", "first_ts", "last_ts", "duration_s", "proto")
    assert EVENTS.fields[:3] == ("ts", "uid", "orig_ip")
    assert DNS.fields[:8] == ("ts", "orig_ip", "resp_ip", "qname", "qtype", "rcode", "answers", "ttl")
    assert FINDINGS.fields[:4] == ("id", "analyzer", "orig_ip", "dest")
