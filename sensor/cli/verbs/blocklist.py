"""`kagami blocklist`: what the findings say should be blocked."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analyzers.finding import SEVERITIES
from sensor.cli.columns import BLOCKLISTS
from sensor.cli.command import Verb
from sensor.cli.human import plural
from sensor.cli.output import emit
from sensor.cli.people import Until, who_option
from sensor.cli.session import Session
from sensor.cli.times import short_time
from sensor.errors import UsageError

if TYPE_CHECKING:
    from sensor.response.blocklist import Blocklist
    from sensor.response.lists import Change, Written
    from sensor.store.store import Store

FORMATS = (
    *("plain", "edl", "nftables", "ipset", "pf", "squid", "rpz", "unbound", "hosts", "suricata", "zeek-intel"),
    *("stix", "misp"),
)
"""sensor.response.formats.table.FORMS has them too; importing that would slow down --help."""

_KINDS = {"ip": "address", "domain": "domain"}
_FOR_GOOD_NS = 2**63 - 1


@click.command(
    cls=Verb,
    examples="""
        kagami blocklist
        kagami blocklist --format nftables --min-severity medium -o kagami.nft
        kagami blocklist --format edl --only domain -o domains.txt
        kagami blocklist --format rpz --diff
        kagami blocklist --history
        kagami blocklist --revert 3 -o kagami.nft
    """,
)
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="plain", show_default=True, help="Who shall read it."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the list to this file.")
@click.option(
    "--min-severity", type=click.Choice(SEVERITIES), default="high", help="Findings at or above it [default: high]."
)
@click.option("--only", type=click.Choice(list(_KINDS)), help="Addresses only, or domains only.")
@click.option("--force", is_flag=True, help="List also what others may share: CDNs, addresses with several names.")
@click.option(
    "--expires", "expires_ts", type=Until(), default="7d", show_default=True, metavar="WHEN",
    help="When entries should be taken off again.",
)  # fmt: skip
@click.option("--diff", is_flag=True, help="Show what would change against the last list of this format.")
@click.option("--revert", "number", type=int, metavar="N", help="The list of this number again.")
@click.option("--history", is_flag=True, help="The lists that were written.")
@click.option("--yes", is_flag=True, help="Write also a list that changes more than half of the last one.")
@click.option("--sign", "sign_key", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="KEY",
              help="Sign the file with this SSH key.")  # fmt: skip
@who_option
@click.pass_obj
def blocklist(
    session: Session,
    form: str,
    output: Path | None,
    min_severity: str,
    only: str | None,
    force: bool,
    expires_ts: int | None,
    diff: bool,
    number: int | None,
    history: bool,
    yes: bool,
    sign_key: Path | None,
    who: str,
) -> None:
    """Preview a blocklist of what the findings point at, or write it with -o.

    Never listed: internal, loopback, link-local, multicast and reserved addresses, proxies, resolvers, update sources,
    public suffixes, what an allow entry allows, and what is no address or plain domain name. What is held back is said
    with its reason. Beside the file a sidecar FILE.meta.json has reasons and SHA-256. Nothing is applied: loading the
    file is yours.
    """
    from sensor.response import lists
    from sensor.response.formats.form import Made

    if sum((diff, history, output is not None)) > 1:
        raise click.UsageError("choose one of -o, --diff and --history")
    if sign_key is not None and output is None:
        raise click.UsageError("--sign needs the file that -o writes")
    now_ns = time.time_ns()
    with session.open_store() if output is None else session.open_desk() as store:
        if history:
            rows = lists.written_lists(store)
            emit(session, rows, len(rows), BLOCKLISTS, None, None)
            return
        if number is None:
            chosen, n_findings = _chosen(session, store, min_severity, force, expires_ts or _FOR_GOOD_NS)
            origin = f"from {plural(n_findings, 'finding')}"
        else:
            older = lists.list_number(store, number)
            chosen, form, origin = _again(session, store, older), older.form, f"of list {number}"
        chosen = _of_kind(session, chosen, form, only)
        last = lists.last_list(store, form)
        changed = lists.change(chosen.entries, last)
        made = Made(now_ns, lists.next_serial(last, now_ns))
        for held in chosen.held:
            session.say(f"held back {held.value} (finding {held.finding_id}): {held.reason}")
        summary = f"{_entries(len(chosen.entries))} {origin}, {len(chosen.held):,} held back; {_against(changed, last)}"
        if diff:
            session.write_text("".join(_signed(changed)))
            session.say(summary)
        elif output is None:
            session.write_text(lists.render(form, chosen.entries, made))
            session.say(f"{summary} (preview; -o FILE writes it)")
        else:
            _stop_if_large(changed, yes)
            written = lists.write(store, output, form, chosen, made, who=who, sign_key=sign_key)
            session.say(f"{summary}; wrote {output} as list {written}")


def _chosen(
    session: Session, store: "Store", min_severity: str, force: bool, expires_ts: int
) -> tuple["Blocklist", int]:
    """What the findings ask for, checked, and how many findings there are."""
    from sensor.response.blocklist import build, values_of, wanted
    from sensor.store import findings as questions

    lowest = SEVERITIES.index(min_severity)
    rows = [row for row in wanted(questions.findings(store)[0]) if SEVERITIES.index(row["severity"]) >= lowest]
    return build(rows, _rails(session, store, values_of(rows), force), expires_ts=expires_ts), len(rows)


def _again(session: Session, store: "Store", older: "Written") -> "Blocklist":
    from sensor.response.blocklist import recheck

    return recheck(older.entries, _rails(session, store, [entry.value for entry in older.entries], force=True))


def _rails(session: Session, store: "Store", values: Sequence[str], force: bool) -> Any:
    from sensor.response.rails import Rails
    from sensor.response.seen import history_of
    from sensor.store.desk import allowed

    return Rails(session.site(), allowed(store, time.time_ns()), history_of(store, values), force)


def _of_kind(session: Session, chosen: "Blocklist", form: str, only: str | None) -> "Blocklist":
    """The entries that a list of this format holds; what is left out is said."""
    from sensor.response.blocklist import Blocklist
    from sensor.response.formats.table import FORMS

    kinds = FORMS[form].kinds
    if only is not None:
        kinds = tuple(kind for kind in kinds if kind == _KINDS[only])
        if not kinds:
            raise UsageError(f"{form} has no place for {only}; leave --only away")
    elif FORMS[form].separate and len({entry.kind for entry in chosen.entries}) > 1:
        kinds = ("address",)
        session.say(
            f"{form} wants addresses and domains in files of their own: these are the addresses (--only domain)"
        )
    entries = [entry for entry in chosen.entries if entry.kind in kinds and FORMS[form].takes(entry)]
    if (n_out := len(chosen.entries) - len(entries)) and only is None:
        session.say(f"{_entries(n_out)} left out: this list has no place for them")
    return Blocklist(entries, chosen.held)


def _entries(n: int) -> str:
    return "1 entry" if n == 1 else f"{n:,} entries"


def _against(changed: "Change", last: "Written | None") -> str:
    if last is None:
        return "the first of its format"
    counts = f"{len(changed.added):,} added, {len(changed.removed):,} removed, {len(changed.kept):,} kept"
    return f"{counts} since list {last.number} of {short_time(last.made_ts)} UTC"


def _signed(changed: "Change") -> list[str]:
    return [f"{mark}{value}\n" for mark, values in (("-", changed.removed), ("+", changed.added)) for value in values]


def _stop_if_large(changed: "Change", yes: bool) -> None:
    if changed.is_large and not yes:
        raise UsageError(
            f"this would add {len(changed.added):,} entries and remove {len(changed.removed):,} of "
            f"{len(changed.removed) + len(changed.kept):,}, more than half; look at --diff, then write it with --yes"
        )
