"""What is measured of one channel, one sentence and a unit for each field. The kernels freeze this layout."""

import numpy as np

STATS = np.dtype(
    [
        ("surplus_nats", np.float64),  # evidence for a timer beyond the best that chance windows give, nats; may be < 0
        ("ratio", np.float64),  # longest / shortest gap of the densest window, 1 or more
        ("chance_share", np.float64),  # share of gaps that the null process would put into the window, 0 to 1
        ("interval_s", np.float64),  # median beat: start to start, or end to start where that is steadier, seconds
        ("low_s", np.float64),  # 5th percentile of the beats in the window, seconds
        ("high_s", np.float64),  # 95th percentile of the beats in the window, seconds
        ("coverage", np.float64),  # share of the time between first and last event that beats and missed beats fill
        ("span_s", np.float64),  # last event minus first event, seconds
        ("burst_gap_s", np.float64),  # events no farther apart than this are one beat, seconds
        ("n_events", np.int64),  # events of the channel
        ("n_answered", np.int64),  # events that got an answer
        ("n_beats", np.int64),  # bursts of events with pauses between them
        ("n_window", np.int64),  # gaps inside the densest window
        ("n_multiple", np.int64),  # gaps near two or three times the beat
        ("n_missed", np.int64),  # beats missing inside those gaps
        ("n_stretches", np.int64),  # parts of the channel with no pause above ABSENCE_BEATS beats
        ("n_sized", np.int64),  # beats whose request carried payload
        ("n_same_size", np.int64),  # beats of the commonest request size
        ("same_size_bytes", np.int64),  # the commonest request size (largest request of a beat), bytes
    ]
)

assert STATS.itemsize % 8 == 0
