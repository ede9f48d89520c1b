"""Indicators: how they are read, from words and files, and what of the history they meet."""

import ipaddress
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.errors import UsageError
from sensor.response.blocklist import build
from sensor.response.formats.form import Made
from sensor.response.intel import parse_intel, read_intel
from sensor.response.lists import render
from sensor.response.rails import Rails
from sensor.site import load_site
from sensor.store import matcher
from sensor.store.hunt import Answer, hunt
from sensor.store.indicator import Indicator, parse_indicator
from sensor.store.matcher import Matcher
from sensor.store.probes import CAME_FROM, CLAIMED, CONTACTED, LOOKED_UP, RESOLVED
from sensor.store.search import MAX_DESTS
from sensor.store.store import Store
from tests.support.cli_store import (
    BEACON_HOST,
    BEACON_IP,
    BEACON_NAME,
    BYPASS_IP,
    HOSTILE,
    N_BEATS,
    S,
    finding,
    make_store,
)
from tests.support.lake_rows import DAY_NS, NOON_NS, buckets_of, columns_of, row

JA3, JA4 = "6734f37431670b3ab4292b8f60f29984", "t13d1516h2_8daaf6152771_e5627efa2ab1"
CERT = "f272af1563c5a259f9ab262f3f0a883901fa7144c3bcf304cf9e5fa545f025b7"


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("203.0.113.7", "address", "203.0.113.7"),
        ("203.0.113[.]7", "address", "203.0.113.7"),
        ("::ffff:203.0.113.7", "address", "203.0.113.7"),
        ("2001:DB8:0::5", "address", "2001:db8::5"),
        ("203.0.113.9/24", "network", "203.0.113.0/24"),
        ("Evil.Example.", "domain", "evil.example"),
        ("*.evil(.)example", "domain", "evil.example"),
        ("b\u00fccher.example", "domain", "xn--bcher-kva.example"),
        ("hxxps://Evil[.]example:8443/Gate.php?id=1#x", "url", "https://evil.example:8443/Gate.php?id=1"),
        ("http://[2001:db8::5]/a", "url", "http://[2001:db8::5]/a"),
        ("http://user:pw@evil.example", "url", "http://evil.example/"),
        (JA3.upper(), "ja3", JA3),
        (f"ja3:{JA3}", "ja3", JA3),
        (f"hassh:{JA3}", "ja3", JA3),
        (JA4, "ja4", JA4),
        (CERT, "certificate", CERT),
        ("cert:" + ":".join(CERT[i : i + 2] for i in range(0, 64, 2)).upper(), "certificate", CERT),
        ("ua:Havana/0.1", "user-agent", "Havana/0.1"),
        ("domain:evil.example", "domain", "evil.example"),
    ],
)
def test_how_indicators_are_written(text: str, kind: str, value: str) -> None:
    found = parse_indicator(text)
    assert (found.kind, found.value) == (kind, value)
    assert parse_indicator(found.value, found.kind) == found


@pytest.mark.parametrize(
    "text",
    ["", " ", "word", "a b.example", "0.0.0.0/0", "http://", "http://[::1", "a" * 40, "ip:evil.example", "ja3:12",
     "x" * 5_000, "cert:aa"],
)  # fmt: skip
def test_what_is_no_indicator(text: str) -> None:
    with pytest.raises(UsageError):
        parse_indicator(text)


@given(st.text(max_size=80))
def test_any_text_is_an_indicator_or_an_error_in_words(text: str) -> None:
    try:
        found = parse_indicator(text)
    except UsageError:
        return
    assert found.value
    if found.kind != "user-agent":
        assert parse_indicator(found.value, found.kind).value == found.value


# --- files ---


def kinds_and_values(data: bytes) -> list[tuple[str, str]]:
    return [(one.kind, one.value) for one in parse_intel(data, "f").indicators]


def test_lines() -> None:
    data = b"\xef\xbb\xbf# feed\n203.0.113.7 # a server\n\nevil[.]example\r\nhxxp://evil.example/a#b\n??\n"
    found = parse_intel(data, "feed.txt")
    assert [(one.kind, one.value, one.reason, one.origin) for one in found.indicators] == [
        ("address", "203.0.113.7", "a server", "feed.txt"),
        ("domain", "evil.example", "", "feed.txt"),
        ("url", "http://evil.example/a", "", "feed.txt"),
    ]
    assert found.skipped == 1


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv(delimiter: str) -> None:
    text = 'id,ioc_value,malware\n1,"evil.example","Hancitor"\n2,203.0.113.7,\n3,not one,x\n'.replace(",", delimiter)
    found = parse_intel(text.encode(), "f")
    assert [(one.value, one.reason) for one in found.indicators] == [("evil.example", "Hancitor"), ("203.0.113.7", "")]
    assert found.skipped == 1


