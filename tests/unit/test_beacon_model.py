"""The additive model: its sum against a naive walk of the trees, its parts, its senses, and the one that is shipped."""

from typing import Any

import numpy as np
import pytest

from analyzers.beacon.dtypes import PEERS, PLACE, STATS
from analyzers.beacon.features import FEATURES, feature_table
from analyzers.beacon.model import SCORE_AT, SMALL_HOSTS, load_model, parse_model
from analyzers.finding import SEVERITY_FROM
from analyzers.words import english_terms, japanese_terms
from benchmarks.fit_beacon import FALLING, RISING

DOCUMENT = {
    "features": ["a", "b"],
    "false_alarms_per_thousand": [[100.0, -2.0], [10.0, 0.0], [2.0, 1.0], [0.5, 2.0], [0.1, 4.0]],
    "false_alarms_per_thousand_small": [[100.0, -1.0], [10.0, 1.0], [2.0, 2.0], [0.5, 3.0], [0.1, 5.0]],
    "trees": [
        [0, 0.5, 0.1, [1, 2.0, -0.3, -1.0, 0.5], 2.0],
        [1, 1.0, 0.0, -0.25, [0, 0.2, 0.4, 0.1, 0.75]],
        [1, 1.0, 0.0, -0.5, 0.5],
    ],
}


def walked(tree: Any, row: dict[str, float], names: list[str]) -> float:
    while isinstance(tree, list):
        tree = tree[4] if row[names[tree[0]]] > tree[1] else tree[3]
    return float(tree)


@pytest.mark.parametrize("document", [DOCUMENT, None])
def test_the_sum_is_that_of_the_trees(document: Any) -> None:
    import json
    from importlib import resources

    if document is None:
        document = json.loads(resources.files("analyzers.beacon").joinpath("weights.json").read_text("utf-8"))
    model = parse_model(document)
    rng = np.random.default_rng(1)
    table = {name: rng.normal(0, 2, 30) for name in model.features}
    logits = model.logits(table)
    for i in range(30):
        row = {name: values[i] for name, values in table.items()}
        assert logits[i] == pytest.approx(sum(walked(tree, row, document["features"]) for tree in document["trees"]))
    base = sum(tree[2] for tree in document["trees"])
    np.testing.assert_allclose(base + sum(model.parts(table).values()), logits)


def test_scores_stand_for_stated_rates() -> None:
    model = parse_model(DOCUMENT)
    np.testing.assert_allclose(model.scores(model.stated[:, 1], SMALL_HOSTS), SCORE_AT)
    np.testing.assert_allclose(model.scores(model.stated_small[:, 1], SMALL_HOSTS - 1), SCORE_AT)
    assert SCORE_AT[2:] == SEVERITY_FROM[1:]
    ranked = model.scores(np.linspace(-50, 50, 1000), SMALL_HOSTS)
    assert (np.diff(ranked) >= 0).all()
    assert 0 <= ranked[0] < ranked[-1] < 1


def test_the_shipped_model_asks_for_features_that_exist_and_have_words() -> None:
    model = load_model()
    table = feature_table(np.zeros(1, STATS), np.zeros(1, PLACE), np.zeros(1, PEERS), np.zeros(1), np.zeros(1, int), 9)
    assert tuple(table) == FEATURES == model.features
    assert set(english_terms.FEATURES) == set(japanese_terms.FEATURES) == set(FEATURES)
    for stated in (model.stated, model.stated_small):
        assert (np.diff(stated[:, 0]) < 0).all()
        assert (np.diff(stated[:, 1]) > 0).all()


@pytest.mark.parametrize("name", [*RISING, *FALLING])
def test_what_is_held_to_a_sense_keeps_it(name: str) -> None:
    """From any place: more of it never lowers (rising) or raises (falling) the logit."""
    model = load_model()
    rng = np.random.default_rng(7)
    number = model.features.index(name)
    edges = np.unique(np.concatenate([forest.thresholds[forest.asked == number] for forest in model.forests]))
    edges = edges[np.isfinite(edges)]
    steps = (
        np.concatenate([edges - 1e-6, edges + 1e-6, [edges[0] - 1, edges[-1] + 1]]) if len(edges) else np.arange(2.0)
    )
    for _ in range(20):
        row = {other: rng.normal(0, 2) for other in model.features}
        table = {other: np.full(len(steps), value) for other, value in row.items()} | {name: np.sort(steps)}
        change = np.diff(model.logits(table))
        assert (change * (1 if name in RISING else -1) >= -1e-3).all()
