"""HTTP messages, SOCKS and SSH: any bytes are survived, slow twins agree, more bytes change nothing."""

import re
import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sensor.protocols import http, socks, ssh
from sensor.protocols.app_tcp import rdp_cookie
from sensor.protocols.app_tor import is_tor_like_name
from tests.support.damage import damaged
from tests.support.payloads import (
    find_kexinit,
    hassh_text,
    parse_banner,
    parse_socks,
    read_message,
    requests,
    socks_granted,
)
from tests.support.protocols import frames_of

SEEDS = (
    b"POST http://a/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nVia: 1.1 x\r\n\r\n"
    b"3;x\r\nabc\r\n0\r\nT: y\r\n\r\nGET / HTTP/1.0\r\n\r\n",
    b'GET / HTTP/1.1\r\nForwarded: by=x;for="[::1]:8"\r\nUpgrade: h2c, websocket\r\nContent-Length: 7\r\n\r\n1234567',
    b"HTTP/1.1 101 x\r\nContent-Type: a/b; c=d\r\nUpgrade: websocket\r\nX-Forwarded-For: a:1, b\r\n\r\n",
    b"\5\1\2\1\3bob\2pw\5\1\0\3\x09a.example\1\xbb",
    b"\5\1\0\5\1\0\4" + bytes(18),
    b"\4\1\1\xbb\0\0\0\1me\0a.example\0",
    b"\5\2\1\0\5\0\0\1" + bytes(6),
    b"hello\r\nSSH-2.0-x\r\n",
    b"SSH-2.0-x\r\n\0\0\0\x54\6\x14" + bytes(16) + b"\0\0\0\1k" * 8 + bytes(24),
    b"\3\0\0\x27\x22\xe0" + bytes(5) + b"Cookie: mstshash=bob\r\n\1\0\x08\0\3\0\0\0",
    b"www.abcdefg2.com",
)


TELLING = (0, 1, 5, 0x0A, 0x20, 0x22, 0x2C, 0x3A, 0x7F, 0xFF)
PAYLOADS = st.one_of(st.binary(max_size=200), damaged(st.sampled_from(SEEDS), TELLING))


@given(PAYLOADS, st.binary(max_size=20))
def test_any_bytes(payload: bytes, before: bytes) -> None:
    for is_response in (False, True):
        here = read_message(payload, is_response=is_response)
        assert read_message(payload, is_response=is_response, before=before) == here
    assert requests(payload, before) == requests(payload)
    assert parse_banner(payload, before) == parse_banner(payload)
    assert find_kexinit(payload, before) == find_kexinit(payload)
    here_socks, there_socks = parse_socks(payload), parse_socks(payload, before)
    assert here_socks == there_socks
    assert socks_granted(payload) in (socks.NOT_SOCKS, socks.CHOSEN, socks.GRANTED, socks.REFUSED)
    frames = before + payload
    offset, length = rdp_cookie(frames_of(frames), len(before), len(frames))
    assert length == 0 or len(before) < offset < offset + length < len(frames)
    assert is_tor_like_name(frames_of(payload), 0, len(payload)) in (0, 1, 2)


@given(PAYLOADS, st.integers(0, 60), st.booleans())
def test_hassh_text_stays_in_its_room(payload: bytes, room: int, is_server: bool) -> None:
    assert hassh_text(payload, is_server=is_server, room=room) in (b"", hassh_text(payload, is_server=is_server))


@given(PAYLOADS, st.data())
def test_more_bytes_change_nothing(payload: bytes, data: st.DataObject) -> None:
    cut = payload[: data.draw(st.integers(0, len(payload)))]
    for is_response in (False, True):
        whole, part = (read_message(one, is_response=is_response) for one in (payload, cut))
        if part.status in (http.NOT_HTTP, http.RESPONSE) or whole.status == http.NOT_HTTP:
            continue
        assert part.head_bytes in (0, whole.head_bytes)
        assert part.content_length == (whole.content_length if part.head_bytes else http.NO_LENGTH)
        assert part.upgrade in (0, whole.upgrade)
        assert part.forwarded_for in (b"", whole.forwarded_for)
        assert part.via in (b"", whole.via)
        assert part.content_type in (b"", whole.content_type)
    status, lists = find_kexinit(cut)
    if status != ssh.NOT_KEXINIT and find_kexinit(payload)[0] != ssh.NOT_KEXINIT:
        assert all(one in (None, same) for one, same in zip(lists, find_kexinit(payload)[1], strict=True))
    asked = parse_socks(cut)
    if asked.status == socks.REQUEST:
        assert parse_socks(payload) == asked


# --- twins ---

NAMES = (
    *("Content-Length", "transfer-encoding", "UPGRADE", "Via", "X-Forwarded-For", "Forwarded", "Content-Type"),
    *("Proxy-Authorization", "Forwardeds", "X-Via", "Content-Length "),
)
VALUES = (
    *("5", "0", "7, 7", "x", "12a", "chunked", "gzip, chunked", "chunked, gzip", "websocket", "h2c/1", "x,h2c"),
    *("1.1 p", "a:1, b", "[::1]:9", "for=a", 'for="[::2]:1";by=c', "by=c;FOR=d:1 , for=e", "a/b ; c", " ", ""),
)


def host_of(text: str) -> str:
    bracketed = re.match(r"\[([^]]*)\]", text)
    if bracketed:
        return bracketed[1]
    return text.split(":", maxsplit=1)[0] if text.count(":") == 1 else text


