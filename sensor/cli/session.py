"""What one run of the command knows of its user's wishes, and its two ways out: data to stdout, words to stderr.

`Session` is click's `ctx.obj`. Reading the store and the site happens through it, so each verb imports only what it
needs. This module never decides what to say.
"""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from sensor.cli.clean import clean

if TYPE_CHECKING:
    from sensor.site import Site
    from sensor.store.store import Store

DEFAULT_STORE = Path("kagami-store")
MAX_MESSAGE_CHARS = 2000
_CHUNK_BYTES = 1 << 16


@dataclass
class Session:
    """The global options. `chosen_store` is None where neither --store nor KAGAMI_STORE named one."""

    chosen_store: Path | None = None
    is_store_on_command_line: bool = False
    site_file: Path | None = None
    is_quiet: bool = False
    is_verbose: bool = False
    has_progress: bool = True
    is_stdout_gone: bool = False

    @property
    def store_dir(self) -> Path:
        return self.chosen_store or DEFAULT_STORE

    def open_store(self) -> "Store":
        """The store for reading, a context manager. Raises: StoreError."""
        from sensor.store.store import Store

        return Store.open(self.store_dir)

    def open_desk(self) -> "Store":
        """The store for what people decide, a context manager; a sensor may be writing. Raises: StoreError."""
        from sensor.store.store import Store

        return Store.open_for_notes(self.store_dir)

    def must_have_store(self) -> None:
        """Raise StoreError where there is no store, for a verb that writes into one but makes none.

        One of an older version passes: its writer brings it up to date.
        """
        from sensor.store.store import Store

        Store.must_exist(self.store_dir)

    def site(self, internal: Iterable[str] = ()) -> "Site":
        """The site file, or the defaults. Raises: UsageError with everything wrong in it."""
        from sensor.site import load_site

        return load_site(self.site_file, list(internal))

    def say(self, message: str) -> None:
        """Tell on stderr, unless --quiet."""
        if not self.is_quiet:
            warn(message)

    def write(self, chunks: Iterable[bytes]) -> None:
        """Data to stdout. A reader that stops reading (head) is no error: the rest is not written."""
        if self.is_stdout_gone:
            return
        try:
            sys.stdout.flush()  # what was printed as text comes first
            pending = bytearray()
            for chunk in chunks:
                pending += chunk
                if len(pending) >= _CHUNK_BYTES:
                    sys.stdout.buffer.write(pending)
                    pending.clear()
            sys.stdout.buffer.write(pending)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            self.is_stdout_gone = True
            silence(sys.stdout)

    def write_text(self, text: str) -> None:
        """Text of our own making whose data parts are cleaned, to stdout."""
        self.write([text.encode("utf-8", "backslashreplace")])


def warn(message: str) -> None:
    """Tell on stderr, cleaned, on one line whatever the message holds."""
    to_stderr(f"kagami: {clean(message, MAX_MESSAGE_CHARS)}")


def warn_lines(message: str) -> None:
    """As `warn`, for messages of several lines. Those after the first are indented, so none passes for a message."""
    to_stderr("kagami: " + "\n  ".join(clean(line, MAX_MESSAGE_CHARS) for line in message.split("\n")))


def to_stderr(text: str) -> None:
    """A line on stderr, or nowhere once its reader has gone. Raises: OSError when it cannot be written."""
    try:
        print(text, file=sys.stderr, flush=True)
    except BrokenPipeError:
        silence(sys.stderr)


def silence(stream: TextIO) -> None:
    """Point a stream whose reader has gone at nothing, so that the interpreter's last flush does not complain."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def is_terminal(stream: TextIO) -> bool:
    """Whether a person reads the stream."""
    return stream.isatty()


def wants_color() -> bool | None:
    """NO_COLOR and CLICOLOR=0: no; FORCE_COLOR and CLICOLOR_FORCE: yes; None: as the terminal can."""
    env = os.environ
    if env.get("NO_COLOR") or env.get("CLICOLOR") == "0":
        return False
    if env.get("FORCE_COLOR") or env.get("CLICOLOR_FORCE", "0") != "0":
        return True
    return None