def test_zeek_intel() -> None:
    text = (
        "#fields\tindicator\tindicator_type\tmeta.source\tmeta.desc\n203.0.113.7\tIntel::ADDR\tx\tbad\n"
        "203.0.113.0/24\tIntel::SUBNET\tx\t-\nevil.example/gate.php\tIntel::URL\tx\t-\naa\tIntel::FILE_HASH\tx\t-\n"
    )
    assert kinds_and_values(text.encode()) == [
        ("address", "203.0.113.7"), ("network", "203.0.113.0/24"), ("url", "http://evil.example/gate.php"),
    ]  # fmt: skip
    assert parse_intel(text.encode(), "f").skipped == 1


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("[ipv4-addr:value = '203.0.113.7']", ["203.0.113.7"]),
        ("[ipv4-addr:value ISSUBSET '203.0.113.0/24']", ["203.0.113.0/24"]),
        ("[domain-name:value IN ('a.example', 'b.example')]", ["a.example", "b.example"]),
        (
            "[url:value = 'http://a.example/it\\'s'] OR [domain-name:value='b.example']",
            ["http://a.example/it's", "b.example"],
        ),
        (f"[x509-certificate:hashes.'SHA-256' = '{CERT}']", [CERT]),
        ("[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = 'Havana/0.1']", ["Havana/0.1"]),
        (
            "[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '203.0.113.7']",
            ["203.0.113.7"],
        ),
        ("[domain-name:value NOT = 'a.example']", []),
        ("[domain-name:value != 'a.example']", []),
        ("[file:hashes.MD5 = 'aa']", []),
        ("[domain-name:value = '", []),
    ],
)
def test_stix_patterns(pattern: str, found: list[str]) -> None:
    bundle = {"type": "bundle", "objects": [{"type": "indicator", "name": "x", "pattern": pattern}]}
    intel = parse_intel(json.dumps(bundle).encode(), "f")
    assert [one.value for one in intel.indicators] == found
    assert intel.skipped == (not found)


def test_a_pattern_takes_time_by_its_length() -> None:
    """Tens of seconds when each start of a word was tried, or the whole was read for each of its parts."""
    alternatives = " OR ".join(f"domain-name:value = 'c{i}.example'" for i in range(4000))
    for pattern, n in (("[" + "a" * 200_000 + "]", 0), (f"[{alternatives}]", 4000)):
        bundle = {"type": "bundle", "objects": [{"type": "indicator", "pattern": pattern}]}
        assert len(parse_intel(json.dumps(bundle).encode(), "f").indicators) == n


def test_what_no_feed_should_hold_does_not_stop_the_rest() -> None:
    objects = [
        {"type": "indicator", "pattern": f"[domain-name:value = '{name}']", "name": words}
        for name, words in (("ev\ud800il.example", "x"), ("evil.example", "case \ud800"))
    ]
    found = parse_intel(json.dumps({"type": "bundle", "objects": objects}).encode(), "f")
    assert [(one.value, one.reason) for one in found.indicators] == [("evil.example", "case ?")]
    with pytest.raises(UsageError, match="begins like JSON"):
        parse_intel(b'{"objects": [' + b"9" * 5000 + b"]}", "f")


def test_misp() -> None:
    event = {
        "info": "case",
        "Attribute": [{"type": "ip-dst|port", "value": "203.0.113.7|443"}, {"type": "md5", "value": "aa"}],
        "Object": [{"Attribute": [{"type": "hostname", "value": "evil.example", "comment": "c2"}]}],
    }
    for document in ({"Event": event}, {"response": [{"Event": event}]}, [{"Event": event}]):
        found = parse_intel(json.dumps(document).encode(), "f")
        assert [(one.value, one.reason) for one in found.indicators] == [
            ("203.0.113.7", "case"),
            ("evil.example", "c2"),
        ]
        assert found.skipped == 1


