"""Completion for shells: the script that a shell loads, and the answers to what it then asks. click does both."""

import os

import click
from click.shell_completion import ShellComplete, get_completion_class

PROGRAM, VARIABLE = "kagami", "_KAGAMI_COMPLETE"


def script(command: click.Command, shell: str) -> str:
    """What a shell loads to complete kagami's command lines."""
    return _completer(command, shell).source() + "\n"


def answer(command: click.Command) -> str | None:
    """The completions that a shell asks for in this process's environment; None when it asks for none."""
    shell, _, what = os.environ.get(VARIABLE, "").partition("_")
    if what != "complete" or get_completion_class(shell) is None:
        return None
    return _completer(command, shell).complete() + "\n"


def _completer(command: click.Command, shell: str) -> ShellComplete:
    found = get_completion_class(shell)
    assert found is not None, shell
    return found(command, {}, PROGRAM, VARIABLE)
