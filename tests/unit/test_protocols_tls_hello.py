"""What a ClientHello offers, and published JA3 and JA4 fingerprints."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest

from sensor.protocols import tls_fingerprint, tls_hello
from tests.support import tls_twins as twins
from tests.support.protocols import client_hello, extension, frames_of, server_name
from tests.support.tls import Hello, code_list, message, new_prints

NAME = b"www.example.co.jp"
GREASE = 0x2A2A
H2 = b"\2h2\x08http/1.1"


def alpn(names: bytes) -> bytes:
    return extension(16, len(names).to_bytes(2, "big") + names)


def listing(kind: int, codes: Sequence[int]) -> bytes:
    raw = code_list(codes)
    return extension(kind, len(raw).to_bytes(2, "big") + raw)


def versions(*codes: int) -> bytes:
    return extension(43, bytes([2 * len(codes)]) + code_list(codes))


def hello_of(
    types: Sequence[int],
    ciphers: Sequence[int],
    groups: Sequence[int] = (),
    formats: bytes = b"",
    signatures: Sequence[int] = (),
    names: bytes = H2,
    version: int = 0x0303,
) -> bytes:
    """A ClientHello with extensions of these types in this order."""
    data = {
        0: server_name(NAME),
        10: listing(10, groups),
        11: extension(11, bytes([len(formats)]) + formats),
        13: listing(13, signatures),
        16: alpn(names),
        43: versions(GREASE, 0x0304, 0x0303),
    }
    block = b"".join(data.get(kind, extension(kind, bytes(kind % 9))) for kind in types)
    raw = bytearray(client_hello(block or None, ciphers=code_list(ciphers)))
    raw[4:6] = version.to_bytes(2, "big")
    return bytes(raw)


CHROME_CIPHERS = [0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC013, 0xC014]
CHROME_CIPHERS += [0x009C, 0x009D, 0x002F, 0x0035]
CHROME_SIGNATURES = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601]
CHROME_TYPES = [0x001B, 0, 0x0033, 16, 0x4469, 0x0017, 0x002D, 13, 5, 0x0023, 0x0012, 43, 0xFF01, 11, 10, 0x0015]


def test_everything_that_a_hello_offers() -> None:
    block = extension(GREASE, b"\0") + server_name(NAME) + alpn(H2) + listing(10, [GREASE, 29, 23])
    block += extension(11, b"\1\0") + listing(13, [0x0403, 0x0804]) + versions(GREASE, 0x0304, 0x0303)
    block += (
        extension(35, b"ticket") + extension(42, b"") + extension(0xFE0D, b"\0" + bytes(8)) + extension(41, bytes(40))
    )
    raw = client_hello(block, session_id=bytes(32), ciphers=code_list([GREASE, 0x1301, 0x00FF]))
    hello = Hello(raw, before=b"\x16\3\1\0\x40", after=b"\x0b\0\0\4")
    assert hello.status == tls_hello.HELLO
    assert hello.facts() == {
        "sni": NAME,
        "alpn": b"h2",
        "alpn_list": H2,
        "ciphers": (GREASE, 0x1301, 0x00FF),
        "n_ciphers": 2,
        "types": (GREASE, 0, 16, 10, 11, 13, 43, 35, 42, 0xFE0D, 41),
        "n_extensions": 10,
        "groups": (GREASE, 29, 23),
        "formats": b"\0",
        "signatures": (0x0403, 0x0804),
        "version": 0x0303,
        "best_version": 0x0304,
        "session_id_bytes": 32,
        "is_whole": 1,
        "is_malformed": 0,
        "is_dtls": 0,
        "has_sni": 1,
        "has_ech": 1,
        "has_esni": 0,
        "has_early_data": 1,
        "has_psk": 1,
        "has_ticket": 1,
    }


def facts_of(block: bytes | None) -> dict[str, object]:
    facts = Hello(client_hello(block)).facts()
    assert facts is not None
    return facts


def test_no_extensions_at_all_is_sound() -> None:
    facts = facts_of(None)
    assert (facts["is_whole"], facts["is_malformed"], facts["types"], facts["has_sni"]) == (1, 0, (), 0)
    assert facts_of(b"")["is_malformed"] == 0


def test_an_offered_empty_ticket_resumes_nothing() -> None:
    assert facts_of(extension(35, b""))["has_ticket"] == 0
    assert facts_of(extension(0xFFCE, b"\0"))["has_esni"] == 1


def test_of_an_extension_sent_twice_the_first_counts() -> None:
    facts = facts_of(server_name(b"a") + server_name(b"b") + alpn(b"\2h2") + alpn(b"\2h3") + listing(10, [1]) * 2)
    assert (facts["sni"], facts["alpn"], facts["groups"]) == (b"a", b"h2", (1,))
    assert facts["n_extensions"] == 6
    assert facts_of(extension(0, b"") + server_name(b"b"))["sni"] == b""


def test_empty_lists() -> None:
    facts = facts_of(
        alpn(b"") + listing(10, []) + listing(13, []) + extension(11, b"\0") + versions() + extension(0, b"")
    )
    assert (facts["alpn"], facts["groups"], facts["signatures"], facts["formats"]) == (b"", (), (), b"")
    assert (facts["best_version"], facts["sni"], facts["has_sni"], facts["is_malformed"]) == (0, b"", 1, 0)
    assert facts_of(extension(10, b"") + extension(11, b"") + extension(13, b"\0") + extension(43, b""))["groups"] == ()


def test_lengths_that_contradict_each_other() -> None:
    facts = facts_of(extension(10, b"\0\x40" + code_list([29, 23]) + b"\0"))
    assert facts["groups"] == (29, 23)  # the list ends where its extension does
    for raw in (
        client_hello(server_name(NAME))[:-1] + b"mm",  # a byte behind the extensions
        client_hello(server_name(NAME) + b"\0\x10\0\x09\0"),  # an extension longer than the hello
    ):
        raw = raw[:1] + (len(raw) - 4).to_bytes(3, "big") + raw[4:]
        hello = Hello(raw).facts()
        assert hello is not None
        assert (hello["is_malformed"], hello["is_whole"], hello["sni"][:10]) == (1, 1, NAME[:10])


def test_every_cut_waits_and_says_nothing_wrong() -> None:
    raw = hello_of([GREASE, *CHROME_TYPES], CHROME_CIPHERS, [29, 23], b"\0", CHROME_SIGNATURES)
    name_end = raw.index(NAME) + len(NAME)
    for cut in range(1, len(raw)):
        hello = Hello(raw[:cut])
        assert hello.status == tls_hello.HELLO_CUT
        assert hello.span(tls_hello.SNI) == (NAME if cut >= name_end else b"")
        assert hello.ja3(new_prints()) is None
        assert hello.ja4(new_prints()) is None
        assert hello.facts() == twins.hello_twin(raw[:cut])
    assert Hello(raw).status == tls_hello.HELLO


def test_dtls_hello() -> None:
    body = b"\xfe\xfd" + bytes(32) + b"\0" + b"\4cook" + b"\0\2\xc0\x2b" + b"\1\0"
    block = server_name(NAME) + extension(43, b"\4" + code_list([0xFEFD, 0xFEFC]))
    raw = message(1, body + len(block).to_bytes(2, "big") + block, is_dtls=True)
    hello = Hello(raw)
    facts = hello.facts()
    assert facts is not None
    assert (facts["is_dtls"], facts["version"], facts["best_version"]) == (1, 0xFEFD, 0xFEFC)
    assert (facts["sni"], facts["ciphers"], facts["is_malformed"]) == (NAME, (0xC02B,), 0)
    ja4 = hello.ja4(new_prints())
    assert ja4 is not None
    assert ja4.startswith("dd3d010200_")
    fragment = raw[:9] + (60).to_bytes(3, "big") + raw[12:72]  # the first of two
    assert Hello(fragment + b"more").status == tls_hello.HELLO_CUT
    assert Hello(raw[:6] + b"\0\0\5" + raw[9:]).status == tls_hello.NOT_HELLO  # a later one
    assert Hello(raw[:13]).status == tls_hello.HELLO_CUT


@pytest.mark.parametrize(
    "raw",
    [
        b"\2\0\0\x2e\3\3" + bytes(44),
        b"\1\0\0\x2e\2\3" + bytes(44),
        b"\1\0\0\x2e\x77\3" + bytes(44),
        b"\1\0\0\x01\3\3",
        b"\1\0\0\x2e\0\0" + bytes(44),
        b"\x16\3\1\0\x40\1",
    ],
)
def test_other_messages(raw: bytes) -> None:
    assert Hello(raw).status == tls_hello.NOT_HELLO


# --- JA3 ---


def ja3_hello(text: str) -> bytes:
    """A ClientHello that has this JA3 text."""
    version, *rest = text.split(",")
    lists = [[int(number) for number in part.split("-") if number] for part in rest]
    return hello_of(lists[1], lists[0], lists[2], bytes(lists[3]), version=int(version))


@pytest.mark.parametrize(
    ("text", "want"),
    [  # salesforce/ja3: README, and python/README
        ("769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0", "ada70206e40642a3e4461f35503241d5"),
        ("769,4-5-10-9-100-98-3-6-19-18-99,,,", "de350869b8c85de67a350c8d186f11e6"),
        (
            "769,255-49162-49172-136-135-57-56-49167-49157-132-53-49159-49161-49169-49171-69-68-51-50-49164-49166-"
            "49154-49156-150-65-4-5-47-49160-49170-22-19-49165-49155-65279-10,0-10-11-35,23-24-25,0",
            "2aef69b4ba1938c3a400de4188743185",
        ),
    ],
)
def test_published_ja3(text: str, want: str) -> None:
    prints = new_prints()
    for _ in range(2):  # the second time remembered
        assert Hello(ja3_hello(text), before=b"xyz").ja3(prints) == want


def test_ja3_leaves_grease_out() -> None:
    plain = hello_of([0, 10, 11], [47, 53], [23, 24], b"\0")
    greased = hello_of([GREASE, 0, 10, 11, 0xFAFA], [0x0A0A, 47, 53], [0x1A1A, 23, 24], b"\0")
    assert Hello(greased).ja3(new_prints()) == Hello(plain).ja3(new_prints()) == twins.md5("771,47-53,0-10-11,23-24,0")


# --- JA4 ---


def test_published_ja4() -> None:
    """The worked example of FoxIO's technical details, and the same without signature algorithms."""
    prints = new_prints()
    hello = Hello(hello_of([GREASE, *CHROME_TYPES], [GREASE, *CHROME_CIPHERS], [29], b"\0", CHROME_SIGNATURES))
    bare = Hello(hello_of(CHROME_TYPES, CHROME_CIPHERS, [29], b"\0"))
    for _ in range(2):
        assert hello.ja4(prints) == "t13d1516h2_8daaf6152771_e5627efa2ab1"
        assert hello.ja4(prints, "q") == "q13d1516h2_8daaf6152771_e5627efa2ab1"
        assert bare.ja4(prints) == "t13d1516h2_8daaf6152771_6d807ffa2a79"


