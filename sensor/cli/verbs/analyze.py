"""`kagami analyze`: score what the store holds."""

import time

import click

from sensor.cli.command import Verb
from sensor.cli.options import EXIT_FINDINGS, fail_on_option, time_options
from sensor.cli.output import format_options
from sensor.cli.results import compile_first, list_findings, say_analysis
from sensor.cli.session import Session


@click.command(
    cls=Verb,
    examples="""
        kagami analyze
        kagami analyze --since -24h --fail-on high
        kagami analyze --rolling
    """,
)
@click.option(
    "--rolling", is_flag=True, help="The last 24 hours, and now and then the last 30 days: what the service runs."
)
@time_options
@fail_on_option
@format_options
@click.pass_obj
def analyze(
    session: Session, rolling: bool, since_ns: int | None, until_ns: int | None, fail_on: str | None, form: str | None
) -> None:
    """Score what the store holds, all of it or a span of time, and list what was found.

    A capture may be writing into the store meanwhile.
    """
    if rolling and (since_ns is not None or until_ns is not None):
        raise click.UsageError("--rolling has its own spans of time")
    site = session.site()
    session.must_have_store()
    compile_first(session)
    from sensor.analysis import analyze as score

    if rolling:
        from sensor.rolling import analyze_rolling

        report = analyze_rolling(session.store_dir, site, time.time_ns())
    else:
        report = score(session.store_dir, site=site, since_ns=since_ns, until_ns=until_ns)
    say_analysis(session, report)
    if list_findings(session, report.finding_ids, form, fail_on):
        raise click.exceptions.Exit(EXIT_FINDINGS)
