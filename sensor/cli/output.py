"""Rows to the user in the form asked for: a table on a terminal, TSV in a pipe, JSON, NDJSON or CSV by option.

Says on stderr what is not shown, because no limit is hidden.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from sensor.cli import formats
from sensor.cli.columns import Kind, Row
from sensor.cli.human import human_count
from sensor.cli.session import Session, is_terminal, wants_color

TERMINAL_ROWS = 50
"""Rows shown on a terminal where no --limit is given."""


def format_options(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb --json, --ndjson and --csv; they reach it as `form`."""
    for name, text in (
        ("csv", "Write CSV (RFC 4180, guarded against formulas)."),
        ("ndjson", "Write one JSON object a line."),
        ("json", "Write one JSON array."),
    ):
        verb = click.option(f"--{name}", name, is_flag=True, expose_value=False, callback=_choose, help=text)(verb)
    return verb


def _choose(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    ctx.params.setdefault("form", None)
    if not value:
        return
    if ctx.params["form"] not in (None, param.name):
        raise click.UsageError("choose one of --json, --ndjson and --csv", ctx)
    ctx.params["form"] = param.name


def row_limit(form: str | None, limit: int | None, on_terminal: int = TERMINAL_ROWS) -> int | None:
    """How many rows to ask for: --limit (0: all), else `on_terminal` for a table and all for machines."""
    if limit is not None:
        return limit or None
    return on_terminal if form is None and is_terminal(sys.stdout) else None


def emit(session: Session, rows: Iterable[Row], total: int, kind: Kind, form: str | None, limit: int | None) -> None:
    """Write rows to stdout, and what is not shown to stderr.

    rows : read while they are written, so that any number of them takes little memory; a table has them all at once
    total : how many matched
    limit : how many of them `rows` may be, None for all
    """
    notes = []
    if limit is not None and limit < total:
        notes.append(f"showing {human_count(limit)} of {human_count(total)} {kind.plural}; --limit 0 shows all")
    if form is not None or not is_terminal(sys.stdout):
        session.write(formats.lines(form or "tsv", rows, kind.fields))
    elif total == 0:
        notes.append(f"no {kind.plural} match")
    elif dropped := _emit_table(session, list(rows), kind):
        notes.append(f"too narrow for: {', '.join(dropped)} (--json has every field)")
    for note in notes:
        session.say(note)


def _emit_table(session: Session, rows: Sequence[Row], kind: Kind) -> list[str]:
    """Print the table; return the titles of the columns left out."""
    from rich.console import Console

    from sensor.cli.table import print_table

    color = wants_color()
    console = Console(no_color=color is False, force_terminal=True if color else None, legacy_windows=False)
    with console.capture() as printed:
        dropped = print_table(console, rows, kind.table)
    session.write_text(printed.get())
    return dropped
