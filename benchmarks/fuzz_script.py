"""Packets of a few conversations, written by a string of bytes: what fuzz_flows.py feeds a tracker with.

The bytes are steps: one says who speaks (bits 0 to 2 the port, 3 the responder, 4 UDP), one what happens (STEPS) and
how long after (bits 4 and 5), two are operands. Then comes a payload behind its length of two bytes; with the upper bit
set the length is the number of one of MESSAGES instead.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.support.flow_cases import FLAGS, PAYLOADS, STEPS_NS
from tests.support.packets import T0, Packet, S, Tcp, udp
from tests.support.protocols import client_hello, extension, query, records, server_name, wire_name
from tests.support.quic import Packet as Initial
from tests.support.quic import crypto

PORTS = (443, 80, 53, 8080, 1080, 22, 3128, 9999)
MOST_STEPS, MOST_PACKETS = 24, 300
LONG_HELLO = records(client_hello(extension(21, bytes(3000)) + server_name(b"long.example")), 1000, 1000)
MESSAGES = (
    *PAYLOADS[3:],
    LONG_HELLO,
    LONG_HELLO[:2000],
    b"\x16\3\3\0\x36\2\0\0\x32\3\3" + bytes(32) + b"\0\x13\1\0\0\x0a\0\x2b\0\2\3\4\0\x10\0\0",
    b"GET /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nabcdePOST /b HTTP/1.1\r\n\r\n" * 5,
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nContent-Type: a/b\r\nVia: x\r\n\r\n",
    b"\5\1\0",
    b"\5\0",
    b"\5\1\0\3\x0dsocks.example\1\xbb",
    b"\5\0\0\1\0\0\0\0\0\0",
    b"\4\1\0\x50\0\0\0\1me\0four.example\0",
    b"SSH-2.0-fuzz\r\n\0\0\0\x4c\4\x14" + bytes(16) + b"\0\0\0\1a" * 10 + bytes(8),
    len(query(wire_name(b"tcp", b"example"))).to_bytes(2, "big") + query(wire_name(b"tcp", b"example")),
    Initial(crypto(client_hello(server_name(b"quic.example"))) + bytes(40)).sealed(),
    Initial(crypto(client_hello(server_name(b"quic.example"))[30:], 30) + bytes(40)).sealed(),
)


class Script:
    """Packets of a few conversations, made step by step."""

    def __init__(self) -> None:
        self.packets: list[Packet] = []
        self.now = T0
        self.tcp = [Tcp(client=("10.0.0.5", 40000 + i), server=("203.0.113.9", port)) for i, port in enumerate(PORTS)]

    def segment(self, who: int, flags: str, payload: bytes = b"", **options: Any) -> None:
        talk = self.tcp[who & 7]
        (talk.r if who & 8 else talk)(flags, payload, **options)
        self.packets.append(replace(talk.packets.pop(), ts_ns=self.now))

    def plain(self, who: int, a: int, b: int, payload: bytes) -> None:
        """A payload in one packet, of which the capture may have left out the end."""
        length = len(payload) + (a if b & 1 else 0)
        if who & 16:
            ends = {"client": ("10.0.0.5", 40000 + a % 3), "server": ("203.0.113.9", PORTS[who & 7])}
            packet = udp(self.now, payload, back=bool(who & 8), **ends)
            self.packets.append(replace(packet, length=length))
        else:
            self.segment(who, "P.", payload, length=length)

    def pieces(self, who: int, a: int, b: int, payload: bytes) -> None:
        """A payload in segments of a + 1 bytes, turned round, repeated, or one missing."""
        side = who >> 3 & 1
        first, size = self.tcp[who & 7].next[side], a + 1
        starts = list(range(0, len(payload), size))[:16]
        if b & 1:
            starts.reverse()
        if b & 2:
            starts += starts[: b >> 4]
        if b & 4:
            del starts[b >> 5 : (b >> 5) + 1]
        if b & 8:
            starts = starts[1::2] + starts[::2]
        for start in starts:
            self.segment(who, "P.", payload[start : start + size + (b >> 6)], seq=first + start)
        self.tcp[who & 7].next[side] = first + len(payload)

    def handshake(self, who: int, a: int, b: int, payload: bytes) -> None:
        self.segment(who & 7, "S", payload[:a])
        self.segment(who & 7 | 8, "S.")
        self.segment(who & 7, ".")

    def jump(self, who: int, a: int, b: int, payload: bytes) -> None:
        """Bytes that were not captured, or a sequence number from elsewhere."""
        self.tcp[who & 7].next[who >> 3 & 1] += (a << 8 | b) << (16 if who & 16 else 0)
        self.segment(who, "P.", payload)

    def repeat(self, who: int, a: int, b: int, payload: bytes) -> None:
        """An earlier packet again, with another payload of its own length, or as it was."""
        if self.packets:
            old = self.packets[-1 - a % len(self.packets)]
            self.packets.append(replace(old, ts_ns=self.now, payload=payload if b & 1 else old.payload))
            if b & 1:
                self.packets[-1] = replace(self.packets[-1], length=len(payload) + (b >> 1))

    def odd(self, who: int, a: int, b: int, payload: bytes) -> None:
        """Any flags and any fields."""
        fields = {"tcp_flags": FLAGS[a % len(FLAGS)], "window": b & 1, "ip_id": b & 3, "is_carrier": int(b == 255)}
        fields |= {"fragment": b >> 4 & 1, "status": int(b == 254), "l4_checksum": b >> 5 & 1}
        self.segment(who, "P.", payload)
        self.packets[-1] = replace(self.packets[-1], fields=self.packets[-1].fields | fields)

    def wait(self, who: int, a: int, b: int, payload: bytes) -> None:
        self.now += STEPS_NS[a % len(STEPS_NS)] + b * S

    def crowd(self, who: int, a: int, b: int, payload: bytes) -> None:
        """Many connections that begin alike: up to 1,100, more than there are buffers."""
        for i in range(1100 if a == 255 else a % 64):
            talk = Tcp(client=("10.0.1.1", 1024 + i), server=("203.0.113.9", PORTS[who & 7]), start_ns=self.now)
            self.packets += talk("S")("P.", payload[: b + 1]).packets


STEPS = (
    Script.plain,
    Script.pieces,
    Script.handshake,
    Script.jump,
    Script.repeat,
    Script.odd,
    Script.wait,
    Script.crowd,
)


def packets_of(rest: bytes) -> list[Packet]:
    """The packets that these steps make."""
    script = Script()
    for _ in range(MOST_STEPS):
        if len(rest) < 6 or len(script.packets) > MOST_PACKETS:
            break
        who, what, a, b, length = rest[0], rest[1], rest[2], rest[3], int.from_bytes(rest[4:6], "big")
        if length & 0x8000:
            payload, rest = MESSAGES[length % len(MESSAGES)], rest[6:]
        else:
            payload, rest = rest[6 : 6 + length], rest[6 + length :]
        STEPS[what % len(STEPS)](script, who, a, b, payload)
        script.now += STEPS_NS[what >> 4 & 3]
    return script.packets


def seeds(conversations: list[bytes]) -> Iterator[bytes]:
    """Inputs of fuzz_flows.py: four bytes of options, then steps."""

    def step(who: int, what: int, a: int, b: int, payload: bytes | int) -> bytes:
        head = bytes([who, what, a, b])
        if isinstance(payload, int):
            return head + (0x8000 + payload + -0x8000 % len(MESSAGES)).to_bytes(2, "big")
        return head + len(payload).to_bytes(2, "big") + payload

    for i in range(len(MESSAGES)):
        for port in range(len(PORTS)):
            for b in (0, 1, 2, 4, 8):
                yield (
                    bytes([b, 0, 5, 9])
                    + step(port, 2, 0, 0, b"")
                    + step(port, 1, 99, b, i)
                    + step(port | 8, 0, 0, 0, i)
                )
            yield b"\4\0\1\1" + step(port | 16, 0, 0, 0, i) + step(port | 24, 0, 0, 0, i) + step(port, 0, 9, 1, i)
        if i % 6 == 0:
            yield b"\0\0\0\0" + step(i, 7, 255, 90, i) + step(0, 6, 12, 200, b"")
        yield b"\1\1\0\0" + step(i, 7, 60, 90, i) + step(i, 5, 9, 255, i) + step(i, 3, 9, 1, i)
    for conversation in conversations:
        at, data = 0, b"\0\0\2\5" + step(0, 2, 0, 0, b"")
        while at < len(conversation):
            side, length = conversation[at], int.from_bytes(conversation[at + 1 : at + 3], "big")
            data += step(
                (side & 1) << 3 | (side & 2) << 3,
                side ^ 1 if side < 2 else 0,
                250,
                0,
                conversation[at + 3 : at + 3 + length],
            )
            at += 3 + length
        yield data
