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
from sensor.cli.session import Session
from sensor.cli.times import rfc3339
from sensor.cli.verbs.show import whole

if TYPE_CHECKING:
    from sensor.response.carve import Carved
    from sensor.response.dossier import Dossier
    from sensor.store.store import Store

MAX_PACKETS = 1_000_000
_MINUTE_NS = 60_000_000_000

MEANINGS = {
    "README.txt": "What this folder is, and how to check it.",
    "finding.json": "Everything kagami knows of the finding.",
    "finding.txt": "The same as a page of text.",
    "packets.pcapng": "The packets of its connections, copied out of the original captures, unchanged.",
    "flows.csv": "Its connections.",
    "events.csv": "Its exchanges, which the finding was judged on.",
    "dns.csv": "DNS questions of the host for the destination.",
    "timeline.csv": "What the host did from a minute before the finding to a minute after it, in order.",
}
"""The files of the folder, beside manifest.json and SHA256SUMS."""

_README = """Evidence for finding {id} of kagami

{title}

{files}
manifest.json   SHA-256 of every file and of the captures the packets came from; who made this, when, with what
SHA256SUMS      the same hashes; check with: sha256sum -c SHA256SUMS

Times are UTC, in nanoseconds since 1970 or RFC 3339; they are the clock of the machine that captured. A CSV cell that
begins with =, +, -, @ has a ' before it, and controls are shown as \\x1b, so that no program acts on them:
packets.pcapng has the bytes as they were. A finding says what was seen on the wire and how it was judged, not that
somebody is guilty.

{missing}
Original captures are not in this folder. Keep them unchanged, with their hashes from manifest.json.

Handed over by:
Received by:
Date, place:
"""


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
@who_option
@click.pass_obj
def evidence(session: Session, finding_id: int, output: Path, max_packets: int, who: str) -> None:
    """Put a finding's packets, flows, events and DNS into a new folder, with a manifest of SHA-256 hashes and a README.

    Packets come out of the captures that were replayed, which must still be there unchanged. What is missing is said,
    here and in the folder.
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
        dossier = gather(store, finding_id)
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
        bundle.add("README.txt", [_readme(dossier, page[0], carved, with_packets=bool(max_packets)).encode()])
        bundle.finish(_facts(store, dossier, carved, who), MEANINGS)
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
    }


def _capture(path: Path) -> dict[str, Any]:
    from sensor.response.bundle import sha256_of

    return {"path": str(path), "bytes": path.stat().st_size, "sha256": sha256_of(path)}


def _missing(carved: "Carved") -> Iterator[str]:
    """What the packets lack, in sentences."""
    for name, reason in carved.missing.items():
        yield f"no packets of {name}: {reason}"
    if carved.is_cut:
        yield f"only the first {carved.packets:,} packets were copied (--max-packets)"


def _readme(dossier: "Dossier", title: str, carved: "Carved", with_packets: bool) -> str:
    from sensor.cli.clean import clean

    names = [name for name in MEANINGS if name != "README.txt" and (with_packets or name != "packets.pcapng")]
    files = "\n".join(f"{name:<16}{MEANINGS[name]}" for name in names)
    missing = "\n".join(clean(line) for line in _missing(carved))
    return _README.format(id=dossier.finding["id"], title=title, files=files, missing=f"{missing}\n" if missing else "")
