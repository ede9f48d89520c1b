"""DNS messages: names, answers, addresses, and what is no DNS."""

import struct

import numpy as np
import pytest

from sensor.protocols import dns
from tests.support.protocols import Message, frames_of, parse_message, query, record, response, wire_name

NAME = wire_name(b"www", b"Example", b"com")
POINTER = b"\xc0\x0c"
V4_MAPPED = 0xFFFF << 32


def test_query() -> None:
    assert parse_message(query(NAME, 28)) == Message(dns.QUERY, "www.example.com", qtype=28, txid=0x1234)
    assert parse_message(query(NAME, 28), before=bytes(5)) == parse_message(query(NAME, 28))


def test_answers_of_all_kinds() -> None:
    answers = [
        record(POINTER, 5, wire_name(b"Edge", b"Example", b"NET"), ttl_s=900),
        record(b"\xc0\x2d", 1, bytes([192, 0, 2, 1]), ttl_s=60),
        record(b"\xc0\x2d", 28, bytes.fromhex("20010db8000000000000000000000001"), ttl_s=61),
        record(POINTER, 16, b"\5hello\3abc"),
        record(POINTER, 15, b"\0\x0a\4mail\xc0\x10"),
        record(POINTER, 33, struct.pack(">HHH", 0, 5, 389) + b"\2dc\xc0\x10"),
        record(POINTER, 2, b"\2ns" + POINTER),
        record(POINTER, 12, wire_name(b"p")),
        record(POINTER, 6, b"\1m" + POINTER + b"\1r" + POINTER + bytes(20)),
        record(POINTER, 65, bytes(33)),
        record(POINTER, 1, bytes([10, 0, 0, 1]), rclass=3),  # Chaosnet: no Internet address
        record(POINTER, 1, bytes(5)),
    ]
    message = parse_message(response(NAME, *answers))
    assert message.status == dns.RESPONSE
    assert message.answers == (
        *("edge.example.net", "192.0.2.1", "2001:db8::1", "TXT 10", "mail.example.com", "dc.example.com"),
        *("ns.www.example.com", "p", "m.www.example.com", "TYPE65 33", "TYPE1 4", "TYPE1 5"),
    )
    assert message.addresses == (V4_MAPPED | 0xC0000201, 0x20010DB8 << 96 | 1)
    assert (message.n_answers, message.min_ttl_s, message.is_response) == (12, 60, 1)


@pytest.mark.parametrize(
    ("labels", "want"),
    [
        ([], "."),
        ([b"a.b", b"c"], "a\\046b.c"),
        ([b"a\\b"], "a\\092b"),
        ([b"a,b"], "a\\044b"),
        ([b"My Printer", b"_ipp"], "my\\032printer._ipp"),
        ([b"\0\x1f\x7f\xff"], "\\000\\031\\127\\255"),
        ([b"xn--Wgv71A"], "xn--wgv71a"),
        ([b"!~@[`{"], "!~@[`{"),
    ],
)
def test_names_as_text(labels: list[bytes], want: str) -> None:
    assert parse_message(query(wire_name(*labels))).qname == want


def test_longest_name_fits_and_one_byte_more_is_malformed() -> None:
    longest = wire_name(b"\xff" * 63, b"\xff" * 63, b"\xff" * 63, b"\xff" * 61)
    assert len(longest) == 255
    text = parse_message(query(longest), qname_room=dns.NAME_TEXT_MAX).qname
    assert len(text) == 250 * 4 + 3
    assert parse_message(query(wire_name(*[b"\xff" * 63] * 3, b"\xff" * 62))).status == dns.NOT_DNS


def test_name_that_does_not_fit_is_left_out_whole() -> None:
    for room in range(15):
        assert parse_message(query(NAME), qname_room=room).qname == ""
    assert parse_message(query(NAME), qname_room=15).qname == "www.example.com"