@pytest.mark.parametrize("form", ["plain", "edl", "zeek-intel", "stix", "misp", "pf"])
def test_our_own_lists_are_read_back(form: str) -> None:
    rows = [{"id": 1, "state": "new"} | finding(dest="evil.example.net", dest_ips=["9.9.9.90"])]
    entries = build(rows, Rails(load_site(None)), expires_ts=2**62).entries
    values = {value for _, value in kinds_and_values(render(form, entries, Made(NOON_NS, 1)).encode())}
    assert values == ({"9.9.9.90"} if form == "pf" else {"9.9.9.90", "evil.example.net"})


NEARLY = st.text(st.sampled_from('{}[]":,\\ "objectsEvent#fields\t\n\'=1.'), max_size=200).map(str.encode)


@given(st.one_of(st.binary(max_size=300), NEARLY))
def test_any_file_is_read_or_refused_in_words(data: bytes) -> None:
    try:
        found = parse_intel(data, "f")
    except UsageError:
        return
    assert all(one.value for one in found.indicators)


def test_a_file_without_indicators_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("what is this\n")
    with pytest.raises(UsageError, match="no indicator"):
        read_intel(tmp_path / "f")
    with pytest.raises(UsageError, match="cannot read"):
        read_intel(tmp_path)


# --- the history ---


@pytest.fixture(scope="module")
def store_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = make_store(tmp_path_factory.mktemp("hunt") / "store")
    flow: dict[str, Any] = {"uid": "Cmore", "orig_ip": "10.0.0.7", "resp_ip": "203.0.113.200", "resp_port": 443}
    with Store.open(path, write=True) as store:
        rows = [
            row("flow", **flow, name="proxied.example", sni="Evil.Example.", ja3=JA3, ja4=JA4, cert_sha256=CERT,
                user_agent="Havana/0.1 (x)", orig_bytes=10, resp_bytes=20, first_ts=NOON_NS, last_ts=NOON_NS + S),
            row("flow", **flow | {"uid": "Cin", "orig_ip": "203.0.113.9", "resp_ip": "10.0.0.7"}),
        ]  # fmt: skip
        events = [
            row("event", **flow, dest="c2.example", kind="request", uri="/gate.php?x=1", user_agent="Havana/0.1 (x)"),
            row("event", **flow, dest="c2.example", kind="request", uri="http://c2.example/gate.php?x=2",
                via_proxy="10.0.0.238:3128"),
            row("event", **flow, dest="203.0.113.77", kind="request", via_proxy="10.0.0.238:3128"),
            row("event", **flow, dest="tls.example", kind="connection"),
        ]  # fmt: skip
        dns = [row("dns", orig_ip="10.0.0.7", qname="Alias.Example", answers="cdn.c2.example,203.0.113.200")]
        for table, found in (("flow", rows), ("event", events), ("dns", dns)):
            store.lake.append(table, "more", columns_of(table, found), buckets_of(found))
    return path


def ask(path: Path, *values: str, **span: int) -> Answer:
    with Store.open(path) as store:
        return hunt(store, [parse_indicator(value) for value in values], **span)


def met(path: Path, value: str) -> set[tuple[str, str, int]]:
    return {(hit.how, hit.orig_ip, hit.events) for hit in ask(path, value).hits}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (BEACON_IP, {(CONTACTED, BEACON_HOST, N_BEATS), (RESOLVED, BEACON_HOST, 1)}),
        (BEACON_NAME, {(CONTACTED, BEACON_HOST, N_BEATS), (LOOKED_UP, BEACON_HOST, 1)}),
        ("example", set()),
        ("dates.example", set()),
        ("203.0.113.9", {(CAME_FROM, "10.0.0.7", 1)}),
        ("203.0.113.77", {(CONTACTED, "10.0.0.7", 1)}),
        ("203.0.113.200/29", {(CONTACTED, "10.0.0.7", 1), (RESOLVED, "10.0.0.7", 1)}),
        ("203.0.113.192/30", set()),
        ("evil.example", {(CLAIMED, "10.0.0.7", 1)}),
        ("c2.example", {(CONTACTED, "10.0.0.7", 2), (RESOLVED, "10.0.0.7", 1)}),
        ("alias.example", {(LOOKED_UP, "10.0.0.7", 1)}),
        ("http://c2.example/gate.php?x=1", {(CONTACTED, "10.0.0.7", 1)}),
        ("http://c2.example/gate.php?x=2", {(CONTACTED, "10.0.0.7", 1)}),
        ("http://c2.example/gate.php", set()),
        ("http://c2.example/", {(CONTACTED, "10.0.0.7", 2)}),
        ("https://tls.example/any", {(CONTACTED, "10.0.0.7", 1)}),
        ("http://tls.example/any", set()),
        (JA3, {(CONTACTED, "10.0.0.7", 1)}),
        (JA4, {(CONTACTED, "10.0.0.7", 1)}),
        (CERT, {(CONTACTED, "10.0.0.7", 1)}),
        ("ua:HAVANA", {(CONTACTED, "10.0.0.7", 1)}),
        ("ua:'; DROP TABLE x", set()),
    ],
)
def test_what_is_met(store_path: Path, value: str, expected: set[tuple[str, str, int]]) -> None:
    if value == "example":
        with pytest.raises(UsageError):
            parse_indicator(value)
        return
    assert met(store_path, value) == expected


