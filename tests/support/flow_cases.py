"""Hypothesis strategies for PACKET rows, and flow rows in a form that can be compared as multisets."""

from collections import Counter
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from sensor.constants import (
    FRAGMENT_FIRST,
    FRAGMENT_LATER,
    FRAGMENT_NONE,
    PROTO_ICMP,
    PROTO_ICMP6,
    PROTO_SCTP,
    PROTO_TCP,
    PROTO_UDP,
    STATUS_NAMES,
    TCP_ACK,
    TCP_FIN,
    TCP_PSH,
    TCP_RST,
    TCP_SYN,
)
from sensor.dtypes import PACKET
from tests.support.flows import Collected
from tests.support.packets import MS, T0, Packet, S
from tests.support.protocols import client_hello, query, record, records, response, server_name, wire_name

ADDRESSES = ("10.0.0.5", "10.0.0.6", "203.0.113.9", "198.51.100.1")
NAME = wire_name(b"c2", b"example")
PAYLOADS = (
    b"",
    b"x",
    b"some bytes that are no protocol",
    b"GET /task?id=1 HTTP/1.1\r\nHost: www.example\r\nUser-Agent: agent/1\r\n\r\n",
    b"POST http://asked.example/up HTTP/1.1\r\nHost: asked.example\r\n\r\n",
    b"CONNECT tunnel.example:443 HTTP/1.1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    records(client_hello(server_name(b"sni.example"))),
    query(NAME),
    query(NAME, qtype=28),
    response(NAME, record(b"\xc0\x0c", 1, bytes([192, 0, 2, 77]))),
    response(NAME, rcode=3),
)
PORTS = (53, 80, 443, 8443, 40000, 40001)
FLAGS = (
    *(TCP_SYN, TCP_SYN | TCP_ACK, TCP_ACK, TCP_ACK | TCP_PSH, TCP_FIN | TCP_ACK, TCP_RST, TCP_RST | TCP_ACK, TCP_FIN),
    *(TCP_SYN | TCP_FIN, TCP_FIN | TCP_RST, 0, 0xFF),
)
STEPS_NS = (0, 0, 1000, 50_000, 5 * MS, 200 * MS, S, 4 * S, 6 * S, 61 * S, 301 * S, -1, -3 * S)


# made once: hypothesis spends as long on making a strategy as on drawing from it
STEPS = st.sampled_from(STEPS_NS)
CLIENTS, SERVERS = st.sampled_from(ADDRESSES[:2]), st.sampled_from(ADDRESSES[2:])
CLIENT_PORTS, SERVER_PORTS = st.sampled_from(PORTS[3:]), st.sampled_from(PORTS)
PROTOS = st.sampled_from((PROTO_TCP, PROTO_TCP, PROTO_TCP, PROTO_UDP, PROTO_UDP, PROTO_ICMP, PROTO_SCTP))
MESSAGES = st.sampled_from(PAYLOADS)
ICMP_KINDS = st.sampled_from(((8, 0), (0, 0), (3, 1), (13, 0)))
FIELDS = st.fixed_dictionaries(
    {
        "ip_id": st.integers(0, 3),
        "l4_checksum": st.integers(0, 1),
        "status": st.sampled_from((0,) * 12 + (1, 5)),
        "fragment": st.sampled_from((FRAGMENT_NONE,) * 8 + (FRAGMENT_FIRST, FRAGMENT_LATER)),
    }
)
TCP_FIELDS = st.fixed_dictionaries(
    {
        "tcp_flags": st.sampled_from(FLAGS),
        "seq": st.sampled_from((1000, 1001, 1002, 1100, 0, 2**32 - 1, 2**31 + 1000)),
        "ack": st.sampled_from((0, 1001, 1002, 2000, 2**32 - 1)),
        "window": st.sampled_from((0, 1000)),
    }
)
ONE_IN_TEN, IS_BACK = st.integers(0, 9), st.booleans()


