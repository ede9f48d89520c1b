"""`kagami flows`: the flow history."""

import click

from sensor.cli.columns import FLOWS
from sensor.cli.command import Verb
from sensor.cli.options import limit_option, time_options
from sensor.cli.output import emit, format_options, row_limit
from sensor.cli.session import Session


@click.command(
    cls=Verb,
    examples="""
        kagami flows --host 10.0.0.57 --since -24h
        kagami flows --dest example.com --json
        kagami flows --dest 198.51.100.0/24 --state S0
    """,
)
@click.option("--host", metavar="ADDR", help="Address or network at either end.")
@click.option("--dest", metavar="WHAT", help="Responder: an address, a network, or a domain with what is under it.")
@click.option("--port", type=click.IntRange(0, 65535), metavar="N", help="Responder's port.")
@click.option("--proto", metavar="NAME", help="tcp, udp, icmp, ...")
@click.option("--state", metavar="STATE", help="Zeek's connection state: S0, SF, REJ, RSTO, ...")
@time_options
@limit_option
@format_options
@click.pass_obj
def flows(
    session: Session,
    host: str | None,
    dest: str | None,
    port: int | None,
    proto: str | None,
    state: str | None,
    since_ns: int | None,
    until_ns: int | None,
    limit: int | None,
    form: str | None,
) -> None:
    """Query the flow history, newest first."""
    from sensor.store import questions

    limit = row_limit(form, limit)
    with session.open_store() as store:
        rows, total = questions.flows(
            store,
            host=host,
            dest=dest,
            port=port,
            proto=proto,
            state=state,
            since_ns=since_ns,
            until_ns=until_ns,
            limit=limit,
        )
        emit(session, rows, total, FLOWS, form, limit)
