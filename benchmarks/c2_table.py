"""Replays labelled captures and writes which command-and-control channels are found, and what benign captures give.

usage: c2_table.py [--data DIR] [--output FILE]

The labels are in c2_labels.toml. Each capture goes into a store of its own. This script never tells kagami more than
its user would: which networks are internal, where the default cannot know.
"""

import argparse
import os
import shlex
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sensor.run import replay
from sensor.site import load_site
from sensor.store.findings import findings
from sensor.store.store import Store

REPO = Path(__file__).resolve().parent.parent
LABELS = Path(__file__).with_name("c2_labels.toml")
ENOUGH_CALLBACKS = 8
"""From here on a channel should be found; below, there is little to measure."""

INTERVAL_TOLERANCE = 0.2
MAX_TOLD = 4
SEVERITIES = ("critical", "high", "medium", "low")
INSIDE = "the beats are exchanges inside long connections"

TOP = """# Which command-and-control channels are found

```sh
{command}
```

Public captures of malware and of red-team tools, each replayed into a store of its own. The labels are in
[benchmarks/c2_labels.toml](../benchmarks/c2_labels.toml) and were made without kagami. A channel is found when a beacon
finding has its host, one of its addresses and its port; its rank is its place among all findings of the capture.
Where an address of the channel is on the wrong side by default, `--internal` says which networks are one's own.
How findings are made, and what the scores mean: [detection.md](detection.md).
"""

BENIGN = """## Benign captures: what is found there

Findings by severity. Benign software that keeps time is found as malware is; that it is benign is not in its timing.
*Inside* are the findings whose beats lie inside connections. The captures marked as rebuilt were made from Zeek logs,
with the packets of a connection spread evenly over its time: such findings in them are the rebuilding's.

| capture | length | packets | critical | high | medium | low | inside | where to |
|---|---|---|---|---|---|---|---|---|"""

