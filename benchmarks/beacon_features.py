"""Writes the features of generated networks for benchmarks/fit_beacon.py: one .npz a network.

    python benchmarks/beacon_features.py BEACONBENCH_DIR OUT_DIR [--cut PREFIX] NETWORK.npz...

BEACONBENCH_DIR has evaluate.py; beside each network lie its labels, as generate.py writes them. With --cut, twelve to
forty of a network's hosts are taken for a small network of their own, written under a name that begins with PREFIX.
"""

import argparse
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from analyzers.beacon.judge import features_of, look_at
from analyzers.beacon.peers import compare_with_peers
from benchmarks.detection import series_of

CUT_HOSTS = (12, 40)


def cut(events: Any, labels: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Leave some hosts in a network, with all that they do. Returns: the labels of what is left"""
    some = rng.choice(events.n_hosts, min(int(rng.integers(*CUT_HOSTS)), events.n_hosts), replace=False)
    kept = np.isin(events.pair_src, some)
    rows = np.repeat(kept, np.diff(events.off))
    for name in ("ts", "orig_bytes", "resp_bytes", "duration"):
        setattr(events, name, getattr(events, name)[rows])
    events.off = np.concatenate([[0], np.cumsum(np.diff(events.off)[kept])]).astype(np.int64)
    events.pair_src, events.pair_dst = events.pair_src[kept], events.pair_dst[kept]
    events.n, events.n_hosts = int(kept.sum()), len(some)
    number = np.cumsum(kept) - 1
    left = kept[labels["pair_id"]]
    labels = {name: values[left] for name, values in labels.items()}
    labels["pair_id"] = number[labels["pair_id"]]
    return labels


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("networks", type=Path, nargs="+")
    parser.add_argument("--cut", default="", metavar="PREFIX")
    args = parser.parse_args()
    sys.path.insert(0, str(args.bench))
    from evaluate import Events, read_labels

    args.out.mkdir(parents=True, exist_ok=True)
    for path in args.networks:
        events = Events(str(path))
        labels = read_labels(f"{path.with_suffix('')}.labels.csv")
        if args.cut:
            labels = cut(events, labels, np.random.default_rng(zlib.crc32(path.stem.encode())))
        look = look_at(series_of(events), events.prevalence().astype(np.int64))
        table = features_of(look, look.none(), compare_with_peers(look.habits), events.n_hosts)[0]
        row = np.full(events.n, -1)
        row[look.channel] = np.arange(len(look))
        np.savez(
            args.out / f"{args.cut}{path.name}",
            X=np.stack(list(table.values()), axis=1).astype(np.float32),
            names=np.array(list(table)),
            row=row[labels["pair_id"]],
            **{f"y_{name}": values for name, values in labels.items()},
        )
        print(f"{path.name}: {len(events.ts):,} events, {len(look):,} channels judged", flush=True)


if __name__ == "__main__":
    main()
