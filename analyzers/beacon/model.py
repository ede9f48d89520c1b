"""The model of malice: small trees whose outputs add up. Its weights are data.

`weights.json` is written by benchmarks/fit_beacon.py: a tree is [feature, threshold, mean, below, above], where `below`
(value <= threshold) and `above` are trees again or plain values. The sum is a logit. What a feature adds is how much
the mean moves at the splits that ask for it, so the parts add up to the logit exactly.
"""

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import msgspec
import numpy as np
from numba import types
from numpy.typing import NDArray

from sensor.jit import kernel

Floats = NDArray[np.float64]

_Table = types.float64[:, ::1]

SMALL_HOSTS = 40
"""A network with fewer hosts has rates of its own: more of its software has nobody to share a destination with."""

SCORE_AT = (0.2, 0.4, 0.6, 0.8, 0.95)
"""The scores that stand for the stated rates of false alarms; 0.4 is where findings begin, then the severities."""


_SHALLOW = 3
"""Questions on a path of a small tree, at most."""

_ROWS_AT_ONCE = 128
"""The features of so many channels stay in cache while all trees go by."""


@kernel(types.void(_Table, types.int64[:, ::1], _Table, _Table, types.float64[::1], _Table))
def _add_up(
    x: Floats, asked: NDArray[np.int64], thresholds: Floats, values: Floats, logits: Floats, parts: Floats
) -> None:
    """Add the trees up for every row; where `parts` has rows, note what each feature adds as well.

    All rows go down a level before any goes on: where one stands waits for memory, the others do not wait for it.
    """
    at = np.empty(_ROWS_AT_ONCE, np.int64)
    for begin in range(0, x.shape[0], _ROWS_AT_ONCE):
        end = min(begin + _ROWS_AT_ONCE, x.shape[0])
        for t in range(asked.shape[0]):
            at[:] = 0
            nodes_above = 0
            while nodes_above < asked.shape[1]:
                for i in range(begin, end):
                    node = at[i - begin]
                    feature = asked[t, node]
                    below = 2 * node + 1 + (x[i, feature] > thresholds[t, node])
                    if parts.shape[0]:
                        parts[i, feature] += values[t, below] - values[t, node]
                    at[i - begin] = below
                nodes_above = 2 * nodes_above + 1
            for i in range(begin, end):
                logits[i] += values[t, at[i - begin]]


@dataclass(frozen=True, slots=True)
class Forest:
    """Whole binary trees of one depth: below and above node k lie nodes 2k + 1 and 2k + 2.

    asked, thresholds : [trees, nodes]
    values : float64[trees, 2 * nodes + 1], the mean at each node, and the leaves after them
    """

    asked: NDArray[np.int64]
    thresholds: Floats
    values: Floats


@dataclass(frozen=True, slots=True)
class Model:
    """A sum of trees.

    features : their names, in the order of the columns
    stated : float64[k, 2], falling false alarms per thousand channels, and the logits that so many reach
    stated_small : the same in networks of fewer than SMALL_HOSTS
    forests : those of few questions, and those of more, which would make whole trees of the others many times as large
    """

    features: tuple[str, ...]
    stated: Floats
    stated_small: Floats
    forests: tuple[Forest, ...]

    @property
    def start(self) -> float:
        """The logit that every channel begins with; parts are added to it."""
        return float(sum(forest.values[:, 0].sum() for forest in self.forests))

    def logits(self, table: dict[str, Floats]) -> Floats:
        """The logit of each row of a table of features, float64[n]."""
        return self._run(table, with_parts=False)[0]

    def parts(self, table: dict[str, Floats]) -> dict[str, Floats]:
        """What each feature adds to the logits, by name; above 0 raises, below 0 lowers."""
        parts = self._run(table, with_parts=True)[1]
        return {name: parts[:, i] for i, name in enumerate(self.features)}

    def scores(self, logits: Floats, n_hosts: int) -> Floats:
        """Logits as scores from 0 to 1: SCORE_AT where the stated rates are, straight between, flat far out.

        n_hosts : internal clients seen
        """
        at = (self.stated_small if n_hosts < SMALL_HOSTS else self.stated)[:, 1]
        points = np.concatenate([[at[0] - 4.0], at, [at[-1] + 4.0]])
        return np.interp(logits, points, [0.0, *SCORE_AT, 0.999])

    def _run(self, table: dict[str, Floats], *, with_parts: bool) -> tuple[Floats, Floats]:
        x = np.ascontiguousarray(np.stack([table[name] for name in self.features], axis=1), np.float64)
        logits = np.zeros(len(x))
        parts = np.zeros((len(x) if with_parts else 0, len(self.features)))
        for forest in self.forests:
            _add_up(x, forest.asked, forest.thresholds, forest.values, logits, parts)
        return logits, parts


@cache
def load_model() -> Model:
    """The model that is shipped."""
    document = resources.files("analyzers.beacon").joinpath("weights.json").read_bytes()
    return parse_model(msgspec.json.decode(document))


def parse_model(document: dict[str, Any]) -> Model:
    """A model from the content of a weights file."""
    shallow: list[Any] = []
    deep: list[Any] = []
    for tree in document["trees"]:
        (shallow if _depth(tree) <= _SHALLOW else deep).append(tree)
    return Model(
        features=tuple(document["features"]),
        stated=np.array(document["false_alarms_per_thousand"], np.float64),
        stated_small=np.array(document["false_alarms_per_thousand_small"], np.float64),
        forests=tuple(_forest(trees) for trees in (shallow, deep) if trees),
    )


def _forest(trees: list[Any]) -> Forest:
    depth = max(map(_depth, trees))
    columns = zip(*(_flat(tree, depth) for tree in trees), strict=True)
    asked, thresholds, values = (np.array(column) for column in columns)
    return Forest(
        np.ascontiguousarray(asked, np.int64),
        np.ascontiguousarray(thresholds, np.float64),
        np.ascontiguousarray(values, np.float64),
    )


def _depth(tree: Any) -> int:
    return 1 + max(_depth(tree[3]), _depth(tree[4])) if isinstance(tree, list) else 0


def _flat(tree: Any, depth: int) -> tuple[list[int], list[float], list[float]]:
    """A tree's features, thresholds and values, node by node and level by level; a leaf above stands for all below."""
    asked: list[int] = []
    thresholds: list[float] = []
    values: list[float] = []
    level = [tree]
    for _ in range(depth):
        nodes = [node if isinstance(node, list) else [0, np.inf, node, node, node] for node in level]
        asked += [node[0] for node in nodes]
        thresholds += [node[1] for node in nodes]
        values += [node[2] for node in nodes]
        level = [child for node in nodes for child in node[3:]]
    return asked, thresholds, values + level
