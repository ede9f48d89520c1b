"""What clean() lets through to a terminal, and what it shows instead."""

import pytest

from sensor.cli.clean import MAX_MARKS, clean


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),  # C1 CSI, one character
        ("a\x00b\x7f", r"a\x00b\x7f"),
        ("a\tb\r\nc", r"a\tb\r\nc"),
        ("gpj.\u202eexe", r"gpj.\u202eexe"),
        ("\u2066x\u2069", r"\u2066x\u2069"),
        ("pay\u200bpal", r"pay\u200bpal"),
        ("\ufeffx\u00ady", r"\ufeffx\xady"),
        ("x\u2028y\u2029z\u0085", r"x\u2028y\u2029z\x85"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),  # a tag character
        ("\u3164\u2800\ufe0f", r"\u3164\u2800\ufe0f"),  # printable by category, drawn as nothing
        ("a\u00a0b\u3000c", r"a\xa0b\u3000c"),
    ],
)
def test_hostile_characters_are_shown(hostile: str, shown: str) -> None:
    assert clean(hostile) == shown


@pytest.mark.parametrize("text", ["", "example.com", "日本語.jp", "naïve", "[bold]x[/]", r"C:\x1b", "e\u0301", "😀"])
def test_plain_text_stays(text: str) -> None:
    assert clean(text) == text


def test_a_pile_of_combining_marks_is_cut() -> None:
    assert clean("a" + "\u0301" * 6) == "a" + "\u0301" * MAX_MARKS + r"\u0301" * 2


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        ("ab\x1bcd", 8, r"ab\x1bcd"),
        ("ab\x1bcd", 7, r"ab\x1b…"),
        ("ab\x1bcd", 6, "ab…"),  # an escape is whole or absent
        ("x" * 10**6, 5, "xxxx…"),
    ],
)
def test_length_is_bounded(text: str, limit: int, shown: str) -> None:
    assert clean(text, limit) == shown
