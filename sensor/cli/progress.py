"""Progress of long work on stderr: one line that renews itself on a terminal, a line every few seconds elsewhere."""

import os
import sys
import time
from typing import TYPE_CHECKING

from sensor.cli.clean import clean
from sensor.cli.human import human_bytes, human_count, human_duration
from sensor.cli.session import Session, is_terminal, silence

if TYPE_CHECKING:
    from sensor.pipeline import Progress

TERMINAL_EVERY_S = 0.1
PLAIN_EVERY_S = 5.0
_ERASE_LINE = "\r\x1b[K"


class ProgressLine:
    """Show progress. A context manager: leaving it clears the line.

    plain_after_s : seconds until the first line where it is no terminal; None: as between two lines
    """

    def __init__(self, session: Session, plain_after_s: float | None = None) -> None:
        self._on = session.has_progress and not session.is_quiet
        self._renews = is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"
        self._every_s = TERMINAL_EVERY_S if self._renews else PLAIN_EVERY_S
        plain_after_s = PLAIN_EVERY_S if plain_after_s is None else plain_after_s
        self._next_s = time.monotonic() + (0 if self._renews else plain_after_s)

    def __enter__(self) -> "ProgressLine":
        return self

    def __exit__(self, *_: object) -> None:
        if self._on and self._renews:
            self._put(_ERASE_LINE)

    def __call__(self, progress: "Progress") -> None:
        """Show one report, unless the last one is only just shown."""
        self.show(describe(progress))

    def show(self, text: str) -> None:
        """Show a line, unless the last one is only just shown."""
        now_s = time.monotonic()
        if not self._on or now_s < self._next_s:
            return
        self._next_s = now_s + self._every_s
        self._put(f"{_ERASE_LINE}{clean(text, _columns() - 1)}" if self._renews else f"kagami: {clean(text)}\n")

    def _put(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except BrokenPipeError:
            silence(sys.stderr)


def describe(progress: "Progress") -> str:
    """`a.pcap: 120 MB of 1.4 GB (8%), 260,000 packets, 1,300,000 packets/s, 2.2 s left`."""
    done, total, seconds = progress.bytes_done, progress.bytes_total, progress.seconds
    size = human_bytes(done)
    if total:
        size += f" of {human_bytes(total)} ({min(100, 100 * done // total)}%)"
    rate = int(progress.packets / seconds) if seconds > 0 else 0
    text = f"{progress.source}: {size}, {human_count(progress.packets)} packets, {human_count(rate)} packets/s"
    if total and 0 < done < total and seconds > 0:
        text += f", {human_duration((total - done) * seconds / done)} left"
    return text


def _columns() -> int:
    try:
        return int(os.environ.get("COLUMNS", "")) or os.get_terminal_size(sys.stderr.fileno()).columns
    except (ValueError, OSError):
        return 80
