"""TLS handshake messages and fingerprints against their twins: sound ones, damaged ones, cut ones, any bytes.

As in test_protocols_any_bytes.py, one test runs this again in a process where numba checks every index.
"""

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sensor.protocols import tls, tls_certificate, tls_hello, tls_server
from sensor.protocols.tls_certificate import CERTIFICATE, CERTIFICATE_CUT
from tests.support import tls_twins as twins
from tests.support.checked import IN_UNCHECKED_RUN, run_files_checked
from tests.support.damage import damaged
from tests.support.protocols import extension, find_sni, frames_of, server_name
from tests.support.tls import Hello, Server, code_list, message, new_prints, parse_certificate, server_hello

PRINTS = new_prints()
GREASE = tuple(0x0A0A + 0x1010 * i for i in range(16))
AROUND = st.binary(max_size=30)

CODES = st.one_of(st.sampled_from(GREASE), st.integers(0, 0xFFFF), st.sampled_from([0x1301, 0x00FF, 0x5600, 0x0A1A]))
CODE_LISTS = st.lists(CODES, max_size=20).map(code_list)
VERSIONS = st.sampled_from([0x0304, 0x0303, 0x0301, 0x0300, 0x0002, 0x7F1C, 0xFEFF, 0xFEFD, 0xFEFC, 0, *GREASE[:2]])
NAMES = st.one_of(st.sampled_from([b"h2", b"http/1.1", b"x", b"\xab\xcd", b"0\xab\xcd1", b"\xff", b"h_"]), st.binary())
SLIPS = st.sampled_from([0, 0, 0, 0, 0, 0, -2, -1, 1, 2, 300])


def short(n_length: int, raw: bytes, slip: int = 0) -> bytes:
    """A list behind its length, which may be wrong."""
    return (max(len(raw) + slip, 0) % 256**n_length).to_bytes(n_length, "big") + raw


EXTENSIONS = st.one_of(
    st.builds(server_name, st.binary(max_size=20)),
    st.builds(lambda length, kind, name: extension(0, struct.pack(">HBH", length, kind, length) + name),
              st.integers(0, 20), st.integers(0, 1), st.binary(max_size=20)),
    st.builds(lambda kind, raw, slip: extension(kind, short(2, raw, slip)),
              st.sampled_from([10, 13]), CODE_LISTS, SLIPS),
    st.builds(lambda raw, slip: extension(11, short(1, raw, slip)), st.binary(max_size=4), SLIPS),
    st.builds(lambda names, slip: extension(16, short(2, b"".join(short(1, n[:255]) for n in names), slip)),
              st.lists(NAMES, max_size=3), SLIPS),
    st.builds(lambda codes, slip: extension(43, short(1, code_list(codes), slip)),
              st.lists(VERSIONS, max_size=4), SLIPS),
    st.builds(lambda version: extension(43, struct.pack(">H", version)), VERSIONS),
    st.builds(extension, st.sampled_from([35, 41, 42, 0xFE0D, 0xFFCE, 21, *GREASE[:3]]), st.binary(max_size=5)),
    st.builds(extension, st.integers(0, 0xFFFF), st.binary(max_size=9)),
)  # fmt: skip
BLOCKS = st.builds(lambda parts, slip: short(2, b"".join(parts), slip), st.lists(EXTENSIONS, max_size=9), SLIPS)


@st.composite
def hellos(draw: st.DrawFn) -> bytes:
    """A ClientHello of TLS or DTLS, mostly sound."""
    is_dtls = draw(st.integers(0, 4)) == 0
    version = draw(st.sampled_from([b"\xfe\xff", b"\xfe\xfd"] if is_dtls else [b"\3\3", b"\3\1", b"\3\0"]))
    body = version + bytes(range(32)) + short(1, draw(st.binary(max_size=32)))
    body += short(1, draw(st.binary(max_size=5))) if is_dtls else b""
    body += short(2, draw(CODE_LISTS), draw(SLIPS)) + draw(st.sampled_from([b"\1\0", b"\2\1\0", b"\0"]))
    body += draw(st.one_of(BLOCKS, BLOCKS, BLOCKS, st.just(b""))) + draw(st.sampled_from([b"", b"", b"", b"\0"]))
    return message(1, body, is_dtls)


