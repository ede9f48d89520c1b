"""PACKET rows made by hand, and a tracker to feed them to: exact control of what a flow is made of."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensor.capture.batch import Batch
from sensor.constants import PROTO_ICMP, PROTO_TCP, PROTO_UDP, TCP_ACK, TCP_FIN, TCP_PSH, TCP_RST, TCP_SYN
from sensor.dtypes import PACKET
from sensor.flows.tracker import FlowTracker, Timeouts
from tests.support.flows import Collected, Collector

S = 10**9
MS = 10**6
T0 = 1_700_000_000 * S
CLIENT, SERVER = "10.0.0.5", "203.0.113.9"
_FLAGS = {"S": TCP_SYN, "F": TCP_FIN, "R": TCP_RST, "P": TCP_PSH, ".": TCP_ACK}


def words(ip: str) -> tuple[int, int]:
    """(hi, lo) of an address, IPv4 in its mapped form."""
    parsed = ipaddress.ip_address(ip)
    value = int(parsed) | (0xFFFF << 32 if parsed.version == 4 else 0)
    return value >> 64, value & (2**64 - 1)


@dataclass(frozen=True)
class Packet:
    """One packet in readable terms; `fields` are set in the row as they are."""

    ts_ns: int
    src: str
    dst: str
    src_port: int
    dst_port: int
    proto: int
    payload: bytes = b""
    length: int | None = None  # payload by the IP length, when more than was captured
    fields: dict[str, int] = field(default_factory=dict)


def rows_of(packets: Sequence[Packet]) -> tuple[NDArray[np.void], NDArray[np.uint8]]:
    """(PACKET[n], the payload bytes they point into)."""
    rows = np.zeros(len(packets), PACKET)
    at = 0
    for i, (row, packet) in enumerate(zip(rows, packets, strict=True)):
        length = len(packet.payload) if packet.length is None else packet.length
        row["ts_ns"] = packet.ts_ns
        row["src_hi"], row["src_lo"] = words(packet.src)
        row["dst_hi"], row["dst_lo"] = words(packet.dst)
        row["src_port"], row["dst_port"], row["proto"] = packet.src_port, packet.dst_port, packet.proto
        row["payload_off"], row["payload_cap"], row["payload_len"] = at, len(packet.payload), length
        row["ip_version"] = 6 if ":" in packet.src else 4
        row["ip_len"] = (40 if packet.proto == PROTO_TCP else 28) + length
        row["ip_id"] = (i + 1) & 0xFFFF or 1
        row["frame"] = i
        row["window"] = 1000
        for name, value in packet.fields.items():
            row[name] = value
        at += len(packet.payload)
    return rows, np.frombuffer(b"".join(packet.payload for packet in packets), np.uint8)


def batches_of(
    rows: NDArray[np.void], frames: NDArray[np.uint8], cuts: Iterable[int] = ()
) -> Iterable[tuple[Batch, NDArray[np.void]]]:
    """The rows as batches, cut before the rows whose numbers are given."""
    edges = [0, *sorted({min(max(cut, 0), len(rows)) for cut in cuts}), len(rows)]
    zero = np.zeros(0, np.int64)
    for first, end in pairwise(edges):
        yield (
            Batch(frames, zero, zero, zero, zero.astype(np.uint32), zero.astype(np.uint16), zero.astype(np.uint16)),
            rows[first:end].copy(),
        )


def track_rows(
    rows: NDArray[np.void], frames: NDArray[np.uint8], cuts: Iterable[int] = (), **options: Any
) -> Collected:
    """Everything that a tracker makes of these rows. options : of FlowTracker"""
    collector = Collector()
    options = {"max_flows": 1 << 10, "buffer_rows": 1 << 10, **options}
    tracker = FlowTracker(collector, **options)
    for batch, part in batches_of(rows, frames, cuts):
        tracker.add(batch, part)
    tracker.finish()
    collector.got.counts = tracker.counts
    return collector.got


def track(packets: Sequence[Packet], timeouts: Timeouts | None = None, **options: Any) -> Collected:
    """Everything that a tracker makes of these packets."""
    return track_rows(*rows_of(packets), timeouts=timeouts, **options)


def udp(
    ts_ns: int,
    payload: bytes = b"x",
    *,
    back: bool = False,
    client: tuple[str, int] = (CLIENT, 40000),
    server: tuple[str, int] = (SERVER, 9999),
    **fields: int,
) -> Packet:
    """A datagram from client to server, or back."""
    (src, sport), (dst, dport) = (server, client) if back else (client, server)
    return Packet(ts_ns, src, dst, sport, dport, PROTO_UDP, payload, fields=fields)


def icmp(
    ts_ns: int, kind: int, code: int = 0, *, src: str = CLIENT, dst: str = SERVER, proto: int = PROTO_ICMP
) -> Packet:
    """An ICMP message with eight bytes of payload."""
    return Packet(ts_ns, src, dst, kind, code, proto, b"12345678")


class Tcp:
    """A conversation written down segment by segment; sequence numbers keep themselves unless given.

        c = Tcp(); c("S"); c.r("S."); c("."); c("P.", b"GET"); packets = c.packets

    Each call takes flags in tcpdump's letters (S F R P and . for ACK), a payload, and what is out of the ordinary.
    Segments are a millisecond apart unless `at` (seconds after T0) says otherwise.
    """

    def __init__(
        self,
        client: tuple[str, int] = (CLIENT, 40000),
        server: tuple[str, int] = (SERVER, 8443),
        isn: tuple[int, int] = (1000, 5000),
        start_ns: int = T0,
    ) -> None:
        self.packets: list[Packet] = []
        self.ends = (client, server)
        self.next = list(isn)
        self.now = start_ns
        self._start = start_ns

    def _segment(
        self,
        side: int,
        flags: str,
        payload: bytes = b"",
        *,
        at: float | None = None,
        seq: int | None = None,
        ack: int | None = None,
        length: int | None = None,
        window: int = 1000,
        **fields: int,
    ) -> "Tcp":
        self.now = self.now + MS if at is None else self._start + round(at * S)
        bits = sum(_FLAGS[letter] for letter in flags)
        size = len(payload) if length is None else length
        number = self.next[side] if seq is None else seq
        if seq is None:
            self.next[side] += size + ("S" in flags) + ("F" in flags)
        acknowledged = self.next[1 - side] if ack is None else ack
        (src, sport), (dst, dport) = self.ends[side], self.ends[1 - side]
        values = {
            "seq": number & 0xFFFFFFFF,
            "ack": acknowledged & 0xFFFFFFFF if "." in flags else 0,
            "tcp_flags": bits,
            "window": window,
            **fields,
        }
        self.packets.append(Packet(self.now, src, dst, sport, dport, PROTO_TCP, payload, length, values))
        return self

    def __call__(self, flags: str, payload: bytes = b"", **options: Any) -> "Tcp":
        return self._segment(0, flags, payload, **options)

    def r(self, flags: str, payload: bytes = b"", **options: Any) -> "Tcp":
        """A segment from the responder."""
        return self._segment(1, flags, payload, **options)

    def handshake(self) -> "Tcp":
        """SYN, SYN-ACK, ACK."""
        return self("S").r("S.")(".")

    def close(self) -> "Tcp":
        """FIN both ways, acknowledged."""
        return self("F.").r("F.")(".")
