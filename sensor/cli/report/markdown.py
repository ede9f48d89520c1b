"""A summary as Markdown, for tickets and wikis. What came from the network is cleaned and has nothing left to act."""

from collections.abc import Iterator, Sequence

from sensor import __version__
from sensor.cli.clean import clean
from sensor.cli.columns import Row, text_of
from sensor.cli.report.html import MAX_CHARS
from sensor.cli.report.languages import LANGUAGES
from sensor.cli.report.words import Words, harmless
from sensor.cli.times import short_time
from sensor.response.dossier import Dossier
from sensor.response.summary import Summary

_SPECIAL = str.maketrans(
    {char: f"\\{char}" for char in "\\`*_{}[]()#+-!|~^"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
)


def page(summary: Summary, language: str, now_ns: int) -> str:
    """The page. language : of LANGUAGES; now_ns : when it is made, ns."""
    return "\n".join(_lines(summary, LANGUAGES[language](summary.phrases), now_ns)) + "\n"


def shown(value: object) -> str:
    """A datum that is text and nothing else to a Markdown reader."""
    return clean(text_of(value), MAX_CHARS).translate(_SPECIAL)


def _dest(finding: Row, w: Words) -> str:
    return harmless(clean(text_of(w.dest(finding["dest"])), MAX_CHARS)).translate(_SPECIAL)


def _lines(s: Summary, w: Words, now_ns: int) -> Iterator[str]:
    yield f"# {w['title']}"
    yield ""
    yield w.say("window", since=short_time(s.since_ns), until=short_time(s.until_ns)) + "  "
    yield w.say("made", now=short_time(now_ns), version=__version__)
    yield from ("", f"## {w['summary']}", "")
    levels = [f"**{n}** {w.of('severities', level)}" for level, n in s.severities().items()]
    if levels:
        yield from (w.say("total", n=len(s.findings), m=len(s.hosts)), "", w.listed(levels))
    else:
        yield w["nothing"]
    if s.settled or s.hidden:
        yield from ("", w.say("settled", n=s.settled, m=s.hidden))
    if w.is_any_untold(s.dossiers):
        yield from ("", w["untold"])
    yield from ("", w["utc"])
    if s.findings:
        yield from ("", f"## {w['findings']}", "")
        heads = ("#", "severity", "score", "analyzer", "host", "dest", "service", "events", "interval", "state")
        yield from _table(
            [w[head] if head != "#" else "#" for head in heads],
            [
                [
                    str(f["id"]), shown(w.of("severities", f["severity"])), f"{f['score']:.2f}",
                    shown(w.of("kinds", f["analyzer"])), shown(f["orig_ip"]), _dest(f, w),
                    f"{f['resp_port']}/{shown(f['proto'])}", f"{f['events']:,}",
                    w.span(f["interval_s"]) if f["interval_s"] else "", shown(w.of("states", f["state"])),
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
            f"- {shown(f['orig_ip'])} → {_dest(f, w)} {f['resp_port']}/{shown(f['proto'])}{w['colon']}"
            f"{w.listed([shown(w.of('outcomes', f['outcome'])), format(f['events'], ',')])}"
            for f in s.blocked
        )
    else:
        yield w["blocked_none"]
    yield from ("", f"## {w['health']}", "")
    for one in s.captures:
        facts = (w.source_state(one["state"], one["error"]), w.say("n_packets", n=f"{one['packets']:,}"))
        told = [shown(fact) for fact in (*facts, w.counted(one["counted"]) or w["none_lost"])]
        yield f"- {shown(one['name'])}{w['colon']}{w['semicolon'].join(told)}"
    yield from ("", f"## {w['not_seen']}", "")
    if s.absent:
        yield f"- {w.say('absent', n=len(s.absent), days=w.listed(s.absent[:10]))}"
    yield from (f"- {line}" for line in w["blind"])


def _finding(d: Dossier, w: Words) -> Iterator[str]:
    f = d.finding
    yield from (
        "",
        f"### {f['id']}. {shown(f['orig_ip'])} → {_dest(f, w)} {f['resp_port']}/{shown(f['proto'])}",
        "",
    )
    yield shown(w.sentence(f, f["orig_ip"], harmless(text_of(w.dest(f["dest"])))))
    yield ""
    yield from (f"- {shown(w.told(reason))}" for reason in f["reasons"])
    if f["techniques"]:
        names = w.listed(f"{shown(one)} {w.technique(one)}".strip() for one in f["techniques"])
        yield f"- {w['techniques']}{w['colon']}{names}"
    for one in d.said:
        said = [shown(w.of("states", one["state"])), *([shown(one["note"])] if one["note"] else [])]
        yield f"- {short_time(one['made_ts'])} {w['colon'].join([shown(one['who']), *said])}"
    yield from ("", f"{w['todo']}{w['colon']}".strip(), "")
    yield from (f"- {line}" for line in (w.step(f), w.say("keep", id=f["id"]), w["block"]))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
