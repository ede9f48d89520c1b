"""`kagami quarantine`: which of one's own hosts to isolate."""

import time
from pathlib import Path

import click

from analyzers.finding import SEVERITIES
from sensor.cli.command import Verb
from sensor.cli.human import plural
from sensor.cli.session import Session


@click.command(
    cls=Verb,
    examples="""
        kagami quarantine
        kagami quarantine --format csv --min-severity critical
        kagami quarantine --format nftables -o quarantine.nft
    """,
)
@click.option(
    "--format", "form", type=click.Choice(["plain", "nftables", "csv"]), default="plain", show_default=True,
    help="plain: an address a line; csv: with VLANs, MAC addresses, what to ask a switch, and findings.",
)  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the list to this file.")
@click.option(
    "--min-severity", type=click.Choice(SEVERITIES), default="high", help="Findings at or above it [default: high]."
)
@click.option("--force", is_flag=True, help="List also proxies, resolvers and servers of the site file.")
@click.pass_obj
def quarantine(session: Session, form: str, output: Path | None, min_severity: str, force: bool) -> None:
    """Preview the inside hosts that open findings say should be isolated, or write the list with -o.

    Proxies, resolvers and servers that the site file names are held back, and said: isolating them stops everybody.
    Hosts that look like servers are listed, and said. Nothing is applied.
    """
    from analyzers.egress import guess_roles
    from sensor.response.blocklist import wanted
    from sensor.response.files import write_atomically
    from sensor.response.quarantine import places_of, render, suspects
    from sensor.response.seen import history_of
    from sensor.store import findings as questions
    from sensor.store.egress import SERVICE_PORTS, Egress

    lowest = SEVERITIES.index(min_severity)
    with session.open_store() as store:
        rows = [row for row in wanted(questions.findings(store)[0]) if SEVERITIES.index(row["severity"]) >= lowest]
        hosts = sorted({row["orig_ip"] for row in rows})
        site = session.site()
        with Egress(store, site) as egress:
            guessed = guess_roles(egress.services(hosts), SERVICE_PORTS)
        found, held = suspects(
            rows, site, history_of(store, hosts), places_of(store, hosts), guessed=guessed, force=force
        )
    for one in held:
        session.say(f"held back {one.value} (finding {one.finding_id}): {one.reason}")
    for suspect in found:
        if suspect.service:
            session.say(f"listed {suspect.ip} (finding {suspect.finding_ids[0]}), but it {suspect.service}")
    text = render(form, found, time.time_ns())
    summary = f"{plural(len(found), 'host')} from {plural(len(rows), 'finding')}, {len(held):,} held back"
    if output is None:
        session.write_text(text)
        session.say(f"{summary} (preview; -o FILE writes it)")
    else:
        write_atomically(output, text)
        session.say(f"{summary}; wrote {output}")
