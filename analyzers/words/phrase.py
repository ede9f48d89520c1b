"""A phrase: English text that remembers what it was made of, so that it can be told in another language.

In: the functions of a catalogue. Out: phrases, and the JSON they are kept as. No text is ever parsed.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec

P = ParamSpec("P")

Made = Mapping[str, Any]
"""What a phrase was made of, as JSON has it: `code`, the name of a function of the catalogues, and its `values`."""

Catalogue = dict[str, Callable[..., str]]
"""The functions of one language by their names, which are the codes; every language has the same parameters.

A code whose parameters change gets another name: stores keep the old ones.
"""


class Phrase(str):
    """English text as everybody reads it. made : what it was made of"""

    made: Made

    def __new__(cls, text: str, made: Made) -> "Phrase":
        phrase = super().__new__(cls, text)
        phrase.made = made
        return phrase

    def __getnewargs__(self) -> tuple[str, Made]:  # type: ignore[override]
        """What a copy in another process is made with."""
        return str(self), self.made


def phrases_of(catalogue: Catalogue) -> Callable[[Callable[P, str]], Callable[P, Phrase]]:
    """A decorator for the functions of the English catalogue: what they give is a phrase, and they are listed in it."""

    def decorate(make: Callable[P, str]) -> Callable[P, Phrase]:
        catalogue[make.__name__] = make
        names = tuple(inspect.signature(make).parameters)

        @functools.wraps(make)
        def said(*args: P.args, **kwargs: P.kwargs) -> Phrase:
            values = dict(zip(names, args, strict=False)) | kwargs
            return Phrase(make(*args, **kwargs), {"code": make.__name__, "values": _plain(values)})

        return said

    return decorate


def tell(made: Made, catalogue: Catalogue) -> str | None:
    """The phrase in the language of a catalogue; None where that knows it no more, as another version kept it."""
    try:
        return _tell(made, catalogue)
    except (LookupError, TypeError, ValueError):
        return None


def _tell(made: Made, catalogue: Catalogue) -> str:
    values = {name: _told(value, catalogue) for name, value in made["values"].items()}
    return catalogue[made["code"]](**values)


def _plain(value: Any) -> Any:
    """A value as JSON has it: phrases inside by what they were made of, NumPy's numbers as Python's."""
    if isinstance(value, Phrase):
        return value.made
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value.item() if hasattr(value, "item") else value


def _told(value: Any, catalogue: Catalogue) -> Any:
    if isinstance(value, Mapping):
        return _tell(value, catalogue)
    return [_told(part, catalogue) for part in value] if isinstance(value, list) else value
