"""Whole conversations written straight as Ethernet frames, fast enough for days of a made network.

A `Wire` collects frames with their times and writes them as one pcap. Checksums are left zero, as on a mirror port
behind checksum offload. Nothing here is random of itself: the same calls give the same bytes.
"""

import struct
from ipaddress import IPv4Address
from pathlib import Path

SYN, FIN, RST, ACK, PSH = 2, 1, 4, 16, 8
MS = 0.001
RETRY_S = (0.0, 1.0, 3.0)  # a SYN that nothing answers is sent again (RFC 6298 section 2)


class Wire:
    """The frames that a mirror port shows. Times are seconds since 1970 UTC."""

    def __init__(self, inside: str = "10.") -> None:
        """inside : how addresses begin that have a MAC of their own; all others are behind one router."""
        self.frames: list[tuple[int, bytes]] = []
        self._inside = inside
        self._port = 1024

    def save(self, path: Path) -> int:
        """Write a pcap with microseconds; returns how many packets."""
        self.frames.sort(key=lambda frame: frame[0])
        with path.open("wb") as file:
            file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
            for ts_us, data in self.frames:
                file.write(struct.pack("<IIII", *divmod(ts_us, 1_000_000), len(data), len(data)) + data)
        return len(self.frames)

    def ip(self, at_s: float, src: str, dst: str, proto: int, body: bytes) -> bytes:
        """Add an IPv4 packet; returns it without its Ethernet header."""
        ends = IPv4Address(src).packed + IPv4Address(dst).packed
        number = len(self.frames) + 1 & 0xFFFF or 1
        packet = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), number, 0, 64, proto, 0) + ends + body
        self.frames.append((round(at_s * 1e6), self._mac(dst) + self._mac(src) + b"\x08\x00" + packet))
        return packet

    def udp(self, at_s: float, src: tuple[str, int], dst: tuple[str, int], payload: bytes) -> bytes:
        """Add a datagram; returns it without its Ethernet header."""
        body = struct.pack(">HHHH", src[1], dst[1], 8 + len(payload), 0) + payload
        return self.ip(at_s, src[0], dst[0], 17, body)

    def asked(self, at_s: float, client: str, server: tuple[str, int], question: bytes, answer: bytes = b"") -> bytes:
        """A datagram from a fresh port and, if there is one, its answer; returns the question's packet."""
        here = (client, self.fresh_port())
        packet = self.udp(at_s, here, server, question)
        if answer:
            self.udp(at_s + 8 * MS, server, here, answer)
        return packet

    def unreachable(self, at_s: float, router: str, packet: bytes, code: int = 13) -> None:
        """ICMP: the router tells a packet's sender that it went nowhere; code 13 is prohibited (RFC 1812)."""
        src = str(IPv4Address(packet[12:16]))
        self.ip(at_s, router, src, 1, struct.pack(">BBHI", 3, code, 0, 0) + packet[:28])

    def fresh_port(self) -> int:
        """A client's next port."""
        self._port = 1024 + (self._port - 1023) % 60_000
        return self._port

    def _mac(self, address: str) -> bytes:
        if not address.startswith(self._inside):
            return b"\x02\x30\x00\x00\x00\x01"
        return b"\x02\x30" + IPv4Address(address).packed


class Talk:
    """One TCP connection, step by step. `to_client` False: the mirror shows the originator's side only."""

    def __init__(
        self, wire: Wire, at_s: float, client: str, server: tuple[str, int], *, port: int = 0, to_client: bool = True
    ) -> None:
        self.wire, self.at_s, self._to_client = wire, at_s, to_client
        self.ends = ((client, port or wire.fresh_port()), server)
        self.seq = [round(at_s * 1000) & 0x7FFFFFFF, round(at_s * 999) & 0x7FFFFFFF]

    def send(self, side: int, flags: int, payload: bytes = b"", after_s: float = MS) -> bytes:
        """A segment of the client (0) or the server (1); returns its packet."""
        self.at_s += after_s
        (src, sport), (dst, dport) = self.ends[side], self.ends[1 - side]
        ack = self.seq[1 - side] if flags & ACK else 0
        head = struct.pack(">HHIIBBHHH", sport, dport, self.seq[side], ack, 0x50, flags, 64240, 0, 0)
        self.seq[side] = (self.seq[side] + len(payload) + (flags & (SYN | FIN) > 0)) & 0xFFFFFFFF
        if side == 1 and not self._to_client:
            return b""
        return self.wire.ip(self.at_s, src, dst, 6, head + payload)

    def open(self) -> "Talk":
        """The handshake."""
        self.send(0, SYN)
        self.send(1, SYN | ACK, after_s=20 * MS)
        self.send(0, ACK)
        return self

    def ask(self, request: bytes, answer: bytes, after_s: float = MS) -> "Talk":
        """A request and its answer, acknowledged."""
        self.send(0, PSH | ACK, request, after_s)
        self.send(1, PSH | ACK, answer, 30 * MS)
        self.send(0, ACK)
        return self

    def close(self, after_s: float = 1.0) -> None:
        """An orderly end."""
        self.send(0, FIN | ACK, after_s=after_s)
        self.send(1, FIN | ACK)
        self.send(0, ACK)

    def dropped(self) -> None:
        """A SYN that nothing answers, sent three times."""
        start_s, seq = self.at_s, self.seq[0]
        for after_s in RETRY_S:
            self.at_s, self.seq[0] = start_s, seq
            self.send(0, SYN, after_s=after_s)

    def reset(self) -> None:
        """A SYN that is answered with a reset."""
        self.send(0, SYN)
        self.send(1, RST | ACK, after_s=MS)

    def prohibited(self, router: str) -> None:
        """A SYN that a router answers with ICMP."""
        packet = self.send(0, SYN)
        self.wire.unreachable(self.at_s + MS, router, packet)


def client_hello(name: str) -> bytes:
    """A TLS ClientHello that names the server, or none (RFC 8446 section 4.1.2, RFC 6066 section 3)."""
    host = name.encode()
    extensions = struct.pack(">HHHBH", 0, len(host) + 5, len(host) + 3, 0, len(host)) + host if host else b""
    extensions += struct.pack(">HHBHH", 43, 5, 4, 0x0304, 0x0303)
    body = struct.pack(">H32sB32s", 0x0303, b"r" * 32, 32, b"s" * 32)
    body += struct.pack(">HHHHBB", 6, 0x1301, 0x1302, 0xC02F, 1, 0) + struct.pack(">H", len(extensions)) + extensions
    return record(0x16, b"\x01" + len(body).to_bytes(3, "big") + body)


def record(kind: int, body: bytes) -> bytes:
    """A TLS record."""
    return struct.pack(">BHH", kind, 0x0303, len(body)) + body


def dns_question(number: int, name: str) -> bytes:
    """A question for an address (RFC 1035 section 4)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">HHHHHH", number & 0xFFFF, 0x0100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"


def dns_answer(number: int, name: str, address: str, ttl_s: int = 86_400) -> bytes:
    """Its answer."""
    question = dns_question(number, name)[12:]
    head = struct.pack(">HHHHHH", number & 0xFFFF, 0x8180, 1, 1, 0, 0)
    return head + question + struct.pack(">HHHIH", 0xC00C, 1, 1, ttl_s, 4) + IPv4Address(address).packed
