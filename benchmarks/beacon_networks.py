"""Generates the networks that the beacon model is fitted on and judged on; no seed is in two sets.

    python benchmarks/beacon_networks.py BEACONBENCH_DIR OUT_DIR judged|other|small|few|fit

judged: fifteen networks of 60 to 200 hosts; other: four of other makes (benchmarks/other_profiles.py); small: of 8 to
39 hosts; few: of 5 to 9; fit: what is fitted on (names with t and k) or only states rates (c). beaconbench wants a
server, a device and a person's computer among the hosts, and fails where chance brought none: such a seed is left out.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

Spec = tuple[str, int, int, int, list[str]]
"""Name, seed, hosts, hours, further options of generate.py."""

SWEEP = ["--sweep", "0.03"]
SMALL_HOURS = [8, 24, 24, 24, 24, 48, 72]
FIT_LARGE_HOSTS, FIT_LARGE_HOURS = [45, 60, 80, 120, 160, 200, 200, 200], [12, 24, 24, 24, 24, 24, 48]
FIT_SMALL_HOURS = [6, 12, 24, 24, 24, 24, 24, 48, 72]
FIT_MORE_SMALL_HOURS = [6, 12, 24, 24, 24, 24, 48, 72]
MOST_HOST_HOURS = 6000


def judged() -> Iterator[Spec]:
    """What the numbers in docs/detection.md are measured on."""
    yield "j701", 701, 60, 24, []
    yield "j702_sweep", 702, 60, 24, SWEEP
    for seed in range(703, 713):
        yield f"j{seed}", seed, 200, 24, []
    yield "j713", 713, 120, 72, []
    for seed in (714, 715):
        yield f"j{seed}_sweep", seed, 200, 24, SWEEP


def other() -> Iterator[Spec]:
    """The same world with other implants and software."""
    for seed in (801, 802):
        yield f"o{seed}", seed, 200, 24, []
    for seed in (803, 804):
        yield f"o{seed}_sweep", seed, 200, 24, SWEEP


def small() -> Iterator[Spec]:
    """Networks in which much software has nobody to share a destination with."""
    for seed in range(751, 791):
        rng = np.random.default_rng(seed)
        yield f"s{seed}", seed, int(rng.integers(8, 40)), int(rng.choice(SMALL_HOURS)), []


def few() -> Iterator[Spec]:
    """A handful of hosts."""
    for seed in range(5201, 5231):
        yield f"w{seed}", seed, 5 + seed % 5, 24, []


def fit() -> Iterator[Spec]:
    """What the trees were fitted on, and what states the rates.

    The last 600 trees on t8001 and k7400 and on; the 1,500 before on t6180 to t6599 and k7037 to k7399.
    """
    for seeds, rates in ((range(2001, 2040), [0.002, 0.004, 0.01]), (range(6001, 6161), [0.004, 0.01]),
                         (range(6161, 6356), [0.01]), (range(6532, 6600), [0.01]),
                         (range(8001, 8481), [0.01])):  # fmt: skip
        for seed in seeds:
            rng = np.random.default_rng(seed)
            hosts, hours = int(rng.choice(FIT_LARGE_HOSTS)), int(rng.choice(FIT_LARGE_HOURS))
            hours = 24 if hosts * hours > MOST_HOST_HOURS else hours
            yield f"t{seed}", seed, hosts, hours, ["--mal-rate", str(rng.choice(rates))]
    for seeds, kinds, least, most, lengths, rates in (
        (range(3001, 3251), "kc", 4, 40, FIT_SMALL_HOURS, [0.002, 0.006]),
        (range(7001, 7600), "kk", 5, 42, FIT_MORE_SMALL_HOURS, [0.01, 0.02]),
        (range(7600, 8000), "cc", 5, 42, FIT_MORE_SMALL_HOURS, [0.01, 0.02]),
    ):
        for seed in seeds:
            rng = np.random.default_rng(seed)
            hosts, hours = int(np.exp(rng.uniform(np.log(least), np.log(most)))), int(rng.choice(lengths))
            yield f"{kinds[seed % 2]}{seed}", seed, hosts, hours, ["--mal-rate", str(rng.choice(rates))]


def main() -> None:
    """Generate the networks that are not there yet."""
    bench, out, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    makers = {"judged": judged, "other": other, "small": small, "few": few, "fit": fit}
    script = [bench / "generate.py"]
    if name == "other":
        script = [Path(__file__).with_name("other_profiles.py"), bench]
    for base, seed, hosts, hours, options in makers[name]():
        if not (out / f"{base}.labels.csv").exists():
            size = [str(seed), "--hosts", str(hosts), "--hours", str(hours)]
            subprocess.run([sys.executable, *script, *size, "--out", out / base, *options], check=False)


if __name__ == "__main__":
    main()
