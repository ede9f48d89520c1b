"""From a channel that scored to a finding: who, where to, and why in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzers.beacon.context import infrastructure_label, techniques
from analyzers.beacon.judge import Look
from analyzers.beacon.model import load_model
from analyzers.beacon.reasons import (
    explain,
    explain_answers,
    explain_contacts,
    explain_parts,
    explain_place,
    jitter_frac,
)
from analyzers.beacon.score import MAX_SCORE, REPORT_FROM, WEIGHTS, ceiling, score_parts
from analyzers.finding import Finding, severity_of
from analyzers.known import find
from analyzers.parts import LOG_ODDS, points, rows
from analyzers.series import Series
from analyzers.words import english as say
from analyzers.words.english_terms import FEATURES
from analyzers.words.phrase import Phrase
from sensor.site import Site, parse_address

MAX_NAMES_TOLD = 5

MAX_BENEATH = 50
"""Channels kept beneath a finding of several, the foremost."""

FORWARDED = "what clients ask of this host as their proxy"
RESOLVED = "what clients ask of this host as their resolver"

MOST_LABELLED = 0.59
"""The highest score with a label: just below medium."""

LEAST_PART = 5e-4
"""Smaller amounts are not kept: rounding makes some."""

_UNANSWERED, _LOOKS_LIKE = "nobody answers, and still it is tried", "known software or service that it looks like"
_LONE = "a certain clock at a destination of its own"


@dataclass(frozen=True, slots=True)
class Channel:
    """Who a channel or a group is. The finding has everything that does not depend on other channels.

    kind : of its events
    orig_bytes, resp_bytes : of all of them
    """

    finding: Finding
    kind: str
    names: Phrase | None
    orig_bytes: int
    resp_bytes: int

    @property
    def is_question(self) -> bool:
        """Whether it is a name that DNS is asked for."""
        return self.kind == "query" and parse_address(self.finding.dest) is None

    @property
    def row(self) -> dict[str, Any]:
        """It as one of those beneath another finding. Made when asked: there are very many channels."""
        finding = self.finding
        return {
            **{name: getattr(finding, name) for name in ("dest", "resp_port", "proto", "via_proxy", "events")},
            **{name: getattr(finding, name) for name in ("first_ts", "last_ts", "outcome")},
            "dest_ips": list(finding.dest_ips),
            "orig_bytes": self.orig_bytes,
            "resp_bytes": self.resp_bytes,
            "label": "",
        }


def channel_of(
    series: Series,
    i: int,
    n_answered: int,
    members: Sequence[dict[str, Any]] = (),
    names: Sequence[str] = (),
    words: str = "",
) -> Channel:
    """Channel i of a series, of whose events `n_answered` got an answer.

    members, names, words : of a group, what it was merged from (see `Channel.row`), its names, and what unites them
    """
    begin, end = int(series.off[i]), int(series.off[i + 1])
    finding = Finding(
        analyzer="beacon",
        orig_ip=series.orig_ip[i],
        dest=series.dest[i],
        dest_ips=tuple(series.dest_ips[i]),
        resp_port=int(series.resp_port[i]),
        proto=series.proto[i],
        score=0.0,
        severity="low",
        first_ts=int(series.ts_ns[begin]),
        last_ts=int(series.ts_ns[end - 1]),
        events=end - begin,
        via_proxy=series.via_proxy[i],
        techniques=techniques(series, i, n_answered),
        channels=list(members),
    )
    return Channel(
        finding,
        series.kind[i],
        _names(names, words) if names else None,
        int(series.orig_bytes[begin:end].sum()),
        int(series.resp_bytes[begin:end].sum()),
    )


def tell(
    channel: Channel,
    look: Look,
    k: int,
    score: float,
    site: Site,
    n_hosts: int,
    is_forwarded: bool = False,
    *,
    parts: Mapping[str, float] = MappingProxyType({}),
    cost: float = 0.0,
    is_odd: bool = False,
) -> Finding:
    """The finding of a channel.

    look, k : what was seen of it, and its position there
    n_hosts : internal clients seen
    is_forwarded : whether others ask this host, as a proxy, for the destination
    parts : what each feature adds to the logit, by name; empty where the clock alone was judged
    cost : what a common destination took off, where the clock alone was judged
    is_odd : whether others keep another period at the destination
    """
    row, finding, given = look.stats[k], channel.finding, score
    label, lowered = _label(channel, row["beat_s"], is_odd, is_forwarded)
    if label:  # as low as its severity, so that it is not listed before what nobody explains
        score = labelled(score)
    sentences = [
        *explain(row, by_clock=not parts),
        *explain_answers(row),
        *([channel.names] if channel.names else []),
        *lowered,
        *explain_contacts(int(look.clients[k]), n_hosts, cost),
        *explain_place(look.places[k], row),
        *explain_parts(parts),
        *_surroundings(channel, site),
    ]
    return replace(
        finding,
        score=round(score, 4),
        severity=severity_of(score),
        interval_s=round(float(row["beat_s"]), 6),
        jitter_frac=round(jitter_frac(row), 4),
        reasons=sentences,
        parts=_score_of_model(parts, n_hosts, given, score, bool(row["n_answered"]))
        if parts
        else _score_of_clock(look.stats[k : k + 1], cost, given, score),
    )


def _score_of_model(
    parts: Mapping[str, float], n_hosts: int, given: float, score: float, is_answered: bool
) -> list[dict[str, Any]]:
    """What made the score: the model's log odds, then in points what was changed afterwards.

    given, score : without and with what the channel looks like
    """
    model = load_model()
    logits = {"where every channel begins": model.start}
    logits |= {FEATURES[name]: value for name, value in parts.items()}
    of_model = float(model.scores(np.array([sum(logits.values())]), n_hosts)[0])
    why = _LONE if is_answered else _UNANSWERED
    return rows(_told(logits), LOG_ODDS) + rows(_told({why: given - of_model, _LOOKS_LIKE: score - given}))


def _score_of_clock(stats: NDArray[np.void], cost: float, given: float, score: float) -> list[dict[str, Any]]:
    """What made the score where there is no network to compare with, in points. stats : STATS[1]"""
    added = {f"the clock: {name}": WEIGHTS[name] * float(part[0]) for name, part in score_parts(stats).items()}
    amounts = points(added, {"few beats": float(ceiling(stats["n_beats"])[0])}, MAX_SCORE)
    amounts["many hosts go there"] = -cost
    amounts["too few hosts to compare with"] = given - sum(amounts.values())
    return rows(_told({**amounts, _LOOKS_LIKE: score - given}))


def _told(amounts: Mapping[str, float]) -> dict[str, float]:
    """Those that are not nothing."""
    return {name: amount for name, amount in amounts.items() if abs(amount) >= LEAST_PART}


def labelled(score: float) -> float:
    """The score of what has a benign explanation."""
    return float(np.interp(score, [0.0, REPORT_FROM, 1.0], [0.0, REPORT_FROM, MOST_LABELLED]))


def _label(channel: Channel, interval_s: float, is_odd: bool, is_forwarded: bool) -> tuple[str, list[Phrase]]:
    """Which regular software or service a finding looks like, and the sentence on it; empty where it does not.

    A name is a claim of the client. It lowers the severity only where the host does there what is documented.
    """
    finding, label = channel.finding, ""
    if is_forwarded:
        label = RESOLVED if channel.is_question else FORWARDED
    elif not channel.is_question:  # a name that is asked for is judged, not the resolver
        label = infrastructure_label(finding.proto, finding.resp_port)
    if label:
        return label, [say.looks_like(label, "score")]
    port = 0 if finding.via_proxy or channel.is_question else finding.resp_port
    software = find(finding.dest, finding.proto, port)
    if software is None:
        return "", []
    if not software.keeps(interval_s) or is_odd:
        return "", [say.keeps_other_time(software.label)]
    return software.label, [say.looks_like(software.label, "score")]


def _surroundings(channel: Channel, site: Site) -> list[Phrase]:
    finding = channel.finding
    sentences = [say.asked_of_proxy(finding.via_proxy)] if finding.via_proxy else []
    if channel.kind == "exchange":
        sentences.append(say.exchanges_inside())
    elif channel.kind == "reply":
        sentences.append(say.replies_inside())
    if not site.is_internal(finding.orig_ip):
        sentences.append(say.not_internal(finding.orig_ip))
    return sentences


def _names(names: Sequence[str], words: str) -> Phrase:
    return say.taken_together(len(names), words, names[:MAX_NAMES_TOLD])
