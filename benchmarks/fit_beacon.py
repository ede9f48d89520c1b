"""Fits analyzers/beacon/weights.json: how much each feature, alone and with others, speaks for malice.

    python benchmarks/fit_beacon.py FEATURES_DIR OUT.json [--after OLD.json]   (needs lightgbm, which kagami does not)

FEATURES_DIR has one .npz a generated network, as `benchmarks/beacon_features.py` writes them; files whose names begin
with "t" or "k" are fitted on, every eighth of them only to state false-alarm rates; those that begin with "c" only
state rates. The model is a sum of small trees, and what each feature adds can be told exactly. With --after, the trees
of older weights come first, and MORE trees, of more questions, are fitted to what those leave. Depth and number were
chosen on those eighths. Where the sense of a feature is known before, it is held to it.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from analyzers.beacon.features import FEATURES
from analyzers.beacon.model import SMALL_HOSTS, Model, parse_model

RISING = ("clock", "gain", "kept", "part_best", "part_mean", "quiet_gain", "orig_top", "orig_share", "same_size",
          "period_off", "orig_off", "resp_off", "clock_off", "twins")  # fmt: skip
FALLING = ("follow", "clients", "clients_share", "timed_share", "n_same", "same_share")
"""More of a rising feature never lowers the score, more of a falling one never raises it."""

SOFT = 0.1
"""Share of the channels that clearly no clock drives which is enough; they get the weight of the rest."""

HELD_OUT = 8
"""One network of so many is not fitted on."""

STATED_PER_THOUSAND = (100.0, 10.0, 2.0, 0.5, 0.1)
"""Rates of false alarms for which the logit is noted."""

TREES = {"objective": "binary", "num_leaves": 8, "max_depth": 3, "n_estimators": 1800, "learning_rate": 0.1,
         "max_bin": 127, "min_child_samples": 40, "subsample": 0.8, "subsample_freq": 1, "colsample_bytree": 0.4,
         "reg_lambda": 5.0, "monotone_constraints_method": "intermediate", "verbose": -1, "seed": 1,
         "n_jobs": 2}  # fmt: skip
MORE = {"n_estimators": 600, "learning_rate": 0.05, "num_leaves": 24, "max_depth": 6}
RARER = 0.3
"""Malicious channels count for so much when MORE trees are fitted: there are fewer of them in a network than in those
that are generated to have many, so the benign ones that look most like them matter more."""


def load(path: Path) -> dict[str, Any]:
    """One network: X float[n, FEATURES], row int[pairs] into X or -1, and its label columns y_*."""
    with np.load(path, allow_pickle=True) as file:
        network = {name: file[name] for name in file.files}
    columns = network["names"].tolist()
    network["X"] = network["X"][:, [columns.index(name) for name in FEATURES]]
    return network


def rows(networks: list[dict[str, Any]], rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Channels to fit on: features, label, weight."""
    parts = []
    for network in networks:
        judged = network["row"] >= 0
        x, y = network["X"][network["row"][judged]], network["y_label"][judged].astype(int)
        hard = (y == 1) | (x[:, FEATURES.index("clock")] > 0.1)
        kept = hard | (rng.random(len(y)) < SOFT)
        parts.append((x[kept], y[kept], np.where(hard, 1.0, 1.0 / SOFT)[kept]))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def logits_of(model: Model, x: Any) -> Any:
    """The logits by older weights, float64[n]. x : float[n, FEATURES]"""
    return model.logits({name: x[:, FEATURES.index(name)].astype(np.float64) for name in model.features})


def renamed(tree: Any, features: list[str]) -> Any:
    """A tree of older weights with its features numbered as they are now. features : the older ones"""
    if not isinstance(tree, list):
        return tree
    return [FEATURES.index(features[tree[0]]), *tree[1:3], renamed(tree[3], features), renamed(tree[4], features)]


def stated_of(benign: Any) -> list[list[float]]:
    """The logits that so many of a thousand benign channels reach, as weights.json has them."""
    ranked = np.sort(benign)[::-1]
    return [[rate, round(float(ranked[int(rate / 1000 * len(ranked))]), 3)] for rate in STATED_PER_THOUSAND]


def node(tree: dict[str, Any]) -> Any:
    """A node of a tree as weights.json has it: a leaf's value, or [feature, threshold, mean, below, above]."""
    if "split_feature" not in tree:
        return float(f"{tree['leaf_value']:.4g}")
    return [
        tree["split_feature"],
        float(f"{tree['threshold']:.6g}"),
        float(f"{tree['internal_value']:.4g}"),
        node(tree["left_child"]),
        node(tree["right_child"]),
    ]


def main() -> None:
    """Fit and write."""
    import lightgbm

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--after", type=Path, metavar="OLD.json")
    args = parser.parse_args()
    folder, out = args.folder, args.out
    old = json.loads(args.after.read_text("utf-8")) if args.after else None
    before = parse_model(old) if old else None
    paths = sorted([*folder.glob("t*.npz"), *folder.glob("k*.npz")])
    rng = np.random.default_rng(1)
    names = list(FEATURES)
    signs = [(name in RISING) - (name in FALLING) for name in names]
    x, y, weight = rows([load(path) for i, path in enumerate(paths) if i % HELD_OUT], rng)
    start = logits_of(before, x) if before else None
    if before:
        weight, start = np.where(y == 1, RARER * weight, weight), start + np.log(RARER)
    data = lightgbm.Dataset(x.astype(np.float64), y, weight=weight, init_score=start)
    settings = TREES | (MORE if before else {}) | {"monotone_constraints": signs}
    model = lightgbm.train(settings, data)
    benign: dict[bool, list[Any]] = {False: [], True: []}
    for path in [*paths[::HELD_OUT], *sorted(folder.glob("c*.npz"))]:
        network = load(path)
        judged = network["row"] >= 0
        logits = np.full(len(judged), -99.0)
        seen = network["X"][network["row"][judged]]
        logits[judged] = model.predict(seen.astype(np.float64), raw_score=True)
        if before:
            logits[judged] += logits_of(before, seen)
        is_small = network["X"][0, names.index("hosts")] < np.log(SMALL_HOSTS)
        benign[bool(is_small)].append(logits[network["y_label"] == 0])
    large, small = (stated_of(np.concatenate(benign[is_small])) for is_small in (False, True))
    trees = [node(tree["tree_structure"]) for tree in model.dump_model()["tree_info"]]
    if old:
        trees = [renamed(tree, old["features"]) for tree in old["trees"]] + trees
    document = {
        "features": names,
        "false_alarms_per_thousand": large,
        "false_alarms_per_thousand_small": small,
        "trees": trees,
    }
    out.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")
    print(
        f"{len(paths)} networks, {len(y):,} channels, {int(y.sum()):,} malicious; {len(trees)} trees; {large}; {small}"
    )


if __name__ == "__main__":
    main()
