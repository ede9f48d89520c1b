"""The same again in a process where numba checks every index: compiled code does not notice a read behind its array."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sensor.jit import CACHE_DIR

REPO = Path(__file__).resolve().parents[2]
IN_CHECKED_RUN = pytest.mark.skipif(os.environ.get("NUMBA_BOUNDSCHECK") != "1", reason="this is the unchecked run")
IN_UNCHECKED_RUN = pytest.mark.skipif("NUMBA_BOUNDSCHECK" in os.environ, reason="this is the checked run")


def run_checked(*words: str) -> str:
    """What `python WORD...` prints when every index is checked; it must succeed.

    Its kernels have a cache of their own: numba would otherwise take those that were compiled without the check.
    """
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "PYTHONPATH": str(REPO)}
    if CACHE_DIR is not None:
        environment["NUMBA_CACHE_DIR"] = str(CACHE_DIR.parent / "boundscheck")
    done = subprocess.run(
        [sys.executable, *words], env=environment, cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    return done.stdout


def run_files_checked(*files: str) -> None:
    """Run files of tests again."""
    run_checked("-m", "pytest", "-q", "-p", "no:cacheprovider", *files)
