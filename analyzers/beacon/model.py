"""The model of malice: trees of one or two features each, whose outputs add up. Its weights are data.

`weights.json` is written by benchmarks/fit_beacon.py: a tree is [feature, threshold, mean, below, above], where `below`
(value <= threshold) and `above` are trees of one more feature or plain values. The sum is a logit. What a feature
adds is how much the mean moves at the splits that ask for it, so the parts add up to the logit exactly.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, cast

import numpy as np
from numba import types
from numpy.typing import NDArray

from sensor.jit import kernel

Floats = NDArray[np.float64]

_F64, _I64 = types.float64[::1], types.int64[::1]

SCORE_AT = (0.2, 0.4, 0.6, 0.8, 0.95)
"""The scores that stand for the stated rates of false alarms; 0.4 is where findings begin, then the severities."""


@kernel(types.void(types.float64[:, ::1], types.int64[:, ::1], types.float64[:, ::1], types.float64[:, ::1],
                   types.float64[:, ::1], _F64, types.float64[:, ::1]))  # fmt: skip
def _add_up(
    x: Floats,
    asked: NDArray[np.int64],
    thresholds: Floats,
    means: Floats,
    leaves: Floats,
    logits: Floats,
    parts: Floats,
) -> None:
    """Add the trees up for every row; where `parts` has rows, note what each feature adds as well."""
    for i in range(x.shape[0]):
        for t in range(asked.shape[0]):
            first = x[i, asked[t, 0]] > thresholds[t, 0]
            second = 1 + first
            leaf = 2 * first + (x[i, asked[t, second]] > thresholds[t, second])
            value = leaves[t, leaf]
            logits[i] += value
            if parts.shape[0]:
                parts[i, asked[t, 0]] += means[t, second] - means[t, 0]
                parts[i, asked[t, second]] += value - means[t, second]


@dataclass(frozen=True, slots=True)
class Model:
    """An additive model, flat.

    features : their names, in the order of the columns
    stated : float64[k, 2], falling false alarms per thousand channels, and the logits that so many reach
    asked, thresholds, means : [trees, 3], of the root and of the nodes below and above it
    leaves : float64[trees, 4]
    """

    features: tuple[str, ...]
    stated: Floats
    asked: NDArray[np.int64]
    thresholds: Floats
    means: Floats
    leaves: Floats

    def logits(self, table: dict[str, Floats]) -> Floats:
        """The logit of each row of a table of features, float64[n]."""
        return self._run(table, with_parts=False)[0]

    def parts(self, table: dict[str, Floats]) -> dict[str, Floats]:
        """What each feature adds to the logits, by name; above 0 raises, below 0 lowers."""
        parts = self._run(table, with_parts=True)[1]
        return {name: parts[:, i] for i, name in enumerate(self.features)}

    def scores(self, logits: Floats) -> Floats:
        """Logits as scores from 0 to 1: SCORE_AT where the stated rates are, straight between, flat far out."""
        at = self.stated[:, 1]
        points = np.concatenate([[at[0] - 4.0], at, [at[-1] + 4.0]])
        return np.interp(logits, points, [0.0, *SCORE_AT, 0.999])

    def _run(self, table: dict[str, Floats], *, with_parts: bool) -> tuple[Floats, Floats]:
        x = np.ascontiguousarray(np.stack([table[name] for name in self.features], axis=1), np.float64)
        logits = np.zeros(len(x))
        parts = np.zeros((len(x) if with_parts else 0, len(self.features)))
        _add_up(x, self.asked, self.thresholds, self.means, self.leaves, logits, parts)
        return logits, parts


@cache
def load_model() -> Model:
    """The model that is shipped."""
    text = resources.files("analyzers.beacon").joinpath("weights.json").read_text(encoding="utf-8")
    return parse_model(json.loads(text))


def parse_model(document: dict[str, Any]) -> Model:
    """A model from the content of a weights file."""
    nodes = [_flat(tree) for tree in document["trees"]]
    columns = [np.array(column) for column in zip(*nodes, strict=True)]
    asked, thresholds, means, leaves = columns
    return Model(
        features=tuple(document["features"]),
        stated=np.array(document["false_alarms_per_thousand"], np.float64),
        asked=np.ascontiguousarray(asked, np.int64),
        thresholds=np.ascontiguousarray(thresholds, np.float64),
        means=np.ascontiguousarray(means, np.float64),
        leaves=np.ascontiguousarray(leaves, np.float64),
    )


def _flat(tree: Any) -> tuple[list[int], list[float], list[float], list[float]]:
    """A tree's features, thresholds and means at its three nodes, and its four leaves; a leaf above stands for two."""
    root = cast("list[Any]", tree)
    nodes = [root]
    leaves = []
    for child in root[3:]:
        inner = child if isinstance(child, list) else [root[0], np.inf, child, child, child]
        nodes.append(inner)
        leaves += inner[3:]
    return [n[0] for n in nodes], [n[1] for n in nodes], [n[2] for n in nodes], leaves
