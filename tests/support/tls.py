"""The kernels that read TLS handshake messages, called as plain functions on bytes; twins are in tls_twins.py.

A message is given without records. As in protocols.py, the array ends where the message ends.
"""

import hashlib
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sensor.protocols import tls_certificate, tls_fingerprint, tls_hello, tls_server
from tests.support.protocols import frames_of

Facts = dict[str, Any]

HELLO_SPANS = {"sni": tls_hello.SNI, "alpn": tls_hello.ALPN, "formats": tls_hello.FORMATS}
HELLO_CODES = {"ciphers": tls_hello.CIPHERS, "groups": tls_hello.GROUPS, "signatures": tls_hello.SIGNATURES}
HELLO_NUMBERS = {
    "version": tls_hello.VERSION,
    "best_version": tls_hello.BEST_VERSION,
    "n_ciphers": tls_hello.N_CIPHERS,
    "n_extensions": tls_hello.N_EXTENSIONS,
    "session_id_bytes": tls_hello.SESSION_ID_BYTES,
    "is_whole": tls_hello.IS_WHOLE,
    "is_malformed": tls_hello.IS_MALFORMED,
    "is_dtls": tls_hello.IS_DTLS,
    "has_sni": tls_hello.HAS_SNI,
    "has_ech": tls_hello.HAS_ECH,
    "has_esni": tls_hello.HAS_ESNI,
    "has_early_data": tls_hello.HAS_EARLY_DATA,
    "has_psk": tls_hello.HAS_PSK,
    "has_ticket": tls_hello.HAS_TICKET,
}
SERVER_NUMBERS = {
    "version": tls_server.VERSION,
    "best_version": tls_server.BEST_VERSION,
    "cipher": tls_server.CIPHER,
    "n_extensions": tls_server.N_EXTENSIONS,
    "session_id_bytes": tls_server.SESSION_ID_BYTES,
    "is_whole": tls_server.IS_WHOLE,
    "is_malformed": tls_server.IS_MALFORMED,
    "is_dtls": tls_server.IS_DTLS,
    "is_retry": tls_server.IS_RETRY,
}
RETRY_RANDOM = hashlib.sha256(b"HelloRetryRequest").digest()  # RFC 8446 section 4.1.3


# --- the kernels ---


def new_prints(key: tuple[int, int] = (1, 2)) -> Any:
    """A record of remembered fingerprints."""
    prints = np.zeros(1, tls_fingerprint.FINGERPRINTS).view(np.recarray)[0]
    prints.key[:] = key
    return prints


