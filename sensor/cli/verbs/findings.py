"""`kagami findings`: the list of findings."""

import sys
from typing import TYPE_CHECKING, Any

import click

from analyzers.finding import SEVERITIES
from sensor.cli.clean import clean
from sensor.cli.columns import FINDING_GROUPS, FINDINGS, SPARK_SLOTS, Row
from sensor.cli.command import Verb
from sensor.cli.human import plural
from sensor.cli.options import EXIT_FINDINGS, fail_on_option, fails, limit_option, time_options
from sensor.cli.output import emit, format_options, row_limit
from sensor.cli.session import Session, is_terminal
from sensor.cli.times import short_time
from sensor.store.groups import GROUPS
from sensor.store.schema import FINDING_STATES

if TYPE_CHECKING:
    from sensor.cli.follow import Ask
    from sensor.store.store import Store

RITA = "rita-csv"
EXPORT_NAMES = ("ecs", "ocsf", "cef", "eve")
"""sensor.cli.exports.EXPORTS has them too; importing that would slow down --help."""

MAX_LINE_CHARS = 500


@click.command(
    cls=Verb,
    examples="""
        kagami findings
        kagami findings --analyzer beacon --min-score 0.8
        kagami findings --dest example.com --json
        kagami findings --since -24h --fail-on high
        kagami findings --format rita-csv
        kagami findings --by domain
        kagami findings --format ecs
        kagami findings --follow --min-score 0.8
    """,
)
@click.option("--analyzer", metavar="NAME", help="beacon, bypass, ...")
@click.option("--min-score", type=click.FloatRange(0, 1), metavar="SCORE", help="At or above it, 0 to 1.")
@click.option("--host", metavar="ADDR", help="Client's address or network.")
@click.option("--dest", metavar="WHAT", help="Destination: an address, a network, or a domain with what is under it.")
@click.option("--state", type=click.Choice(FINDING_STATES), help="Where a person stands with it.")
@click.option("--all", "with_allowed", is_flag=True, help="Also those that allow entries cover.")
@click.option("--by", type=click.Choice(GROUPS), help="Group them: by host, destination or registered domain.")
@click.option("--follow", is_flag=True, help="Go on and list what is new or changed, until interrupted.")
@click.option(
    "--format",
    "export",
    type=click.Choice([*EXPORT_NAMES, RITA]),
    help="For another system, one record a line; rita-csv: RITA v5's table, a row a host and destination.",
)
@time_options
@limit_option
@fail_on_option
@format_options
@click.pass_obj
def findings(
    session: Session,
    /,
    with_allowed: bool,
    by: str | None,
    follow: bool,
    export: str | None,
    limit: int | None,
    fail_on: str | None,
    form: str | None,
    **filters: Any,
) -> None:
    """List findings, the highest score first; without those that allow entries cover."""
    from sensor.store import findings as questions
    from sensor.store.groups import grouped, shapes

    if export is not None and (form is not None or by is not None):
        raise click.UsageError("--format stands alone: neither --by nor --json, --ndjson or --csv go with it")
    if follow and (by is not None or export == RITA or form in ("json", "csv") or fail_on is not None):
        raise click.UsageError("--follow goes with --ndjson or --format, not with --by, --json, --csv or --fail-on")
    with session.open_store() as store:

        def matching() -> list[Row]:
            return list(questions.findings(store, **filters)[0])

        def shown(rows: list[Row]) -> list[Row]:
            return [row for row in rows if with_allowed or row["allowed_by"] is None]

        if follow:
            _follow(session, lambda: shown(matching()), export, form)
            return
        every = matching()
        rows = shown(every)
        if export == RITA:
            _emit_rita(session, store, rows, limit)
        if by is None and export is None and form is None and is_terminal(sys.stdout):
            seen = shapes(store, rows, SPARK_SLOTS)
            rows = [{**row, **seen.get(row["id"], {})} for row in rows]
    listed: list[Row] = rows if by is None else list(grouped(rows, by))
    limit = None if export is not None and limit is None else row_limit(form, limit)
    if export in EXPORT_NAMES:
        from sensor.cli.exports import records

        session.write(records(export, listed[:limit]))
    elif export is None:
        emit(session, listed[:limit], len(listed), FINDINGS if by is None else FINDING_GROUPS, form, limit)
    if n_hidden := len(every) - len(rows):
        session.say(f"{n_hidden:,} hidden by allow entries; --all shows them")
    if fails(rows, fail_on):
        raise click.exceptions.Exit(EXIT_FINDINGS)


def _emit_rita(session: Session, store: "Store", rows: list[Row], limit: int | None) -> None:
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


def _follow(session: Session, ask: "Ask", export: str | None, form: str | None) -> None:
    """Write each new or changed finding as it comes: a line of its own, so that other programs can read along."""
    from sensor.cli import formats
    from sensor.cli.exports import records
    from sensor.cli.follow import changes

    session.say("following; interrupt to end")
    if export is not None:
        chunks = records(export, changes(ask))
    elif form == "ndjson":
        chunks = formats.lines("ndjson", changes(ask), FINDINGS.fields)
    else:
        chunks = (_line(row) for row in changes(ask))
    for chunk in chunks:
        session.write([chunk])
        if session.is_stdout_gone:
            return


def _line(row: Row) -> bytes:
    """One finding on one line for a person: 2026-... high 0.94 beacon 10.0.0.57 -> name 443/tcp (finding 1, new)."""
    words = (
        f"{short_time(row['last_ts'])} {row['severity']} {row['score']:.2f} {row['analyzer']} {row['orig_ip']} -> "
        f"{row['dest']} {row['resp_port']}/{row['proto']} (finding {row['id']}, {row['state']})"
    )
    return f"{clean(words, MAX_LINE_CHARS)}\n".encode()
