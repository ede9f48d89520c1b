"""Replays benign captures and writes what is found there: how quiet kagami is where nothing is wrong.

usage: quiet_table.py [--data DIR] [--output FILE]

Benign are the captures in pcaps/benign of the data folder, and those that its CATALOG.md calls benign. Each goes into a
store of its own. Internal networks are the defaults, or what c2_labels.toml says of a capture. Every finding of medium
or above is listed, so that a person can say whether it should have been there.
"""

import argparse
import os
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.c2_table import Replayed

REPO = Path(__file__).resolve().parent.parent
SEVERITIES = ("critical", "high", "medium", "low")
TOLD = SEVERITIES[:3]
MAX_DAYS = 7.0
"""A capture that seems longer holds a packet with a senseless time: its length is not counted."""

TOP = """# How quiet kagami is: findings in benign captures

```sh
python benchmarks/quiet_table.py
```

Cells are findings of critical / high / medium / low severity; nothing found is left empty. Captures marked as rebuilt
were made from Zeek logs, with the packets of a connection spread evenly over its time: findings whose beats lie inside
such connections are the rebuilding's. They are counted in the last column only, and are in no other number here.
A beacon finding is software that keeps time; that it is benign is not in its timing.
"""

INSIDE = "the beats are exchanges inside long connections"
"""What a beacon finding says whose beats lie inside connections."""


def catalogued(text: str) -> dict[str, bool]:
    """Captures that a catalog's tables call benign, and whether they are rebuilt.

    A row counts whose file lies in benign/, or whose column `ground truth` begins with the word.
    """
    found = {}
    header: list[str] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            header = []
        elif not header:
            header = cells
        elif len(cells) == len(header) and "ground truth" in header:
            row = dict(zip(header, cells, strict=True))
            if row["file"].startswith("benign/") or row["ground truth"].lower().startswith("benign"):
                found[row["file"]] = "[rebuilt" in row["source"]
    return found


def captures_of(data: Path) -> dict[str, bool]:
    """Benign captures that are in a data folder, by their path under pcaps/, and whether they are rebuilt."""
    catalog = data / "CATALOG.md"
    found = catalogued(catalog.read_text(encoding="utf-8")) if catalog.is_file() else {}
    for path in (data / "pcaps" / "benign").iterdir():
        found.setdefault(f"benign/{path.name}", False)
    return {name: rebuilt for name, rebuilt in sorted(found.items()) if (data / "pcaps" / name).is_file()}


def split(got: "Replayed", is_rebuilt: bool) -> tuple[list[dict[str, Any]], int]:
    """The findings that stand on what was on the wire, and how many stand on the rebuilding."""
    kept = [row for row in got.findings if not (is_rebuilt and INSIDE in row["reasons"])]
    return kept, len(got.findings) - len(kept)


def counts(findings: Sequence[Mapping[str, Any]], analyzer: str) -> str:
    """Findings of one analyzer by severity as one cell; empty for none."""
    of = Counter(row["severity"] for row in findings if row["analyzer"] == analyzer)
    return " / ".join(str(of[severity]) for severity in SEVERITIES) if of else ""


def table(replayed: Mapping[str, "Replayed"], rebuilt: Mapping[str, bool]) -> Iterator[str]:
    """A row for each capture, and one for all."""
    shares = {name: split(got, rebuilt[name]) for name, got in replayed.items()}
    everything = [row for rows, _ in shares.values() for row in rows]
    analyzers = sorted({row["analyzer"] for row in everything})
    yield f"| capture | length | packets | hosts | {' | '.join(analyzers)} | rebuilding's |"
    yield f"|---|--:|--:|--:|{'---|' * len(analyzers)}--:|"
    for name, got in replayed.items():
        rows, n_rebuilt = shares[name]
        cells = " | ".join(counts(rows, analyzer) for analyzer in analyzers)
        title = f"{name} (rebuilt)" if rebuilt[name] else name
        yield f"| {title} | {_length(got.minutes)} | {got.packets:,} | {got.hosts} | {cells} | {n_rebuilt or ''} |"
    packets, hosts = (sum(getattr(got, name) for got in replayed.values()) for name in ("packets", "hosts"))
    cells = " | ".join(counts(everything, analyzer) for analyzer in analyzers)
    n_rebuilt = sum(n for _, n in shares.values())
    yield f"| **all {len(replayed)}** | | {packets:,} | {hosts} | {cells} | {n_rebuilt or ''} |"


def rates(replayed: Mapping[str, "Replayed"], rebuilt: Mapping[str, bool]) -> Iterator[str]:
    """How many findings there are for each host and day, of each severity."""
    timed = {name: got for name, got in replayed.items() if got.minutes <= MAX_DAYS * 1440}
    host_days = sum(got.hosts * got.minutes / 1440 for got in timed.values())
    of = Counter(row["severity"] for name, got in timed.items() for row in split(got, rebuilt[name])[0])
    yield f"{host_days:.1f} host-days (internal hosts times the capture's length). Findings a host-day:"
    yield ""
    for severity in SEVERITIES:
        yield f"- {severity}: {of[severity]} in all, {of[severity] / max(host_days, 1e-9):.2f}"


def told(replayed: Mapping[str, "Replayed"], rebuilt: Mapping[str, bool]) -> Iterator[str]:
    """Every finding of medium or above, with its first reason."""
    yield "| capture | severity | score | analyzer | host | destination | service | why |"
    yield "|---|---|--:|---|---|---|---|---|"
    for name, got in replayed.items():
        for row in split(got, rebuilt[name])[0]:
            if row["severity"] in TOLD:
                service = f"{row['resp_port']}/{row['proto']}"
                why = next(iter(row["reasons"]), "")
                cells = [Path(name).stem, row["severity"], f"{row['score']:.2f}", row["analyzer"], row["orig_ip"]]
                yield f"| {' | '.join(map(_cell, [*cells, row['dest'], service, why]))} |"


def page(replayed: Mapping[str, "Replayed"], rebuilt: Mapping[str, bool]) -> str:
    """The whole document."""
    lines = [TOP, *table(replayed, rebuilt), "", *rates(replayed, rebuilt), "", "## Medium and above", ""]
    lines += told(replayed, rebuilt)
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Text from the network as one cell of a table: printable, and without the marks that end a cell."""
    return "".join(char if char.isprintable() and char not in "|`<" else " " for char in text)


def _length(minutes: float) -> str:
    if minutes > MAX_DAYS * 1440:
        return "-"
    return f"{minutes / 60:.1f} h" if minutes >= 120 else f"{minutes:.1f} min"


def main() -> None:
    """Replay, print and write the page."""
    sys.path.insert(0, str(REPO))
    from benchmarks.c2_table import LABELS, Replays

    parser = argparse.ArgumentParser(description="Replay benign captures and write what is found.")
    default = Path(os.environ.get("KAGAMI_SHARED_DATA", REPO.parent / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=default, help="the folder that holds CATALOG.md and pcaps/benign")
    parser.add_argument("--output", type=Path, help="default: standard output alone")
    words = parser.parse_args()
    if not (words.data / "pcaps" / "benign").is_dir():
        parser.error(f"no pcaps/benign in {words.data}: name the data folder with --data")
    rebuilt = captures_of(words.data)
    labels = tomllib.loads(LABELS.read_text(encoding="utf-8"))["benign"]
    internal = {label["capture"]: tuple(label.get("internal", ())) for label in labels}
    replays = Replays(words.data)
    text = page({name: replays.get(name, internal.get(name, ())) for name in rebuilt}, rebuilt)
    if words.output:
        words.output.write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
