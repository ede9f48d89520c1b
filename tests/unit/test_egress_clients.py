"""Which clients go around the proxy: categories, weights, modes, groups and what they say."""

from ipaddress import ip_network
from typing import Any

import pytest

from analyzers.egress import Kept, Surroundings, judge_clients
from analyzers.egress import category as kinds
from analyzers.egress.category import categorize
from analyzers.egress.mode import LearnedProxy, Mode, decide_mode, learn_proxies
from analyzers.finding import Finding
from sensor.policy import Allowed, DirectRule
from sensor.site import Proxy, Site, parse_address
from tests.support.egress import DEST_IP, HOST, RAW, SILENT, T0, channel, egress_table, times

SITE = Site()
PROXY = Mode("explicit", "told", (("10.0.0.5", 3128),))
HOSTS = 40


def found(
    *rows: dict[str, Any], site: Site = SITE, mode: Mode = PROXY, kept: Kept | None = None, **around: Any
) -> list[Finding]:
    known = Surroundings(mode, frozenset({HOST}), HOSTS, **around)
    return judge_clients(egress_table(*rows), site, known, frozenset(), kept or Kept())


def test_a_finding_in_full() -> None:
    (finding,) = found({**times(2), "last_ts": T0 + 65 * 10**9})
    assert (finding.analyzer, finding.orig_ip, finding.dest) == ("bypass", HOST, "www.example")
    assert (finding.dest_ips, finding.resp_port, finding.proto) == ((DEST_IP,), 443, "tcp")
    assert (finding.events, finding.outcome, finding.interval_s) == (2, "established", None)
    assert (finding.first_ts, finding.last_ts) == (T0, T0 + 65 * 10**9)
    assert finding.techniques == ["T1071.001"]
    assert finding.reasons == [
        "2 connections past the proxy within 65 s: 2 established",
        "it got out",
        "web: 443/tcp",
        "sent 1,500 bytes, received 9,000 bytes",
        "this host uses the proxy for other traffic",
    ]
    assert [row["dest"] for row in finding.channels] == ["www.example"]


@pytest.mark.parametrize(
    ("values", "category"),
    [
        ({}, kinds.WEB),
        ({"resp_port": 80, "app": ""}, kinds.WEB),
        ({"proto": "udp", "app": "quic"}, kinds.WEB),
        ({"proto": "udp", "app": ""}, kinds.WEB),
        ({"resp_port": 4444}, kinds.WEB_ODD_PORT),
        ({"resp_port": 993}, kinds.MAIL),
        ({"app": "ssh"}, kinds.REMOTE),
        ({"resp_port": 3389, "app": ""}, kinds.REMOTE),
        ({"resp_port": 3389}, kinds.REMOTE),
        ({"resp_port": 21, "app": ""}, kinds.FILES),
        ({"resp_port": 53, "proto": "udp", "app": "dns"}, kinds.DNS),
        ({"resp_port": 53, "app": ""}, kinds.DNS),
        ({"resp_port": 53}, kinds.WEB_ODD_PORT),
        ({"resp_port": 853}, kinds.DOT),
        ({"dest": "dns.google"}, kinds.DOH),
        ({"dest": "1.1.1.1", "dest_ips": ("1.1.1.1",)}, kinds.DOH),
        ({"dest": "dns.google", "resp_port": 80}, kinds.WEB),
        ({"resp_port": 51820, "proto": "udp", "app": ""}, kinds.TUNNEL),
        ({"proto": "ip-47", "resp_port": 0, "app": ""}, kinds.TUNNEL),
        ({"resp_port": 3478, "proto": "udp", "app": "stun"}, kinds.RELAY),
        ({"resp_port": 9001}, kinds.TOR),
        ({"dest": "www.ab3cdefghi.com", "no_lookup": True}, kinds.TOR),
        ({"dest": "www.ab3cdefghi.com"}, kinds.WEB),
        ({"dest": "www.facebook.com", "no_lookup": True}, kinds.WEB),
        ({"resp_port": 5656, "app": ""}, kinds.ODD_TCP),
        ({"proto": "udp", "resp_port": 5656, "app": ""}, kinds.ODD_UDP),
        ({"proto": "sctp", "resp_port": 5656, "app": ""}, kinds.OTHER),
        ({"proto": "udp", "resp_port": 123, "app": "ntp", "orig_bytes": 480}, kinds.CLOCK),
        ({"proto": "udp", "resp_port": 123, "app": "", "orig_bytes": 9_000}, kinds.ODD_UDP),
        ({"proto": "icmp", "resp_port": 0, "app": "", "orig_bytes": 560}, kinds.PING),
        ({"proto": "icmp", "resp_port": 0, "app": "", "orig_bytes": 9_000}, kinds.PAYLOAD_PING),
        ({"is_foreign_proxy": True, "resp_port": 1080}, kinds.FOREIGN_PROXY),
    ],
)
def test_categories(values: dict[str, Any], category: kinds.Category) -> None:
    assert categorize(channel(**values), SITE.destinations) is category


