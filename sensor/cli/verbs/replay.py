"""`kagami replay`: captures into the store, analyzed, the top findings listed."""

from dataclasses import replace as with_changes

import click

from sensor.cli.command import Verb
from sensor.cli.options import EXIT_FINDINGS, Gap, fail_on_option
from sensor.cli.output import format_options
from sensor.cli.results import list_findings, replay_with_words
from sensor.cli.session import Session
from sensor.errors import InputError


@click.command(
    cls=Verb,
    examples="""
        kagami replay office.pcap
        kagami replay captures/ --jobs 4
        kagami replay ring.pcap* --rotated
        tcpdump -i eth1 -w - | kagami replay -
        kagami replay lab.pcapng --internal 192.0.2.0/24 --fail-on high
        kagami replay tunnel.pcap --gap 0.2
    """,
)
@click.argument(
    "paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(exists=True, allow_dash=True, readable=False)
)
@click.option("--no-analyze", is_flag=True, help="Store only; score later with `kagami analyze`.")
@click.option(
    "--jobs", type=click.IntRange(min=1), default=1, metavar="N", help="Captures read side by side [default: 1]."
)
@click.option("--rotated", is_flag=True, help="The files of one ring (tcpdump -C, -G) are one continuing capture.")
@click.option("--internal", multiple=True, metavar="CIDR", help="Internal networks for this run; may be repeated.")
@click.option(
    "--gap",
    type=Gap(),
    metavar="SECONDS",
    help="Silence that separates two exchanges of a connection [default: the site file's, else 1].",
)
@fail_on_option
@format_options
@click.pass_obj
def replay(
    session: Session,
    paths: tuple[str, ...],
    no_analyze: bool,
    jobs: int,
    rotated: bool,
    internal: tuple[str, ...],
    gap: float | None,
    fail_on: str | None,
    form: str | None,
) -> None:
    """Read captures into the store, analyze them, list the top findings.

    PATH is a pcap or pcapng file, also as .gz, .zst, .lz4 or .xz, a directory of them, or - for a stream on standard
    input. A file that the store has already changes nothing.
    """
    if no_analyze and fail_on:
        raise click.UsageError("--fail-on needs the analysis that --no-analyze leaves out")
    site = session.site(internal)
    report = replay_with_words(
        session,
        paths,
        session.store_dir,
        site if gap is None else with_changes(site, exchange_gap_s=gap),
        rotated=rotated,
        jobs=jobs,
        with_analysis=not no_analyze,
    )
    if gap is not None and any(source.skipped for source in report.sources):
        session.say("--gap changes nothing about what was in the store already")
    if report.analysis is not None and list_findings(session, report.analysis.finding_ids, form, fail_on):
        raise click.exceptions.Exit(EXIT_FINDINGS)
    if report.incomplete:
        raise click.exceptions.Exit(InputError.exit_code)
