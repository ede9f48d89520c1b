"""Fits analyzers/beacon/weights.json: how much each feature, alone and with others, speaks for malice.

    python benchmarks/fit_beacon.py FEATURES_DIR OUT.json     (needs lightgbm, which kagami itself does not)

FEATURES_DIR has one .npz a generated network, as `benchmarks/beacon_features.py` writes them; files whose names begin
with "t" or "k" are fitted on, every fourth of them only to state false-alarm rates; those that begin with "c" only
state rates. What is cut out of a larger network (names with "kc") states none: it is quieter than a small network.
The model is a sum of small trees, of three questions on a path at most, and what each feature adds can be told
exactly. Depth and number were chosen on those fourths. Where the sense of a feature is known before, it is held to it.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from analyzers.beacon.features import FEATURES
from analyzers.beacon.model import SMALL_HOSTS

RISING = ("clock", "gain", "kept", "part_best", "part_mean", "quiet_gain", "orig_top", "orig_share", "same_size",
          "period_off", "orig_off", "resp_off", "clock_off", "twins")  # fmt: skip
FALLING = ("follow", "clients", "clients_share", "timed_share", "n_same", "same_share")
"""More of a rising feature never lowers the score, more of a falling one never raises it."""

SOFT = 0.1
"""Share of the channels that clearly no clock drives which is enough; they get the weight of the rest."""

STATED_PER_THOUSAND = (100.0, 10.0, 2.0, 0.5, 0.1)
"""Rates of false alarms for which the logit is noted."""

TREES = {"num_leaves": 8, "max_depth": 3, "n_estimators": 1800, "learning_rate": 0.1, "max_bin": 127,
         "min_child_samples": 40, "subsample": 0.8, "subsample_freq": 1, "colsample_bytree": 0.4, "reg_lambda": 5.0,
         "monotone_constraints_method": "intermediate", "verbose": -1, "seed": 1, "n_jobs": 2}  # fmt: skip


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

    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    paths = sorted([*folder.glob("t*.npz"), *folder.glob("k*.npz")])
    rng = np.random.default_rng(1)
    names = list(FEATURES)
    signs = [(name in RISING) - (name in FALLING) for name in names]
    x, y, weight = rows([load(path) for i, path in enumerate(paths) if i % 4], rng)
    model = lightgbm.LGBMClassifier(monotone_constraints=signs, **TREES)
    model.fit(x.astype(np.float64), y, sample_weight=weight)
    benign: dict[bool, list[Any]] = {False: [], True: []}
    for path in [*paths[::4], *sorted(folder.glob("c*.npz"))]:
        if path.name.startswith("kc"):
            continue
        network = load(path)
        judged = network["row"] >= 0
        logits = np.full(len(judged), -99.0)
        logits[judged] = model.predict(network["X"][network["row"][judged]].astype(np.float64), raw_score=True)
        is_small = network["X"][0, names.index("hosts")] < np.log(SMALL_HOSTS)
        benign[bool(is_small)].append(logits[network["y_label"] == 0])
    large, small = (stated_of(np.concatenate(benign[is_small])) for is_small in (False, True))
    trees = [node(tree["tree_structure"]) for tree in model.booster_.dump_model()["tree_info"]]
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
