"""Man pages made from the commands themselves, as man(7) has them: one for kagami and one for each verb."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import click

from sensor import __version__
from sensor.errors import UsageError


def write_pages(root: click.Command, folder: Path) -> int:
    """Write kagami.1 and kagami-VERB.1 for every verb and its parts; return how many.

    Raises: UsageError when the folder cannot be written.
    """
    pages = dict(_pages(root, "kagami", None))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in pages.items():
            folder.joinpath(f"{name}.1").write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write man pages to {folder}: {error.strerror}") from error
    return len(pages)


def _pages(command: click.Command, name: str, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    with click.Context(command, info_name=name if parent is None else name.rpartition("-")[2], parent=parent) as ctx:
        yield name, _page(command, ctx, name)
        if isinstance(command, click.Group):
            for verb in command.list_commands(ctx):
                part = command.get_command(ctx, verb)
                if part is not None:
                    yield from _pages(part, f"{name}-{verb}", ctx)


def _page(command: click.Command, ctx: click.Context, name: str) -> str:
    day = time.strftime("%Y-%m-%d", time.gmtime())
    lines = [f'.TH {name.upper()} 1 "{day}" "kagami {__version__}" "kagami"', ".SH NAME"]
    lines.append(f"{_text(name)} \\- {_text(command.get_short_help_str(200))}")
    usage = " ".join(command.collect_usage_pieces(ctx))
    lines += [".SH SYNOPSIS", f"\\fB{_text(ctx.command_path)}\\fR {_text(usage)}", ".SH DESCRIPTION"]
    for i, paragraph in enumerate(re.split(r"\n\s*\n", (command.help or "").strip())):
        lines += [".PP"] * (i > 0) + [_text(" ".join(paragraph.split()))]
    records = [record for param in command.get_params(ctx) if (record := param.get_help_record(ctx))]
    if records:
        lines.append(".SH OPTIONS")
    for option, text in records:
        lines += [".TP", f"\\fB{_text(option)}\\fR", _text(text)]
    if isinstance(command, click.Group):
        lines.append(".SH COMMANDS")
        for verb in command.list_commands(ctx):
            part = command.get_command(ctx, verb)
            lines += [
                ".TP",
                f"\\fB{_text(name)}\\-{_text(verb)}\\fR(1)",
                _text(part.get_short_help_str(200) if part else ""),
            ]
    examples = getattr(command, "examples", "")
    if examples:
        told = "\n".join(_text(line.strip()) for line in examples.strip().splitlines())
        lines += [".SH EXAMPLES", ".nf", told, ".fi"]
    lines += [".SH SEE ALSO", "\\fBkagami\\fR(1), kagami help"]
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    """Text that troff prints as it is."""
    shown = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", shown, flags=re.M)