TELLING = (0, 1, 3, 0x30, 0x80, 0x82, 0xFF)
SERVER_EXTENSIONS = st.lists(EXTENSIONS, max_size=5).map(b"".join)
RANDOMS = st.sampled_from([bytes(range(32)), twins.RETRY_RANDOM])
SERVERS = st.builds(server_hello, st.one_of(st.none(), SERVER_EXTENSIONS), st.integers(0, 0xFFFF),
                    st.sampled_from([0x0303, 0x0301]), RANDOMS, st.binary(max_size=32))  # fmt: skip


@given(st.one_of(hellos(), damaged(hellos(), TELLING), st.binary(max_size=120)), AROUND, AROUND)
def test_client_hello_equals_its_twin(raw: bytes, before: bytes, after: bytes) -> None:
    want = twins.hello_twin(raw)
    hello = Hello(raw, before)
    assert hello.facts() == want
    if want is None:
        return
    assert hello.status == (tls_hello.HELLO if want["is_whole"] else tls_hello.HELLO_CUT)
    assert hello.ja3(PRINTS) == (twins.md5(twins.ja3_text(want)) if want["is_whole"] else None)
    assert hello.ja4(PRINTS) == (twins.ja4(want) if want["is_whole"] else None)
    if want["is_whole"]:
        assert Hello(raw, before, after).facts() == want


@given(st.one_of(damaged(hellos(), TELLING), st.binary(max_size=80).map(lambda raw: b"\1\0\0\x40\3\3" + raw)))
def test_the_name_is_the_one_that_find_sni_takes(raw: bytes) -> None:
    assume(len(raw) >= 6 and raw[0] == 1 and raw[4] == 3)
    n_message = 4 + int.from_bytes(raw[1:4], "big")
    assume(n_message <= tls.RECORD_BYTES_MAX)
    record = b"\x16\3\1" + struct.pack(">H", max(len(raw), n_message)) + raw
    _, name = find_sni(record)
    facts = Hello(raw).facts()
    assert facts is None or facts["sni"] == name
    assert facts is not None or name == b""


@given(hellos(), st.data())
def test_what_a_cut_hello_says_stays_true(raw: bytes, data: st.DataObject) -> None:
    whole = Hello(raw).facts()
    cut = Hello(raw[: data.draw(st.integers(1, len(raw) - 1))]).facts()
    assert whole is not None
    assert cut is not None
    for name in ("sni", "alpn", "ciphers", "groups", "signatures", "formats", "version", "best_version", "has_psk"):
        assert cut[name] in (type(whole[name])(), whole[name])


@given(st.one_of(SERVERS, damaged(SERVERS, TELLING), st.binary(max_size=120)), AROUND, AROUND)
def test_server_hello_equals_its_twin(raw: bytes, before: bytes, after: bytes) -> None:
    want = twins.server_twin(raw)
    server = Server(raw, before)
    assert server.facts() == want
    if want is None:
        return
    assert server.status == (tls_server.SERVER_HELLO if want["is_whole"] else tls_server.SERVER_HELLO_CUT)
    assert server.ja3s(PRINTS) == (twins.md5(twins.ja3s_text(want)) if want["is_whole"] else None)
    if want["is_whole"]:
        assert Server(raw, before, after).facts() == want


# --- certificates ---


def der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    n_bytes = (len(content).bit_length() + 7) // 8
    return bytes([tag, 0x80 | n_bytes]) + len(content).to_bytes(n_bytes, "big") + content


OIDS = st.sampled_from([b"\x55\4\3", b"\x55\4\x0a", b"\x55\4\6", b"\x2a\x86\x48\x86\xf7\x0d\1\x09\1"])
STRINGS = st.builds(der, st.sampled_from([0x0C, 0x13, 0x16, 0x1E, 0x04]), st.binary(max_size=12))
DISTINGUISHED = st.lists(
    st.builds(lambda oid, text: der(0x31, der(0x30, der(6, oid), text)), OIDS, STRINGS), max_size=4
)
DIGITS = st.builds(
    lambda year, *rest: year.encode() + "".join(f"{number:02}" for number in rest).encode() + b"Z",
    st.sampled_from(["49", "50", "99", "00", "0000", "1582", "1969", "2000", "2023", "9999"]),
    st.integers(0, 13), st.integers(0, 32), st.integers(0, 24), st.integers(0, 60), st.integers(0, 61),
)  # fmt: skip
TIMES = st.builds(der, st.sampled_from([0x17, 0x18]), st.one_of(DIGITS, DIGITS, st.binary(min_size=12, max_size=16)))
ALTERNATIVES = st.builds(
    lambda names, critical: der(0x30, der(6, b"\x55\x1d\x11"), critical, der(4, der(0x30, *names))),
    st.lists(st.builds(der, st.sampled_from([0x82, 0x82, 0x81, 0x87]), st.binary(max_size=20)), max_size=6),
    st.sampled_from([b"", b"\1\1\xff"]),
)
OTHERS = st.builds(lambda text: der(0x30, der(6, b"\x55\x1d\x0f"), der(4, text)), st.binary(max_size=8))


