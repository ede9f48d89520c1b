"""What a ServerHello chose, and what a Certificate message says of its leaf."""

import base64

import pytest

from sensor.protocols import tls_certificate, tls_server
from sensor.protocols.tls_certificate import MOST_DNS_NAMES, NO_TIME
from tests.support import tls_twins as twins
from tests.support.protocols import extension
from tests.support.tls import RETRY_RANDOM, Server, message, new_prints, parse_certificate, server_hello

ALPN = extension(16, b"\0\3\2h2")
VERSIONS = extension(43, b"\3\4")


def test_everything_that_a_server_chose() -> None:
    raw = server_hello(extension(0xFF01, b"\0") + ALPN + VERSIONS, cipher=0xC02F, session_id=bytes(32))
    server = Server(raw, before=b"\x16\3\3\0\x40", after=b"\x0b")
    assert server.status == tls_server.SERVER_HELLO
    assert server.facts() == {
        "version": 0x0303,
        "best_version": 0x0304,
        "cipher": 0xC02F,
        "alpn": b"h2",
        "alpn_list": b"\2h2",
        "types": (0xFF01, 16, 43),
        "n_extensions": 3,
        "session_id_bytes": 32,
        "is_whole": 1,
        "is_malformed": 0,
        "is_dtls": 0,
        "is_retry": 0,
    }


def test_hello_retry_request() -> None:
    assert RETRY_RANDOM.hex().startswith("cf21ad74e59a6111be1d8c021e65b891")  # RFC 8446 section 4.1.3
    for random, want in ((RETRY_RANDOM, 1), (RETRY_RANDOM[:-1] + b"\0", 0), (b"\0" + RETRY_RANDOM[1:], 0)):
        facts = Server(server_hello(VERSIONS, random=random)).facts()
        assert facts is not None
        assert facts["is_retry"] == want


def test_every_cut_of_a_server_hello_waits() -> None:
    raw = server_hello(ALPN + VERSIONS)
    for cut in range(1, len(raw)):
        server = Server(raw[:cut])
        assert server.status == tls_server.SERVER_HELLO_CUT
        assert server.facts() == twins.server_twin(raw[:cut])
        assert server.ja3s(new_prints()) is None


def test_dtls_server_hello() -> None:
    facts = Server(server_hello(ALPN, version=0xFEFD, is_dtls=True)).facts()
    assert facts is not None
    assert (facts["is_dtls"], facts["version"], facts["alpn"], facts["is_malformed"]) == (1, 0xFEFD, b"h2", 0)


@pytest.mark.parametrize("raw", [b"\1\0\0\x2e\3\3" + bytes(44), b"\2\0\0\x2e\2\0" + bytes(44), b"\x16\3\3\0\2\2"])
def test_not_a_server_hello(raw: bytes) -> None:
    assert Server(raw).status == tls_server.NOT_SERVER_HELLO


def test_ja3s() -> None:
    """The text is version, cipher and extensions, as the README of salesforce/ja3 says."""
    blocks = {b"": "769,47,", ALPN + extension(0x0A0A, b"") + extension(0xFF01, b"\0"): "769,47,16-2570-65281"}
    for block, text in blocks.items():
        prints = new_prints()
        for _ in range(2):
            assert Server(server_hello(block, cipher=47, version=0x0301)).ja3s(prints) == twins.md5(text)
    assert Server(server_hello(None, cipher=47, version=0x0301)).ja3s(new_prints()) == twins.md5("769,47,")


# --- certificates ---

