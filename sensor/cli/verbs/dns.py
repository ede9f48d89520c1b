"""`kagami dns`: DNS questions and answers."""

import click

from sensor.cli.columns import DNS
from sensor.cli.command import Verb
from sensor.cli.options import limit_option, time_options
from sensor.cli.output import emit, format_options, row_limit
from sensor.cli.session import Session


@click.command(
    cls=Verb,
    examples="""
        kagami dns --host 10.0.0.57
        kagami dns --dest example.com
        kagami dns --dest 198.51.100.23 --json
    """,
)
@click.option("--host", metavar="ADDR", help="Address or network of the client that asked.")
@click.option("--dest", metavar="WHAT", help="A name or domain asked for, or an address among the answers.")
@click.option("--qtype", metavar="TYPE", help="A, AAAA, TXT, ...")
@click.option("--rcode", metavar="CODE", help="NOERROR, NXDOMAIN, ...")
@time_options
@limit_option
@format_options
@click.pass_obj
def dns(
    session: Session,
    host: str | None,
    dest: str | None,
    qtype: str | None,
    rcode: str | None,
    since_ns: int | None,
    until_ns: int | None,
    limit: int | None,
    form: str | None,
) -> None:
    """Query DNS questions and answers, newest first."""
    from sensor.store import questions

    limit = row_limit(form, limit)
    with session.open_store() as store:
        rows, total = questions.dns(
            store,
            host=host,
            dest=dest,
            qtype=qtype,
            rcode=rcode,
            since_ns=since_ns,
            until_ns=until_ns,
            limit=limit,
        )
        emit(session, rows, total, DNS, form, limit)
