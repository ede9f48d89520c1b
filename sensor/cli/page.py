"""One finding as a page of plain text: why, when, the flows behind it, what to do.

In: a dossier. Out: lines, every datum cleaned, that fit the width given. Never prints.
"""

import shlex
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from analyzers.parts import LOG_ODDS
from sensor.cli import pictures
from sensor.cli.clean import clean
from sensor.cli.columns import Row, text_of
from sensor.cli.human import human_bytes, human_duration, plural
from sensor.cli.times import NS, short_time
from sensor.response.dossier import Dossier
from sensor.response.techniques import technique_name

_LEAST_ODDS, _LEAST_POINTS = 0.2, 0.005
MAX_PART_CHARS = 50
MIN_WIDTH, MAX_WIDTH = 60, 100
MAX_ADDRESSES = 10
MAX_FLOWS = 8
MAX_CHANNELS = 20
MAX_LEARNED = 12
MAX_PEERS = 8
MAX_REASON_CHARS = 1000
MAX_DETAIL_CHARS = 120
MAX_NAME_CHARS = 253  # RFC 1035 section 2.3.4
_LABEL_WIDTH = 14

_WHAT = {
    "beacon": "A machine that contacts one destination again and again on a timer, as an implant calling home does.",
    "bypass": "A machine that goes to the outside directly although there is a proxy.",
    "strobe": "A machine that begins connections to one destination at a rate that no person causes.",
    "long-connection": "A machine that keeps connections to one destination open for hours.",
    "egress": "A machine that goes to the outside in a way that is odd in any network.",
    "server-egress": "A server that goes to the outside beyond what its role allows.",
    "watchlist": "A machine that met an indicator which somebody put under watch.",
}
_FIRST_STEP = {
    "beacon": "Find the program on {host} that keeps this timer. If nobody can name it, isolate the host.",
    "bypass": "Find the program on {host} that goes around the proxy; block its way out at the firewall.",
    "server-egress": "Ask who runs {host} what this is for. If nobody can say, treat the server as taken over.",
    "strobe": "Find the program on {host} that floods this destination: an attack, a scan, or a loop gone wrong.",
    "long-connection": "Find the program on {host} that holds this connection. If nobody can, isolate the host.",
    "watchlist": "Read what the indicator stands for, and look on {host} for what the advisory describes.",
}
_ANY_STEP = "Find the program on {host} that does this. If nobody can name it, isolate the host."

_OUTCOME = {
    "established": "established (it got out)",
    "half": "half (one direction seen; it probably got out)",
    "refused": "refused (reset or ICMP)",
    "unanswered": "unanswered (dropped, or nobody there)",
}

_BLOCKED_ADVICE = "Nothing got out this way, but the program on {host} that tries is still there: find it."

_BEAT_ADVICE = (
    "Isolate {host}: a program on it keeps trying to call out. That the firewall stops it does not remove it."
)