@st.composite
def certificates(draw: st.DrawFn) -> bytes:
    """A Certificate message with a leaf of any size, and perhaps more behind it."""
    issuer = draw(DISTINGUISHED)
    subject = draw(st.one_of(st.just(issuer), DISTINGUISHED))
    parts = [draw(st.sampled_from([b"\xa0\3\2\1\2", b""])), der(2, b"\1"), der(0x30, der(6, b"\x2a\3")),
             der(0x30, *issuer), der(0x30, draw(TIMES), draw(TIMES)), der(0x30, *subject),
             der(0x30, bytes(draw(st.sampled_from([3, 200])))), draw(st.sampled_from([b"", b"\x81\1\0"]))]  # fmt: skip
    if draw(st.booleans()):
        parts.append(der(0xA3, der(0x30, *draw(st.lists(st.one_of(ALTERNATIVES, OTHERS), max_size=4)))))
    leaf = der(0x30, der(0x30, *parts), der(0x30, b""), der(3, b"\0"))
    chain = short(3, leaf) + draw(st.sampled_from([b"", short(3, b"\x30\0")]))
    return message(11, short(3, chain))


@given(
    st.one_of(certificates(), damaged(certificates(), TELLING), st.binary(max_size=90).map(lambda raw: b"\x0b" + raw)),
    AROUND,
)
def test_certificate_equals_its_twin(raw: bytes, before: bytes) -> None:
    status, facts = parse_certificate(raw, before)
    assert facts == twins.certificate_twin(raw)
    if facts is not None and facts["der"]:
        assert status == CERTIFICATE


@given(certificates(), st.data())
def test_a_cut_certificate_waits(raw: bytes, data: st.DataObject) -> None:
    leaf_end = 10 + int.from_bytes(raw[7:10], "big")
    cut = raw[: data.draw(st.integers(1, len(raw) - 1))]
    status, facts = parse_certificate(cut)
    assert status == (CERTIFICATE if len(cut) >= leaf_end else CERTIFICATE_CUT)
    assert facts == twins.certificate_twin(cut)
    in_dtls = message(11, raw[4:], is_dtls=True)
    assert parse_certificate(in_dtls) == parse_certificate(raw)


KERNELS: list[tuple[Any, int, Any]] = [
    (tls_hello.parse_client_hello, tls_hello.N_HELLO, np.int32),
    (tls_server.parse_server_hello, tls_server.N_SERVER, np.int32),
    (tls_certificate.parse_certificate, tls_certificate.N_CERTIFICATE, np.int64),
]


@pytest.mark.parametrize(("kernel", "n_fields", "kind"), KERNELS)
@pytest.mark.parametrize(("pos", "end", "missing"), [(-1, 5, 0), (5, 5, 0), (6, 5, 0), (0, 51, 0), (0, 50, 1)])
def test_spans_that_do_not_fit_are_nothing(
    kernel: Any, n_fields: int, kind: Any, pos: int, end: int, missing: int
) -> None:
    raw = {tls_hello.N_HELLO: b"\1", tls_server.N_SERVER: b"\2"}.get(n_fields, b"\x0b") + b"\0\0\x2e\3\3" + bytes(44)
    fields = np.full(n_fields - missing, -7, kind)
    assert kernel(frames_of(raw), pos, end, fields) == 0
    assert (fields == -7).all()


@pytest.mark.slow
@IN_UNCHECKED_RUN
def test_all_of_this_with_bounds_checked() -> None:
    run_files_checked(
        __file__, *(f"tests/unit/test_protocols_{name}.py" for name in ("digests", "tls_hello", "tls_server"))
    )
