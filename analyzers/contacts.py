"""First contact as a fact: since when any host, and this host, was seen at a destination. It changes no score."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from analyzers.words import english as say
from analyzers.words.phrase import Phrase

ENOUGH_HISTORY_S = 86_400.0
"""With less than a day before it, nobody can say that a contact is new."""


@dataclass(frozen=True, slots=True)
class FirstContacts:
    """begins_ns : the oldest time there is; None: nothing is known. of : destination to client to its first time, ns"""

    begins_ns: int | None = None
    of: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def sentences(self, orig_ip: str, dest: str) -> list[Phrase]:
        """What can be said of a client and a destination: one sentence, or none."""
        firsts = self.of.get(dest, {})
        if orig_ip not in firsts or self.begins_ns is None:
            return []
        mine, earliest = firsts[orig_ip], min(firsts.values())
        before_s, after_s = (mine - self.begins_ns) / 1e9, (mine - earliest) / 1e9
        if after_s >= ENOUGH_HISTORY_S:
            return [say.later_than_others(after_s, len(firsts) - 1)]
        if mine == earliest and before_s >= ENOUGH_HISTORY_S:
            return [say.first_contact(before_s)]
        return []
