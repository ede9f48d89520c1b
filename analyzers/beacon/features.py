"""The features that the model of malice weighs: one column each, from what was measured of a channel and around it.

Nothing in here is a name, an address, a country or a certificate, and the length of the period has no part: it says
more about a network than about a channel. How many other clocks and people-driven channels the host has is in, for a
host that runs thirty timers is less odd with one more.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEATURES = (
    *("clock", "jitter", "gain", "beats", "kept", "coverage", "gap_spread", "gap_low", "gap_high"),
    *("part_best", "part_mean", "change", "drift", "burst"),
    *("orig_share", "resp_share", "same_size", "orig_top", "resp_top", "resp_spread", "instant"),
    *("before", "after", "fill", "spread", "follow", "quiet_beats", "quiet_gain", "host_people", "host_timed"),
    *("clients", "clients_share", "timed_share", "n_same", "same_share", "period_off", "orig_off", "resp_off"),
    *("events_off", "share_off", "clock_off", "twins", "hosts"),
)


def feature_table(
    stats: NDArray[np.void],
    places: NDArray[np.void],
    peers: NDArray[np.void],
    clock: Floats,
    twins: NDArray[np.int64],
    n_hosts: int,
) -> dict[str, Floats]:
    """The features by name, float64[n] each.

    stats, places, peers : STATS[n], PLACE[n] and PEERS[n] of the same channels
    clock : float64[n], 0 to 1, score of the clock
    twins : int64[n], how many of the host's other channels look like this one's twin
    n_hosts : internal clients seen
    """
    gaps = np.maximum(stats["n_beats"] - 1.0, 1.0)
    found = stats["n_window"] > 0
    return {
        "clock": clock,
        "jitter": np.where(found, np.log(np.maximum(stats["ratio"], 1.0)), 2.0),
        "gain": np.clip(stats["surplus_nats"] / gaps, -3.0, 5.0),
        "beats": np.log(np.maximum(stats["n_beats"], 1)),
        "kept": (stats["n_window"] + stats["n_multiple"]) / gaps,
        "coverage": stats["coverage"],
        "gap_spread": stats["spread_log"],
        "gap_low": stats["low_log"],
        "gap_high": stats["high_log"],
        "part_best": stats["part_best_nats"],
        "part_mean": stats["part_mean_nats"],
        "change": stats["change_log"],
        "drift": stats["drift_log"],
        "burst": np.log(np.maximum(stats["n_events"], 1) / np.maximum(stats["n_beats"], 1)),
        "orig_share": stats["orig_share"],
        "resp_share": stats["resp_share"],
        "same_size": stats["n_same_size"] / np.maximum(stats["n_sized"], 1),
        "orig_top": stats["orig_top_log"],
        "resp_top": stats["resp_top_log"],
        "resp_spread": stats["resp_spread_log"],
        "instant": stats["instant_share"],
        "before": places["before"],
        "after": places["after"],
        "fill": places["fill"],
        "spread": places["spread"],
        "follow": places["follow"],
        "quiet_beats": places["n_quiet_log"],
        "quiet_gain": places["quiet_nats"],
        "host_people": places["people_top"],
        "host_timed": places["n_timed_log"],
        "clients": peers["clients_log"],
        "clients_share": peers["clients_log"] - np.log(max(n_hosts, 1)),
        "timed_share": peers["timed_share"],
        "n_same": peers["n_same_log"],
        "same_share": peers["same_share"],
        "period_off": peers["period_off"],
        "orig_off": peers["orig_off"],
        "resp_off": peers["resp_off"],
        "events_off": peers["events_off"],
        "share_off": peers["share_off"],
        "clock_off": peers["clock_off"],
        "twins": np.minimum(twins, 6).astype(np.float64),
        "hosts": np.full(len(stats), np.log(max(n_hosts, 1))),
    }
