"""Runs a command on one core and says what it cost: wall time, CPU time, peak memory. It never looks at its output."""

import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

STDERR_SHOWN = 800


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took.

    wall_s, cpu_s : seconds; CPU is user and system time, with children
    rss_mib : peak of the largest process, MiB; never under the launcher's own, about 9
    """

    wall_s: float
    cpu_s: float
    rss_mib: float


def run(command: list[str], core: int) -> Cost:
    """Run a command, with its children, pinned to one core. Raises RuntimeError with what it said when it fails."""
    with tempfile.TemporaryDirectory() as folder:
        result, errors = Path(folder) / "result", Path(folder) / "errors"
        launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py"))]
        with errors.open("wb") as file:
            subprocess.run(
                [*launcher, str(core), str(result), *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file,
                check=False,
            )
        if not result.exists() or not result.read_text(encoding="utf-8").startswith("0 "):
            said = errors.read_bytes()[-STDERR_SHOWN:].decode(errors="replace").strip()
            raise RuntimeError(f"{' '.join(command)} failed: {said}")
        _, wall_s, cpu_s, rss_kib = map(float, result.read_text(encoding="utf-8").split())
    return Cost(wall_s, cpu_s, rss_kib / 1024)


def middle(costs: list[Cost]) -> Cost:
    """The median of each figure."""
    return Cost(*(median(getattr(cost, name) for cost in costs) for name in ("wall_s", "cpu_s", "rss_mib")))


def machine() -> str:
    """Processor, cores, memory, kernel and Python of this machine, in one line."""
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{cpu}, {os.cpu_count()} cores, {memory_gib:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def warm_page_cache(path: Path) -> None:
    """Read a file once, so that no run pays for the disk."""
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 22):
            pass
