"""A program on a terminal of its own."""

import errno
import os
import pty
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path


def on_terminal(
    command: Sequence[str], environment: Mapping[str, str], *, folder: Path | None = None, stdin: int | None = None
) -> str:
    """What it prints, both streams as a person sees them. stdin : the terminal as well, unless another is given"""
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdin=terminal if stdin is None else stdin, stdout=terminal,
        stderr=terminal,
    ):  # fmt: skip
        os.close(terminal)
        text = b"".join(_until_closed(controller))
    os.close(controller)
    return text.decode("utf-8", "replace").replace("\r\n", "\n")


def _until_closed(controller: int) -> Iterator[bytes]:
    while True:
        try:
            chunk = os.read(controller, 65_536)
        except OSError as error:  # Linux tells the end of a terminal so
            assert error.errno == errno.EIO
            return
        if not chunk:
            return
        yield chunk
