"""`kagami hosts`: what each of one's own hosts is, and which were up at a time."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import click

from sensor.cli import filters
from sensor.cli.columns import HOSTS
from sensor.cli.command import Verb
from sensor.cli.filters import filter_option
from sensor.cli.options import limit_option, time_options
from sensor.cli.output import emit, format_options, row_limit
from sensor.cli.session import Session
from sensor.errors import UsageError
from sensor.workdays import NS, Calendar

AWAY = "away"


@click.command(
    cls=Verb,
    examples="""
        kagami hosts
        kagami hosts --role file --role directory
        kagami --site site.toml hosts --during 2026-12-29..2027-01-04
        kagami --site site.toml hosts --during away --since 2026-12-28
    """,
)
@filter_option("--host", filters.an_address, "ADDR", "Address or network.")
@filter_option("--role", filters.some_text, "ROLE", "directory, file, proxy, ...; also where it is guessed.")
@click.option(
    "--during", metavar="WHEN", help="Only hosts that were up then: a date, two dates A..B, or away (nobody at work)."
)
@time_options
@limit_option
@format_options
@click.pass_obj
def hosts(session: Session, /, **options: Any) -> None:
    """List the hosts inside: names, roles, services, proxies, and the share of connections that went out directly.

    Dates of --during are days in the time zone of the site's calendar.
    """
    from sensor.store.match import parse_target
    from sensor.survey import survey

    site = session.site()
    span = (options["since_ns"], options["until_ns"])
    with session.open_store() as store:
        during = _during(options["during"], site.calendar, store.health())
        found = survey(store, site, span, during)
    session.say(f"proxy mode {found.mode.word}: {found.mode.why}")
    targets = [parse_target(text) for text in options["host"]]
    roles = {role.rstrip("?") for role in options["role"]}
    rows = [
        row
        for row in found.hosts.values()
        if (not targets or any(target.matches_address(row["ip"]) for target in targets))
        and (not roles or row["role"].rstrip("?") in roles)
    ]
    limit = row_limit(options["form"], options["limit"])
    emit(session, rows[:limit], len(rows), HOSTS, options["form"], limit)


def _during(text: str | None, calendar: Calendar | None, health: dict[str, Any]) -> list[tuple[int, int]] | None:
    """The spans of --during, nanoseconds."""
    if text is None:
        return None
    if text == AWAY:
        if calendar is None:
            raise UsageError("--during away needs [calendar] in the site file: it says when nobody works")
        if health["first_ts"] is None:
            return []
        return list(calendar.closed_spans(health["first_ts"], health["last_ts"]))
    try:
        first, _, last = text.partition("..")
        days = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError as error:
        allowed = "allowed: a date such as 2026-12-31, two dates 2026-12-29..2027-01-04, or away"
        raise UsageError(f"--during {text!r}; {allowed}") from error
    zone = ZoneInfo(calendar.time_zone if calendar else "UTC")
    start, stop = (
        int(datetime.combine(day, time(), zone).timestamp()) * NS for day in (days[0], days[1] + timedelta(days=1))
    )
    if start >= stop:
        raise UsageError(f"--during {text!r} ends before it begins")
    return [(start, stop)]