def test_blocked_and_repeated_attempts_score_higher() -> None:
    (once,) = found({**SILENT, **RAW})
    (often,) = found({**SILENT, **RAW, **times(20, "unanswered")})
    assert often.score > once.score + 0.2
    assert often.outcome == "unanswered"
    assert "20 attempts blocked, and still repeated" in often.reasons
    assert "nothing came back: it was dropped on the way, or the far end is gone" in often.reasons
    assert "no name, only an address, which DNS never told" in often.reasons


def test_attempts_at_a_beat_that_are_all_blocked_are_the_strongest_sign() -> None:
    beats = {(HOST, DEST_IP, 443, "tcp"): (300.0, 0.03)}
    blocked = {**SILENT, **RAW, **times(30, "unanswered")}
    (finding,) = found(blocked, beats=beats)
    assert (finding.severity, finding.interval_s, finding.jitter_frac) == ("high", 300.0, 0.03)
    assert finding.reasons[0] == (
        "attempts every 300 s (give or take 3 %), every one of them blocked: "
        "the strongest sign of an infected machine behind a tight firewall"
    )
    (finding,) = found({**blocked, "flows": 31, "established": 1}, beats=beats)
    assert finding.interval_s is None  # one that got through is no blocked beat
    (finding,) = found(blocked, beats=beats, mode=Mode("none", ""))
    assert (finding.analyzer, finding.severity) == ("egress", "high")


def test_channels_of_a_host_category_and_outcome_are_one_finding() -> None:
    rows = [{"dest": f"w{i:02}.example", **times(20 - i)} for i in range(12)]
    blocked = {**SILENT, "dest": "blocked.example", **times(4, "unanswered")}
    many, one = found(*rows, blocked)
    assert (many.dest, many.resp_port, many.proto) == ("many destinations (web, established)", 443, "tcp")
    assert (many.events, len(many.channels)) == (sum(20 - i for i in range(12)), 12)
    assert (
        "12 destinations, the busiest: w00.example, w01.example, w02.example, w03.example, w04.example" in many.reasons
    )
    assert (one.dest, one.outcome) == ("blocked.example", "unanswered")
    assert many.score > max(finding.score for row in rows for finding in found(row))


def test_services_of_one_destination_are_one_finding_under_the_busiest() -> None:
    (finding,) = found({"resp_port": 80, "app": "http"}, times(3), {"proto": "udp", "app": "quic"})
    assert (finding.dest, finding.resp_port, finding.proto, finding.events) == ("www.example", 443, "tcp", 5)
    assert "web: 443/tcp, 80/tcp, 443/udp" in finding.reasons


def test_the_rest_of_a_scan_counts() -> None:
    (finding,) = found(SILENT, {**SILENT, "dest": "", "dest_ips": (), "n_dests": 5000, **times(5000, "unanswered")})
    assert finding.events == 5001
    assert "5,001 destinations, the busiest: www.example" in finding.reasons
    assert len(finding.channels) == 1


