"""`kagami dns`: DNS questions and answers."""

from typing import Any

import click

from sensor.cli import filters
from sensor.cli.columns import DNS
from sensor.cli.command import Verb
from sensor.cli.filters import filter_option
from sensor.cli.options import limit_option, time_options
from sensor.cli.output import format_options
from sensor.cli.query import ask
from sensor.cli.session import Session


@click.command(
    cls=Verb,
    examples="""
        kagami dns --host 10.0.0.57
        kagami dns --name example.com --qtype TXT --qtype NULL
        kagami dns --answer 198.51.100.0/24 --json
        kagami dns --rcode NXDOMAIN --since -24h
    """,
)
@filter_option("--host", filters.an_address, "ADDR", "Address or network of the client that asked.")
@filter_option(
    "--dest", filters.a_target, "WHAT", "A name asked for or a domain it is in; an address or network answered."
)
@filter_option("--name", filters.a_name, "NAME", "Name asked for, or a domain it is in.")
@filter_option("--answer", filters.a_target, "WHAT", "Among the answers: an address, a network, or a domain.")
@filter_option("--qtype", filters.a_qtype, "TYPE", "A, AAAA, TXT, ..., or a number.")
@filter_option("--rcode", filters.an_rcode, "CODE", "NOERROR, NXDOMAIN, ...; none: unanswered.")
@filter_option("--app", filters.a_dns_app, "NAME", "How it was asked: dns, mdns, llmnr or nbns.")
@time_options
@limit_option
@format_options
@click.pass_obj
def dns(session: Session, /, **options: Any) -> None:
    """Query DNS questions and answers, newest first.

    A filter given more than once takes any of its values; different filters must all hold.
    """
    ask(session, "dns", DNS, **options)
