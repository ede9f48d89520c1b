"""`kagami dns`: DNS questions and answers."""

from typing import Any

import click

from sensor.cli.columns import DNS
from sensor.cli.command import Verb
from sensor.cli.options import limit_option, time_options
from sensor.cli.output import format_options
from sensor.cli.query import ask
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
def dns(session: Session, /, **options: Any) -> None:
    """Query DNS questions and answers, newest first."""
    ask(session, "dns", DNS, **options)