@st.composite
def packets(draw: st.DrawFn, min_size: int = 1, max_size: int = 40) -> list[Packet]:
    """Packets among a few endpoints, most of them on few keys, with plausible times."""
    now = T0
    found = []
    n = draw(st.integers(min_size, max_size))
    for _ in range(n):
        now += draw(STEPS)
        src, dst, sport, dport = draw(CLIENTS), draw(SERVERS), draw(CLIENT_PORTS), draw(SERVER_PORTS)
        proto, payload, fields = draw(PROTOS), draw(MESSAGES), draw(FIELDS)
        if proto == PROTO_ICMP:
            sport, dport = draw(ICMP_KINDS)
        if proto == PROTO_TCP:
            fields |= draw(TCP_FIELDS)
        fields["is_carrier"] = int(proto == PROTO_UDP and draw(ONE_IN_TEN) == 0)
        if draw(IS_BACK) and proto != PROTO_ICMP:
            src, dst, sport, dport = dst, src, dport, sport
        found.append(Packet(now, src, dst, sport, dport, proto, payload, fields=fields))
    return found


def random_rows(random: np.random.Generator, n: int) -> tuple[NDArray[np.void], NDArray[np.uint8]]:
    """Rows with any value in any field that a decoder could fill so, and the bytes they point into."""
    rows = np.frombuffer(random.bytes(n * PACKET.itemsize), PACKET).copy()
    frames = np.frombuffer(b"".join(PAYLOADS) + random.bytes(2000), np.uint8)
    starts = np.cumsum([0, *map(len, PAYLOADS)])
    which = random.integers(0, len(PAYLOADS), n)
    rows["payload_off"], rows["payload_cap"] = starts[which], [len(PAYLOADS[i]) for i in which]
    anywhere = random.random(n) < 0.3
    rows["payload_off"][anywhere] = random.integers(0, len(frames) + 1, anywhere.sum())
    room = len(frames) - rows["payload_off"]
    rows["payload_cap"][anywhere] = (random.random(anywhere.sum()) * (room[anywhere] + 1)).astype(np.int32)
    rows["payload_len"] = rows["payload_cap"] + np.where(random.random(n) < 0.8, 0, random.integers(0, 65536, n))
    rows["ip_len"] &= 0xFFFF
    rows["status"] = np.where(random.random(n) < 0.9, 0, random.integers(0, len(STATUS_NAMES), n))
    rows["fragment"] = random.choice((FRAGMENT_NONE, FRAGMENT_NONE, FRAGMENT_NONE, FRAGMENT_FIRST, FRAGMENT_LATER), n)
    rows["is_carrier"] = random.random(n) < 0.05
    rows["proto"] = np.where(
        random.random(n) < 0.9,
        random.choice((PROTO_TCP, PROTO_TCP, PROTO_UDP, PROTO_ICMP, PROTO_ICMP6), n),
        rows["proto"],
    )
    for side in ("src", "dst"):  # few endpoints, so that flows get more than one packet
        few = random.random(n) < 0.9
        rows[f"{side}_hi"][few] = 0
        rows[f"{side}_lo"][few] = (0xFFFF << 32) + random.integers(0, 3, few.sum()).astype(np.uint64)
        rows[f"{side}_port"][few] = random.choice(PORTS, few.sum())
    rows["seq"] = np.where(random.random(n) < 0.5, random.integers(0, 3000, n), rows["seq"])
    rows["ts_ns"] = np.where(random.random(n) < 0.9, T0 + np.cumsum(random.choice(STEPS_NS, n)), rows["ts_ns"])
    return rows, frames


Rows = Counter[tuple[tuple[str, Any], ...]]


def multiset(rows: list[dict[str, Any]], *without: str) -> Rows:
    """Rows without what depends on the process (numbers of texts, the keyed hash) and what is named."""
    left_out = {"key", *without}
    return Counter(
        tuple(
            sorted(
                (name, value)
                for name, value in row.items()
                if name not in left_out and (not name.endswith("_id") or name == "vlan_id")
            )
        )
        for row in rows
    )


def everything(got: Collected, *without: str) -> tuple[Rows, Rows, Rows]:
    """(flows, events, DNS rows), each as a multiset."""
    return multiset(got.flows, *without), multiset(got.events, *without), multiset(got.dns, *without)