def codes_of(raw: bytes) -> tuple[int, ...]:
    """The 16-bit numbers in a list; an odd byte at its end is left out."""
    return struct.unpack(f">{len(raw) // 2}H", raw[: len(raw) // 2 * 2])


def types_of(raw: bytes) -> tuple[int, ...]:
    """The types of whole extensions."""
    kinds = []
    while raw:
        kind, length = struct.unpack_from(">HH", raw)
        assert len(raw) >= 4 + length
        kinds.append(kind)
        raw = raw[4 + length :]
    return tuple(kinds)


class _Read:
    """A handshake message as its kernel reads it; `before` and `after` stand around it in the array."""

    _parse: Callable[..., int]
    _n_fields: int

    def __init__(self, message: bytes, before: bytes = b"", after: bytes = b"") -> None:
        self.data = frames_of(before + message + after)
        self.fields = np.full(self._n_fields, -7, np.int32)
        end = len(before) + len(message)
        self.status = int(self._parse(self.data, len(before), end, self.fields))
        if self.status == 0:  # NOT_HELLO, NOT_SERVER_HELLO
            assert (self.fields == -7).all()
        self.bounds = len(before), end

    def span(self, at: int) -> bytes:
        offset, length = int(self.fields[at]), int(self.fields[at + 1])
        assert length == 0 or self.bounds[0] + 6 <= offset <= offset + length <= self.bounds[1]
        return self.data[offset : offset + length].tobytes()


class Hello(_Read):
    """A ClientHello."""

    _parse, _n_fields = staticmethod(tls_hello.parse_client_hello), tls_hello.N_HELLO

    def facts(self) -> Facts | None:
        if self.status == tls_hello.NOT_HELLO:
            return None
        facts: Facts = {name: self.span(at) for name, at in HELLO_SPANS.items()}
        facts |= {name: codes_of(self.span(at)) for name, at in HELLO_CODES.items()}
        facts |= {name: int(self.fields[at]) for name, at in HELLO_NUMBERS.items()}
        facts |= {"alpn_list": self.span(tls_hello.ALPN_LIST), "types": types_of(self.span(tls_hello.EXTENSIONS))}
        return facts

    def ja3(self, prints: Any) -> str | None:
        out = np.full(tls_fingerprint.JA3_BYTES, 0xAA, np.uint8)
        found = tls_fingerprint.ja3(self.data, self.fields, prints, out)
        return out.tobytes().decode("ascii") if found else None

    def ja4(self, prints: Any, transport: str = "t") -> str | None:
        out = np.full(tls_fingerprint.JA4_BYTES, 0xAA, np.uint8)
        found = tls_fingerprint.ja4(self.data, self.fields, ord(transport), prints, out)
        return out.tobytes().decode("ascii") if found else None


class Server(_Read):
    """A ServerHello."""

    _parse, _n_fields = staticmethod(tls_server.parse_server_hello), tls_server.N_SERVER

    def facts(self) -> Facts | None:
        if self.status == tls_server.NOT_SERVER_HELLO:
            return None
        facts: Facts = {name: int(self.fields[at]) for name, at in SERVER_NUMBERS.items()}
        facts |= {"alpn": self.span(tls_server.ALPN), "alpn_list": self.span(tls_server.ALPN_LIST)}
        facts["types"] = types_of(self.span(tls_server.EXTENSIONS))
        return facts

    def ja3s(self, prints: Any) -> str | None:
        out = np.full(tls_fingerprint.JA3_BYTES, 0xAA, np.uint8)
        found = tls_fingerprint.ja3s(self.data, self.fields, prints, out)
        return out.tobytes().decode("ascii") if found else None


def parse_certificate(message: bytes, before: bytes = b"", after: bytes = b"") -> tuple[int, Facts | None]:
    """(status, what was found)"""
    data = before + message + after
    out = np.full(tls_certificate.N_CERTIFICATE, -7, np.int64)
    end = len(before) + len(message)
    status = int(tls_certificate.parse_certificate(frames_of(data), len(before), end, out))
    if status == tls_certificate.NOT_CERTIFICATE:
        assert (out == -7).all()
        return status, None

    def span(at: int) -> bytes:
        offset, length = int(out[at]), int(out[at + 1])
        assert length == 0 or len(before) + 10 <= offset <= offset + length <= end
        return data[offset : offset + length]

    n_names = min(int(out[tls_certificate.N_DNS_NAMES]), tls_certificate.MOST_DNS_NAMES)
    return status, {
        "der": span(tls_certificate.DER),
        "subject": span(tls_certificate.SUBJECT),
        "issuer": span(tls_certificate.ISSUER),
        "dns_names": [span(tls_certificate.DNS_NAMES + 2 * i) for i in range(n_names)],
        "n_dns_names": int(out[tls_certificate.N_DNS_NAMES]),
        "not_before": int(out[tls_certificate.NOT_BEFORE]),
        "not_after": int(out[tls_certificate.NOT_AFTER]),
        "is_self_signed": int(out[tls_certificate.IS_SELF_SIGNED]),
    }


# --- messages ---


def message(kind: int, body: bytes, is_dtls: bool = False) -> bytes:
    """A handshake message; of DTLS a whole one, number 1."""
    length = struct.pack(">I", len(body))[1:]
    return bytes([kind]) + length + (b"\0\1\0\0\0" + length if is_dtls else b"") + body


def code_list(codes: Sequence[int]) -> bytes:
    return struct.pack(f">{len(codes)}H", *codes)


def server_hello(
    extensions: bytes | None,
    cipher: int = 0x1301,
    version: int = 0x0303,
    random: bytes = bytes(range(32)),
    session_id: bytes = b"",
    is_dtls: bool = False,
) -> bytes:
    body = struct.pack(">H", version) + random + bytes([len(session_id)]) + session_id + struct.pack(">HB", cipher, 0)
    if extensions is not None:
        body += struct.pack(">H", len(extensions)) + extensions
    return message(2, body, is_dtls)
