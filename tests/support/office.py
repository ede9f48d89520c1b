"""A made small office, some days of it as a capture: 30 clients, a proxy, servers, a firewall that drops and one that
rejects; and, on demand, machines in it that go around the proxy or try to.

usage: python -m tests.support.office OUT [--days N] [--planted]

In: a number of days, and whether anything is planted. Out: a pcap, always the same bytes. `PLANTED` says what has to
be found. Nothing here touches a network.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from random import Random

from tests.support.wire import ACK, MS, PSH, Talk, Wire, client_hello, dns_answer, dns_question, record

NETWORK = "10.30."
CLIENTS = tuple(f"10.30.1.{n}" for n in range(1, 31))
FIREWALL, PROXY, DIRECTORY, FILES, MAIL = "10.30.0.1", "10.30.0.5", "10.30.0.10", "10.30.0.11", "10.30.0.12"
SERVERS = (PROXY, DIRECTORY, FILES, MAIL)
PROXY_PORT = 3128
START = datetime(2026, 11, 16, tzinfo=UTC)  # a Monday
OPENS_H, CLOSES_H = 0.0, 9.0  # 9 to 18 o'clock in Tokyo
RESOLVER, CLOCK = "198.51.100.53", "203.0.113.123"

SITES = tuple(f"www.site{n}.example" for n in range(40))
TELEMETRY = ("events.data.vendor.example", "198.51.100.201")  # every machine tries it past the proxy, and is stopped
UPDATES = ("au.download.windowsupdate.com", "203.0.113.201")
REVOCATION = ("crl.microsoft.com", "203.0.113.202")
CAPTIVE = ("www.msftconnecttest.com", "203.0.113.203")
PUSH = ("client.wns.windows.com", "203.0.113.204")


@dataclass(frozen=True)
class Plant:
    """What was planted: who, where to, what has to be said of it."""

    host: str
    dest: str
    port: int
    outcome: str
    analyzer: str = "bypass"


PLANTED = (
    Plant(CLIENTS[2], "sync.example.net", 443, "established"),
    Plant(CLIENTS[4], "203.0.113.44", 443, "unanswered"),
    Plant(CLIENTS[6], "198.51.100.9", 8443, "refused"),
    Plant(CLIENTS[8], "203.0.113.77", 22, "refused"),
    Plant(CLIENTS[10], "203.0.113.8", 53, "established"),
    Plant(CLIENTS[12], "dns.google", 443, "established"),
    Plant(CLIENTS[14], "198.51.100.1", 853, "unanswered"),
    Plant(CLIENTS[16], "198.51.100.25", 25, "refused"),
    Plant(CLIENTS[18], "203.0.113.99", 22, "established"),
    Plant(CLIENTS[20], "203.0.113.111", 51820, "established"),
    Plant(CLIENTS[22], "198.51.100.60", 443, "half"),
    Plant(CLIENTS[24], "203.0.113.120", 80, "established"),
    Plant(CLIENTS[26], "203.0.113.140", 0, "established"),
    Plant(CLIENTS[28], "203.0.113.150", 443, "unanswered"),
    Plant(FILES, "drop.share.example", 443, "established", "server-egress"),
    Plant(DIRECTORY, "198.51.100.200", 443, "unanswered", "server-egress"),
)
BEAT_S = 300


class Office:
    """Writes the days of the office onto a wire."""

    def __init__(self, days: int, planted: bool, seed: int = 30) -> None:
        self.wire = Wire(NETWORK)
        self.random = Random(seed)
        self.days = days
        self._asked = 0
        for day in range(days):
            start_s = (START + timedelta(days=day)).timestamp()
            at_work = (START + timedelta(days=day)).weekday() < 5
            self.servers_day(start_s)
            for client in CLIENTS if at_work else ():
                self.client_day(client, start_s)
        if planted:
            self.plant()

    def times(self, start_s: float, median_s: float, until_h: float = CLOSES_H) -> Iterator[float]:
        """Moments of one working day with the log-normal pauses of people."""
        at_s = start_s + OPENS_H * 3600 + self.random.uniform(60, 1800)
        while at_s < start_s + until_h * 3600:
            yield at_s
            at_s += median_s * self.random.lognormvariate(0, 1.1)

    def spread(self, day: int, n: int) -> list[float]:
        """n moments of one working day that keep no beat."""
        start_s = (START + timedelta(days=day)).timestamp() + OPENS_H * 3600 + 1800
        return sorted(start_s + self.random.uniform(0, (CLOSES_H - OPENS_H - 1) * 3600) for _ in range(n))

    def looked_up(self, at_s: float, client: str, name: str, address: str) -> None:
        """The directory server tells a client an address."""
        self._asked += 1
        question, answer = dns_question(self._asked, name), dns_answer(self._asked, name, address)
        self.wire.asked(at_s - 0.05, client, (DIRECTORY, 53), question, answer)

    def browse(self, at_s: float, client: str, name: str) -> None:
        """A visit through the proxy, and what the proxy makes of it outside."""
        talk = Talk(self.wire, at_s, client, (PROXY, PROXY_PORT)).open()
        talk.ask(
            f"CONNECT {name}:443 HTTP/1.1\r\nHost: {name}:443\r\nUser-Agent: Mozilla/5.0\r\n\r\n".encode(),
            b"HTTP/1.1 200 Connection established\r\n\r\n",
        )
        talk.ask(client_hello(name), record(0x16, b"h" * 900))
        talk.ask(record(0x17, b"q" * self.random.randint(90, 700)), record(0x17, b"a" * self.random.randint(300, 1400)))
        talk.close(self.random.uniform(0.5, 30))
        self.tls(at_s + 0.05, PROXY, (f"192.0.2.{sum(name.encode()) % 250 + 1}", 443), name)

    def tls(self, at_s: float, client: str, server: tuple[str, int], name: str, **options: bool) -> None:
        """A TLS connection that works."""
        talk = Talk(self.wire, at_s, client, server, **options).open()
        talk.ask(client_hello(name), record(0x16, b"h" * 1200))
        talk.ask(record(0x17, b"q" * self.random.randint(80, 600)), record(0x17, b"a" * self.random.randint(200, 1300)))
        talk.close(self.random.uniform(0.5, 20))

    def http(self, at_s: float, client: str, server: tuple[str, int], name: str, path: str = "/") -> None:
        """A plain request that works."""
        talk = Talk(self.wire, at_s, client, server).open()
        talk.ask(
            f"GET {path} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode(),
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello",
        )
        talk.close(0.2)

    def served(self, at_s: float, client: str, server: tuple[str, int], request: bytes, answer: bytes) -> None:
        """A request to a server inside."""
        Talk(self.wire, at_s, client, server).open().ask(request, answer).close(5.0)

    def client_day(self, client: str, start_s: float) -> None:
        """Logging on, files, browsing, and the small noise that every office has."""
        number = CLIENTS.index(client)
        logon_s = start_s + OPENS_H * 3600 + self.random.uniform(0, 900)
        host = f"pc{number + 1:02d}".upper().ljust(15).encode() + b"\0"
        nbns = b"".join(bytes([65 + (byte >> 4), 65 + (byte & 15)]) for byte in host)
        registration = b"\0\1\x29\x10\0\1\0\0\0\0\0\1\x20" + nbns + b"\0\0\x20\0\1\xc0\x0c\0\x20\0\1\0\0\0\0\0\6\0\0"
        self.wire.udp(logon_s - 5, (client, 137), ("10.30.255.255", 137), registration + IPv4Address(client).packed)
        self.looked_up(logon_s, client, "files.office.example", FILES)
        self.wire.asked(logon_s, client, (DIRECTORY, 88), b"\x6a\x81\x80" + b"k" * 128, b"\x6b\x81\xc0" + b"k" * 192)
        self.served(
            logon_s + 1, client, (DIRECTORY, 389), b"0\x0c\2\1\1`\7\2\1\3\4\0\x80\0", b"0\x0c\2\1\1a\7\n\1\0\4\0\4\0"
        )
        negotiate = b"\0\0\0\x40\xfeSMB\x40\0" + b"\0" * 58
        self.served(logon_s + 2, client, (DIRECTORY, 445), negotiate, negotiate)
        self.wire.asked(logon_s + 3, client, (DIRECTORY, 123), b"\x1b" + b"\0" * 47, b"\x1c" + b"\1" * 47)
        for at_s in self.times(start_s, 5400):
            self.served(at_s, client, (FILES, 445), negotiate, negotiate + b"f" * self.random.randint(10, 900))
        for at_s in self.times(start_s, 900):
            self.browse(at_s, client, self.random.choice(SITES))
        for at_s in self.times(start_s, 9000):
            self.served(at_s, client, (MAIL, 25), b"EHLO pc\r\n", b"220 mail ESMTP\r\n250 hello\r\n")
        for at_s in self.times(start_s, 8000):  # a program that knows no proxy
            self.looked_up(at_s, client, *TELEMETRY)
            Talk(self.wire, at_s, client, (TELEMETRY[1], 443)).dropped()
        if number % 4 == 0:
            self.looked_up(logon_s + 20, client, *CAPTIVE)
            self.http(logon_s + 20, client, (CAPTIVE[1], 80), CAPTIVE[0], "/connecttest.txt")
        if number % 5 == 0:
            self.wire.asked(logon_s + 30, client, (CLOCK, 123), b"\x1b" + b"\0" * 47, b"\x1c" + b"\1" * 47)
        if number % 7 == 0:
            self.looked_up(logon_s + 40, client, *PUSH)
            Talk(self.wire, logon_s + 40, client, (PUSH[1], 443)).dropped()
        if number % 9 == 0:
            ping = b"\x08\0\0\0\0\1\0\1abcdefghijklmnopqrstuvwabcdefghi"
            self.wire.ip(logon_s + 50, client, RESOLVER, 1, ping)
            self.wire.ip(logon_s + 50.02, RESOLVER, client, 1, b"\0" + ping[1:])

    def servers_day(self, start_s: float) -> None:
        """What the servers' roles allow."""
        for n in range(24):
            at_s = start_s + 3600 * n + self.random.uniform(0, 3000)
            self._asked += 1
            name = self.random.choice(SITES)
            question, answer = dns_question(self._asked, name), dns_answer(self._asked, name, f"192.0.2.{n + 1}")
            self.wire.asked(at_s, DIRECTORY, (RESOLVER, 53), question, answer)
            self.wire.asked(at_s + 60, DIRECTORY, (CLOCK, 123), b"\x1b" + b"\0" * 47, b"\x1c" + b"\1" * 47)
        for server, at_h in ((DIRECTORY, 18.2), (FILES, 19.1)):
            self.browse(start_s + 3600 * at_h, server, UPDATES[0])
        self.looked_up(start_s + 3600 * 3.3, FILES, *REVOCATION)
        self.http(start_s + 3600 * 3.3, FILES, (REVOCATION[1], 80), REVOCATION[0], "/pki/crl/products/x.crl")
        for at_s in self.times(start_s, 3600):
            talk = Talk(self.wire, at_s, MAIL, ("192.0.2.25", 25)).open()
            talk.ask(b"EHLO mail.office.example\r\n", b"220 mx.example ESMTP\r\n250 hello\r\n").close()

    def plant(self) -> None:
        """What PLANTED says."""
        (web, beats, rst, ssh_refused, dns, doh, dot, mail, ssh, vpn, half, raw, ping, quic, *_) = PLANTED
        last = self.days - 1
        for at_s in self.spread(0, 6) + self.spread(last, 6):
            self.looked_up(at_s, web.host, web.dest, "203.0.113.50")
            self.tls(at_s, web.host, ("203.0.113.50", 443), web.dest)
        start_s = START.timestamp() + 7200
        for n in range(int((self.days * 86_400 - 7200) / BEAT_S)):
            beat_s = start_s + n * BEAT_S + self.random.uniform(-9, 9)
            Talk(self.wire, beat_s, beats.host, (beats.dest, beats.port)).dropped()
        for at_s in self.spread(0, 8):
            Talk(self.wire, at_s, rst.host, (rst.dest, rst.port)).reset()
        for plant in (ssh_refused, mail):
            for at_s in self.spread(min(1, last), 6):
                Talk(self.wire, at_s, plant.host, (plant.dest, plant.port)).prohibited(FIREWALL)
        for at_s in self.spread(0, 20):
            self._asked += 1
            question = dns_question(self._asked, "a.example")
            self.wire.asked(at_s, dns.host, (dns.dest, 53), question, dns_answer(self._asked, "a.example", "192.0.2.7"))
        for at_s in self.spread(last, 10):
            self.tls(at_s, doh.host, ("203.0.113.88", 443), doh.dest)
        for at_s in self.spread(0, 6):
            Talk(self.wire, at_s, dot.host, (dot.dest, dot.port)).dropped()
        for at_s in self.spread(last, 3):
            talk = Talk(self.wire, at_s, ssh.host, (ssh.dest, ssh.port)).open()
            talk.ask(b"SSH-2.0-OpenSSH_9.6\r\n", b"SSH-2.0-OpenSSH_9.2\r\n").ask(b"k" * 600, b"k" * 900).close(120)
        for at_s in self.spread(0, 4):
            here = (vpn.host, 51820)
            self.wire.udp(at_s, here, (vpn.dest, vpn.port), b"\1\0\0\0" + b"w" * 144)
            self.wire.udp(at_s + 0.03, (vpn.dest, vpn.port), here, b"\2\0\0\0" + b"w" * 88)
        for at_s in self.spread(0, 5):
            talk = Talk(self.wire, at_s, half.host, (half.dest, half.port), to_client=False).open()
            talk.ask(client_hello(""), b"h" * 900)
            talk.send(0, PSH | ACK, record(0x17, b"q" * 300), 0.2)
            talk.close()
        for at_s in self.spread(last, 9):
            self.http(at_s, raw.host, (raw.dest, raw.port), raw.dest, "/news.php")
        for at_s in self.spread(0, 15):
            for back, kind in ((False, 8), (True, 0)):
                ends = (ping.dest, ping.host) if back else (ping.host, ping.dest)
                self.wire.ip(
                    at_s + 20 * MS * back, *ends, 1, bytes([kind, 0, 0, 0, 9, 9, 0, 1]) + b"x" * (900 - 300 * back)
                )
        for at_s in self.spread(0, 6):
            for after_s in (0, 0.3, 0.9):
                self.wire.udp(at_s + after_s, (quic.host, 50443), (quic.dest, 443), b"\xc3\0\0\0\1\x08" + b"i" * 1194)
        server_out, server_blocked = PLANTED[-2:]
        for at_s in self.spread(last, 2):
            self.browse(at_s, server_out.host, server_out.dest)
        for at_s in self.spread(last, 5):
            Talk(self.wire, at_s, server_blocked.host, (server_blocked.dest, server_blocked.port)).dropped()


def build(path: Path, days: int = 3, planted: bool = False) -> int:
    """Write the office's capture; returns the number of packets."""
    return Office(days, planted).wire.save(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the capture of a small office.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--planted", action="store_true")
    words = parser.parse_args()
    print(build(words.out, words.days, words.planted), "packets")
