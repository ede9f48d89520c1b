"""The choke point for text that came from outside: what it returns can be printed to a terminal.

In: any str. Out: the same text with everything that a terminal would act on, or that a reader could not see, turned
into a visible escape (\\x1b, \\u202e). This module never prints and never decides where text goes.
"""

import re
import unicodedata

ELLIPSIS = "…"
MAX_MARKS = 4
"""Combining marks kept on one character. Living scripts need at most 3 or 4; more only smears neighbouring lines."""

# Printable by its category, but drawn as nothing: Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties.txt
# outside of category Cf (which str.isprintable covers), and the blank braille pattern.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def clean(text: str, limit: int | None = None) -> str:
    r"""Show what is not plainly visible as escapes; keep the rest as it is.

    Escaped are C0 and C1 controls (with ESC, so no ANSI sequence survives), DEL, bidi controls, zero-width and other
    format characters, line and paragraph separators, spaces that are not U+0020, private-use, unassigned and
    surrogate code points, and combining marks beyond `MAX_MARKS`. A backslash stays one, so cleaning twice is
    cleaning once.

    limit : at most so many characters come back, the last one an ellipsis if something was cut; None: all.
    """
    if limit is not None and len(text) > limit:
        text = text[: limit + 1]  # a megabyte is not escaped to show 80 characters of it
    if text.isascii() and text.isprintable():
        return text if limit is None or len(text) <= limit else text[: limit - 1] + ELLIPSIS
    pieces = _pieces(text)
    return "".join(pieces) if limit is None else _joined_within(pieces, limit)


def escape(char: str) -> str:
    r"""One character as a visible escape in Python's notation: \t, \x1b, \u202e, \U000e0041."""
    code = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _pieces(text: str) -> list[str]:
    pieces = []
    n_marks = 0
    for char in text:
        n_marks = n_marks + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        visible = char.isprintable() and not _INVISIBLE.match(char) and n_marks <= MAX_MARKS
        pieces.append(char if visible else escape(char))
    return pieces


def _joined_within(pieces: list[str], limit: int) -> str:
    """Join whole pieces, so that an escape is never cut in two."""
    if sum(map(len, pieces)) <= limit:
        return "".join(pieces)
    kept, n_kept = [], 0
    for piece in pieces:
        if n_kept + len(piece) > limit - 1:
            break
        kept.append(piece)
        n_kept += len(piece)
    return "".join(kept) + ELLIPSIS
