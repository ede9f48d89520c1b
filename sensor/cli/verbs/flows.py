"""`kagami flows`: the flow history."""

from typing import Any

import click

from sensor.cli import filters
from sensor.cli.columns import FLOWS
from sensor.cli.command import Verb
from sensor.cli.filters import filter_option, port_option, proxy_options
from sensor.cli.options import limit_option, time_options
from sensor.cli.output import format_options
from sensor.cli.query import ask
from sensor.cli.session import Session


@click.command(
    cls=Verb,
    examples="""
        kagami flows --host 10.0.0.57 --since -24h
        kagami flows --name example.com --json
        kagami flows --dest 198.51.100.0/24 --state S0 --state REJ
        kagami flows --direct --app tls --port 443 --port 8443
        kagami flows --ja4 t13d1516h2_8daaf6152771_e5627efa2ab1
    """,
)
@filter_option("--host", filters.an_address, "ADDR", "Address or network at either end.")
@filter_option(
    "--dest", filters.a_target, "WHAT", "Responder: an address, a network, or a domain with what is under it."
)
@filter_option("--name", filters.a_name, "NAME", "Responder's name or the hello's server name, or a domain it is in.")
@port_option("Responder's port.")
@filter_option("--proto", filters.a_proto, "NAME", "tcp, udp, icmp, ..., or a number.")
@filter_option("--state", filters.a_state, "STATE", "Zeek's connection state: S0, SF, REJ, RSTO, ...")
@filter_option("--app", filters.an_app, "NAME", "tls, http, ssh, ...; none: not recognised.")
@filter_option("--ja3", filters.a_ja3, "HASH", "JA3 fingerprint of the client.")
@filter_option("--ja4", filters.a_ja4, "HASH", "JA4 fingerprint of the client.")
@filter_option("--user-agent", filters.some_text, "TEXT", "A part of the User-Agent, in any case.")
@proxy_options
@time_options
@limit_option
@format_options
@click.pass_obj
def flows(session: Session, /, **options: Any) -> None:
    """Query the flow history, newest first.

    A filter given more than once takes any of its values; different filters must all hold.
    """
    ask(session, "flows", FLOWS, **options)
