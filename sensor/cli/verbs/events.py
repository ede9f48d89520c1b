"""`kagami events`: the exchanges that periodicity is scored on."""

import click

from sensor.cli.columns import EVENTS
from sensor.cli.command import Verb
from sensor.cli.options import limit_option, time_options
from sensor.cli.output import emit, format_options, row_limit
from sensor.cli.session import Session

KINDS = ("connection", "exchange", "request", "query", "attempt")


@click.command(
    cls=Verb,
    examples="""
        kagami events --host 10.0.0.57 --dest example.com
        kagami events --kind attempt --since -24h --csv
    """,
)
@click.option("--host", metavar="ADDR", help="Client's address or network.")
@click.option("--dest", metavar="WHAT", help="Destination: an address, a network, or a domain with what is under it.")
@click.option("--port", type=click.IntRange(0, 65535), metavar="N", help="Destination's port.")
@click.option("--proto", metavar="NAME", help="tcp, udp, ...")
@click.option("--kind", type=click.Choice(KINDS), help="What happened.")
@time_options
@limit_option
@format_options
@click.pass_obj
def events(
    session: Session,
    host: str | None,
    dest: str | None,
    port: int | None,
    proto: str | None,
    kind: str | None,
    since_ns: int | None,
    until_ns: int | None,
    limit: int | None,
    form: str | None,
) -> None:
    """Query events, newest first: connections, exchanges inside them, requests, DNS queries, attempts."""
    from sensor.store import questions

    limit = row_limit(form, limit)
    with session.open_store() as store:
        rows, total = questions.events(
            store,
            host=host,
            dest=dest,
            port=port,
            proto=proto,
            kind=kind,
            since_ns=since_ns,
            until_ns=until_ns,
            limit=limit,
        )
        emit(session, rows, total, EVENTS, form, limit)
