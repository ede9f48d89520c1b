"""What a side's bytes are read as: the first messages of a connection, requests and answers, DNS over TCP.

Bytes come in order, in a packet or in a stream buffer (sensor/flows/payload.py). Each reader says how many of them need
not be kept: fewer than all when a message goes on.
"""

import numpy as np
from numba import types as t

from sensor.constants import APP_DTLS, APP_HTTP, APP_RDP, APP_SOCKS, APP_SSH, APP_TLS, PROTO_TCP
from sensor.flows import hellos
from sensor.flows.banners import take_banner, take_hassh, take_rdp_cookie, take_ssh_server
from sensor.flows.lookups import speaks_dns, take_dns
from sensor.flows.requests import take_request, take_response, take_socks, take_socks_answer
from sensor.flows.rows import (
    ASKS_HTTP,
    ASKS_NOTHING,
    ASKS_SOCKS,
    FLOW_REC,
    LOOKS,
    READS_HTTP,
    READS_HTTP_CUT,
    READS_NOTHING,
    READS_START,
)
from sensor.flows.state import STATE_REC, STREAM_BYTES
from sensor.jit import packet_kernel as kernel
from sensor.protocols import http, ssh
from sensor.protocols.apps import identify
from sensor.protocols.dns import has_header
from sensor.protocols.reads import FRAMES, be16
from sensor.protocols.tls import RECORD_TYPE_HANDSHAKE

MOST_MESSAGES = 8  # read in one payload; what comes behind them waits for the next
_DNS_LEAST = 2 + 12  # a length and a header
_LETTER_S = 0x53  # "SSH-2.0-..."
_SWITCHES = 101  # the one status under 200 behind which no answer follows
_TELLING = 16  # bytes that tell a protocol; fewer wait for more


@kernel(t.int64(FLOW_REC))
def _resp_port(f):
    return np.int64(f["key_port"] & np.uint32(0xFFFF))


@kernel(t.int64(STATE_REC, FLOW_REC, FRAMES, t.int64, t.int64))
def _read_start(s, f, data, at, end):
    """Find out what the originator speaks; bytes read, -1 when more are needed, 0 when they are to be read again."""
    if f["looked"][0] >= LOOKS:
        f["reads"] = READS_NOTHING
        return end - at
    f["looked"][0] += 1
    if data[at] == RECORD_TYPE_HANDSHAKE:
        status = hellos.take_client_hello(s, f, data, at, end)
        if status == hellos.HELLO_MORE:
            f["looked"][0] -= 1
            return np.int64(-1)
        if status == hellos.HELLO:
            f["reads"] = READS_NOTHING
            return end - at
    if f["app"] == APP_SSH and not f["agent_id"] and data[at] == _LETTER_S:
        return take_banner(s, f, data, at, end)
    if f["app"] == APP_SSH:
        status = ssh.find_kexinit(data, at, end, s.scratch.spans)
        if status == ssh.KEXINIT_CUT:
            return np.int64(-1)
        if status == ssh.KEXINIT:
            take_hassh(s, f, data, False)
        return end - at
    code = np.int64(identify(data, at, end, True, f["proto"], _resp_port(f)))
    is_word = code == 0 and 0x41 <= data[at] <= 0x5A and f["proto"] == PROTO_TCP  # a capital letter
    if is_word and http.parse_request(data, at, end, s.scratch.spans) == http.REQUEST:
        code = np.int64(APP_HTTP)  # an odd target, but all of a request's form
    if code and (f["app"] == 0 or f["proxy_id"]):
        f["app"] = code
    if code == APP_HTTP and f["app"] == APP_HTTP:
        f["reads"] = READS_HTTP
        return np.int64(0)
    if f["app"] == APP_SOCKS:
        n = take_socks(s, f, data, at, end)
        return n if n else end - at
    if code == APP_SSH:
        return take_banner(s, f, data, at, end)
    if code == APP_DTLS:
        hellos.take_dtls_hello(s, f, 0, data, at, end)
    if code == APP_RDP:
        take_rdp_cookie(s, f, data, at, end)
    if code == 0 and f["app"] == 0 and end - at < _TELLING and f["proto"] == PROTO_TCP:
        return np.int64(-1)
    return end - at