def test_what_a_browser_is_known_by() -> None:
    """Both fingerprints of one hello, as a public test page showed them to a browser."""
    types = [0x2D, 0x33, 16, 0xFE0D, 0x17, 0x44CD, 0, 11, 10, 43, 0xFF01, 0x23, 0x12, 5, 13, 0x1B]
    hello = Hello(hello_of(types, CHROME_CIPHERS, [0x6A6A, 4588, 29, 23, 24], b"\0", CHROME_SIGNATURES))
    assert hello.ja3(new_prints()) == "98487aa16281980e7d1120d399efb6a4"
    assert hello.ja4(new_prints()) == "t13d1516h2_8daaf6152771_d8a2da3f94cd"


@pytest.mark.parametrize(
    ("name", "want"),
    [  # technical details, "ALPN Extension Value"
        (b"h2", "h2"),
        (b"http/1.1", "h1"),
        (b"\xab", "ab"),
        (b"\xab\xcd", "ad"),
        (b"0\xab", "3b"),
        (b"01\xab\xcd", "3d"),
        (b"0\xab\xcd1", "01"),
        (b"x", "xx"),
        (b"", "00"),
        (b"a_", "6f"),
        (b"/Z", "2a"),
    ],
)
def test_ja4_of_odd_protocol_names(name: bytes, want: str) -> None:
    ja4 = Hello(client_hello(alpn(bytes([len(name)]) + name))).ja4(new_prints())
    assert ja4 is not None
    assert ja4[8:10] == want


