"""docs/commands.md says what the program has, and the program has what it says; the group loads verbs late."""

import re
from collections.abc import Collection
from pathlib import Path

import click
import pytest

from sensor.cli.command import Family
from sensor.cli.main import EXIT_BUG, EXIT_INTERRUPTED, EXIT_USAGE, VERBS, cli
from sensor.cli.options import EXIT_FINDINGS
from sensor.errors import InputError, PrivilegeError

DOC = (Path(__file__).resolve().parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
DESIGNED = {
    "replay": "--no-analyze --jobs --rotated --internal --gap --fail-on",
    "watch": "--interface -i --filter --workers --outgoing --metrics",
    "analyze": "--since --until --fail-on --rolling",
    "prune": "--dry-run --json",
    "doctor": "--selftest --seconds --json",
    "notify": "--test --json",
    "service": "--prefix --dry-run --program",
    "findings": "--analyzer --min-score --host --dest --since --until --state --all --limit --fail-on",
    "flows": """--host --dest --name --port --proto --state --app --ja3 --ja4 --user-agent --via-proxy --direct --since
        --until --limit""",
    "events": """--host --dest --name --port --proto --kind --method --uri --app --ja3 --ja4 --user-agent --via-proxy
        --direct --since --until --limit""",
    "dns": "--host --dest --name --answer --qtype --rcode --app --since --until --limit",
    "hunt": "--file -f --kind --since --until --limit",
    "watchlist": "--file -f --kind --reason --expires --by --limit",
    "triage": "--note --by",
    "allow": "--port --host --reason --expires --by --all",
    "blocklist": "--format --output -o --force --diff --revert --yes --only --expires --sign --history --min-severity",
    "quarantine": "--format --output -o --min-severity",
}
"""Options that other people's scripts rely on; a verb may have more, never fewer."""


def documented(section: str) -> set[str]:
    """The options in the table of a section."""
    body = re.search(rf"^## {section}$(.*?)(?=^## |\Z)", DOC, re.M | re.S)
    assert body, f"docs/commands.md has no section {section}"
    cells = [line.split("|")[1] for line in body[1].splitlines() if line.startswith("| `-")]
    return set(re.findall(r"(?<!\w)--?[a-z][a-z0-9-]*", " ".join(cells)))


def options(command: click.Command, shared: Collection[str] = ()) -> set[str]:
    """The options of a command, and those of the commands it has."""
    with click.Context(command) as ctx:
        found = {name for param in command.get_params(ctx) if isinstance(param, click.Option) for name in param.opts}
    for part in command.commands.values() if isinstance(command, Family) else ():
        found |= options(part)
    return found - set(shared)


def verb(name: str) -> click.Command:
    with click.Context(cli) as ctx:
        command = cli.get_command(ctx, name)
    assert command is not None
    return command


GLOBAL = options(cli)


def test_global_options_are_documented() -> None:
    assert documented("Global options") == GLOBAL | {"-h", "--help"}


@pytest.mark.parametrize("name", VERBS)
def test_options_of_a_verb_are_documented(name: str) -> None:
    own = options(verb(name), GLOBAL | {"-h", "--help"})
    assert documented(name) == own
    assert set(DESIGNED.get(name, "").split()) <= own


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_takes_the_global_options_also_after_its_name(name: str) -> None:
    assert GLOBAL - {"--version", "--help"} <= options(verb(name))


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_help_and_examples_that_name_it(name: str) -> None:
    command = verb(name)
    assert command.help
    assert f"kagami {name}" in command.examples  # type: ignore[attr-defined]


def test_the_exit_codes_are_documented() -> None:
    body = DOC.split("## Exit codes")[1].split("## ")[0]
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", body, re.M)}
    codes = {EXIT_FINDINGS, EXIT_USAGE, InputError.exit_code, PrivilegeError.exit_code, EXIT_BUG, EXIT_INTERRUPTED}
    assert told == {0, *codes} == {0, 1, 2, 3, 4, 70, 130}
