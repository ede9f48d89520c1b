"""A summary as Markdown, for tickets and wikis. What came from the network is cleaned and has nothing left to act."""

from collections.abc import Iterator, Sequence

from sensor import __version__
from sensor.cli.clean import clean
from sensor.cli.columns import text_of
from sensor.cli.human import human_duration
from sensor.cli.report.html import MAX_CHARS, counted
from sensor.cli.report.words import Words, harmless
from sensor.cli.times import short_time
from sensor.response.dossier import Dossier
from sensor.response.summary import Summary
from sensor.response.techniques import technique_name

_SPECIAL = str.maketrans(
    {char: f"\\{char}" for char in "\\`*_{}[]()#+-!|~^"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
)


def page(summary: Summary, language: str, now_ns: int) -> str:
    """The page. language : of words.LANGUAGES; now_ns : when it is made, ns."""
    return "\n".join(_lines(summary, Words(language), now_ns)) + "\n"


def shown(value: object) -> str:
    """A datum that is text and nothing else to a Markdown reader."""
    return clean(text_of(value), MAX_CHARS).translate(_SPECIAL)


def _dest(value: object) -> str:
    return harmless(clean(text_of(value), MAX_CHARS)).translate(_SPECIAL)


def _lines(s: Summary, w: Words, now_ns: int) -> Iterator[str]:
    yield f"# {w['title']}"
    yield ""
    yield f"{w['window']}: {short_time(s.since_ns)} - {short_time(s.until_ns)} UTC  "
    yield f"{w['made']}: {short_time(now_ns)} UTC, {w['by']} {__version__}"
    yield from ("", f"## {w['summary']}", "")
    levels = [f"**{n}** {w.of('severities', level)}" for level, n in s.severities().items()]
    yield ", ".join(levels) or w["nothing"]
    if s.settled or s.hidden:
        yield from ("", w.say("settled", n=s.settled, m=s.hidden))
    yield from ("", w["utc"])
    if s.findings:
        yield from ("", f"## {w['findings']}", "")
        heads = ("#", "severity", "score", "analyzer", "host", "dest", "service", "events", "interval", "state")
        yield from _table(
            [w[head] if head != "#" else "#" for head in heads],
            [
                [
                    str(f["id"]), shown(w.of("severities", f["severity"])), f"{f['score']:.2f}",
                    shown(w.of("kinds", f["analyzer"])), shown(f["orig_ip"]), _dest(f["dest"]),
                    f"{f['resp_port']}/{shown(f['proto'])}", f"{f['events']:,}",
                    human_duration(f["interval_s"]) if f["interval_s"] else "", shown(w.of("states", f["state"])),
                ]
                for f in s.findings
            ],
        )  # fmt: skip
    for dossier in s.dossiers:
        yield from _finding(dossier, w)
    if len(s.findings) > len(s.dossiers):
        yield from ("", w.say("more", n=len(s.findings) - len(s.dossiers)))
    yield from ("", f"## {w['blocked']}", "")
    if s.blocked:
        yield from (w["blocked_note"], "")
        yield from (
            f"- {shown(f['orig_ip'])} → {_dest(f['dest'])} {f['resp_port']}/{shown(f['proto'])}: "
            f"{shown(w.of('outcomes', f['outcome']))}, {f['events']:,}"
            for f in s.blocked
        )
    else:
        yield w["blocked_none"]
    yield from ("", f"## {w['health']}", "")
    for one in s.captures:
        error = f": {shown(one['error'])}" if one["error"] else ""
        lost = shown(counted(one["counted"])) or w["none_lost"]
        yield f"- {shown(one['name'])}: {shown(one['state'])}{error}; {one['packets']:,} {w['packets']}; {lost}"
    yield from ("", f"## {w['not_seen']}", "")
    if s.absent:
        yield f"- {w.say('absent', n=len(s.absent), days=', '.join(s.absent[:10]))}"
    yield from (f"- {line}" for line in w["blind"])


def _finding(d: Dossier, w: Words) -> Iterator[str]:
    f = d.finding
    yield from (
        "",
        f"### {f['id']}. {shown(f['orig_ip'])} → {_dest(f['dest'])} {f['resp_port']}/{shown(f['proto'])}",
        "",
    )
    yield shown(w.sentence(f, f["orig_ip"], harmless(text_of(f["dest"]))))
    yield ""
    yield from (f"- {shown(reason)}" for reason in f["reasons"])
    if f["techniques"]:
        names = ", ".join(f"{shown(one)} {technique_name(one)}".strip() for one in f["techniques"])
        yield f"- {w['techniques']}: {names}"
    for one in d.said:
        note = f": {shown(one['note'])}" if one["note"] else ""
        yield f"- {short_time(one['made_ts'])} {shown(one['who'])}: {shown(w.of('states', one['state']))}{note}"
    yield from ("", f"{w['todo']}:", "")
    yield from (f"- {line}" for line in (w.step(f["analyzer"]), w.say("keep", id=f["id"]), w["block"]))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
