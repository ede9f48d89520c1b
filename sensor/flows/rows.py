"""Row layouts of the flow table and of what leaves it, one sentence and a unit for each field.

`*_id` fields are entries of the text pool (sensor/flows/pool.py), 0 is the empty text.
A flow is seven cache lines of 64 bytes; what every packet touches fills the first three.
"""

from typing import Any

import numba
import numpy as np

FLOW = np.dtype(
    [
        # --- what every packet touches: lines 0 to 2 ---
        ("orig_hi", np.uint64),  # originator address, upper half (see sensor/dtypes.py)
        ("orig_lo", np.uint64),  # originator address, lower half
        ("resp_hi", np.uint64),  # responder address, upper half
        ("resp_lo", np.uint64),  # responder address, lower half
        ("last_ts", np.int64),  # newest packet that counts for the duration, ns
        ("report_ts", np.int64),  # start of the part of the flow not yet reported, ns
        ("key_port", np.uint32),  # originator port << 16 | responder port (ICMP: type and Zeek's counterpart)
        ("history_bits", np.uint32),  # letters already in the history; low half originator
        ("proto", np.uint8),  # IP protocol number
        ("is_closed", np.uint8),  # 1: TCP is over, only late packets may follow
        ("state", np.uint8, (2,)),  # TCP endpoint state, see sensor/flows/tcp.py; UDP, ICMP: 1 when it sent
        ("ends", np.uint8),  # bits: 1 << side, a FIN was seen; 4 << side, its close was taken note of
        ("is_carrier", np.uint8),  # a UDP tunnel's outer flow: its inner packets have flows of their own
        ("event_answered", np.uint8),
        ("had_payload", np.uint8),  # 1: last_payload_ts holds
        ("ip_bytes", np.int64, (2,)),  # sum of IP total lengths, bytes
        ("pkts", np.uint32, (2,)),
        ("start_seq", np.uint32, (2,)),  # sequence number of the SYN, or one before the first byte seen
        ("last_seq", np.uint32, (2,)),  # one past the highest sequence number sent
        ("ack_seq", np.uint32, (2,)),  # highest acknowledgement of this side's bytes
        ("seq_wraps", np.uint16, (2,)),  # times last_seq wrapped
        ("ack_wraps", np.uint16, (2,)),  # times ack_seq wrapped
        ("first_ts", np.int64),  # first packet, ns
        ("dup_ts", np.int64, (2,)),  # when the newest signature was taken, ns
        ("dup_sign", np.uint32, (8,)),  # signatures of the last four packets of each side
        ("gaps", np.uint16, (2,)),
        ("dup_next", np.uint8, (2,)),  # next place in the ring of signatures
        ("stream", np.uint16, (2,)),  # slot + 1 of a buffer of sensor/flows/streams.py, 0 none
        ("looked", np.uint8, (2,)),  # payloads of each side already searched for names
        ("reads", np.uint8),  # READS_*: what the originator's next payload is read as
        ("is_asked", np.uint8),  # ASKS_*: what waits for its answer
        ("woken", np.uint8),  # WOKEN_*: how the responder ended the last silence
        ("event_open", np.uint8),  # 1: the event_* fields describe an event not yet written
        # --- payloads: line 3 ---
        ("last_payload_ts", np.int64),  # newest payload either way, ns
        ("payload_bytes", np.int64, (2,)),  # payload that was new (TCP: by sequence number), bytes
        ("event_ts", np.int64),  # start of the open event, ns
        ("event_last_ts", np.int64),  # its newest packet, ns
        ("event_bytes", np.int64, (2,)),  # new payload in it so far, bytes
        ("prev_state", np.uint8, (2,)),
        ("app", np.uint8),  # code of sensor/protocols/apps.py
        ("event_kind", np.uint8),  # KIND_*
        ("event_source", np.uint8),  # SOURCE_* of event_dest_id
        ("name_source", np.uint8),  # SOURCE_* of name_id
        ("is_refused", np.uint8),  # 1: the SOCKS server refused what it was asked for
        ("is_self_paced", np.uint8),  # 1: the originator ended the last silence
        # --- names and small counters: line 4 ---
        ("event_dest_id", np.uint32),  # destination asked for in the event (proxy request, Host), else 0
        ("event_uri_id", np.uint32),
        ("event_agent_id", np.uint32),
        ("event_method_id", np.uint32),
        ("event_content_id", np.uint32),  # media type of the answer
        ("facts", np.uint32),  # row of sensor/flows/facts.py, 0 none
        ("name_id", np.uint32),  # best name of the responder
        ("agent_id", np.uint32),  # first User-Agent
        ("proxy_id", np.uint32),  # "address:port" of the proxy this flow speaks to
        ("body_seq", np.uint32),  # TCP sequence number at which `body_left` held
        ("hash", np.uint32),  # upper half of the keyed hash of the unordered key, to find the slot again
        ("body_left", np.int64),  # bytes of a request's body that are still to come
        ("event_status", np.uint16),  # HTTP status of the answer, 0 none yet
        ("notes", np.uint16),  # NOTE_* bits
        ("rexmits", np.uint16, (2,)),
        ("zero_windows", np.uint16, (2,)),
        # --- rare ---
        ("uid_hi", np.uint64),  # unkeyed digest of key and first packet: the same on every replay
        ("history", np.uint8, (24,)),  # Zeek's letters, ASCII
        ("history_seq", np.uint32, (6,)),  # last S, F, R sequence numbers of each side: repeats are not written
        ("vlan_id", np.uint16),
        ("duplicates", np.uint16),
        ("history_len", np.uint8),
        ("resolved", np.uint8),  # 1: the address was an answer to the client, or to anyone, before
        ("tunnel", np.uint8),  # constants.TUNNEL_* of the first packet
        ("is_query", np.uint8),  # DNS: its events are its queries
        ("uid_lo", np.uint64),
        ("push_ts", np.int64),  # when the responder spoke unasked, ns
        ("push_bytes", np.int64),  # new payload since, which belongs to no event yet, bytes
        ("reported_ip_bytes", np.int64, (2,)),
        ("reported_bytes", np.int64, (2,)),
        ("reported_pkts", np.uint32, (2,)),
    ]
)
"""One live flow."""
FLOW_REC = numba.from_dtype(FLOW)
assert FLOW.itemsize == 7 * 64