@kernel(t.int64(STATE_REC, FLOW_REC, FRAMES, t.int64, t.int64, t.int64))
def _read_http(s, f, data, at, end, ts):
    """Read a request, or a piece of its body; bytes read, -1 when the head goes on."""
    if f["body_left"] > 0:
        n = min(f["body_left"], end - at)
        f["body_left"] -= n
        return n
    status = http.parse_request(data, at, end, s.scratch.spans)
    if status != http.REQUEST and status != http.REQUEST_CUT:
        return end - at
    take_request(s, f, data, ts, f["reads"] == READS_HTTP_CUT)
    f["is_asked"] = ASKS_HTTP
    if status == http.REQUEST_CUT:
        f["reads"] = READS_HTTP_CUT
        return np.int64(-1)
    f["reads"] = READS_HTTP
    spans = s.scratch.spans
    if spans[http.IS_CONNECT] and spans[http.HEAD_BYTES] > 0:
        f["reads"] = READS_START  # what is spoken in the tunnel is still to be found out
        f["looked"][0] = f["looked"][1] = 0
        return np.int64(spans[http.HEAD_BYTES])
    behind = http.next_request(data, at, end, spans)
    if behind > end:
        f["body_left"] = behind - end
    return behind - at if at < behind < end else end - at


@kernel(t.int64(STATE_REC, FLOW_REC, t.int64, FRAMES, t.int64, t.int64, t.int64))
def _read_dns(s, f, d, data, at, end, ts):
    """Read a DNS message behind its length (RFC 1035 section 4.2.2); bytes read, -1 for more, 0 for none."""
    stop = at + 2 + (be16(data, at) if end - at >= 2 else np.int64(0))
    if stop - at > STREAM_BYTES or (end - at >= 2 and stop - at < _DNS_LEAST):
        return np.int64(0)
    if end - at >= _DNS_LEAST and not has_header(data, at + 2, stop):
        return np.int64(0)
    if stop > end or end - at < 2:
        return np.int64(-1)
    return stop - at if take_dns(s, f, d, ts, stop - at, data, at + 2, stop, False) else np.int64(0)


@kernel(t.int64(STATE_REC, FLOW_REC, FRAMES, t.int64, t.int64, t.int64))
def _read_orig(s, f, data, pos, end, ts):
    """Read what the originator sent; how many bytes need not be kept."""
    at = pos
    for _ in range(MOST_MESSAGES):
        if at >= end:
            break
        if f["proto"] == PROTO_TCP and speaks_dns(f):
            n = _read_dns(s, f, 0, data, at, end, ts)
            if n < 0:
                return at - pos
            at += n
            if n > 0:
                continue
        if f["reads"] == READS_START:
            n = _read_start(s, f, data, at, end)
        elif f["reads"] == READS_HTTP or f["reads"] == READS_HTTP_CUT:
            n = _read_http(s, f, data, at, end, ts)
        else:
            return end - pos
        if n < 0:
            return at - pos
        at += n
    return end - pos


@kernel(t.int64(STATE_REC, FLOW_REC, FRAMES, t.int64, t.int64, t.int64))
def _read_resp(s, f, data, pos, end, ts):
    """Read what the responder sent; how many bytes need not be kept."""
    if f["proto"] == PROTO_TCP and speaks_dns(f):
        at = pos
        for _ in range(MOST_MESSAGES):
            n = _read_dns(s, f, 1, data, at, end, ts) if at < end else np.int64(0)
            if n < 0:
                return at - pos
            if n == 0:
                break
            at += n
    if f["is_asked"] == ASKS_SOCKS:
        take_socks_answer(f, data, pos, end)
        return end - pos
    if f["is_asked"] == ASKS_HTTP and (f["app"] == APP_HTTP or f["proxy_id"]):
        f["is_asked"] = ASKS_NOTHING
        if take_response(s, f, data, pos, end):
            if f["event_status"] < 200 and f["event_status"] != _SWITCHES:  # the answer proper follows
                f["is_asked"] = ASKS_HTTP
            return end - pos
    if f["looked"][1] >= LOOKS:
        return end - pos
    f["looked"][1] += 1
    if f["app"] == APP_TLS:
        status = hellos.take_server_flight(s, f, data, pos, end)
        if status == hellos.HELLO_MORE:
            f["looked"][1] -= 1
            return np.int64(0)
        if status == hellos.HELLO:
            f["looked"][1] = LOOKS
        return end - pos
    if f["app"] == 0:
        f["app"] = identify(data, pos, end, False, f["proto"], _resp_port(f))
    if f["app"] == APP_SSH and take_ssh_server(s, f, data, pos, end):
        f["looked"][1] -= 1
        return np.int64(0)
    if f["proto"] != PROTO_TCP:  # whatever it began as: behind STUN there is DTLS too
        hellos.take_dtls_hello(s, f, 1, data, pos, end)
    return end - pos


@kernel(t.int64(STATE_REC, FLOW_REC, t.int64, FRAMES, t.int64, t.int64, t.int64))
def read(s, f, d, data, pos, end, ts):
    """Read what side d sent, data[pos:end], which begins where reading ended; how many bytes need not be kept."""
    if d == 0:
        return _read_orig(s, f, data, pos, end, ts)
    return _read_resp(s, f, data, pos, end, ts)
