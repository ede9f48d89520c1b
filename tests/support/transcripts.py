"""Command lines in the documents, with what they print: run, compared, and on demand written anew.

usage: python -m tests.support.transcripts     (writes the true outputs into DOCUMENTS)

In a ```console block, a line that begins with "$ " is a command; what follows is what it prints on a terminal of 100
characters, both streams as a person sees them. A line "..." stands for any lines. All blocks of a file run in one
folder, one after another, in which demo.pcap is the bundled capture.
"""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.command import KAGAMI
from tests.support.terminal import on_terminal

REPO = Path(__file__).resolve().parents[2]
DOCUMENTS = ("README.md", "docs/tutorial.md")
COLUMNS = 100
_BLOCK = re.compile(r"(^```console\n)(.*?)(^```$)", re.M | re.S)
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_VOLATILE = (
    (re.compile(r" in [\d.]+ (?:ms|s|min)$", re.M), " in 1 s"),  # how long a replay took
    (re.compile(r"\b20(?:2[6-9]|[3-9]\d)-\d\d-\d\d \d\d:\d\d:\d\d"), "2026-01-01 00:00:00"),  # the time of day
    (re.compile(r"\b[0-9a-f]{64}\b"), "0" * 64),
)


@dataclass(frozen=True)
class Step:
    """A command of a document and the lines that it says are printed."""

    command: str
    expected: list[str]


def steps_of(text: str) -> list[Step]:
    """The commands of a document, in order."""
    return [step for match in _BLOCK.finditer(text) for step in _steps(match[2])]


def _steps(block: str) -> list[Step]:
    steps: list[Step] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            steps.append(Step(line[2:], []))
        else:
            steps[-1].expected.append(line)
    return steps


class Shell:
    """A folder to run commands in, with `kagami` on the path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        programs = folder / ".bin"
        programs.mkdir()
        script = programs / "kagami"
        script.write_text(f'#!/bin/sh\nexec {shlex.join(KAGAMI)} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
        shutil.copy(REPO / "pcaps" / "demo" / "demo.pcap", folder / "demo.pcap")
        unwanted = ("KAGAMI_", "CLICOLOR", "FORCE_COLOR")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)} | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPO),
            "COLUMNS": str(COLUMNS),
            "NO_COLOR": "1",
            "TERM": "xterm",
            "SUDO_USER": "ann",
            "TZ": "UTC",
        }

    def run(self, command: str) -> list[str]:
        """What a command prints on a terminal, line by line."""
        command = "kagami demo" if command == "make demo" else command
        text = on_terminal(["bash", "-c", command], self.environment, folder=self.folder, stdin=subprocess.DEVNULL)
        lines = [_STYLE.sub("", _after_progress(line)).rstrip() for line in text.rstrip("\n").split("\n")]
        return [line for line in lines if not line.startswith("kagami: compiling kernels")]


def _after_progress(line: str) -> str:
    """What stays of a line that a progress line was drawn over."""
    return line.rpartition("\x1b[K")[2].strip("\r")


def settled(lines: list[str]) -> list[str]:
    """Lines with what differs from run to run made the same."""
    text = "\n".join(lines)
    for pattern, replacement in _VOLATILE:
        text = pattern.sub(replacement, text)
    return [line.rstrip() for line in text.split("\n")]


def differs(expected: list[str], printed: list[str]) -> bool:
    """Whether what was printed is something else than what is expected, in which "..." stands for any lines."""
    pattern = "\n".join(
        r"(?:.*\n)*?.*" if line == "..." else re.escape(line) for line in settled(expected)
    )  # a lone "..." also stands for no line at the end
    return re.fullmatch(pattern, "\n".join(settled(printed)).rstrip("\n") or "") is None


def rewrite(path: Path) -> None:
    """Write the true outputs into a document; where it left lines out with "...", that many first lines stay."""
    with tempfile.TemporaryDirectory() as name:
        shell = Shell(Path(name))

        def anew(match: re.Match[str]) -> str:
            lines = []
            for step in _steps(match[2]):
                printed = shell.run(step.command)
                if "..." in step.expected:
                    printed = [*printed[: step.expected.index("...")], "..."]
                lines += [f"$ {step.command}", *printed]
            return match[1] + "".join(f"{line}\n" for line in lines) + match[3]

        path.write_text(_BLOCK.sub(anew, path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    for document in DOCUMENTS:
        rewrite(REPO / document)