FACT = np.dtype(
    [
        ("sni_id", np.uint32),  # server name in the TLS or QUIC hello itself
        ("alpn_id", np.uint32),  # first protocol the client offers
        ("ja3_id", np.uint32),
        ("ja4_id", np.uint32),
        ("ja3s_id", np.uint32),
        ("hassh_id", np.uint32),
        ("hassh_server_id", np.uint32),
        ("subject_id", np.uint32),  # common name of the server's certificate
        ("issuer_id", np.uint32),
        ("cert_id", np.uint32),  # its SHA-256, hexadecimal
        ("forwarded_id", np.uint32),  # for whom a proxy forwards
        ("via_id", np.uint32),
        ("tls_version", np.uint16),  # as on the wire; the server's choice once that was seen
        ("pad", np.uint8, (2,)),
    ]
)
"""What is known of a flow that most flows have not."""

FLOW_OUT = np.dtype(
    [
        ("uid_hi", np.uint64),
        ("uid_lo", np.uint64),
        ("orig_hi", np.uint64),
        ("orig_lo", np.uint64),
        ("resp_hi", np.uint64),
        ("resp_lo", np.uint64),
        ("first_ts", np.int64),
        ("last_ts", np.int64),
        ("orig_pkts", np.int64),
        ("resp_pkts", np.int64),
        ("orig_bytes", np.int64),
        ("resp_bytes", np.int64),
        ("orig_ip_bytes", np.int64),
        ("resp_ip_bytes", np.int64),
        ("orig_ip_id", np.uint32),
        ("resp_ip_id", np.uint32),
        ("name_id", np.uint32),
        ("agent_id", np.uint32),
        ("proxy_id", np.uint32),
        ("history_id", np.uint32),
        ("facts", np.uint32),  # row of the buffer's facts, 0 none
        ("notes", np.uint16),
        ("orig_port", np.uint16),
        ("resp_port", np.uint16),
        ("vlan_id", np.uint16),
        ("proto", np.uint8),
        ("app", np.uint8),
        ("name_source", np.uint8),
        ("conn_state", np.uint8),
        ("end_reason", np.uint8),
        ("tunnel", np.uint8),
        ("resolved", np.uint8),
        ("bucket", np.uint8),
        ("pad", np.uint8, (4,)),
    ]
)
"""A finished (or interim) flow record on its way to the lake."""

EVENT_OUT = np.dtype(
    [
        ("ts", np.int64),
        ("uid_hi", np.uint64),
        ("uid_lo", np.uint64),
        ("duration_ns", np.int64),
        ("orig_bytes", np.int64),
        ("resp_bytes", np.int64),
        ("orig_ip_id", np.uint32),
        ("resp_ip_id", np.uint32),
        ("dest_id", np.uint32),
        ("proxy_id", np.uint32),
        ("method_id", np.uint32),
        ("uri_id", np.uint32),
        ("agent_id", np.uint32),
        ("ja4_id", np.uint32),
        ("content_id", np.uint32),
        ("resp_port", np.uint16),
        ("status", np.uint16),
        ("proto", np.uint8),
        ("name_source", np.uint8),
        ("kind", np.uint8),
        ("answered", np.uint8),
        ("bucket", np.uint8),
        ("pad", np.uint8, (3,)),
    ]
)
"""A finished event on its way to the lake."""