def test_ja4_of_nothing_is_zeros() -> None:
    empty = "000000000000"
    assert Hello(client_hello(None, ciphers=b"")).ja4(new_prints()) == f"t12i000000_{empty}_{empty}"
    named = Hello(client_hello(server_name(NAME) + alpn(H2), ciphers=code_list([GREASE])))
    assert named.ja4(new_prints()) == f"t12d0002h2_{empty}_{empty}"


def test_ja4_counts_to_99() -> None:
    many = Hello(
        client_hello(b"".join(extension(kind, b"") for kind in range(100, 250)), ciphers=code_list(range(300)))
    )
    ja4 = many.ja4(new_prints())
    assert ja4 is not None
    assert ja4[4:8] == "9999"


@pytest.mark.parametrize(
    ("code", "want"),
    [(0x0304, "13"), (0x0303, "12"), (0x0302, "11"), (0x0301, "10"), (0x0300, "s3"), (0x0002, "s2"), (0x7F1C, "00")],
)
def test_ja4_versions(code: int, want: str) -> None:
    ja4 = Hello(client_hello(versions(GREASE, code))).ja4(new_prints())
    assert ja4 is not None
    assert ja4[1:3] == want


@pytest.mark.parametrize("n_ciphers", [63, 64, 65, 66, 300, 9000])
def test_long_lists_are_sorted_as_well(n_ciphers: int) -> None:
    """Up to the longest hello that one record holds; in falling order, and any with some that are equal."""
    prints = new_prints()
    rng = np.random.default_rng(n_ciphers)
    for codes in ([65535 - i for i in range(n_ciphers)], rng.integers(0, 3 * n_ciphers, n_ciphers).tolist()):
        raw = client_hello(versions(0x0304), ciphers=code_list(codes))
        facts = twins.hello_twin(raw)
        assert facts is not None
        assert Hello(raw).ja3(prints) == twins.md5(twins.ja3_text(facts))
        assert Hello(raw).ja4(prints) == twins.ja4(facts)


