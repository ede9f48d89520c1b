"""HTTP heads beyond the request line: bodies, upgrades, what proxies add, responses, and requests in a row."""

from pathlib import Path

import pytest

from sensor.protocols import http
from tests.support.payloads import Message, payloads, read_message, requests

LINE = b"POST /a HTTP/1.1\r\n"
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nVia: 1.1 proxy (squid)\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 3\r\n\r\n"
)


def request(*lines: bytes) -> Message:
    return read_message(LINE + b"".join(line + b"\r\n" for line in lines) + b"\r\n", before=b"\r\n")


def test_head_bytes_are_those_of_the_head() -> None:
    head = LINE + b"Host: a\r\n\r\n"
    assert read_message(head + b"body").head_bytes == len(head)
    assert read_message(b"GET / HTTP/1.0\n\n").head_bytes == 16
    assert read_message(head[:-1]).head_bytes == 0
    assert read_message(LINE + b"X: " + b"y" * 9000 + b"\r\n\r\n").head_bytes == 0


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        ((), http.NO_LENGTH),
        ((b"Content-Length: 0",), 0),
        ((b"content-length:12345",), 12345),
        ((b"Content-Length: 7, 7",), 7),
        ((b"Content-Length: 7", b"Content-Length: 8"), 7),
        ((b"Content-Length: 7x",), http.NO_LENGTH),
        ((b"Content-Length: -7",), http.NO_LENGTH),
        ((b"Content-Length: x", b"Content-Length: 8"), http.NO_LENGTH),
        ((b"Content-Length: 99999999999999999999999",), http.LENGTH_MAX),
        ((b"Content-Length:", b" 9"), 9),
        ((b"Transfer-Encoding: chunked",), http.CHUNKED),
        ((b"Transfer-Encoding: gzip, Chunked ",), http.CHUNKED),
        ((b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"), http.CHUNKED),
        ((b"Content-Length: 7", b"Transfer-Encoding: chunked"), http.CHUNKED),
        ((b"Transfer-Encoding: chunked", b"Content-Length: 7"), http.CHUNKED),
        ((b"Content-Length: 7", b"Transfer-Encoding: gzip"), http.NO_LENGTH),
        ((b"Transfer-Encoding: xchunked",), http.NO_LENGTH),
    ],
)
def test_body_lengths(lines: tuple[bytes, ...], length: int) -> None:
    assert request(*lines).content_length == length
    head = b"HTTP/1.1 200 OK\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"
    assert read_message(head, is_response=True).content_length == length


@pytest.mark.parametrize(
    ("value", "upgrade"),
    [
        (b"websocket", http.UPGRADE_WEBSOCKET),
        (b"WebSocket", http.UPGRADE_WEBSOCKET),
        (b"h2c", http.UPGRADE_H2C),
        (b"foo/2, h2c", http.UPGRADE_H2C),
        (b"foo ,websocket/13", http.UPGRADE_WEBSOCKET),
        (b"TLS/1.0", 0),
        (b"websockets", 0),
        (b"my-h2c", 0),
        (b"h2", 0),
        (b",, ,", 0),
    ],
)
def test_upgrades(value: bytes, upgrade: int) -> None:
    assert request(b"Connection: Upgrade", b"Upgrade: " + value).upgrade == upgrade
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: " + value + b"\r\n\r\n"
    assert read_message(answer, is_response=True).is_upgraded == upgrade
    assert read_message(answer.replace(b"101", b"426"), is_response=True).is_upgraded == 0


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        ((b"X-Forwarded-For: 192.0.2.1",), b"192.0.2.1"),
        ((b"x-forwarded-for:  192.0.2.1 , 198.51.100.7",), b"192.0.2.1"),
        ((b"X-Forwarded-For: 192.0.2.1:5555",), b"192.0.2.1"),
        ((b"X-Forwarded-For: 2001:db8::1",), b"2001:db8::1"),
        ((b"X-Forwarded-For: [2001:db8::1]:80",), b"2001:db8::1"),
        ((b"X-Forwarded-For: unknown",), b"unknown"),
        ((b"X-Forwarded-For: , 192.0.2.1",), b""),
        ((b"Forwarded: for=192.0.2.43",), b"192.0.2.43"),
        ((b"Forwarded: for=192.0.2.43, for=198.51.100.17;by=203.0.113.60",), b"192.0.2.43"),
        ((b'Forwarded: For="[2001:db8:cafe::17]:4711"',), b"2001:db8:cafe::17"),
        ((b"Forwarded: proto=http;by=203.0.113.43; for=192.0.2.60",), b"192.0.2.60"),
        ((b'Forwarded: by="x;for=1";for=_gazonk',), b"_gazonk"),
        ((b"Forwarded: proto=http",), b""),
        ((b"Forwarded: for=1.1.1.1", b"X-Forwarded-For: 2.2.2.2"), b"2.2.2.2"),
        ((b"X-Forwarded-For: 2.2.2.2", b"X-Forwarded-For: 3.3.3.3"), b"2.2.2.2"),
        ((b"Forwarded-For: 1.1.1.1", b"X-Forwarded: for=1.1.1.1"), b""),
    ],
)
def test_whom_a_proxy_forwards_for(lines: tuple[bytes, ...], client: bytes) -> None:
    assert request(*lines).forwarded_for == client


