"""The long-connection analyzer: which host keeps connections to one outside destination open for hours?

Tunnels, remote control and implants that never hang up do, and so do push channels, chats, VPNs and streams.
Connections of an hour or more count (RITA's base); what a pair's score stands on is how long they were open together,
at the most the time from the first to the last packet. Beats inside such a connection are the beacon analyzer's
question.
"""

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from analyzers.beacon.context import Population
from analyzers.contacts import FirstContacts
from analyzers.finding import Finding, by_score
from analyzers.pairs import Pair, finding_of, surroundings, what_lowers
from analyzers.words import english as say
from analyzers.words.phrase import Phrase
from sensor.site import Site

MIN_OPEN_S = 3600.0
"""Shortest connection that counts."""

REPORT_FROM_S = 2 * 3600.0
STEPS = ((REPORT_FROM_S, 0.3), (8 * 3600.0, 0.6), (24 * 3600.0, 0.75))
"""Open time in seconds and its score, straight in its logarithm between: two hours are told, a work day is medium."""

NO_CONTACTS = FirstContacts()


def find_long_connections(
    rows: Iterable[Mapping[str, Any]], site: Site, population: Population, contacts: FirstContacts = NO_CONTACTS
) -> list[Finding]:
    """One finding a pair, the highest score first.

    rows : pairs with their connections of MIN_OPEN_S and more, as store.connections.long_pairs gives them
    """
    found = []
    for row in rows:
        own = dict(row)
        longest_s, sum_s, is_open, pieces = (own.pop(name) for name in ("longest_s", "open_s", "is_open", "pieces"))
        pair = Pair(**own)
        open_s = min(sum_s, (pair.last_ts - pair.first_ts) / 1e9)
        if open_s >= REPORT_FROM_S and pair.is_judged(site):
            said = _reasons(pair, open_s, longest_s, is_open, pieces)
            said += [*(lowered := what_lowers(pair, population)), *contacts.sentences(pair.orig_ip, pair.dest)]
            said += surroundings(pair, site)
            found.append(finding_of("long-connection", pair, {"how long it was open": score(open_s)}, said, lowered))
    return sorted(found, key=by_score)


def score(open_s: float) -> float:
    """0.3 for two hours, 0.6 for eight, 0.75 from a day on."""
    for (low_s, low), (high_s, high) in pairwise(STEPS):
        if open_s < high_s:
            return low + (high - low) * max(math.log(open_s / low_s) / math.log(high_s / low_s), 0.0)
    return STEPS[-1][1]


def _reasons(pair: Pair, open_s: float, longest_s: float, is_open: bool, pieces: int) -> list[Phrase]:
    sentences = [
        say.long_connections(pair.connections, open_s, longest_s),
        say.volume_meanwhile(pair.orig_bytes, pair.resp_bytes),
    ]
    if pieces > pair.connections:
        sentences.append(say.put_together(pieces))
    if is_open:
        sentences.append(say.still_open())
    return sentences
