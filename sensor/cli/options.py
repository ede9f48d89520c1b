"""Options that several verbs share, and their values turned into what the store's questions take."""

import math
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from analyzers.finding import SEVERITIES
from sensor.cli.columns import Row
from sensor.cli.times import parse_when
from sensor.site import MAX_GAP_S, MIN_GAP_S
from sensor.store.schema import SETTLED_STATES

EXIT_FINDINGS = 1
"""The exit code where --fail-on is met."""


_F = TypeVar("_F", bound=Callable[..., Any])


class When(click.ParamType[int]):
    """A point in time; reaches the verb as int nanoseconds. `is_end`: a date is the midnight that ends it."""

    name = "when"

    def __init__(self, is_end: bool) -> None:
        self.is_end = is_end

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return parse_when(value, time.time_ns(), self.is_end)


class Gap(click.ParamType[float]):
    """Seconds of silence between two exchanges, within the bounds of the site file."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See click.ParamType."""
        try:
            gap_s = float(value)
        except ValueError:
            gap_s = math.nan
        if not MIN_GAP_S <= gap_s <= MAX_GAP_S:  # also false of a NaN
            self.fail(f"{value!r}; allowed: a number of seconds from {MIN_GAP_S:g} to {MAX_GAP_S:g}", param, ctx)
        return gap_s


def time_options(verb: _F) -> _F:
    """--since and --until, as `since_ns` and `until_ns`."""
    verb = click.option(
        "--until", "until_ns", type=When(is_end=True), metavar="WHEN", help="Until then (a date: its whole day)."
    )(verb)
    return click.option(
        "--since", "since_ns", type=When(is_end=False), metavar="WHEN",
        help="From then on: 2026-11-22T10:00:00Z, 2026-11-22, or an age such as -24h or 7d.",
    )(verb)  # fmt: skip


def limit_option(verb: _F) -> _F:
    """--limit, as `limit`."""
    return click.option(
        "--limit",
        type=click.IntRange(min=0),
        metavar="N",
        help="At most N rows, 0: all [default: 50 on a terminal].",
    )(verb)


def fail_on_option(verb: _F) -> _F:
    """--fail-on, as `fail_on`."""
    return click.option(
        "--fail-on", type=click.Choice(SEVERITIES), help="Exit with 1 if an open finding is at or above this level."
    )(verb)


def is_open(finding: Row) -> bool:
    """Whether a finding waits for somebody: not settled, and not covered by an allow entry."""
    return finding.get("state") not in SETTLED_STATES and finding.get("allowed_by") is None


def fails(findings: Iterable[Row], level: str | None) -> bool:
    """Whether an open finding is at or above the level; never without a level."""
    return level is not None and any(
        SEVERITIES.index(row["severity"]) >= SEVERITIES.index(level) and is_open(row) for row in findings
    )