def fields_twin(lines: list[tuple[str, str]]) -> dict[str, object]:
    named: dict[str, list[str]] = {}
    for name, value in lines:
        if value.strip():
            named.setdefault(name.strip().lower(), []).append(value.strip())

    def first(name: str) -> str:
        return named.get(name, [""])[0]

    length = re.match(r"(\d+)(?:$|[ ,])", first("content-length"))
    want = int(length[1]) if length else http.NO_LENGTH
    if "transfer-encoding" in named:
        last = re.split(r"[ ,]+", named["transfer-encoding"][-1])[-1]
        want = http.CHUNKED if last == "chunked" else http.NO_LENGTH
    upgrades = [
        {"websocket": 1, "h2c": 2}.get(token.strip().split("/")[0].strip(), 0)
        for value in named.get("upgrade", [])
        for token in value.split(",")
    ]
    forwarded = ""
    for value in named.get("forwarded", []):
        match = re.match(r'(?:.*[;, ])?for=(?:"([^"]*)"|([^;,]*))', value.split(",")[0], re.IGNORECASE)
        if match and not forwarded:
            forwarded = host_of((match[1] or match[2] or "").strip())
    clients = [host_of(value.split(",")[0].strip()) for value in named.get("x-forwarded-for", [])]
    return {
        "content_length": want,
        "upgrade": next((upgrade for upgrade in upgrades if upgrade), 0),
        "forwarded_for": (next((client for client in clients if client), "") or forwarded).encode(),
        "via": first("via").encode(),
        "content_type": next(
            (kind for value in named.get("content-type", []) if (kind := value.split(";")[0].strip())), ""
        ).encode(),
        "has_proxy_auth": int("proxy-authorization" in named),
    }


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=6), st.sampled_from(["\r\n", "\n"])
)
def test_fields_equal_their_twin(lines: list[tuple[str, str]], newline: str) -> None:
    text = newline.join(["GET / HTTP/1.1", *(f"{name}: {value}" for name, value in lines), "", ""])
    got = read_message(text.encode())
    want = fields_twin(lines)
    assert {name: getattr(got, name) for name in want} == want
    assert got.head_bytes == len(text)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), st.booleans(), st.integers(0, 3), st.data())
def test_chunks_are_stepped_over(chunks: list[bytes], has_trailer: bool, n_zeros: int, data: st.DataObject) -> None:
    body = b"".join(b"0" * n_zeros + b"%X\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    body += b"0\r\n" + (b"A: b\r\n" if has_trailer else b"") + b"\r\n"
    head = b"POST /1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    follower = b"GET /2 HTTP/1.1\r\n\r\n"
    assert requests(head + body + follower) == ([b"/1", b"/2"], len(head + body + follower))
    cut = data.draw(st.integers(0, len(body) - 1))
    assert requests(head + body[:cut]) == ([b"/1"], -1)


@given(
    st.binary(min_size=1, max_size=255),
    st.binary(max_size=255),
    st.binary(min_size=1, max_size=255),
    st.integers(0, 65535),
)
def test_socks_requests_come_back(user: bytes, password: bytes, host: bytes, port: int) -> None:
    auth = b"\5\1\2\1" + bytes([len(user)]) + user + bytes([len(password)]) + password
    request = b"\5\1\0\3" + bytes([len(host)]) + host + struct.pack(">H", port)
    got = parse_socks(auth + request)
    assert (got.status, got.host, got.port, got.end) == (socks.REQUEST, host, port, len(auth + request))
    assert parse_socks(auth).status == socks.GREETING


@given(st.lists(st.binary(max_size=30), min_size=10, max_size=10), st.booleans())
def test_hassh_text_equals_its_twin(lists: list[bytes], is_server: bool) -> None:
    payload = b"\x14" + bytes(16) + b"".join(struct.pack(">I", len(one)) + one for one in lists) + bytes(5)
    padding = 4 + (8 - (9 + len(payload)) % 8) % 8
    message = struct.pack(">IB", 1 + len(payload) + padding, padding) + payload + bytes(padding)
    assert find_kexinit(message) == (ssh.KEXINIT, lists[:8])
    side = int(is_server)
    want = b";".join([lists[0], lists[2 + side], lists[4 + side], lists[6 + side]])
    assert hassh_text(message, is_server=is_server) == want


def test_arrays_too_small_are_refused() -> None:
    payload = frames_of(b"\5\1\0\3\1a\0\1")
    spans = np.zeros(http.N_SPANS - 1, np.int32)
    assert http.parse_request(frames_of(SEEDS[0]), 0, len(SEEDS[0]), spans) == http.NOT_HTTP
    assert http.parse_response(frames_of(SEEDS[2]), 0, len(SEEDS[2]), spans) == http.NOT_HTTP
    assert http.next_request(frames_of(SEEDS[0]), 0, len(SEEDS[0]), spans) == -1
    assert socks.parse_socks(payload, 0, len(payload), spans[:5], np.zeros(2, np.uint64)) == socks.NOT_SOCKS
    assert socks.parse_socks(payload, 0, len(payload), spans, np.zeros(1, np.uint64)) == socks.NOT_SOCKS
    assert ssh.find_kexinit(frames_of(SEEDS[8]), 0, len(SEEDS[8]), spans[:15]) == ssh.NOT_KEXINIT
