"""Builds bypass-blocked.pcap, wholly crafted with scapy; always the same bytes.

usage: build.py OUT

Four clients browse through the proxy 10.20.0.5:3128, so that a sensor can learn it. One of them, 10.20.0.13, also
goes out directly, in the three ways this can end: the connection is established, refused with a RST, or dropped by a
firewall (every 60 s). This script never touches the network.
"""

import struct
import sys
from pathlib import Path
from random import Random

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.packet import Packet

START_US = 1_767_571_200_000_000  # 2026-01-05 00:00:00 UTC
LENGTH_S = 1800
PROXY = "10.20.0.5"
CLIENTS = ("10.20.0.11", "10.20.0.12", "10.20.0.13", "10.20.0.14")
BYPASSER = "10.20.0.13"
HOSTS = ("www.example.com", "news.example.net", "shop.example.org", "mail.example.com", "maps.example.net")

Frames = list[tuple[int, bytes]]


class Conversation:
    """One TCP connection that writes its frames, in step, into a list."""

    def __init__(self, out: Frames, at_s: float, orig: str, port: int, resp: str, resp_port: int) -> None:
        self.out = out
        self.now_us = START_US + int(at_s * 1e6)
        self.ends = {True: (orig, port), False: (resp, resp_port)}
        self.seq = {True: 1000 + port, False: 9000 + port}

    def send(self, from_orig: bool, flags: str, payload: bytes = b"", after_s: float = 0.01) -> None:
        """Add one segment; SYN and FIN take a sequence number."""
        self.now_us += int(after_s * 1e6)
        (src, sport), (dst, dport) = self.ends[from_orig], self.ends[not from_orig]
        ack = self.seq[not from_orig] if "A" in flags else 0
        segment: Packet = TCP(sport=sport, dport=dport, flags=flags, seq=self.seq[from_orig], ack=ack)
        frame = Ether(src=_mac(src), dst=_mac(dst)) / IP(src=src, dst=dst, ttl=64) / segment
        self.out.append((self.now_us, bytes(frame / payload if payload else frame)))
        self.seq[from_orig] += len(payload) + ("S" in flags) + ("F" in flags)

    def open(self) -> None:
        """The three-way handshake."""
        self.send(True, "S")
        self.send(False, "SA")
        self.send(True, "A", after_s=0.0002)

    def ask(self, request: bytes, answer: bytes) -> None:
        """One request and its answer, acknowledged."""
        self.send(True, "PA", request)
        self.send(False, "PA", answer, after_s=0.03)
        self.send(True, "A", after_s=0.0002)

    def close(self, after_s: float) -> None:
        """An orderly end by the originator."""
        self.send(True, "FA", after_s=after_s)
        self.send(False, "FA")
        self.send(True, "A", after_s=0.0002)


def _mac(address: str) -> str:
    """A locally administered MAC of a host; everything outside stands behind one router."""
    last = int(address.rsplit(".", 1)[1]) if address.startswith("10.20.") else 1
    return f"02:20:00:00:00:{last:02x}"


def browsing(out: Frames, random: Random) -> None:
    """CONNECT requests of every client at times that no machine keeps."""
    for number, client in enumerate(CLIENTS):
        at_s, port = random.uniform(0, 30), 40000 + 1000 * number
        while at_s < LENGTH_S - 40:
            host = random.choice(HOSTS)
            talk = Conversation(out, at_s, client, port, PROXY, 3128)
            talk.open()
            request = f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\nUser-Agent: Mozilla/5.0\r\n\r\n"
            talk.ask(request.encode(), b"HTTP/1.1 200 Connection established\r\n\r\n")
            talk.ask(random.randbytes(random.randint(200, 700)), random.randbytes(random.randint(500, 1400)))
            talk.close(random.uniform(0.5, 20))
            at_s += random.lognormvariate(3.2, 1.2)
            port += 1


def established(out: Frames) -> None:
    """Direct plain HTTP that gets its answer."""
    talk = Conversation(out, 300, BYPASSER, 50001, "198.51.100.80", 80)
    talk.open()
    talk.ask(
        b"GET /news.txt HTTP/1.1\r\nHost: direct.example.org\r\nUser-Agent: curl/8.5.0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n",
    )
    talk.close(0.1)


def refused(out: Frames) -> None:
    """Three tries that a firewall answers with a RST."""
    for n in range(3):
        talk = Conversation(out, 600 + 0.5 * n, BYPASSER, 50010 + n, "203.0.113.9", 8443)
        talk.send(True, "S")
        talk.send(False, "RA", after_s=0.001)


def dropped(out: Frames) -> None:
    """A try every 60 s, each SYN sent three times, that nothing answers."""
    for n in range(LENGTH_S // 60):
        for after_s in (0.0, 1.01, 3.03):
            Conversation(out, 20 + 60 * n + after_s, BYPASSER, 50100 + n, "203.0.113.44", 443).send(True, "S")


def build(path: Path) -> int:
    """Write the capture; returns the number of packets."""
    out: Frames = []
    browsing(out, Random(20))
    established(out)
    refused(out)
    dropped(out)
    out.sort(key=lambda frame: frame[0])
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for ts_us, data in out:
            file.write(struct.pack("<IIII", *divmod(ts_us, 1_000_000), len(data), len(data)) + data)
    return len(out)


if __name__ == "__main__":
    print(build(Path(sys.argv[1])), "packets")
