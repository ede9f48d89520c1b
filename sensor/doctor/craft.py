"""The packets of the self-test: a machine that calls home, and one that tries to go around the proxy of all others.

Addresses outside are those reserved for documentation (RFC 5737). Written by hand, since scapy takes seconds to load.
"""

import struct

BEACON = ("beacon", "10.77.0.57", "203.0.113.66")
BYPASS = ("bypass", "10.77.0.64", "198.51.100.23")
"""analyzer, client and destination of what must be found."""

_PROXY = "10.77.0.8"
_N_BEATS, _EVERY_S = 20, 0.5
_N_ATTEMPTS, _N_REQUESTS = 8, 6
_ETHERNET = bytes.fromhex("02000000000102000000000f0800")
_SYN, _SYN_ACK, _DATA, _FIN, _ACK = 0x02, 0x12, 0x18, 0x11, 0x10
_STEP_S = 0.003

Timed = list[tuple[float, bytes]]
"""Seconds from the start, and the frame."""


def conversation() -> Timed:
    """Every frame, in order of time."""
    frames: Timed = []
    for beat in range(_N_BEATS):
        frames += _connection(beat * _EVERY_S, BEACON[1], BEACON[2], 40_000 + beat, 8443, b"beat" * 16, b"sleep")
    for number in range(_N_REQUESTS):
        for host, client in enumerate(("10.77.0.64", "10.77.0.65", "10.77.0.66")):
            asked = f"www{number * 7 + host}.example.net"
            request = f"CONNECT {asked}:443 HTTP/1.1\r\nHost: {asked}:443\r\n\r\n".encode()
            answer = b"HTTP/1.1 200 Connection established\r\n\r\n"
            at_s = 0.2 + number * 1.7 + host * 0.31 + number % 3 * 0.23
            frames += _connection(at_s, client, _PROXY, 50_000 + number * 3 + host, 3128, request, answer)
    for attempt in range(_N_ATTEMPTS):
        at_s = 0.4 + attempt * 1.1 + attempt % 3 * 0.17
        frames.append((at_s, _tcp(BYPASS[1], BYPASS[2], 45_000 + attempt, 443, _SYN, attempt + 1, 0)))
    return sorted(frames)


def to_pcap(frames: Timed) -> bytes:
    """A capture file of them, beginning in 2026."""
    records = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)]
    for at_s, frame in frames:
        seconds = 1_780_000_000 + int(at_s)
        records.append(struct.pack("<IIII", seconds, int(at_s % 1 * 1e6), len(frame), len(frame)) + frame)
    return b"".join(records)


def _connection(at_s: float, client: str, server: str, port: int, service: int, said: bytes, told: bytes) -> Timed:
    """A short connection from its SYN to its end."""
    out, back = (client, server, port, service), (server, client, service, port)
    n, m = 1 + len(said), 1 + len(told)
    steps = (
        _tcp(*out, _SYN, 0, 0),
        _tcp(*back, _SYN_ACK, 0, 1),
        _tcp(*out, _DATA, 1, 1, said),
        _tcp(*back, _DATA, 1, n, told),
        _tcp(*out, _FIN, n, m),
        _tcp(*back, _FIN, m, n + 1),
        _tcp(*out, _ACK, n + 1, m + 1),
    )
    return [(at_s + i * _STEP_S, frame) for i, frame in enumerate(steps)]


def _tcp(
    src: str, dst: str, src_port: int, dst_port: int, flags: int, seq: int, ack: int, payload: bytes = b""
) -> bytes:
    """One frame; checksums are left at zero, as a mirror often shows them."""
    tcp = struct.pack(">HHIIBBHHH", src_port, dst_port, seq, ack, 0x50, flags, 8192, 0, 0)
    addresses = bytes(map(int, (*src.split("."), *dst.split("."))))
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 40 + len(payload), seq & 0xFFFF, 0, 64, 6, 0)
    return _ETHERNET + ip + addresses + tcp + payload
