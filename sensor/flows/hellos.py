"""What the hellos of TLS say, also inside QUIC: server name, fingerprints, versions, the server's certificate.

Nothing here decides what bytes are read or waited for; sensor/flows/payload.py does.
"""

import numpy as np
from numba import types as t

from sensor.constants import APP_TLS
from sensor.flows.facts import facts_of
from sensor.flows.names import give_name
from sensor.flows.pool import intern
from sensor.flows.rows import FLOW_REC, NOTE_ECH, NOTE_SNI_DIFFERS, NOTE_TOR_LIKE, SOURCE_SNI
from sensor.flows.state import STATE_REC, STREAM_BYTES
from sensor.jit import packet_kernel as kernel
from sensor.protocols import tls_certificate as certificate_at
from sensor.protocols import tls_hello as hello_at
from sensor.protocols import tls_server as server_at
from sensor.protocols.app_tor import TOR_DIGITS, is_tor_like_name
from sensor.protocols.reads import FRAMES, be16
from sensor.protocols.tls import RECORD_BYTES_MAX, RECORD_HEADER_BYTES, RECORD_TYPE_HANDSHAKE, join_records
from sensor.protocols.tls_certificate import parse_certificate
from sensor.protocols.tls_fingerprint import (
    CERTIFICATE_BYTES,
    JA3_BYTES,
    JA4_BYTES,
    certificate_fingerprint,
    ja3,
    ja3s,
    ja4,
)
from sensor.protocols.tls_hello import parse_client_hello
from sensor.protocols.tls_server import parse_server_hello

NOT_HELLO, HELLO, HELLO_MORE = range(3)
_MESSAGE_HEADER_BYTES = 4
_DTLS_MAJOR, _DTLS_RECORD_HEADER_BYTES = 0xFE, 13  # RFC 6347 section 4.1
_CLIENT_HELLO, _SERVER_HELLO, _CERTIFICATE = 1, 2, 11
_TLS_1_3 = 0x0304
_OVER_TCP, _OVER_QUIC = ord("t"), ord("q")


@kernel(t.uint32(STATE_REC, FRAMES, t.int64, t.int64))
def _text(s, data, at, n_bytes):
    return intern(s.pool, data, at, n_bytes) if n_bytes > 0 else np.uint32(0)


@kernel(t.void(STATE_REC, FLOW_REC, t.uint32, t.int64))
def take_server_name(s, f, name, source):
    """Note the server name in a hello; inside a proxy's tunnel it may differ from what the proxy was asked for."""
    if name:
        s.facts.rows[facts_of(s, f)]["sni_id"] = name
        if f["proxy_id"] and f["name_id"] and f["name_id"] != name:
            f["notes"] |= np.uint16(NOTE_SNI_DIFFERS)
        give_name(f, name, source)


@kernel(t.int64(STATE_REC, FLOW_REC, FRAMES, t.int64, t.int64, t.int64))
def take_hello_message(s, f, data, pos, end, source):
    """Read a ClientHello without records around it, as QUIC has it: NOT_HELLO, HELLO or HELLO_MORE.

    Of a hello that is cut the name is taken if it is there: it must not be lost when the rest never comes.
    """
    hello = s.scratch.spans
    status = parse_client_hello(data, pos, end, hello)
    if status == hello_at.NOT_HELLO:
        return NOT_HELLO
    if hello[hello_at.SNI + 1]:
        begin, n_bytes = np.int64(hello[hello_at.SNI]), np.int64(hello[hello_at.SNI + 1])
        take_server_name(s, f, _text(s, data, begin, n_bytes), source)
        # Tor looks none of its names up; without that most names with digits in them would do
        if not f["resolved"] and is_tor_like_name(data, begin, n_bytes) == TOR_DIGITS:
            f["notes"] |= np.uint16(NOTE_TOR_LIKE)
    if status == hello_at.HELLO_CUT:
        return HELLO_MORE
    fact = s.facts.rows[facts_of(s, f)]
    fact["alpn_id"] = _text(s, data, np.int64(hello[hello_at.ALPN]), np.int64(hello[hello_at.ALPN + 1]))
    best = hello[hello_at.BEST_VERSION]
    fact["tls_version"] = np.uint16(best if best else hello[hello_at.VERSION])
    if ja3(data, hello, s.prints, s.scratch.text):
        fact["ja3_id"] = intern(s.pool, s.scratch.text, 0, JA3_BYTES)
    if ja4(data, hello, _OVER_TCP if source == SOURCE_SNI else _OVER_QUIC, s.prints, s.scratch.text):
        fact["ja4_id"] = intern(s.pool, s.scratch.text, 0, JA4_BYTES)
    if hello[hello_at.HAS_ECH] or hello[hello_at.HAS_ESNI]:
        f["notes"] |= np.uint16(NOTE_ECH)
    return HELLO


@kernel(t.UniTuple(t.int64, 2)(FRAMES, t.int64, t.int64))
def _first_message(data, pos, end):
    """(type, length with its header) of the handshake message that the records at data[pos:end] begin with.

    (-1, 0) when they begin with none, (0, 0) when more bytes are needed to tell.
    """
    if data[pos] != RECORD_TYPE_HANDSHAKE or (end - pos > 1 and data[pos + 1] != 3):
        return np.int64(-1), np.int64(0)
    body = pos + RECORD_HEADER_BYTES
    if end < body + _MESSAGE_HEADER_BYTES:
        return np.int64(0), np.int64(0)
    n_bytes = be16(data, pos + 3)
    if n_bytes < _MESSAGE_HEADER_BYTES or n_bytes > RECORD_BYTES_MAX:
        return np.int64(-1), np.int64(0)
    length = (np.int64(data[body + 1]) << 16) | be16(data, body + 2)
    return np.int64(data[body]), length + _MESSAGE_HEADER_BYTES


