"""`kagami timeline`: one host's day in order."""

import click

from sensor.cli.columns import TIMELINE
from sensor.cli.command import Verb
from sensor.cli.filters import Checked, a_host
from sensor.cli.options import limit_option, time_options
from sensor.cli.output import emit, format_options, row_limit
from sensor.cli.session import Session
from sensor.cli.times import DAY_NS, short_time


@click.command(
    cls=Verb,
    examples="""
        kagami timeline 10.0.0.57
        kagami timeline 10.0.0.57 --since 2026-11-22T08:00 --until 2026-11-22T12:00
        kagami timeline 10.0.0.57 --since 2026-11-22 --csv
    """,
)
@click.argument("host", metavar="HOST", type=Checked(a_host))
@time_options
@limit_option
@format_options
@click.pass_obj
def timeline(
    session: Session, host: str, since_ns: int | None, until_ns: int | None, limit: int | None, form: str | None
) -> None:
    """Show what one host did, in order: lookups, connections, requests, attempts, and where findings begin.

    The same thing going on is one row with its count. Without --since it is the day, UTC, on which the host was last
    seen; with --since alone the day that begins then.
    """
    from sensor.store.host_day import last_day
    from sensor.store.host_day import timeline as in_order

    with session.open_store() as store:
        if since_ns is None:
            span = last_day(store, host) if until_ns is None else (until_ns - DAY_NS, until_ns)
        else:
            span = (since_ns, since_ns + DAY_NS if until_ns is None else until_ns)
        rows = [] if span is None else in_order(store, host, *span)
    limit = row_limit(form, limit)
    emit(session, rows[:limit], len(rows), TIMELINE, form, limit)
    if span is not None:
        session.say(f"{short_time(span[0])} to {short_time(span[1])} UTC")
