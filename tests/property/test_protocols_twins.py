"""The HTTP and DNS kernels against slow, obvious twins; cut hellos against the whole one."""

import ipaddress
import re
import struct

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from sensor.protocols import dns, http, tls
from tests.support.protocols import (
    Head,
    Message,
    client_hello,
    extension,
    find_sni,
    frames_of,
    parse_message,
    parse_request,
    records,
    server_name,
)

# --- HTTP ---

WEB_URI = re.compile(rb"(?:https?|ftp|wss?)://([^/?# ]*)", re.IGNORECASE)
REQUEST_LINE = re.compile(rb"([A-Z][A-Z_-]{0,23}) ([^\x00-\x08]*?) +HTTP/1\.\d[\r ]*")


def split_host(authority: bytes) -> tuple[bytes, int]:
    authority = authority.rpartition(b"@")[2]
    bracketed = re.fullmatch(rb"\[([^]]*)\](.*)", authority, re.DOTALL)
    if bracketed:
        host, rest = bracketed.groups()
    elif authority.count(b":") == 1 and not authority.startswith(b"["):
        host, colon, rest = authority.partition(b":")
        rest = colon + rest
    else:
        host, rest = authority, b""
    number = re.fullmatch(rb":(\d+)", rest)
    port = int(number[1]) if number else 0
    return (host, port if port <= 65535 else 0) if 0 < len(host) <= 255 else (b"", 0)


def first_values(lines: list[bytes]) -> dict[bytes, bytes]:
    """The first value of each field, of a folded one the first line that has any."""
    values: dict[bytes, bytes] = {}
    name = None
    for line in lines:
        value = line
        if line[:1] not in (b" ", b"\t"):
            name, colon, value = line.partition(b":")
            name = name.rstrip(b" \t").lower() if colon else None
        value = value.strip(b" \t")
        if name is not None and value:
            values.setdefault(name, value)
            name = None
    return values


def http_twin(payload: bytes) -> Head | None:
    """A whole request; None when the line is not whole or is no request."""
    line, newline, rest = payload.partition(b"\n")
    match = REQUEST_LINE.fullmatch(line)
    if not newline or not match:
        return None
    method, uri = match[1], match[2].rstrip(b" ")
    if not uri:
        return None
    whole = [one.removesuffix(b"\r") for one in rest.split(b"\n")[:-1]]
    is_whole = b"" in whole
    values = first_values(whole[: whole.index(b"")] if is_whole else whole)
    head = Head(http.REQUEST if is_whole else http.REQUEST_CUT, method, uri, user_agent=values.get(b"user-agent", b""))
    web = WEB_URI.match(uri)
    if method == b"CONNECT" or web:
        authority = re.split(rb"[/?# ]", uri)[0] if method == b"CONNECT" else web[1] if web else b""
        head.is_proxy = 1
        head.host, head.host_port = split_host(authority)
    if not head.host:
        head.host, head.host_port = split_host(values.get(b"host", b""))
    return head


HOSTS = st.sampled_from(
    [b"a.example", b"A:80", b"[::1]:8", b"[::1", b"u:p@h:70000", b"::1", b":1", b"", b"h:1x", b"[x]y", b"a b", b"\xff"]
)
TARGETS = st.one_of(
    st.builds(lambda scheme, host, tail: scheme + host + tail,
              st.sampled_from([b"http://", b"HTTPS://", b"ftp://", b"ws://", b"gopher://", b"http:/", b""]),
              HOSTS, st.sampled_from([b"", b"/", b"?q", b"#f", b"/a b"])),
    st.sampled_from([b"/", b"*", b"/x y", b" ", b""]),
)  # fmt: skip
LINES = st.one_of(
    st.builds(lambda name, gap, value: name + gap + value,
              st.sampled_from([b"Host", b"hOST", b"User-Agent", b"USER-agent", b"Hos", b"Hostt", b"Accept",
                               b"user_agent", b" ", b"\t"]),
              st.sampled_from([b": ", b":", b" : ", b" ", b":\t"]), HOSTS),
    st.sampled_from([b"", b" ", b"x", b"Host:", b"User-Agent: "]),
)  # fmt: skip


@given(
    st.sampled_from([b"GET", b"CONNECT", b"POST", b"CHANGED", b"X", b"M-SEARCH", b"get", b"A" * 24, b"A" * 25]),
    TARGETS,
    st.sampled_from([b" HTTP/1.1", b"  HTTP/1.0 ", b" HTTP/1.x", b" HTTP/2.0", b""]),
    st.lists(LINES, max_size=6),
    st.sampled_from([b"\r\n", b"\n"]),
    st.booleans(),
)
def test_http_equals_its_twin(
    method: bytes, target: bytes, version: bytes, lines: list[bytes], newline: bytes, has_end: bool
) -> None:
    payload = newline.join([method + b" " + target + version, *lines, *([b"", b""] if has_end else [])])
    want = http_twin(payload)
    if want is None:
        assert parse_request(payload).status in (http.NOT_HTTP, http.REQUEST_CUT)
        assert b"\n" not in payload or parse_request(payload).status == http.NOT_HTTP
    else:
        assert parse_request(payload) == want


