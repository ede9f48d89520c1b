"""`kagami evidence`: a folder for the expert who takes over."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sensor import __version__
from sensor.cli import formats
from sensor.cli.columns import DNS, EVENTS, FLOWS, TIMELINE
from sensor.cli.command import Verb
from sensor.cli.human import plural
from sensor.cli.page import MAX_WIDTH, finding_page
from sensor.cli.people import who_option
from sensor.cli.report.handover import LANGUAGES, MEANINGS, readme
from sensor.cli.session import Session
from sensor.cli.times import rfc3339
from sensor.cli.verbs.show import whole

if TYPE_CHECKING:
    from sensor.response.carve import Carved
    from sensor.response.dossier import Dossier
    from sensor.store.store import Store

MAX_PACKETS = 1_000_000
_MINUTE_NS = 60_000_000_000


@click.command(
    cls=Verb,
    examples="""
        kagami evidence 1 -o case-2026-11
        kagami evidence 1 -o case-2026-11 --max-packets 10000
    """,
)
@click.argument("finding_id", metavar="ID", type=int)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A folder that is not there yet.",
)
@click.option(
    "--max-packets", type=click.IntRange(min=0), default=MAX_PACKETS, show_default=True, metavar="N",
    help="Copy at most so many packets; 0: none.",
)  # fmt: skip
@click.option("--lang", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Language of the README.")
@who_option
@click.pass_obj
def evidence(session: Session, finding_id: int, output: Path, max_packets: int, lang: str, who: str) -> None:
    """Put a finding's packets, flows, events and DNS into a new folder, with a manifest of SHA-256 hashes and a README.

    Packets come out of the captures that were replayed, which must still be there unchanged, and out of those that a
    live sensor kept ([capture] keep_packets in the site file). What is missing is said, here and in the folder.
    """
    from sensor.cli.results import compile_first
    from sensor.response.bundle import Bundle
    from sensor.response.carve import Carved, carve
    from sensor.response.dossier import gather
    from sensor.store.evidence import whole_evidence
    from sensor.store.host_day import timeline

    if max_packets:
        compile_first(session)
    with session.open_store() as store, Bundle(output) as bundle:
        dossier = gather(store, finding_id, session.site().calendar)
        finding = dossier.finding
        rows = whole_evidence(store, finding)
        day = timeline(store, finding["orig_ip"], finding["first_ts"] - _MINUTE_NS, finding["last_ts"] + _MINUTE_NS)
        carved = Carved()
        if max_packets:
            carved = carve(store, rows["flow"], bundle.reserve("packets.pcapng"), max_packets=max_packets)
        for name, kind, found in (("flows", FLOWS, rows["flow"]), ("events", EVENTS, rows["event"]),
                                  ("dns", DNS, rows["dns"]), ("timeline", TIMELINE, day)):  # fmt: skip
            bundle.add(f"{name}.csv", formats.lines("csv", found, kind.fields))
        bundle.add("finding.json", [formats.json_value(whole(dossier)), b"\n"])
        page = finding_page(dossier, MAX_WIDTH)
        bundle.add("finding.txt", ["\n".join(page).encode(), b"\n"])
        bundle.add("README.txt", [_told(lang, finding_id, page[0], carved, bool(max_packets)).encode()])
        bundle.finish(_facts(store, dossier, carved, who), MEANINGS["en"])
    session.say(
        f"{output}: {plural(carved.packets, 'packet')}, {plural(len(rows['flow']), 'flow')}, "
        f"{plural(len(rows['event']), 'event')}, {plural(len(rows['dns']), 'DNS row')}"
    )
    for line in _missing(carved):
        session.say(line)


def _facts(store: "Store", dossier: "Dossier", carved: "Carved", who: str) -> dict[str, Any]:
    from sensor.store.schema import SCHEMA_VERSION

    return {
        "finding": dossier.finding["id"],
        "host": dossier.finding["orig_ip"],
        "destination": dossier.finding["dest"],
        "made": rfc3339(time.time_ns()),
        "made_by": who,
        "tool": f"kagami {__version__}",
        "store": str(store.path.resolve()),
        "store_schema": SCHEMA_VERSION,
        "time_zone": "UTC",
        "packets": carved.packets,
        "packets_cut": carved.is_cut,
        "captures": [
            _capture(Path(path)) | {"name": one["name"], "packets_of_all_its_files": one["packets"]}
            for one in carved.sources
            for path in one["paths"]
        ],
        "captures_missing": carved.missing,
        "captures_partial": carved.partial,
    }


def _capture(path: Path) -> dict[str, Any]:
    """Size and hash of a capture; none of a live sensor's file that was removed meanwhile, to make room."""
    from sensor.response.bundle import sha256_of

    try:
        return {"path": str(path), "bytes": path.stat().st_size, "sha256": sha256_of(path)}
    except FileNotFoundError:
        return {"path": str(path), "bytes": None, "sha256": None}


def _missing(carved: "Carved") -> Iterator[str]:
    """What the packets lack, in sentences."""
    for name, reason in carved.missing.items():
        yield f"no packets of {name}: {reason}"
    for name, reason in carved.partial.items():
        yield f"not all packets of {name}: {reason}"
    if carved.is_cut:
        yield f"only the first {carved.packets:,} packets were copied (--max-packets)"


def _told(lang: str, finding_id: int, title: str, carved: "Carved", with_packets: bool) -> str:
    from sensor.cli.clean import clean

    missing = [clean(line) for line in _missing(carved)]
    return readme(lang, finding_id, title, missing, with_packets=with_packets)
