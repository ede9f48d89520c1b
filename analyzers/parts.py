"""What a score is made of: amounts by name that add up to it. Numbers and words in, rows out."""

from collections.abc import Iterable, Mapping
from typing import Any

SCORE, LOG_ODDS = "score", "log odds"
"""Units of an amount: points of a score from 0 to 1, or natural logarithms of odds, of which a model makes a score."""


def points(added: Mapping[str, float], factors: Mapping[str, float], at_most: float) -> dict[str, float]:
    """The amounts of a score that is a sum, taken as 1 at most, times some factors, and then at most `at_most`.

    added, factors : by name, in the order they are applied; a factor's amount is what it takes away or adds
    Returns: amounts that are not 0; their sum is the score
    """
    amounts = dict(added)
    score = sum(added.values())
    if score > 1.0:
        amounts["the most that a sum can be"] = 1.0 - score
        score = 1.0
    for name, factor in factors.items():
        amounts[name] = score * (factor - 1.0)
        score *= factor
    if score > at_most:
        amounts["the most that this alone can score"] = at_most - score
    return {name: amount for name, amount in amounts.items() if amount}


def rows(amounts: Mapping[str, float], unit: str = SCORE) -> list[dict[str, Any]]:
    """Amounts as a finding keeps them, those that raise first, each kind by size."""
    ranked = sorted(amounts, key=lambda name: (amounts[name] < 0, -abs(amounts[name]), name))
    return [{"name": name, "amount": round(float(amounts[name]), 4), "unit": unit} for name in ranked]


def with_points(parts: Iterable[Mapping[str, Any]], name: str, amount: float) -> list[dict[str, Any]]:
    """Rows with one more amount in points: what changed a score after its analyzer had made it."""
    kept = [dict(part) for part in parts]
    given = {part["name"]: part["amount"] for part in kept if part["unit"] == SCORE}
    return [part for part in kept if part["unit"] != SCORE] + rows(given | {name: amount})
