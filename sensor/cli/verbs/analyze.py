"""`kagami analyze`: score what the store holds."""

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
    """,
)
@time_options
@fail_on_option
@format_options
@click.pass_obj
def analyze(
    session: Session, since_ns: int | None, until_ns: int | None, fail_on: str | None, form: str | None
) -> None:
    """Score what the store holds, all of it or a span of time, and list what was found."""
    site = session.site()
    session.must_have_store()
    compile_first(session)
    from sensor.analysis import analyze as score

    report = score(session.store_dir, site=site, since_ns=since_ns, until_ns=until_ns)
    say_analysis(session, report)
    if list_findings(session, report.finding_ids, form, fail_on):
        raise click.exceptions.Exit(EXIT_FINDINGS)
