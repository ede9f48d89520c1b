"""Words of a program that runs for months: what becomes of them where nobody listens."""

import subprocess
import sys
from pathlib import Path

import pytest

SAY = """
import time
from sensor.cli.journal import journal
for _ in range(20):
    journal("eth1 went down")
    time.sleep(0.01)
print("went on")
"""


@pytest.mark.parametrize("place", ["/dev/full", "pipe"])
def test_words_that_cannot_be_written_end_nothing(place: str) -> None:
    command = [sys.executable, "-c", SAY]
    if place == "pipe":
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
            assert program.stderr is not None
            assert program.stdout is not None
            program.stderr.close()
            assert program.stdout.read() == "went on\n"
    else:
        with Path(place).open("w") as full:
            program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=full, text=True)
            assert program.communicate()[0] == "went on\n"
    assert program.returncode == 0