DNS_OUT = np.dtype(
    [
        ("ts", np.int64),  # when the question was asked, ns; of the answer when the question was not seen
        ("uid_hi", np.uint64),
        ("uid_lo", np.uint64),
        ("duration_ns", np.int64),  # from question to answer
        ("key", np.uint64),  # hash of flow and transaction id, to join the answer
        ("orig_bytes", np.uint32),
        ("resp_bytes", np.uint32),
        ("orig_ip_id", np.uint32),
        ("resp_ip_id", np.uint32),
        ("qname_id", np.uint32),
        ("answers_id", np.uint32),
        ("ttl", np.int32),  # smallest of the answers, seconds; -1 none
        ("resp_port", np.uint16),
        ("qtype", np.uint16),
        ("rcode", np.int16),  # -1 no answer seen
        ("proto", np.uint8),
        ("bucket", np.uint8),
        ("has_query", np.uint8),
        ("is_open", np.uint8),  # 1: an answer may still come
        ("app", np.uint8),  # dns, mdns, llmnr, nbns
        ("pad", np.uint8, (1,)),
    ]
)
"""A DNS question with its answer, on its way to the lake."""

NOTE_ECH, NOTE_SNI_DIFFERS, NOTE_LOST, NOTE_NO_LOOKUP, NOTE_TOR_LIKE, NOTE_REFUSED, NOTE_UNREACHABLE = (
    1 << bit for bit in range(7)
)
NOTE_NAMES = ("ech", "sni-differs", "names-lost", "no-lookup", "tor-like-name", "proxy-refused", "unreachable")
"""Encrypted Client Hello, so that the name is the public one; the name inside a proxy's tunnel is not the one asked
for; a message that may have held names was given up, for want of room or of its missing bytes; an address outside that
no DNS answer gave before, although there were answers; a server name as Tor makes them up, for an address that no DNS
answer gave; a SOCKS request that the proxy refused; an ICMP message that quotes a packet of the flow."""

READS_START, READS_HTTP, READS_HTTP_CUT, READS_NOTHING = range(4)
"""What the originator's next bytes are read as: anything, a request, the rest of a request's head; or not at all."""

LOOKS = 4
"""Payloads of a side that are searched before a flow stays nameless."""

ASKS_NOTHING, ASKS_HTTP, ASKS_SOCKS = range(3)
"""What the responder's next bytes may answer: an HTTP request, or one to a SOCKS proxy."""

KIND_CONNECTION, KIND_EXCHANGE, KIND_REQUEST, KIND_QUERY, KIND_ATTEMPT, KIND_REPLY = range(6)
KIND_NAMES = ("connection", "exchange", "request", "query", "attempt", "reply")

WOKEN_NOT, WOKEN_ANSWER, WOKEN_PUSH = range(3)
"""Who ended the last silence: not the responder; it did with the answer that was due; it did with something else."""

SOURCE_NONE, SOURCE_DNS, SOURCE_HTTP, SOURCE_QUIC, SOURCE_SNI, SOURCE_PROXY = range(6)  # in rising order of trust
SOURCE_NAMES = ("none", "dns", "http", "quic", "sni", "proxy")

END_IDLE, END_ACTIVE, END_END, END_FORCED, END_EVICTED = range(5)
END_NAMES = ("idle", "active", "end", "forced", "evicted")

CONN_STATES = ("OTH", "S0", "S1", "SF", "REJ", "S2", "S3", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR")
STATE_OTH, STATE_S0, STATE_S1, STATE_SF, STATE_REJ, STATE_S2, STATE_S3 = range(7)
STATE_RSTO, STATE_RSTR, STATE_RSTOS0, STATE_RSTRH, STATE_SH, STATE_SHR = range(7, 13)


def new_record(layout: np.dtype[Any]) -> Any:
    """A zeroed record of this layout, its fields read as attributes. Memory that is never written costs nothing.

    The tracker's state is kept in such records since a kernel takes one as a single pointer. A tuple of arrays is
    handed on by value, some 200 words at each call: that took two fifths of the time a packet needs.
    """
    return np.zeros(1, layout).view(np.recarray)[0]
