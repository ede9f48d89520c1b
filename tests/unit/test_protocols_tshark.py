"""Names in real captures: what tshark reads from each packet alone, our parsers read as well.

tshark's own reassembly is switched off, so both sides see one packet at a time. A packet that tshark hands to another
dissector (an odd port, a TCP segment seen before) says nothing and is skipped; what it does dissect must be equal.
"""

import ipaddress
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensor.protocols import dns, http, tls
from tests.support.protocols import Message, find_sni, parse_message, parse_request

pytestmark = [
    pytest.mark.differential,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed"),
]

CAPTURES = (
    *("443-chrome", "443-curl", "443-firefox", "443-safari", "KakaoTalk_chat", "android", "conncheck", "doh"),
    *(
        "dns_ambiguous_names",
        "dns_exfiltration",
        "dns_long_domainname",
        "dns-google-nsid",
        "encrypted_sni",
        "http_connect",
    ),
    *("http_ipv6", "http_on_sip_port", "http_ua_splitted_in_two_pkts", "http_origin_different_than_host", "instagram"),
    *("ja3_lots_of_cipher_suites", "log4j-webapp-exploit", "mullvad_dns", "netflix", "no_sni", "ocsp", "pinterest"),
    *("signal", "sites", "snapchat", "soap", "sql_injection", "telegram", "tls-esni-fuzzed", "tls_2_reasms", "tls_ech"),
    *(
        "tls_missing_ch_frag",
        "tls_with_huge_ch",
        "trickbot",
        "viber",
        "webdav",
        "websocket",
        "whatsapp",
        "zloader-2020-06",
    ),
    *("connect-tls", "connect-with-smtp", "arkime-v6", "arkime-v6-http", "petitpotam-patched", "caldera-ragdoll-http"),
    *("cryptowall4", "hancitor-2021-01", "lokibot-2020-01", "empire-in-the-wild-146.185", "empire-in-the-wild-85.255"),
)
FIELDS = (
    *("frame.number", "tcp.payload", "udp.payload", "tls.handshake.extensions_server_name"),
    *("http.request.method", "http.request.uri", "http.host", "http.user_agent", "http.response.code"),
    *("dns.flags.response", "dns.flags.rcode", "dns.qry.name", "dns.qry.type", "dns.a", "dns.aaaa"),
    *("dns.count.answers", "dns.count.auth_rr", "dns.count.add_rr", "dns.resp.ttl"),
)
OPTIONS = ("tcp.desegment_tcp_streams", "tls.desegment_ssl_records", "http.desegment_headers", "ip.defragment")


def packets(path: Path) -> Iterator[dict[str, list[str]]]:
    """One dict a packet: each field's values."""
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "aggregator=\x1f", "-E", "separator=\x1e"]
    for option in OPTIONS:
        command += ["-o", f"{option}:FALSE"]
    for field in FIELDS:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, check=False)
    for line in done.stdout.decode("utf-8", "replace").split("\n"):
        cells = line.split("\x1e")
        if len(cells) == len(FIELDS):
            yield {field: cell.split("\x1f") if cell else [] for field, cell in zip(FIELDS, cells, strict=True)}


def first(values: list[str]) -> str:
    return values[0] if values else ""


def check_tls(payload: bytes, packet: dict[str, list[str]], seen: Counter[str]) -> None:
    want = first(packet["tls.handshake.extensions_server_name"])
    if want:
        assert find_sni(payload) == (tls.HELLO_SNI, want.encode())
        seen["sni"] += 1


def check_http(payload: bytes, packet: dict[str, list[str]], seen: Counter[str]) -> None:
    head = parse_request(payload)
    method = first(packet["http.request.method"])
    if method and head.status != http.NOT_HTTP:
        assert head.method.decode() == method
        if head.status == http.REQUEST:
            assert head.user_agent.decode("utf-8", "replace") == first(packet["http.user_agent"])
            assert head.uri.decode("utf-8", "replace").split(" ")[0] == first(packet["http.request.uri"]).split(" ")[0]
            if not head.is_proxy:
                named = first(packet["http.host"])
                port = f":{head.host_port}" if head.host_port else ""
                assert named in (f"{head.host.decode()}{port}", f"[{head.host.decode()}]{port}")
            seen["request"] += 1
    elif method:  # HTTP/0.9 and damaged versions, which are not ours to take
        assert b" HTTP/1." not in payload.partition(b"\n")[0]
    code = first(packet["http.response.code"])
    if code:
        assert (head.status, head.status_code) == (http.RESPONSE, int(code))
        seen["response"] += 1


def text_of(value: int) -> str:
    address = ipaddress.IPv6Address(value)
    return str(address.ipv4_mapped or address)


def check_dns(message: Message, packet: dict[str, list[str]], seen: Counter[str]) -> None:
    name = first(packet["dns.qry.name"])
    assert message.status in (dns.QUERY, dns.RESPONSE)
    assert message.qname == ("." if name == "<Root>" else name.lower().replace(" ", "\\032"))
    assert message.qtype == int(first(packet["dns.qry.type"]))
    seen["question"] += 1
    if message.status != dns.RESPONSE:
        return
    n_answers = int(first(packet["dns.count.answers"]))
    assert (message.rcode, message.n_answers) == (int(first(packet["dns.flags.rcode"])), n_answers)
    addresses = packet["dns.a"] + packet["dns.aaaa"]
    assert {text_of(value) for value in message.addresses} <= set(addresses)
    if int(first(packet["dns.count.auth_rr"])) + int(first(packet["dns.count.add_rr"])) == 0:
        assert {text_of(value) for value in message.addresses} == set(addresses)
        assert set(addresses) <= set(message.answers)
        if n_answers:
            assert message.min_ttl_s == min(map(int, packet["dns.resp.ttl"]))
        seen["response addresses"] += len(addresses)


def test_names_equal_tsharks(shared_data: Path) -> None:
    seen: Counter[str] = Counter()
    paths = [path for path in sorted(shared_data.rglob("*.pcap*")) if path.stem in CAPTURES]
    assert len(paths) >= 40
    for path in paths:
        for packet in packets(path):
            try:
                for hexadecimal in packet["tcp.payload"][:1]:
                    check_tls(bytes.fromhex(hexadecimal), packet, seen)
                    check_http(bytes.fromhex(hexadecimal), packet, seen)
                if packet["dns.qry.name"] and len(packet["udp.payload"]) == 1:
                    check_dns(parse_message(bytes.fromhex(packet["udp.payload"][0])), packet, seen)
            except AssertionError as difference:
                difference.add_note(f"{path.name}, frame {packet['frame.number'][0]}")
                raise
    assert seen["sni"] > 100
    assert seen["request"] > 150
    assert seen["response"] > 150
    assert seen["question"] > 500
    assert seen["response addresses"] > 150
