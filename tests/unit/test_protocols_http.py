"""HTTP/1.x heads: what is taken, whose host it is, and what is no HTTP."""

import pytest

from sensor.protocols import http
from tests.support.protocols import Head, parse_request

PLAIN = b"GET /a?b=c HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0 (X11)\r\nAccept: */*\r\n\r\n"


def test_plain_request() -> None:
    want = Head(http.REQUEST, b"GET", b"/a?b=c", b"www.example.com", b"Mozilla/5.0 (X11)")
    assert parse_request(PLAIN) == want
    assert parse_request(PLAIN + b"body", before=b"POST / HTTP/1.1\r\n") == want


@pytest.mark.parametrize(
    ("request_line", "host", "port"),
    [
        (b"GET http://a.example/x HTTP/1.1", b"a.example", 0),
        (b"GET HTTP://a.example:8080 HTTP/1.1", b"a.example", 8080),
        (b"GET https://user:pw@a.example:8443/x?y#z HTTP/1.0", b"a.example", 8443),
        (b"GET ftp://a.example?q HTTP/1.1", b"a.example", 0),
        (b"GET ws://[2001:db8::1]:81/ HTTP/1.1", b"2001:db8::1", 81),
        (b"GET wss://[2001:db8::1] HTTP/1.1", b"2001:db8::1", 0),
        (b"CONNECT a.example:443 HTTP/1.1", b"a.example", 443),
        (b"CONNECT 192.0.2.1:22 HTTP/1.0", b"192.0.2.1", 22),
        (b"CONNECT [2001:db8::1]:443 HTTP/1.1", b"2001:db8::1", 443),
        (b"CONNECT a.example HTTP/1.1", b"a.example", 0),
        (b"CONNECT a.example:25 / HTTP/1.0", b"a.example", 25),
    ],
)
def test_what_a_proxy_is_asked(request_line: bytes, host: bytes, port: int) -> None:
    head = parse_request(request_line + b"\r\nHost: other.example:1\r\n\r\n")
    assert (head.status, head.is_proxy, head.host, head.host_port) == (http.REQUEST, 1, host, port)


@pytest.mark.parametrize("target", [b"/", b"*", b"//a.example/x", b"/http://a.example/", b"gopher://a.example/", b"x"])
def test_what_an_origin_is_asked(target: bytes) -> None:
    head = parse_request(b"OPTIONS " + target + b" HTTP/1.1\r\nhOsT:\t o.example:81 \r\n\r\n")
    assert (head.status, head.is_proxy, head.uri) == (http.REQUEST, 0, target)
    assert (head.host, head.host_port) == (b"o.example", 81)


@pytest.mark.parametrize(
    ("value", "host", "port"),
    [
        (b"a.example:65535", b"a.example", 65535),
        (b"a.example:65536", b"a.example", 0),
        (b"a.example:", b"a.example", 0),
        (b"a.example:8x", b"a.example", 0),
        (b"[2001:db8::1]:80", b"2001:db8::1", 80),
        (b"[2001:db8::1", b"[2001:db8::1", 0),
        (b"2001:db8::1", b"2001:db8::1", 0),
        (b"x" * 255, b"x" * 255, 0),
        (b"x" * 256, b"", 0),
        (b"\x1b[2J\xff", b"\x1b[2J\xff", 0),
        (b"", b"", 0),
        (b":80", b"", 0),
        (b"99999999999999999999:99999999999999999999", b"99999999999999999999", 0),
    ],
)
def test_host_values(value: bytes, host: bytes, port: int) -> None:
    head = parse_request(b"GET / HTTP/1.1\r\nHost: " + value + b"\r\n\r\n")
    assert (head.status, head.host, head.host_port) == (http.REQUEST, host, port)


@pytest.mark.parametrize(
    ("lines", "host", "user_agent"),
    [
        (b"USER-AGENT: u\nhost: h\n\n", b"h", b"u"),  # lines without CR, other case
        (b"Host:\r\n h\r\nUser-Agent: u\r\n\tmore\r\n\r\n", b"h", b"u"),  # folded
        (b"Host: one\r\nHost: two\r\nUser-Agent: a\r\nUser-Agent: b\r\n\r\n", b"one", b"a"),
        (b"Host : h\r\nUser-Agent\t: u\r\n\r\n", b"h", b"u"),
        (b"Hosts: x\r\nX-Host: x\r\nUser-Agents: x\r\nHos: x\r\nUser_Agent: x\r\nUser-Agenx: x\r\n\r\n", b"", b""),
        (b"X: y\r\n Host: folded\r\n\r\n", b"", b""),
        (b"\r\nHost: body\r\n\r\n", b"", b""),
    ],
)
def test_fields(lines: bytes, host: bytes, user_agent: bytes) -> None:
    head = parse_request(b"GET / HTTP/1.1\r\n" + lines)
    assert (head.status, head.host, head.user_agent) == (http.REQUEST, host, user_agent)


