"""Beacons: series of events that a clock made. `score_beacons` is the way in; `Beacons` takes a store in parts."""

from analyzers.beacon.detect import Beacons, score_beacons
from analyzers.beacon.measure import measure_channels
from analyzers.beacon.score import score_channels

__all__ = ["Beacons", "measure_channels", "score_beacons", "score_channels"]
