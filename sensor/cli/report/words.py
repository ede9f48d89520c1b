"""What a page asks of a language. `english` and `japanese` are the two; a page knows neither by name."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from analyzers.words.english import ENGLISH, many_destinations, many_kept_open
from analyzers.words.phrase import Catalogue, tell
from sensor.response.dossier import Dossier
from sensor.response.summary import BLOCKED

Row = Mapping[str, Any]

_STAND_FOR_MANY = (many_destinations.__name__, many_kept_open.__name__)
_DESTINATIONS = ("dest", "value", "first", "busiest")
"""Values of phrases that are names and addresses of somebody else."""


class Words(ABC):
    """The words of one language: `words["title"]`; with numbers, `words.say("more", n=3)`.

    phrases : what texts of analyzers were made of, by the text, as store.findings.phrases gives them
    catalogue, sentences : the words of pages, and the functions for what analyzers say
    """

    language: ClassVar[str]
    catalogue: ClassVar[Mapping[str, Any]]
    sentences: ClassVar[Catalogue]

    def __init__(self, phrases: Mapping[str, Row] | None = None) -> None:
        self._phrases = phrases or {}

    def __getitem__(self, key: str) -> Any:
        return self.catalogue[key]

    def say(self, key: str, **values: object) -> str:
        """A sentence with its values filled in."""
        return str(self[key]).format(**values)

    def of(self, group: str, word: str) -> str:
        """A word of the contract (a severity, a state, ...) as this language has it; one that is not known stays."""
        return str(self[group].get(word, word))

    def step(self, finding: Row) -> str:
        """The first thing to do about a finding."""
        steps = self["steps"]
        if finding["outcome"] in BLOCKED:
            return str(steps["blocked beat" if finding["interval_s"] else "blocked"])
        return str(steps.get(finding["analyzer"], steps[""]))

    def told(self, text: str) -> str:
        """A text of an analyzer with harmless destinations; as it was said where this language does not have it."""
        made = self._phrases.get(text)
        return (None if made is None else tell(_harmless_inside(made), self.sentences)) or text

    def dest(self, text: str) -> str:
        """A destination: what stands for many in this language, a name from the network as it is, whatever it says."""
        made = self._phrases.get(text, {})
        return self.told(text) if made.get("code") in _STAND_FOR_MANY else text

    def is_told(self, text: str) -> bool:
        """Whether this language has a text of an analyzer."""
        made = self._phrases.get(text)
        return self.sentences is ENGLISH or (made is not None and tell(made, self.sentences) is not None)

    def is_any_untold(self, dossiers: Iterable[Dossier]) -> bool:
        """Whether a reason of a finding that is shown in detail stays English."""
        return not all(self.is_told(reason) for dossier in dossiers for reason in dossier.finding["reasons"])

    def counted(self, counters: Mapping[str, int]) -> str:
        """What was lost or odd. counters : by kind and name, as surroundings.captures gives them"""
        return self.listed(self.counter(name.partition(".")[2], n) for name, n in counters.items())

    def listed(self, values: Iterable[str]) -> str:
        """Several things in a row."""
        return str(self["comma"]).join(values)

    @abstractmethod
    def sentence(self, finding: Row, host: str, dest: str) -> str:
        """A finding in one sentence, from its numbers alone."""

    @abstractmethod
    def span(self, seconds: float) -> str:
        """A length of time."""

    @abstractmethod
    def technique(self, number: str) -> str:
        """The name of an ATT&CK technique; empty for one that is not known."""

    @abstractmethod
    def source_state(self, state: str, error: str) -> str:
        """How reading a capture ended."""

    @abstractmethod
    def counter(self, name: str, n: int) -> str:
        """Something that was lost or odd, and how often."""


def harmless(value: str) -> str:
    """An address or name written so that nothing makes a link of it: evil[.]example."""
    return value.replace(".", "[.]").replace("://", "[://]").replace("http", "hxxp")


def _harmless_inside(made: Row) -> Row:
    """What a phrase was made of, with harmless destinations."""

    def part(name: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return _harmless_inside(value)
        if isinstance(value, list):
            return [part(name, one) for one in value]
        return harmless(value) if name in _DESTINATIONS and isinstance(value, str) else value

    return {**made, "values": {name: part(name, value) for name, value in made["values"].items()}}
