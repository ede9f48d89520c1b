"""Where the events of a connection begin: who speaks after a silence, and who replies.

The originator that speaks after a silence begins an exchange. A responder that does begins nothing yet: what it says
belongs to the open event, unless the originator replies before the next silence. Then both are an event of their own,
a reply. So a server that polls its agents is seen, and one that only streams makes no events. Where the originator
ended the silence before, nothing is told: what it does by itself keeps its beat.
"""

from numba import types as t

from sensor.constants import APP_QUIC
from sensor.flows.out import close_event, open_event, settle_push
from sensor.flows.rows import (
    FLOW_REC,
    KIND_EXCHANGE,
    KIND_REPLY,
    READS_HTTP,
    READS_HTTP_CUT,
    WOKEN_ANSWER,
    WOKEN_NOT,
    WOKEN_PUSH,
)
from sensor.flows.state import STATE_REC
from sensor.jit import packet_kernel as kernel


@kernel(t.void(FLOW_REC, t.int64))
def _wake(f, ts):
    """The responder ends a silence. What the originator says next is a reply, unless it takes its time."""
    if f["woken"]:
        settle_push(f)
    if f["is_self_paced"]:  # one message between two beats of the client's own is none of a server that polls
        f["is_self_paced"] = 0
        return
    # requests are events anyhow, and in QUIC a mere acknowledgement looks like a reply
    if f["reads"] != READS_HTTP and f["reads"] != READS_HTTP_CUT and f["app"] != APP_QUIC:
        is_due = f["event_bytes"][0] > 0 and f["event_bytes"][1] == 0
        f["woken"] = WOKEN_ANSWER if is_due else WOKEN_PUSH
        f["push_ts"] = ts


@kernel(t.void(STATE_REC, FLOW_REC, t.int64))
def _begin_reply(s, f, ts):
    """The originator replies to what ended the silence: an event, with the responder's message if that began it."""
    is_push, n_bytes = f["woken"] == WOKEN_PUSH, f["push_bytes"]
    f["woken"] = WOKEN_NOT
    f["push_bytes"] = 0
    close_event(s, f)
    open_event(f, f["push_ts"] if is_push else ts, KIND_REPLY)
    if is_push:
        f["event_bytes"][1] = n_bytes
        f["event_answered"] = 1


@kernel(t.void(STATE_REC, FLOW_REC, t.int64, t.int64))
def begin_exchange(s, f, d, ts):
    """Side d speaks: if it ends a silence, or replies to what did, that is or may become another event."""
    is_silence = f["had_payload"] and ts - f["last_payload_ts"] >= s.config.gap_ns
    if not is_silence and (d == 1 or not f["woken"]):
        return
    if f["is_query"] or f["is_carrier"] or f["is_refused"]:
        return
    if d == 1:
        _wake(f, ts)
    elif is_silence:
        close_event(s, f)
        open_event(f, ts, KIND_EXCHANGE)
        f["is_self_paced"] = 1
    else:
        _begin_reply(s, f, ts)


@kernel(t.void(FLOW_REC, t.int64, t.int64, t.int64))
def add_payload(f, d, ts, fresh):
    """Count new payload bytes of side d to the flow and to its open event."""
    f["had_payload"] = 1
    f["last_payload_ts"] = max(f["last_payload_ts"], ts)
    f["payload_bytes"][d] += fresh
    if d == 1 and f["woken"] == WOKEN_PUSH:
        f["push_bytes"] += fresh
        return
    f["event_last_ts"] = max(f["event_last_ts"], ts)
    f["event_bytes"][d] += fresh
    if d == 1 and not f["is_refused"]:
        f["event_answered"] = 1
