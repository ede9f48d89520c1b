"""The statistics of a channel as plain sentences with their numbers, the most telling first.

Names inside a sentence come from the network as they are: whoever prints them escapes them.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from analyzers.beacon.measure import MIN_BEATS, RESOLUTION_S
from analyzers.beacon.score import FULL_BEATS, MIN_HOSTS, ceiling
from analyzers.text import count, duration, interval, percent, size

WIDE_JITTER_RATIO = 2.6
"""Above this ratio of longest to shortest gap, loops paced by work look the same."""


MOST_PEOPLE = 0.95
"""A host that is busy with people nearly always has no quiet time to be seen in."""

TELLING_LOGIT = 0.3
"""A feature that changes the odds by less than a third is not told."""

MAX_PARTS_TOLD = 4

WORDS = {
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
}
"""What a feature is called in a sentence."""


def jitter_frac(row: Any) -> float:
    """Half the spread of the middle 90 % of the beats as a share of the beat. row : STATS"""
    return float((row["high_s"] - row["low_s"]) / (2 * row["interval_s"])) if row["interval_s"] > 0 else 0.0


def explain(row: Any) -> list[str]:
    """What the timing and the sizes of one channel show. row : STATS"""
    n_beats = int(row["n_beats"])
    if n_beats < MIN_BEATS:
        return [f"{count(n_beats, 'beat')}: too few to judge regularity, which takes {MIN_BEATS}"]
    if row["n_window"] == 0:
        return [f"{count(n_beats, 'beat')}, whose gaps are no more alike than chance makes them"]
    sentences = [_beat(row), _chance(row), *_sizes(row), *_limits(row)]
    if row["n_events"] > n_beats:
        pause = duration(max(row["burst_gap_s"], RESOLUTION_S))
        events = count(int(row["n_events"]), "event")
        sentences.append(f"{events} make the {n_beats:,} beats: those less than {pause} apart are one")
    if row["n_stretches"] > 1:
        stretches = count(int(row["n_stretches"]), "stretch", "stretches")
        sentences.append(f"{stretches} with long pauses between (host off or out of hours)")
    return sentences


def explain_answers(row: Any) -> list[str]:
    """Whether anybody answered. row : STATS"""
    n_events, n_answered = int(row["n_events"]), int(row["n_answered"])
    if n_answered == 0:
        attempts = count(n_events, "attempt")
        return [f"none of {attempts} was answered: the destination is blocked or gone, and still tried"]
    if n_answered < 0.5 * n_events:
        return [f"only {n_answered:,} of {n_events:,} were answered"]
    return []


def explain_contacts(n_contacting: int, n_hosts: int, cost: float) -> list[str]:
    """How many of one's own hosts go to the destination, where there are enough of them to tell."""
    if n_hosts < MIN_HOSTS:
        return []
    if n_contacting == 1:
        return [f"no other of the {n_hosts:,} hosts seen contacts this destination"]
    lowered = f", which lowers the score by {cost:.2f}" if cost > 0 else ""
    return [f"{n_contacting:,} of the {n_hosts:,} hosts seen contact this destination{lowered}"]


def explain_place(place: Any, row: Any) -> list[str]:
    """How the beats lie in the host's day. place : PLACE; row : STATS"""
    n_quiet = round(math.expm1(place["n_quiet_log"]))
    if place["people_share"] == 0 or row["n_beats"] < FULL_BEATS:
        return []
    seen = f"seen in {percent(place['fill'])} of the time that the host was busy from its first beat to its last"
    if place["people_share"] > MOST_PEOPLE:
        return [seen]
    return [f"{seen}; {count(n_quiet, 'beat')} while no people were at work there"]


def explain_parts(parts: Mapping[str, float]) -> list[str]:
    """What raised the score most and what lowered it. parts : logits by feature"""
    ranked = sorted(parts, key=lambda name: (-parts[name], name))
    raised = [name for name in ranked if parts[name] >= TELLING_LOGIT][:MAX_PARTS_TOLD]
    lowered = [name for name in reversed(ranked) if parts[name] <= -TELLING_LOGIT][:MAX_PARTS_TOLD]
    sentences = []
    if raised:
        sentences.append("raised by " + ", ".join(f"{WORDS[name]} (+{parts[name]:.1f})" for name in raised))
    if lowered:
        sentences.append("lowered by " + ", ".join(f"{WORDS[name]} ({parts[name]:.1f})" for name in lowered))
    return sentences


def _beat(row: Any) -> str:
    kept, gaps = int(row["n_window"] + row["n_multiple"]), int(row["n_beats"]) - 1
    sentence = (
        f"{count(int(row['n_beats']), 'beat')}, one every {interval(row['beat_s'])} "
        f"(jitter {percent(jitter_frac(row))}) for {duration(row['span_s'])}"
    )
    if kept < gaps:
        sentence += f"; {kept:,} of {gaps:,} gaps keep it"
    if row["n_missed"] > 0:
        sentence += f"; {count(int(row['n_missed']), 'beat')} missed"
    return sentence


def _chance(row: Any) -> str:
    gaps = int(row["n_beats"]) - 1
    return (
        f"{percent(row['n_window'] / gaps)} of the gaps lie within a factor {row['ratio']:.2f} of each other, "
        f"where chance would put at most {percent(row['chance_share'])}"
    )


def _sizes(row: Any) -> list[str]:
    if row["n_sized"] == 0:
        return []
    common = size(int(row["same_size_bytes"]))
    return [f"request sizes {common} in {int(row['n_same_size']):,} of {int(row['n_sized']):,}"]


def _limits(row: Any) -> list[str]:
    sentences = []
    if row["n_beats"] < FULL_BEATS:
        most = float(ceiling(np.array([row["n_beats"]]))[0])
        sentences.append(f"only {row['n_beats']} beats: the score cannot pass {most:.2f} before there are {FULL_BEATS}")
    if row["ratio"] > WIDE_JITTER_RATIO:
        sentences.append("the jitter is wide: a program paced by its work, not by a timer, can look like this")
    return sentences