def test_numbers_of_a_hit(store_path: Path) -> None:
    (hit, _) = ask(store_path, BEACON_IP).hits
    assert (hit.first_ts, hit.last_ts) == (NOON_NS, NOON_NS + (N_BEATS - 1) * 60 * S + S)
    assert (hit.orig_bytes, hit.resp_bytes) == (512 * N_BEATS, 1_834 * N_BEATS)
    assert (hit.dests, hit.ports, hit.resp_ips) == ({BEACON_NAME}, {443}, {BEACON_IP})


def test_a_span_of_time(store_path: Path) -> None:
    assert ask(store_path, BEACON_NAME, since_ns=NOON_NS + 2 * DAY_NS).hits == []
    (hit,) = ask(store_path, BEACON_NAME, since_ns=NOON_NS + 1, until_ns=NOON_NS + 121 * S).hits
    assert hit.events == 2


def test_many_indicators_are_what_they_are_one_by_one(store_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = [BEACON_IP, BYPASS_IP, "203.0.113.0/24", "198.51.100.0/24", "2001:db8::/32", "c2.example",
              "updates.example", "alias.example", "nothing.example", "ua:havana", JA3,
              "http://c2.example/"]  # fmt: skip
    expected = [(hit.indicator.value, hit.how, hit.orig_ip, hit.events) for value in values
                for hit in ask(store_path, value).hits]  # fmt: skip
    for most in (matcher.MAX_SPELLED, 0):
        monkeypatch.setattr(matcher, "MAX_SPELLED", most)
        hits = ask(store_path, *values).hits
        assert [(hit.indicator.value, hit.how, hit.orig_ip, hit.events) for hit in hits] == expected


@pytest.fixture(scope="module")
def long_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty days; on each a few hosts contact a few addresses and names."""
    path = tmp_path_factory.mktemp("long") / "store"
    with Store.open(path, write=True) as store:
        flows = list(long_flows())
        store.lake.append("flow", "long", columns_of("flow", flows), buckets_of(flows))
    return path


def long_flows() -> list[dict[str, Any]]:
    rng = random.Random(4)
    return [
        row("flow", uid=f"C{i}", orig_ip=f"10.0.0.{rng.randrange(1, 5)}", resp_ip=f"203.0.113.{rng.randrange(60)}",
            resp_port=rng.choice((80, 443)), name=rng.choice(("", f"h{i}.example")), first_ts=at, last_ts=at + S,
            orig_bytes=rng.randrange(100), resp_bytes=1)
        for i, at in enumerate(NOON_NS + day * DAY_NS for day in range(40) for _ in range(10))
    ]  # fmt: skip


def test_a_long_history_is_summed_up_as_row_by_row(long_path: Path) -> None:
    values = ("203.0.113.7", "203.0.113.0/27", "203.0.113.0/28", "203.0.113.16/28")
    found = {(hit.indicator.value, hit.orig_ip): hit for hit in ask(long_path, *values).hits}
    expected: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for flow in long_flows():
        for value in values:
            if ipaddress.ip_address(flow["resp_ip"]) in ipaddress.ip_network(value):
                expected.setdefault((value, flow["orig_ip"]), []).append(flow)
    assert found.keys() == expected.keys()
    for key, hit in found.items():
        rows = expected[key]
        assert (hit.events, hit.orig_bytes) == (len(rows), sum(one["orig_bytes"] for one in rows))
        assert (hit.first_ts, hit.last_ts) == (rows[0]["first_ts"], rows[-1]["last_ts"])
        assert hit.ports == {one["resp_port"] for one in rows}
        names = sorted({one["name"] or one["resp_ip"] for one in rows})
        assert min(hit.dests) == names[0]
        assert hit.dests <= set(names)
        assert len(hit.dests) == min(len(names), MAX_DESTS)


def test_names_come_from_some_of_very_many_contacts_and_numbers_from_all(
    long_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ask(long_path, "203.0.113.0/27").hits
    monkeypatch.setattr("sensor.store.search._SAMPLE_ROWS", 1)
    some = ask(long_path, "203.0.113.0/27").hits
    assert [(hit.orig_ip, hit.events, min(hit.dests)) for hit in some] == [
        (hit.orig_ip, hit.events, min(hit.dests)) for hit in whole
    ]


def test_the_newest_day_answers_first(long_path: Path) -> None:
    steps: list[tuple[str, int, int, int]] = []
    with Store.open(long_path) as store:
        answer = hunt(
            store,
            [parse_indicator("203.0.113.0/24")],
            progress=lambda one: steps.append((one.day, one.days, one.all_days, sum(hit.events for hit in one.hits))),
        )
    assert [days for _, days, _, _ in steps] == [1, 3, 7, 15, 31, 40]
    assert [events for *_, events in steps] == [10, 30, 70, 150, 310, 400]
    assert {all_days for _, _, all_days, _ in steps} == {40}
    assert [day for day, *_ in steps] == [answer.days[-days] for _, days, _, _ in steps]


def test_days_that_cannot_be_searched_are_told(tmp_path: Path) -> None:
    path = make_store(tmp_path / "store")
    with Store.open(path, write=True) as store:
        store.begin_source("cd" * 32, "long.pcap")
        store.finish_source("cd" * 32, state="complete", packets=1, n_bytes=1, first_ts=NOON_NS - 2 * DAY_NS,
                            last_ts=NOON_NS)  # fmt: skip
        rows = [row("flow", uid="C9", orig_ip="10.0.0.9", resp_ip=BEACON_IP, last_ts=NOON_NS - DAY_NS)]
        store.lake.append("flow", "other", columns_of("flow", rows), buckets_of(rows))
        days = [file.parent.parent.name.removeprefix("day=") for file in store.lake.files("flow")]
        broken = next(file for file in store.lake.files("flow") if file.name.startswith("other"))
    broken.write_bytes(broken.read_bytes()[:-7])
    answer = ask(path, BEACON_IP)
    assert answer.unreadable == [min(days)]
    assert answer.days == sorted(set(days))
    assert len(answer.absent) == 1
    assert answer.absent[0] < min(days)
    assert {hit.orig_ip for hit in answer.hits} == {BEACON_HOST}  # the rest is searched all the same


@given(st.ip_addresses(v=4), st.integers(1, 32), st.ip_addresses(v=4))
def test_the_sieve_lets_every_address_of_a_network_pass(base: Any, prefix: int, other: Any) -> None:
    network = ipaddress.ip_network(f"{base}/{prefix}", strict=False)
    found = Matcher("network", [Indicator("network", str(network))])
    assert bool(found.of(str(other))) is (other in network)
    sql, values = found.condition("x")
    assert sql == "(starts_with(x, ?))"
    assert str(base).startswith(str(values[0]))


@given(st.ip_addresses(v=6).filter(lambda one: one.ipv4_mapped is None), st.integers(1, 128))
def test_the_sieve_lets_every_ipv6_address_pass(base: Any, prefix: int) -> None:
    network = ipaddress.ip_network(f"{base}/{prefix}", strict=False)
    found = Matcher("network", [Indicator("network", str(network))])
    assert found.of(str(base))
    sql, values = found.condition("x")
    assert all(str(base).startswith(str(value)) for value in values)
    assert "starts_with" in sql or ":" in str(base)


def test_hostile_text_in_the_history_is_no_trouble(store_path: Path) -> None:
    assert {hit.how for hit in ask(store_path, f"ua:{HOSTILE[:10]}").hits} <= {CONTACTED}
