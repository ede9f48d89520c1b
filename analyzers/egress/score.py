"""How much a channel past the proxy matters, as one number between 0 and 1.

    0.45    it went out, or tried to
    0.20    how often (a hundred connections)
    0.20    blocked, and still repeated (from 5, full at 20)
    0.30    blocked every time, and at a beat (half of it for a few, full at 20); the category counts less
    0.10    no name, only an address
    0.10    more than 10 MB sent
    0.10    while nobody is at work

times the weight of the category, times what a benign explanation and company among one's own hosts leave of it.
Country, owner, popularity in the world and certificates have no part.
"""

import math

from analyzers.egress.category import Category
from analyzers.egress.table import Channel
from analyzers.parts import points

REPORT_FROM = 0.3
MAX_SCORE = 0.94  # one channel alone is never critical: it does not say whose machine it is

BASE, OFTEN, STUBBORN, BEAT, NAMELESS, UPLOAD, AWAY = 0.45, 0.2, 0.2, 0.3, 0.1, 0.1, 0.1
MANY_ATTEMPTS = 5
LARGE_UPLOAD_BYTES = 10_000_000
AWAY_SHARE = 0.8

MANY_BEATS, BEAT_WEIGHT = 20, 0.9

LABEL_FACTOR = 0.33
"""What a benign explanation leaves: always below REPORT_FROM. A large upload has none."""

MIN_COMPANY, COMPANY_FROM, COMPANY_FULL, COMPANY_FACTOR = 5, 0.25, 0.6, 0.25
"""A named destination that five hosts and a quarter of all try alike is software of the house: from there to three
fifths of the hosts the weight falls to a quarter. Addresses without a name have no such excuse."""


def company(channel: Channel, n_hosts: int) -> float:
    """What is left of a weight for the hosts that do the same, COMPANY_FACTOR to 1."""
    if channel.clients < MIN_COMPANY or not channel.is_named or channel.no_lookup:
        return 1.0
    share = channel.clients / max(n_hosts, 1)
    ramp = min(max((share - COMPANY_FROM) / (COMPANY_FULL - COMPANY_FROM), 0.0), 1.0)
    return 1.0 - (1.0 - COMPANY_FACTOR) * ramp


def is_away(channel: Channel) -> bool:
    """Whether nearly all of it happened while nobody is at work."""
    return channel.away >= max(1, AWAY_SHARE * channel.flows)


def score_channel(channel: Channel, category: Category, n_hosts: int) -> float:
    """0 to MAX_SCORE; see the module."""
    return sum(score_parts(channel, category, n_hosts).values())


def score_parts(channel: Channel, category: Category, n_hosts: int) -> dict[str, float]:
    """What the score is made of, by name; see the module."""
    added = {
        "it went out, or tried to": BASE,
        "how often": OFTEN * min(math.log10(max(channel.flows, 1)) / 2, 1.0),
        "no name, only an address": NAMELESS if not channel.is_named else 0.0,
        "a large upload": UPLOAD if channel.orig_bytes >= LARGE_UPLOAD_BYTES else 0.0,
        "while nobody is at work": AWAY if is_away(channel) else 0.0,
    }
    if channel.blocked >= MANY_ATTEMPTS:
        added["blocked, and still repeated"] = STUBBORN * min(channel.blocked / (4 * MANY_ATTEMPTS), 1.0)
    weight = category.weight
    if channel.beat_s:
        added["blocked every time, at a beat"] = BEAT * (0.5 + 0.5 * min(channel.blocked / MANY_BEATS, 1.0))
        if channel.proto == "tcp":  # datagrams may be meant to go one way
            weight = max(weight, BEAT_WEIGHT)
    factors = {
        f"what it is: {category.words}": weight,
        f"explained by: {channel.label}": LABEL_FACTOR if channel.label else 1.0,
        "so many hosts do the same": company(channel, n_hosts),
    }
    return points(added, factors, MAX_SCORE)
