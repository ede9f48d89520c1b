"""Runs one command pinned to a core and writes what it cost. Started by measure.py; never imported.

usage: launch.py CORE RESULT COMMAND...     RESULT gets: exit status, wall seconds, CPU seconds, peak KiB

A process of its own because Linux counts, for a child's peak memory, what its parent held when it was started: so the
parent has to be small. What it imports is all that it needs.
"""

import os
import sys
import time


def main() -> None:
    """Three words and the command."""
    core, result, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    os.sched_setaffinity(0, {core})
    began = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(pid, 0)
    wall_s = time.perf_counter() - began
    with open(result, "w") as file:  # noqa: PTH123  (pathlib would make this process larger)
        cpu_s = usage.ru_utime + usage.ru_stime
        file.write(f"{os.waitstatus_to_exitcode(status)} {wall_s} {cpu_s} {usage.ru_maxrss}")


main()
