"""Writes the features of generated networks for benchmarks/fit_beacon.py: one .npz a network.

    python benchmarks/beacon_features.py BEACONBENCH_DIR OUT_DIR NETWORK.npz...

BEACONBENCH_DIR has evaluate.py; beside each network lie its labels, as generate.py writes them.
"""

import sys
from pathlib import Path

import numpy as np

from analyzers.beacon.judge import features_of, look_at
from benchmarks.detection import series_of


def main() -> None:
    """Measure and write."""
    sys.path.insert(0, sys.argv[1])
    from evaluate import Events, read_labels

    out = Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    for path in map(Path, sys.argv[3:]):
        events = Events(str(path))
        look = look_at(series_of(events), events.prevalence().astype(np.int64))
        table = features_of([look], [look.none()], events.n_hosts)[0][0]
        labels = read_labels(f"{path.with_suffix('')}.labels.csv")
        row = np.full(events.n, -1)
        row[look.channel] = np.arange(len(look))
        np.savez(
            out / path.name,
            X=np.stack(list(table.values()), axis=1).astype(np.float32),
            names=np.array(list(table)),
            row=row[labels["pair_id"]],
            **{f"y_{name}": values for name, values in labels.items()},
        )
        print(f"{path.name}: {len(events.ts):,} events, {len(look):,} channels judged")


if __name__ == "__main__":
    main()