def test_other_things_proxies_add() -> None:
    got = request(b"Via: 1.0 fred, 1.1 p.example.net ", b"VIA: 1.1 x", b"Proxy-Authorization: Basic YTpi")
    assert (got.via, got.has_proxy_auth) == (b"1.0 fred, 1.1 p.example.net", 1)
    assert request(b"Proxy-Authorization:").has_proxy_auth == 0
    assert read_message(b"CONNECT a:443 HTTP/1.1\r\n\r\n").is_connect == 1
    assert read_message(b"CONNECT a:4").is_connect == 1
    assert read_message(b"GET http://a/ HTTP/1.1\r\n\r\n").is_connect == 0


def test_response() -> None:
    want = Message(
        http.RESPONSE, len(RESPONSE), 3, status_code=200, via=b"1.1 proxy (squid)", content_type=b"text/html"
    )
    assert read_message(RESPONSE + b"abc", is_response=True, before=b"x") == want


@pytest.mark.parametrize(("code", "length"), [(b"100", 0), (b"204", 0), (b"304", 0), (b"200", 5), (b"404", 5)])
def test_responses_that_have_no_body(code: bytes, length: int) -> None:
    head = b"HTTP/1.1 " + code + b" x\r\nContent-Length: 5\r\n\r\n"
    assert read_message(head, is_response=True).content_length == length


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (b"application/json", b"application/json"),
        (b" text/plain ;charset=x", b"text/plain"),
        (b"; charset=x", b""),
        (b"a" * 255, b"a" * 255),
        (b"a" * 256, b""),
    ],
)
def test_content_types(value: bytes, kind: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type:" + value + b"\r\n\r\n"
    assert read_message(head, is_response=True).content_type == kind


def test_every_cut_of_a_response() -> None:
    whole = read_message(RESPONSE, is_response=True)
    for cut in range(len(RESPONSE)):
        got = read_message(RESPONSE[:cut], is_response=True)
        assert got.status == (http.RESPONSE_CUT if cut >= 8 else http.NOT_HTTP)
        assert got.status_code in (0, 200)
        assert got.via in (b"", whole.via)
        assert got.content_type in (b"", whole.content_type)
        assert (got.head_bytes, got.content_length) == (0, http.NO_LENGTH)


@pytest.mark.parametrize("payload", [b"", b"HTTP/2 200\r\n", b"GET / HTTP/1.1\r\n\r\n", b"ICY 200 OK\r\n", b"\0" * 20])
def test_no_response(payload: bytes) -> None:
    assert read_message(payload, is_response=True).status == http.NOT_HTTP


def get(target: bytes) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n"


def post(target: bytes, body: bytes, field: bytes = b"") -> bytes:
    return b"POST " + target + b" HTTP/1.1\r\n" + (field or b"Content-Length: %d" % len(body)) + b"\r\n\r\n" + body


def chunked(target: bytes, body: bytes) -> bytes:
    return post(target, body, b"Transfer-Encoding: chunked")


@pytest.mark.parametrize(
    "between",
    [
        post(b"/x", b""),
        post(b"/x", b"abc"),
        post(b"/x", b"GET /no HTTP/1.1\r\n\r\n"),
        post(b"/x", b"abc") + b"\r\n",
        post(b"/x", b"abc") + b"\r\n\r\n",
        chunked(b"/x", b"0\r\n\r\n"),
        chunked(b"/x", b"3\r\nabc\r\n0\r\n\r\n"),
        chunked(b"/x", b"000A;ext=1\r\n0123456789\r\n1\nx\n0;last\r\nTrailer: GET / HTTP/1.1\r\n\r\n"),
    ],
)
def test_requests_in_a_row(between: bytes) -> None:
    payload = get(b"/1") + between + get(b"/2") + get(b"/3")
    assert requests(payload, before=b"GET") == ([b"/1", b"/x", b"/2", b"/3"], len(payload))


def test_where_the_next_request_would_be() -> None:
    whole = post(b"/x", b"abcdef")
    assert requests(whole) == ([b"/x"], len(whole))
    assert requests(whole[:-4]) == ([b"/x"], len(whole))
    assert requests(whole[:-7]) == ([b"/x"], -1)
    assert requests(b"CONNECT a:443 HTTP/1.1\r\n\r\n" + get(b"/x")) == ([b"a:443"], -1)
    body = b"3\r\nabc\r\n0\r\n\r\n"
    for cut in range(1, len(body)):
        assert requests(chunked(b"/x", body[:-cut])) == ([b"/x"], -1)


@pytest.mark.parametrize(
    "body",
    [b"x\r\n", b"-1\r\n", b"\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"123456789\r\n", b"3\r\nab", b"ffffffff\r\nx"],
)
def test_malformed_chunks_have_no_end(body: bytes) -> None:
    assert requests(chunked(b"/x", body) + get(b"/y")) == ([b"/x"], -1)


@pytest.mark.parametrize(
    ("name", "server_port", "upgrades"),
    [("tunnel/chisel-websocket.pcap", None, 1), ("proxy/https-connect.pcap", None, 0)],
)
def test_upgrades_in_captures(shared_data: Path, name: str, server_port: int | None, upgrades: int) -> None:
    asked = [read_message(payload).upgrade for _, _, payload in payloads(shared_data / "pcaps" / name)]
    answered = [
        read_message(payload, is_response=True).is_upgraded for _, _, payload in payloads(shared_data / "pcaps" / name)
    ]
    assert asked.count(http.UPGRADE_WEBSOCKET) == answered.count(http.UPGRADE_WEBSOCKET) == upgrades


def test_requests_through_a_proxy_in_a_capture(shared_data: Path) -> None:
    sent = list(payloads(shared_data / "pcaps/proxy/connect-with-header.pcap"))
    asked = [got for _, _, payload in sent if (got := read_message(payload)).status == http.REQUEST]
    assert [message.is_connect for message in asked] == [1]
    assert asked[0].head_bytes > 0
    answers = [read_message(payload, is_response=True) for _, _, payload in sent]
    assert [answer.status_code for answer in answers if answer.status == http.RESPONSE] == [200]


def test_bodies_in_a_capture(shared_data: Path) -> None:
    """Every head that one packet holds says where its body ends, and the payload does not go on behind it."""
    n_heads = 0
    for _, _, payload in payloads(shared_data / "pcaps/proxy/squid-3128-mixed.pcap"):
        for is_response in (False, True):
            got = read_message(payload, is_response=is_response)
            if got.status in (http.REQUEST, http.RESPONSE) and got.head_bytes and got.content_length >= 0:
                n_heads += 1
                assert len(payload) <= got.head_bytes + got.content_length
    assert n_heads > 0
