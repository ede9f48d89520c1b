"""Which name a flow's destination goes by: from its own payload, else from what the client last resolved.

Trust rises in the order of SOURCE_*: an address a client resolved, an HTTP Host, a TLS server name, a host asked of a
proxy. A later, better name replaces a weaker one; the first of its kind stays.
"""

import numba
import numpy as np
from numba import types as t

from sensor.constants import APP_HTTP, APP_TLS
from sensor.flows.out import OUT_REC, close_event, endpoint_id, open_event
from sensor.flows.pool import POOL_REC, intern
from sensor.flows.rows import FLOW_REC, KIND_REQUEST, SOURCE_HTTP, SOURCE_PROXY, SOURCE_SNI
from sensor.jit import packet_kernel as kernel
from sensor.protocols import http
from sensor.protocols.apps import identify
from sensor.protocols.reads import FRAMES
from sensor.protocols.siphash import siphash13
from sensor.protocols.tls import HELLO_SNI, find_sni

LOOKS = 4  # payload packets of a side that are searched before a flow stays nameless
_TTL_FLOOR_NS = 3600 * 10**9  # clients and their applications hold on to addresses longer than the TTL says

CACHED = np.dtype([("code", np.uint64), ("expiry", np.int64), ("name", np.uint32), ("pad", np.uint8, (4,))])
"""A name by (client, address): keyed hash of both addresses, 0 free; packet time it ages at, ns; pool number."""
_WAYS = 4  # places a name may stand in; the one that ages first is replaced


CACHE = np.dtype([("names", CACHED, (1 << 17,))])
CACHE_REC = numba.from_dtype(CACHE)


@kernel(t.int64(t.uint64))
def _set_of(code):
    return np.int64(code & np.uint64((1 << 17) // _WAYS - 1)) * _WAYS


@kernel(t.void(CACHE_REC, t.uint64[::1], t.uint64, t.uint64, t.uint64, t.uint64, t.uint32, t.int64, t.int64))
def remember(cache, key, client_hi, client_lo, hi, lo, name, ts, ttl_s):
    """Note that `client` was told that (hi, lo) is `name`; client 0, 0 stands for anyone."""
    code = siphash13(key[0], key[1], client_hi, client_lo, hi, lo, np.uint64(1))
    start = _set_of(code)
    place = start
    for i in range(start, start + _WAYS):
        if cache.names[i]["code"] == code:
            place = i
            break
        if cache.names[i]["expiry"] < cache.names[place]["expiry"]:
            place = i
    cache.names[place]["code"] = code
    cache.names[place]["name"] = name
    cache.names[place]["expiry"] = ts + max(_TTL_FLOOR_NS, np.int64(ttl_s) * 1_000_000_000)


@kernel(t.uint32(CACHE_REC, t.uint64[::1], t.uint64, t.uint64, t.uint64, t.uint64, t.int64))
def recall(cache, key, client_hi, client_lo, hi, lo, ts):
    """The name last given to `client` for an address, else to anyone; 0 when none is known or it has aged."""
    for anyone in range(2):
        c_hi = np.uint64(0) if anyone else client_hi
        c_lo = np.uint64(0) if anyone else client_lo
        code = siphash13(key[0], key[1], c_hi, c_lo, hi, lo, np.uint64(1))
        start = _set_of(code)
        for i in range(start, start + _WAYS):
            if cache.names[i]["code"] == code and cache.names[i]["expiry"] >= ts:
                return cache.names[i]["name"]
    return np.uint32(0)


@kernel(t.void(FLOW_REC, t.uint32, t.int64))
def _give_name(f, name, source):
    if name and source > f["name_source"]:
        f["name_id"] = name
        f["name_source"] = np.uint8(source)


@kernel(t.uint32(POOL_REC, FRAMES, t.int32[::1], t.int64))
def _span(pool, frames, spans, which):
    """Pool number of one of the texts that the HTTP parser found."""
    return intern(pool, frames, np.int64(spans[which]), np.int64(spans[which + 1]))


@kernel(t.void(FLOW_REC, OUT_REC, POOL_REC, FRAMES, t.int32[::1], t.int64))
def _take_request(f, out, pool, frames, spans, ts):
    """An HTTP request begins an event of its own; the first one makes the connection's event a request."""
    if f["event_open"] and (f["event_method_id"] or f["event_bytes"][0] > 0):
        close_event(f, out, pool)
    if not f["event_open"]:
        open_event(f, ts, KIND_REQUEST)
    f["event_kind"] = KIND_REQUEST
    f["event_method_id"] = _span(pool, frames, spans, http.METHOD)
    f["event_uri_id"] = _span(pool, frames, spans, http.URI)
    agent = _span(pool, frames, spans, http.USER_AGENT)
    f["event_agent_id"] = agent
    if not f["agent_id"]:
        f["agent_id"] = agent
    host = _span(pool, frames, spans, http.HOST)
    source = SOURCE_PROXY if spans[http.IS_PROXY] else SOURCE_HTTP
    if spans[http.IS_PROXY] and not f["proxy_id"]:
        f["proxy_id"] = endpoint_id(out, pool, f["resp_hi"], f["resp_lo"], f["key_port"] & np.uint32(0xFFFF))
    if host:
        f["event_dest_id"] = host
        f["event_source"] = np.uint8(source)
    _give_name(f, host, source)


@kernel(t.void(FLOW_REC, OUT_REC, POOL_REC, FRAMES, t.int64, t.int64, t.int64, t.int64, t.int32[::1]))
def look(f, out, pool, frames, pos, end, d, ts, spans):
    """Search one payload of side d, frames[pos:end], for the protocol and the names in it. spans : int32[], scratch."""
    if d == 1:
        if f["app"] == 0:
            f["app"] = identify(frames, pos, end, False, f["proto"], np.int64(f["key_port"] & np.uint32(0xFFFF)))
        return
    if f["looked"] < LOOKS:
        f["looked"] += 1
        if f["app"] == 0:
            f["app"] = identify(frames, pos, end, True, f["proto"], np.int64(f["key_port"] & np.uint32(0xFFFF)))
        if f["name_source"] < SOURCE_SNI or f["proxy_id"]:
            status, off, length = find_sni(frames, pos, end)
            if status == HELLO_SNI:
                f["app"] = APP_TLS if f["app"] == 0 else f["app"]
                _give_name(f, intern(pool, frames, np.int64(off), np.int64(length)), SOURCE_SNI)
    if f["app"] == APP_HTTP:
        status = http.parse_request(frames, pos, end, spans)
        if status == http.REQUEST or status == http.REQUEST_CUT:
            _take_request(f, out, pool, frames, spans, ts)
