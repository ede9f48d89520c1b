"""Options of the verbs with which people decide something: who they are, and until when it holds."""

import os
import pwd
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

import click

from sensor.cli.times import DAY_NS, NS, parse_when
from sensor.errors import UsageError

_F = TypeVar("_F", bound=Callable[..., Any])
_AHEAD = re.compile(r"(\d{1,5})([hdw])")
_UNIT_NS = {"h": 3_600 * NS, "d": DAY_NS, "w": 7 * DAY_NS}
NEVER = "never"


def who_option(verb: _F) -> _F:
    """--by, as `who`: the person who decides; by default the one who is logged in, also behind sudo."""
    return click.option(
        "--by", "who", metavar="NAME", default=_login, show_default="your login name", help="Who decides it."
    )(verb)


def _login() -> str:
    name = os.environ.get("SUDO_USER", "")
    if name:
        return name
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # an account without a name, as in containers
        return str(os.getuid())


class Until(click.ParamType[int | None]):
    """A time to come: an age counts forward here. Reaches the verb as int nanoseconds, or None for never."""

    name = "until"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """See click.ParamType."""
        return parse_until(value, time.time_ns()) if isinstance(value, str) else value


def parse_until(text: str, now_ns: int) -> int | None:
    """Nanoseconds of a time to come that a person wrote; a date is the midnight that ends it; None: never.

    Raises: UsageError that says what is allowed, also for a time that has passed.
    """
    text = text.strip()
    if text == NEVER:
        return None
    if match := _AHEAD.fullmatch(text):
        return now_ns + int(match[1]) * _UNIT_NS[match[2]]
    allowed = "allowed: 30d (h, d, w), a date such as 2027-01-31, RFC 3339, or never"
    try:
        until_ns = parse_when(text, now_ns, is_end=True)
    except UsageError as error:
        raise UsageError(f"{text!r} is no time that kagami understands; {allowed}") from error
    if until_ns <= now_ns:
        raise UsageError(f"{text!r} has passed; {allowed}")
    return until_ns
