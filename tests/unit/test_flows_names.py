"""What a flow is called and known for, beyond the first name: answers, tunnels, fingerprints, certificates, lookups."""

import hashlib
import ipaddress
import struct
from itertools import pairwise
from pathlib import Path

import pytest

from sensor.capture.reader import open_capture
from sensor.constants import PROTO_UDP
from sensor.decode.decoder import Decoder
from sensor.flows.reading import MOST_MESSAGES
from sensor.flows.state import MOST_DNS_ROWS
from tests.support.flows import Collected, collect
from tests.support.packets import CLIENT, SERVER, T0, Packet, S, Tcp, track, udp
from tests.support.protocols import (
    client_hello,
    extension,
    netbios_name,
    query,
    record,
    records,
    response,
    server_name,
    wire_name,
)

PROXY = ("10.0.0.80", 3128)
RESOLVER = ("10.0.0.53", 53)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 2\r\n\r\nhi"


def get(path: str, more: bytes = b"", body: bytes = b"") -> bytes:
    return b"POST %s HTTP/1.1\r\nHost: office.example\r\n%s\r\n%s" % (path.encode(), more, body)


def requests(got: Collected) -> list[tuple[str, int, str]]:
    return [(event["uri"], event["status"], event["content_type"]) for event in got.events]


# --- HTTP ---


def test_an_answer_gives_its_request_status_and_type() -> None:
    c = Tcp().handshake()
    c("P.", get("/a")).r("P.", OK)
    c("P.", get("/b")).r("P.", b"HTTP/1.1 100 Continue\r\n\r\n").r("P.", b"HTTP/1.1 404 Not Found\r\n\r\n")
    assert requests(track(c.packets)) == [("/a", 200, "text/html"), ("/b", 404, "")]


def test_requests_in_one_payload_are_events_of_their_own() -> None:
    payload = get("/a") + get("/b", b"Content-Length: 5\r\n", b"GET /") + get("/c")
    got = track(Tcp().handshake()("P.", payload).packets)
    assert [uri for uri, _, _ in requests(got)] == ["/a", "/b", "/c"]


def test_a_body_is_no_request_whatever_is_in_it() -> None:
    c = Tcp().handshake()
    c("P.", get("/upload", b"Content-Length: 300\r\n", b"x" * 100))
    c("P.", (get("/in-the-body") + b"x" * 200)[:200])
    c("P.", get("/next"))
    assert [uri for uri, _, _ in requests(track(c.packets))] == ["/upload", "/next"]


def test_a_body_that_the_capture_cut_hides_no_request() -> None:
    c = Tcp().handshake()
    c(
        "P.",
        get("/upload", b"Content-Length: 300\r\n", b"x" * 100),
        length=len(get("/upload", b"Content-Length: 300\r\n")) + 300,
    )
    c("P.", get("/next"))
    assert [uri for uri, _, _ in requests(track(c.packets))] == ["/upload", "/next"]


def test_a_body_of_which_a_part_was_lost_hides_no_request() -> None:
    head = get("/upload", b"Content-Length: 300\r\n")
    for isn in (1000, 2**32 - 150):  # the sequence numbers begin again inside the body
        c = Tcp(isn=(isn, 5000)).handshake()("P.", head + b"x" * 100)
        c.next[0] += 50
        c("P.", b"x" * 150)("P.", get("/next"))
        c.next[0] += 5000  # and whole requests too
        c("P.", get("/last"))
        assert [uri for uri, _, _ in requests(track(c.packets))] == ["/upload", "/next", "/last"]


def test_a_body_out_of_order_or_sent_again_hides_no_request() -> None:
    head = get("/upload", b"Content-Length: 300\r\n")
    first, last = (len(head), b"x" * 100), (len(head) + 100, b"y" * 200)
    again = (len(head) + 50, b"x" * 50 + b"y" * 100)
    for pieces in ([last, first], [first, again, (len(head) + 200, b"y" * 100)], [last], []):
        c = Tcp().handshake()("P.", head)
        for offset, piece in pieces:
            c("P.", piece, seq=1001 + offset)
        c("P.", get("/next"), seq=1001 + len(head) + 300)
        assert [uri for uri, _, _ in requests(track(c.packets))] == ["/upload", "/next"]