def test_a_hello_too_long_for_a_fingerprint_has_none() -> None:
    prints = new_prints()
    for raw in (
        client_hello(b"", ciphers=code_list([65535 - i for i in range(12000)])),
        client_hello(extension(9, b"") * 16000, ciphers=b"\0\1" * 9000),
    ):
        assert Hello(raw).status == tls_hello.HELLO
        assert Hello(raw).ja3(prints) is None
        assert Hello(raw).ja4(prints) is None


def test_many_fingerprints_stay_right_in_few_slots() -> None:
    prints = new_prints()
    rng = np.random.default_rng(4)
    hellos = [hello_of([0, 10, 13], rng.integers(0, 65536, 5).tolist(), [29], b"", [0x0403]) for _ in range(3000)]
    for raw in hellos + hellos[::-7]:
        facts = twins.hello_twin(raw)
        assert facts is not None
        assert Hello(raw).ja3(prints) == twins.md5(twins.ja3_text(facts))
        assert Hello(raw).ja4(prints) == twins.ja4(facts)


def test_certificates_seen_again_keep_their_fingerprint() -> None:
    prints, out = new_prints(), np.zeros(tls_fingerprint.CERTIFICATE_BYTES, np.uint8)
    rng = np.random.default_rng(5)
    certificates = [rng.bytes(int(n)) for n in rng.integers(1, 300, 3000)]
    for der in certificates + certificates[::-7]:
        tls_fingerprint.certificate_fingerprint(frames_of(b"before" + der), 6, len(der), prints, out)
        assert out.tobytes().decode() == hashlib.sha256(der).hexdigest()


def test_too_little_room_for_a_fingerprint() -> None:
    raw = client_hello(server_name(NAME))
    hello = Hello(raw)
    short = np.full(31, 0xAA, np.uint8)
    assert not tls_fingerprint.ja3(frames_of(raw), hello.fields, new_prints(), short)
    assert not tls_fingerprint.ja4(frames_of(raw), hello.fields, ord("t"), new_prints(), short)
    assert (short == 0xAA).all()