Finding = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a capture gave. findings : the highest score first; hosts : internal ones that were seen."""

    findings: list[Finding]
    packets: int
    minutes: float
    hosts: int


class Replays:
    """Captures replayed once for each choice of internal networks."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.get = cache(self._get)

    def _get(self, capture: str, internal: tuple[str, ...]) -> Replayed:
        print(capture, file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "store"
            (source,) = replay([str(self.data / "pcaps" / capture)], path, site=load_site(None, internal)).sources
            with Store.open(path, write=False) as store:
                rows, _ = findings(store)
                hosts = store.db.execute("SELECT count(*) FROM host").fetchone()[0]
        minutes = ((source.last_ts or 0) - (source.first_ts or 0)) / 60e9
        return Replayed(rows, source.packets, minutes, hosts)


def rank_of(channel: dict[str, Any], rows: Sequence[Finding]) -> int | None:
    """The place, from 1, of the first beacon finding of a labelled channel; None: it is missed."""
    for rank, row in enumerate(rows, 1):
        is_dest = not set(channel["dests"]).isdisjoint((row["dest"], *row["dest_ips"]))
        same = (row["analyzer"], row["orig_ip"], row["resp_port"]) == ("beacon", channel["host"], channel["port"])
        if same and is_dest:
            return rank
    return None


def verdict(channel: dict[str, Any], rows: Sequence[Finding]) -> tuple[bool, str]:
    """Whether a labelled channel is found, and the last three cells of its row: rank, score, interval or why missed.

    A finding that stands on the even spacing of packets in a rebuilt connection is shown and does not count.
    """
    rank = rank_of(channel, rows)
    if rank is None:
        return False, f"- | - | missed: {channel.get('why', 'not known why')}"
    row = rows[rank - 1]
    interval = _seconds(row["interval_s"])
    if "interval_s" in channel and abs(row["interval_s"] / channel["interval_s"] - 1) > INTERVAL_TOLERANCE:
        interval += f" (wrong: {channel.get('why', 'not known why')})"
    is_artefact = channel.get("rebuilt", False) and INSIDE in row["reasons"]
    if is_artefact:
        interval += " (not counted: the rebuilding spread the packets of a connection evenly)"
    return not is_artefact, f"{rank} of {len(rows)} | {row['score']:.2f} {row['severity']} | {interval}"


def channel_rows(channels: list[dict[str, Any]], replays: Replays) -> tuple[list[str], int]:
    """Table rows of labelled channels, and how many were found."""
    rows, n_found = [], 0
    for channel in channels:
        internal = channel.get("internal", ())
        is_found, cells = verdict(channel, replays.get(channel["capture"], tuple(internal)).findings)
        n_found += is_found
        wait = _seconds(channel["interval_s"]) if "interval_s" in channel else "irregular"
        capture = f"{Path(channel['capture']).stem}: {channel['what']}"
        to = f"{channel['host']} to {', '.join(channel['dests'])}, port {channel['port']}"
        calls = f"{channel['callbacks']} ({channel['form']})"
        rows.append(f"| {capture} | {to} | {calls} | {wait} | {', '.join(internal)} | {cells} |")
    return rows, n_found


def benign_rows(benign: list[dict[str, Any]], replays: Replays) -> Iterator[str]:
    """Table rows of benign captures: how many findings of each severity, and where they point."""
    for label in benign:
        got = replays.get(label["capture"], tuple(label.get("internal", ())))
        count = Counter(row["severity"] for row in got.findings)
        inside = sum(INSIDE in row["reasons"] for row in got.findings)
        told = [f"{row['dest']}:{row['resp_port']}/{row['proto']}{_every(row)}" for row in got.findings[:MAX_TOLD]]
        more = [f"{len(got.findings) - MAX_TOLD} more"] if len(got.findings) > MAX_TOLD else []
        name = Path(label["capture"]).stem + (" (rebuilt)" if label.get("rebuilt") else "")
        length = f"{got.minutes:,.0f} min" if got.minutes < 10_000 else "-"  # a packet without a time is from 1970
        counts = " | ".join(str(count[severity]) for severity in SEVERITIES)
        yield f"| {name} | {length} | {got.packets:,} | {counts} | {inside} | {', '.join(told + more)} |"


def _every(row: Finding) -> str:
    return f" {_seconds(row['interval_s'])}" if row["interval_s"] is not None else ""


def _seconds(interval_s: float) -> str:
    return f"{interval_s:.3g} s" if interval_s < 1000 else f"{interval_s:,.0f} s"


def page(labels: dict[str, Any], replays: Replays, command: str) -> str:
    """The whole document."""
    channels = labels["channel"]
    enough = [channel for channel in channels if channel["callbacks"] >= ENOUGH_CALLBACKS]
    short = [channel for channel in channels if channel["callbacks"] < ENOUGH_CALLBACKS]
    enough_rows, enough_found = channel_rows(enough, replays)
    short_rows, short_found = channel_rows(short, replays)
    head = [
        "| capture | channel | callbacks | wait | `--internal` | rank | score | interval found |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines = [TOP.format(command=command)]
    lines += [
        f"## {ENOUGH_CALLBACKS} callbacks or more: {enough_found} of {len(enough)} found",
        "",
        *head,
        *enough_rows,
        "",
    ]
    lines += [f"## Fewer: {short_found} of {len(short)} found", "", *head, *short_rows, ""]
    lines += [BENIGN, *benign_rows(labels["benign"], replays), ""]
    return "\n".join(lines)


def main() -> None:
    """Replay, print and write the page."""
    parser = argparse.ArgumentParser(description="Replay labelled captures and write what is found.")
    default = Path(os.environ.get("KAGAMI_SHARED_DATA", REPO.parent / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=default, help="the folder that holds pcaps/c2 and pcaps/benign")
    parser.add_argument("--output", type=Path, default=REPO / "docs" / "detection-c2.md")
    words = parser.parse_args()
    labels = tomllib.loads(LABELS.read_text(encoding="utf-8"))
    arguments = shlex.join(Path(word).name if word.startswith("/") else word for word in sys.argv[1:])
    text = page(labels, Replays(words.data), f"python benchmarks/c2_table.py {arguments}".rstrip())
    words.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
