"""Networks whose implants and software are of other makes than beaconbench's: does it know beacons, or a generator?

    python benchmarks/other_profiles.py BEACONBENCH_DIR SEED --hosts 200 --hours 24 --out data/o1 [--sweep 0.03]

The options are those of beaconbench's generate.py, whose world this is. Implants sleep by a normal distribution, by a
floor and an exponential, alternately, to the next full interval, with a back-off, as a poll that the server holds, or
by picking from a list; software polls by the same means half of the time. Nothing here was used in fitting.
"""

import sys
from typing import Any

import numpy as np


def sleeps(kind: str, rng: Any, s: float, j: float) -> tuple[Any, float, float]:
    """(draw(n), mean sleep, 1 - shortest / longest sleep). s : seconds; j : how much the sleep varies, 0 to 1"""
    if kind == "gaussian":
        sigma = 0.3 * j * s
        return lambda n: np.maximum(rng.normal(s, sigma, n), 0.05 * s), s, min(4 * sigma / (s + 2 * sigma), 0.95)
    if kind == "floor_exponential":
        floor = s * (1 - 0.6 * j)
        return lambda n: floor + rng.exponential(s - floor + 1e-3, n), s, min(1.5 * (s - floor) / s, 0.9)
    if kind == "alternating":
        return lambda n: np.where(np.arange(n) % 2, s * (1 + j), s), s * (1 + j / 2), j / (1 + j)
    if kind == "backoff":
        steps = s * np.array([0.25, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
        return lambda n: steps[np.arange(n) % 8] * rng.uniform(1 - 0.1 * j, 1, n), float(steps.mean()), 0.75
    if kind == "held_poll":
        early = 0.15 * j
        return lambda n: np.where(rng.random(n) < early, rng.uniform(0, s, n), s), s * (1 - early / 2), early
    if kind == "from_a_list":
        choices = s * np.array([0.75, 1.0, 1.0, 1.25])
        return lambda n: rng.choice(choices, n), s, 0.4
    raise KeyError(kind)


KINDS = ("gaussian", "floor_exponential", "alternating", "backoff", "held_poll", "from_a_list")


def main() -> None:
    """Generate with other profiles."""
    sys.path.insert(0, sys.argv.pop(1))
    import generate

    class World(generate.World):  # type: ignore[misc, name-defined]
        """beaconbench's network with other ways to sleep."""

        PROFILES = dict.fromkeys((*KINDS, "wall_clock"), 1)

        def profile(self, name: str, s: float, j: float) -> tuple[Any, float, float]:
            if name == "wall_clock":  # sleeps to the next full interval, and is late by some seconds
                late = min(0.05 * s, 20.0) * (0.1 + j)
                return lambda n: s + np.diff(self.rng.uniform(0, late, n + 1)), s, 2 * late / s
            return sleeps(name, self.rng, s, j)

        def svc_events(self, kind: str, pr: dict[str, Any], h: Any) -> Any:
            if kind in ("fixed_delay", "rand_delay", "keepalive") and pr.setdefault("other", self.rng.random() < 0.5):
                way = pr.setdefault("way", KINDS[int(self.rng.integers(len(KINDS)))])
                draw, mean, _ = sleeps(way, self.rng, pr["p"], pr["spread"])
                return generate.timer(self.rng, h.on, draw, mean)
            return super().svc_events(kind, pr, h)

    generate.World = World
    generate.main(sys.argv[1:])


if __name__ == "__main__":
    main()
