"""HTTP requests and what is asked of proxies: each request is an event, and names its destination."""

import numpy as np
from numba import types as t

from sensor.constants import APP_HTTP2, APP_WEBSOCKET
from sensor.flows.facts import facts_of
from sensor.flows.names import give_name
from sensor.flows.out import address_id, close_event, endpoint_id, open_event
from sensor.flows.pool import intern
from sensor.flows.rows import (
    ASKS_NOTHING,
    ASKS_SOCKS,
    FLOW_REC,
    KIND_REQUEST,
    NOTE_REFUSED,
    READS_NOTHING,
    SOURCE_HTTP,
    SOURCE_PROXY,
)
from sensor.flows.state import STATE_REC
from sensor.jit import packet_kernel as kernel
from sensor.protocols import http, socks
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
    if spans[http.FORWARDED_FOR + 1] or spans[http.VIA + 1]:
        number = facts_of(s, f)
        if spans[http.FORWARDED_FOR + 1]:
            s.facts.rows[number]["forwarded_id"] = _span(s, data, http.FORWARDED_FOR)
        if spans[http.VIA + 1]:
            s.facts.rows[number]["via_id"] = _span(s, data, http.VIA)


@kernel(t.boolean(STATE_REC, FLOW_REC, FRAMES, t.int64, t.int64))
def take_response(s, f, data, pos, end):
    """Note status and media type of the answer that data[pos:end] begins with; whether there is one."""
    spans = s.scratch.spans
    status = http.parse_response(data, pos, end, spans)
    if status != http.RESPONSE and status != http.RESPONSE_CUT:
        return False
    f["event_status"] = np.uint16(spans[http.STATUS_CODE])
    f["event_content_id"] = _span(s, data, http.CONTENT_TYPE)
    if spans[http.VIA + 1]:  # of several answers the last says it; a proxy that nobody asks shows itself only here
        s.facts.rows[facts_of(s, f)]["via_id"] = _span(s, data, http.VIA)
    if spans[http.IS_UPGRADED]:
        f["app"] = APP_WEBSOCKET if spans[http.UPGRADE] == http.UPGRADE_WEBSOCKET else APP_HTTP2
        f["reads"] = READS_NOTHING  # what follows are exchanges
    return True


@kernel(t.int64(STATE_REC, FLOW_REC, FRAMES, t.int64, t.int64))
def take_socks(s, f, data, pos, end):
    """Note the host that a SOCKS client asks for; bytes read, -1 when the request goes on, 0 when there is none."""
    spans, address = s.scratch.spans, s.scratch.address
    status = socks.parse_socks(data, pos, end, spans, address)
    if status == socks.REQUEST_CUT:
        return np.int64(-1)
    if status != socks.REQUEST:
        return np.int64(0)
    if spans[socks.COMMAND] != socks.UDP_ASSOCIATE:
        note_proxy(s, f)
        n_bytes = np.int64(spans[socks.HOST + 1])
        if n_bytes > 0:
            host = intern(s.pool, data, np.int64(spans[socks.HOST]), n_bytes)
        else:
            host = address_id(s, address[0], address[1])
        give_name(f, host, SOURCE_PROXY)
        f["looked"][0] = 0  # what is spoken inside is still to be found out
        f["is_asked"] = ASKS_SOCKS
    return np.int64(spans[socks.REQUEST_END]) - pos


@kernel(t.void(FLOW_REC, FRAMES, t.int64, t.int64))
def take_socks_answer(f, data, pos, end):
    """Note what a SOCKS proxy answers to a request. Refused, the host that was asked for has not answered."""
    status = socks.socks_granted(data, pos, end)
    if status == socks.CHOSEN:  # the answer proper follows
        return
    f["is_asked"] = ASKS_NOTHING
    if status == socks.REFUSED:
        f["is_refused"] = 1
        f["event_answered"] = 0
        f["notes"] |= np.uint16(NOTE_REFUSED)
