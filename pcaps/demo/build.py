"""Builds demo.pcap from two real captures and a few crafted packets; the same inputs give the same bytes.

usage: build.py PROXY_CAPTURE BEACON_CAPTURE OUT        (README.md beside this file names the two captures)

Real: 700 s of browsing through an explicit proxy, its connections dealt out to three clients of one LAN; and the
check-ins of a Caldera agent, packets as captured, put on a beat of 30 s and into the same LAN. Crafted with scapy: a
client whose direct connections a firewall drops. This script never touches the network.
"""

import struct
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.utils import RawPcapReader

CUT_FROM_S, CUT_TO_S = 1700, 2400
BROWSER = bytes((10, 0, 0, 111))
BROWSERS = (111, 112, 113)  # last byte of the three clients that the one real client becomes
ROUTER_MAC = "02:d9:96:65:83:32"

AGENT_IP, AGENT_MAC = "10.0.0.57", "02:00:00:00:00:57"
C2_IP = "192.0.2.66"  # RFC 5737; as long as the address in the real requests' Host header
BEAT_S, BEAT_JITTER = 30.0, 0.1

BYPASSER_IP, BYPASSER_MAC = "10.0.0.64", "02:00:00:00:00:64"
BLOCKED_IP, BLOCKED_PORT = "198.51.100.23", 443
RETRY_S = 60.0
SYN_AFTER_S = (0.0, 1.02, 3.06)  # a dropped SYN is sent again, as operating systems do


class Packet(NamedTuple):
    ts_us: int
    data: bytes
    wire_len: int


def read(path: Path) -> Iterator[Packet]:
    """The packets of an Ethernet pcap with microseconds."""
    with RawPcapReader(str(path)) as reader:
        for data, meta in reader:
            yield Packet(meta.sec * 1_000_000 + meta.usec, data, meta.wirelen)


def _readdress(data: bytes, offset: int, last: int) -> bytes:
    """The frame with the last byte of the IPv4 address at `offset` replaced, checksums kept right (RFC 1624)."""
    frame = bytearray(data)
    (old,) = struct.unpack_from(">H", frame, offset + 2)
    frame[offset + 3] = last
    (new,) = struct.unpack_from(">H", frame, offset + 2)
    for at in (24, 50):  # IPv4 header and TCP checksum
        total = (~struct.unpack_from(">H", frame, at)[0] & 0xFFFF) + (~old & 0xFFFF) + new
        total = (total & 0xFFFF) + (total >> 16)
        struct.pack_into(">H", frame, at, ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF)
    return bytes(frame)


def browsing(path: Path) -> Iterator[Packet]:
    """The cut of the proxy capture, the client's connections dealt out by their port."""
    start = None
    for packet in read(path):
        start = start if start is not None else packet.ts_us
        if not CUT_FROM_S <= (packet.ts_us - start) / 1e6 < CUT_TO_S:
            continue
        data = packet.data
        if data[12:15] == b"\x08\x00\x45" and data[23] == 6 and BROWSER in (data[26:30], data[30:34]):
            outbound = data[26:30] == BROWSER
            (port,) = struct.unpack_from(">H", data, 34 if outbound else 36)
            data = _readdress(data, 26 if outbound else 30, BROWSERS[port % len(BROWSERS)])
        yield packet._replace(data=data)


def check_ins(path: Path, first_us: int, last_us: int, random: Random) -> Iterator[Packet]:
    """The agent's plain check-ins (POST /weather), one connection each, repeated in order on a beat with jitter."""
    by_port: dict[int, list[Packet]] = defaultdict(list)
    for packet in read(path):
        frame = Ether(packet.data)
        if TCP in frame:
            by_port[frame[TCP].dport if frame[TCP].sport == 8888 else frame[TCP].sport].append(packet)
    templates = [c for c in by_port.values() if any(b"POST /weather HTTP" in packet.data for packet in c)]
    now_us, n = float(first_us), 0
    while now_us < last_us:
        template = templates[n % len(templates)]
        for packet in template:
            yield Packet(int(now_us) + packet.ts_us - template[0].ts_us, _as_agent(packet, 49200 + n), packet.wire_len)
        now_us += BEAT_S * 1e6 * random.uniform(1 - BEAT_JITTER, 1 + BEAT_JITTER)
        n += 1


def _as_agent(packet: Packet, port: int) -> bytes:
    frame = Ether(packet.data)
    if frame[TCP].dport == 8888:
        frame.src, frame.dst = AGENT_MAC, ROUTER_MAC
        frame[IP].src, frame[IP].dst, frame[TCP].sport = AGENT_IP, C2_IP, port
        raw = bytes(frame[TCP].payload).replace(b"Host: 172.18.0.2:", b"Host: 192.0.2.66:")
    else:
        frame.src, frame.dst = ROUTER_MAC, AGENT_MAC
        frame[IP].src, frame[IP].dst, frame[TCP].dport = C2_IP, AGENT_IP, port
        raw = bytes(frame[TCP].payload)
    frame[TCP].remove_payload()
    del frame[IP].chksum, frame[TCP].chksum
    return bytes(frame / raw)


def blocked(first_us: int, last_us: int, random: Random) -> Iterator[Packet]:
    """Attempts to go out directly that a firewall drops without a word. Crafted."""
    now_us, n = float(first_us), 0
    while now_us < last_us:
        frame = bytes(
            Ether(src=BYPASSER_MAC, dst=ROUTER_MAC)
            / IP(src=BYPASSER_IP, dst=BLOCKED_IP, ttl=128, id=n)
            / TCP(sport=51000 + n, dport=BLOCKED_PORT, flags="S", seq=random.getrandbits(32), options=[("MSS", 1460)])
        )
        for after_s in SYN_AFTER_S:
            yield Packet(int(now_us + after_s * 1e6), frame, len(frame))
        now_us += (RETRY_S + random.uniform(-0.2, 0.2)) * 1e6
        n += 1


def build(proxy_capture: Path, beacon_capture: Path, out: Path) -> int:
    """Write the merged capture; returns the number of packets."""
    packets = list(browsing(proxy_capture))
    first_us, last_us = packets[0].ts_us, packets[-1].ts_us
    packets += check_ins(beacon_capture, first_us + 4_000_000, last_us - 2_000_000, Random(30))
    packets += blocked(first_us + 11_000_000, last_us - 5_000_000, Random(60))
    packets.sort(key=lambda packet: packet.ts_us)
    with out.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for packet in packets:
            file.write(struct.pack("<IIII", *divmod(packet.ts_us, 1_000_000), len(packet.data), packet.wire_len))
            file.write(packet.data)
    return len(packets)


if __name__ == "__main__":
    print(build(*map(Path, sys.argv[1:4])), "packets")
