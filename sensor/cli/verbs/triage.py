"""`kagami triage`: where a person stands with findings."""

import time

import click

from sensor.cli.command import Verb
from sensor.cli.people import who_option
from sensor.cli.session import Session
from sensor.store.schema import FINDING_STATES


@click.command(
    cls=Verb,
    examples="""
        kagami triage 1 investigating
        kagami triage 1 confirmed --note "implant found, host rebuilt on Monday"
        kagami triage 4 5 6 false-positive --note "backup agent, asked its owner"
    """,
)
@click.argument("finding_ids", metavar="ID...", type=int, nargs=-1, required=True)
@click.argument("state", metavar="STATE", type=click.Choice(FINDING_STATES))
@click.option("--note", default="", metavar="TEXT", help="Why; without it, what was noted before stands.")
@who_option
@click.pass_obj
def triage(session: Session, finding_ids: tuple[int, ...], state: str, note: str, who: str) -> None:
    """Say where you stand with findings: new, investigating, confirmed, false-positive or resolved.

    Who said it, when and why is kept; `kagami show` tells it. The state stays when an analysis finds the same again.
    False-positive and resolved findings bring nothing to a blocklist and do not meet --fail-on.
    """
    from sensor.store.desk import triage as decide

    with session.open_desk() as store:
        decide(store, finding_ids, state, note=note, who=who, made_ts=time.time_ns())
    session.say(f"{', '.join(str(finding_id) for finding_id in finding_ids)}: {state}")
