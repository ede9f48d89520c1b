"""Kernels on disk: other functions of numba's in the same process are kept numba's own way."""

import os
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
OTHERS = """
import sensor.jit
from numba import njit

@njit(cache=True)
def twice(x):
    return 2 * x
"""
CALLER = """
from others import twice

print(twice(4))
"""
CALLED = """
from numba import njit
from others import twice

@njit
def five_times(x):
    return twice(twice(x)) + x

print(five_times(4), *twice.stats.cache_hits.values())
"""


def test_a_cached_function_is_taken_in_by_another(tmp_path: Path) -> None:
    """The first process compiles and keeps one function; the second loads it, for a function that takes it in."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": f"{tmp_path}:{REPO}"}
    (tmp_path / "others.py").write_text(OTHERS)
    said = []
    for script in (CALLER, CALLED):
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
        )
        said.append((done.returncode, done.stdout))
    assert said == [(0, "8\n"), (0, "20 1\n")]
