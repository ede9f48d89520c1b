"""The rows of the contract: their fields in order, and what of them a table on a terminal shows.

Machine formats carry every field under its name. A terminal is narrow, so a table has fewer, wider-read columns, each
with how soon it may go when the terminal is too narrow for all (`keep` 0: never).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sensor.cli.human import human_bytes, human_duration
from sensor.cli.times import short_time

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """One column of a terminal table: its title, its text for a row, and how it behaves when space is short."""

    title: str
    text: Callable[[Row], str]
    drop: int = 0
    """0: always shown; else the highest number goes first."""
    right: bool = False
    """Numbers stand right."""
    fold: bool = False
    """May be broken over several lines."""


@dataclass(frozen=True)
class Kind:
    """A kind of row: its name in the plural, its fields in the contract's order, its terminal table."""

    plural: str
    fields: tuple[str, ...]
    table: tuple[Column, ...]


def text_of(value: Any) -> str:
    """A value as one cell: nothing for None, true/false, lists joined by '; '."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "; ".join(text_of(item) for item in value)
    return str(value)


def _plain(title: str, field: str | None = None, **options: Any) -> Column:
    name = field or title
    return Column(title, lambda row: text_of(row.get(name)), **options)


def _when(title: str, field: str, **options: Any) -> Column:
    return Column(title, lambda row: "" if row.get(field) is None else short_time(row[field]), **options)


def _bytes(title: str, field: str, **options: Any) -> Column:
    return Column(title, lambda row: "" if row.get(field) is None else human_bytes(row[field]), right=True, **options)


def _seconds(title: str, field: str, **options: Any) -> Column:
    text: Callable[[Row], str] = lambda row: "" if row.get(field) is None else human_duration(row[field])  # noqa: E731
    return Column(title, text, right=True, **options)


def _service(row: Row) -> str:
    return f"{text_of(row.get('resp_port'))}/{text_of(row.get('proto'))}"


def _named_or_address(name_field: str) -> Callable[[Row], str]:
    return lambda row: text_of(row.get(name_field)) or text_of(row.get("resp_ip"))


def _score(row: Row) -> str:
    return "" if row.get("score") is None else f"{row['score']:.2f}"


FLOWS = Kind(
    "flows",
    (
        "uid community_id first_ts last_ts duration_s proto orig_ip orig_port resp_ip resp_port vlan_id name name_source "
        "app via_proxy ja3 ja4 user_agent conn_state history orig_pkts resp_pkts orig_bytes resp_bytes orig_ip_bytes "
        "resp_ip_bytes end_reason source"
    ).split(" ")
    and tuple(
        (
            "uid community_id first_ts last_ts duration_s proto orig_ip orig_port resp_ip resp_port vlan_id name "
            "name_source app via_proxy ja3 ja4 user_agent conn_state history orig_pkts resp_pkts orig_bytes resp_bytes "
            "orig_ip_bytes resp_ip_bytes end_reason source"
        ).split()
    ),
    (),
)