# openssl ca -selfsign -startdate 20240229120000Z -enddate 20540101000000Z: C=JP, O=Example K.K., CN=old,
# CN=www.example.jp, and a critical subjectAltName of five DNS names with an address among them
CERTIFICATE = base64.b64decode("""
MIICKjCCAdGgAwIBAgIUREepSg4pk1VZaLlKkvCROc/kyvMwCgYIKoZIzj0EAwIwSzELMAkGA1UEBhMCSlAxFTATBgNVBAoMDEV4
YW1wbGUgSy5LLjEMMAoGA1UEAwwDb2xkMRcwFQYDVQQDDA53d3cuZXhhbXBsZS5qcDAgFw0yNDAyMjkxMjAwMDBaGA8yMDU0MDEw
MTAwMDAwMFowSzELMAkGA1UEBhMCSlAxFTATBgNVBAoMDEV4YW1wbGUgSy5LLjEMMAoGA1UEAwwDb2xkMRcwFQYDVQQDDA53d3cu
ZXhhbXBsZS5qcDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABODoV5/k23pJR5Gtz42l22rLwURbdwpu3FY6+WPFInTIKf2dxHbl
cB6ppACmKjAvs5x+h4C3T/+s/cJjx+KzqPGjgZAwgY0wDAYDVR0TAQH/BAIwADALBgNVHQ8EBAMCB4AwUQYDVR0RAQH/BEcwRYIO
d3d3LmV4YW1wbGUuanCCDCouZXhhbXBsZS5qcIcEwAACAYIJYS5leGFtcGxlggliLmV4YW1wbGWCCWMuZXhhbXBsZTAdBgNVHQ4E
FgQU4a9LajAAhm3chqESOKdakPy40oUwCgYIKoZIzj0EAwIDRwAwRAIgB46meRyZDcRjoA8lUQjdvldXDMg4jJx4JPn4IUEDvbcC
IBCkqE4TQSOpQMxJfKqHOuU+GjHCejLQzYOSEWADy+1u
""")


def chain(*certificates: bytes) -> bytes:
    listed = b"".join(len(one).to_bytes(3, "big") + one for one in certificates)
    return message(11, len(listed).to_bytes(3, "big") + listed)


def test_a_certificate() -> None:
    status, facts = parse_certificate(chain(CERTIFICATE, b"another"), before=b"\x16\3\3\2\0", after=b"\x0e\0\0\0")
    assert status == tls_certificate.CERTIFICATE
    assert facts == {
        "der": CERTIFICATE,
        "subject": b"www.example.jp",
        "issuer": b"www.example.jp",
        "dns_names": [b"www.example.jp", b"*.example.jp", b"a.example", b"b.example"],
        "n_dns_names": 5,
        "not_before": 1709208000,
        "not_after": 2650838400,
        "is_self_signed": 1,
    }
    assert facts == twins.certificate_twin(chain(CERTIFICATE))


def test_every_cut_of_a_certificate_waits() -> None:
    raw = chain(CERTIFICATE, b"another")
    names = []
    for cut in range(1, len(raw)):
        status, facts = parse_certificate(raw[:cut])
        is_whole = cut >= 10 + len(CERTIFICATE)
        assert status == (tls_certificate.CERTIFICATE if is_whole else tls_certificate.CERTIFICATE_CUT)
        assert facts is not None
        assert facts["der"] == (CERTIFICATE if is_whole else b"")
        assert facts == twins.certificate_twin(raw[:cut])
        names.append(facts["n_dns_names"])
    assert names == sorted(names)


def test_what_makes_no_sense_ends_the_search() -> None:
    """Every byte changed to each of a few: what is found is what the twin finds, and most of it survives."""
    raw = chain(CERTIFICATE)
    n_named = 0
    for at in range(len(raw)):
        for byte in (0x00, 0x02, 0x1F, 0x30, 0x80, 0x84, 0xFF):
            damaged = raw[:at] + bytes([byte]) + raw[at + 1 :]
            _, facts = parse_certificate(damaged)
            assert facts == twins.certificate_twin(damaged)
            n_named += facts is not None and facts["subject"] == b"www.example.jp"
    assert n_named > 3 * len(raw)


def test_no_certificate_at_all() -> None:
    status, facts = parse_certificate(message(11, b"\0\0\0"))
    assert status == tls_certificate.CERTIFICATE
    assert facts is not None
    assert (facts["der"], facts["not_before"]) == (b"", NO_TIME)
    assert parse_certificate(message(12, b"\0\0\0"))[0] == tls_certificate.NOT_CERTIFICATE


def der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    assert len(content) < 0x10000
    size = len(content).to_bytes(2, "big")
    return bytes([tag]) + (size[1:] if len(content) < 0x80 else b"\x82" + size) + content


