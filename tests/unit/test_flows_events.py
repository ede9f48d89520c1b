"""Events, requests, DNS rows and names: what the scores stand on."""

import ipaddress
from typing import Any

import pytest

from sensor.flows.tracker import Timeouts
from tests.support.flows import Collected
from tests.support.packets import CLIENT, MS, SERVER, T0, Packet, S, Tcp, icmp, track, udp
from tests.support.protocols import client_hello, query, record, records, response, server_name, wire_name

RESOLVER = ("10.0.0.53", 53)
OTHER_CLIENT = "10.0.0.6"
PROXY = ("10.0.0.80", 3128)


def kinds(got: Collected) -> list[str]:
    return [event["kind"] for event in sorted(got.events, key=lambda event: event["ts"])]


def seconds_of(got: Collected) -> list[float]:
    return sorted((event["ts"] - T0) / S for event in got.events)


def get(path: str, host: str, agent: str = "curl/8", method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n\r\n".encode()


# --- connections and exchanges ---


def test_a_short_connection_is_one_event() -> None:
    conversation = Tcp().handshake()("P.", b"ask").r("P.", b"answer!")("P.", b"more").r("P.", b"a").close()
    got = track(conversation.packets)
    (event,) = got.events
    assert (event["kind"], event["answered"], event["ts"]) == ("connection", 1, conversation.packets[0].ts_ns)
    assert (event["orig_bytes"], event["resp_bytes"]) == (7, 8)
    assert event["duration_ns"] == 6 * MS
    assert (event["orig_ip"], event["resp_ip"], event["resp_port"], event["proto"]) == (CLIENT, SERVER, 8443, 6)
    assert (event["dest"], event["name_source"]) == (SERVER, "none")
    assert (event["uid_hi"], event["uid_lo"]) == (got.flows[0]["uid_hi"], got.flows[0]["uid_lo"])


def test_every_originator_that_speaks_after_a_silence_makes_an_event() -> None:
    conversation = Tcp().handshake()
    for second in (1, 61, 121):
        conversation("P.", b"beacon", at=second).r("P.", b"no task", at=second + 0.2)
    got = track(conversation.packets)
    assert kinds(got) == ["connection", "exchange", "exchange"]
    assert seconds_of(got) == [0.001, 61, 121]
    assert [(event["orig_bytes"], event["resp_bytes"]) for event in got.events] == [(6, 7)] * 3
    assert len(got.flows) == 1


@pytest.mark.parametrize(("silence", "n_events"), [(0.799, 1), (0.8, 2)])
def test_the_silence_between_exchanges(silence: float, n_events: int) -> None:
    conversation = Tcp().handshake()("P.", b"a", at=1)("P.", b"b", at=1 + silence)
    assert len(track(conversation.packets).events) == n_events


def test_the_silence_can_be_chosen() -> None:
    conversation = Tcp().handshake()("P.", b"a", at=1)("P.", b"b", at=4)
    assert len(track(conversation.packets, timeouts=Timeouts(gap_s=5)).events) == 1


def test_payload_of_either_side_ends_a_silence_but_only_the_originator_begins_an_exchange() -> None:
    conversation = Tcp().handshake()("P.", b"subscribe", at=1).r("P.", b"ok")
    for second in range(10, 60, 10):
        conversation.r("P.", b"push", at=second)
    got = track(conversation("P.", b"still here?", at=52).packets)
    assert kinds(got) == ["connection", "exchange"]
    assert [(event["orig_bytes"], event["resp_bytes"]) for event in got.events] == [(9, 22), (11, 0)]
    assert got.events[0]["duration_ns"] == round(49.999 * S)


def test_a_server_that_polls_makes_replies() -> None:
    conversation = Tcp().handshake()("P.", b"hello", at=1).r("P.", b"hi")
    for second in (10, 20, 30):
        conversation.r("P.", b"ta", at=second).r("P.", b"sk", at=second + 0.2)("P.", b"result", at=second + 0.4)
        conversation.r("P.", b"ok")
    got = track(conversation.r("P.", b"task", at=40).packets)
    assert kinds(got) == ["connection", "reply", "reply", "reply"]
    assert seconds_of(got) == [0.001, 10, 20, 30]
    assert [(e["orig_bytes"], e["resp_bytes"], e["answered"]) for e in got.events[:3]] == [(5, 2, 1)] + [(6, 6, 1)] * 2
    assert (got.events[3]["resp_bytes"], got.events[1]["duration_ns"]) == (10, round(0.401 * S))


def test_an_answer_that_comes_late_stays_with_its_question() -> None:
    conversation = Tcp().handshake()("P.", b"hello", at=1).r("P.", b"hi")
    conversation.r("P.", b"go", at=5)("P.", b"one", at=5.1).r("P.", b"done", at=8)("P.", b"two!", at=8.3).r(
        "P.", b"done"
    )
    got = track(conversation.packets)
    assert kinds(got) == ["connection", "reply", "reply"]
    assert seconds_of(got) == [0.001, 5, 8]
    assert [(e["orig_bytes"], e["resp_bytes"]) for e in got.events[1:]] == [(3, 2), (4, 8)]


def test_what_a_server_says_between_the_clients_own_beats_makes_no_event() -> None:
    conversation = Tcp().handshake()("P.", b"hello", at=1).r("P.", b"hi")
    for second in (10, 20, 30):
        conversation("P.", b"beat", at=second).r("P.", b"ok").r("P.", b"push", at=second + 4)("P.", b"ack")
    got = track(conversation.packets)
    assert kinds(got) == ["connection", "exchange", "exchange", "exchange"]
    assert [(e["orig_bytes"], e["resp_bytes"]) for e in got.events[1:]] == [(7, 6)] * 3


def test_every_byte_of_a_server_that_speaks_first_is_counted_once() -> None:
    conversation = Tcp().handshake()("P.", b"a", at=1).r("P.", b"b")
    for second, reply_at in ((10, 10.4), (20, 22), (30, 30.1), (40, 41)):
        conversation.r("P.", b"push", at=second)("P.", b"reply", at=reply_at)
    got = track(conversation.packets)
    assert kinds(got) == ["connection", "reply", "exchange", "exchange"]
    assert (sum(e["orig_bytes"] for e in got.events), sum(e["resp_bytes"] for e in got.events)) == (21, 17)


def test_a_slow_answer_makes_no_reply_of_the_next_request() -> None:
    conversation = Tcp(server=(SERVER, 80)).handshake()
    for second in (1, 31, 61):
        conversation("P.", get("/poll", "www.example"), at=second).r("P.", b"HTTP/1.1 200 OK\r\n\r\n", at=second + 29.5)
    assert kinds(track(conversation.packets)) == ["request"] * 3


def test_what_carries_no_new_payload_begins_no_exchange() -> None:
    conversation = Tcp().handshake()("P.", b"abc", at=1).r(".")
    conversation(".", at=30)("P.", b"abc", at=40, seq=1001)(".", b"c", at=50, seq=1003)("F.", at=60)
    assert kinds(track(conversation.packets)) == ["connection"]


def test_datagrams_make_events_too() -> None:
    got = track([udp(T0 + n * 10 * S, b"x" * 9) for n in range(4)])
    assert kinds(got) == ["connection"] + ["exchange"] * 3
    assert seconds_of(got) == [0, 10, 20, 30]
    assert len(got.flows) == 1


def test_an_icmp_ping_is_one_event_until_silence() -> None:
    got = track([icmp(T0, 8), icmp(T0 + MS, 0, src=SERVER, dst=CLIENT), icmp(T0 + 30 * S, 8)])
    assert kinds(got) == ["connection", "exchange"]
    assert [event["answered"] for event in got.events] == [1, 0]


def test_an_exchange_without_an_answer_says_so() -> None:
    conversation = Tcp().handshake()("P.", b"a", at=1).r("P.", b"b")("P.", b"c", at=60)
    assert [event["answered"] for event in track(conversation.packets).events] == [1, 0]


# --- HTTP ---


def test_every_request_on_a_connection_is_an_event() -> None:
    conversation = Tcp(server=(SERVER, 80)).handshake()
    for path, agent in (("/a", "one"), ("/b?c=d", "two"), ("/e", "two")):
        conversation("P.", get(path, "www.example", agent, "POST")).r("P.", b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100)
    got = track(conversation.close().packets)
    assert kinds(got) == ["request"] * 3
    assert [event["uri"] for event in got.events] == ["/a", "/b?c=d", "/e"]
    assert [event["user_agent"] for event in got.events] == ["one", "two", "two"]
    assert {event["method"] for event in got.events} == {"POST"}
    assert {(event["dest"], event["name_source"], event["via_proxy"]) for event in got.events} == {
        ("www.example", "http", "")
    }
    assert [event["resp_bytes"] for event in got.events] == [119] * 3
    assert got.events[0]["ts"] == conversation.packets[0].ts_ns
    assert (got.flows[0]["app"], got.flows[0]["name"], got.flows[0]["user_agent"]) == ("http", "www.example", "one")


def test_a_request_body_in_later_packets_belongs_to_its_request() -> None:
    conversation = Tcp(server=(SERVER, 80)).handshake()("P.", get("/up", "www.example"))("P.", b"z" * 500)
    got = track(conversation.packets)
    assert [(event["kind"], event["orig_bytes"]) for event in got.events] == [
        ("request", 500 + len(get("/up", "www.example")))
    ]


def test_a_request_after_a_silence_is_one_event_not_two() -> None:
    conversation = Tcp(server=(SERVER, 80)).handshake()
    for second in (1, 31, 61):
        conversation("P.", get("/poll", "www.example"), at=second).r("P.", b"HTTP/1.1 204 No\r\n\r\n")
    got = track(conversation.packets)
    assert kinds(got) == ["request"] * 3
    assert seconds_of(got) == [0.001, 31, 61]


def test_a_retransmitted_request_is_one_event() -> None:
    first = get("/a", "www.example")
    conversation = Tcp(server=(SERVER, 80)).handshake()("P.", first)("P.", first, seq=1001, at=3)
    assert kinds(track(conversation.packets)) == ["request"]


def test_requests_to_a_proxy_name_the_host_that_was_asked_for() -> None:
    conversation = Tcp(server=PROXY).handshake()
    for host in ("one.example", "two.example:8080"):
        conversation("P.", get(f"http://{host}/x", host)).r("P.", b"HTTP/1.1 200 OK\r\n\r\n")
    got = track(conversation.packets)
    assert [(e["dest"], e["name_source"], e["via_proxy"]) for e in got.events] == [
        ("one.example", "proxy", "10.0.0.80:3128"),
        ("two.example", "proxy", "10.0.0.80:3128"),
    ]
    row = got.flows[0]
    assert (row["name"], row["name_source"], row["via_proxy"]) == ("one.example", "proxy", "10.0.0.80:3128")
    assert row["resp_ip"] == PROXY[0]


def test_a_tunnel_through_a_proxy_keeps_its_destination_over_exchanges() -> None:
    conversation = Tcp(server=PROXY).handshake()
    conversation("P.", b"CONNECT c2.example:443 HTTP/1.1\r\nHost: c2.example:443\r\n\r\n", at=1)
    conversation.r("P.", b"HTTP/1.1 200 Connection established\r\n\r\n")
    conversation("P.", records(client_hello(server_name(b"front.example")))).r("P.", b"\x16\3\3\0\1\2")
    for second in (60, 120):
        conversation("P.", b"\x17\3\3\0\4abcd", at=second).r("P.", b"\x17\3\3\0\4efgh")
    got = track(conversation.packets)
    assert kinds(got) == ["request", "exchange", "exchange"]
    assert {(e["dest"], e["name_source"], e["via_proxy"]) for e in got.events} == {
        ("c2.example", "proxy", "10.0.0.80:3128")
    }
    assert got.events[0]["method"] == "CONNECT"
    assert [event["method"] for event in got.events[1:]] == ["", ""]


def test_an_ipv6_proxy_is_named_in_brackets() -> None:
    conversation = Tcp(client=("fd00::5", 40000), server=("fd00::80", 8080)).handshake()
    conversation("P.", b"CONNECT c2.example:443 HTTP/1.1\r\n\r\n")
    assert track(conversation.packets).events[0]["via_proxy"] == "[fd00::80]:8080"


# --- DNS ---


def name_of(text: str) -> bytes:
    return wire_name(*text.encode().split(b"."))


def ask(ts_ns: int, name: str, txid: int = 0x1234, client: tuple[str, int] = (CLIENT, 5000), qtype: int = 1) -> Packet:
    return udp(ts_ns, query(name_of(name), qtype, txid), client=client, server=RESOLVER)


def answer(
    ts_ns: int, name: str, *ips: str, txid: int = 0x1234, client: tuple[str, int] = (CLIENT, 5000), rcode: int = 0
) -> Packet:
    found = [record(b"\xc0\x0c", 1, ipaddress.IPv4Address(ip).packed, 60) for ip in ips]
    message = response(name_of(name), *found, rcode=rcode)
    return udp(ts_ns, txid.to_bytes(2, "big") + message[2:], back=True, client=client, server=RESOLVER)


def dns_rows(got: Collected) -> list[tuple[Any, ...]]:
    rows = sorted(got.dns, key=lambda row: row["ts"])
    return [(row["qname"], row["rcode"], row["answers"], row["ttl"], row["has_query"]) for row in rows]


def test_a_question_and_its_answer_are_one_row() -> None:
    got = track([ask(T0, "www.example.org"), answer(T0 + 30 * MS, "www.example.org", "192.0.2.1", "192.0.2.2")])
    assert dns_rows(got) == [("www.example.org", 0, "192.0.2.1,192.0.2.2", 60, 1)]
    row = got.dns[0]
    assert (row["ts"], row["duration_ns"], row["orig_ip"], row["resp_ip"]) == (T0, 30 * MS, CLIENT, RESOLVER[0])
    assert (row["qtype"], row["resp_port"], row["proto"]) == (1, 53, 17)
    assert [(e["kind"], e["dest"], e["answered"]) for e in got.events] == [("query", "www.example.org", 1)]
    assert (got.flows[0]["app"], got.flows[0]["orig_pkts"], got.flows[0]["resp_pkts"]) == ("dns", 1, 1)


def test_questions_side_by_side_find_their_answers() -> None:
    got = track(
        [
            ask(T0, "a.example", 1),
            ask(T0 + 1, "b.example", 2),
            ask(T0 + 2, "a.example", 3, qtype=28),
            answer(T0 + 10, "b.example", "192.0.2.2", txid=2),
            answer(T0 + 11, "a.example", "192.0.2.1", txid=1),
        ]
    )
    assert dns_rows(got) == [
        ("a.example", 0, "192.0.2.1", 60, 1),
        ("b.example", 0, "192.0.2.2", 60, 1),
        ("a.example", -1, "", -1, 1),
    ]


def test_a_retry_is_the_same_question() -> None:
    got = track([ask(T0, "a.example"), ask(T0 + 5 * S, "a.example"), answer(T0 + 6 * S, "a.example", "192.0.2.1")])
    assert dns_rows(got) == [("a.example", 0, "192.0.2.1", 60, 1)]
    assert got.dns[0]["duration_ns"] == 6 * S


def test_the_same_question_after_its_answer_is_another() -> None:
    packets = [ask(T0, "a.example"), answer(T0 + 1, "a.example", "192.0.2.1")]
    packets += [ask(T0 + S, "a.example"), answer(T0 + S + 1, "a.example", "192.0.2.1")]
    assert len(track(packets).dns) == 2


def test_questions_without_an_answer_and_answers_without_a_question() -> None:
    got = track([ask(T0, "lost.example", 1), answer(T0 + S, "unasked.example", "192.0.2.1", txid=2)])
    assert dns_rows(got) == [("lost.example", -1, "", -1, 1), ("unasked.example", 0, "192.0.2.1", 60, 0)]


def test_a_refusal_is_an_answer() -> None:
    got = track([ask(T0, "no.example"), answer(T0 + 1, "no.example", rcode=3)])
    assert dns_rows(got) == [("no.example", 3, "", -1, 1)]


@pytest.mark.parametrize("n_queries", [3000])
def test_many_questions_at_once_all_find_their_answers(n_queries: int) -> None:
    clients = [(f"10.1.{n >> 8}.{n & 255}", 5000) for n in range(n_queries)]
    packets = [ask(T0 + n, f"n{n}.example", client=client) for n, client in enumerate(clients)]
    packets += [answer(T0 + S + n, f"n{n}.example", "192.0.2.1", client=c) for n, c in enumerate(clients)]
    got = track(packets, max_flows=1 << 13, buffer_rows=1 << 14)
    assert len(got.dns) == n_queries
    assert {row["rcode"] for row in got.dns} == {0}


def tcp_message(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


def test_dns_over_tcp_counts_a_retransmission_once() -> None:
    asked, answered = tcp_message(query(name_of("a.example"))), tcp_message(response(name_of("a.example")))
    conversation = Tcp(server=RESOLVER).handshake()("P.", asked)("P.", asked, seq=1001, at=0.3)
    conversation.r("P.", answered, at=0.4).r("P.", answered, seq=5001, at=0.7)("P.", asked, seq=1001, at=0.8)
    assert dns_rows(track(conversation.packets)) == [("a.example", 0, "", -1, 1)]


def test_what_is_no_dns_on_its_port_stays_a_connection() -> None:
    conversation = Tcp(server=(SERVER, 53)).handshake()("P.", b"hello, this is a shell")("P.", b"again", at=60)
    got = track(conversation.packets)
    assert kinds(got) == ["connection", "exchange"]
    assert got.dns == []


def test_tls_on_the_port_of_dns_has_a_name() -> None:
    conversation = Tcp(server=(SERVER, 53)).handshake()("P.", records(client_hello(server_name(b"c2.example"))))
    row = track(conversation.packets).flows[0]
    assert (row["app"], row["name"], row["name_source"]) == ("tls", "c2.example", "sni")


def test_a_lone_answer_leaves_something_to_count() -> None:
    got = track([answer(T0, "unasked.example", "192.0.2.1")])
    assert len(got.flows) == len(got.dns) == 1


# --- names ---


def visit(ts_ns: int, client: str = CLIENT, payload: bytes = b"opaque", port: int = 40000) -> list[Packet]:
    conversation = Tcp(client=(client, port), server=("192.0.2.1", 8443), start_ns=ts_ns).handshake()
    return conversation("P.", payload).packets


def name_and_source(got: Collected, client: str = CLIENT) -> tuple[str, str]:
    (row,) = [row for row in got.flows if row["orig_ip"] == client and row["resp_port"] == 8443]
    (event,) = [event for event in got.events if event["orig_ip"] == client and event["resp_port"] == 8443]
    assert (event["dest"], event["name_source"]) == (row["name"] or row["resp_ip"], row["name_source"])
    return row["name"], row["name_source"]


def test_what_a_client_resolved_names_its_later_flows() -> None:
    packets = [ask(T0, "c2.example"), answer(T0 + 1, "c2.example", "192.0.2.1"), *visit(T0 + S)]
    assert name_and_source(track(packets)) == ("c2.example", "dns")


def test_a_clients_own_resolution_comes_before_that_of_others() -> None:
    other = (OTHER_CLIENT, 5000)
    packets = [
        ask(T0, "mine.example"),
        answer(T0 + 1, "mine.example", "192.0.2.1"),
        ask(T0 + 2, "theirs.example", client=other),
        answer(T0 + 3, "theirs.example", "192.0.2.1", client=other),
        *visit(T0 + S),
        *visit(T0 + 2 * S, OTHER_CLIENT),
        *visit(T0 + 3 * S, "10.0.0.7"),
    ]
    got = track(packets)
    assert name_and_source(got) == ("mine.example", "dns")
    assert name_and_source(got, OTHER_CLIENT) == ("theirs.example", "dns")
    # of others, whoever asked last
    assert name_and_source(got, "10.0.0.7") == ("theirs.example", "dns")


def test_the_name_resolved_last_counts() -> None:
    packets = [answer(T0 + n, f"n{n}.example", "192.0.2.1") for n in range(3)]
    assert name_and_source(track([*packets, *visit(T0 + S)])) == ("n2.example", "dns")


def test_resolutions_age() -> None:
    packets = [ask(T0, "old.example"), answer(T0 + 1, "old.example", "192.0.2.1"), *visit(T0 + 2 * 3600 * S)]
    assert name_and_source(track(packets)) == ("", "none")


HELLO = records(client_hello(server_name(b"sni.example")))


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"opaque", ("dns.example", "dns")),
        (get("/", "host.example"), ("host.example", "http")),
        (HELLO, ("sni.example", "sni")),
    ],
)
def test_better_names_replace_weaker_ones(payload: bytes, expected: tuple[str, str]) -> None:
    packets = [ask(T0, "dns.example"), answer(T0 + 1, "dns.example", "192.0.2.1"), *visit(T0 + S, payload=payload)]
    assert name_and_source(track(packets)) == expected


def test_the_responders_bytes_name_nothing() -> None:
    conversation = Tcp().handshake()("P.", b"opaque").r("P.", HELLO).r("P.", get("/", "host.example"))
    got = track(conversation.packets)
    assert (got.flows[0]["name"], kinds(got)) == ("", ["connection"])
