"""SOCKS: what clients ask for, in one payload or several, and what servers answer."""

import ipaddress
from pathlib import Path

import pytest

from sensor.protocols import socks
from tests.support.payloads import Asked, parse_socks, payloads, socks_granted

V4_1 = int(ipaddress.IPv6Address("::ffff:192.0.2.1"))
V6 = ipaddress.IPv6Address("2001:db8::7")
NAMED = b"\5\1\0\3\x09a.example\1\xbb"
BY_V4 = b"\5\1\0\1\xc0\0\2\1\0\x50"
BY_V6 = b"\5\3\0\4" + V6.packed + b"\0\x35"


def test_requests_of_version_5() -> None:
    want = Asked(socks.REQUEST, b"a.example", 0, 443, socks.CONNECT, 5, len(NAMED))
    assert parse_socks(NAMED) == want
    assert parse_socks(NAMED + b"\x16\3\1", before=b"\5\1\0") == want
    assert parse_socks(BY_V4) == Asked(socks.REQUEST, b"", V4_1, 80, socks.CONNECT, 5, 10)
    assert parse_socks(BY_V6) == Asked(socks.REQUEST, b"", int(V6), 53, socks.UDP_ASSOCIATE, 5, 22)
    assert parse_socks(b"\5\2" + BY_V4[2:]).command == socks.BIND
    long = b"\5\1\0\3\xff" + b"x" * 255 + b"\0\1"
    assert parse_socks(long) == Asked(socks.REQUEST, b"x" * 255, 0, 1, 1, 5, len(long))


@pytest.mark.parametrize("request_", [NAMED, BY_V4, BY_V6])
@pytest.mark.parametrize("hello", [b"\5\1\0", b"\5\2\0\2", b"\5\1\2\1\3bob\2pw", b"\5\1\2\1\1b\0", b"\1\3bob\2pw"])
def test_a_request_behind_what_comes_before_it(hello: bytes, request_: bytes) -> None:
    alone = parse_socks(request_)
    alone.end += len(hello)
    assert parse_socks(hello + request_) == alone


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        (b"\5\1\0", socks.GREETING),
        (b"\5\2\0\1", socks.GREETING),
        (b"\5\2\0\2", socks.GREETING),
        (b"\5\3\0\1\2", socks.GREETING),
        (b"\5\4\0\1\2\x80", socks.GREETING),
        (b"\5\1\2\1\3bob\2pw", socks.GREETING),
        (b"\5\1\2\1\3bo", socks.GREETING),
        (b"\1\3bob\2pw", socks.AUTH),
        (b"\1\3bob\2p", socks.NOT_SOCKS),
        (b"", socks.NOT_SOCKS),
        (b"\5", socks.NOT_SOCKS),
        (b"\5\1", socks.NOT_SOCKS),
        (b"\5\0\0", socks.NOT_SOCKS),
        (b"\5\1\xff", socks.NOT_SOCKS),
        (b"\5\1\x20", socks.NOT_SOCKS),
        (b"\5\x0b" + bytes(11), socks.NOT_SOCKS),
        (b"\5\1\0\0", socks.NOT_SOCKS),
        (b"\5\1\0\5\1\1\3\1a\0\1", socks.NOT_SOCKS),
        (b"\5\1\0\3\0\0\x50", socks.NOT_SOCKS),
        (b"\5\0\x0b\3\x10\0\0\0" + bytes(16), socks.NOT_SOCKS),  # DCE/RPC
        (b"\4\1\0\x50\xc0\0\2\1", socks.REQUEST_CUT),
        (b"\4\1\0\x50\0\0\0\1me\0a.exa", socks.REQUEST_CUT),
        (b"\4\1\0\x50\xc0\0\2\1" + b"x" * 256, socks.NOT_SOCKS),
        (b"\4\3\0\x50\xc0\0\2\1\0", socks.NOT_SOCKS),
        (b"\4\1\0\0\xc0\0\2\1\0", socks.NOT_SOCKS),
        (b"\4\1\0\x50\0\0\0\0\0", socks.NOT_SOCKS),
        (b"\4\1\0\x50\0\0\0\1\0\0", socks.NOT_SOCKS),
        (b"\4\1\0\x50\xc0\0\2\1\1\0", socks.NOT_SOCKS),
        (b"\6\1\0\x50\xc0\0\2\1\0", socks.NOT_SOCKS),
    ],
)
def test_what_is_no_request(payload: bytes, status: int) -> None:
    assert parse_socks(payload).status == status


