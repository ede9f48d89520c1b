"""The parsers of `sensor.protocols` as plain functions from bytes, and builders of what they read.

Every call hands the kernel an array that ends where the payload ends, so NUMBA_BOUNDSCHECK=1 sees a read behind it;
`before` puts other bytes in front, so that a wrong base shows.
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensor.protocols import apps, dns, http, text, tls


def frames_of(payload: bytes) -> NDArray[np.uint8]:
    """uint8[n], read-only, as a batch has it."""
    return np.frombuffer(payload, np.uint8)


def find_sni(payload: bytes, before: bytes = b"") -> tuple[int, bytes]:
    frames = before + payload
    status, offset, length = tls.find_sni(frames_of(frames), len(before), len(frames))
    return status, frames[offset : offset + length]


@dataclass
class Head:
    """What `http.parse_request` found, as bytes and numbers."""

    status: int
    method: bytes = b""
    uri: bytes = b""
    host: bytes = b""
    user_agent: bytes = b""
    host_port: int = 0
    is_proxy: int = 0
    status_code: int = 0


def parse_request(payload: bytes, before: bytes = b"") -> Head:
    frames = before + payload
    spans = np.full(http.N_SPANS, -7, np.int32)
    status = http.parse_request(frames_of(frames), len(before), len(frames), spans)
    if status == http.NOT_HTTP:
        assert (spans == -7).all()
        return Head(status)

    def span(at: int) -> bytes:
        offset, length = int(spans[at]), int(spans[at + 1])
        assert length == 0 or len(before) <= offset <= offset + length <= len(frames)
        return frames[offset : offset + length]

    texts = (span(http.METHOD), span(http.URI), span(http.HOST), span(http.USER_AGENT))
    numbers = (int(spans[http.HOST_PORT]), int(spans[http.IS_PROXY]), int(spans[http.STATUS_CODE]))
    return Head(status, *texts, *numbers)


@dataclass
class Message:
    """What `dns.parse_message` found."""

    status: int
    qname: str = ""
    answers: tuple[str, ...] = ()
    addresses: tuple[int, ...] = ()
    qtype: int = 0
    rcode: int = 0
    txid: int = 0
    is_response: int = 0
    n_answers: int = 0
    min_ttl_s: int = -1


def parse_message(
    payload: bytes,
    before: bytes = b"",
    qname_room: int = 1024,
    answers_room: int = 4096,
    parse: Any = dns.parse_message,
) -> Message:
    frames = before + payload
    qname = np.zeros(qname_room, np.uint8)
    answers = np.zeros(answers_room, np.uint8)
    addresses = np.zeros((16, 2), np.uint64)
    info = np.zeros(dns.N_INFO, np.int64)
    status = parse(frames_of(frames), len(before), len(frames), qname, answers, addresses, info)
    if status == dns.NOT_DNS:
        return Message(status)
    joined = bytes(answers[: info[dns.ANSWERS_BYTES]]).decode("ascii")
    return Message(
        status,
        bytes(qname[: info[dns.QNAME_BYTES]]).decode("ascii"),
        tuple(joined.split(",")) if joined else (),
        tuple(int(hi) << 64 | int(lo) for hi, lo in addresses[: info[dns.N_ADDRESSES]]),
        int(info[dns.QTYPE]),
        int(info[dns.RCODE]),
        int(info[dns.TXID]),
        int(info[dns.IS_RESPONSE]),
        int(info[dns.N_ANSWERS]),
        int(info[dns.MIN_TTL_S]),
    )


def identify(payload: bytes, is_orig: bool, proto: int, resp_port: int = 0, before: bytes = b"") -> str:
    frames = before + payload
    return apps.APP_NAMES[apps.identify(frames_of(frames), len(before), len(frames), is_orig, proto, resp_port)]


def format_ip(value: int) -> str:
    """The kernel's text of a 128-bit address."""
    out = np.zeros(text.IP_TEXT_MAX, np.uint8)
    length = text.format_ip(np.uint64(value >> 64), np.uint64(value & (2**64 - 1)), out)
    return bytes(out[:length]).decode("ascii")


def extension(kind: int, data: bytes) -> bytes:
    return struct.pack(">HH", kind, len(data)) + data


def server_name(name: bytes) -> bytes:
    """The server_name extension (RFC 6066 section 3)."""
    entry = b"\0" + struct.pack(">H", len(name)) + name
    return extension(0, struct.pack(">H", len(entry)) + entry)


def client_hello(extensions: bytes | None, session_id: bytes = bytes(32), ciphers: bytes = b"\x13\x01") -> bytes:
    """A ClientHello handshake message; `extensions` None leaves the block out, as old clients do."""
    body = b"\3\3" + bytes(range(32)) + bytes([len(session_id)]) + session_id
    body += struct.pack(">H", len(ciphers)) + ciphers + b"\1\0"
    if extensions is not None:
        body += struct.pack(">H", len(extensions)) + extensions
    return b"\1" + struct.pack(">I", len(body))[1:] + body


def records(handshake: bytes, *sizes: int) -> bytes:
    """TLS records of the given body sizes around a handshake message; the last one takes the rest."""
    out = b""
    for size in sizes:
        out += b"\x16\3\1" + struct.pack(">H", size) + handshake[:size]
        handshake = handshake[size:]
    return out + b"\x16\3\1" + struct.pack(">H", len(handshake)) + handshake


def wire_name(*labels: bytes) -> bytes:
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def netbios_name(name: bytes, use: int = 0x20, scope: bytes = b"\0") -> bytes:
    """A NetBIOS name in wire form (RFC 1001 section 14.1)."""
    packed = (b"*" + bytes(14) if name == b"*" else name.ljust(15)) + bytes([use])
    return b"\x20" + bytes(0x41 + half for byte in packed for half in divmod(byte, 16)) + scope


def query(name: bytes, qtype: int = 1, txid: int = 0x1234, flags: int = 0x0100) -> bytes:
    """A DNS message with one question; `name` in wire form."""
    return struct.pack(">HHHHHH", txid, flags, 1, 0, 0, 0) + name + struct.pack(">HH", qtype, 1)


def record(name: bytes, kind: int, data: bytes, ttl_s: int = 300, rclass: int = 1) -> bytes:
    return name + struct.pack(">HHIH", kind, rclass, ttl_s, len(data)) + data


def response(name: bytes, *answers: bytes, qtype: int = 1, rcode: int = 0) -> bytes:
    """A DNS response to `query(name)`; its question's name stands at offset 12."""
    header = struct.pack(">HHHHHH", 0x1234, 0x8180 | rcode, 1, len(answers), 0, 0)
    return header + name + struct.pack(">HH", qtype, 1) + b"".join(answers)
