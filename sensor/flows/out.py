"""What leaves the flow table: finished flows, events and DNS rows, written into fixed buffers.

The driver drains a buffer before it can overflow; the kernels of this file only append.
"""

import numpy as np
from numba import types as t

from sensor.constants import PROTO_ICMP, PROTO_ICMP6, PROTO_TCP
from sensor.flows import tcp
from sensor.flows.facts import report_facts
from sensor.flows.pool import intern
from sensor.flows.rows import (
    END_ACTIVE,
    FLOW_REC,
    KIND_ATTEMPT,
    KIND_CONNECTION,
    KIND_QUERY,
    SOURCE_DNS,
    SOURCE_NONE,
    STATE_OTH,
    STATE_REJ,
    STATE_RSTOS0,
    STATE_S0,
    STATE_SF,
    STATE_SH,
    STATE_SHR,
    WOKEN_NOT,
)
from sensor.flows.state import N_DNS, N_EVENTS, N_FLOWS, STATE_ARG, STATE_REC
from sensor.jit import packet_kernel as kernel
from sensor.protocols.text import format_ip, put_decimal, put_ip

BUCKETS = 16  # partitions of the lake by client


@kernel(t.uint64(t.uint64))
def mix(word):
    """A word whose every bit depends on every bit of `word`, uint64 (the finaliser of Steele's SplitMix64)."""
    word ^= word >> np.uint64(30)
    word *= np.uint64(0xBF58476D1CE4E5B9)
    word ^= word >> np.uint64(27)
    word *= np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@kernel(t.uint8(t.uint64, t.uint64))
def bucket_of(hi, lo):
    """Partition of a client address, 0 to BUCKETS - 1; the same on every machine and run."""
    return np.uint8(mix(lo ^ mix(hi)) & np.uint64(BUCKETS - 1))


@kernel(t.uint32(STATE_REC, t.uint64, t.uint64))
def address_id(s, hi, lo):
    """Number of an address's canonical text in the pool."""
    out, pool = s.out, s.pool
    known = out.addresses[np.int64(mix(lo ^ hi) & np.uint64(out.addresses.shape[0] - 1))]
    if not (known["lo"] == lo and known["hi"] == hi and known["name_id"]):
        known["hi"] = hi
        known["lo"] = lo
        known["name_id"] = intern(pool, out.text, 0, format_ip(hi, lo, out.text))
    return known["name_id"]


@kernel(t.uint32(STATE_REC, t.uint64, t.uint64, t.int64))
def endpoint_id(s, hi, lo, port):
    """Number of "address:port" (IPv6 in brackets) in the pool."""
    text = s.out.text
    is_ipv4 = hi == 0 and (lo >> np.uint64(32)) == np.uint64(0xFFFF)
    text[0] = 91  # "["
    n = put_ip(text, 0 if is_ipv4 else 1, hi, lo)
    if not is_ipv4:
        text[n] = 93  # "]"
        n += 1
    text[n] = 58  # ":"
    n = put_decimal(text, n + 1, np.int64(port))
    return intern(s.pool, text, 0, n)


@kernel(t.int64(FLOW_REC))
def _state_of(f):
    if f["proto"] == PROTO_TCP:
        return tcp.conn_state(f)
    if f["proto"] == PROTO_ICMP or f["proto"] == PROTO_ICMP6:
        return STATE_OTH
    if f["state"][0]:
        return STATE_SF if f["state"][1] else STATE_S0
    return STATE_SHR if f["state"][1] else STATE_OTH


@kernel(t.void(FLOW_REC))
def settle_push(f):
    """What the responder sent unasked got no reply in time: it belongs to the event that is open."""
    if f["push_bytes"] > 0:
        f["event_bytes"][1] += f["push_bytes"]
        f["event_last_ts"] = max(f["event_last_ts"], f["last_payload_ts"])
        f["event_answered"] = 1
        f["push_bytes"] = 0
    f["woken"] = WOKEN_NOT


