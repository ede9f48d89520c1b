"""`kagami findings`: the list of findings."""

from typing import TYPE_CHECKING, Any

import click

from analyzers.finding import SEVERITIES
from sensor.cli.columns import FINDINGS
from sensor.cli.command import Verb
from sensor.cli.human import plural
from sensor.cli.options import EXIT_FINDINGS, fail_on_option, fails, limit_option, time_options
from sensor.cli.output import emit, format_options, row_limit
from sensor.cli.session import Session
from sensor.store.schema import FINDING_STATES

if TYPE_CHECKING:
    from sensor.store.store import Store


@click.command(
    cls=Verb,
    examples="""
        kagami findings
        kagami findings --analyzer beacon --min-score 0.8
        kagami findings --dest example.com --json
        kagami findings --since -24h --fail-on high
        kagami findings --format rita-csv
    """,
)
@click.option("--analyzer", metavar="NAME", help="beacon, bypass, ...")
@click.option("--min-score", type=click.FloatRange(0, 1), metavar="SCORE", help="At or above it, 0 to 1.")
@click.option("--host", metavar="ADDR", help="Client's address or network.")
@click.option("--dest", metavar="WHAT", help="Destination: an address, a network, or a domain with what is under it.")
@click.option("--state", type=click.Choice(FINDING_STATES), help="Where a person stands with it.")
@time_options
@limit_option
@fail_on_option
@click.option(
    "--format",
    "layout",
    type=click.Choice(["rita-csv"]),
    help="rita-csv: RITA v5's table, a row a host and destination.",
)
@format_options
@click.pass_obj
def findings(
    session: Session,
    analyzer: str | None,
    min_score: float | None,
    host: str | None,
    dest: str | None,
    state: str | None,
    since_ns: int | None,
    until_ns: int | None,
    limit: int | None,
    fail_on: str | None,
    layout: str | None,
    form: str | None,
) -> None:
    """List findings, the highest score first."""
    from sensor.store import findings as questions

    if layout and form:
        raise click.UsageError(f"choose one of --format {layout} and --{form}")
    with session.open_store() as store:
        rows, total = questions.findings(
            store,
            analyzer=analyzer,
            min_score=min_score,
            host=host,
            dest=dest,
            state=state,
            since_ns=since_ns,
            until_ns=until_ns,
        )
        if layout:
            _emit_rita(session, store, rows, limit)
    if not layout:
        limit = row_limit(form, limit)
        emit(session, rows[:limit], total, FINDINGS, form, limit)
    if fails(rows, fail_on):
        raise click.exceptions.Exit(EXIT_FINDINGS)


def _emit_rita(session: Session, store: "Store", rows: list[dict[str, Any]], limit: int | None) -> None:
    """Write RITA's table; say what has no place in it."""
    from itertools import islice

    from sensor.cli import formats
    from sensor.response import rita
    from sensor.response.rita_facts import history_of

    groups = dict(islice(rita.grouped(rows).items(), limit or None))
    spans = ((*key, min(f["first_ts"] for f in same), max(f["last_ts"] for f in same)) for key, same in groups.items())
    table = rita.rows(groups, history_of(store, spans), SEVERITIES)
    session.write(formats.rita_csv(table, rita.COLUMNS, rita.QUOTED))
    if n_left := sum(row["analyzer"] not in rita.ANALYZERS for row in rows):
        session.say(f"left out, since RITA has no column for their analyzer: {plural(n_left, 'finding')}")
