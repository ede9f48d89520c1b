"""`kagami allow`: what need not be reported, with reason and expiry."""

import time

import click

from sensor.cli.columns import ALLOWS
from sensor.cli.command import Family, Verb
from sensor.cli.human import plural
from sensor.cli.output import emit, format_options
from sensor.cli.people import Until, who_option
from sensor.cli.session import Session

_PORT_ANY = -1


@click.group(
    cls=Family,
    examples="""
        kagami allow add update.example.com --reason "agent of the anti-virus" --expires 90d
        kagami allow list
        kagami allow remove 1
    """,
)
def allow() -> None:
    """Say what need not be reported: a destination, a port, from which hosts, why, and until when.

    Entries hide findings from lists and keep values off blocklists. They are applied when a question is asked: nothing
    is deleted, `kagami findings --all` shows what is hidden, `kagami show` says by which entry, and when an entry
    expires its findings are back.
    """


@allow.command(
    cls=Verb,
    examples="""
        kagami allow add update.example.com --reason "agent of the anti-virus"
        kagami allow add 203.0.113.0/24 --port 443 --host 10.0.0.0/24 --reason "backup" --expires 2027-03-31
        kagami allow add any --port 123 --host 10.0.0.5 --reason "time server of the office" --expires never
    """,
)
@click.argument("dest", metavar="WHAT")
@click.option("--port", type=click.IntRange(0, 65535), metavar="N", help="At this port only.")
@click.option("--host", "hosts", multiple=True, metavar="ADDR", help="From this address or network only; repeatable.")
@click.option("--reason", required=True, metavar="TEXT", help="Why it is allowed.")
@click.option(
    "--expires", "expires_ts", type=Until(), default="90d", show_default=True, metavar="WHEN",
    help="Until then: 30d, a date, or never.",
)  # fmt: skip
@who_option
@click.pass_obj
def add(
    session: Session,
    dest: str,
    port: int | None,
    hosts: tuple[str, ...],
    reason: str,
    expires_ts: int | None,
    who: str,
) -> None:
    """Allow WHAT: an address, a network, a domain with everything under it, or `any`.

    A name in TLS or HTTP is the client's word: who may say a name to hide behind an entry can be narrowed with --host.
    """
    from sensor.store import desk
    from sensor.store.findings import findings

    now_ns = time.time_ns()
    with session.open_desk() as store:
        number = desk.allow(
            store, dest, port=_PORT_ANY if port is None else port, hosts=hosts, reason=reason, who=who,
            made_ts=now_ns, expires_ts=expires_ts,
        )  # fmt: skip
        entry = next(one for one in desk.allowed(store, now_ns) if one.row["id"] == number)
        n_hidden = sum(entry.covers(finding) for finding in findings(store)[0])
    session.say(f"allow entry {number} covers {plural(n_hidden, 'finding')}")


@allow.command(cls=Verb, name="list", examples="kagami allow list\nkagami allow list --all --json")
@click.option("--all", "with_ended", is_flag=True, help="Also those that expired or were taken back.")
@format_options
@click.pass_obj
def list_(session: Session, with_ended: bool, form: str | None) -> None:
    """List the allow entries that hold, the oldest first."""
    from sensor.store.desk import allow_entries, holds

    now_ns = time.time_ns()
    with session.open_store() as store:
        entries = allow_entries(store)
    rows = [entry for entry in entries if with_ended or holds(entry, now_ns)]
    emit(session, rows, len(rows), ALLOWS, form, None)
    if n_ended := len(entries) - len(rows):
        session.say(f"{n_ended:,} expired or taken back; --all shows them")


@allow.command(cls=Verb, examples="kagami allow remove 1")
@click.argument("entry_id", metavar="ID", type=int)
@who_option
@click.pass_obj
def remove(session: Session, entry_id: int, who: str) -> None:
    """Take an allow entry back; what it hid is listed again."""
    from sensor.store.desk import take_back

    with session.open_desk() as store:
        take_back(store, entry_id, who=who, made_ts=time.time_ns())
    session.say(f"allow entry {entry_id} was taken back")