def test_one_payload_brings_no_more_events_than_there_is_room_for() -> None:
    got = track(Tcp().handshake()("P.", get("/") * 40).packets)
    assert 1 < len(got.events) <= MOST_MESSAGES + 1


def test_messages_in_an_upgraded_connection_are_exchanges_with_its_host() -> None:
    c = Tcp().handshake()
    c("P.", get("/ws", b"Connection: Upgrade\r\nUpgrade: websocket\r\n"), at=1)
    c.r("P.", b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    for second in (10, 20, 30):
        c("P.", b"\x81\x85abcdhello", at=second).r("P.", b"\x81\x02ok")
    got = track(c.packets)
    assert [(e["kind"], e["dest"]) for e in got.events] == [("request", "office.example")] + [
        ("exchange", "office.example")
    ] * 3
    assert (got.flows[0]["app"], got.events[0]["status"]) == ("websocket", 101)


def test_whom_a_proxy_forwards_for_is_noted_on_its_far_side() -> None:
    c = Tcp().handshake()("P.", get("/", b"X-Forwarded-For: 10.0.0.9, 10.0.0.80\r\nVia: 1.1 squid\r\n"))
    row = track(c.packets).flows[0]
    assert (row["forwarded"], row["via"]) == ("10.0.0.9", "1.1 squid")


# --- proxies ---


def test_another_name_inside_a_tunnel_is_noted() -> None:
    def tunnel(inside: bytes) -> dict[str, object]:
        c = (
            Tcp(server=PROXY)
            .handshake()("P.", b"CONNECT a.example:443 HTTP/1.1\r\n\r\n")
            .r("P.", b"HTTP/1.1 200 OK\r\n\r\n")
        )
        return track(c("P.", records(client_hello(server_name(inside)))).packets).flows[0]

    same, other = tunnel(b"a.example"), tunnel(b"b.example")
    assert (same["name"], same["sni"], same["notes"], same["app"]) == ("a.example", "a.example", "", "tls")
    assert (other["name"], other["sni"], other["notes"]) == ("a.example", "b.example", "sni-differs")


@pytest.mark.parametrize("at_once", [False, True], ids=["apart", "at-once"])
def test_socks_names_the_host_and_what_is_spoken_inside(at_once: bool) -> None:
    request = b"\5\1\0\3\x0ac2.example" + (443).to_bytes(2, "big")
    hello = records(client_hello(server_name(b"c2.example")))
    c = Tcp(server=("10.0.0.80", 1080)).handshake()("P.", b"\5\1\0").r("P.", b"\5\0")
    if at_once:
        c("P.", request + hello)
    else:
        c("P.", request).r("P.", b"\5\0\0\1\0\0\0\0\0\0")("P.", hello)
    row = track(c.packets).flows[0]
    assert (row["name"], row["name_source"], row["sni"], row["app"]) == ("c2.example", "proxy", "c2.example", "tls")
    assert row["via_proxy"] == "10.0.0.80:1080"


def test_an_address_asked_of_socks_is_a_destination_too() -> None:
    c = (
        Tcp(server=("10.0.0.80", 1080))
        .handshake()("P.", b"\4\1\x01\xbb\xcb\x00\x71\x09user\0")
        .r("P.", b"\0\x5a" + bytes(6))
    )
    row = track(c("P.", b"\0binary").packets).flows[0]
    assert (row["name"], row["name_source"]) == ("203.0.113.9", "proxy")


SOCKS = ("10.0.0.80", 1080)
SOCKS_5, SOCKS_4 = b"\5\1\0\1\xcb\x00\x71\x09\x01\xbb", b"\4\1\x01\xbb\xcb\x00\x71\x09user\0"


@pytest.mark.parametrize(
    ("asked", "answer"),
    [(SOCKS_5, b"\5\5\0\1" + bytes(6)), (SOCKS_5, b"\5\2\0\1" + bytes(6)), (SOCKS_4, b"\0\x5b" + bytes(6))],
    ids=["5-refused", "5-not-allowed", "4"],
)
def test_what_a_socks_proxy_refuses_was_not_reached(asked: bytes, answer: bytes) -> None:
    c = Tcp(server=SOCKS).handshake()("P.", b"\5\1\0").r("P.", b"\5\0")("P.", asked).r("P.", answer)
    c("P.", b"does not know yet", at=5).r("P.", b"?", at=6)
    got = track(c("P.", b"again", at=60).packets)
    assert [(e["kind"], e["dest"], e["answered"]) for e in got.events] == [("attempt", SERVER, 0)]
    assert (got.flows[0]["notes"], got.flows[0]["via_proxy"]) == ("proxy-refused", "10.0.0.80:1080")


def test_what_a_socks_proxy_grants_goes_on_in_exchanges() -> None:
    c = Tcp(server=SOCKS).handshake()("P.", SOCKS_4)("P.", b"early").r("P.", b"\0\x5a" + bytes(6))
    c("P.", b"ping", at=5).r("P.", b"\5\5\0\1" + bytes(6))  # bytes of the tunnel, whatever they look like
    got = track(c.packets)
    assert [(e["kind"], e["dest"], e["answered"]) for e in got.events] == [
        ("connection", SERVER, 1),
        ("exchange", SERVER, 1),
    ]
    assert got.flows[0]["notes"] == ""


# --- TLS, SSH, RDP ---


def test_a_hello_gives_fingerprints_protocol_and_version() -> None:
    alpn = extension(16, b"\0\x03\x02h2")
    hello = client_hello(server_name(b"a.example") + alpn + extension(43, b"\x02\x03\x04"), ciphers=b"\x13\x01\x13\x02")
    got = track(Tcp().handshake()("P.", records(hello)).packets)
    row = got.flows[0]
    assert row["ja3"] == hashlib.md5(b"771,4865-4866,0-16-43,,", usedforsecurity=False).hexdigest()
    assert row["ja4"].startswith("t13d0203h2_")
    assert (row["alpn"], row["tls_version"], got.events[0]["ja4"]) == ("h2", 0x0304, row["ja4"])
    assert row["notes"] == ""


def test_an_encrypted_hello_is_noted() -> None:
    hello = client_hello(server_name(b"public.example") + extension(0xFE0D, bytes(40)))
    row = track(Tcp().handshake()("P.", records(hello)).packets).flows[0]
    assert (row["name"], row["notes"]) == ("public.example", "ech")


def test_a_name_as_tor_makes_them_up_is_noted_unless_somebody_looked_it_up() -> None:
    def notes(name: bytes, *before: Packet) -> str:
        hello = Tcp(start_ns=T0 + S).handshake()("P.", records(client_hello(server_name(name)))).packets
        (row,) = [row for row in track([*before, *hello]).flows if row["resp_ip"] == SERVER]
        return str(row["notes"])

    tor = "www.4gk67zpn3brh7qxg.com"
    assert notes(tor.encode()) == "tor-like-name"
    assert notes(b"www.facebook.com") == notes(b"office.example") == ""
    assert notes(tor.encode(), udp(T0, answer_of(tor, SERVER), back=True, server=RESOLVER)) == ""
    assert notes(tor.encode(), udp(T0, answer_of(tor, "192.0.2.1"), back=True, server=RESOLVER)) == (
        "no-lookup tor-like-name"
    )


def test_the_servers_certificate_is_read_over_segments(shared_data: Path) -> None:
    rows = collect(shared_data / "pcaps" / "c2" / "dridex-2020-06-03.pcap").flows
    seen = [(row["subject"], row["issuer"], len(row["cert"])) for row in rows if row["cert"]]
    assert len(seen) >= 5
    assert all(size == 64 for *_, size in seen)
    assert any(subject and issuer for subject, issuer, _ in seen)
    assert all(len(row["ja3s"]) == 32 for row in rows if row["cert"])


@pytest.mark.parametrize(
    ("name", "app", "version", "client", "server"),
    [
        # the fingerprints are tshark's
        ("dtls2", "dtls", 0xFEFF, "1b45c913a0c0fde5f263502e65999485", "749bd1edea60396ffaa65213b7971718"),
        ("stun_dtls_rtp", "stun", 0xFEFD, "c14667d7da3e6f7a7ab5519ef78c2452", "1f5d6a6d0bc5d514dd84d13e6283d309"),
        ("dtls_certificate", "dtls", 0xFEFD, "", "953c1507994f72697446de4eff6e300b"),
    ],
)
def test_hellos_over_datagrams(shared_data: Path, name: str, app: str, version: int, client: str, server: str) -> None:
    (path,) = (shared_data / "oracles" / "ndpi").glob(f"{name}.pcap*")
    row = next(row for row in collect(path).flows if row["tls_version"])
    assert (row["app"], row["tls_version"], row["ja3"], row["ja3s"]) == (app, version, client, server)
    assert row["ja4"][:1] == ("d" if client else "")


def test_ssh_shows_its_client(shared_data: Path) -> None:
    got = collect(shared_data / "oracles" / "ndpi" / "custom_categories.pcapng")
    rows = [row for row in got.flows if row["app"] == "ssh"]
    assert any(row["user_agent"].startswith("SSH-2.0-") and len(row["hassh"]) == 32 for row in rows)


def test_rdp_shows_the_user_it_asks_for(shared_data: Path) -> None:
    rows = collect(shared_data / "pcaps" / "ad" / "zeek-rdp-rdp-to-ssl.pcap").flows
    assert {row["user_agent"] for row in rows if row["app"] == "rdp"} == {"mstshash=AWAKECODI"}


def test_facts_live_as_long_as_their_flow() -> None:
    packets: list[Packet] = []
    for n in range(300):
        c = Tcp(client=(CLIENT, 20000 + n), start_ns=T0 + n * S).handshake()
        packets += c("P.", records(client_hello(server_name(b"n%d.example" % n)))).close().packets
    got = track(sorted(packets, key=lambda packet: packet.ts_ns), max_flows=16, buffer_rows=32)
    assert sorted(row["sni"] for row in got.flows) == sorted(f"n{n}.example" for n in range(300))


# --- DNS ---


def name_of(text: str) -> bytes:
    return wire_name(*text.encode().split(b"."))


def answer_of(name: str, ip: str) -> bytes:
    return response(name_of(name), record(b"\xc0\x0c", 1, ipaddress.IPv4Address(ip).packed, 60))


def framed(*messages: bytes) -> bytes:
    return b"".join(len(message).to_bytes(2, "big") + message for message in messages)


def test_several_questions_in_one_segment_and_one_cut_in_two() -> None:
    questions = framed(*(query(name_of(f"{name}.example"), txid=n) for n, name in enumerate("abc")))
    c = Tcp(server=RESOLVER).handshake()("P.", questions[:-9]).r(".")("P.", questions[-9:])
    got = track(c.packets)
    assert sorted(row["qname"] for row in got.dns) == ["a.example", "b.example", "c.example"]
    assert [event["kind"] for event in got.events] == ["query"] * 3


def test_an_answer_over_tcp_names_later_flows() -> None:
    c = Tcp(server=RESOLVER).handshake()("P.", framed(query(name_of("a.example"))))
    c.r("P.", framed(answer_of("a.example", SERVER)))
    got = track([*c.packets, udp(c.now + S)])
    (row,) = [row for row in got.flows if row["resp_ip"] == SERVER]
    assert (row["name"], row["name_source"], row["resolved"], row["notes"]) == ("a.example", "dns", 1, "")


def test_an_outside_address_nobody_asked_for_is_noted_once_answers_are_seen() -> None:
    dns = [
        udp(T0, query(name_of("a.example")), server=RESOLVER),
        udp(T0 + 1, answer_of("a.example", "203.0.113.77"), back=True, server=RESOLVER),
    ]
    later = [udp(T0 + S, server=(ip, 9999)) for ip in (SERVER, "10.0.0.7", "224.0.0.9")]
    notes = {row["resp_ip"]: row["notes"] for row in track([*dns, *later]).flows}
    assert notes == {"10.0.0.53": "", SERVER: "no-lookup", "10.0.0.7": "", "224.0.0.9": ""}
    assert {row["notes"] for row in track(later).flows} == {""}


@pytest.mark.parametrize(("port", "app"), [(5353, "mdns"), (5355, "llmnr"), (10053, "dns")])
def test_questions_are_read_on_other_ports_and_told_apart(port: int, app: str) -> None:
    got = track([udp(T0, query(name_of("printer.local")), server=("224.0.0.251", port))])
    assert [(row["qname"], row["app"] != 0) for row in got.dns] == [("printer.local", True)]
    assert (got.flows[0]["app"], got.events[0]["kind"]) == (app, "query")


GROUP = ("224.0.0.251", 5353)
DEVICE = (CLIENT, 5353)


def multicast(*entries: bytes, n_questions: int = 0, flags: int = 0) -> bytes:
    counts = (n_questions, 0) if n_questions else (0, len(entries))
    return struct.pack(">6H", 0, flags, *counts, 0, 0) + b"".join(entries)


def rows_of_dns(got: Collected) -> list[tuple[str, int, str]]:
    return [(row["qname"], row["qtype"], row["answers"]) for row in got.dns]


def test_every_question_of_a_multicast_message_is_a_row_and_an_event() -> None:
    names = [name_of(f"n{n}.local") for n in range(5)]
    message = multicast(*(name + b"\0\x0c\0\1" for name in names), n_questions=5)
    got = track([udp(T0 + n * S, message, client=DEVICE, server=GROUP) for n in range(3)])
    assert rows_of_dns(got) == [(f"n{n}.local", 12, "") for n in range(5)]
    assert [(e["kind"], e["dest"]) for e in got.events] == [("query", f"n{n}.local") for n in range(5)]


def test_the_answers_of_a_multicast_message_are_told_by_name_and_type_and_name_addresses() -> None:
    host, service = name_of("printer.local"), name_of("_ipp._tcp.local")
    message = multicast(
        record(service, 12, name_of("a._ipp._tcp.local")),
        record(service, 12, name_of("b._ipp._tcp.local"), ttl_s=7),
        record(host, 1, ipaddress.IPv4Address("10.0.0.9").packed, rclass=0x8001),
        record(host, 28, ipaddress.IPv6Address("fe80::9").packed, rclass=0x8001),
        flags=0x8400,
    )
    got = track([udp(T0, message, client=DEVICE, server=GROUP), udp(T0 + S, server=("10.0.0.9", 631))])
    assert rows_of_dns(got) == [
        ("_ipp._tcp.local", 12, "a._ipp._tcp.local,b._ipp._tcp.local"),
        ("printer.local", 1, "10.0.0.9"),
        ("printer.local", 28, "fe80::9"),
    ]
    assert [row["ttl"] for row in got.dns] == [7, 300, 300]
    assert [row["name"] for row in got.flows if row["resp_port"] == 631] == ["printer.local"]


def test_known_answers_are_no_questions() -> None:
    more = multicast(record(name_of("a.local"), 12, name_of("b.local")))
    assert track([udp(T0, more, client=DEVICE, server=GROUP)]).dns == []


def test_a_multicast_message_has_a_bound_and_says_what_it_lost() -> None:
    many = multicast(*(record(name_of(f"n{n}.local"), 1, bytes(4)) for n in range(100)), flags=0x8400)
    got = track([udp(T0 + n, many, client=DEVICE, server=GROUP) for n in range(3)], buffer_rows=16)
    assert len(got.dns) == 3 * MOST_DNS_ROWS
    assert (got.flows[0]["notes"], got.counts["messages_lost"]) == ("names-lost", 3)


def test_netbios_names_are_read() -> None:
    server, client = ("10.0.0.1", 137), (CLIENT, 137)
    asked = query(netbios_name(b"WPAD"), 32, txid=7)
    answered = struct.pack(">6H", 7, 0x8500, 0, 1, 0, 0) + record(netbios_name(b"WPAD"), 32, b"\0\0\x0a\0\0\x09")
    packets = [udp(T0, asked, client=client, server=server), udp(T0 + S, asked, client=client, server=server)]
    packets += [udp(T0 + 2 * S, answered, back=True, client=client, server=server)]
    got = track([*packets, udp(T0 + 3 * S, server=("10.0.0.9", 80))])
    assert rows_of_dns(got) == [("wpad", 32, "10.0.0.9")]
    assert [e["kind"] for e in got.events if e["resp_port"] == 137] == ["query"]
    assert {(row["app"], row["name"]) for row in got.flows} == {("nbns", ""), ("", "wpad")}


def test_netbios_questions_of_a_capture(shared_data: Path) -> None:
    rows = collect(shared_data / "oracles" / "ndpi" / "netbios.pcap").dns
    assert {row["qname"] for row in rows} == {"xstream_hy", "ozi", "*", "gunnar", "guru", "nvr9", "muli"}
    assert [row["answers"] for row in rows if row["qname"] == "*"] == [
        "gunnar<00>,vigilant_group<00>,gunnar<20>,vigilant_group<1e>"
    ] * 4


# --- QUIC ---


def payloads_of(path: Path) -> list[tuple[bool, bytes]]:
    """(whether it came from port 443, payload) of the UDP packets of a capture."""
    found = []
    for batch in open_capture(str(path)).batches():
        for row in Decoder().decode(batch):
            begin = int(row["payload_off"])
            if row["proto"] == PROTO_UDP and row["payload_cap"]:
                payload = batch.frames[begin : begin + int(row["payload_cap"])].tobytes()
                found.append((bool(row["src_port"] == 443), payload))
    return found


def test_a_hello_over_several_datagrams_has_its_name(shared_data: Path) -> None:
    captures = shared_data / "oracles" / "ndpi"
    for name, host in (("quic_frags_different_dcid.pcapng", "cdnjs.cloudflare.com"), ("quic-29.pcap", "localhost")):
        rows = [row for row in collect(captures / name).flows if row["name"] == host]
        assert rows and rows[0]["name_source"] == "quic"
        assert rows[0]["ja4"].startswith("q13")


def test_a_connection_whose_address_changed_keeps_its_name(shared_data: Path) -> None:
    sent = payloads_of(shared_data / "oracles" / "ndpi" / "quic-28.pcap")
    (initial, server) = next((a, b) for a, b in pairwise(sent) if not a[0] and b[0] and a[1][0] >= 0xC0)
    reply = server[1]
    cid_at = 6 + reply[5]
    cid = reply[cid_at + 1 : cid_at + 1 + reply[cid_at]]
    assert len(cid) >= 4
    web = (SERVER, 443)
    packets = [
        udp(T0, initial[1], server=web),
        udp(T0 + 1, reply, back=True, server=web),
        udp(T0 + S, b"\x41" + cid + bytes(30), client=("10.0.0.5", 50001), server=web),
        udp(T0 + S, b"\x41" + bytes(len(cid)) + bytes(30), client=("10.0.0.5", 50002), server=web),
    ]
    names = {row["orig_port"]: (row["name"], row["name_source"], row["app"]) for row in track(packets).flows}
    assert names[50001] == names[40000] == ("www.wireshark.org", "quic", "quic")
    assert names[50002][0] == ""
