"""The rows of the contract: their fields in order, and what of them a table on a terminal shows.

Machine formats carry every field under its name. A terminal is narrow, so a table has fewer, wider-read columns, each
with how soon it may go when the terminal is too narrow for all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sensor.cli.charts import sparkline
from sensor.cli.human import human_bytes, human_duration
from sensor.cli.times import short_time
from sensor.store.columns import ALLOW, BLOCKLIST, EVENT, FINDING, FLOW, HOST, WATCH, Field
from sensor.store.columns import DNS as DNS_FIELDS
from sensor.store.host_day import FIELDS as HOST_DAY_FIELDS

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
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "; ".join(text_of(item) for item in value)
    return str(value)


def _names(fields: tuple[Field, ...]) -> tuple[str, ...]:
    return tuple(field.name for field in fields)


def _plain(title: str, field: str | None = None, **options: Any) -> Column:
    name = field or title
    return Column(title, lambda row: text_of(row.get(name)), **options)


def _when(title: str, field: str, **options: Any) -> Column:
    return Column(title, lambda row: "" if row.get(field) is None else short_time(row[field]), **options)


def _bytes(title: str, field: str, **options: Any) -> Column:
    return Column(title, lambda row: "" if row.get(field) is None else human_bytes(row[field]), right=True, **options)


def _seconds(title: str, field: str, **options: Any) -> Column:
    return Column(title, lambda row: human_duration(row[field]) if row.get(field) else "", right=True, **options)


def _service(row: Row) -> str:
    return f"{text_of(row.get('resp_port'))}/{text_of(row.get('proto'))}"


def _status(row: Row) -> str:
    return text_of(row.get("status") or "")


def _named_or_address(name_field: str) -> Callable[[Row], str]:
    return lambda row: text_of(row.get(name_field)) or text_of(row.get("resp_ip"))


def _open_state(row: Row) -> str:
    """The state, with what hides it where something does."""
    state = text_of(row.get("state"))
    return f"{state}, allowed by {row['allowed_by']}" if row.get("allowed_by") else state


def _expiry(row: Row) -> str:
    if row.get("removed_ts") is not None:
        return "taken back"
    return "never" if row["expires_ts"] is None else short_time(row["expires_ts"])


SPARK_SLOTS = 12
"""Characters of the picture of a finding's events over its time."""


def _spark(row: Row) -> str:
    return sparkline(row.get("counts", ()))


def _jitter(row: Row) -> str:
    return f"{row['jitter_frac']:.0%}" if row.get("interval_s") and row.get("jitter_frac") is not None else ""


def _score(row: Row) -> str:
    return "" if row.get("score") is None else f"{row['score']:.2f}"


FLOWS = Kind(
    "flows",
    _names(FLOW),
    (
        _when("start (UTC)", "first_ts"),
        _seconds("length", "duration_s", drop=4),
        _plain("originator", "orig_ip"),
        _plain("port", "orig_port", right=True, drop=6),
        _plain("responder", "resp_ip"),
        Column("service", _service),
        _plain("name", fold=True, drop=1),
        _plain("app", drop=5),
        _plain("state", "conn_state", drop=2),
        _bytes("sent", "orig_bytes", drop=3),
        _bytes("received", "resp_bytes", drop=3),
        _plain("via proxy", "via_proxy", drop=7),
        _plain("notes", fold=True, drop=8),
    ),
)

EVENTS = Kind(
    "events",
    _names(EVENT),
    (
        _when("time (UTC)", "ts"),
        _plain("host", "orig_ip"),
        _plain("kind", drop=2),
        Column("destination", _named_or_address("dest"), fold=True),
        Column("service", _service),
        _bytes("sent", "orig_bytes", drop=3),
        _bytes("received", "resp_bytes", drop=3),
        _plain("answered", drop=5),
        _plain("method", drop=4),
        _plain("uri", fold=True, drop=4),
        Column("status", _status, right=True, drop=6),
        _plain("via proxy", "via_proxy", drop=7),
        _plain("user agent", "user_agent", fold=True, drop=8),
    ),
)

DNS = Kind(
    "DNS rows",
    _names(DNS_FIELDS),
    (
        _when("time (UTC)", "ts"),
        _plain("host", "orig_ip"),
        _plain("resolver", "resp_ip", drop=3),
        _plain("question", "qname", fold=True),
        _plain("type", "qtype"),
        _plain("rcode", drop=2),
        _plain("answers", fold=True, drop=1),
        _plain("ttl", right=True, drop=4),
        _plain("app", drop=5),
    ),
)

HOSTS = Kind(
    "hosts",
    _names(HOST),
    (
        _plain("host", "ip"),
        _plain("names", fold=True, drop=2),
        _plain("vendor", fold=True, drop=8),
        _plain("role"),
        _plain("services", fold=True, drop=3),
        _plain("proxies", fold=True, drop=4),
        Column("direct", lambda row: f"{row['direct_frac']:.0%}", right=True, drop=1),
        _plain("flows", right=True, drop=5),
        _when("first seen (UTC)", "first_ts", drop=7),
        _when("last seen (UTC)", "last_ts", drop=6),
    ),
)

