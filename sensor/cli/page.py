"""One finding as a page of plain text: why, when, the flows behind it, what to do.

In: the rows as the store gives them. Out: lines, every datum cleaned, that fit the width given. Never prints.
"""

import shlex
import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from sensor.cli.charts import bar, counts_in_slots, ratio_bins, sparkline
from sensor.cli.clean import clean
from sensor.cli.columns import Row, text_of
from sensor.cli.human import human_bytes, human_duration, plural
from sensor.cli.times import NS, short_time

MIN_WIDTH, MAX_WIDTH = 60, 100
MAX_ADDRESSES = 10
MAX_FLOWS = 8
MAX_REASON_CHARS = 1000
MAX_NAME_CHARS = 253  # RFC 1035 section 2.3.4
_LABEL_WIDTH = 14
_TIMELINE_SLOTS = 60
_HISTOGRAM_BINS = 8

_WHAT = {
    "beacon": "A machine that contacts one destination again and again on a timer, as an implant calling home does.",
    "bypass": "A machine that goes to the outside directly although there is a proxy.",
    "watchlist": "A machine that met an indicator which somebody put under watch.",
}


def finding_page(
    finding: Row,
    flows: Sequence[Row],
    events: Sequence[Row],
    width: int,
    store: str = "",
    *,
    said: Sequence[Row] = (),
    allowed_by: Row | None = None,
) -> list[str]:
    """The page of a finding, as lines.

    flows, events : the evidence kept for it, in time order
    said : its triage, the oldest first
    allowed_by : the allow entry that hides it, or None
    width : characters of a line, taken into MIN_WIDTH to MAX_WIDTH
    store : what --store has to be in the commands shown, empty where none is needed
    """
    width = max(MIN_WIDTH, min(width, MAX_WIDTH))
    sections = [
        ("", _head(finding, width)),
        ("Why", _reasons(finding, width)),
        ("What was decided", _decisions(said, allowed_by, width)),
        ("What is known", _facts(finding, width)),
        ("When", _timeline(finding, events, width)),
        ("Intervals", _histogram(events)),
        ("Flows behind it", _flows(flows, width)),
        ("What to do", _advice(finding, width)),
        ("Commands to go on with", _commands(finding, store)),
    ]
    page: list[str] = []
    for title, section in sections:
        if body := list(section):
            page += ["", title] if title else []
            page += [f"  {line}" if title else line for line in body]
    return page


def _text(value: object, limit: int = MAX_NAME_CHARS) -> str:
    return clean(text_of(value), limit)


def _head(finding: Row, width: int) -> Iterator[str]:
    service = f"{_text(finding['resp_port'])}/{_text(finding['proto'])}"
    title = f"Finding {finding['id']}: {_text(finding['analyzer'])}, {_text(finding['severity'])}"
    yield from textwrap.wrap(f"{title} (score {finding['score']:.2f}, {_text(finding['state'])})", width)
    yield from textwrap.wrap(f"{_text(finding['orig_ip'])} -> {_text(finding['dest'])} {service}", width)
    if what := _WHAT.get(finding["analyzer"]):
        yield from textwrap.wrap(what, width)


def _reasons(finding: Row, width: int) -> Iterator[str]:
    for reason in finding["reasons"]:
        yield from _bullet(_text(reason, MAX_REASON_CHARS), width)


def _bullet(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width - 2, initial_indent="- ", subsequent_indent="  ")


def _facts(finding: Row, width: int) -> Iterator[str]:
    addresses = [_text(address) for address in finding["dest_ips"][:MAX_ADDRESSES]]
    if (n_more := len(finding["dest_ips"]) - len(addresses)) > 0:
        addresses.append(f"and {n_more:,} more")
    span_s = (finding["last_ts"] - finding["first_ts"]) / NS
    jitter = f", spread {finding['jitter_frac']:.0%}" if finding["jitter_frac"] else ""
    facts = {
        "host": _text(finding["orig_ip"]),
        "destination": _text(finding["dest"]),
        "addresses": ", ".join(addresses),
        "through proxy": _text(finding["via_proxy"]),
        "outcome": _text(finding["outcome"]),
        "interval": f"{human_duration(finding['interval_s'])}{jitter}" if finding["interval_s"] else "",
        "events": f"{finding['events']:,}",
        "first seen": f"{short_time(finding['first_ts'])} UTC",
        "last seen": f"{short_time(finding['last_ts'])} UTC, {human_duration(span_s)} later",
        "ATT&CK": ", ".join(_text(technique) for technique in finding["techniques"]),
    }
    indent = " " * _LABEL_WIDTH
    for label, value in facts.items():
        if value:
            yield from textwrap.wrap(f"{label:<{_LABEL_WIDTH}}{value}", width - 2, subsequent_indent=indent)


