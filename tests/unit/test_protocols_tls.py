"""The name in a ClientHello: where it is, where it is not, and what hides it."""

import struct

import numba
import numpy as np
import pytest

from sensor.protocols import tls
from tests.support.protocols import client_hello, extension, find_sni, frames_of, records, server_name

NAME = b"www.example.co.jp"
GREASE = extension(0x0A0A, b"")
PADDING = extension(21, bytes(200))
ALPN = extension(16, b"\0\3\2h2")


@pytest.mark.parametrize("session_id", [b"", bytes(32)])
@pytest.mark.parametrize("around", [(b"", b""), (GREASE + ALPN, PADDING)])
def test_name_among_extensions(session_id: bytes, around: tuple[bytes, bytes]) -> None:
    hello = records(client_hello(around[0] + server_name(NAME) + around[1], session_id))
    assert find_sni(hello) == (tls.HELLO_SNI, NAME)
    assert find_sni(hello, before=b"\x16\3\1\0\x20\1") == (tls.HELLO_SNI, NAME)


def test_every_cut_waits_for_more_or_has_the_name() -> None:
    hello = records(client_hello(ALPN + server_name(NAME) + PADDING))
    name_end = hello.index(NAME) + len(NAME)
    for cut in range(1, len(hello) + 1):
        want = (tls.HELLO_SNI, NAME) if cut >= name_end else (tls.HELLO_CUT, b"")
        assert find_sni(hello[:cut]) == want


@pytest.mark.parametrize("extensions", [None, b"", ALPN, GREASE + PADDING])
def test_hello_without_name(extensions: bytes | None) -> None:
    assert find_sni(records(client_hello(extensions))) == (tls.HELLO_NO_SNI, b"")


def test_cut_hello_without_name_is_cut_until_its_last_extension_is_known() -> None:
    hello = records(client_hello(ALPN))
    known = len(hello) - len(ALPN) + 4  # its type and length
    for cut in range(1, len(hello) + 1):
        assert find_sni(hello[:cut])[0] == (tls.HELLO_CUT if cut < known else tls.HELLO_NO_SNI)


@pytest.mark.parametrize("length", [1, 255])
def test_name_lengths_that_are_taken(length: int) -> None:
    assert find_sni(records(client_hello(server_name(b"x" * length)))) == (tls.HELLO_SNI, b"x" * length)


def test_name_of_any_bytes_is_taken_as_it_is() -> None:
    name = b"\x1b[31m\0\xff\xe2\x80\xae"
    assert find_sni(records(client_hello(server_name(name)))) == (tls.HELLO_SNI, name)


@pytest.mark.parametrize(
    "bad",
    [
        server_name(b""),
        server_name(b"x" * 256),
        extension(0, b""),  # as servers send it
        extension(0, b"\0\5\0\0\x0aab"),  # the name longer than the extension
        extension(0, b"\0\6\1\0\3abc"),  # another name type
    ],
)
def test_malformed_name_is_no_name(bad: bytes) -> None:
    assert find_sni(records(client_hello(bad + PADDING))) == (tls.HELLO_NO_SNI, b"")


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        (b"", tls.NOT_TLS),
        (b"GET / HTTP/1.1\r\n", tls.NOT_TLS),
        (b"\x16\3\1\0\0\1", tls.NOT_TLS),  # an empty record
        (b"\x16\3\1\xff\xff\1", tls.NOT_TLS),  # longer than a record may be
        (b"\x16\3\5\0\x40\1", tls.NOT_TLS),
        (b"\x16\2\1\0\x40\1", tls.NOT_TLS),
        (b"\x19\3\3\0\x40\1", tls.NOT_TLS),
        (b"\x16\3\3\0\x40\2\0\0\x3c\3\3", tls.OTHER_TLS),  # ServerHello
        (b"\x16\3\3\0\x40\1\0\0\x3c\x77\3", tls.OTHER_TLS),  # encrypted: 1 by chance
        (b"\x17\3\3\0\x40" + bytes(64), tls.OTHER_TLS),
        (b"\x15\3\1\0\2\2\x28", tls.OTHER_TLS),
        (b"\x14\3\1\0\1\1", tls.OTHER_TLS),
        (b"\x17\3\3\0", tls.NOT_TLS),  # too little to tell
        (b"\x16", tls.HELLO_CUT),
        (b"\x16\3\3\0\x40", tls.HELLO_CUT),
    ],
)
def test_other_beginnings(payload: bytes, status: int) -> None:
    assert find_sni(payload) == (status, b"")


