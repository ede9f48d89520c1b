"""The click classes of the command line: a group that imports a verb only when it is called, and a verb.

Global options are known to the group and to every verb, so they may stand before or after the verb's name.
"""

import difflib
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from sensor.cli.session import Session


def _set(attribute: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def store(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value is not None and value is not False:
            session = ctx.ensure_object(Session)
            setattr(session, attribute, value)
            if attribute == "chosen_store":
                source = ctx.get_parameter_source(param.name or "")
                session.is_store_on_command_line = source is click.core.ParameterSource.COMMANDLINE

    return store


def _no_progress(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Session).has_progress = False


def global_options(reads_environment: bool) -> list[click.Option]:
    """--store, --site, -q, -v and --no-progress. Only the group reads the environment, so that a word before the verb
    is not overruled by it.
    """

    def env(name: str) -> str | None:
        return name if reads_environment else None

    directory, file = click.Path(file_okay=False, path_type=Path), click.Path(dir_okay=False, path_type=Path)
    quiet = {"is_flag": True, "expose_value": False}
    return [
        click.Option(
            ["--store"], type=directory, metavar="DIR", envvar=env("KAGAMI_STORE"), expose_value=False,
            callback=_set("chosen_store"), help="Store to read or write [env KAGAMI_STORE; default ./kagami-store].",
        ),
        click.Option(
            ["--site"], type=file, metavar="FILE", envvar=env("KAGAMI_SITE"), expose_value=False,
            callback=_set("site_file"), help="Site file: internal networks, proxies [env KAGAMI_SITE].",
        ),
        click.Option(["-q", "--quiet"], callback=_set("is_quiet"), help="Say only what went wrong.", **quiet),
        click.Option(["-v", "--verbose"], callback=_set("is_verbose"), help="Show where an error came from.", **quiet),
        click.Option(["--no-progress"], callback=_no_progress, help="No progress on long work.", **quiet),
    ]  # fmt: skip


class Verb(click.Command):
    """A command with the global options, which its help lists apart, and examples kept as they are written."""

    def __init__(self, *args: Any, examples: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        self.examples = examples
        self.n_own = len(self.params)
        self.params += global_options(reads_environment=False)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verb's own options, then the global ones."""
        params = self.get_params(ctx)
        shared = self.params[self.n_own :]
        for title, own in (("Options", True), ("Global options", False)):
            records = [param.get_help_record(ctx) for param in params if (param not in shared) is own]
            if rows := [record for record in records if record]:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_examples(formatter, self.examples)


class Family(click.Group):
    """A verb with verbs of its own (`kagami allow add`), which have the global options as every verb has."""

    def __init__(self, *args: Any, examples: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        self.examples = examples
        self.params += global_options(reads_environment=False)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_examples(formatter, self.examples)


def write_examples(formatter: click.HelpFormatter, examples: str) -> None:
    """A section of command lines, one a line, not wrapped."""
    if examples:
        with formatter.section("Examples"):
            for line in examples.strip().splitlines():
                formatter.write(f"{'':>{formatter.current_indent}}{line.strip()}\n")


class VerbGroup(click.Group):
    """Verbs by name, each in a module of its own that is imported when the verb is called, not before."""

    def __init__(self, *args: Any, verbs: Mapping[str, str], package: str, examples: str, **options: Any) -> None:
        """verbs : name -> what it does, in the order of the help page. Module `package`.name has `name` as its verb."""
        super().__init__(*args, **options)
        self.verbs = verbs
        self.package = package
        self.examples = examples
        self.params += global_options(reads_environment=True)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.verbs:
            return None
        command: click.Command = getattr(import_module(f"{self.package}.{cmd_name}"), cmd_name)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Verbs that begin so, without importing them, and the options before a verb."""
        found = [CompletionItem(name, help=text) for name, text in self.verbs.items() if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.verbs and not name.startswith("-"):
            near = difflib.get_close_matches(name, self.verbs, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(self.verbs)}"
            raise click.UsageError(f"there is no command {name!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.verbs.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_examples(formatter, self.examples)
