"""A summary as one HTML page: no script, nothing fetched, inline pictures, a policy that forbids the rest.

What came from the network is cleaned, then escaped by the template; classes and attributes are words of our own.
"""

import base64
import hashlib
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from sensor import __version__
from sensor.cli.clean import clean
from sensor.cli.columns import text_of
from sensor.cli.report import pictures
from sensor.cli.report.languages import LANGUAGES
from sensor.cli.report.words import Words, harmless
from sensor.cli.times import short_time
from sensor.response.summary import Summary

MAX_CHARS = 1_000
_LEVELS = ("critical", "high", "medium", "low")


def page(summary: Summary, language: str, now_ns: int) -> str:
    """The page. language : of LANGUAGES; now_ns : when it is made, ns."""
    words = LANGUAGES[language](summary.phrases)
    folder = resources.files("sensor.cli.report")
    style = folder.joinpath("style.css").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "c": shown,
        "dest": lambda value: harmless(shown(words.dest(value))),
        "when": short_time,
        "span": lambda seconds: words.span(seconds) if seconds else "",
        "level": lambda value: value if value in _LEVELS else "low",
        "technique": lambda value: f"{shown(value)} {words.technique(value)}".strip(),
        "timeline": lambda events: _timeline(events, words),
        "histogram": lambda events: Markup(pictures.histogram(events, str(escape(words["histogram"])), words.span)),
    }
    template = environment.from_string(folder.joinpath("report.html.j2").read_text(encoding="utf-8"))
    return template.render(
        s=summary,
        w=words,
        untold=words.is_any_untold(summary.dossiers),
        now_ns=now_ns,
        version=__version__,
        style=Markup(style),
        policy=policy(style),
    )


def policy(style: str) -> str:
    """The Content-Security-Policy: nothing but the one style sheet of the page, known by its hash."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def shown(value: object) -> str:
    """A datum as a reader may see it; the template escapes what is markup."""
    return clean(text_of(value), MAX_CHARS)


def _timeline(events: Any, words: Words) -> Markup:
    label = words.say("picture", n=len(events), m=pictures.most_in_a_slot(events))
    return Markup(pictures.timeline(events, str(escape(label))))