def test_requests_of_version_4() -> None:
    assert parse_socks(b"\4\1\0\x50\xc0\0\2\1\0") == Asked(socks.REQUEST, b"", V4_1, 80, 1, 4, 9)
    assert parse_socks(b"\4\2\0\x50\xc0\0\2\1me\0GET") == Asked(socks.REQUEST, b"", V4_1, 80, 2, 4, 11)
    named = b"\4\1\1\xbb\0\0\0\1me\0a.example\0"
    assert parse_socks(named, before=b"\5") == Asked(socks.REQUEST, b"a.example", 0, 443, 1, 4, len(named))
    assert parse_socks(b"\4\1\1\xbb\0\0\0\xff\0" + b"x" * 255 + b"\0").host == b"x" * 255
    assert parse_socks(b"\4\1\1\xbb\0\0\0\xff\0" + b"x" * 256 + b"\0").status == socks.NOT_SOCKS


@pytest.mark.parametrize("payload", [NAMED, BY_V4, BY_V6, b"\5\1\2\1\3bob\2pw" + NAMED, b"\4\1\1\xbb\0\0\0\1me\0a.b\0"])
def test_every_cut_waits_for_more(payload: bytes) -> None:
    for cut in range(1, len(payload)):
        assert parse_socks(payload[:cut]).status != socks.REQUEST


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        (b"\5\0", socks.CHOSEN),
        (b"\5\2", socks.CHOSEN),
        (b"\5\xff", socks.REFUSED),
        (b"\1\0", socks.CHOSEN),
        (b"\1\1", socks.REFUSED),
        (b"\5\0\0\1" + bytes(6), socks.GRANTED),
        (b"\5\0\0\1" + bytes(6) + b"HTTP/1.1", socks.GRANTED),
        (b"\5\0\0\3\1a\0\0", socks.GRANTED),
        (b"\5\5\0\1" + bytes(6), socks.REFUSED),
        (b"\5\0\5\0\0\1" + bytes(6), socks.GRANTED),
        (b"\5\2\1\0\5\1\0\1" + bytes(6), socks.REFUSED),
        (b"\5\2\1\0", socks.CHOSEN),
        (b"\5\2\1\5", socks.REFUSED),
        (b"\0\x5a" + bytes(6), socks.GRANTED),
        (b"\0\x5b" + bytes(6), socks.REFUSED),
        (b"\0\x5d" + bytes(6), socks.REFUSED),
        (b"\0\x5e" + bytes(6), socks.NOT_SOCKS),
        (b"\0\x5a" + bytes(5), socks.NOT_SOCKS),
        (b"\5\x09\0\1" + bytes(6), socks.NOT_SOCKS),
        (b"\5\0\0\2" + bytes(6), socks.NOT_SOCKS),
        (b"\5\x20", socks.NOT_SOCKS),
        (b"\5", socks.NOT_SOCKS),
        (b"", socks.NOT_SOCKS),
        (b"HTTP/1.1 200", socks.NOT_SOCKS),
    ],
)
def test_answers(payload: bytes, status: int) -> None:
    assert socks_granted(payload) == status


@pytest.mark.parametrize(("name", "version"), [("proxy/socks5-http.pcap", 5), ("proxy/socks4-https.pcap", 4)])
def test_captures(shared_data: Path, name: str, version: int) -> None:
    sent = list(payloads(shared_data / "pcaps" / name))
    server = 1080 if any(1080 in ports[:2] for ports in sent) else sent[0][1]
    asked = [
        got for _, port, payload in sent if port == server and (got := parse_socks(payload)).status == socks.REQUEST
    ]
    assert asked[0].version == version
    assert asked[0].port > 0
    assert asked[0].host or asked[0].address
    answers = [socks_granted(payload) for port, _, payload in sent if port == server]
    assert socks.GRANTED in answers
