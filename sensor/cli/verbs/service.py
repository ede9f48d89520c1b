"""`kagami service install`: the systemd units."""

from pathlib import Path

import click

from sensor.cli.clean import clean
from sensor.cli.command import Verb
from sensor.cli.session import Session


@click.command(
    cls=Verb,
    examples="""
        kagami service install --dry-run
        sudo /opt/kagami/bin/kagami service install
        kagami service install --prefix /tmp/package-root --program /opt/kagami/bin/kagami
    """,
)
@click.argument("action", metavar="install", type=click.Choice(["install"]))
@click.option(
    "--prefix",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("/"),
    metavar="DIR",
    help="Lay the files out under DIR [default: /].",
)
@click.option(
    "--program",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The kagami that the units start [default: this one].",
)
@click.option("-n", "--dry-run", is_flag=True, help="Only say which files.")
@click.pass_obj
def service(session: Session, action: str, prefix: Path, program: Path | None, dry_run: bool) -> None:
    """Lay out the systemd units, the account, its folders and a site file; start nothing.

    A site file that is there stays as it is; units are replaced. What to do next is said at the end.
    """
    del action  # there is only one
    from sensor.service import plan_install, write_install

    files = plan_install(prefix, program)
    if not dry_run:
        write_install(files)
    session.write_text("".join(f"{clean(str(file.path))}{' (kept)' if file.is_kept else ''}\n" for file in files))
    if dry_run:
        session.say("nothing was written")
        return
    session.say("systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload")
    session.say("then, with the interface of the mirror port: systemctl enable --now kagami.target kagami-capture@eth1")
