"""beaconbench's door to kagami: `python evaluate.py --scorer benchmarks.detection:score`.

It runs what `kagami analyze` runs: the same series, statistics, comparison and model; only names and addresses are
made up, since beaconbench has none.
"""

from typing import Any

import numpy as np

from analyzers.beacon.judge import Look, features_of, look_at
from analyzers.series import Series


def series_of(events: Any) -> Series:
    """beaconbench's Events as a series; the destinations are names, as if taken from SNI."""
    n = events.n
    return Series(
        off=events.off,
        ts_ns=np.round(events.ts * 1e9).astype(np.int64),
        orig_bytes=events.orig_bytes.astype(np.int64),
        resp_bytes=events.resp_bytes.astype(np.int64),
        duration_s=events.duration.astype(np.float64),
        answered=np.ones(len(events.ts), np.bool_),
        orig_ip=events.src_names[events.pair_src].tolist(),
        dest=events.dst_names[events.pair_dst].tolist(),
        dest_ips=[()] * n,
        resp_port=[443] * n,
        proto=["tcp"] * n,
        name_source=["sni"] * n,
        via_proxy=[""] * n,
        kind=["connection"] * n,
    )


def features(events: Any) -> tuple[Look, dict[str, Any]]:
    """The channels that can be judged and their features by name."""
    look = look_at(series_of(events), events.prevalence().astype(np.int64))
    return look, features_of([look], events.n_hosts)[0]
