"""Writes the features of generated networks for benchmarks/fit_beacon.py: one .npz a network.

    python benchmarks/beacon_features.py BEACONBENCH_DIR OUT_DIR NETWORK.npz...

BEACONBENCH_DIR has evaluate.py; beside each network lie its labels, as generate.py writes them.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from analyzers.beacon.judge import features_of, look_at
from analyzers.beacon.peers import compare_with_peers
from benchmarks.detection import series_of


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("networks", type=Path, nargs="+")
    args = parser.parse_args()
    sys.path.insert(0, str(args.bench))
    from evaluate import Events, read_labels

    args.out.mkdir(parents=True, exist_ok=True)
    for path in args.networks:
        events = Events(str(path))
        labels = read_labels(f"{path.with_suffix('')}.labels.csv")
        look = look_at(series_of(events), events.prevalence().astype(np.int64))
        table = features_of(look, look.none(), compare_with_peers(look.habits), events.n_hosts)[0]
        row = np.full(events.n, -1)
        row[look.channel] = np.arange(len(look))
        np.savez(
            args.out / path.name,
            X=np.stack(list(table.values()), axis=1).astype(np.float32),
            names=np.array(list(table)),
            row=row[labels["pair_id"]],
            **{f"y_{name}": values for name, values in labels.items()},
        )
        print(f"{path.name}: {len(events.ts):,} events, {len(look):,} channels judged", flush=True)


if __name__ == "__main__":
    main()
