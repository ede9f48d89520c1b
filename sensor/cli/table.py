"""Rows as a table for a terminal. Imported only when stdout is one, because rich costs start-up time.

Data reaches rich as `Text` of cleaned strings, never as markup. This module never writes to a stream itself.
"""

from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sensor.cli.clean import clean
from sensor.cli.columns import Column, Row

MAX_CELL_CHARS = 200
"""Longer text is cut with an ellipsis in a table; machine formats have it whole."""

_GAP = 2  # one of padding, one that rich puts between columns
_MIN_FOLDED = 20
_SEVERITY_STYLES = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan"}


def print_table(console: Console, rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    """Print the rows; return the titles of the columns for which the terminal was too narrow."""
    cells = [[clean(column.text(row), MAX_CELL_CHARS) for column in columns] for row in rows]
    widths = [max([len(column.title), *(cell_len(line[i]) for line in cells)]) for i, column in enumerate(columns)]
    shown = _fitting(columns, widths, console.width)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
    for i in shown:
        column = columns[i]
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            overflow="fold",
            no_wrap=not column.fold,
            min_width=_needed(column, widths[i]),
        )
    for line in cells:
        table.add_row(*(Text(line[i], style=_style(columns[i], line[i])) for i in shown))
    console.print(table)
    return [columns[i].title for i in range(len(columns)) if i not in shown]


def _needed(column: Column, width: int) -> int:
    return min(width, _MIN_FOLDED) if column.fold else width


def _fitting(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[int]:
    """Indexes of the columns that fit, having let go those that may be dropped, the least wanted first."""
    shown = list(range(len(columns)))
    while sum(_needed(columns[i], widths[i]) + _GAP for i in shown) - _GAP > room:
        droppable = [i for i in shown if columns[i].drop]
        if not droppable:
            break
        shown.remove(max(droppable, key=lambda i: (columns[i].drop, i)))
    return shown


def _style(column: Column, text: str) -> str:
    return _SEVERITY_STYLES.get(text, "") if column.title == "severity" else ""