FINDINGS = Kind(
    "findings",
    (*_names(FINDING), "allowed_by"),
    (
        _plain("id", right=True),
        _plain("severity"),
        Column("score", _score, right=True),
        _plain("analyzer", drop=1),
        _plain("host", "orig_ip"),
        _plain("destination", "dest", fold=True),
        Column("service", _service, drop=3),
        Column("state", _open_state, drop=4),
        Column("over time", _spark, drop=5),
        _plain("events", right=True, drop=5),
        _bytes("sent", "orig_bytes", drop=8),
        _bytes("received", "resp_bytes", drop=8),
        _seconds("interval", "interval_s", drop=2),
        Column("jitter", _jitter, right=True, drop=7),
        _plain("outcome", drop=6),
        _when("first seen (UTC)", "first_ts", drop=9),
        _when("last seen (UTC)", "last_ts", drop=6),
    ),
)

RELATIONS = Kind(
    "relations",
    ("orig_ip", "kind", "value", "strength", "hosts", "dests", "events", "first_ts", "last_ts"),
    (
        _plain("host", "orig_ip"),
        _plain("shares", "kind"),
        _plain("value", fold=True),
        Column("strength", lambda row: f"{row['strength']:.2f}", right=True),
        _plain("hosts with it", "hosts", right=True, drop=2),
        _plain("destinations", "dests", fold=True, drop=4),
        _plain("events", right=True, drop=3),
        _when("first seen (UTC)", "first_ts", drop=5),
        _when("last seen (UTC)", "last_ts", drop=1),
    ),
)

TIMELINE = Kind(
    "rows",
    HOST_DAY_FIELDS,
    (
        _when("time (UTC)", "ts"),
        _plain("kind"),
        _plain("destination", "dest", fold=True),
        Column("service", _service, drop=4),
        _plain("detail", fold=True, drop=1),
        Column("times", lambda row: f"{row['count']:,}" if row["count"] != 1 else "", right=True),
        Column("until", lambda row: short_time(row["last_ts"])[11:] if row["last_ts"] != row["ts"] else "", drop=5),
        _bytes("sent", "orig_bytes", drop=2),
        _bytes("received", "resp_bytes", drop=2),
        Column("answered", lambda row: "" if row["answered"] else "no", drop=3),
        _plain("via proxy", "via_proxy", drop=6),
    ),
)

FINDING_GROUPS = Kind(
    "groups",
    (
        *(
            "group",
            "severity",
            "score",
            "findings",
            "ids",
            "analyzers",
            "hosts",
            "dests",
            "events",
            "first_ts",
            "last_ts",
        ),
        "states",
    ),
    (
        _plain("group", fold=True),
        _plain("severity"),
        Column("score", _score, right=True),
        _plain("findings", right=True),
        _plain("ids", fold=True),
        _plain("analyzers", fold=True, drop=3),
        Column("hosts", lambda row: str(len(row["hosts"])), right=True, drop=2),
        Column("destinations", lambda row: str(len(row["dests"])), right=True, drop=2),
        _plain("events", right=True, drop=4),
        _when("first seen (UTC)", "first_ts", drop=5),
        _when("last seen (UTC)", "last_ts", drop=1),
    ),
)

ALLOWS = Kind(
    "allow entries",
    _names(ALLOW),
    (
        _plain("id", right=True),
        _plain("allowed", "dest", fold=True),
        Column("port", lambda row: "any" if row["resp_port"] < 0 else str(row["resp_port"]), drop=2),
        Column("from", lambda row: text_of(row["hosts"]) or "any host", fold=True, drop=1),
        _plain("reason", fold=True),
        _plain("by", "who", drop=3),
        Column("expires (UTC)", _expiry),
    ),
)

BLOCKLISTS = Kind(
    "blocklists",
    _names(BLOCKLIST),
    (
        _plain("id", right=True),
        _when("written (UTC)", "made_ts"),
        _plain("format"),
        _plain("entries", right=True),
        _plain("file", "path", fold=True),
        _plain("by", "who", drop=1),
        _plain("SHA-256", "sha256", drop=2),
    ),
)

HITS = Kind(
    "hits",
    (
        *("indicator", "kind", "how", "orig_ip", "dests", "resp_ips", "resp_ports", "via_proxy", "first_ts", "last_ts"),
        *("events", "orig_bytes", "resp_bytes", "origin", "reason"),
    ),
    (
        _plain("indicator", fold=True),
        _plain("how"),
        _plain("host", "orig_ip"),
        _plain("destination", "dests", fold=True, drop=3),
        _when("first seen (UTC)", "first_ts"),
        _when("last seen (UTC)", "last_ts", drop=1),
        _plain("events", right=True),
        _bytes("sent", "orig_bytes", drop=2),
        _bytes("received", "resp_bytes", drop=2),
        _plain("via proxy", "via_proxy", drop=5),
        _plain("reason", fold=True, drop=4),
    ),
)

WATCHES = Kind(
    "indicators",
    _names(WATCH),
    (
        _plain("id", right=True),
        _plain("kind"),
        _plain("value", fold=True),
        _plain("reason", fold=True, drop=2),
        _plain("origin", fold=True, drop=3),
        _plain("by", "who", drop=4),
        Column("expires (UTC)", _expiry, drop=1),
    ),
)