def _decisions(said: Sequence[Row], allowed_by: Row | None, width: int) -> Iterator[str]:
    if allowed_by is not None:
        until = "for good" if allowed_by["expires_ts"] is None else f"until {short_time(allowed_by['expires_ts'])} UTC"
        yield from _bullet(
            f"hidden by allow entry {allowed_by['id']} for {_text(allowed_by['dest'])}, {until}: "
            f"{_text(allowed_by['reason'], MAX_REASON_CHARS)} ({_text(allowed_by['who'])})",
            width,
        )
    for one in said:
        note = f": {_text(one['note'], MAX_REASON_CHARS)}" if one["note"] else ""
        yield from _bullet(f"{short_time(one['made_ts'])} UTC {_text(one['who'])}: {_text(one['state'])}{note}", width)


def _timeline(finding: Row, events: Sequence[Row], width: int) -> Iterator[str]:
    if len(events) < 2:
        return
    times = sorted(event["ts"] for event in events)
    n_slots = min(_TIMELINE_SLOTS, width - 4)
    counts = counts_in_slots(times, times[0], times[-1], n_slots)
    yield f"|{sparkline(counts)}|"
    start, end = short_time(times[0]), short_time(times[-1])
    yield f" {start}{'':{max(2, n_slots - len(start) - len(end))}}{end}"
    slot = human_duration(max(times[-1] - times[0], 1) / NS / n_slots)
    kept = f"; of {finding['events']:,}, these are kept" if len(times) < finding["events"] else ""
    yield f" {plural(len(times), 'event')}, {slot} a mark, {max(counts):,} at most{kept}"


def _histogram(events: Sequence[Row]) -> Iterator[str]:
    times = sorted(event["ts"] for event in events)
    gaps_s = [(later - earlier) / NS for earlier, later in pairwise(times)]
    bins = ratio_bins(gaps_s, _HISTOGRAM_BINS) if len(gaps_s) > 1 else []
    top = max((n for _, _, n in bins), default=1)
    for low_s, high_s, n in bins:
        span = f"{human_duration(low_s)} - {human_duration(high_s)}"
        yield f"{span:>20} {n:>6,} {bar(n, top, 30)}".rstrip()


def _flows(flows: Sequence[Row], width: int) -> Iterator[str]:
    for flow in flows[:MAX_FLOWS]:
        sent, received = human_bytes(flow["orig_bytes"]), human_bytes(flow["resp_bytes"])
        responder = f"{_text(flow['resp_ip'])}:{_text(flow['resp_port'])}"
        line = (
            f"{short_time(flow['first_ts'])}  {responder}  {_text(flow['conn_state'])}  "
            f"{sent} out, {received} in, {human_duration(flow['duration_s'])}  {_text(flow['uid'])}"
        )
        yield from textwrap.wrap(line, width - 2, subsequent_indent="  ")
    if len(flows) > MAX_FLOWS:
        yield f"and {len(flows) - MAX_FLOWS:,} more, {plural(len(flows), 'flow')} kept in all"


def _advice(finding: Row, width: int) -> Iterator[str]:
    host, dest = _text(finding["orig_ip"]), _text(finding["dest"])
    if finding["analyzer"] == "bypass":
        first = f"Find the program on {host} that goes around the proxy; block its way out at the firewall."
    else:
        first = f"Find the program on {host} that keeps this timer. If nobody can name it, isolate the host."
    yield from _bullet(first, width)
    yield from _bullet("Preserve evidence before cleaning: memory, disk, and the captures of this time.", width)
    yield from _bullet(f"Find who else talked to {dest}, and since when.", width)
    yield from _bullet("Block the destination once you know that nothing of your own needs it.", width)


def _commands(finding: Row, store: str) -> Iterator[str]:
    """Command lines for the shell. One that would have to be shown escaped could not be copied, and is left out."""
    return (line for line in _command_lines(finding, store) if clean(line) == line)


def _command_lines(finding: Row, store: str) -> Iterator[str]:
    command = f"kagami --store {shlex.quote(store)}" if store else "kagami"
    since = f"--since {datetime.fromtimestamp(finding['first_ts'] // NS, UTC):%Y-%m-%d}"
    host = f"--host {shlex.quote(finding['orig_ip'])}"
    dest = finding["dest"]
    # a name that has to be shown escaped, or holds what no name holds, cannot be typed: the address stands for it
    if clean(dest) != dest or any(mark in dest for mark in " /"):
        dest = finding["dest_ips"][0] if finding["dest_ips"] else ""
    if dest:
        yield f"{command} events {host} --dest {shlex.quote(dest)}"
        yield f"{command} flows --dest {shlex.quote(dest)}    # who else"
    yield f"{command} flows {host} {since}    # what else it did"
    yield f"{command} blocklist --format plain    # preview"
