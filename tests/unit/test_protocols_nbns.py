"""NetBIOS name service: who is asked for, what registers itself, what is answered, and what is no such message."""

import struct

import pytest

from sensor.protocols import dns, nbns
from tests.support.protocols import Message, netbios_name, parse_message, query, record, wire_name

NB, NBSTAT = 32, 33
HOST = netbios_name(b"FILESERVER")
V4_MAPPED = 0xFFFF << 32


def parse(payload: bytes) -> Message:
    return parse_message(payload, b"\x20", parse=nbns.parse_nbns)


def answer(name: bytes, kind: int, data: bytes, rcode: int = 0) -> bytes:
    return struct.pack(">6H", 0x1234, 0x8500 | rcode, 0, 1, 0, 0) + record(name, kind, data)


def registration(name: bytes, address: bytes, opcode: int = 5) -> bytes:
    header = struct.pack(">6H", 0x1234, opcode << 11 | 0x0110, 1, 0, 0, 1)
    return header + name + struct.pack(">2H", NB, 1) + record(b"\xc0\x0c", NB, b"\0\0" + address)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (HOST, "fileserver"),
        (netbios_name(b"WPAD", use=0), "wpad"),
        (netbios_name(b"*"), "*"),
        (netbios_name(b"MY PC"), "my\\032pc"),
        (netbios_name(b"\1\2__MSBROWSE__\2", use=1), "\\001\\002__msbrowse__\\002"),
        (netbios_name(b"A", scope=wire_name(b"Office", b"Example")), "a.office.example"),
    ],
)
def test_names(name: bytes, text: str) -> None:
    assert parse(query(name, NB)) == Message(dns.QUERY, text, qtype=NB, txid=0x1234)


def test_answers() -> None:
    got = parse(answer(HOST, NB, b"\0\0\x0a\0\0\5" + b"\x80\0\x0a\0\0\6"))
    assert (got.status, got.qname, got.answers) == (dns.RESPONSE, "fileserver", ("10.0.0.5", "10.0.0.6"))
    assert got.addresses == (V4_MAPPED | 0x0A000005, V4_MAPPED | 0x0A000006)
    assert (parse(answer(HOST, 10, b"", rcode=3)).rcode, parse(answer(HOST, 10, b"")).answers) == (3, ())


def test_the_names_of_a_node() -> None:
    entries = [
        name.ljust(15) + bytes([use]) + b"\4\0" for name, use in ((b"HOST", 0), (b"OFFICE", 0x1E), (b"HOST", 0x20))
    ]
    got = parse(answer(netbios_name(b"*"), NBSTAT, bytes([3]) + b"".join(entries) + bytes(46)))
    assert (got.qname, got.qtype) == ("*", nbns.NBSTAT)
    assert got.answers == ("host<00>", "office<1e>", "host<20>")


@pytest.mark.parametrize("opcode", [5, 6, 8, 9, 15])
def test_a_registration_says_what_address_the_name_is_to_have(opcode: int) -> None:
    got = parse(registration(HOST, bytes([10, 0, 0, 5]), opcode))
    assert (got.status, got.qname, got.answers) == (dns.QUERY, "fileserver", ("10.0.0.5",))


def test_what_is_cut_or_no_netbios_name_is_not_read() -> None:
    whole = query(HOST, NB)
    assert all(parse(whole[:n]).status == dns.NOT_DNS for n in range(len(whole)))
    assert parse(query(wire_name(b"Q" * 32), NB)).status == dns.NOT_DNS
    assert parse(query(wire_name(b"www", b"example"), 1)).status == dns.NOT_DNS
    cut = answer(HOST, NB, bytes(12))
    assert {parse(cut[:n]).answers for n in range(len(whole), len(cut))} == {()}
