"""`kagami hunt`: was this ever contacted, by whom, and since when."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sensor.cli.columns import HITS, Row
from sensor.cli.command import Verb
from sensor.cli.human import human_count, plural
from sensor.cli.options import limit_option, time_options
from sensor.cli.output import emit, format_options, row_limit
from sensor.cli.progress import ProgressLine
from sensor.cli.session import Session
from sensor.cli.times import short_time
from sensor.store.indicator import KINDS, Indicator, parse_indicator

if TYPE_CHECKING:
    from sensor.store.hunt import Answer, Searched
    from sensor.store.search import Hit

_MAX_DAYS_TOLD = 5
FIRST_ANSWER_AFTER_S = 1.0


@click.command(
    cls=Verb,
    examples="""
        kagami hunt 203.0.113.7 evil.example
        kagami hunt hxxp://evil[.]example/gate.php 198.51.100.0/24
        kagami hunt ua:Havana/0.1 ja3:6734f37431670b3ab4292b8f60f29984
        kagami hunt -f advisory.stix.json --json
        kagami hunt -f iocs.csv --since 90d
    """,
)
@click.argument("values", metavar="[VALUE]...", nargs=-1)
@click.option(
    "-f", "--file", "files", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE", help="Indicators of a file: lines, CSV, Zeek Intel, STIX 2.1 or MISP; may be repeated.",
)  # fmt: skip
@click.option("--kind", type=click.Choice(KINDS), help="What the values are, where that cannot be seen.")
@time_options
@limit_option
@format_options
@click.pass_obj
def hunt(
    session: Session,
    values: tuple[str, ...],
    files: tuple[Path, ...],
    kind: str | None,
    since_ns: int | None,
    until_ns: int | None,
    limit: int | None,
    form: str | None,
) -> None:
    """Look for addresses, networks, domains, URLs, fingerprints, user agents and certificates in all kept history.

    A domain stands for everything under it. A hash of 32 digits is looked for as JA3, JA3S and HASSH, one of 64 as the
    SHA-256 of a certificate; a user agent is ua:TEXT. Values made harmless (hxxp, [.]) are understood.
    """
    from sensor.store.hunt import hunt as search

    indicators = indicators_of(session, values, files, kind)
    with session.open_store() as store, ProgressLine(session, FIRST_ANSWER_AFTER_S) as line:
        answer = search(
            store,
            indicators,
            since_ns=since_ns,
            until_ns=until_ns,
            progress=lambda searched: line.show(_met_so_far(searched)),
        )
    rows = [hit_row(hit) for hit in answer.hits]
    limit = row_limit(form, limit)
    emit(session, rows[:limit], len(rows), HITS, form, limit)
    _say_what_was_searched(session, indicators, answer)


def indicators_of(session: Session, values: Sequence[str], files: Sequence[Path], kind: str | None) -> list[Indicator]:
    """What is asked for on the command line and in files; what was skipped is said.

    Raises: UsageError for a value that is no indicator, and for none at all.
    """
    from sensor.response.intel import read_intel

    found = [parse_indicator(value, kind or "") for value in values]
    for file in files:
        intel = read_intel(file)
        found += intel.indicators
        if intel.skipped:
            skipped = "1 entry" if intel.skipped == 1 else f"{human_count(intel.skipped)} entries"
            session.say(f"{file}: {skipped} skipped, of kinds that no packet shows or that could not be read")
    if not found:
        raise click.UsageError("name a value to look for, or a file with -f")
    return list(dict.fromkeys(found))


def _met_so_far(searched: "Searched") -> str:
    """The first answer, while the rest of history is searched: `met by 2 hosts, last 10.0.0.57 (2026-11-22 ...)`."""
    met = "met by no host"
    if searched.hits:
        last = max(searched.hits, key=lambda hit: hit.last_ts)
        hosts = plural(len({hit.orig_ip for hit in searched.hits}), "host")
        met = f"met by {hosts}, last {last.orig_ip} ({last.indicator.value} {last.how} {short_time(last.last_ts)} UTC)"
    return f"{met}; {searched.days:,} of {plural(searched.all_days, 'day')} searched, back to {searched.day}"


def hit_row(hit: "Hit") -> Row:
    """A hit as a row, in the fields of columns.HITS."""
    return {
        "indicator": hit.indicator.value,
        "kind": hit.indicator.kind,
        "how": hit.how,
        "orig_ip": hit.orig_ip,
        "dests": sorted(hit.dests),
        "resp_ips": sorted(hit.resp_ips),
        "resp_ports": sorted(hit.ports),
        "via_proxy": hit.via_proxy,
        "first_ts": hit.first_ts,
        "last_ts": hit.last_ts,
        "events": hit.events,
        "orig_bytes": hit.orig_bytes,
        "resp_bytes": hit.resp_bytes,
        "origin": hit.indicator.origin,
        "reason": hit.indicator.reason,
    }


def _say_what_was_searched(session: Session, indicators: Sequence[Indicator], answer: "Answer") -> None:
    n_met = len({hit.indicator for hit in answer.hits})
    days = answer.days
    span = f"{plural(len(days), 'day')} of history" + (f", {days[0]} to {days[-1]}" if days else "")
    session.say(f"{human_count(n_met)} of {plural(len(indicators), 'indicator')} met in {span}")
    for found, words in (
        (answer.unreadable, "could not be read in full"),
        (answer.absent, "not kept, or nothing seen"),
    ):
        if found:
            told = ", ".join(found[:_MAX_DAYS_TOLD]) + (", ..." if len(found) > _MAX_DAYS_TOLD else "")
            session.say(f"not searched: {plural(len(found), 'day')} ({words}): {told}")