@pytest.mark.parametrize(
    ("values", "label"),
    [
        ({"dest": "www.msftconnecttest.com", "resp_port": 80, "app": "http"}, "check for a captive portal"),
        ({"dest": "client.wns.windows.com"}, "push service"),
        ({"dest": "ocsp.digicert.com", "resp_port": 80}, "certificate revocation check"),
        (
            {"proto": "udp", "resp_port": 123, "app": "ntp", "dest": DEST_IP, "orig_bytes": 480, "orig_pkts": 10},
            "clock",
        ),
    ],
)
def test_benign_explanations_lower_the_weight_and_are_told(values: dict[str, Any], label: str) -> None:
    kept = Kept()
    assert found({**values, **times(90)}, kept=kept) == []
    assert kept.sentences() == [f"direct channels with a benign explanation, below the threshold: 1 {label}"]
    (finding,) = found({**values, **times(5)}, {"dest": "evil.example"})
    assert finding.dest == "evil.example"
    assert f"beside it, direct channels that weigh little: 1 {label}" in finding.reasons


def test_a_name_that_dns_never_told_explains_nothing() -> None:
    (finding,) = found({"dest": "www.msftconnecttest.com", "no_lookup": True})
    assert finding.dest == "www.msftconnecttest.com"
    (finding,) = found({"dest": "www.msftconnecttest.com.evil.example"})
    assert not any("captive" in reason for reason in finding.reasons)


def test_a_large_upload_passes_any_explanation() -> None:
    (finding,) = found({"dest": "fcm.googleapis.com", "orig_bytes": 900_000_000, **times(100)})
    assert "a large upload" in finding.reasons


def test_what_most_hosts_do_alike_is_told_once() -> None:
    kept = Kept()
    assert found({**SILENT, **times(90, "unanswered"), "clients": 36}, kept=kept) == []
    assert kept.sentences() == [
        "www.example is contacted directly by 36 hosts alike (unanswered): software of the house?"
    ]
    assert len(found({**SILENT, **RAW, **times(90, "unanswered"), "clients": 36})) == 1  # an address has no such excuse
    assert len(found({**SILENT, **times(90, "unanswered"), "clients": 4})) == 1


def test_hours_when_nobody_works_raise_the_weight_and_are_told() -> None:
    (day,) = found(times(10))
    (night,) = found({**times(10), "away": 9})
    (some,) = found({**times(10), "away": 2})
    assert night.score == pytest.approx(day.score + 0.1)
    assert "9 of 10 while nobody is at work, which weighs more" in night.reasons
    assert some.score == day.score
    assert "2 of 10 while nobody is at work" in some.reasons


def test_direct_rules_of_the_site_file_are_counted() -> None:
    rule = DirectRule(Allowed(names=frozenset({"example"})), frozenset({443}), (ip_network("10.0.0.0/24"),), "meetings")
    site, kept = Site(direct=(rule,)), Kept()
    assert found({}, site=site, kept=kept) == []
    assert kept.sentences() == ["1 direct channel allowed by [direct] in the site file"]
    assert len(found({"resp_port": 22}, {"orig_ip": "10.1.0.1"}, {"dest": "other.test"}, site=site)) == 3


def test_servers_and_proxies_are_not_clients() -> None:
    around = Surroundings(PROXY, n_hosts=HOSTS)
    table = egress_table({"orig_ip": "10.0.0.5"}, {"orig_ip": "10.0.0.9"}, {"orig_ip": "10.0.0.10"})
    findings = judge_clients(table, SITE, around, frozenset({"10.0.0.9"}), Kept())
    assert [finding.orig_ip for finding in findings] == ["10.0.0.10"]
    assert any("never seen using the proxy" in reason for reason in findings[0].reasons)


# --- modes ---


def test_behind_a_proxy_that_nobody_asks_plain_web_is_carried() -> None:
    mode = Mode("transparent", "")
    assert found({}, {"resp_port": 80, "app": "http"}, mode=mode) == []
    rows = [{"proto": "udp", "app": "quic"}, {"resp_port": 4444}, {"resp_port": 22, "app": "ssh"}]
    findings = found(*rows, mode=mode)
    assert {finding.resp_port for finding in findings} == {443, 4444, 22}
    assert all("transparent proxy does not carry" in finding.reasons[0] for finding in findings)


