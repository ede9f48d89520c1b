"""`kagami findings`: the list of findings."""

import click

from sensor.cli.columns import FINDINGS
from sensor.cli.command import Verb
from sensor.cli.options import EXIT_FINDINGS, fail_on_option, fails, limit_option, time_options
from sensor.cli.output import emit, format_options, row_limit
from sensor.cli.session import Session
from sensor.store.schema import FINDING_STATES


@click.command(
    cls=Verb,
    examples="""
        kagami findings
        kagami findings --analyzer beacon --min-score 0.8
        kagami findings --dest example.com --json
        kagami findings --since -24h --fail-on high
    """,
)
@click.option("--analyzer", metavar="NAME", help="beacon, bypass, ...")
@click.option("--min-score", type=click.FloatRange(0, 1), metavar="SCORE", help="At or above it, 0 to 1.")
@click.option("--host", metavar="ADDR", help="Client's address or network.")
@click.option("--dest", metavar="WHAT", help="Destination: an address, a network, or a domain with what is under it.")
@click.option("--state", type=click.Choice(FINDING_STATES), help="Where a person stands with it.")
@click.option("--all", "with_allowed", is_flag=True, help="Also those that allow entries cover.")
@time_options
@limit_option
@fail_on_option
@format_options
@click.pass_obj
def findings(
    session: Session,
    analyzer: str | None,
    min_score: float | None,
    host: str | None,
    dest: str | None,
    state: str | None,
    with_allowed: bool,
    since_ns: int | None,
    until_ns: int | None,
    limit: int | None,
    fail_on: str | None,
    form: str | None,
) -> None:
    """List findings, the highest score first; without those that allow entries cover."""
    from sensor.store import findings as questions

    with session.open_store() as store:
        matching, _ = questions.findings(
            store,
            analyzer=analyzer,
            min_score=min_score,
            host=host,
            dest=dest,
            state=state,
            since_ns=since_ns,
            until_ns=until_ns,
        )
    rows = [row for row in matching if with_allowed or row["allowed_by"] is None]
    limit = row_limit(form, limit)
    emit(session, rows[:limit], len(rows), FINDINGS, form, limit)
    if n_hidden := len(matching) - len(rows):
        session.say(f"{n_hidden:,} hidden by allow entries; --all shows them")
    if fails(rows, fail_on):
        raise click.exceptions.Exit(EXIT_FINDINGS)
