"""Rows to the user in the form asked for: a table on a terminal, TSV in a pipe, JSON, NDJSON or CSV by option.

Says on stderr what is not shown, because no limit is hidden.
"""

import sys
from collections.abc import Callable, Sequence
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


def emit(session: Session, rows: Sequence[Row], total: int, kind: Kind, form: str | None) -> None:
    """Write rows to stdout. total : how many matched, of which `rows` are the first."""
    notes = []
    if form is None and is_terminal(sys.stdout):
        if rows:
            dropped = _emit_table(session, rows, kind)
            if dropped:
                notes.append(f"left out at this width: {', '.join(dropped)}")
        else:
            notes.append(f"no {kind.plural} match")
    else:
        session.write(formats.lines(form or "tsv", rows, kind.fields))
    if len(rows) < total:
        more = " (--limit 0 shows all)" if is_terminal(sys.stdout) else ""
        notes.insert(0, f"showing {human_count(len(rows))} of {human_count(total)} {kind.plural}{more}")
    if notes:
        session.say("; ".join(notes))


def _emit_table(session: Session, rows: Sequence[Row], kind: Kind) -> list[str]:
    import io

    from rich.console import Console

    from sensor.cli.table import print_table

    text = io.StringIO()
    color = wants_color()
    screen = Console(no_color=color is False, force_terminal=True if color else None)
    console = Console(
        file=text,
        width=screen.width,
        color_system="standard" if screen.color_system and color is not False else None,
        force_terminal=True,
        no_color=color is False,
        legacy_windows=False,
    )
    dropped = print_table(console, rows, kind.table)
    session.write_text(text.getvalue())
    return dropped
