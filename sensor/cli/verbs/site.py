"""`kagami site`: write a site file from what the store has seen, or check one."""

from pathlib import Path

import click

from sensor.cli.command import Verb
from sensor.cli.human import plural
from sensor.cli.session import Session
from sensor.errors import StoreError, UsageError


@click.command(
    cls=Verb,
    examples="""
        kagami site init -o site.toml
        kagami site check site.toml
        kagami --site site.toml site check
    """,
)
@click.argument("action", type=click.Choice(["init", "check"]))
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="init: write here."
)
@click.pass_obj
def site(session: Session, action: str, file: Path | None, output: Path | None) -> None:
    """Write a commented site file, filled in from what the store has seen (init), or check one (check)."""
    if action == "init":
        if file is not None:
            raise click.UsageError(
                f"init writes to standard output, or with -o FILE; {str(file)!r} is one word too many"
            )
        _init(session, output)
    else:
        if output is not None:
            raise click.UsageError("check writes no file; -o is for init")
        _check(session, file)


def _init(session: Session, output: Path | None) -> None:
    from sensor.site import load_site
    from sensor.sitefile import proposal
    from sensor.survey import survey

    found = None
    try:
        with session.open_store() as store:
            found = survey(store, load_site(None))
    except StoreError as error:
        session.say(f"{error}; the file holds no guesses")
    text = proposal(found)
    if output is None:
        session.write_text(text)
        return
    try:
        with output.open("x", encoding="utf-8") as new:
            new.write(text)
    except FileExistsError as error:
        raise UsageError(f"{output} is there already; move it away or name another file") from error
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from error
    session.say(f"wrote {output}; look at its guesses, then use it with --site {output} or KAGAMI_SITE={output}")


def _check(session: Session, file: Path | None) -> None:
    from sensor.bpf import compile_filter
    from sensor.constants import LINK_ETHERNET
    from sensor.site import load_site

    chosen = file or session.site_file
    if chosen is None:
        raise click.UsageError("name the file to check: kagami site check FILE")
    found = load_site(chosen)
    if found.filter:  # a sensor that starts with a bad one does not start
        try:
            compile_filter(found.filter, LINK_ETHERNET)
        except UsageError as error:
            raise UsageError(f"{chosen}: [capture] filter: {error}") from error
    parts = [
        plural(len(found.internal), "internal network"),
        f"{len(found.proxies)} {'proxy' if len(found.proxies) == 1 else 'proxies'}",
        plural(len(found.roles), "role"),
        plural(len(found.direct), "direct rule"),
        f"calendar {found.calendar.time_zone}" if found.calendar else "no calendar",
    ]
    session.write_text(f"{chosen}: good ({', '.join(parts)})\n")