def sslv2(ciphers: int, session: int, challenge: int, version: bytes = b"\3\1", extra: int = 0) -> bytes:
    body = b"\1" + version + struct.pack(">HHH", ciphers, session, challenge)
    body += bytes(ciphers + session + challenge)
    return struct.pack(">H", 0x8000 | len(body) + extra) + body


def test_sslv2_compatible_hello() -> None:
    assert find_sni(sslv2(9, 0, 16)) == (tls.HELLO_NO_SNI, b"")
    assert find_sni(sslv2(9, 0, 16)[:11]) == (tls.HELLO_NO_SNI, b"")
    assert find_sni(sslv2(9, 16, 32, b"\0\2")) == (tls.HELLO_NO_SNI, b"")


@pytest.mark.parametrize(
    "payload",
    [
        sslv2(8, 0, 16),
        sslv2(9, 3, 16),
        sslv2(9, 0, 15),
        sslv2(9, 0, 16, b"\3\7"),
        sslv2(9, 0, 16, extra=1),
        sslv2(0, 0, 16),
    ],
)
def test_not_an_sslv2_hello(payload: bytes) -> None:
    assert find_sni(payload) == (tls.NOT_TLS, b"")


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 40, 75, 90])
def test_hello_split_over_records_is_joined(size: int) -> None:
    message = client_hello(ALPN + server_name(NAME) + PADDING)
    split = records(message, size)
    assert find_sni(split) == (tls.HELLO_SPLIT, b"")
    out = np.zeros(4096, np.uint8)
    length = tls.join_records(frames_of(b"\x16" + split), 1, len(split) + 1, out)
    assert bytes(out[5:length]) == message
    assert find_sni(bytes(out[:length])) == (tls.HELLO_SNI, NAME)


def test_name_in_the_first_of_two_records_needs_no_joining() -> None:
    message = client_hello(server_name(NAME) + PADDING)
    assert find_sni(records(message, len(message) - 100)) == (tls.HELLO_SNI, NAME)


def test_every_record_of_one_byte() -> None:
    message = client_hello(server_name(NAME))
    split = records(message, *[1] * (len(message) - 1))
    out = np.zeros(len(message) + 5, np.uint8)
    assert tls.join_records(frames_of(split), 0, len(split), out) == len(message) + 5
    assert find_sni(bytes(out)) == (tls.HELLO_SNI, NAME)


def test_cut_and_small_joins_wait_for_more() -> None:
    message = client_hello(PADDING + server_name(NAME))
    split = records(message, 80, 80)
    for cut in range(1, split.index(NAME) + len(NAME)):
        out = np.zeros(4096, np.uint8)
        length = tls.join_records(frames_of(split), 0, cut, out)
        assert find_sni(bytes(out[:length]))[0] == (tls.HELLO_CUT if length else tls.NOT_TLS)
    small = np.zeros(100, np.uint8)
    assert tls.join_records(frames_of(split), 0, len(split), small) == 100
    assert find_sni(bytes(small)) == (tls.HELLO_CUT, b"")


def test_first_record_ends_where_the_payload_ends() -> None:
    split = records(client_hello(server_name(NAME)), 60)
    assert find_sni(split[: 5 + 60]) == (tls.HELLO_CUT, b"")


def test_another_record_inside_the_hello_ends_it() -> None:
    split = records(client_hello(server_name(NAME)), 60)
    broken = split[:65] + b"\x15" + split[66:]
    assert find_sni(broken) == (tls.HELLO_NO_SNI, b"")


@pytest.mark.parametrize(("pos", "end"), [(-1, 10), (5, 5), (6, 5), (0, 1000), (1000, 1001)])
def test_spans_outside_the_bytes(pos: int, end: int) -> None:
    hello = frames_of(records(client_hello(server_name(NAME))))
    assert tls.find_sni(hello, pos, end) == (tls.NOT_TLS, 0, 0)


def test_writable_arrays_are_taken_as_well() -> None:
    hello = frames_of(records(client_hello(server_name(NAME)))).copy()
    assert hello.flags.writeable
    assert tls.find_sni(hello, 0, len(hello))[0] == tls.HELLO_SNI
    if numba.config.DISABLE_JIT == 0:
        assert len(tls.find_sni.signatures) == 1  # and without another compile
