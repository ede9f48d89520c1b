"""The main loop: packet rows in, flows, events and DNS rows out.

`track` takes packets until a buffer needs draining and says where it stopped; nothing in it depends on how packets
were cut into batches. Expiry follows packet time: a flow whose deadline has passed is over when its next packet
comes, or when the sweep (every SWEEP_NS of packet time) meets it, whichever is first, with the same row either way.
"""

import numpy as np
from numba import types as t

from sensor.constants import FRAGMENT_LATER, PROTO_TCP, PROTO_UDP, STATUS_OK, TCP_ACK, TCP_SYN
from sensor.dtypes import PACKET_REC
from sensor.far import far_call
from sensor.flows import names, table, tcp
from sensor.flows.duplicates import is_duplicate
from sensor.flows.exchanges import add_payload, begin_exchange
from sensor.flows.facts import free_facts
from sensor.flows.keys import is_flipped, key_port, side
from sensor.flows.out import mix, open_event, report_flow
from sensor.flows.payload import TAKES
from sensor.flows.pool import nearly_full
from sensor.flows.rows import (
    END_ACTIVE,
    END_END,
    END_EVICTED,
    END_IDLE,
    FLOW_REC,
    KIND_CONNECTION,
    NOTE_NO_LOOKUP,
    SOURCE_DNS,
)
from sensor.flows.state import DNS_ROOM, N_DNS, N_EVENTS, N_FLOWS, ROOM, STATE_ARG, STATE_REC
from sensor.flows.streams import close_streams
from sensor.flows.unreachable import mark_refused, says_unreachable
from sensor.jit import packet_kernel as kernel
from sensor.prefetch import prefetch, prefetch_head
from sensor.protocols.reads import FRAMES
from sensor.protocols.siphash import siphash13

_call = far_call(*TAKES)

DONE, DRAIN, EVICT = 0, 1, 2  # why `track` returned

_DUE, _BEFORE, _ROW, _NOW = range(4)
C_PACKETS, C_DUPLICATES, C_NOT_FLOW, C_EVICTED, C_BACKWARDS, C_FLOWS, C_ACKS, C_ACK_GAPS = range(8)

RETRY_NS = 3_500_000_000  # the longest first retransmission timer in use (Windows before 10: 3 s)
ATTEMPT_NS = 5 * 10**9  # Zeek's tcp_attempt_delay
NOT_YET, ONE_SIDED = -1, -2  # beside END_*: why a flow is reported
SWEEP_NS = 5 * 10**9
_AHEAD_SLOT, _AHEAD_ROW = 16, 8  # packets looked ahead, so that their memory is here when they are


@kernel(t.void(STATE_REC, PACKET_REC, t.uint32, t.int64))
def _begin(s, p, port, row):
    """Fill a new row from a flow's first packet."""
    f = s.table.flows[row]
    if is_flipped(p):
        f["orig_hi"], f["orig_lo"] = p["dst_hi"], p["dst_lo"]
        f["resp_hi"], f["resp_lo"] = p["src_hi"], p["src_lo"]
        f["key_port"] = np.uint32(np.int64(port) >> 16 | (np.int64(port) & 0xFFFF) << 16)
        f["history"][0] = 94
        f["history_len"] = 1
    else:
        f["orig_hi"], f["orig_lo"] = p["src_hi"], p["src_lo"]
        f["resp_hi"], f["resp_lo"] = p["dst_hi"], p["dst_lo"]
        f["key_port"] = port
    f["proto"] = p["proto"]
    f["first_ts"] = p["ts_ns"]
    f["last_ts"] = p["ts_ns"]
    f["report_ts"] = p["ts_ns"]
    f["vlan_id"] = p["vlan_id"]
    f["tunnel"] = p["tunnel"]
    f["is_carrier"] = p["is_carrier"]
    word = np.uint64(f["key_port"]) << np.uint64(8) | np.uint64(f["proto"])
    ts = np.uint64(p["ts_ns"])
    uid = siphash13(ts, np.uint64(2), f["orig_hi"], f["orig_lo"], f["resp_hi"], f["resp_lo"], word)
    f["uid_hi"] = uid
    f["uid_lo"] = mix(uid ^ mix(f["orig_lo"] ^ mix(word ^ mix(ts))))
    if not f["is_carrier"]:
        open_event(f, p["ts_ns"], KIND_CONNECTION)
    if (f["key_port"] & np.uint32(0xFFFF)) == 53:
        return
    name = names.recall(s.cache, s.table.key, f["orig_hi"], f["orig_lo"], f["resp_hi"], f["resp_lo"], p["ts_ns"])
    if name:
        f["name_id"] = name
        f["name_source"] = SOURCE_DNS
        f["resolved"] = 1
    elif s.cache.answers > 0 and names.is_outside(f["resp_hi"], f["resp_lo"]):
        f["notes"] |= np.uint16(NOTE_NO_LOOKUP)


