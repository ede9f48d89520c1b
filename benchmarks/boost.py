"""Fits an additive model: a sum of one step function a feature, and of a few tables of two features.

Cyclic gradient boosting of step functions (Lou, Caruana, Gehrke, KDD 2012; with pairs: Lou et al., KDD 2013; known as an
explainable boosting machine): every round gives each term a small Newton step in each of its bins. Step functions that
have to rise or fall are made so by pooling neighbours that do not (isotonic regression) after every step.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def edges_of(values: Floats, weight: Floats, bins: int) -> Floats:
    """At most bins - 1 edges that cut the weight into equal shares; a bin k holds edges[k - 1] <= value < edges[k]."""
    order = np.argsort(values, kind="stable")
    mass = np.cumsum(weight[order]) / weight.sum()
    at = values[order][np.searchsorted(mass, np.arange(1, bins) / bins)]
    return np.array([float(f"{edge:.4g}") for edge in np.unique(at)])


def binned(values: Floats, edges: Floats) -> NDArray[np.uint8]:
    """The bin of each value."""
    return np.searchsorted(edges, values, side="right").astype(np.uint8)


@numba.njit(cache=True)
def _sums(bins: Any, y: Any, weight: Any, logit: Any, out: Any) -> None:
    out[:] = 0.0
    for i in range(bins.shape[0]):
        p = 1.0 / (1.0 + np.exp(-logit[i]))
        out[bins[i], 0] += weight[i] * (y[i] - p)
        out[bins[i], 1] += weight[i] * p * (1.0 - p)


@numba.njit(cache=True)
def _add(bins: Any, change: Any, logit: Any) -> None:
    for i in range(bins.shape[0]):
        logit[i] += change[bins[i]]


def _pooled(values: Floats, weight: Floats, sign: int) -> Floats:
    """The nearest values that rise (sign 1) or fall (sign -1): pool adjacent violators."""
    blocks: list[list[float]] = []
    for value, mass in zip(sign * values, weight, strict=True):
        blocks.append([value, mass, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            b, a = blocks.pop(), blocks.pop()
            mass = a[1] + b[1]
            blocks.append([(a[0] * a[1] + b[0] * b[1]) / mass, mass, a[2] + b[2]])
    return sign * np.concatenate([np.full(int(n), value) for value, _, n in blocks])


def boost(
    terms: list[NDArray[np.uint8]],
    n_bins: list[int],
    signs: list[int],
    y: Floats,
    weight: Floats,
    *,
    rounds: int,
    rate: float = 0.1,
    ridge: float = 4.0,
    start: Floats | None = None,
    seed: int = 0,
) -> tuple[float, list[Floats], Floats]:
    """Fit: the constant, the value of each bin of each term, and the logit of each row.

    terms : for each term, the bin of every row; a pair of features is one term whose bins are the cells
    signs : for each term, 1 to rise, -1 to fall, 0 free
    start : logits to start from; None: the logit of the mean
    """
    rng = np.random.default_rng(seed)
    mean = float((weight * y).sum() / weight.sum())
    constant = 0.0 if start is not None else float(np.log(mean / (1 - mean)))
    logit = start.copy() if start is not None else np.full(len(y), constant)
    values = [np.zeros(n) for n in n_bins]
    sums = [np.zeros((n, 2)) for n in n_bins]
    for _ in range(rounds):
        for t in rng.permutation(len(terms)):
            _sums(terms[t], y, weight, logit, sums[t])
            step = rate * sums[t][:, 0] / (sums[t][:, 1] + ridge)
            new = values[t] + np.clip(step, -0.5, 0.5)
            if signs[t]:
                new = _pooled(new, sums[t][:, 1] + 1e-3, signs[t])
            _add(terms[t], new - values[t], logit)
            values[t] = new
    return constant, values, logit