@kernel(t.int64(STATE_REC, FLOW_REC, FRAMES, t.int64, t.int64))
def take_client_hello(s, f, data, pos, end):
    """Read the ClientHello that the originator's records data[pos:end] begin with: NOT_HELLO, HELLO or HELLO_MORE."""
    kind, length = _first_message(data, pos, end)
    if kind == 0:
        return HELLO_MORE
    if kind != _CLIENT_HELLO:
        return NOT_HELLO
    body = pos + RECORD_HEADER_BYTES
    if length <= be16(data, pos + 3):
        status = take_hello_message(s, f, data, body, min(end, body + length), SOURCE_SNI)
    else:
        joined = s.scratch.joined
        n_bytes = join_records(data, pos, end, joined)
        status = take_hello_message(s, f, joined, RECORD_HEADER_BYTES, n_bytes, SOURCE_SNI)
    if status != NOT_HELLO and (f["app"] == 0 or f["proxy_id"]):
        f["app"] = APP_TLS
    return status


@kernel(t.void(STATE_REC, FLOW_REC, FRAMES, t.int64, t.int64))
def _take_certificate(s, f, data, pos, end):
    found = s.scratch.info
    if parse_certificate(data, pos, end, found) == certificate_at.NOT_CERTIFICATE:
        return
    fact = s.facts.rows[facts_of(s, f)]
    fact["subject_id"] = _text(s, data, found[certificate_at.SUBJECT], found[certificate_at.SUBJECT + 1])
    fact["issuer_id"] = _text(s, data, found[certificate_at.ISSUER], found[certificate_at.ISSUER + 1])
    der, n_bytes = found[certificate_at.DER], found[certificate_at.DER + 1]
    if n_bytes > 0:
        certificate_fingerprint(data, der, n_bytes, s.prints, s.scratch.text)
        fact["cert_id"] = intern(s.pool, s.scratch.text, 0, CERTIFICATE_BYTES)


@kernel(t.int64(STATE_REC, FLOW_REC, FRAMES, t.int64, t.int64))
def _take_server_hello(s, f, data, at, stop):
    """Note what a ServerHello without records around it says; the version chosen, -1 when it is none."""
    server = s.scratch.spans
    if parse_server_hello(data, at, stop, server) == server_at.NOT_SERVER_HELLO:
        return np.int64(-1)
    version = server[server_at.BEST_VERSION] if server[server_at.BEST_VERSION] else server[server_at.VERSION]
    fact = s.facts.rows[facts_of(s, f)]
    fact["tls_version"] = np.uint16(version)
    if server[server_at.ALPN + 1]:  # the choice counts more than the offer
        fact["alpn_id"] = _text(s, data, np.int64(server[server_at.ALPN]), np.int64(server[server_at.ALPN + 1]))
    if ja3s(data, server, s.prints, s.scratch.text):
        fact["ja3s_id"] = intern(s.pool, s.scratch.text, 0, JA3_BYTES)
    return np.int64(version)


@kernel(t.void(STATE_REC, FLOW_REC, t.int64, FRAMES, t.int64, t.int64))
def take_dtls_hello(s, f, d, data, pos, end):
    """Read the hello of side d that the DTLS record at data[pos:end] holds, if it is one and whole in it."""
    at = pos + _DTLS_RECORD_HEADER_BYTES
    if end - at < _MESSAGE_HEADER_BYTES or data[pos] != RECORD_TYPE_HANDSHAKE or data[pos + 1] != _DTLS_MAJOR:
        return
    stop = min(end, at + be16(data, pos + 11))
    if d == 0 and data[at] == _CLIENT_HELLO:
        take_hello_message(s, f, data, at, stop, SOURCE_SNI)
    elif d == 1 and data[at] == _SERVER_HELLO:
        _take_server_hello(s, f, data, at, stop)


@kernel(t.int64(STATE_REC, FLOW_REC, FRAMES, t.int64, t.int64))
def take_server_flight(s, f, data, pos, end):
    """Read ServerHello and, up to TLS 1.2, Certificate from the responder's records; NOT_HELLO, HELLO or HELLO_MORE."""
    kind, length = _first_message(data, pos, end)
    if kind == 0:
        return HELLO_MORE
    if kind != _SERVER_HELLO:
        return NOT_HELLO
    joined = s.scratch.joined
    stop = join_records(data, pos, end, joined)
    at = np.int64(RECORD_HEADER_BYTES)
    if stop < at + length:
        return HELLO_MORE if at + length <= STREAM_BYTES else NOT_HELLO
    version = _take_server_hello(s, f, joined, at, stop)
    if version < 0:
        return NOT_HELLO
    if version >= _TLS_1_3:
        return HELLO
    at += length
    if at + _MESSAGE_HEADER_BYTES > stop:  # a resumed session goes on without a certificate
        behind = pos + RECORD_HEADER_BYTES + be16(data, pos + 3)
        return HELLO_MORE if behind >= end or data[behind] == RECORD_TYPE_HANDSHAKE else HELLO
    if joined[at] != _CERTIFICATE:
        return HELLO
    length = ((np.int64(joined[at + 1]) << 16) | be16(joined, at + 2)) + _MESSAGE_HEADER_BYTES
    if at + length > stop and stop < STREAM_BYTES:
        return HELLO_MORE
    _take_certificate(s, f, joined, at, min(stop, at + length))
    return HELLO