def test_without_a_proxy_only_what_is_odd_anywhere_is_reported() -> None:
    mode = Mode("none", "")
    looked_up = [{"dest": f"w{i}.example"} for i in range(3)]
    outside_dns = {"resp_port": 53, "proto": "udp", "app": "dns", "dest": "203.0.113.8", "dest_ips": ("203.0.113.8",)}
    raw = {**RAW, **times(6), "app": "http", "resp_port": 8080}
    assert found(*looked_up, outside_dns, mode=mode) == []  # where no host inside answers DNS, all ask outside
    findings = found(*looked_up, outside_dns, raw, mode=mode, has_resolver=True)
    assert {(finding.analyzer, finding.dest) for finding in findings} == {
        ("egress", "203.0.113.8"),
        ("egress", DEST_IP),
    }
    # a host whose lookups are not seen has only such addresses
    assert found(raw, {**raw, "dest": "203.0.113.9", "dest_ips": ("203.0.113.9",)}, mode=mode) == []


def test_proxies_are_learned_from_what_is_asked_of_them() -> None:
    asked = [("10.0.0.20", "10.0.0.5", 3128, 4), ("10.0.0.30", "10.0.0.5", 3128, 1), ("10.0.0.20", "10.0.0.6", 80, 1)]
    alone = [("10.0.0.20", "203.0.113.80", 8080, 9)]
    assert learn_proxies([*asked, *alone], SITE) == [LearnedProxy("10.0.0.5", 3128, 2, 5)]
    cloud = [(f"10.0.0.{i}", "203.0.113.80", 8080, 1) for i in range(3)]
    assert learn_proxies(cloud, SITE) == [LearnedProxy("203.0.113.80", 8080, 3, 3)]


def mode_of(
    site: Site = SITE, learned: int = 0, direct: int = 0, via: tuple[list[tuple[str, int, int]], int] = ([], 0)
) -> Mode:
    proxies = [LearnedProxy("10.0.0.5", 3128, learned, 10 * learned)] if learned else []
    users = frozenset(f"10.0.1.{i}" for i in range(learned))
    web_hosts = [(f"10.0.2.{i}", 5) for i in range(direct)] + [("10.0.3.1", 2), ("10.0.0.5", 900)]
    return decide_mode(site, proxies, users, web_hosts, via)


def test_the_mode_and_why() -> None:
    address = parse_address("10.0.0.5")
    assert address is not None
    assert mode_of().word == "none"
    assert mode_of(learned=4).word == "explicit"
    assert mode_of(learned=4, direct=4).word == "explicit"
    mixed = mode_of(learned=3, direct=27)
    assert mixed.word == "none"
    assert mixed.why.startswith("10.0.0.5:3128 was asked by 3 hosts in 30 flows, but 27 hosts reach the web without it")
    assert mode_of(Site(proxies=(Proxy(address, 3128),)), direct=27).word == "explicit"
    assert mode_of(Site(proxy_mode="none"), learned=9).proxies == ()
    assert mode_of(Site(proxy_mode="transparent")).word == "transparent"


def test_a_proxy_that_nobody_asks_is_known_by_the_answers() -> None:
    mode = mode_of(direct=9, via=([("1.1 gate (squid)", 9, 40), ("1.1 varnish", 9, 12)], 44))
    assert mode.word == "transparent"
    assert "40 of 44 web sites answer 9 hosts through '1.1 gate (squid)'" in mode.why
    assert mode_of(direct=9, via=([("1.1 varnish", 9, 12)], 44)).word == "none"
    assert mode_of(direct=9, via=([("1.1 varnish", 1, 2)], 2)).word == "none"


def test_columns_of_different_length_are_refused() -> None:
    table = egress_table({}, {})
    table.app = ["tls"]
    with pytest.raises(ValueError, match="app has 1 rows for 2 channels"):
        judge_clients(table, SITE, Surroundings(PROXY), frozenset(), Kept())