@given(TARGETS, st.lists(LINES, max_size=5), st.data())
def test_a_cut_request_has_no_wrong_host(target: bytes, lines: list[bytes], data: st.DataObject) -> None:
    method = data.draw(st.sampled_from([b"GET", b"CONNECT"]))
    payload = b"\r\n".join([method + b" " + target + b" HTTP/1.1", *lines, b"", b""])
    whole = parse_request(payload)
    assume(whole.status == http.REQUEST)
    cut = parse_request(payload[: data.draw(st.integers(1, len(payload)))])
    assert (cut.host, cut.host_port) in ((b"", 0), (whole.host, whole.host_port))
    assert cut.user_agent in (b"", whole.user_agent)
    assert cut.is_proxy <= whole.is_proxy


# --- DNS ---


class MalformedError(Exception):
    pass


class ShortError(Exception):
    pass


def need(payload: bytes, end: int) -> None:
    if end > len(payload):
        raise ShortError


def twin_name(payload: bytes, at: int, end: int) -> tuple[str, int]:
    """(text, position behind the name in the record)."""
    labels: list[bytes] = []
    behind = None
    floor = at
    while True:
        need(payload[:end], at + 1)
        length = payload[at]
        if length == 0:
            break
        if length >= 0xC0:
            need(payload[:end], at + 2)
            target = (length & 0x3F) << 8 | payload[at + 1]
            behind = behind or at + 2
            if not 12 <= target < floor:
                raise MalformedError
            at = floor = target
            continue
        if length >= 0x40 or sum(len(label) + 1 for label in labels) + length + 2 > 255:
            raise MalformedError
        need(payload[:end], at + 1 + length)
        labels.append(payload[at + 1 : at + 1 + length])
        at += 1 + length
    text = ".".join(
        "".join(
            chr(byte).lower() if 0x20 < byte < 0x7F and chr(byte) not in ".,\\" else f"\\{byte:03}" for byte in label
        )
        for label in labels
    )
    return text or ".", behind or at + 1


def twin_skip(payload: bytes, at: int) -> int:
    """The position behind a name, not looking where pointers lead."""
    start = at
    while True:
        need(payload, at + 1)
        length = payload[at]
        if length == 0:
            return at + 1
        if length >= 0xC0:
            need(payload, at + 2)
            return at + 2
        if length >= 0x40 or at + 1 + length - start >= 255:
            raise MalformedError
        at += 1 + length


NAME_OFFSETS = {2: 0, 5: 0, 6: 0, 12: 0, 15: 2, 33: 6, 39: 0}


def twin_answer(payload: bytes, kind: int, rclass: int, data: int, end: int) -> str | None:
    raw = payload[data:end]
    if kind == 1 and len(raw) == 4 and rclass & 0x7FFF == 1:
        return str(ipaddress.IPv4Address(raw))
    if kind == 28 and len(raw) == 16 and rclass & 0x7FFF == 1:
        address = ipaddress.IPv6Address(raw)
        return str(address.ipv4_mapped or address)
    if kind in NAME_OFFSETS:
        try:
            return twin_name(payload, data + NAME_OFFSETS[kind], end)[0]
        except (MalformedError, ShortError):
            return None
    return f"TXT {len(raw)}" if kind == 16 else f"TYPE{kind} {len(raw)}"


def twin_answers(payload: bytes, at: int, count: int, message: Message) -> None:
    for _ in range(count):
        try:
            at = twin_skip(payload, at)
        except MalformedError:
            return
        need(payload, at + 10)
        kind, rclass, ttl, length = struct.unpack_from(">HHIH", payload, at)
        need(payload, at + 10 + length)
        ttl = 0 if ttl >= 2**31 else ttl
        message.min_ttl_s = ttl if message.min_ttl_s < 0 else min(ttl, message.min_ttl_s)
        answer = twin_answer(payload, kind, rclass, at + 10, at + 10 + length)
        message.answers += () if answer is None else (answer,)
        message.n_answers += 1
        at += 10 + length


def dns_twin(payload: bytes) -> Message:
    """A message with one question."""
    txid, flags, _, n_answers, _, _ = struct.unpack_from(">6H", payload)
    message = Message(dns.CUT, txid=txid, rcode=flags & 15, is_response=flags >> 15)
    try:
        name, at = twin_name(payload, 12, len(payload))
        need(payload, at + 4)
        qtype, qclass = struct.unpack_from(">HH", payload, at)
        if qtype == 0 or qclass & 0x7FFF not in (1, 3, 4, 254, 255):
            return Message(dns.NOT_DNS)
        message.qname, message.qtype = name, qtype
        twin_answers(payload, at + 4, n_answers, message)
    except MalformedError:
        return Message(dns.NOT_DNS)
    except ShortError:
        return message
    message.status = dns.RESPONSE if message.is_response else dns.QUERY
    return message


