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
        ("beat_s", np.float64),  # the beat as told: interval_s, of a wide jitter its mean, or first or last_beat_s; s
        ("median_s", np.float64),  # median of all gaps from beat to beat, seconds; 0 below 3 gaps
        ("spread_log", np.float64),  # standard deviation of ln(gap / median), gaps within a factor 8 of it
        ("low_log", np.float64),  # ln(median / 10th percentile) of the gaps
        ("high_log", np.float64),  # ln(90th percentile / median) of the gaps
        ("part_best_nats", np.float64),  # evidence per gap in the part of the channel that has the most of it
        ("part_mean_nats", np.float64),  # the mean over the parts: one, two or four with equal numbers of beats
        ("drift_log", np.float64),  # ln of the variance of 6-gap sums over 6 gap variances: < 0 for a wall clock
        ("change_log", np.float64),  # ln of how gaps change at one moment, times the share of variance it explains
        ("changed_ns", np.int64),  # from the first event to the moment at which a sleep was set anew, 0: it never was
        ("first_beat_s", np.float64),  # the mean beat before that moment, seconds
        ("last_beat_s", np.float64),  # the mean beat after it, seconds
        ("orig_share", np.float64),  # share of events with the commonest request size, 0 to 1
        ("resp_share", np.float64),  # the same of answers
        ("orig_log", np.float64),  # ln(1 + median request bytes)
        ("resp_log", np.float64),  # the same of answers
        ("orig_top_log", np.float64),  # ln of the largest request over the median one
        ("resp_top_log", np.float64),  # the same of answers
        ("resp_spread_log", np.float64),  # ln of the 75th over the 25th percentile of answers
        ("instant_share", np.float64),  # share of events without duration: exchanges inside a connection, lone packets
    ]
)

PLACE = np.dtype(
    [
        ("before", np.float64),  # share of the host's busy bins before the channel's first event, 0 to 1
        ("after", np.float64),  # the same after its last event
        ("fill", np.float64),  # share of the busy bins in between that have a beat
        ("spread", np.float64),  # the same as a share of what so many beats could reach: 1 evenly, near 0 in bursts
        ("follow", np.float64),  # ln of the beats in bins with people over what chance puts there: > 0 follows people
        ("n_quiet_log", np.float64),  # ln(1 + beats in bins without people)
        ("quiet_nats", np.float64),  # evidence for a timer per gap in bins without people
        ("people_share", np.float64),  # share of the host's busy bins with people
        ("n_timed_log", np.float64),  # ln(1 + channels of the host that a clock drives)
        ("people_top", np.float64),  # untimed channels in one bin at the host's busiest (90th percentile)
    ]
)
"""Where a channel stands in the day of its host. A bin is a tenth of an hour or less; one with any event is busy, and
one in which many channels without a clock are active has people in it."""

assert STATS.itemsize % 8 == 0

PEERS = np.dtype(
    [
        ("clients_log", np.float64),  # ln of the different clients of the destination
        ("timed_share", np.float64),  # share of the other clients that a clock drives there
        ("n_same_log", np.float64),  # ln(1 + other channels there with the same period)
        ("same_share", np.float64),  # the same as a share of the other clients
        ("period_off", np.float64),  # |ln(period / the median period of the timed channels there)|
        ("orig_off", np.float64),  # |ln of median request bytes less what is usual there|
        ("resp_off", np.float64),  # the same of answers
        ("events_off", np.float64),  # ln of the events less what is usual there
        ("share_off", np.float64),  # share of the commonest request size less what is usual there
        ("clock_off", np.float64),  # clock score less what is usual there
    ]
)
"""How a channel differs from others at its destination. Medians; 0 where there are too few to differ from."""
