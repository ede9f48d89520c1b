"""`kagami blocklist`: what the findings say should be blocked."""

from pathlib import Path

import click

from analyzers.finding import SEVERITIES
from sensor.cli.command import Verb
from sensor.cli.human import plural
from sensor.cli.session import Session


@click.command(
    cls=Verb,
    examples="""
        kagami blocklist
        kagami blocklist --min-severity medium -o block.txt
    """,
)
@click.option("--format", "list_format", type=click.Choice(["plain"]), default="plain", help="plain: one value a line.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the list to this file.")
@click.option(
    "--min-severity", type=click.Choice(SEVERITIES), default="high", help="Findings at or above it [default: high]."
)
@click.option("--force", is_flag=True, help="List also addresses that serve other names besides.")
@click.pass_obj
def blocklist(session: Session, list_format: str, output: Path | None, min_severity: str, force: bool) -> None:
    """Preview a blocklist of what the findings point at, or write it with -o.

    Never listed: internal, loopback, link-local, multicast and reserved addresses, proxies, resolvers, public
    suffixes, and what is no address or plain domain name. What is held back is said with its reason.
    """
    from sensor.response.blocklist import addresses_of, build, plain, wanted, write_atomically
    from sensor.response.seen import seen_at
    from sensor.store import findings as questions

    site = session.site()
    lowest = SEVERITIES.index(min_severity)
    with session.open_store() as store:
        rows = wanted(questions.findings(store)[0])
        rows = [row for row in rows if SEVERITIES.index(row["severity"]) >= lowest]
        chosen = build(rows, site, seen_at(store, addresses_of(rows)), force_shared=force)
    for held in chosen.held:
        session.say(f"held back {held.value} (finding {held.finding_id}): {held.reason}")
    text = plain(chosen.entries)
    entries = "1 entry" if len(chosen.entries) == 1 else f"{len(chosen.entries):,} entries"
    summary = f"{entries} from {plural(len(rows), 'finding')}, {len(chosen.held):,} held back"
    if output is None:
        session.write_text(text)
        session.say(f"{summary} (preview; -o FILE writes it)")
    else:
        write_atomically(output, text)
        session.say(f"{summary}; wrote {output}")
