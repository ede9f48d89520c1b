"""`kagami watchlist`: indicators under watch."""

import time
from pathlib import Path

import click

from sensor.cli.columns import WATCHES
from sensor.cli.command import Family, Verb
from sensor.cli.human import human_count, plural
from sensor.cli.options import limit_option
from sensor.cli.output import emit, format_options, row_limit
from sensor.cli.people import Until, who_option
from sensor.cli.session import Session
from sensor.cli.verbs.hunt import indicators_of
from sensor.store.indicator import KINDS


@click.group(
    cls=Family,
    examples="""
        kagami watchlist add evil.example --reason "advisory of 25 November"
        kagami watchlist add -f advisory.stix.json --expires 180d
        kagami watchlist list
        kagami watchlist remove 1
    """,
)
def watchlist() -> None:
    """Keep indicators under watch: a contact with one becomes a finding at the next analysis.

    What is in the history already is for `kagami hunt`; an analysis of all of it finds it too.
    """


@watchlist.command(
    cls=Verb,
    examples="""
        kagami watchlist add evil.example 203.0.113.7 --reason "advisory of 25 November"
        kagami watchlist add -f advisory.stix.json --expires 180d
        kagami watchlist add ua:Havana/0.1 --expires never
    """,
)
@click.argument("values", metavar="[VALUE]...", nargs=-1)
@click.option(
    "-f", "--file", "files", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE", help="Indicators of a file, as in `kagami hunt`; may be repeated.",
)  # fmt: skip
@click.option("--kind", type=click.Choice(KINDS), help="What the values are, where that cannot be seen.")
@click.option("--reason", default="", metavar="TEXT", help="What is known of the values.")
@click.option(
    "--expires", "expires_ts", type=Until(), default="180d", show_default=True, metavar="WHEN",
    help="Until then: 30d, a date, or never.",
)  # fmt: skip
@who_option
@click.pass_obj
def add(
    session: Session,
    values: tuple[str, ...],
    files: tuple[Path, ...],
    kind: str | None,
    reason: str,
    expires_ts: int | None,
    who: str,
) -> None:
    """Put indicators under watch; those that are there already get the new words and expiry."""
    from dataclasses import replace

    from sensor.store.watch import watch

    found = indicators_of(session, values, files, kind)
    indicators = [replace(one, reason=reason) if reason else one for one in found]
    with session.open_desk() as store:
        n_new = watch(store, indicators, who=who, made_ts=time.time_ns(), expires_ts=expires_ts)
    session.say(f"{plural(len(indicators), 'indicator')} under watch, {human_count(n_new)} of them new")


@watchlist.command(cls=Verb, name="list", examples="kagami watchlist list\nkagami watchlist list --csv")
@limit_option
@format_options
@click.pass_obj
def list_(session: Session, limit: int | None, form: str | None) -> None:
    """List the indicators under watch, also expired ones, the oldest first."""
    from sensor.store.watch import watch_entries

    with session.open_store() as store:
        rows = watch_entries(store)
    limit = row_limit(form, limit)
    emit(session, rows[:limit], len(rows), WATCHES, form, limit)


@watchlist.command(cls=Verb, examples="kagami watchlist remove 1 2")
@click.argument("entry_ids", metavar="ID...", type=int, nargs=-1, required=True)
@click.pass_obj
def remove(session: Session, entry_ids: tuple[int, ...]) -> None:
    """Take indicators off the watch list; findings that they made stay."""
    from sensor.store.watch import unwatch

    with session.open_desk() as store:
        unwatch(store, entry_ids)
    session.say(f"{plural(len(entry_ids), 'indicator')} removed")
