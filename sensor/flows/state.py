"""What a tracker knows between packets, as one record: kernels take it as a single pointer, `s`.

Only layouts and what makes them; the kernels that work on a part stand in the file named after it.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from sensor.flows.pool import POOL, begin_pool
from sensor.flows.rows import DNS_OUT, EVENT_OUT, FACT, FLOW_OUT
from sensor.flows.table import TABLE, begin_table
from sensor.protocols.quic import KEYS_BYTES
from sensor.protocols.tls_fingerprint import FINGERPRINTS

_LINE_BYTES = 64  # of the processor's cache

# --- where the names come from that packets themselves do not show ---
CACHED = np.dtype([("code", np.uint64), ("expiry", np.int64), ("name", np.uint32), ("pad", np.uint8, (4,))])
"""A name by (client, address): keyed hash of both addresses, 0 free; packet time it ages at, ns; pool number."""
CACHE_NAMES = 1 << 17
CACHE = np.dtype([("answers", np.int64), ("names", CACHED, (CACHE_NAMES,))])

# --- messages that come in several packets ---
N_STREAMS, STREAM_BYTES, MOST_RANGES = 1 << 10, 1 << 14, 8
STREAM = np.dtype(
    [
        ("owner", np.int64),  # 2 * row + side of the flow it belongs to, plus 1; 0 free
        ("base", np.uint32),  # TCP sequence number of the first byte; QUIC: 0
        ("have", np.int32),  # bytes from the first on that are all there
        ("begin", np.int32, (MOST_RANGES,)),  # ranges beyond `have`, ascending and apart; empty ones are 0, 0
        ("end", np.int32, (MOST_RANGES,)),
        ("waits", np.int32),  # packets that brought no byte that is next
        ("keys", np.uint8, (KEYS_BYTES,)),  # QUIC: what opens the client's Initial packets
    ]
)
STREAMS = np.dtype(
    [
        ("meta", np.int64, (1,)),  # messages given up for want of room
        # a ring of all slots and of N_STREAMS, behind which it begins: free ones first, then the others by age
        ("after", np.int16, (N_STREAMS + 1,)),
        ("before", np.int16, (N_STREAMS + 1,)),
        ("slots", STREAM, (N_STREAMS,)),
        ("bytes", np.uint8, (N_STREAMS * STREAM_BYTES,)),
    ]
)

# --- facts of the flows that have any ---
MOST_FACTS = 1 << 18
FACTS = np.dtype(
    [
        (
            "meta",
            np.int64,
            (3,),
        ),  # rows on the free stack; rows ever used; flows whose facts were lost for want of room
        ("blank", FACT, (1,)),  # zeros
        ("free", np.int32, (MOST_FACTS,)),
        ("rows", FACT, (MOST_FACTS,)),  # 0 is nobody's
    ]
)

# --- rows that leave ---
MOST_ROWS = 1 << 18
MOST_DNS_ROWS = 32  # of one message, as many questions as `dns.has_header` lets pass
ROOM, DNS_ROOM = 10, MOST_DNS_ROWS  # rows one packet may write to a buffer, at most: see also reading.MOST_MESSAGES
KNOWN = np.dtype([("hi", np.uint64), ("lo", np.uint64), ("name_id", np.uint32), ("pad", np.uint8, (4,))])
N_FLOWS, N_EVENTS, N_DNS, N_FACTS = range(4)
OUT = np.dtype(
    [
        ("n", np.int64, (4,)),  # rows used of each buffer
        ("room", np.int64, (4,)),  # rows there are of each
        ("text", np.uint8, (64,)),  # scratch for one address text
        ("addresses", KNOWN, (1 << 13,)),  # the address texts met last, so that most need not be written again
        ("flows", FLOW_OUT, (MOST_ROWS,)),
        ("events", EVENT_OUT, (2 * MOST_ROWS,)),
        ("dns", DNS_OUT, (MOST_ROWS,)),
        ("facts", FACT, (MOST_ROWS + 1,)),  # of the flows in the buffer; 0 is nobody's
    ]
)

# --- time ---
TIMEOUTS = ("tcp_idle_ns", "handshake_idle_ns", "udp_idle_ns", "closed_ns", "active_ns", "gap_ns")
CONFIG = np.dtype([("payload_at", np.uint64), *((name, np.int64) for name in TIMEOUTS)])
"""Address of the kernel that reads payloads; timeouts on packet time, ns, where gap_ns is the silence that separates
the exchanges of a connection."""
COUNT_NAMES = ("packets", "duplicates", "not_flow", "evicted", "time_backwards", "flows", "acks", "ack_gaps")
"""`acks`: acknowledgements of new bytes, where both sides are seen; `ack_gaps`: those of bytes that were never seen."""
CLOCK = np.dtype(
    [
        # sweep due at, time of the previous packet, row the sweep stands at (-1 none), sweep's own time
        ("meta", np.int64, (4,)),
        ("counts", np.int64, (len(COUNT_NAMES),)),
    ]
)

# --- work space ---
KEYS_AT_ONCE = 64
SCRATCH = np.dtype(
    [
        ("spans", np.int32, (64,)),
        ("keys", np.uint64, (5, KEYS_AT_ONCE)),  # words of flow keys that are hashed together
        ("qname", np.uint8, (1024,)),
        ("answers", np.uint8, (1024,)),
        ("addresses", np.uint64, (32, 2)),
        ("info", np.int64, (32,)),
        ("words", np.uint32, (256,)),
        ("address", np.uint64, (2,)),
        ("text", np.uint8, (4096,)),
        ("joined", np.uint8, (STREAM_BYTES,)),
        ("mask", np.int64),  # places of `pending` in use, less one
        ("pending", np.int32, (2 * MOST_ROWS,)),  # DNS row + 1 by hash of its key; 0 none
    ]
)

STATE = np.dtype(
    [
        ("table", TABLE),
        ("clock", CLOCK),
        ("config", CONFIG),
        ("scratch", SCRATCH),
        ("streams", STREAMS),
        ("facts", FACTS),
        ("cache", CACHE),
        ("out", OUT),
        ("prints", FINGERPRINTS),
        ("pool", POOL),
    ]
)
STATE_REC = numba.from_dtype(STATE)
STATE_ARG = STATE_REC[::1]
"""How Python hands it to a kernel: an array of one. For a record numba asks numpy for its layout as text, at each call:
30 microseconds."""


def begin_streams(streams: Any) -> None:
    """Make the buffers of a zeroed STREAMS record free."""
    streams.after[:] = np.roll(np.arange(N_STREAMS + 1), -1)
    streams.before[:] = np.roll(np.arange(N_STREAMS + 1), 1)


def new_state(
    key: NDArray[np.uint64], max_flows: int, buffer_rows: int, n_texts: int, n_bytes: int
) -> NDArray[np.void]:
    """The state of a tracker that has seen nothing, STATE[1].

    key : uint64[2], secret of the hashes; max_flows : live flows at most; buffer_rows : finished flows held at most,
    twice as many events and half as many DNS rows; n_texts, n_bytes : room of the text pool
    """
    memory = np.zeros(STATE.itemsize + _LINE_BYTES, np.uint8)
    first = -memory.ctypes.data % _LINE_BYTES  # rows of flows are to fill whole lines
    state = memory[first : first + STATE.itemsize].view(STATE)
    begin_table(part(state, "table"), max_flows, key)
    begin_pool(part(state, "pool"), n_texts, n_bytes, key)
    begin_streams(part(state, "streams"))
    n_dns = max(2 * DNS_ROOM, buffer_rows // 2)  # a drain may leave half of them
    n_events = max(2 * buffer_rows, n_dns + ROOM + DNS_ROOM)  # each DNS row may become one
    part(state, "out").room[:] = (buffer_rows, n_events, n_dns, buffer_rows)
    part(state, "scratch").mask = (1 << (2 * max(buffer_rows, n_dns) - 1).bit_length()) - 1
    part(state, "clock").meta[:] = (0, 0, -1, 0)
    part(state, "prints").key[:] = key
    facts = part(state, "facts")
    facts.free[: MOST_FACTS - 1] = np.arange(MOST_FACTS - 1, 0, -1)
    facts.meta[:] = (MOST_FACTS - 1, 1, 0)
    return state


def part(state: NDArray[np.void], name: str) -> Any:
    """One part of the state (a record, its fields read as attributes), not a copy."""
    return state[name].view(np.recarray)[0]
