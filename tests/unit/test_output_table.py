"""Tables: width, what is dropped, and that data is never markup."""

import io

import pytest
from rich.console import Console

from sensor.cli.columns import DNS, EVENTS, FINDINGS, FLOWS, Kind, Row
from sensor.cli.table import MAX_CELL_CHARS, print_table
from tests.support.cli_store import HOSTILE, beats, finding

FINDING: Row = {"id": 1, "state": "new", "note": ""} | finding()
DNS_ROW: Row = {"ts": 0, "orig_ip": "10.0.0.1", "resp_ip": "10.0.0.2", "qname": "a.example", "qtype": "A",
                "rcode": "NOERROR", "answers": "192.0.2.1", "ttl": 5}  # fmt: skip
EVENT: Row = {"ts": 0, "orig_ip": "10.0.0.1", "resp_ip": "192.0.2.1", "resp_port": 443, "proto": "tcp",
              "dest": "a.example", "kind": "connection", "orig_bytes": 1, "resp_bytes": 2, "answered": True,
              "method": "", "uri": ""}  # fmt: skip


def table(rows: list[Row], kind: Kind, width: int) -> tuple[str, list[str]]:
    out = io.StringIO()
    dropped = print_table(Console(file=out, width=width, color_system=None), rows, kind.table)
    return out.getvalue(), dropped


@pytest.mark.parametrize("width", [80, 100, 120, 160, 300])
@pytest.mark.parametrize(("kind", "row"), [(FINDINGS, FINDING), (FLOWS, beats()[0]), (DNS, DNS_ROW), (EVENTS, EVENT)])
def test_a_table_fits_and_shows_its_columns_whole(kind: Kind, row: Row, width: int) -> None:
    text, dropped = table([row], kind, width)
    assert max(len(line) for line in text.splitlines()) <= width
    titles = [column.title for column in kind.table if column.title not in dropped]
    assert text.splitlines()[0].split("  ")[0].strip() == titles[0]
    assert all(title in text.splitlines()[0] for title in titles)
    body = text.splitlines()[2]
    assert all(column.text(row) in body for column in kind.table if column.title not in dropped and not column.fold)


def test_a_wide_terminal_drops_nothing_and_a_narrow_one_says_what() -> None:
    assert table([FINDING], FINDINGS, 300)[1] == []
    dropped = table([FINDING], FINDINGS, 80)[1]
    assert "last seen (UTC)" in dropped
    assert "destination" not in dropped


def test_data_is_never_markup_and_never_a_control() -> None:
    text, _ = table([{**FINDING, "dest": HOSTILE}, {**FINDING, "dest": "[/bold] [link=x]y[/link]"}], FINDINGS, 300)
    assert "[bold red]evil" in text
    assert "[/bold] [link=x]y[/link]" in text
    assert text.replace("\n", "").isprintable()


def test_a_megabyte_of_a_name_is_cut() -> None:
    text, _ = table([{**FINDING, "dest": "x" * 10**6}], FINDINGS, 120)
    assert text.count("x") < MAX_CELL_CHARS
    assert "…" in text


def test_wide_characters_count_twice() -> None:
    text, dropped = table([{**FINDING, "dest": "\u6f22" * 30}], FINDINGS, 300)
    assert dropped == []
    assert "\u6f22" * 30 in text
