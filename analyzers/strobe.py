"""The strobe analyzer: which host begins connections to one outside destination at a rate that no person causes?

RITA calls it a strobe from 86,400 connections in 24 hours on: one a second. The same rate is asked for here, but over
ten minutes, so that a short capture and a flood of an hour show too: loops without a sleep, retry storms against a
dead server, password guessing, floods. Whether they keep a beat is the beacon analyzer's question.
"""

import math
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from analyzers.beacon.context import Population
from analyzers.contacts import FirstContacts
from analyzers.finding import Finding, by_score
from analyzers.pairs import Pair, finding_of, surroundings, what_lowers
from analyzers.parts import points
from analyzers.words import english as say
from sensor.site import Site

SLOT_S = 600
MIN_CONNECTIONS = SLOT_S
"""Connections begun in ten minutes from which a pair is a strobe: one a second."""

RITA_CONNECTIONS = 86_400
SCORE_LEAST, SCORE_AS_RITA, SCORE_BURST = 0.3, 0.6, 0.15
"""The least, what RITA's 86,400 connections earn, and what ten times the rate adds."""

NO_CONTACTS = FirstContacts()


def find_strobes(
    slots: Iterable[Mapping[str, Any]], site: Site, population: Population, contacts: FirstContacts = NO_CONTACTS
) -> list[Finding]:
    """One finding a pair, the highest score first.

    slots : busy stretches of SLOT_S seconds with at least MIN_CONNECTIONS connections, as store.connections.busy_slots
        gives them: sorted by pair
    """
    found = []
    for _, rows in groupby(slots, key=lambda row: (row["orig_ip"], row["dest"], row["via_proxy"])):
        same = list(rows)
        pair = _whole(same)
        if pair.is_judged(site):
            found.append(_judge(pair, same, site, population, contacts))
    return sorted(found, key=by_score)


def score(connections: int, busiest: int) -> float:
    """0.3 for 600 connections in ten minutes, 0.6 for 86,400 at that rate, up to 0.15 more for ten times the rate."""
    return sum(score_parts(connections, busiest).values())


def score_parts(connections: int, busiest: int) -> dict[str, float]:
    """What the score is made of.

    connections : in all busy stretches; busiest : in the busiest of them
    """
    lasting = math.log(connections / MIN_CONNECTIONS) / math.log(RITA_CONNECTIONS / MIN_CONNECTIONS)
    burst = math.log10(busiest / MIN_CONNECTIONS)
    added = {
        "a connection a second for ten minutes": SCORE_LEAST,
        "how many connections": (SCORE_AS_RITA - SCORE_LEAST) * min(lasting, 1.0),
        "how fast at most": SCORE_BURST * min(burst, 1.0),
    }
    return points(added, {}, 1.0)


def _whole(slots: list[Mapping[str, Any]]) -> Pair:
    """The busy stretches of a pair as one, with the port of the busiest."""
    busiest = max(slots, key=lambda row: row["connections"])
    return Pair(
        orig_ip=busiest["orig_ip"],
        dest=busiest["dest"],
        dest_ips=sorted({address for row in slots for address in row["dest_ips"]}),
        via_proxy=busiest["via_proxy"],
        resp_port=busiest["resp_port"],
        proto=busiest["proto"],
        orig_bytes=sum(row["orig_bytes"] for row in slots),
        resp_bytes=sum(row["resp_bytes"] for row in slots),
        first_ts=min(row["first_ts"] for row in slots),
        last_ts=max(row["last_ts"] for row in slots),
        connections=sum(row["connections"] for row in slots),
    )


def _judge(
    pair: Pair, slots: list[Mapping[str, Any]], site: Site, population: Population, contacts: FirstContacts
) -> Finding:
    busiest = max(row["connections"] for row in slots)
    silent, ports = sum(row["silent"] for row in slots), max(row["ports"] for row in slots)
    lowered = what_lowers(pair, population)
    reasons = [say.strobe(pair.connections, len(slots), SLOT_S, busiest, MIN_CONNECTIONS)]
    if silent:
        reasons.append(say.share_unanswered(silent / pair.connections))
    if ports > 1:
        reasons.append(say.many_ports(ports))
    reasons.append(say.volume(pair.orig_bytes, pair.resp_bytes))
    reasons += [*lowered, *contacts.sentences(pair.orig_ip, pair.dest), *surroundings(pair, site)]
    return finding_of("strobe", pair, score_parts(pair.connections, busiest), reasons, lowered)
