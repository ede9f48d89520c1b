"""`kagami report`: a window of time as one page."""

import sys
import time
from pathlib import Path

import click

from analyzers.finding import SEVERITIES, SEVERITY_FROM
from sensor.cli.command import Verb
from sensor.cli.human import plural
from sensor.cli.options import time_options
from sensor.cli.session import Session, is_terminal


@click.command(
    cls=Verb,
    examples="""
        kagami report -o report.html
        kagami report --lang ja --since -7d -o report.html
        kagami report --format md --min-severity high > report.md
    """,
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the page to this file.")
@click.option(
    "--format", "form", type=click.Choice(["html", "md"]), default="html", show_default=True, help="Of the page."
)
@click.option("--lang", type=click.Choice(["en", "ja"]), default="en", show_default=True, help="Language of the page.")
@click.option(
    "--min-severity", type=click.Choice(SEVERITIES), default="low", show_default=True, help="Findings at or above it."
)
@click.option(
    "--details", type=click.IntRange(min=0), default=20, show_default=True, metavar="N",
    help="Findings that are shown with all around them.",
)  # fmt: skip
@time_options
@click.pass_obj
def report(
    session: Session,
    output: Path | None,
    form: str,
    lang: str,
    min_severity: str,
    details: int,
    since_ns: int | None,
    until_ns: int | None,
) -> None:
    """Write one self-contained page: summary, findings with pictures, hosts, blocked attempts, health, blind spots.

    The page has no script and fetches nothing; it prints well. Destinations are written harmless ([.]).
    """
    from sensor.cli.report import html, markdown
    from sensor.response.files import write_atomically
    from sensor.response.summary import summarize

    if output is None and is_terminal(sys.stdout):
        raise click.UsageError("name a file with -o, or send standard output somewhere")
    now_ns = time.time_ns()
    min_score = SEVERITY_FROM[SEVERITIES.index(min_severity)]
    with session.open_store() as store:
        summary = summarize(store, since_ns, until_ns, min_score=min_score, most=details, now_ns=now_ns)
    text = (html if form == "html" else markdown).page(summary, lang, now_ns)
    if output is None:
        session.write_text(text)
    else:
        write_atomically(output, text)
        session.say(f"wrote {output}: {plural(len(summary.findings), 'finding')}")
