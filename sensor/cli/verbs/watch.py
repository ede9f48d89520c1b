"""`kagami watch`: live capture from a mirror port."""

import signal

import click

from sensor.cli.command import Verb
from sensor.cli.journal import journal
from sensor.cli.results import compile_first
from sensor.cli.session import Session


@click.command(
    cls=Verb,
    examples="""
        kagami watch -i eth1
        kagami watch -i eth1 --filter "not port 9100" --workers 2
        kagami watch -i eth0 --outgoing
    """,
)
@click.option("-i", "--interface", required=True, metavar="IFACE", help="The interface that the mirror port feeds.")
@click.option(
    "--filter",
    "expression",
    metavar="BPF",
    help="Only packets that match, as in tcpdump [default: the site file's, else all].",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1, max=64),
    metavar="N",
    help="Threads that share the connections [default: the site file's, else 1].",
)
@click.option(
    "--metrics",
    type=click.IntRange(min=1, max=65535),
    metavar="PORT",
    help="Serve counts to Prometheus at http://127.0.0.1:PORT/metrics.",
)
@click.option("--outgoing", is_flag=True, help="Count what this machine sends too: for its own interface, no mirror.")
@click.pass_obj
def watch(
    session: Session, interface: str, expression: str | None, workers: int | None, metrics: int | None, outgoing: bool
) -> None:
    """Capture from an interface into the store until stopped (Ctrl-C, SIGTERM); the last rows are written then.

    It needs the capability CAP_NET_RAW and nothing else. SIGHUP reads the site file again. `kagami status` says how it
    does, `kagami analyze` scores what it stored; both may run at the same time.
    """
    session.site()  # before the kernels: a wrong file is told at once
    compile_first(session)
    from sensor.live.watch import Plan
    from sensor.live.watch import watch as capture
    from sensor.warmup import compile_rest

    compile_rest()  # loads the cached kernels, so that no packet waits for one
    plan = Plan(interface, expression, workers, outgoing, metrics)
    if capture(session.store_dir, plan, session.site, journal) == signal.SIGINT:
        raise KeyboardInterrupt
