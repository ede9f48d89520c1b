"""Words of a program that runs for months: one line for each change, with its level where the journal reads them.

journald takes `<N>` at the start of a line as its priority (sd-daemon(3)); at a terminal the line begins with the time.
"""

import os
import time
from contextlib import suppress

from sensor.cli.clean import clean
from sensor.cli.session import MAX_MESSAGE_CHARS, to_stderr

WARNING, INFO = 4, 6
_BAD = ("gone", "down", "no-carrier", "clock step", "not taken", "not stored", "not kept", "could not")


def journal(message: str) -> None:
    """Say something on stderr, cleaned, one line for each of its lines.

    Where nobody listens any more, or the log's disk is full, the words are lost: a capture does not end for them.
    """
    level = WARNING if any(word in message for word in _BAD) else INFO
    for line in message.split("\n"):
        text = clean(line, MAX_MESSAGE_CHARS)
        head = f"<{level}>" if os.environ.get("JOURNAL_STREAM") else f"kagami: {time.strftime('%Y-%m-%d %H:%M:%S')} "
        with suppress(OSError, ValueError):
            to_stderr(head + text)
