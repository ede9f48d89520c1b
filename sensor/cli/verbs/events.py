"""`kagami events`: the exchanges that periodicity is scored on."""

from typing import Any

import click

from sensor.cli import filters
from sensor.cli.columns import EVENTS
from sensor.cli.command import Verb
from sensor.cli.filters import filter_option, port_option, proxy_options
from sensor.cli.options import limit_option, time_options
from sensor.cli.output import format_options
from sensor.cli.query import ask
from sensor.cli.session import Session


@click.command(
    cls=Verb,
    examples="""
        kagami events --host 10.0.0.57 --name example.com
        kagami events --kind attempt --since -24h --csv
        kagami events --method POST --uri /gate.php
        kagami events --user-agent curl --user-agent python --via-proxy
    """,
)
@filter_option("--host", filters.an_address, "ADDR", "Client's address or network.")
@filter_option(
    "--dest", filters.a_target, "WHAT", "Destination: an address, a network, or a domain with what is under it."
)
@filter_option("--name", filters.a_name, "NAME", "Destination's name, or a domain it is in.")
@port_option("Destination's port.")
@filter_option("--proto", filters.a_proto, "NAME", "tcp, udp, ..., or a number.")
@filter_option("--kind", filters.a_kind, "KIND", "connection, exchange, reply, request, query or attempt.")
@filter_option("--method", filters.a_method, "NAME", "HTTP method: GET, POST, CONNECT, ...")
@filter_option("--uri", filters.some_text, "TEXT", "A part of the HTTP request target, in any case.")
@filter_option("--app", filters.an_app, "NAME", "Its flow's application: tls, http, ...; none: not recognised.")
@filter_option("--ja3", filters.a_ja3, "HASH", "JA3 fingerprint of its flow's client.")
@filter_option("--ja4", filters.a_ja4, "HASH", "JA4 fingerprint of the client.")
@filter_option("--user-agent", filters.some_text, "TEXT", "A part of the User-Agent, in any case.")
@proxy_options
@time_options
@limit_option
@format_options
@click.pass_obj
def events(session: Session, /, **options: Any) -> None:
    """Query events, newest first: connections, exchanges inside them, requests, DNS queries, attempts.

    A filter given more than once takes any of its values; different filters must all hold.
    """
    ask(session, "events", EVENTS, **options)