def finding_page(
    dossier: Dossier, width: int, store: str = "", dissection: Mapping[str, Any] | None = None
) -> list[str]:
    """The page of a finding, as lines.

    width : characters of a line, taken into MIN_WIDTH to MAX_WIDTH
    store : what --store has to be in the commands shown, empty where none is needed
    dissection : what deep.dissect told, or None
    """
    width = max(MIN_WIDTH, min(width, MAX_WIDTH))
    finding, events = dossier.finding, dossier.events
    sections = [
        ("", _head(finding, width)),
        ("Why", _reasons(finding, width)),
        ("What made the score", _score_parts(finding, dossier.parts)),
        ("What was decided", _decisions(dossier.said, dossier.allowed_by, width)),
        ("What is known", _facts(finding, width)),
        ("What connections told", _learned(dossier, width)),
        ("When", pictures.timeline(dossier)),
        ("Intervals", pictures.histogram(events, finding["interval_s"] or 0)),
        ("Sizes", pictures.sizes(dossier.sizes(), len(events))),
        ("Who else goes there", _peers(dossier, width)),
        ("The minute before the first contact", _before(dossier, width)),
        ("Where to", _channels(dossier.channels, width)),
        ("Flows behind it", _flows(dossier.flows, width)),
        ("Under the microscope", _dissection(dissection, width)),
        ("What was lost meanwhile", _losses(dossier, width)),
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


def _score_parts(finding: Row, parts: Sequence[Row]) -> Iterator[str]:
    """What raised the score and what lowered it, with amounts; those that change little together."""
    odds = [part for part in parts if part["unit"] == LOG_ODDS]
    score = [part for part in parts if part["unit"] != LOG_ODDS]
    if odds:
        yield from _amounts(odds, _LEAST_ODDS)
        made = finding["score"] - sum(part["amount"] for part in score)
        total = sum(part["amount"] for part in odds)
        yield f"{total:+7.2f}  together, in log odds (0.7 doubles or halves them): a score of {made:.2f}"
    if score:
        yield from _amounts(score, _LEAST_POINTS)
        yield f"{finding['score']:7.2f}  the score"


def _amounts(parts: Sequence[Row], least: float) -> Iterator[str]:
    told = [part for part in parts if abs(part["amount"]) >= least]
    yield from (f"{part['amount']:+7.2f}  {_text(part['name'], MAX_PART_CHARS)}" for part in told)
    if len(told) < len(parts):
        rest = sum(part["amount"] for part in parts if part not in told)
        yield f"{rest:+7.2f}  {plural(len(parts) - len(told), 'smaller part')} together"


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
        "outcome": _OUTCOME.get(finding["outcome"], _text(finding["outcome"])),
        "interval": f"{human_duration(finding['interval_s'])}{jitter}" if finding["interval_s"] else "",
        "events": f"{finding['events']:,}",
        "first seen": f"{short_time(finding['first_ts'])} UTC",
        "last seen": f"{short_time(finding['last_ts'])} UTC, {human_duration(span_s)} later",
        "ATT&CK": ", ".join(_technique(technique) for technique in finding["techniques"]),
    }
    indent = " " * _LABEL_WIDTH
    for label, value in facts.items():
        if value:
            yield from textwrap.wrap(f"{label:<{_LABEL_WIDTH}}{value}", width - 2, subsequent_indent=indent)


def _technique(technique: str) -> str:
    name = technique_name(technique)
    return _text(technique) + (f" {name}" if name else "")


def _learned(dossier: Dossier, width: int) -> Iterator[str]:
    """Names, certificates and fingerprints, by how they were learned."""
    told = dossier.learned()
    label = max((len(how) for how, _, _ in told[:MAX_LEARNED]), default=0) + 2
    for how, value, n in told[:MAX_LEARNED]:
        line = f"{how:<{label}}{_text(value)} ({n:,} of {max(len(dossier.flows), n):,})"
        yield from textwrap.wrap(line, width - 2, subsequent_indent=" " * label)
    if len(told) > MAX_LEARNED:
        yield f"and {len(told) - MAX_LEARNED:,} more"


def _peers(dossier: Dossier, width: int) -> Iterator[str]:
    finding = dossier.finding
    others = [peer for peer in dossier.peers if peer["orig_ip"] != finding["orig_ip"]]
    if not dossier.peers:
        return
    if not others:
        yield f"no other of the {dossier.n_hosts:,} hosts seen"
    for peer in others[:MAX_PEERS]:
        span = f"{short_time(peer['first_ts'])} to {short_time(peer['last_ts'])} UTC"
        yield from textwrap.wrap(f"{_text(peer['orig_ip'])}  {plural(peer['events'], 'event')}, {span}", width - 2)
    if len(others) > MAX_PEERS:
        yield f"and {len(others) - MAX_PEERS:,} more, of {dossier.n_hosts:,} hosts seen"