LABELS = st.one_of(
    st.sampled_from([b"www", b"Ex", b"a.b", b"\\", b" ,", b"\0\xff", b"x" * 63]), st.binary(min_size=1, max_size=9)
)
NAME_ENDS = st.one_of(
    st.just(b"\0"),
    st.sampled_from([b"\xc0\x0c", b"\xc0\x10", b"\xc0\x1d", b"\xc0\x40", b"\xc1\0", b"\x40", b"\xc0\x02"]),
)


@st.composite
def wire_names(draw: st.DrawFn) -> bytes:
    labels = draw(st.lists(LABELS, max_size=5))
    return b"".join(bytes([len(label)]) + label for label in labels) + draw(NAME_ENDS)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from([1, 28, 5, 2, 12, 15, 33, 39, 6, 16, 65, 999]))
    prefix = bytes(NAME_OFFSETS.get(kind, 0))
    data = draw(
        st.one_of(
            st.builds(lambda name: prefix + name, wire_names()),
            st.binary(min_size=4, max_size=4),
            st.binary(min_size=16, max_size=16),
            st.binary(max_size=40),
        )
    )
    ttl = draw(st.sampled_from([0, 1, 300, 2**31, 2**32 - 1]))
    length = draw(st.sampled_from([len(data)] * 9 + [len(data) + 1]))
    return (
        draw(wire_names()) + struct.pack(">HHIH", kind, draw(st.sampled_from([1, 1, 1, 3, 0x8001])), ttl, length) + data
    )


@given(
    wire_names(),
    st.sampled_from([1, 28, 0]),
    st.sampled_from([1, 255, 0x8001, 7]),
    st.sampled_from([0x8180, 0x8183, 0x0100]),
    st.lists(answers(), max_size=4),
    st.integers(-1, 1),
    st.data(),
)
def test_dns_equals_its_twin(
    name: bytes, qtype: int, qclass: int, flags: int, records_: list[bytes], more: int, data: st.DataObject
) -> None:
    n_answers = max(len(records_) + more, 0)
    payload = struct.pack(">6H", 7, flags, 1, n_answers, 0, 0) + name + struct.pack(">HH", qtype, qclass)
    payload += b"".join(records_)
    payload = payload[: data.draw(st.one_of(st.just(len(payload)), st.integers(12, len(payload))))]
    got = parse_message(payload)
    want = dns_twin(payload)
    v4_or_v6 = [answer for answer in want.answers if re.fullmatch(r"[\d.]+|[0-9a-f:]*:[0-9a-f:.]*", answer)]
    assert {format_address(value) for value in got.addresses} <= set(v4_or_v6)
    got.addresses = ()
    assert got == want


def format_address(value: int) -> str:
    address = ipaddress.IPv6Address(value)
    return str(address.ipv4_mapped or address)


# --- TLS ---

EXTENSIONS = st.lists(st.builds(extension, st.integers(1, 0xFFFF), st.binary(max_size=60)), max_size=6).map(b"".join)


@given(EXTENSIONS, EXTENSIONS, st.binary(min_size=1, max_size=255), st.binary(max_size=32), st.data())
def test_a_cut_hello_has_the_name_or_waits(
    before: bytes, after: bytes, name: bytes, session_id: bytes, data: st.DataObject
) -> None:
    hello = records(
        client_hello(before + server_name(name) + after, session_id, ciphers=bytes(2 * len(session_id) + 2))
    )
    assert find_sni(hello) == (tls.HELLO_SNI, name)
    name_end = len(hello) - len(after)
    cut = data.draw(st.one_of(st.integers(1, len(hello)), st.integers(name_end - len(name) - 9, name_end + 1)))
    want = (tls.HELLO_SNI, name) if cut >= name_end else (tls.HELLO_CUT, b"")
    assert find_sni(hello[: min(cut, len(hello))]) == want


@given(EXTENSIONS, st.binary(min_size=1, max_size=60), st.lists(st.integers(1, 200), max_size=6))
def test_joining_undoes_splitting(before: bytes, name: bytes, sizes: list[int]) -> None:
    message = client_hello(before + server_name(name))
    while sum(sizes) >= len(message):
        sizes = sizes[:-1]
    split = records(message, *sizes)
    out = np.zeros(len(message) + 5, np.uint8)
    assert tls.join_records(frames_of(split), 0, len(split), out) == len(out)
    assert bytes(out[5:]) == message
    assert find_sni(bytes(out)) == (tls.HELLO_SNI, name)
    assert find_sni(split)[0] == (tls.HELLO_SPLIT if sizes else tls.HELLO_SNI) or find_sni(split)[1] == name
