"""beaconbench's door to kagami: `python evaluate.py --scorer benchmarks.detection:score`.

It runs what `kagami analyze` runs: the same series, statistics, comparison and model; only names and addresses are
made up, since beaconbench has none.
"""

from typing import Any

import numpy as np

from analyzers.beacon import Beacons
from analyzers.beacon.context import Population
from analyzers.series import Series
from sensor.site import Site


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
        dest_ips=[("198.51.100.1", "198.51.100.2")] * n,
        resp_port=[443] * n,
        proto=["tcp"] * n,
        name_source=["sni"] * n,
        via_proxy=[""] * n,
        kind=["connection"] * n,
    )


def score(events: Any) -> dict[str, Any]:
    """The score of each pair, and its beat in seconds; NaN where there is none."""
    series = series_of(events)
    prevalence = dict(zip(series.dest, events.prevalence().tolist(), strict=True))
    beacons = Beacons(Site(), Population(events.n_hosts, prevalence))
    beacons.look(series)
    ((channel, scores, beat_s),) = beacons.channel_scores()
    score, period = np.full(events.n, -1.0), np.full(events.n, np.nan)
    score[channel], period[channel] = scores, beat_s
    return {"score": score, "period": period}
