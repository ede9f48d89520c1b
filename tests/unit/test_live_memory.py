"""What a burst of rows took goes back, though small things were allocated among it that stay."""

import subprocess
import sys

import pytest

BURST = """
import sys
import numpy as np
from pathlib import Path
from sensor.live.memory import give_back_large
def resident_mib():
    return int(Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0]) / 1024
if sys.argv[1] == "gives back":
    give_back_large()
del_first = [np.ones(3 << 20, np.uint8) for _ in range(8)]  # glibc learns from what is freed
del del_first
before, stays = resident_mib(), []
burst = []
for _ in range(40):
    burst.append(np.ones(2 << 20, np.uint8))
    stays.append(np.ones(100_000, np.uint8))
del burst
print(resident_mib() - before)
"""


def grown_mib(mode: str) -> float:
    return float(subprocess.run([sys.executable, "-c", BURST, mode], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="RssAnon is Linux's")
def test_a_burst_goes_back() -> None:
    assert grown_mib("gives back") < 15
    assert grown_mib("keeps") > 60, "this allocator gives everything back anyhow: the module is not needed"
