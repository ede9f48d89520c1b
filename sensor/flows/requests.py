"""HTTP requests and what is asked of proxies: each request is an event, and names its destination."""

import numpy as np
from numba import types as t

from sensor.flows.names import give_name
from sensor.flows.out import close_event, endpoint_id, open_event
from sensor.flows.pool import intern
from sensor.flows.rows import FLOW_REC, KIND_REQUEST, SOURCE_HTTP, SOURCE_PROXY
from sensor.flows.state import STATE_REC
from sensor.jit import packet_kernel as kernel
from sensor.protocols import http
from sensor.protocols.reads import FRAMES


@kernel(t.uint32(STATE_REC, FRAMES, t.int64))
def _span(s, data, which):
    """Pool number of one of the texts that the parser found."""
    spans = s.scratch.spans
    return intern(s.pool, data, np.int64(spans[which]), np.int64(spans[which + 1]))


@kernel(t.void(STATE_REC, FLOW_REC))
def note_proxy(s, f):
    """The responder is a proxy."""
    if not f["proxy_id"]:
        f["proxy_id"] = endpoint_id(s, f["resp_hi"], f["resp_lo"], np.int64(f["key_port"] & np.uint32(0xFFFF)))


@kernel(t.void(STATE_REC, FLOW_REC, FRAMES, t.int64, t.boolean))
def take_request(s, f, data, ts, goes_on):
    """Note the request whose spans are in the scratch; it is an event of its own unless it `goes_on` with one begun.

    The first request makes the connection's event a request.
    """
    spans = s.scratch.spans
    if not goes_on:
        if f["event_open"] and (f["event_method_id"] or f["event_bytes"][0] > 0):
            close_event(s, f)
        if not f["event_open"]:
            open_event(f, ts, KIND_REQUEST)
    f["event_kind"] = KIND_REQUEST
    f["event_method_id"] = _span(s, data, http.METHOD)
    f["event_uri_id"] = _span(s, data, http.URI)
    agent = _span(s, data, http.USER_AGENT)
    f["event_agent_id"] = agent
    if not f["agent_id"]:
        f["agent_id"] = agent
    host = _span(s, data, http.HOST)
    source = SOURCE_PROXY if spans[http.IS_PROXY] else SOURCE_HTTP
    if spans[http.IS_PROXY]:
        note_proxy(s, f)
    if host:
        f["event_dest_id"] = host
        f["event_source"] = np.uint8(source)
    give_name(f, host, source)