def test_every_cut_of_a_request() -> None:
    whole = parse_request(PLAIN)
    for cut in range(1, len(PLAIN)):
        head = parse_request(PLAIN[:cut])
        assert head.status == http.REQUEST_CUT
        assert head.method in (b"", whole.method)
        assert whole.uri.startswith(head.uri)
        assert head.host in (b"", whole.host)
        assert head.user_agent in (b"", whole.user_agent)
    assert parse_request(PLAIN[: PLAIN.index(b"User")]).host == b"www.example.com"


def test_long_uri_through_a_proxy_has_its_host_before_the_line_ends() -> None:
    start = b"GET http://a.example:81/" + b"x" * 1400
    assert parse_request(start) == Head(
        http.REQUEST_CUT, b"GET", start[4:], b"a.example", b"", host_port=81, is_proxy=1
    )
    assert parse_request(b"GET http://a.exam").host == b""
    assert parse_request(b"CONNECT a.exam") == Head(http.REQUEST_CUT, b"CONNECT", b"a.exam")


def test_methods_that_nobody_knows_need_a_whole_line() -> None:
    assert parse_request(b"FROBNICATE / HTTP/1.1\r\n").method == b"FROBNICATE"
    assert parse_request(b"FROBNICATE / HTTP/1.").status == http.NOT_HTTP
    assert parse_request(b"CHANGED a:1 HTTP/1.1\r\n\r\n").is_proxy == 0  # seven letters, but not CONNECT
    assert parse_request(b"A" * 24 + b" / HTTP/1.1\r\n").status == http.REQUEST_CUT
    assert parse_request(b"A" * 25 + b" / HTTP/1.1\r\n").status == http.NOT_HTTP


def test_uri_with_spaces_is_whole() -> None:
    assert parse_request(b"GET /Hello Arkime HTTP/1.1\r\n\r\n").uri == b"/Hello Arkime"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x16\3\1\0\x40\1",
        b"get / HTTP/1.1\r\n",
        b"GET\r\n",
        b"GET / HTTP/2.0\r\n",
        b"GET / HTTP/1.x\r\n",
        b"GET HTTP/1.1\r\n",
        b"GET  HTTP/1.1\r\n",
        b"OPTIONS sip:a@b SIP/2.0\r\n",
        b"OPTIONS rtsp://a/ RTSP/1.0\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"EHLO mail.example\r\n",
        b"EHLO mail",
        b"GETX",
        b"GET /\0 HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"HTTP/2 200\r\n",
        b"HTTP",
        b"HTTP/1.",
    ],
)
def test_no_http(payload: bytes) -> None:
    assert parse_request(payload).status == http.NOT_HTTP


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"HTTP/1.1 200 OK\r\n", 200),
        (b"HTTP/1.0 404", 404),
        (b"HTTP/1.1 40", 0),
        (b"HTTP/1.1", 0),
        (b"HTTP/1.1 2x0 OK\r\n", 0),
        (b"HTTP/1.1\t200 OK\r\n", 0),
    ],
)
def test_responses(payload: bytes, code: int) -> None:
    assert parse_request(payload) == Head(http.RESPONSE, status_code=code)


def test_head_is_followed_for_eight_kibibytes() -> None:
    filler = b"X: " + b"y" * 1000 + b"\r\n"
    early = b"GET / HTTP/1.1\r\n" + filler * 7 + b"Host: h\r\n" + filler * 5 + b"\r\n"
    late = b"GET / HTTP/1.1\r\n" + filler * 9 + b"Host: h\r\n\r\n"
    assert (parse_request(early).status, parse_request(early).host) == (http.REQUEST, b"h")
    assert (parse_request(late).status, parse_request(late).host) == (http.REQUEST, b"")
    assert parse_request(b"GET /" + b"x" * 9000).status == http.REQUEST
    assert parse_request(b"GET /" + b"x" * 8000).status == http.REQUEST_CUT
