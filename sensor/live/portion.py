"""What goes from the thread that captures to the one that writes: finished rows as columns, and what was counted.

Columns are made where the tracker's buffers are, since those are used again at once; what is passed on is never shared.
"""

import queue
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensor.constants import PROTO_TCP
from sensor.flows.rows import CONN_STATES
from sensor.segments import TABLES, Columns, by_bucket, finished_rows
from sensor.sightings import Fact
from sensor.store.columnar import Column

PUT_TIMEOUT_S = 0.5
"""How long a capturing thread waits for a slow disk before it lets rows go; the ring holds the packets meanwhile."""

_UNANSWERED = CONN_STATES.index("S0")

COUNTED = (
    *(
        "packets",
        "bytes",
        "seen",
        "dropped",
        "freezes",
        "nic_dropped",
        "undecoded",
        "duplicates",
        "evicted",
        "acks",
        "ack_gaps",
    ),
    *("tcp_flows", "one_sided", "rows_lost"),
)
"""What workers count, from their start on; see columns.HEALTH."""


@dataclass(slots=True)
class Portion:
    """Finished rows of one moment, ready to be written.

    parts : (table, its columns, bucket of each row), each of one bucket
    rows : rows by table
    """

    parts: list[tuple[str, Sequence[Column], NDArray[np.uint8]]]
    rows: dict[str, int]


@dataclass(slots=True)
class Snapshot:
    """How a worker stands at a flush.

    counted : COUNTED -> number, since the worker's start
    counters : everything counted by kind and name, since the worker's start, as `kagami status` shows it
    flows_live, flows_max : rows of the flow table in use, and there are
    ring_frac : highest share of the ring that waited since the last snapshot, 0 to 1
    state : up, no-carrier, down, gone or stopped
    oldest_ts, newest_ts : ns of all packets, None before the first
    words : what happened since the last snapshot, in words
    host_facts : what hosts told of themselves since then, see Sightings.facts
    """

    worker: int
    counted: dict[str, int]
    counters: dict[str, dict[str, int]]
    flows_live: int
    flows_max: int
    ring_frac: float
    state: str
    oldest_ts: int | None
    newest_ts: int | None
    words: list[str] = field(default_factory=list)
    host_facts: dict[Fact, list[int]] = field(default_factory=dict)


Inbox = queue.Queue[Portion | Snapshot | None]


class QueueSink:
    """Makes columns of the tracker's full buffers and queues them for the writer.

    Where the writer does not keep up, rows are let go and counted: the capture goes on.

    tcp_flows, one_sided : TCP connections reported, and those of which the mirror showed one side only
    rows_lost : rows that were let go
    """

    def __init__(self, inbox: Inbox, source: str) -> None:
        self._inbox = inbox
        self._columns = Columns(source)
        self.tcp_flows = self.one_sided = self.rows_lost = 0

    def __call__(self, out: Any, pool: Any) -> None:
        """Queue what the buffers hold."""
        parts: list[tuple[str, Sequence[Column], NDArray[np.uint8]]] = []
        rows = dict.fromkeys(TABLES, 0)
        for table, finished, columns in finished_rows(out, self._columns):
            rows[table] = len(finished)
            if table == "flow":
                self._count_sides(finished)
            parts += [
                (table, columns(mine, pool, out.facts), np.ascontiguousarray(mine["bucket"]))
                for mine in by_bucket(finished, keeps=True)
            ]
        if not parts:
            return
        try:
            self._inbox.put(Portion(parts, rows), timeout=PUT_TIMEOUT_S)
        except queue.Full:
            self.rows_lost += sum(rows.values())

    def _count_sides(self, flows: NDArray[np.void]) -> None:
        """A SYN that nobody answered is no sign of a mirror that shows one side only."""
        is_tcp = flows["proto"] == PROTO_TCP
        one_sided = (flows["orig_pkts"] == 0) | ((flows["resp_pkts"] == 0) & (flows["conn_state"] != _UNANSWERED))
        self.tcp_flows += int(np.count_nonzero(is_tcp))
        self.one_sided += int(np.count_nonzero(is_tcp & one_sided))