@kernel(t.void(FLOW_REC, t.int64))
def _restart(f, ts):
    """Go on with a connection of which the mirror shows one side only as with one seen midstream.

    Zeek takes an unanswered SYN for over after its attempt delay, so its rows are cut here; ours carry one uid, and
    the open event goes on.
    """
    for d in range(2):
        f["state"][d] = f["prev_state"][d] = 0
        f["pkts"][d] = f["reported_pkts"][d] = 0
        f["ip_bytes"][d] = f["reported_ip_bytes"][d] = 0
        f["reported_bytes"][d] = 0
        f["seq_wraps"][d] = f["ack_wraps"][d] = 0
    f["ends"] = 0
    f["history_len"] = 0
    f["history_bits"] = 0
    f["first_ts"] = f["report_ts"] = f["last_ts"] = ts


@kernel(t.boolean(FLOW_REC, t.int64))
def _is_retry(f, ts):
    """Whether a SYN that opens another connection on a key is the stack trying again, so that both are one attempt.

    Stacks repeat an unanswered SYN at doubling gaps (RFC 6298 section 2) and a refused one at once, sometimes with a
    new sequence number; a program that calls again does so at its own, longer pace.
    """
    tried_ns = f["last_ts"] - f["event_ts"]
    return (
        f["event_open"]
        and not f["event_answered"]
        and f["event_bytes"][0] == 0
        and ts - f["last_ts"] <= max(RETRY_NS, 5 * tried_ns // 2)
    )


@kernel(t.int64(t.int64, t.int64))
def _after(ts, wait_ns):
    """ts + wait_ns, or the last moment that can be waited for: NEVER marks a free row."""
    return ts + wait_ns if ts < table.NEVER - wait_ns else np.int64(table.NEVER - 1)


@kernel(t.void(STATE_REC, t.int64, PACKET_REC, t.int64, FRAMES), forceinline=True)
def _take(s, row, p, d, frames):
    """Account one packet of side d to the flow in `row`."""
    tab, config = s.table, s.config
    f = tab.flows[row]
    ts = p["ts_ns"]
    f["pkts"][d] += np.uint32(1)
    f["ip_bytes"][d] += np.int64(p["ip_len"])
    length = np.int64(p["payload_len"])
    pos = np.int64(p["payload_off"])
    end = pos + np.int64(p["payload_cap"])
    if p["proto"] == PROTO_TCP and p["fragment"] != FRAGMENT_LATER:
        flags = np.int64(p["tcp_flags"])
        was_closed = f["is_closed"]
        acked, gaps = f["ack_seq"][1 - d], f["gaps"][1 - d]
        fresh = tcp.update(f, d, flags, np.int64(p["seq"]), np.int64(p["ack"]), np.int64(p["window"]), length, ts)
        # as Zeek estimates capture loss; where the mirror never shows the other side, every acknowledgement has a gap
        if f["ack_seq"][1 - d] != acked and f["state"][1 - d] != tcp.INACTIVE:
            s.clock.counts[C_ACKS] += 1
            s.clock.counts[C_ACK_GAPS] += f["gaps"][1 - d] != gaps
        if d == 1 and flags & TCP_SYN and flags & TCP_ACK:
            f["event_answered"] = 1
        if f["is_closed"]:
            if not was_closed:
                tab.deadline[row] = _after(ts, config.closed_ns)
        elif f["state"][0] <= tcp.SYN_ACK_SENT and f["state"][1] <= tcp.SYN_ACK_SENT:
            tab.deadline[row] = _after(f["last_ts"], config.handshake_idle_ns)
        else:
            tab.deadline[row] = _after(f["last_ts"], config.tcp_idle_ns)
    else:
        fresh = length
        f["state"][d] = 1
        f["last_ts"] = max(f["last_ts"], ts)
        idle_ns = config.tcp_idle_ns if p["proto"] == PROTO_TCP else config.udp_idle_ns
        tab.deadline[row] = _after(f["last_ts"], idle_ns)
        bit = np.uint32(8) << np.uint32(16 * d)
        if p["proto"] == PROTO_UDP and not f["history_bits"] & bit:
            f["history_bits"] |= bit
            tcp.add_letter(f, d, 68)
        if fresh == 0 and d == 1:
            f["event_answered"] = 1
    if fresh > 0:
        begin_exchange(s, f, d, ts)
    if end > pos and p["fragment"] != FRAGMENT_LATER:
        _call(s.config.payload_at, (s, f, row, p, d, frames, pos, end, fresh))
    if fresh > 0:
        add_payload(f, d, ts, fresh)


@kernel(t.void(STATE_REC, t.int64))
def _free(s, row):
    """Give back a reported flow's row and all that it holds."""
    f = s.table.flows[row]
    close_streams(s, f, row)
    free_facts(s, f)
    table.remove(s.table, row)


@kernel(t.void(STATE_REC, t.int64, t.int64))
def _finish(s, row, reason):
    report_flow(s, s.table.flows[row], reason, True)
    _free(s, row)


@kernel(t.boolean(STATE_REC))
def _has_room(s):
    out = s.out
    return (
        out.n[N_FLOWS] + ROOM <= out.room[N_FLOWS]
        and out.n[N_EVENTS] + out.n[N_DNS] + ROOM + DNS_ROOM <= out.room[N_EVENTS]
        and out.n[N_DNS] + DNS_ROOM <= out.room[N_DNS]
        and not nearly_full(s.pool)
    )


@kernel(t.void(STATE_REC, t.int64, t.int64))
def _ask_for_next(s, row, now):
    """Ask for the memory of the flow a few rows on, if it is over too."""
    tab = s.table
    ahead = row + _AHEAD_ROW
    if ahead < tab.meta[table.META_TOP] and tab.deadline[ahead] < now:
        prefetch(tab.flows, ahead)


@kernel(t.boolean(STATE_REC))
def _sweep(s):
    """Report the flows whose deadline has passed; False when a buffer filled up before the end."""
    tab, clock = s.table, s.clock
    row = clock.meta[_ROW]
    while row < tab.meta[table.META_TOP]:
        _ask_for_next(s, row, clock.meta[_NOW])
        if tab.deadline[row] < clock.meta[_NOW]:
            if not _has_room(s):
                clock.meta[_ROW] = row
                return False
            _finish(s, row, END_IDLE)
        row += 1
    clock.meta[_ROW] = -1
    return True


@kernel(t.void(STATE_REC, t.int64))
def _begin_sweep_when_due(s, ts):
    """A sweep is due by the older of the last two packets' times, so that one wrong clock reading expires nothing."""
    clock = s.clock
    now = min(ts, clock.meta[_BEFORE])
    if now >= clock.meta[_DUE] or now < clock.meta[_DUE] - 4 * SWEEP_NS:
        clock.meta[_DUE] = now + SWEEP_NS
        clock.meta[_ROW] = 0
        clock.meta[_NOW] = now


@kernel(t.boolean(STATE_ARG, t.int64))
def sweep_to(state, now):
    """Report what is over by `now`, ns, where no packet tells the time; False: drain, then call again.

    The rows are the same as later packets would have brought, as long as none of them is older than `now`.
    """
    s = state[0]
    clock = s.clock
    clock.meta[_BEFORE] = max(clock.meta[_BEFORE], now)
    if clock.meta[_ROW] < 0:
        if clock.meta[_DUE] - 4 * SWEEP_NS <= now < clock.meta[_DUE]:
            return True
        clock.meta[_DUE] = now + SWEEP_NS
        clock.meta[_ROW] = 0
        clock.meta[_NOW] = now
    return _sweep(s)


@kernel(t.int64(STATE_REC, t.int64, PACKET_REC, t.int64, t.int64))
def _why_report(s, row, p, d, ts):
    """Why the flow must be reported before packet p of side d is taken, or NOT_YET."""
    f = s.table.flows[row]
    if ts > s.table.deadline[row]:
        return END_IDLE
    if p["proto"] == PROTO_TCP and p["fragment"] != FRAGMENT_LATER:
        if tcp.is_one_sided(f) and ts - f["first_ts"] > ATTEMPT_NS:
            return ONE_SIDED
        if p["tcp_flags"] & TCP_SYN and tcp.is_reuse(f, d, np.int64(p["tcp_flags"]), p["seq"]):
            return END_END
    return END_ACTIVE if ts - f["report_ts"] >= s.config.active_ns else NOT_YET


@kernel(t.UniTuple(t.int64, 2)(PACKET_REC[::1], t.int64, FRAMES, t.uint64[::1], STATE_ARG))
def track(packets, first, frames, codes, state):
    """Take packets[first:]; return (index of the next packet, DONE, DRAIN or EVICT).

    packets : PACKET[n]; frames : uint8[], the batch they came from; codes : uint64[n], see keys.hash_packets
    state : STATE[1], changed in place
    """
    s = state[0]
    tab, clock = s.table, s.clock
    n = packets.shape[0]
    for i in range(first, n):
        if i + _AHEAD_SLOT < n:
            prefetch(tab.slots, table.home_slot(tab, codes[i + _AHEAD_SLOT]))
            near = np.int64(tab.slots[table.home_slot(tab, codes[i + _AHEAD_ROW])] & np.uint64(0xFFFFFFFF))
            if packets[i + _AHEAD_ROW]["payload_len"] > 0:
                prefetch(tab.flows, max(near - 1, 0))
            else:
                prefetch_head(tab.flows, max(near - 1, 0))
            prefetch(tab.deadline, max(near - 1, 0))
        p = packets[i]
        if p["status"] != STATUS_OK:
            clock.counts[C_NOT_FLOW] += 1
            continue
        if not _has_room(s):
            return i, DRAIN
        ts = p["ts_ns"]
        _begin_sweep_when_due(s, ts)
        if clock.meta[_ROW] >= 0 and not _sweep(s):
            return i, DRAIN
        if ts < clock.meta[_BEFORE]:
            clock.counts[C_BACKWARDS] += 1
        clock.meta[_BEFORE] = ts
        port, one_way = key_port(p)
        code = codes[i]
        is_retry = False
        attempt_ts = ts
        row = table.find(tab, code, p["src_hi"], p["src_lo"], p["dst_hi"], p["dst_lo"], port, p["proto"], one_way)
        if row >= 0:
            f = tab.flows[row]
            d = side(f, p, port)
            why = _why_report(s, row, p, d, ts)
            if why != END_IDLE and is_duplicate(f, d, p, frames):
                clock.counts[C_DUPLICATES] += 1
                continue
            if why != NOT_YET:
                attempt_ts = f["event_ts"]
                is_retry = why == END_END and _is_retry(f, ts)
                ends = why == END_IDLE or why == END_END
                report_flow(s, f, END_IDLE if why == ONE_SIDED else why, ends and not is_retry)
                if ends:
                    _free(s, row)
                    row = -1
                elif why == ONE_SIDED:
                    _restart(f, ts)
        if row < 0:
            row = table.insert(tab, code)
            if row < 0:
                return i, EVICT
            _begin(s, p, port, row)
            f = tab.flows[row]
            if is_retry:
                f["event_ts"] = attempt_ts
            d = side(f, p, port)
            is_duplicate(f, d, p, frames)
            clock.counts[C_FLOWS] += 1
        clock.counts[C_PACKETS] += 1
        _take(s, row, p, d, frames)
        if says_unreachable(p):
            mark_refused(s, p, frames)
    return n, DONE


@kernel(t.int64(STATE_ARG, t.int64, t.int64))
def evict(state, threshold, n_max):
    """Report and free up to n_max flows with last_ts at or before `threshold`, ns; return how many."""
    n = 0
    s = state[0]
    tab = s.table
    for row in range(tab.meta[table.META_TOP]):
        if n == n_max:
            break
        if tab.deadline[row] != table.NEVER and tab.flows[row]["last_ts"] <= threshold:
            if not _has_room(s):
                break
            _finish(s, row, END_EVICTED)
            n += 1
    s.clock.counts[C_EVICTED] += n
    return n


@kernel(t.boolean(STATE_ARG, t.int64))
def finish_all(state, reason):
    """Report and free every live flow; False when a buffer filled up and the call must be repeated after a drain."""
    s = state[0]
    tab = s.table
    for row in range(tab.meta[table.META_TOP]):
        _ask_for_next(s, row, np.int64(table.NEVER))
        if tab.deadline[row] != table.NEVER:
            if not _has_room(s):
                return False
            _finish(s, row, reason)
    s.clock.meta[_ROW] = -1
    return True
