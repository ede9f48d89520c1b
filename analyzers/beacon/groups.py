"""Channels of one host that belong together, merged: a beat split over names or addresses shows again.

A beacon may take its names or addresses in turn: several names of one address, names below one registered domain,
addresses of one block, servers with one certificate, or destinations that have nothing in common but that this host
goes to them in the same manner and nobody else does, or that one program of the host does, told by the fingerprint of
its TLS hello. Channels through a proxy have the proxy's address, so for them only names and both fingerprints count.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from ipaddress import ip_address, ip_network

import numpy as np
from numpy.typing import NDArray
from publicsuffixlist import PublicSuffixList

from analyzers.series import Series

MAX_MEMBERS = 64
"""Larger blocks and turns are a service that gives every client many addresses, not a beacon with a few, and a program
with more destinations is a browser. Names of one address or one domain may be as many as a generator of names makes."""

MIN_EVENTS = 6
"""Fewer events than this in all say nothing together either."""

BLOCK_V4, BLOCK_V6 = 24, 48

_REMEMBERED = 1 << 15
"""Destinations whose domain or block is remembered: many hosts go to the same."""


@dataclass(frozen=True, slots=True)
class Group:
    """Channels taken together. dest : what they are told as, empty: their busiest; words : what unites them"""

    members: tuple[int, ...]
    dest: str
    words: str


def related_groups(
    series: Series, twins: Iterable[tuple[int, int]] = (), *, among: NDArray[np.bool_] | None = None
) -> list[Group]:
    """The groups of a series' channels, each set of channels once, by what explains it best first.

    twins : pairs of channels of one host that look like taking turns
    among : bool[n], the channels that may be in a group; None: all
    """
    chosen = range(len(series)) if among is None else np.flatnonzero(among).tolist()
    turns = [(a, b) for a, b in twins if among is None or (among[a] and among[b])]
    groups = [
        *_by(series, chosen, _address, "names of one address"),
        *_by(series, chosen, _domain, "names below one domain"),
        *(group for key, words in _FEW for group in _by(series, chosen, key, words, keep_dest=False) if _is_few(group)),
        *(group for members in connected(turns) if _is_few(group := taken_in_turn(members))),
    ]
    once: dict[tuple[int, ...], Group] = {}
    for group in groups:
        n_events = sum(int(series.off[i + 1] - series.off[i]) for i in group.members)
        if n_events >= MIN_EVENTS:
            once.setdefault(group.members, group)
    return list(once.values())


def _is_few(group: Group) -> bool:
    return len(group.members) <= MAX_MEMBERS


def taken_in_turn(members: tuple[int, ...]) -> Group:
    """A group of twins."""
    return Group(members, "", "destinations in the same manner")


def merge_groups(series: Series, groups: Sequence[Group]) -> Series:
    """A series with one channel a group; `groups` not empty. What a channel has once is that of its busiest member."""
    orders = []
    for group in groups:
        index = np.concatenate([np.arange(series.off[i], series.off[i + 1]) for i in group.members])
        orders.append(index[np.argsort(series.ts_ns[index], kind="stable")])
    order = np.concatenate(orders)
    leaders = [leader(series, group) for group in groups]
    return Series(
        off=np.concatenate([[0], np.cumsum([len(index) for index in orders])]).astype(np.int64),
        ts_ns=series.ts_ns[order],
        orig_bytes=series.orig_bytes[order],
        resp_bytes=series.resp_bytes[order],
        duration_s=series.duration_s[order],
        answered=series.answered[order],
        orig_ip=[series.orig_ip[i] for i in leaders],
        dest=[group.dest or series.dest[i] for group, i in zip(groups, leaders, strict=True)],
        dest_ips=[tuple(sorted({ip for i in group.members for ip in series.dest_ips[i]})) for group in groups],
        resp_port=[series.resp_port[i] for i in leaders],
        proto=[series.proto[i] for i in leaders],
        name_source=[series.name_source[i] for i in leaders],
        via_proxy=[series.via_proxy[i] for i in leaders],
        kind=[series.kind[i] for i in leaders],
        ja4=[series.ja4[i] for i in leaders] if series.ja4 else (),
        certificate=[series.certificate[i] for i in leaders] if series.certificate else (),
    )


def busiest(series: Series, group: Group, n: int) -> list[int]:
    """The n busiest members; of equals the first by name."""
    return sorted(group.members, key=lambda i: (series.off[i] - series.off[i + 1], series.dest[i]))[:n]


def leader(series: Series, group: Group) -> int:
    """The busiest member."""
    return busiest(series, group, 1)[0]


def _by(
    series: Series, chosen: Iterable[int], key: Callable[[Series, int], str], words: str, *, keep_dest: bool = True
) -> Iterable[Group]:
    """Groups of two channels or more that have the same client, port, protocol, proxy and (not empty) key."""
    members: defaultdict[Hashable, list[int]] = defaultdict(list)
    for i in chosen:
        value = key(series, i)
        if value:
            members[series.orig_ip[i], value, series.resp_port[i], series.proto[i], series.via_proxy[i]].append(i)
    for (_, value, *_), channels in members.items():  # type: ignore[misc]
        if len(channels) > 1:
            yield Group(tuple(channels), str(value) if keep_dest else "", words)


def _address(series: Series, i: int) -> str:
    addresses = series.dest_ips[i]
    is_own = len(addresses) == 1 and not series.via_proxy[i] and series.kind[i] != "query"
    return addresses[0] if is_own else ""  # a resolver's says nothing of the name


def _domain(series: Series, i: int) -> str:
    return "" if series.name_source[i] in ("none", "") else registered_domain(series.dest[i])


def _block(series: Series, i: int) -> str:
    return _network(series.dest[i]) if not series.via_proxy[i] and series.name_source[i] in ("none", "") else ""


def _fingerprint(series: Series, i: int) -> str:
    return series.ja4[i] if series.ja4 else ""


def _certificate(series: Series, i: int) -> str:
    return series.certificate[i] if series.certificate else ""


_FEW = (
    (_block, "addresses of one block"),
    (_certificate, "servers of one certificate"),
    (_fingerprint, "destinations of one JA4"),
)
"""What unites destinations that have no name in common, and the words for it."""


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


@lru_cache(_REMEMBERED)
def registered_domain(name: str) -> str:
    """The registered domain of a name, or empty for a suffix or an address."""
    try:
        ip_address(name)
    except ValueError:
        return str(_suffixes().privatesuffix(name) or "")
    return ""


@lru_cache(_REMEMBERED)
def _network(address: str) -> str:
    try:
        version = ip_address(address).version
    except ValueError:
        return ""
    return str(ip_network(f"{address}/{BLOCK_V4 if version == 4 else BLOCK_V6}", strict=False))


def connected(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Sets of channels that pairs connect, each in order."""
    parent: dict[int, int] = {}

    def root(i: int) -> int:
        while parent.setdefault(i, i) != i:
            parent[i] = i = parent[parent[i]]
        return i

    for a, b in pairs:
        parent[root(a)] = root(b)
    sets: defaultdict[int, list[int]] = defaultdict(list)
    for i in sorted(parent):
        sets[root(i)].append(i)
    return [tuple(members) for members in sets.values()]
