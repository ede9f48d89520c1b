"""`kagami events`: the exchanges that periodicity is scored on."""

from typing import Any

import click

from sensor.cli.columns import EVENTS
from sensor.cli.command import Verb
from sensor.cli.options import limit_option, time_options
from sensor.cli.output import format_options
from sensor.cli.query import ask
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
def events(session: Session, /, **options: Any) -> None:
    """Query events, newest first: connections, exchanges inside them, requests, DNS queries, attempts."""
    ask(session, "events", EVENTS, **options)
