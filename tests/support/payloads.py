"""HTTP messages, SOCKS and SSH as plain functions from bytes, and the payloads of a capture."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sensor.capture.reader import open_capture
from sensor.constants import STATUS_OK
from sensor.decode.decoder import Decoder
from sensor.protocols import http, socks, ssh
from tests.support.protocols import frames_of


@dataclass
class Message:
    """What `http.parse_request` or `http.parse_response` found besides the request line."""

    status: int
    head_bytes: int = 0
    content_length: int = http.NO_LENGTH
    upgrade: int = 0
    is_upgraded: int = 0
    status_code: int = 0
    has_proxy_auth: int = 0
    is_connect: int = 0
    forwarded_for: bytes = b""
    via: bytes = b""
    content_type: bytes = b""


def read_message(payload: bytes, *, is_response: bool = False, before: bytes = b"") -> Message:
    frames = before + payload
    spans = np.full(http.N_SPANS, -7, np.int32)
    parse = http.parse_response if is_response else http.parse_request
    status = parse(frames_of(frames), len(before), len(frames), spans)
    if status == http.NOT_HTTP:
        assert (spans == -7).all()
        return Message(status)

    def span(at: int) -> bytes:
        offset, length = int(spans[at]), int(spans[at + 1])
        assert length == 0 or len(before) <= offset <= offset + length <= len(frames)
        return frames[offset : offset + length]

    numbers = (http.HEAD_BYTES, http.CONTENT_LENGTH, http.UPGRADE, http.IS_UPGRADED, http.STATUS_CODE)
    numbers += (http.HAS_PROXY_AUTH, http.IS_CONNECT)
    texts = (span(http.FORWARDED_FOR), span(http.VIA), span(http.CONTENT_TYPE))
    return Message(status, *(int(spans[at]) for at in numbers), *texts)


def requests(payload: bytes, before: bytes = b"") -> tuple[list[bytes], int]:
    """The targets of the requests in one payload, and where the next one would start (-1 unknown)."""
    frames = before + payload
    spans = np.zeros(http.N_SPANS, np.int32)
    found = []
    at = len(before)
    while 0 <= at < len(frames):
        status = http.parse_request(frames_of(frames), at, len(frames), spans)
        if status not in (http.REQUEST, http.REQUEST_CUT):
            break
        found.append(frames[spans[http.URI] : spans[http.URI] + spans[http.URI + 1]])
        behind = http.next_request(frames_of(frames), at, len(frames), spans)
        assert behind == -1 or behind > at
        at = int(behind)
    return found, at - len(before) if at >= 0 else -1


@dataclass
class Asked:
    """What `socks.parse_socks` found."""

    status: int
    host: bytes = b""
    address: int = 0
    port: int = 0
    command: int = 0
    version: int = 0
    end: int = 0


def parse_socks(payload: bytes, before: bytes = b"") -> Asked:
    frames = before + payload
    spans = np.full(socks.N_SPANS, -7, np.int32)
    address = np.full(2, 7, np.uint64)
    status = socks.parse_socks(frames_of(frames), len(before), len(frames), spans, address)
    if status != socks.REQUEST:
        assert (spans == -7).all()
        assert (address == 7).all()
        return Asked(status)
    offset, length = int(spans[socks.HOST]), int(spans[socks.HOST + 1])
    assert length == 0 or len(before) < offset <= offset + length <= len(frames)
    numbers = (int(spans[at]) for at in (socks.PORT, socks.COMMAND, socks.VERSION))
    value = int(address[0]) << 64 | int(address[1])
    end = int(spans[socks.REQUEST_END]) - len(before)
    return Asked(status, frames[offset : offset + length], value, *numbers, end)


def socks_granted(payload: bytes) -> int:
    return int(socks.socks_granted(frames_of(b"\5" + payload), 1, len(payload) + 1))


def parse_banner(payload: bytes, before: bytes = b"") -> tuple[int, bytes]:
    frames = before + payload
    status, offset, length = ssh.parse_banner(frames_of(frames), len(before), len(frames))
    assert (length > 0) == (status == ssh.BANNER)
    return status, frames[offset : offset + length]


def find_kexinit(payload: bytes, before: bytes = b"") -> tuple[int, list[bytes | None]]:
    """(status, the eight lists); None for one that is not there."""
    frames = before + payload
    spans = np.zeros(ssh.N_SPANS, np.int32)
    status = ssh.find_kexinit(frames_of(frames), len(before), len(frames), spans)
    if status == ssh.NOT_KEXINIT:
        return status, []
    return status, [frames[at : at + n] if at else None for at, n in spans.reshape(-1, 2).tolist()]


def hassh_text(payload: bytes, *, is_server: bool = False, room: int = ssh.PACKET_BYTES_MAX) -> bytes:
    spans = np.zeros(ssh.N_SPANS, np.int32)
    ssh.find_kexinit(frames_of(payload), 0, len(payload), spans)
    out = np.full(room + 1, 0xAA, np.uint8)
    length = ssh.hassh_text(frames_of(payload), spans, is_server, out[:room])
    assert out[room] == 0xAA
    return bytes(out[:length])


def payloads(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """(source port, destination port, payload) of each packet of a capture that has one."""
    decoder = Decoder()
    for batch in open_capture(str(path)).batches():
        for packet in decoder.decode(batch):
            if packet["status"] == STATUS_OK and packet["payload_cap"] > 0 and not packet["is_carrier"]:
                begin = int(packet["payload_off"])
                payload = bytes(batch.frames[begin : begin + int(packet["payload_cap"])])
                yield int(packet["src_port"]), int(packet["dst_port"]), payload
