"""The commands in README and tutorial print what the documents say.

After a change of what is printed: python -m tests.support.transcripts, then look at the diff.
"""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.support.transcripts import DOCUMENTS, REPO, Shell, differs, settled, steps_of

README = (REPO / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_print_what_the_document_says(name: str, tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    steps = steps_of((REPO / name).read_text(encoding="utf-8"))
    assert steps
    for step in steps:
        printed = shell.run(step.command)
        if differs(step.expected, printed):
            assert settled(printed) == settled(step.expected), step.command  # shows where


@pytest.mark.slow
def test_the_commands_for_ones_own_captures_work(tmp_path: Path) -> None:
    """The examples of README's "Use it" that kagami alone can run, on the bundled capture under their names."""
    shell = Shell(tmp_path)
    block = README.split("## Use it on a capture")[1].split("```")[1]
    commands = [line.partition("#")[0].strip() for line in block.splitlines() if line.startswith("kagami ")]
    assert len(commands) > 8
    for name in re.findall(r"\S+\.pcap(?:ng)?\b", block):
        (tmp_path / name).write_bytes((tmp_path / "demo.pcap").read_bytes())
    for command in commands:
        done = subprocess.run(
            shlex.split(command), cwd=tmp_path, env=shell.environment, capture_output=True, check=False
        )
        assert done.returncode == 0, (command, done.stderr)


@pytest.mark.parametrize(
    ("expected", "printed", "is_other"),
    [
        (["a", "b"], ["a", "b"], False),
        (["a"], ["a", "b"], True),
        (["a", "..."], ["a", "b", "c"], False),
        (["..."], ["x"], False),
        (["a", "...", "c"], ["a", "b", "b", "c"], False),
        (["a", "...", "c"], ["a", "b"], True),
        (["read in 5 s"], ["read in 123 ms"], False),
        (["read in 5 s."], ["read in 6 s."], True),
        (["a.c"], ["abc"], True),
    ],
)
def test_the_comparison_itself(expected: list[str], printed: list[str], is_other: bool) -> None:
    assert differs(expected, printed) is is_other
