"""The closed vocabularies of reasons that are more than their own words in English."""

FEATURES = {
    "clock": "the clock",
    "jitter": "the width of its jitter",
    "gain": "how much the gaps agree",
    "beats": "the number of beats",
    "kept": "the share of gaps that keep the beat",
    "coverage": "the share of time that beats fill",
    "gap_spread": "the spread of all gaps",
    "gap_low": "its short gaps",
    "gap_high": "its long gaps",
    "part_best": "the steadiest part",
    "part_mean": "steadiness in every part",
    "change": "a change of speed that lasts",
    "drift": "how beats drift or make up for each other",
    "burst": "events a beat",
    "orig_share": "alike request sizes",
    "resp_share": "alike answer sizes",
    "same_size": "alike largest requests",
    "orig_top": "its largest upload",
    "resp_top": "its largest answer",
    "resp_spread": "the spread of answer sizes",
    "instant": "events without duration",
    "before": "when it began",
    "after": "when it ended",
    "fill": "how much of the host's time it is there",
    "spread": "how evenly it lies in the host's time",
    "follow": "whether it follows people",
    "quiet_beats": "beats while no people are there",
    "quiet_gain": "its clock while no people are there",
    "host_people": "how many people-driven channels the host has",
    "host_timed": "how many other clocks the host has",
    "clients": "how many hosts go there",
    "clients_share": "the share of hosts that go there",
    "timed_share": "other hosts keeping a clock there",
    "n_same": "others with the same period",
    "same_share": "the share of others with the same period",
    "period_off": "a period unlike the others'",
    "orig_off": "request sizes unlike the others'",
    "resp_off": "answer sizes unlike the others'",
    "events_off": "a number of events unlike the others'",
    "share_off": "sizes more or less alike than the others'",
    "clock_off": "a clock unlike the others'",
    "twins": "other channels of this host in the same manner",
    "hosts": "how many hosts are in view",
}
"""What a feature of the beacon model is called in a sentence."""

OUTCOMES_MEAN = {
    "established": "it got out",
    "half": "the mirror shows one direction only, and the connection went on: it probably got out",
    "refused": "it was refused (a reset or an ICMP message came back)",
    "unanswered": "nothing came back: it was dropped on the way, or the far end is gone",
}

WAYS = {
    "past": "past the proxy",
    "out": "to the outside",
    "uncarried": "to the outside that the transparent proxy does not carry",
    "disallowed": "to the outside that its role does not allow",
    "disallowed through proxy": "through the proxy, which its role does not allow,",
}
"""How a host went out, after "3 connections"."""
