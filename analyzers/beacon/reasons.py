"""The statistics of a channel as plain sentences with their numbers, the most telling first."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from analyzers.beacon.pause import RESOLUTION_S
from analyzers.beacon.score import FULL_BEATS, MIN_HOSTS, ceiling
from analyzers.beacon.search import MIN_BEATS
from analyzers.words import english as say
from analyzers.words.phrase import Phrase

WIDE_JITTER_RATIO = 2.6
"""Above this ratio of longest to shortest gap, loops paced by work look the same."""


MOST_PEOPLE = 0.95
"""A host that is busy with people nearly always has no quiet time to be seen in."""

TELLING_LOGIT = 0.3
"""A feature that changes the odds by less than a third is not told."""

MAX_PARTS_TOLD = 4


def jitter_frac(row: Any) -> float:
    """Half the spread of the middle 90 % of the beats as a share of the beat. row : STATS"""
    return float((row["high_s"] - row["low_s"]) / (2 * row["interval_s"])) if row["interval_s"] > 0 else 0.0


def explain(row: Any, *, by_clock: bool = True) -> list[Phrase]:
    """What the timing and the sizes of one channel show.

    row : STATS
    by_clock : whether the score is the clock's own, which few beats keep low
    """
    n_beats = int(row["n_beats"])
    if n_beats < MIN_BEATS:
        return [say.too_few_beats(n_beats, MIN_BEATS)]
    if row["n_window"] == 0:
        return [say.no_regularity(n_beats)]
    kept, share = int(row["n_window"] + row["n_multiple"]), row["n_window"] / (n_beats - 1)
    if row["changed_ns"] > 0:
        after_s = row["changed_ns"] / 1e9
        beat = say.set_anew(n_beats, row["first_beat_s"], after_s, row["last_beat_s"], row["span_s"])
    else:
        beat = say.keeps_a_beat(n_beats, row["beat_s"], jitter_frac(row), row["span_s"], kept, row["n_missed"])
    told = [beat, say.beyond_chance(share, row["ratio"], row["chance_share"])]
    if row["n_sized"] > 0:
        told.append(say.same_request_size(int(row["same_size_bytes"]), row["n_same_size"], row["n_sized"]))
    if by_clock and n_beats < FULL_BEATS:
        told.append(say.score_is_capped(n_beats, float(ceiling(np.array([n_beats]))[0]), FULL_BEATS))
    if row["ratio"] > WIDE_JITTER_RATIO:
        told.append(say.wide_jitter())
    if row["n_events"] > n_beats:
        told.append(say.bursts(row["n_events"], n_beats, max(row["burst_gap_s"], RESOLUTION_S)))
    if row["n_stretches"] > 1:
        told.append(say.stretches(row["n_stretches"]))
    return told


def explain_answers(row: Any) -> list[Phrase]:
    """Whether anybody answered. row : STATS"""
    n_events, n_answered = int(row["n_events"]), int(row["n_answered"])
    if n_answered == 0:
        return [say.none_answered(n_events)]
    return [say.few_answered(n_answered, n_events)] if n_answered < 0.5 * n_events else []


def explain_contacts(n_contacting: int, n_hosts: int, cost: float) -> list[Phrase]:
    """How many of one's own hosts go to the destination, where there are enough of them to tell."""
    if n_hosts < MIN_HOSTS:
        return []
    return [say.nobody_else(n_hosts) if n_contacting == 1 else say.others_too(n_contacting, n_hosts, cost)]


def explain_place(place: Any, row: Any) -> list[Phrase]:
    """How the beats lie in the host's day. place : PLACE; row : STATS"""
    if place["people_share"] == 0 or row["n_beats"] < FULL_BEATS:
        return []
    if place["people_share"] > MOST_PEOPLE:
        return [say.seen_in_host_time(place["fill"])]
    return [say.seen_without_people(place["fill"], round(math.expm1(place["n_quiet_log"])))]


def explain_parts(parts: Mapping[str, float]) -> list[Phrase]:
    """What raised the score most and what lowered it. parts : logits by feature"""
    ranked = sorted(parts, key=lambda name: (-parts[name], name))
    raised = [(name, parts[name]) for name in ranked if parts[name] >= TELLING_LOGIT][:MAX_PARTS_TOLD]
    lowered = [(name, parts[name]) for name in reversed(ranked) if parts[name] <= -TELLING_LOGIT][:MAX_PARTS_TOLD]
    return [*([say.raised_by(raised)] if raised else []), *([say.lowered_by(lowered)] if lowered else [])]