@kernel(t.void(STATE_REC, FLOW_REC))
def close_event(s, f):
    """Write the flow's open event, if there is one."""
    if f["woken"]:
        settle_push(f)
    if not f["event_open"]:
        return
    kind = np.int64(f["event_kind"])
    if kind == KIND_CONNECTION and f["proto"] == PROTO_TCP and not f["event_answered"]:
        state = _state_of(f)
        is_unmet = state == STATE_S0 or state == STATE_REJ or state == STATE_RSTOS0 or state == STATE_SH
        if is_unmet or f["is_refused"]:
            kind = np.int64(KIND_ATTEMPT)
    out = s.out
    e = out.events[out.n[N_EVENTS]]
    out.n[N_EVENTS] += 1
    e["ts"] = f["event_ts"]
    e["uid_hi"] = f["uid_hi"]
    e["uid_lo"] = f["uid_lo"]
    e["duration_ns"] = max(np.int64(0), f["event_last_ts"] - f["event_ts"])
    e["orig_bytes"] = f["event_bytes"][0]
    e["resp_bytes"] = f["event_bytes"][1]
    e["orig_ip_id"] = address_id(s, f["orig_hi"], f["orig_lo"])
    e["resp_ip_id"] = address_id(s, f["resp_hi"], f["resp_lo"])
    if f["event_dest_id"]:
        e["dest_id"] = f["event_dest_id"]
        e["name_source"] = f["event_source"]
    elif f["name_id"]:
        e["dest_id"] = f["name_id"]
        e["name_source"] = f["name_source"]
    else:
        e["dest_id"] = e["resp_ip_id"]
        e["name_source"] = SOURCE_NONE
    e["proxy_id"] = f["proxy_id"]
    e["method_id"] = f["event_method_id"]
    e["uri_id"] = f["event_uri_id"]
    e["agent_id"] = f["event_agent_id"]
    e["ja4_id"] = s.facts.rows[f["facts"]]["ja4_id"] if f["facts"] else np.uint32(0)
    e["content_id"] = f["event_content_id"]
    e["status"] = f["event_status"]
    e["resp_port"] = np.uint16(f["key_port"] & np.uint32(0xFFFF))
    e["proto"] = f["proto"]
    e["kind"] = np.uint8(kind)
    e["answered"] = f["event_answered"]
    e["bucket"] = bucket_of(f["orig_hi"], f["orig_lo"])
    f["event_open"] = 0


@kernel(t.void(FLOW_REC, t.int64, t.int64))
def open_event(f, ts, kind):
    """Start a new event of the flow at `ts`, ns. The one before must be closed."""
    f["event_open"] = 1
    f["event_ts"] = ts
    f["event_last_ts"] = ts
    f["event_bytes"][0] = 0
    f["event_bytes"][1] = 0
    f["event_dest_id"] = 0
    f["event_uri_id"] = 0
    f["event_agent_id"] = 0
    f["event_method_id"] = 0
    f["event_content_id"] = 0
    f["event_status"] = 0
    f["event_kind"] = np.uint8(kind)
    f["event_answered"] = 0
    f["event_source"] = 0


