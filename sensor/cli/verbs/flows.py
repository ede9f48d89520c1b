"""`kagami flows`: the flow history."""

from typing import Any

import click

from sensor.cli.columns import FLOWS
from sensor.cli.command import Verb
from sensor.cli.options import limit_option, time_options
from sensor.cli.output import format_options
from sensor.cli.query import ask
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
def flows(session: Session, /, **options: Any) -> None:
    """Query the flow history, newest first."""
    ask(session, "flows", FLOWS, **options)
