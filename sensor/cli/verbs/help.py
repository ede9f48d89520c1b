"""`kagami help`: help for a verb or a topic, man pages, and completion for the shell."""

import inspect
from pathlib import Path

import click

from sensor.cli.command import Verb
from sensor.cli.session import Session
from sensor.cli.topics import TOPICS
from sensor.errors import UsageError

SHELLS = ("bash", "zsh", "fish")


@click.command(
    cls=Verb,
    name="help",
    examples="""
        kagami help
        kagami help investigate
        kagami help blocklist
        kagami help --completion bash > ~/.local/share/bash-completion/completions/kagami
        kagami help --man man1
    """,
)
@click.argument("topic", required=False, metavar="[TOPIC]")
@click.option("--completion", "shell", type=click.Choice(SHELLS), help="Write completion for this shell.")
@click.option("--man", "folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Write man pages into this folder.")  # fmt: skip
@click.pass_context
def help(ctx: click.Context, topic: str | None, shell: str | None, folder: Path | None) -> None:
    """Show help for a verb or a topic; without one, the topics.

    For completion in bash, write it where bash-completion looks, or `eval "$(kagami help --completion bash)"`.
    """
    session = ctx.ensure_object(Session)
    if sum(one is not None for one in (topic, shell, folder)) > 1:
        raise click.UsageError("one at a time: a topic, --completion or --man", ctx)
    if shell is not None:
        from sensor.cli.completion import script

        session.write_text(script(ctx.find_root().command, shell))
    elif folder is not None:
        from sensor.cli.man import write_pages

        n_pages = write_pages(ctx.find_root().command, folder)
        session.say(f"wrote {n_pages} man pages to {folder}")
    else:
        session.write_text(_told(ctx, topic))


def _told(ctx: click.Context, topic: str | None) -> str:
    if topic is None:
        width = max(map(len, TOPICS))
        lines = "".join(f"  {name:<{width}}  {title}\n" for name, (title, _) in TOPICS.items())
        return f"kagami help TOPIC, or kagami help VERB. Topics:\n{lines}\nkagami --help lists the verbs.\n"
    if topic in TOPICS:
        title, text = TOPICS[topic]
        return f"{title}\n\n{inspect.cleandoc(text)}\n"
    root = ctx.find_root()
    group = root.command
    command = group.get_command(root, topic) if isinstance(group, click.Group) else None
    if command is None:
        raise UsageError(f"there is no verb and no topic {topic!r}; topics: {', '.join(TOPICS)}")
    with click.Context(command, info_name=topic, parent=root) as own:
        return command.get_help(own) + "\n"
