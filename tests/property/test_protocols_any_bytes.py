"""Any bytes are survived, bytes outside the span change nothing, and the same holds with bounds checked.

One test runs this file again in a process where numba checks every index: see tests/support/checked.py.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.constants import PROTO_TCP, PROTO_UDP
from sensor.protocols import dns, http, nbns, tls
from sensor.protocols.reads import be16
from tests.support.checked import IN_CHECKED_RUN, IN_UNCHECKED_RUN, run_files_checked
from tests.support.damage import damaged
from tests.support.protocols import (
    client_hello,
    extension,
    find_sni,
    frames_of,
    identify,
    netbios_name,
    parse_message,
    parse_request,
    query,
    record,
    records,
    response,
    server_name,
    wire_name,
)

PORTS = (0, 21, 25, 53, 69, 123, 137, 443, 500, 514, 547, 1080, 1812, 1900, 3389, 4500, 5353)
SEEDS = (
    records(client_hello(extension(16, b"\0\3\2h2") + server_name(b"a.example"))),
    records(client_hello(server_name(b"a.example")), 30, 30),
    b"\x80\x2e\1\3\1\0\x15\0\0\0\x10" + bytes(37),
    b"GET http://u@a.example:81/x HTTP/1.1\r\nHost: [::1]:8\r\n x\r\nUser-Agent: y\r\n\r\n",
    b"CONNECT [::1]:443 HTTP/1.0\r\nhost:\r\n a:b\r\n\r\n",
    b"HTTP/1.1 302 Found\r\n\r\n",
    query(wire_name(b"www", b"a.b", b"\xff")),
    response(wire_name(b"a"), record(b"\xc0\x0c", 5, b"\1b\xc0\x0c"), record(b"\xc0\x0c", 28, bytes(16))),
    response(wire_name(b"a"), record(b"\xc0\x0c", 33, bytes(6) + b"\1b\xc0\x0c"), record(b"\xc0\x0c", 16, b"\0")),
    b"\x30\x0c\2\1\7\x60\7\2\1\3\4\0\x80\0",
    b"\x6a\x20\x30\x1e\xa1\3\2\1\5" + bytes(25),
    b"\xc3\0\0\0\1\x08" + bytes(8) + b"\0" + bytes(40),
    b"\3\0\0\x13\x0e\xe0" + bytes(5) + b"\1\0\x08\0\3\0\0\0",
    b"\0\1boot\0octet\0",
    b"220 \xff ftp\r\n",
    query(netbios_name(b"A,B C", scope=wire_name(b"a", b"b")), 32),
    query(netbios_name(b"*"), 33)[:7] + b"\1" + query(netbios_name(b"*"), 33)[8:] + record(b"\xc0\x0c", 32, bytes(12)),
    b"\0\0\x84\0\0\0\0\1\0\0\0\0" + record(netbios_name(b"*"), 33, b"\2" + (b"HOST".ljust(15) + bytes(3)) * 2),
)


TELLING = (0, 1, 0x0A, 0x20, 0x3A, 0x3F, 0x7F, 0xC0, 0xFF)
PAYLOADS = st.one_of(st.binary(max_size=300), damaged(st.sampled_from(SEEDS), TELLING))
AROUND = st.binary(max_size=40)


@given(PAYLOADS, AROUND, AROUND)
def test_tls(payload: bytes, before: bytes, after: bytes) -> None:
    status, name = find_sni(payload)
    assert (1 <= len(name) <= tls.NAME_BYTES_MAX) == (status == tls.HELLO_SNI)
    frames = before + payload + after
    found = tls.find_sni(frames_of(frames), len(before), len(before) + len(payload))
    assert (found[0], frames[found[1] : found[1] + found[2]]) == (status, name)


@given(PAYLOADS, st.integers(0, 300))
def test_joined_records(payload: bytes, room: int) -> None:
    out = np.full(room + 1, 0xAA, np.uint8)
    length = tls.join_records(frames_of(payload), 0, len(payload), out[:room])
    assert 0 <= length <= min(room, len(payload))
    assert out[room] == 0xAA
    if length:
        assert find_sni(bytes(out[:length]))[0] != tls.HELLO_SPLIT


@given(PAYLOADS, AROUND, AROUND)
def test_http(payload: bytes, before: bytes, after: bytes) -> None:
    head = parse_request(payload)
    assert len(head.host) <= http.HOST_BYTES_MAX
    assert 0 <= head.host_port <= 65535
    frames = before + payload + after
    spans = np.zeros(http.N_SPANS, np.int32)
    status = http.parse_request(frames_of(frames), len(before), len(before) + len(payload), spans)
    assert status == head.status
    assert frames[spans[http.HOST] : spans[http.HOST] + spans[http.HOST + 1]] == head.host


@pytest.mark.parametrize("parse", [dns.parse_message, nbns.parse_nbns], ids=["dns", "nbns"])
@given(PAYLOADS, AROUND, AROUND, st.integers(0, 60), st.integers(0, 60))
def test_dns(parse: Any, payload: bytes, before: bytes, after: bytes, qname_room: int, answers_room: int) -> None:
    whole = parse_message(payload, parse=parse)
    assert all(0x21 <= ord(letter) <= 0x7E for letter in whole.qname)
    assert all(0x20 <= ord(letter) <= 0x7E for answer in whole.answers for letter in answer)
    assert not any(letter.isupper() for letter in whole.qname)
    small = parse_message(payload, before, qname_room, answers_room, parse)
    assert small.qname in ("", whole.qname)
    assert (small.status, small.n_answers, small.min_ttl_s) == (whole.status, whole.n_answers, whole.min_ttl_s)
    frames = before + payload + after
    info = np.zeros(dns.N_INFO, np.int64)
    outputs = np.zeros(1024, np.uint8), np.zeros(4096, np.uint8), np.zeros((16, 2), np.uint64)
    status = parse(frames_of(frames), len(before), len(before) + len(payload), *outputs, info)
    assert status == whole.status
    if status != dns.NOT_DNS:
        assert bytes(outputs[0][: info[dns.QNAME_BYTES]]).decode() == whole.qname
        assert info[dns.N_ANSWERS] == whole.n_answers


@given(PAYLOADS, st.booleans(), st.sampled_from((PROTO_TCP, PROTO_UDP)), st.sampled_from(PORTS), AROUND)
def test_apps(payload: bytes, is_orig: bool, proto: int, resp_port: int, before: bytes) -> None:
    assert identify(payload, is_orig, proto, resp_port) == identify(payload, is_orig, proto, resp_port, before)


@IN_CHECKED_RUN
def test_the_checked_run_checks() -> None:
    with pytest.raises(IndexError):
        be16(frames_of(b"a"), 0)


@pytest.mark.slow
@IN_UNCHECKED_RUN
def test_all_of_this_with_bounds_checked() -> None:
    run_files_checked(__file__)
