"""Known regular software: which everyday program a destination's name belongs to, from a dated data file.

A label is a reason to show and to cap the severity, and nothing more: it never drops a finding and it is no trust. A
name in TLS is a claim of the client, so whoever uses a label also asks how the host behaves. Owners, countries and
certificates have no part in it. The file (data/known_software.toml) is read once, when the first name is looked up.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

MAX_NAME = 253
"""Longest name that DNS allows (RFC 1035 section 2.3.4); longer text is no name and is not looked up."""

SEVERITY_CAP = "low"
"""The severity that a labelled finding has at the most, where its host behaves as the others do."""


@dataclass(frozen=True, slots=True)
class Software:
    """One program: how it is expected to behave.

    endpoints : protocol and port, such as tcp/443
    period_s : shortest and longest usual interval in seconds; None: not documented
    source : the public page that says so
    """

    label: str
    endpoints: frozenset[str]
    period_s: tuple[float, float] | None
    source: str

    def keeps(self, interval_s: float, tolerance: float = 0.25) -> bool:
        """Whether an interval lies in the documented ones; True where none is documented."""
        if self.period_s is None:
            return True
        shortest, longest = self.period_s
        return shortest * (1 - tolerance) <= interval_s <= longest * (1 + tolerance)


def parse(text: str) -> dict[str, tuple[Software, ...]]:
    """The programs of a data file by the names they are known by, lower case.

    Raises: KeyError, tomllib.TOMLDecodeError for a file that is none.
    """
    by_name: dict[str, tuple[Software, ...]] = {}
    for entry in tomllib.loads(text)["software"]:
        software = Software(
            entry["label"], frozenset(entry["endpoints"]), _period(entry.get("period_s")), entry["source"]
        )
        for name in entry["names"]:
            by_name[name] = (*by_name.get(name, ()), software)
    return by_name


def find(dest: str, proto: str, port: int) -> Software | None:
    """The program whose server a name is, asked in the way that is documented, or None.

    dest : a destination as in events: a name in any case, with or without the dot at its end, or an address
    proto, port : its protocol in lower case and its port; 0 where it is not known: what a proxy or DNS is asked for
    """
    if len(dest) > MAX_NAME + 1:
        return None
    name = dest.lower().removesuffix(".")
    known = _known()
    while name:
        for software in known.get(name, ()):
            if port == 0 or f"{proto}/{port}" in software.endpoints:
                return software
        name = name.partition(".")[2]
    return None


def label_of(dest: str, proto: str, port: int) -> str:
    """The label of `find`, or empty."""
    software = find(dest, proto, port)
    return software.label if software else ""


@cache
def _known() -> dict[str, tuple[Software, ...]]:
    return parse(resources.files("analyzers").joinpath("data/known_software.toml").read_text(encoding="utf-8"))


def _period(values: Any) -> tuple[float, float] | None:
    return None if values is None else (float(values[0]), float(values[1]))
