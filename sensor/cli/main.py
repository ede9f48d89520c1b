"""The command `kagami`: its verbs, and how every run of it ends.

Exit codes are a contract (docs/commands.md). Errors that kagami raises on purpose become one clean message on stderr;
a traceback is shown with -v, or where kagami itself is at fault.
"""

import gc
import os
import sys
import traceback
from collections.abc import Sequence

import click

from sensor import __version__
from sensor.cli.command import VerbGroup
from sensor.cli.completion import VARIABLE, answer
from sensor.cli.session import Session, silence, warn, warn_lines
from sensor.errors import KagamiError, PrivilegeError

EXIT_USAGE = 2
EXIT_BUG = 70  # EX_SOFTWARE of sysexits.h; not 1, which means findings
EXIT_INTERRUPTED = 130

VERBS = {
    "demo": "Replay a bundled capture, find what is planted in it, and explain.",
    "replay": "Read captures into the store, analyze, list the top findings.",
    "watch": "Capture live from a mirror port into the store until stopped.",
    "analyze": "Score what the store holds.",
    "findings": "List findings.",
    "show": "One finding: why, when, the flows behind it, what to do.",
    "flows": "Query the flow history.",
    "events": "Query events: the exchanges that periodicity is scored on.",
    "dns": "Query DNS questions and answers.",
    "hosts": "What each of your hosts is, and which were up at a time.",
    "site": "Write a site file from what was seen, or check one.",
    "related": "Other hosts that share something with a finding.",
    "timeline": "One host's day in order.",
    "hunt": "Was this address, domain, URL or fingerprint ever contacted, by whom, since when?",
    "watchlist": "Keep indicators under watch: a contact becomes a finding.",
    "triage": "Say where you stand with a finding: who, when and why is kept.",
    "allow": "Say what need not be reported, why and until when.",
    "blocklist": "Preview or write a blocklist from the findings.",
    "quarantine": "Preview or write the list of inside hosts to isolate.",
    "report": "One page of a window of time, in English or Japanese.",
    "evidence": "A folder for the expert: packets, flows, hashes.",
    "notify": "Tell new findings to the journal, syslog or a webhook.",
    "prune": "Keep the store within its limits of age and size.",
    "warmup": "Compile the kernels now, so that nothing waits for them later.",
    "doctor": "Check this machine, and an interface, for what a sensor needs.",
    "service": "Install the systemd units.",
    "help": "Help for a verb or a topic; man pages; completion.",
    "status": "What the store holds, and what was lost on the way.",
}
"""Verb -> one line for the help page."""


@click.group(
    cls=VerbGroup,
    verbs=VERBS,
    package="sensor.cli.verbs",
    examples="""
        kagami demo
        kagami replay capture.pcap
        tcpdump -w - | kagami replay -
        kagami findings --since -7d
        kagami show 1
    """,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="kagami", message="%(prog)s %(version)s")
def cli() -> None:
    """Which machine is calling home? A passive network sensor, and its replay of captures.

    Data goes to standard output, everything else to standard error: a table on a terminal, TSV in a pipe, and --json,
    --ndjson or --csv anywhere.
    """


def main(args: Sequence[str] | None = None) -> None:
    """Run a command line (default: the process's) and leave with its exit code."""
    gc.set_threshold(
        100_000, 50, 50
    )  # imports make many objects that stay: looking through them took a fifth of a start
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    code = run(list(sys.argv[1:] if args is None else args))
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)
    sys.exit(code)


def run(args: list[str]) -> int:
    """Run a command line; return its exit code, with whatever went wrong said on stderr."""
    if VARIABLE in os.environ and (found := answer(cli)) is not None:
        sys.stdout.write(found)
        return 0
    session = Session()
    try:
        with cli.make_context("kagami", args, obj=session) as ctx:
            cli.invoke(ctx)
        return 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as wrong:
        click.echo(wrong.format_message(), err=True)
        return EXIT_USAGE
    except click.ClickException as wrong:
        warn(_with_help_hint(wrong))
        return EXIT_USAGE
    except KagamiError as wrong:
        return _failed(session, str(wrong), wrong.exit_code)
    except (KeyboardInterrupt, click.Abort):
        warn("interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # help text into `head`
        silence(sys.stdout)
        return 0
    except PermissionError as wrong:
        return _failed(session, _words(wrong), PrivilegeError.exit_code)
    except OSError as wrong:
        return _failed(session, _words(wrong), EXIT_USAGE)
    except Exception as wrong:
        warn(f"this is a bug in kagami: {type(wrong).__name__}: {wrong}")
        warn_lines(traceback.format_exc().rstrip())
        return EXIT_BUG


def _failed(session: Session, message: str, code: int) -> int:
    warn_lines(message)
    if session.is_verbose:
        warn_lines(traceback.format_exc().rstrip())
    return code


def _with_help_hint(wrong: click.ClickException) -> str:
    message = wrong.format_message()
    message = message[:1].lower() + message[1:]
    ctx = getattr(wrong, "ctx", None)
    return f"{message.rstrip('.')} (see: {ctx.command_path} --help)" if ctx else message


def _words(error: OSError) -> str:
    place = f"{os.fsdecode(error.filename)}: " if error.filename is not None else ""
    return f"{place}{error.strerror or error}"