def _before(dossier: Dossier, width: int) -> Iterator[str]:
    """What the host did before it went there for the first time: the download, the mail, the lookup."""
    if dossier.first_contact_ts is None or not dossier.before:
        return
    for one in dossier.before:
        ago = human_duration((dossier.first_contact_ts - one["ts"]) / NS)
        detail = f"  {_text(one['detail'], MAX_DETAIL_CHARS)}" if one["detail"] else ""
        size = f", {human_bytes(one['resp_bytes'])} in" if one["resp_bytes"] else ""
        line = f"{ago:>8} before  {_text(one['kind'])} {_text(one['what'])}{detail}{size}"
        yield from textwrap.wrap(line, width - 2, subsequent_indent=" " * 17)
    yield f"{'':>8} {short_time(dossier.first_contact_ts)} UTC: the first contact in all kept history"


def _dissection(told: Mapping[str, Any] | None, width: int) -> Iterator[str]:
    """What tshark reads in the packets: fields of the protocols, each value once."""
    if told is None:
        return
    for row in told["rows"]:
        line = (
            f"{_text(row['layer'])} {_text(row['field'])}: {_text(row['value'], MAX_REASON_CHARS)} ({row['packets']:,})"
        )
        yield from textwrap.wrap(line, width - 2, subsequent_indent="    ")
    if told["rows_left_out"]:
        yield f"and {told['rows_left_out']:,} more, in --json neither"
    cut = ", the first of them" if told["is_cut"] else ""
    yield f"{plural(told['packets'], 'packet')} dissected of {told['carved']:,} carved{cut}"
    if told["error"]:
        yield from _bullet(f"tshark: {_text(told['error'], MAX_REASON_CHARS)}", width)
    for name, reason in (*told["missing"].items(), *told["partial"].items()):
        yield from _bullet(f"{_text(name)}: {_text(reason, MAX_REASON_CHARS)}", width)


def _losses(dossier: Dossier, width: int) -> Iterator[str]:
    """Captures of this time that were damaged, and what was odd in them: gaps may be theirs."""
    for one in dossier.captures:
        if one["state"] != "complete" or one["counted"]:
            counted = ", ".join(
                f"{n:,} {_text(name).partition('.')[2].replace('_', ' ')}" for name, n in one["counted"].items()
            )
            error = f": {_text(one['error'], MAX_REASON_CHARS)}" if one["error"] else ""
            state = f"{_text(one['state'])}{error}; " if one["state"] != "complete" else ""
            yield from _bullet(f"{_text(one['name'])}: {state}{counted or 'nothing counted'}", width)


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


def _channels(channels: Sequence[Row], width: int) -> Iterator[str]:
    if len(channels) < 2:
        return
    for channel in channels[:MAX_CHANNELS]:
        label = f"; {_text(channel['label'])}" if channel["label"] else ""
        line = (
            f"{_text(channel['dest'])} {_text(channel['resp_port'])}/{_text(channel['proto'])}  "
            f"{plural(channel['events'], 'connection')} {_text(channel['outcome'])}, first "
            f"{short_time(channel['first_ts'])}, last {short_time(channel['last_ts'])}{label}"
        )
        yield from textwrap.wrap(line, width - 2, subsequent_indent="  ")
    if len(channels) > MAX_CHANNELS:
        yield f"and {len(channels) - MAX_CHANNELS:,} more"


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
    first = _FIRST_STEP.get(finding["analyzer"], _ANY_STEP)
    if finding["outcome"] in ("refused", "unanswered"):
        first = _BEAT_ADVICE if finding["interval_s"] else _BLOCKED_ADVICE
    yield from _bullet(first.format(host=host), width)
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
        yield f"{command} hunt {shlex.quote(dest)}    # who else, since when"
    yield f"{command} flows {host} {since}    # what else it did"
    yield f"{command} blocklist    # preview of what to block"
    yield f"{command} triage {finding['id']} investigating    # tell the others"
