"""Builds demo.pcap from two real captures and crafted packets; the same inputs give the same bytes.

usage: build.py LAN_CAPTURE BEACON_CAPTURE OUT        (README.md beside this file names the two captures)

Real: 18 minutes of a home network's chatter, as captured; and the check-ins of a Caldera agent with the waits between
them, put into that network. Crafted with scapy: people who browse through a proxy, one host whose direct connections a
firewall drops, and one whose direct connections get through. This script never touches the network.
"""

import struct
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import cycle, pairwise
from pathlib import Path
from random import Random

from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet
from scapy.utils import RawPcapNgReader, RawPcapReader

LENGTH_S = 1080
GATEWAY, GATEWAY_MAC = "192.168.152.1", "58:ef:68:10:8f:69"  # as captured
PROXY, PROXY_PORT = "192.168.152.8", 3128
CLIENTS = ("192.168.152.41", "192.168.152.42", "192.168.152.43", "192.168.152.57", "192.168.152.64")
AGENT = "192.168.152.57"
C2 = "192.0.2.66"  # as long as the address in the real requests' Host header
BLOCKED, BLOCKED_TO = "192.168.152.64", "198.51.100.23"
DIRECT, DIRECT_TO, DIRECT_NAME = "192.168.152.42", "203.0.113.50", "sync.example.net"
SYN_AFTER_S = (0.0, 1.02, 3.06, 7.13)  # a dropped SYN is sent again, as Linux does
SITES = (
    *("www.daily-news.example", "static.daily-news.example", "mail.letters.example", "maps.city.example"),
    *("www.recipes.example", "api.weather.example", "www.example.com", "img.example.com", "shop.example.net"),
    *("cdn.example.net", "forum.example.org", "wiki.example.org"),
)

Frames = list[tuple[int, bytes]]  # nanoseconds since 1970 UTC, Ethernet frame


