"""What a blocklist format is, and what several of them need."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

from sensor import __version__
from sensor.response.blocklist import ADDRESS, DOMAIN, Entry

NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Made:
    """When a list is made: nanoseconds of the time of day, and a number that rises with every list of a format."""

    ts_ns: int
    serial: int


@dataclass(frozen=True, slots=True)
class Form:
    """A format.

    kinds : kinds of entries it has a place for
    separate : its readers want addresses and domains in files of their own
    render : entries that it takes, sorted by value -> the whole text
    most_chars : longer values have no place in it
    """

    kinds: tuple[str, ...]
    render: Callable[[Sequence[Entry], Made], str]
    separate: bool = False
    most_chars: int = 255

    def takes(self, entry: Entry) -> bool:
        """Whether an entry has a place in it."""
        return entry.kind in self.kinds and len(entry.value) <= self.most_chars


def addresses(entries: Iterable[Entry], version: int) -> list[Entry]:
    """Entries that are addresses of an IP version, by number."""
    found = [entry for entry in entries if entry.kind == ADDRESS and ip_address(entry.value).version == version]
    return sorted(found, key=lambda entry: int(ip_address(entry.value)))


def domains(entries: Iterable[Entry]) -> list[Entry]:
    """Entries that are domains."""
    return [entry for entry in entries if entry.kind == DOMAIN]


def covering(entries: Iterable[Entry]) -> list[Entry]:
    """Domains that no other domain of the list covers: a name stands for everything under it."""
    names = {entry.value for entry in domains(entries)}
    return [
        entry
        for entry in domains(entries)
        if not any(".".join(entry.value.split(".")[i:]) in names for i in range(1, entry.value.count(".") + 1))
    ]


def words(entry: Entry) -> str:
    """What a comment says of an entry: nothing that came from the network, so that it is safe in any syntax."""
    return f"kagami finding {entry.finding_id} {entry.analyzer} {entry.severity}"


def heading(n_entries: int, made: Made, mark: str, *more: str) -> str:
    """Comment lines at the top of a file."""
    n = "1 entry" if n_entries == 1 else f"{n_entries} entries"
    lines = (f"kagami {__version__}, serial {made.serial}, {moment(made.ts_ns)}, {n}", *more)
    return "".join(f"{mark} {line}\n" for line in lines)


def moment(ts_ns: int) -> str:
    """2026-11-25T10:00:00.000Z: to the millisecond, as STIX has times."""
    seconds, rest_ns = divmod(ts_ns, NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns // 1_000_000:03d}Z"


def seconds_left(entry: Entry, made: Made, at_most: int) -> int:
    """How long an entry shall stand, for formats that count down from when they are loaded."""
    return max(1, min((entry.expires_ts - made.ts_ns) // NS, at_most))
