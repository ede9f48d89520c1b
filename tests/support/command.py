"""The command: as a process of its own, and called within the test's process."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from sensor.cli.main import run

KAGAMI = [sys.executable, "-c", "from sensor.cli.main import main; main()"]
Call = Callable[..., SimpleNamespace]


def caller(store: Path, monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[bytes]) -> Call:
    """A function that runs `kagami WORD...` on a store and gives its exit code, standard output and standard error.

    No site file of the person who runs the tests is read. Both outputs must be good UTF-8.
    """
    monkeypatch.setenv("KAGAMI_STORE", str(store))
    monkeypatch.delenv("KAGAMI_SITE", raising=False)

    def call(*words: str) -> SimpleNamespace:
        code = run(list(words))
        sys.stdout.flush()
        out, err = capture.readouterr()
        return SimpleNamespace(code=code, out=out.decode(), err=err.decode())

    return call
