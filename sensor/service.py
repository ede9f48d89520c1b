"""Lays out the systemd units of this installation: which files, where, with which program in them.

In: a folder. Out: files written there, or only named. Starts nothing, enables nothing, and overwrites no site file.
"""

import os
import shutil
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from sensor.errors import UsageError

UNITS = Path("etc/systemd/system")
SITE_FILE = Path("etc/kagami/site.toml")
_PLACES = {
    ".service": UNITS,
    ".timer": UNITS,
    ".target": UNITS,
}
_OTHERS = {
    "kagami.sysusers": Path("etc/sysusers.d/kagami.conf"),
    "kagami.tmpfiles": Path("etc/tmpfiles.d/kagami.conf"),
}
_SITE = """\
# What kagami should know of this network. `systemctl reload 'kagami-capture@*'` takes changes over; docs/commands.md
# lists every key.

[networks]
# internal = ["10.0.0.0/8", "fd00::/8"]

[proxies]
# addresses = ["10.0.0.5:3128"]

[capture]
# keep_packets = true
# keep_gib = 50

[outlets]
journal = true
# syslog = "tcp://10.0.0.9:514"
# webhook = "https://soc.example/kagami"
# min_severity = "medium"

[retention]
# lake_days = 90
# lake_gib = 200
"""


@dataclass(frozen=True, slots=True)
class Installed:
    """One file. is_kept : it was there already and is a person's, so it stayed as it was."""

    path: Path
    text: str
    is_kept: bool = False


def plan_install(prefix: Path, program: Path | None = None) -> list[Installed]:
    """The files that an installation under `prefix` has.

    program : the `kagami` that the units start; None: the one that runs now
    Raises: UsageError where the units cannot start it.
    """
    program = program or running_program()
    home = next((part for part in ("/home", "/root", "/run/user") if str(program).startswith(f"{part}/")), None)
    if home:
        raise UsageError(
            f"{program} lies under {home}, which the units may not see; install kagami elsewhere, such as in "
            "/opt/kagami (python3 -m venv /opt/kagami), or name another with --program"
        )
    files = []
    for path in sorted(_source().iterdir()):
        place = _OTHERS.get(path.name) or (_PLACES[path.suffix] / path.name if path.suffix in _PLACES else None)
        if place is not None:
            text = path.read_text(encoding="utf-8").replace("@KAGAMI@", str(program))
            files.append(Installed(prefix / place, text))
    site = prefix / SITE_FILE
    files.append(Installed(site, _SITE, is_kept=site.exists()))
    return sorted(files, key=lambda file: file.path)


def write_install(files: list[Installed]) -> None:
    """Write them. Raises: OSError with the file's name."""
    for file in files:
        if not file.is_kept:
            file.path.parent.mkdir(parents=True, exist_ok=True)
            file.path.write_text(file.text, encoding="utf-8")
            file.path.chmod(0o644)


def running_program() -> Path:
    """The `kagami` command of this installation."""
    beside = Path(sys.executable).parent / "kagami"
    found = beside if os.access(beside, os.X_OK) else shutil.which("kagami")
    if not found:
        raise UsageError("there is no `kagami` program beside this Python; name it with --program")
    return Path(found)


def _source() -> Path:
    """The units: beside the installed package, else in a checkout."""
    installed = Path(str(resources.files("sensor"))) / "data" / "systemd"
    return installed if installed.exists() else Path(__file__).parent.parent / "systemd"
