"""A systemd of our own, the first process of its namespaces, for tests that start the units as an installation would.

It has its own files (a layer over this machine's), network, processes and control groups, and ends with the object.
"""

import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.mirror import REPO, why_not

PROGRAM = "/opt/kagami/bin/kagami"
SYSTEMD = Path("/lib/systemd/systemd")
CGROUPS = Path("/sys/fs/cgroup")
_SCRIPT = Path(__file__).with_suffix(".sh")
_PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
_NEW = ("--pid", "--fork", "--kill-child=SIGKILL", "--mount", "--cgroup", "--uts", "--ipc", "--net")


def why_no_systemd(*programs: str) -> str:
    """Why none can be started here; empty when one can."""
    if not SYSTEMD.exists():
        return "systemd is not installed"
    if os.getuid() != 0:
        return "a systemd of our own wants to be root"
    if Path("/proc/1/comm").read_text(encoding="ascii").strip() == "systemd":
        return "this machine's own systemd minds the control groups"
    return why_not(*programs)


class Systemd:
    """Runs from `with` on. folder : an empty directory"""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._groups = [path.parent / f"kagami-test-{os.getpid()}" for path in CGROUPS.glob("**/cgroup.procs")
                        if path.parent == CGROUPS or path.parent.parent == CGROUPS]  # fmt: skip
        self.pid = 0

    def __enter__(self) -> Self:
        for group in self._groups:
            group.mkdir(exist_ok=True)
        join = " ".join(f"echo $$ > {group}/cgroup.procs || true;" for group in self._groups)
        prefix, packages = sys.base_prefix, sysconfig.get_path("purelib")
        start = ["unshare", *_NEW, "sh", _SCRIPT, self._folder, REPO, prefix, packages]
        self._process = subprocess.Popen(
            ["sh", "-c", f'{{ {join} }} 2>/dev/null; exec "$@"', "sh", *map(str, start)], stdin=subprocess.DEVNULL
        )
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        try:
            for _ in range(300):
                pids = children.read_text(encoding="ascii").split()
                self.pid = int(pids[0]) if pids else 0
                if self.pid and self.run("systemctl", "is-system-running", check=False).strip() == "running":
                    return self
                time.sleep(0.1)
            raise AssertionError(f"systemd did not come up: {self.run('systemctl', '--failed', check=False)}")
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(30)
        for group in self._groups:
            for path in sorted((parent for parent, _, _ in os.walk(group)), reverse=True):
                _remove(Path(path))

    def run(self, *command: str, check: bool = True, timeout: float = 60) -> str:
        """Run a program beside the units; its output, errors included."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "--all", "env", "-i", _PATH, *command], stdin=subprocess.DEVNULL, cwd="/",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=timeout,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{command}: {done.stdout}\n{self.journal()}"
        return done.stdout

    def journal(self, unit: str = "*") -> str:
        """What the units said."""
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", unit, check=False)

    def show(self, unit: str, prop: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "-P", prop, unit).strip()


def _remove(group: Path) -> None:
    """Remove an empty control group; its processes were killed and may take a moment to go."""
    for _ in range(50):
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
