"""What left the network as columns, a row a channel: what the egress analyzers read."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

ESTABLISHED, HALF, REFUSED, UNANSWERED = "established", "half", "refused", "unanswered"
OUTCOMES = (ESTABLISHED, HALF, REFUSED, UNANSWERED)
"""What became of a connection, the best first. refused: by a reset or an ICMP message; unanswered: dropped on the way,
however often it was sent again; half: the mirror shows one direction only, and the connection goes on."""

ChannelKey = tuple[str, str, int, str]
"""Originator, destination, port, protocol."""


@dataclass(slots=True)
class EgressTable:
    """n channels from hosts inside to the outside that no proxy carried; one column a field.

    orig_ip : the host, canonical text
    dest : the best name, else the address; empty: the rest of very many destinations, see n_dests
    resp_port : ICMP: the code; proto : lower case
    app : application protocol of its connections, or empty
    is_foreign_proxy : it asked the destination to be its proxy
    n_dests : destinations in this row
    dest_ips : some of the addresses, canonical text
    no_lookup : DNS was seen, and never told an address of it
    flows, unanswered, refused, half, established : connections, in all and by outcome
    orig_bytes, resp_bytes, orig_pkts : sums
    first_ts, last_ts : nanoseconds since 1970 UTC
    away : connections begun while nobody is at work
    clients : how many of one's own hosts contact this destination directly
    """

    orig_ip: Sequence[str]
    dest: Sequence[str]
    resp_port: Sequence[int]
    proto: Sequence[str]
    app: Sequence[str]
    is_foreign_proxy: Sequence[bool]
    n_dests: Sequence[int]
    dest_ips: Sequence[Sequence[str]]
    no_lookup: Sequence[bool]
    flows: Sequence[int]
    unanswered: Sequence[int]
    refused: Sequence[int]
    half: Sequence[int]
    established: Sequence[int]
    orig_bytes: Sequence[int]
    resp_bytes: Sequence[int]
    orig_pkts: Sequence[int]
    first_ts: Sequence[int]
    last_ts: Sequence[int]
    away: Sequence[int]
    clients: Sequence[int]

    def __len__(self) -> int:
        return len(self.orig_ip)

    def check(self) -> None:
        """Raise ValueError when the columns are not all of one length."""
        for column in fields(self):
            if len(getattr(self, column.name)) != len(self):
                raise ValueError(f"{column.name} has {len(getattr(self, column.name))} rows for {len(self)} channels")


@dataclass(slots=True)
class Channel:
    """One row of the table, with what the analyzers find out about it.

    via_proxy : the proxy that carried it: servers are judged on that as well
    label : a benign explanation, or empty
    is_shared : so many of one's own hosts do the same that it weighs less
    beat_s, spread : its attempts, all blocked, come at this interval, give or take this share of it; 0: they do not
    """

    orig_ip: str
    dest: str
    resp_port: int
    proto: str
    app: str
    is_foreign_proxy: bool
    n_dests: int
    dest_ips: Sequence[str]
    no_lookup: bool
    flows: int
    unanswered: int
    refused: int
    half: int
    established: int
    orig_bytes: int
    resp_bytes: int
    orig_pkts: int
    first_ts: int
    last_ts: int
    away: int
    clients: int
    via_proxy: str = ""
    label: str = ""
    is_shared: bool = False
    beat_s: float = 0.0
    spread: float = 0.0
    score: float = 0.0

    @property
    def outcome(self) -> str:
        """The best outcome of its connections."""
        return next((outcome for outcome in OUTCOMES if getattr(self, outcome)), UNANSWERED)

    @property
    def blocked(self) -> int:
        """Connections that were refused or not answered."""
        return self.refused + self.unanswered

    @property
    def is_named(self) -> bool:
        """Whether the destination is known by more than its address."""
        return bool(self.dest) and self.dest not in self.dest_ips


def channels_of(table: EgressTable) -> list[Channel]:
    """The rows of a table as objects.

    Raises: ValueError when the columns contradict each other
    """
    table.check()
    return [Channel(*row) for row in zip(*(getattr(table, column.name) for column in fields(table)), strict=True)]
