"""`kagami show`: one finding, explained."""

import shutil

import click

from sensor.cli.columns import FINDINGS
from sensor.cli.command import Verb
from sensor.cli.output import emit, format_options
from sensor.cli.page import finding_page
from sensor.cli.session import Session


@click.command(
    cls=Verb,
    examples="""
        kagami show 1
        kagami show 1 --json
    """,
)
@click.argument("finding_id", metavar="ID", type=int)
@format_options
@click.pass_obj
def show(session: Session, finding_id: int, form: str | None) -> None:
    """Show one finding: why, when, the flows behind it, what to do."""
    from sensor.store import desk
    from sensor.store import findings as questions

    with session.open_store() as store:
        finding = questions.finding(store, finding_id)
        flows = questions.flows_of_finding(store, finding_id)
        events = questions.events_of_finding(store, finding_id)
        said = desk.triage_history(store, finding_id)
        allows = {entry["id"]: entry for entry in desk.allow_entries(store)}
    if form is not None:
        emit(session, [finding], 1, FINDINGS, form, None)
        return
    allowed_by = allows.get(finding["allowed_by"])
    page = finding_page(finding, flows, events, page_width(), store_word(session), said=said, allowed_by=allowed_by)
    session.write_text("\n".join(page) + "\n")


def page_width() -> int:
    """Characters of a line of a page, by COLUMNS or the terminal."""
    return shutil.get_terminal_size((100, 24)).columns


def store_word(session: Session) -> str:
    """What --store has to be in a command that a person copies; empty where it was not given."""
    return str(session.store_dir) if session.is_store_on_command_line else ""
