"""The command called within the test's own process."""

import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from sensor.cli.main import run


def caller(capture: pytest.CaptureFixture[str]) -> Callable[..., SimpleNamespace]:
    """A function that runs `kagami WORD...` and gives its exit code, standard output and standard error."""

    def call(*words: str) -> SimpleNamespace:
        code = run(list(words))
        sys.stdout.flush()
        out, err = capture.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    return call
