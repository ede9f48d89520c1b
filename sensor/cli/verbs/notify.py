"""`kagami notify`: tell new findings to the outlets of the site file."""

from dataclasses import asdict

import click

from sensor.cli.clean import clean
from sensor.cli.command import Verb
from sensor.cli.formats import json_value
from sensor.cli.human import human_count, plural
from sensor.cli.session import Session
from sensor.errors import InputError, UsageError


@click.command(cls=Verb, examples="kagami notify --test\nkagami notify")
@click.option("--test", is_flag=True, help="Send one test message to each outlet instead.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON array.")
@click.pass_obj
def notify(session: Session, test: bool, as_json: bool) -> None:
    """Tell findings that are new, or graver than before, to the journal, syslog or webhook of [outlets].

    Each outlet goes on where it stopped: what cannot be delivered, or is too much for a minute, waits.
    A new outlet begins with what was found in the last day. Exits with 3 when an outlet could not be reached.
    """
    from sensor.notify import notify as tell
    from sensor.notify import try_outlets
    from sensor.store.lock import alone
    from sensor.store.store import Store

    outlets = session.site().outlets
    if not (outlets.journal or outlets.syslog or outlets.webhook):
        nothing = "no outlet is set: name one under [outlets] in the site file (docs/commands.md)"
        if test:
            raise UsageError(nothing)
        session.say(nothing)  # a site may want none, and its timer is no failure then
    if test:
        deliveries = try_outlets(outlets)
    else:
        with Store.open_for_notes(session.store_dir) as store, alone(store.path / "notify.lock") as is_alone:
            if not is_alone:
                session.say("another `kagami notify` is telling what there is")
            deliveries = tell(store, outlets) if is_alone else []
    if as_json:
        session.write([json_value([asdict(delivery) for delivery in deliveries]), b"\n"])
    else:
        session.write_text("".join(f"{clean(_line(**asdict(delivery)))}\n" for delivery in deliveries))
    if any(delivery.error for delivery in deliveries):
        raise click.exceptions.Exit(InputError.exit_code)


def _line(outlet: str, sent: int, left: int, error: str) -> str:
    waits = f", {human_count(left)} waiting" if left else ""
    return f"{outlet}: {plural(sent, 'message')} sent{waits}" + (f"; failed: {error}" if error else "")
