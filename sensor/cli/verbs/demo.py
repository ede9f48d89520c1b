"""`kagami demo`: what kagami does, shown on a bundled capture."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import click

from sensor.cli.columns import Row
from sensor.cli.command import Verb
from sensor.cli.page import finding_page
from sensor.cli.results import replay_with_words
from sensor.cli.session import Session
from sensor.cli.verbs.show import page_width, store_word
from sensor.site import load_site


@click.command(
    cls=Verb,
    examples="""
        kagami demo
        kagami demo --store demo-store
    """,
)
@click.pass_obj
def demo(session: Session) -> None:
    """Replay a bundled capture, find the beacon and the bypass planted in it, and explain them.

    Needs no privilege, no network and no set-up. The store is a temporary one, unless --store names a place to keep it.
    """
    if session.is_store_on_command_line:
        _demo(session)
        return
    with tempfile.TemporaryDirectory(prefix="kagami-demo-") as folder:
        session.chosen_store = Path(folder, "store")
        _demo(session, is_temporary=True)


def _demo(session: Session, is_temporary: bool = False) -> None:
    from sensor.response.dossier import gather
    from sensor.run import demo_capture
    from sensor.store import findings as questions

    # the demo is the same everywhere: neither a site file nor the words of an administrator change it
    replay_with_words(session, [str(demo_capture())], session.store_dir, load_site(None))
    with session.open_store() as store:
        found, _ = questions.findings(store)
        pages = [
            finding_page(
                gather(store, finding["id"]), page_width(), "demo-store" if is_temporary else store_word(session)
            )
            for finding in _foremost(found)
        ]
    rule = f"\n{'=' * 60}\n"
    session.write_text(rule.join("\n".join(page) + "\n" for page in pages))
    if len(pages) < len(found):
        session.say(f"explained {len(pages)} of {len(found):,} findings, the foremost of each analyzer")
    if is_temporary:
        session.say("kagami demo --store demo-store keeps the store, to try the commands above on it")
    session.say("next: kagami replay YOUR.pcap")


def _foremost(findings: Iterable[Row]) -> list[Row]:
    """The first finding of each analyzer."""
    first: dict[str, Row] = {}
    for finding in findings:
        first.setdefault(finding["analyzer"], finding)
    return list(first.values())
