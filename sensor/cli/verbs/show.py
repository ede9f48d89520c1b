"""`kagami show`: one finding, explained."""

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from sensor.cli.columns import FINDINGS, Row
from sensor.cli.command import Verb
from sensor.cli.formats import json_value, machine_row
from sensor.cli.output import emit, format_options
from sensor.cli.page import finding_page
from sensor.cli.session import Session
from sensor.cli.times import rfc3339

if TYPE_CHECKING:
    from sensor.response.dossier import Dossier
    from sensor.store.store import Store


@click.command(
    cls=Verb,
    examples="""
        kagami show 1
        kagami show 1 --deep
        kagami show 1 --json
    """,
)
@click.argument("finding_id", metavar="ID", type=int)
@click.option("--deep", is_flag=True, help="Dissect its packets with tshark: certificates, requests, logins.")
@format_options
@click.pass_obj
def show(session: Session, finding_id: int, deep: bool, form: str | None) -> None:
    """Show one finding: why, when, who else, what came before, the flows behind it, what to do.

    --deep carves its packets out of the captures they came from, which must still be there unchanged, or out of those
    that a live sensor kept.
    """
    from sensor.response.dossier import gather

    with session.open_store() as store:
        dossier = gather(store, finding_id, session.site().calendar)
        dissection = _dissect(session, store, dossier) if deep else None
    if form in ("json", "ndjson"):
        told = json_value(whole(dossier) | ({"deep": dissection} if deep else {}))
        session.write([told, b"\n"] if form == "ndjson" else [b"[", told, b"]\n"])
    elif form is not None:
        emit(session, [dossier.finding], 1, FINDINGS, form, None)
    else:
        page = finding_page(dossier, page_width(), store_word(session), dissection)
        session.write_text("\n".join(page) + "\n")


def _dissect(session: Session, store: "Store", dossier: "Dossier") -> dict[str, Any]:
    from sensor.cli.results import compile_first
    from sensor.response.deep import dissect

    compile_first(session)  # carving decodes
    return dissect(store, dossier.flows)


def whole(dossier: "Dossier") -> dict[str, Any]:
    """Everything that is known of a finding as one object: its own fields first, times as RFC 3339."""
    return machine_row(dossier.finding, FINDINGS.fields) | {
        "score_parts": _rows(dossier.parts),
        "triage": _rows(dossier.said),
        "allow": None if dossier.allowed_by is None else _rows([dossier.allowed_by])[0],
        "learned": [{"how": how, "value": value, "flows": n} for how, value, n in dossier.learned()],
        "sizes": {name: [{"bytes": size, "events": n} for size, n in found] for name, found in dossier.sizes().items()},
        "hosts_seen": dossier.n_hosts,
        "peers": _rows(dossier.peers),
        "first_contact_ts": None if dossier.first_contact_ts is None else rfc3339(dossier.first_contact_ts),
        "before": _rows(dossier.before),
        "captures": _rows(dossier.captures),
        "lossy": _rows(dossier.lossy),
        "closed": None if dossier.closed is None else _rows(dossier.closed),
        "holidays": _rows(dossier.holidays),
        "channels": _rows(dossier.channels),
        "flows": _rows(dossier.flows),
        "dns": _rows(dossier.dns),
        "evidence_events": _rows(dossier.events),
    }


def _rows(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [machine_row(row, list(row)) for row in rows]


def page_width() -> int:
    """Characters of a line of a page, by COLUMNS or the terminal."""
    return shutil.get_terminal_size((100, 24)).columns


def store_word(session: Session) -> str:
    """What --store has to be in a command that a person copies; empty where it was not given."""
    return str(session.store_dir) if session.is_store_on_command_line else ""
