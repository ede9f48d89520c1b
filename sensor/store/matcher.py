"""Which indicators a value of a column is: many indicators of one kind, asked at once.

In: indicators of a kind. Out: SQL that finds candidates in a column, and for each candidate the indicators it is.
SQL is the coarse sieve and may let too much pass; `of` decides. Pure: this module opens nothing.
"""

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Sequence

from sensor.store.indicator import Indicator, url_parts
from sensor.store.match import canonical_address

MAX_SPELLED = 64
"""Up to so many networks, names or texts are written out as conditions; more are sieved from the distinct values."""

_MAX_TOLD = 1 << 18
"""Values whose answer is kept: the same ones come again in every table and on every day."""

Condition = tuple[str, list[object]]


class Matcher:
    """Indicators of one kind.

    kind : of all of them
    """

    def __init__(self, kind: str, indicators: Iterable[Indicator]) -> None:
        self.kind = kind
        self._by_value: defaultdict[str, list[Indicator]] = defaultdict(list)
        for indicator in indicators:
            self._by_value[_key(indicator)].append(indicator)
        self._networks: defaultdict[tuple[int, int], defaultdict[int, list[Indicator]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self._told: dict[str, Sequence[Indicator]] = {}
        if kind == "network":
            for value, found in self._by_value.items():
                network = ipaddress.ip_network(value)
                shift = network.max_prefixlen - network.prefixlen
                self._networks[network.version, shift][int(network.network_address) >> shift] += found

    @property
    def is_spelled(self) -> bool:
        """Whether `condition` says all; else the distinct values of the column have to go through `of` first."""
        return self.kind not in ("network", "domain", "user-agent") or len(self._by_value) <= MAX_SPELLED

    def condition(self, column: str) -> Condition:
        """SQL that holds for every value that `of` knows, and for few others."""
        values = sorted(self._by_value)
        if self.kind == "network":
            return _any(_in_network(column, value) for value in values)
        if self.kind == "domain":
            end = f"ends_with(lower({column}), ?)"
            return _any((f"{end} OR {end}", [value, f"{value}."]) for value in values)
        if self.kind == "user-agent":
            return _any((f"contains(lower({column}), ?)", [value]) for value in values)
        return exactly(column, values)

    def sieve(self, column: str) -> Condition:
        """SQL that holds where a value that `of` knows may stand in a longer text, such as a list of answers."""
        if len(self._by_value) > MAX_SPELLED:
            return "true", []
        if self.kind == "network":
            return self.condition(column)[0].replace("starts_with(", "contains("), self.condition(column)[1]
        return _any((f"contains(lower({column}), ?)", [value]) for value in sorted(self._by_value))

    def of(self, value: str) -> Sequence[Indicator]:
        """The indicators that a value is, or is in, or under."""
        found = self._told.get(value)
        if found is None:
            if len(self._told) >= _MAX_TOLD:
                self._told.clear()
            found = self._told[value] = self._of(value)
        return found

    def _of(self, value: str) -> Sequence[Indicator]:
        if self.kind == "network":
            return self._of_networks(value)
        lower = value.lower()
        if self.kind == "domain":
            labels = lower.rstrip(".").split(".")
            return [found for i in range(len(labels)) for found in self._by_value.get(".".join(labels[i:]), ())]
        if self.kind == "user-agent":
            return [found for text, indicators in self._by_value.items() if text in lower for found in indicators]
        return self._by_value.get(lower, ())

    def _of_networks(self, value: str) -> list[Indicator]:
        try:
            address = ipaddress.ip_address(canonical_address(value))
        except ValueError:
            return []
        return [
            found
            for (version, shift), networks in self._networks.items()
            if version == address.version
            for found in networks.get(int(address) >> shift, ())
        ]


def exactly(column: str, values: Sequence[str]) -> Condition:
    """SQL that holds for these values alone."""
    if len(values) == 1:
        return f"{column} = ?", [values[0]]
    return f"{column} IN (SELECT unnest(?::VARCHAR[]))", [list(values)]


def _key(indicator: Indicator) -> str:
    """What a column's value is compared with: for a URL its host, which the column of destinations has."""
    return url_parts(indicator.value)[1] if indicator.kind == "url" else indicator.value.lower()


def _any(conditions: Iterable[Condition]) -> Condition:
    gathered = list(conditions)
    sql = " OR ".join(f"({one})" for one, _ in gathered)
    return sql or "false", [value for _, values in gathered for value in values]


def _in_network(column: str, value: str) -> Condition:
    """The text that every address of the network begins with; IPv6 by its first words that are fixed."""
    network = ipaddress.ip_network(value)
    if network.version == 4:
        octets = str(network.network_address).split(".")[: network.prefixlen // 8]
        start = "".join(f"{octet}." for octet in octets)
        return f"starts_with({column}, ?)", [start if network.prefixlen < 32 else str(network.network_address)]
    words = network.network_address.exploded.split(":")[: min(network.prefixlen // 16, 2)]
    # the first two words are written out in every address unless zeros at the start are left out (::1)
    if len(words) < 2 or int(words[0], 16) == 0 or int(words[1], 16) == 0:
        return f"contains({column}, ':')", []
    return f"starts_with({column}, ?)", ["".join(f"{int(word, 16):x}:" for word in words)]