@kernel(t.void(STATE_REC, FLOW_REC, t.int64, t.boolean))
def report_flow(s, f, reason, with_event):
    """Write the part of a flow that was not reported yet, and before it the open event when that ends too."""
    if with_event:
        close_event(s, f)
    is_tcp = f["proto"] == PROTO_TCP
    orig_bytes = tcp.size(f, 0) if is_tcp else f["payload_bytes"][0]
    resp_bytes = tcp.size(f, 1) if is_tcp else f["payload_bytes"][1]
    out = s.out
    r = out.flows[out.n[N_FLOWS]]
    out.n[N_FLOWS] += 1
    r["uid_hi"] = f["uid_hi"]
    r["uid_lo"] = f["uid_lo"]
    r["orig_hi"] = f["orig_hi"]
    r["orig_lo"] = f["orig_lo"]
    r["resp_hi"] = f["resp_hi"]
    r["resp_lo"] = f["resp_lo"]
    r["first_ts"] = f["report_ts"]
    r["last_ts"] = max(f["last_ts"], f["report_ts"])
    r["orig_pkts"] = np.int64(f["pkts"][0]) - np.int64(f["reported_pkts"][0])
    r["resp_pkts"] = np.int64(f["pkts"][1]) - np.int64(f["reported_pkts"][1])
    r["orig_bytes"] = max(np.int64(0), orig_bytes - f["reported_bytes"][0])
    r["resp_bytes"] = max(np.int64(0), resp_bytes - f["reported_bytes"][1])
    r["orig_ip_bytes"] = f["ip_bytes"][0] - f["reported_ip_bytes"][0]
    r["resp_ip_bytes"] = f["ip_bytes"][1] - f["reported_ip_bytes"][1]
    r["orig_ip_id"] = address_id(s, f["orig_hi"], f["orig_lo"])
    r["resp_ip_id"] = address_id(s, f["resp_hi"], f["resp_lo"])
    r["name_id"] = f["name_id"]
    r["agent_id"] = f["agent_id"]
    r["proxy_id"] = f["proxy_id"]
    r["history_id"] = intern(s.pool, f["history"], 0, np.int64(f["history_len"]))
    r["facts"] = report_facts(s, f)
    r["notes"] = f["notes"]
    r["resolved"] = f["resolved"]
    r["orig_port"] = np.uint16(f["key_port"] >> np.uint32(16))
    r["resp_port"] = np.uint16(f["key_port"] & np.uint32(0xFFFF))
    r["vlan_id"] = f["vlan_id"]
    r["proto"] = f["proto"]
    r["app"] = f["app"]
    r["name_source"] = f["name_source"]
    r["conn_state"] = np.uint8(_state_of(f))
    r["end_reason"] = np.uint8(reason)
    r["tunnel"] = f["tunnel"]
    r["bucket"] = bucket_of(f["orig_hi"], f["orig_lo"])
    if reason == END_ACTIVE:
        f["reported_pkts"][0] = f["pkts"][0]
        f["reported_pkts"][1] = f["pkts"][1]
        f["reported_bytes"][0] = orig_bytes
        f["reported_bytes"][1] = resp_bytes
        f["reported_ip_bytes"][0] = f["ip_bytes"][0]
        f["reported_ip_bytes"][1] = f["ip_bytes"][1]
        f["report_ts"] = f["last_ts"]


@kernel(t.void(STATE_ARG))
def add_queries(state):
    """Write an event for each DNS question in the buffer: the name asked for is the destination.

    There is room: `track` keeps one event free for every DNS row.
    """
    out = state[0].out
    for i in range(out.n[N_DNS]):
        q = out.dns[i]
        if not q["has_query"]:
            continue
        e = out.events[out.n[N_EVENTS]]
        out.n[N_EVENTS] += 1
        e["ts"] = q["ts"]
        e["uid_hi"] = q["uid_hi"]
        e["uid_lo"] = q["uid_lo"]
        e["duration_ns"] = q["duration_ns"]
        e["orig_bytes"] = q["orig_bytes"]
        e["resp_bytes"] = q["resp_bytes"]
        e["orig_ip_id"] = q["orig_ip_id"]
        e["resp_ip_id"] = q["resp_ip_id"]
        e["dest_id"] = q["qname_id"]
        e["proxy_id"] = 0
        e["method_id"] = 0
        e["uri_id"] = 0
        e["agent_id"] = 0
        e["ja4_id"] = 0
        e["content_id"] = 0
        e["status"] = 0
        e["resp_port"] = q["resp_port"]
        e["proto"] = q["proto"]
        e["name_source"] = SOURCE_DNS
        e["kind"] = KIND_QUERY
        e["answered"] = q["rcode"] >= 0
        e["bucket"] = q["bucket"]