def read_lan(path: Path) -> Frames:
    """The first LENGTH_S seconds of a pcapng with nanoseconds."""
    frames: Frames = []
    with RawPcapNgReader(str(path)) as reader:
        for data, meta in reader:
            frames.append(((meta.tshigh << 32 | meta.tslow) * 1_000_000_000 // meta.tsresol, data))
    return [(ts_ns, data) for ts_ns, data in frames if ts_ns - frames[0][0] < LENGTH_S * 1_000_000_000]


def check_ins(path: Path, first_ns: int, last_ns: int) -> Iterator[tuple[int, bytes]]:
    """The agent's plain check-ins (POST /weather), one connection each, with the real waits between them, repeated."""
    by_port: dict[int, Frames] = defaultdict(list)
    with RawPcapReader(str(path)) as reader:
        for data, meta in reader:
            frame = Ether(data)
            if TCP in frame:
                port = frame[TCP].dport if frame[TCP].sport == 8888 else frame[TCP].sport
                by_port[port].append((meta.sec * 1_000_000_000 + meta.usec * 1_000, data))
    templates = [c for c in by_port.values() if any(b"POST /weather HTTP" in data for _, data in c)]
    starts = [template[0][0] for template in templates]
    waits = [later - earlier for earlier, later in pairwise(starts)]
    now_ns = first_ns
    for n, (template, wait_ns) in enumerate(zip(cycle(templates), cycle(waits), strict=False)):
        if now_ns >= last_ns:
            return
        for ts_ns, data in template:
            yield now_ns + ts_ns - template[0][0], _as_agent(data, 49200 + n)
        now_ns += wait_ns


def _as_agent(data: bytes, port: int) -> bytes:
    frame = Ether(data)
    raw = bytes(frame[TCP].payload)
    if frame[TCP].dport == 8888:
        frame.src, frame.dst = _mac(AGENT), GATEWAY_MAC
        frame[IP].src, frame[IP].dst, frame[TCP].sport = AGENT, C2, port
        raw = raw.replace(b"Host: 172.18.0.2:", b"Host: 192.0.2.66:")
    else:
        frame.src, frame.dst = GATEWAY_MAC, _mac(AGENT)
        frame[IP].src, frame[IP].dst, frame[TCP].dport = C2, AGENT, port
    frame[TCP].remove_payload()
    del frame[IP].chksum, frame[TCP].chksum
    return bytes(frame / raw)


def _mac(address: str) -> str:
    """A locally administered MAC of a host that is not in the real capture; the outside stands behind the gateway."""
    inside = address.startswith("192.168.152.") and address != GATEWAY
    return f"02:00:00:00:98:{int(address.rsplit('.', 1)[1]):02x}" if inside else GATEWAY_MAC


class Conversation:
    """One crafted TCP connection that adds its frames, in step, to a list."""

    def __init__(
        self, out: Frames, start_ns: int, orig: str, port: int, resp: str, resp_port: int, rtt_s: float
    ) -> None:
        self.out, self.now_ns, self.rtt_s = out, start_ns, rtt_s
        self.ends = {True: (orig, port), False: (resp, resp_port)}
        self.seq = {True: Random(start_ns).getrandbits(32), False: Random(start_ns + 1).getrandbits(32)}

    def send(self, from_orig: bool, flags: str, payload: bytes = b"", after_s: float = 0.0002) -> None:
        """Add one segment `after_s` after the last; SYN and FIN take a sequence number."""
        self.now_ns += int(after_s * 1e9)
        (src, sport), (dst, dport) = self.ends[from_orig], self.ends[not from_orig]
        segment: Packet = TCP(sport=sport, dport=dport, flags=flags, seq=self.seq[from_orig], window=64240)
        if "A" in flags:
            segment.ack = self.seq[not from_orig]
        if "S" in flags:
            segment.options = [("MSS", 1460)]
        frame = Ether(src=_mac(src), dst=_mac(dst)) / IP(src=src, dst=dst, ttl=64) / segment
        self.out.append((self.now_ns, bytes(frame / payload if payload else frame)))
        self.seq[from_orig] = (self.seq[from_orig] + len(payload) + ("S" in flags) + ("F" in flags)) % 2**32

    def open(self) -> None:
        """The three-way handshake."""
        self.send(True, "S")
        self.send(False, "SA", after_s=self.rtt_s)
        self.send(True, "A")

    def ask(self, request: bytes, answer: bytes, after_s: float = 0.001) -> None:
        """One request and its answer, acknowledged."""
        self.send(True, "PA", request, after_s)
        self.send(False, "PA", answer, self.rtt_s)
        self.send(True, "A")

    def talk_tls(self, name: str, random: Random) -> None:
        """A TLS ClientHello that names the server, then records of random bytes."""
        self.ask(_client_hello(name, random), _record(0x16, random.randbytes(random.randint(500, 1300))))
        for _ in range(random.randint(1, 3)):
            request = _record(0x17, random.randbytes(random.randint(80, 400)))
            self.ask(request, _record(0x17, random.randbytes(random.randint(100, 800))), random.uniform(0.01, 2))

    def close(self, after_s: float) -> None:
        """An orderly end by the originator."""
        self.send(True, "FA", after_s=after_s)
        self.send(False, "FA", after_s=self.rtt_s)
        self.send(True, "A")


def _record(kind: int, body: bytes) -> bytes:
    return struct.pack(">BHH", kind, 0x0303, len(body)) + body


def _client_hello(name: str, random: Random) -> bytes:
    """A ClientHello with server_name and supported_versions (RFC 8446 section 4.1.2, RFC 6066 section 3)."""
    host = name.encode()
    extensions = struct.pack(">HHHBH", 0, len(host) + 5, len(host) + 3, 0, len(host)) + host
    extensions += struct.pack(">HHBHH", 43, 5, 4, 0x0304, 0x0303)
    body = struct.pack(">H32sB32s", 0x0303, random.randbytes(32), 32, random.randbytes(32))
    body += struct.pack(">HHHHBB", 6, 0x1301, 0x1302, 0xC02F, 1, 0) + struct.pack(">H", len(extensions)) + extensions
    return _record(0x16, b"\x01" + len(body).to_bytes(3, "big") + body)


def browsing(out: Frames, start_ns: int, random: Random) -> None:
    """Every client visits sites through the proxy, with the log-normal pauses of people."""
    for number, client in enumerate(CLIENTS):
        at_s, port = random.uniform(2, 60), 40000 + 1000 * number
        while at_s < LENGTH_S - 60:
            for site in random.sample(SITES, random.randint(1, 3)):
                talk_ns = start_ns + int((at_s + random.expovariate(2)) * 1e9)
                talk = Conversation(out, talk_ns, client, port, PROXY, PROXY_PORT, random.uniform(0.02, 0.12))
                talk.open()
                if random.random() < 0.75:
                    request = f"CONNECT {site}:443 HTTP/1.1\r\nHost: {site}:443\r\nUser-Agent: Mozilla/5.0\r\n\r\n"
                    talk.ask(request.encode(), b"HTTP/1.1 200 Connection established\r\n\r\n")
                    talk.talk_tls(site, random)
                else:
                    for _ in range(random.randint(1, 2)):
                        page = f"GET http://{site}/{random.getrandbits(24):06x}.html HTTP/1.1\r\nHost: {site}\r\n"
                        text = random.randbytes(random.randint(100, 500)).hex().encode()
                        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n\r\n"
                        agent = b"User-Agent: Mozilla/5.0\r\n\r\n"
                        talk.ask(page.encode() + agent, head.encode() + text, random.uniform(0.001, 4))
                talk.close(random.uniform(0.5, 15))
                port += 1
            at_s += 5 + random.lognormvariate(4.2, 0.9)


def blocked(out: Frames, start_ns: int, random: Random) -> None:
    """Direct connections that a firewall drops without a word, at irregular times."""
    at_s, port = 40.0, 51000
    while at_s < LENGTH_S - 20:
        for after_s in SYN_AFTER_S:
            syn_ns = start_ns + int((at_s + after_s) * 1e9)
            talk = Conversation(out, syn_ns, BLOCKED, port, BLOCKED_TO, 443, 0)
            talk.seq[True] = port * 65537
            talk.send(True, "S", after_s=0)
        at_s += 15 + random.lognormvariate(4.2, 1.0)
        port += 1


def direct(out: Frames, start_ns: int, random: Random) -> None:
    """One lookup, and direct TLS connections that get through, at irregular times."""
    at_s = 95.0
    question = DNSQR(qname=DIRECT_NAME, qtype="A")
    for asks in (True, False):
        src, dst = (DIRECT, GATEWAY) if asks else (GATEWAY, DIRECT)
        answer = None if asks else DNSRR(rrname=DIRECT_NAME, type="A", ttl=3600, rdata=DIRECT_TO)
        dns = DNS(id=0x5A5A, rd=1, qr=not asks, ra=not asks, qd=question, an=answer)
        sport, dport = (51999, 53) if asks else (53, 51999)
        frame = Ether(src=_mac(src), dst=_mac(dst)) / IP(src=src, dst=dst) / UDP(sport=sport, dport=dport) / dns
        out.append((start_ns + int((at_s - (0.09 if asks else 0.07)) * 1e9), bytes(frame)))
    port = 52000
    while at_s < LENGTH_S - 60:
        talk = Conversation(out, start_ns + int(at_s * 1e9), DIRECT, port, DIRECT_TO, 443, random.uniform(0.03, 0.05))
        talk.open()
        talk.talk_tls(DIRECT_NAME, random)
        talk.close(random.uniform(1, 10))
        at_s += 15 + random.lognormvariate(4.0, 1.0)
        port += 1


def build(lan_capture: Path, beacon_capture: Path, out: Path) -> int:
    """Write the merged capture, with nanoseconds; returns the number of packets."""
    frames = read_lan(lan_capture)
    start_ns = frames[0][0]
    frames += check_ins(beacon_capture, start_ns + 4_000_000_000, start_ns + (LENGTH_S - 10) * 1_000_000_000)
    browsing(frames, start_ns, Random(152))
    blocked(frames, start_ns, Random(23))
    direct(frames, start_ns, Random(50))
    frames.sort(key=lambda frame: frame[0])
    with out.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        for ts_ns, data in frames:
            file.write(struct.pack("<IIII", *divmod(ts_ns, 1_000_000_000), len(data), len(data)) + data)
    return len(frames)


if __name__ == "__main__":
    print(build(*map(Path, sys.argv[1:4])), "packets")