def test_answers_that_do_not_fit_are_left_out_whole() -> None:
    answers = [record(POINTER, 5, wire_name(bytes([0x61 + i]) * 10)) for i in range(3)]
    whole = ("a" * 10, "b" * 10, "c" * 10)
    for room in range(40):
        message = parse_message(response(NAME, *answers), answers_room=room)
        assert message.answers == whole[: (room + 1) // 11]
        assert message.n_answers == 3
    room_for_text = parse_message(response(NAME, record(POINTER, 16, b"\5hello")), answers_room=4)
    assert room_for_text.answers == ()


@pytest.mark.parametrize(
    "name",
    [
        b"\xc0\x0c",  # a pointer to itself
        b"\3www\xc0\x0c",  # a loop
        b"\3www\xc0\x10",  # a pointer to itself behind a label
        b"\xc0\xff",  # forward
        b"\xc0\x02",  # into the header
        b"\x40abc\0",  # label types that are not in use
        b"\x80abc\0",
    ],
)
def test_names_that_may_not_be(name: bytes) -> None:
    assert parse_message(query(name + bytes(300))).status == dns.NOT_DNS


@pytest.mark.parametrize(("n_pointers", "is_name"), [(1, True), (127, True), (128, False)])
def test_a_name_has_no_more_pointers_than_labels(n_pointers: int, is_name: bool) -> None:
    """Each leads to the one before it: a message of nothing else would take the square of its length."""
    name_at = 12 + len(NAME) + 4 + len(POINTER) + 10  # where the data of the first record begin
    places = [name_at, *range(name_at + 3, name_at + 3 + 2 * (n_pointers - 1), 2)]
    pointers = [(0xC000 + place).to_bytes(2, "big") for place in places]
    chain = record(POINTER, 10, b"\1a\0" + b"".join(pointers[:-1]))
    message = parse_message(response(NAME, chain, record(POINTER, 5, pointers[-1])))
    assert ("a" in message.answers) == is_name


def test_bad_answer_keeps_what_was_before_it() -> None:
    good = record(POINTER, 1, bytes([192, 0, 2, 1]))
    loop = record(POINTER, 5, b"\xc0\x3d")
    message = parse_message(response(NAME, good, loop, good))
    assert message.status == dns.RESPONSE
    assert message.answers == ("192.0.2.1", "192.0.2.1")
    bad_owner = parse_message(response(NAME, good, b"\x80" + good, good))
    assert (bad_owner.status, bad_owner.answers) == (dns.RESPONSE, ("192.0.2.1",))


def test_every_cut_of_a_response() -> None:
    answers = [record(POINTER, 5, wire_name(b"edge", b"net")), record(b"\xc0\x2d", 1, bytes([192, 0, 2, 1]), ttl_s=5)]
    payload = response(NAME, *answers)
    whole = parse_message(payload)
    assert whole.answers == ("edge.net", "192.0.2.1")
    for cut in range(len(payload)):
        message = parse_message(payload[:cut])
        assert message.status == (dns.CUT if cut >= 12 else dns.NOT_DNS)
        assert message.qname in ("", whole.qname)
        assert message.answers == whole.answers[: len(message.answers)]
        assert message.qname == whole.qname or not message.answers


@pytest.mark.parametrize(
    ("ttls", "want"), [([7, 5, 6], 5), ([0], 0), ([0x80000000, 9], 0), ([0x7FFFFFFF], 0x7FFFFFFF), ([], -1)]
)
def test_smallest_time_to_live(ttls: list[int], want: int) -> None:
    answers = [record(POINTER, 1, bytes(4), ttl_s=ttl) for ttl in ttls]
    assert parse_message(response(NAME, *answers)).min_ttl_s == want


def test_refusals_without_and_with_question() -> None:
    assert parse_message(response(NAME, rcode=3)) == Message(
        dns.RESPONSE, "www.example.com", qtype=1, rcode=3, txid=0x1234, is_response=1
    )
    bare = struct.pack(">HHHHHH", 1, 0x8005, 0, 0, 0, 0)
    assert (parse_message(bare).status, parse_message(bare).rcode) == (dns.RESPONSE, 5)
    assert parse_message(bare + b"\0").status == dns.NOT_DNS


def test_multicast() -> None:
    service = wire_name(b"_ipp", b"_tcp", b"local")
    two = struct.pack(">HHHHHH", 0, 0, 2, 0, 0, 0) + (service + b"\0\x0c\x80\1") * 2
    assert (parse_message(two).status, parse_message(two).qname) == (dns.QUERY, "_ipp._tcp.local")
    assert parse_message(two[:-1] + b"\7").status == dns.NOT_DNS  # the second question's class
    known = struct.pack(">HHHHHH", 0, 0, 0, 1, 0, 0) + record(service, 12, service)
    assert (parse_message(known).status, parse_message(known).answers) == (dns.QUERY, ("_ipp._tcp.local",))
    assert parse_message(b"\0\1" + known[2:]).status == dns.NOT_DNS
    unasked = struct.pack(">HHHHHH", 0, 0x8400, 0, 1, 0, 0) + record(service, 1, bytes([192, 0, 2, 9]), rclass=0x8001)
    message = parse_message(unasked)
    assert (message.status, message.qname, message.qtype) == (dns.RESPONSE, "_ipp._tcp.local", 1)
    assert (message.answers, message.addresses) == (("192.0.2.9",), (V4_MAPPED | 0xC0000209,))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        query(NAME)[:11],
        query(NAME, flags=0x0900),  # opcode 1
        query(NAME, flags=0x7900),
        query(NAME, flags=0x0103),  # a query with a response code
        query(NAME, qtype=0),
        query(NAME)[:-1] + b"\7",  # class 7
        query(NAME)[:4] + b"\0\x21" + query(NAME)[6:],  # 33 questions
        query(NAME)[:6] + b"\xff\xff" + query(NAME)[8:],  # more records than 64 KiB hold
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        bytes(64),
        b"\xff" * 64,
    ],
)
def test_no_dns(payload: bytes) -> None:
    assert parse_message(payload).status == dns.NOT_DNS
    assert not dns.is_message(frames_of(payload), 0, len(payload))


def test_addresses_beyond_the_output_are_counted_not_kept() -> None:
    payload = response(NAME, *[record(POINTER, 1, bytes([192, 0, 2, i])) for i in range(40)])
    message = parse_message(payload)
    assert (message.n_answers, len(message.answers), len(message.addresses)) == (40, 40, 16)


def test_small_info_is_refused() -> None:
    payload = query(NAME)
    out, addresses = np.zeros(64, np.uint8), np.zeros((1, 2), np.uint64)
    info = np.zeros(dns.N_INFO - 1, np.int64)
    assert dns.parse_message(frames_of(payload), 0, len(payload), out, out.copy(), addresses, info) == dns.NOT_DNS


def test_names_of_codes() -> None:
    assert [dns.qtype_name(code) for code in (1, 28, 65, 257, 4711)] == ["A", "AAAA", "HTTPS", "CAA", "TYPE4711"]
    assert [dns.rcode_name(code) for code in (0, 3, 11, 12, -1)] == [
        "NOERROR",
        "NXDOMAIN",
        "DSOTYPENI",
        "RCODE12",
        "RCODE-1",
    ]
