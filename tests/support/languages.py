"""Whether a Japanese text has English in it that is no name: a word that only sentences have."""

import re

_SENTENCE_WORDS = re.compile(
    r"\b(?:a|an|the|of|is|are|was|were|be|and|or|with|which|this|that|to|by|it|from|for|in|on|no|not|than|all|any|only"
    r"|nobody|seen|kept|hosts?|events?|beats?|gaps?|sent|received|connections?|destinations?|proxy|unanswered)\b"
)


def english_left(text: str) -> list[str]:
    """The words, in the order of the text; names of hosts and programs are none."""
    return _SENTENCE_WORDS.findall(text)