def name(*pairs: tuple[bytes, int, bytes]) -> bytes:
    return der(0x30, *(der(0x31, der(0x30, der(6, b"\x55\4" + oid), der(tag, text))) for oid, tag, text in pairs))


def leaf(issuer: bytes, subject: bytes, times: bytes, extensions: bytes = b"") -> bytes:
    tbs = der(0x30, der(2, b"\1"), der(0x30), issuer, der(0x30, times), subject, der(0x30), extensions)
    return chain(der(0x30, tbs))


CN, ORGANISATION = b"\3", b"\x0a"
TIMES = der(0x17, b"491231235959Z") + der(0x18, b"20500101000000Z")


@pytest.mark.parametrize(
    ("pairs", "want"),
    [
        ([], b""),
        ([(ORGANISATION, 0x0C, b"o")], b"o"),
        ([(ORGANISATION, 0x0C, b"o"), (CN, 0x13, b"c")], b"c"),
        ([(CN, 0x13, b"c"), (ORGANISATION, 0x0C, b"o")], b"c"),
        ([(CN, 0x13, b"c"), (CN, 0x16, b"d")], b"d"),
        ([(CN, 0x13, b"c"), (CN, 0x1E, b"\0d")], b"c"),  # two bytes a letter
        ([(CN, 0x0C, b""), (ORGANISATION, 0x14, b"o")], b"o"),
    ],
)
def test_names(pairs: list[tuple[bytes, int, bytes]], want: bytes) -> None:
    _, facts = parse_certificate(leaf(name((CN, 0x0C, b"issuer")), name(*pairs), TIMES))
    assert facts is not None
    assert (facts["issuer"], facts["subject"], facts["is_self_signed"]) == (b"issuer", want, 0)
    _, facts = parse_certificate(leaf(name(*pairs), name(*pairs), TIMES))
    assert facts is not None
    assert facts["is_self_signed"] == (pairs != [])


@pytest.mark.parametrize(
    ("tag", "text", "want"),
    [
        (0x17, b"700101000000Z", 0),
        (0x17, b"491231235959Z", 2524607999),
        (0x17, b"500101000000Z", -631152000),
        (0x18, b"20000229000000Z", 951782400),
        (0x18, b"99991231235959Z", 253402300799),
        (0x17, b"7001010000Z", NO_TIME),
        (0x17, b"700101000000+0900", NO_TIME),
        (0x17, b"700101000000z", NO_TIME),
        (0x17, b"701301000000Z", NO_TIME),
        (0x17, b"70010a000000Z", NO_TIME),
        (0x18, b"00000101000000Z", NO_TIME),
        (0x13, b"700101000000Z", NO_TIME),
    ],
)
def test_times(tag: int, text: bytes, want: int) -> None:
    _, facts = parse_certificate(leaf(name(), name((CN, 0x0C, b"c")), der(tag, text) + TIMES))
    assert facts is not None
    assert (facts["not_before"], facts["not_after"]) == (want, 2524607999)
    assert facts["subject"] == b"c"


def test_more_names_than_are_kept() -> None:
    names = [der(0x82, b"%d.example" % i) for i in range(1500)]
    block = der(0xA3, der(0x30, der(0x30, der(6, b"\x55\x1d\x11"), der(4, der(0x30, der(0x87, bytes(4)), *names)))))
    _, facts = parse_certificate(leaf(name(), name(), TIMES, block))
    assert facts is not None
    assert facts["dns_names"] == [b"%d.example" % i for i in range(MOST_DNS_NAMES)]
    assert facts["n_dns_names"] == tls_certificate.MOST_ELEMENTS - 1
    bad = der(
        0xA3, der(0x30, der(0x30, der(6, b"\x55\x1d\x11"), der(4, der(0x30, der(0x82, b""), der(0x82, b"x" * 256)))))
    )
    _, facts = parse_certificate(leaf(name(), name(), TIMES, bad))
    assert facts is not None
    assert facts["n_dns_names"] == 0


def test_certificate_in_dtls() -> None:
    raw = chain(CERTIFICATE)
    assert parse_certificate(message(11, raw[4:], is_dtls=True)) == parse_certificate(raw)
