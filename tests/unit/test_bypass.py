"""The bypass analyzer: direct outbound traffic where a proxy exists, with its outcome."""

from typing import Any

import numpy as np
import pytest

from analyzers.bypass import MANY_DESTINATIONS, find_bypass
from analyzers.egress_kind import FILES, FOREIGN_PROXY, MAIL, NAMES, OTHER_TCP, PING, REMOTE, WEB, WEB_ODD_PORT, kind_of
from analyzers.flow_table import FlowTable
from analyzers.outcome import outcome_of
from analyzers.proxies import LearnedProxy, learn_proxies
from sensor.site import Proxy, Site, parse_address

PROXY = parse_address("10.0.0.5")
assert PROXY is not None
SITE = Site(proxies=(Proxy(PROXY, 3128),))
FLOW: dict[str, Any] = {
    "orig_ip": "10.0.0.20",
    "resp_ip": "198.51.100.7",
    "resp_port": 443,
    "proto": "tcp",
    "name": "www.example",
    "app": "tls",
    "conn_state": "SF",
    "orig_pkts": 10,
    "resp_pkts": 12,
    "orig_bytes": 1500,
    "resp_bytes": 9000,
    "first_ts": 10**18,
    "last_ts": 10**18 + 5 * 10**9,
    "via_proxy": "",
    "uid": "C1",
}
REFUSED: dict[str, Any] = {"conn_state": "REJ", "resp_pkts": 1, "orig_bytes": 0, "resp_bytes": 0}
SILENT: dict[str, Any] = {"conn_state": "S0", "resp_pkts": 0, "orig_bytes": 0, "resp_bytes": 0, "name": "", "app": ""}
ASKED: dict[str, Any] = {"resp_ip": "10.0.0.5", "resp_port": 3128, "via_proxy": "10.0.0.5:3128"}


def table(*flows: dict[str, Any]) -> FlowTable:
    columns: dict[str, Any] = {}
    for name, default in FLOW.items():
        values = [flow.get(name, default) for flow in flows]
        columns[name] = np.array(values, np.int64) if isinstance(default, int) else values
    return FlowTable(**columns)


def found(*flows: dict[str, Any], site: Site = SITE) -> list[Any]:
    return find_bypass(table(*flows), site)[0]


def test_silent_until_a_proxy_is_known() -> None:
    findings, notes = find_bypass(table({}), Site())
    assert findings == []
    assert len(notes) == 1
    assert notes[0].startswith("no proxy is declared in the site file and none was seen")


def test_a_learned_proxy_is_enough_and_is_said() -> None:
    findings, notes = find_bypass(table({}), Site(), [LearnedProxy("10.0.0.5", 3128, 4, 120)])
    assert len(findings) == 1
    assert notes == [
        "proxy 10.0.0.5:3128 was learned from 120 flows of 4 clients; declare it in the site file to keep it"
    ]


def test_a_declared_proxy_needs_no_note() -> None:
    assert find_bypass(table({}), SITE, [LearnedProxy("10.0.0.5", 3128, 4, 120)])[1] == []


def test_a_finding_in_full() -> None:
    flows = [{}, {"first_ts": 10**18 + 60 * 10**9, "last_ts": 10**18 + 65 * 10**9}, ASKED]
    (finding,) = found(*flows)
    assert (finding.analyzer, finding.orig_ip, finding.dest) == ("bypass", "10.0.0.20", "www.example")
    assert (finding.dest_ips, finding.resp_port, finding.proto) == (("198.51.100.7",), 443, "tcp")
    assert (finding.events, finding.outcome) == (2, "established")
    assert (finding.first_ts, finding.last_ts) == (10**18, 10**18 + 65 * 10**9)
    assert finding.interval_s is None
    assert finding.techniques == ["T1071.001"]
    assert finding.reasons == [
        "2 direct flows to the outside within 65 s, not through a proxy: 2 established",
        "web: 443/tcp",
        "sent 3,000 bytes, received 18 KB",
        "this host uses the proxy for other traffic",
    ]


def test_a_host_that_never_uses_the_proxy_is_told_so() -> None:
    (finding,) = found({})
    assert any("never seen using the proxy" in reason for reason in finding.reasons)


@pytest.mark.parametrize(
    "flow",
    [
        {"resp_ip": "10.0.0.9"},
        {"resp_ip": "239.255.255.250", "resp_port": 1900, "proto": "udp", "app": ""},
        {"resp_ip": "255.255.255.255", "resp_port": 67, "proto": "udp", "app": ""},
        {"resp_port": 123, "proto": "udp", "app": ""},
        {"orig_ip": "10.0.0.5"},
        {"orig_ip": "203.0.113.9"},
        ASKED,
    ],
    ids=["internal", "multicast", "broadcast", "ntp", "the proxy itself", "from outside", "asked of the proxy"],
)
def test_what_is_no_bypass(flow: dict[str, Any]) -> None:
    assert found(flow) == []


def test_an_outside_proxy_of_ones_own_is_no_bypass() -> None:
    address = parse_address("203.0.113.80")
    assert address is not None
    flow = {"resp_ip": "203.0.113.80", "resp_port": 8080, "via_proxy": "203.0.113.80:8080", "app": "http"}
    assert found(flow, site=Site(proxies=(Proxy(address, 8080),))) == []
    assert found(flow, site=Site(proxies=(Proxy(address),))) == []
    assert len(found({**flow, "resp_port": 9090}, site=Site(proxies=(Proxy(address, 8080),)))) == 1


def test_somebody_elses_proxy() -> None:
    flow = {"resp_ip": "203.0.113.80", "resp_port": 8080, "via_proxy": "203.0.113.80:8080", "name": "c2.example"}
    (finding,) = found(flow)
    assert finding.dest == "203.0.113.80"
    assert finding.techniques == ["T1090.002"]


def test_excluded_networks_are_not_judged() -> None:
    networks = Site(internal=SITE.internal[:1])
    out = Site(excluded=(networks.internal[0].__class__("198.51.100.0/24"),), proxies=SITE.proxies)
    assert found({}, site=out) == []


@pytest.mark.parametrize(
    ("state", "resp_pkts", "resp_bytes", "outcome"),
    [
        ("SF", 5, 100, "established"),
        ("S1", 5, 100, "established"),
        ("RSTO", 3, 0, "established"),
        ("RSTR", 3, 100, "established"),
        ("RSTR", 3, 0, "refused"),
        ("RSTRH", 2, 0, "refused"),
        ("REJ", 1, 0, "refused"),
        ("S0", 0, 0, "unanswered"),
        ("SH", 0, 0, "unanswered"),
        ("RSTOS0", 0, 0, "unanswered"),
        ("OTH", 0, 0, "unanswered"),
        ("OTH", 4, 0, "established"),
        ("SHR", 3, 0, "established"),
    ],
)
def test_outcome(state: str, resp_pkts: int, resp_bytes: int, outcome: str) -> None:
    assert outcome_of(state, resp_pkts, resp_bytes) == outcome


def test_the_best_outcome_is_the_findings_and_all_are_told() -> None:
    (finding,) = found({**SILENT, "name": "www.example"}, {**REFUSED}, {})
    assert finding.outcome == "established"
    assert "1 established, 1 refused, 1 unanswered" in finding.reasons[0]
    (finding,) = found({**REFUSED}, {**SILENT, "name": "www.example"})
    assert finding.outcome == "refused"


def test_blocked_and_repeated_attempts_score_higher() -> None:
    (once,) = found(SILENT)
    (often,) = found(*[SILENT] * 20)
    assert often.score > once.score + 0.2
    assert (often.dest, often.outcome) == ("198.51.100.7", "unanswered")
    assert "20 attempts blocked, and still repeated" in often.reasons
    assert any(reason.startswith("no attempt got through") for reason in often.reasons)
    assert "the destination has no name, only an address" in often.reasons


@pytest.mark.parametrize(
    ("proto", "port", "app", "via_proxy", "kind"),
    [
        ("tcp", 443, "tls", "", WEB),
        ("tcp", 80, "", "", WEB),
        ("udp", 443, "quic", "", WEB),
        ("udp", 443, "", "", WEB),
        ("tcp", 8443, "tls", "", WEB),
        ("tcp", 4444, "tls", "", WEB_ODD_PORT),
        ("tcp", 993, "tls", "", MAIL),
        ("tcp", 443, "ssh", "", WEB),
        ("tcp", 2222, "ssh", "", REMOTE),
        ("tcp", 3389, "", "", REMOTE),
        ("tcp", 21, "", "", FILES),
        ("udp", 53, "dns", "", NAMES),
        ("tcp", 853, "tls", "", NAMES),
        ("tcp", 5656, "", "", OTHER_TCP),
        ("icmp", 0, "", "", PING),
        ("tcp", 1080, "", "203.0.113.1:1080", FOREIGN_PROXY),
        ("udp", 123, "", "", None),
    ],
)
def test_kinds(proto: str, port: int, app: str, via_proxy: str, kind: object) -> None:
    assert kind_of(proto, port, app, via_proxy) is kind


def test_web_weighs_most() -> None:
    scores = [found({"resp_port": port, "app": "", "name": ""})[0].score for port in (443, 22, 21, 5656, 25, 53)]
    assert scores == sorted(scores, reverse=True)


def test_one_finding_for_a_host_and_destination() -> None:
    findings = found({}, {"resp_port": 80, "app": "http"}, {"proto": "udp", "app": "quic"}, {"orig_ip": "10.0.0.21"})
    assert [(f.orig_ip, f.dest, f.events) for f in findings] == [
        ("10.0.0.20", "www.example", 3),
        ("10.0.0.21", "www.example", 1),
    ]
    assert "web: 80/tcp, 443/tcp, 443/udp" in findings[0].reasons


def test_many_destinations_of_a_host_are_one_finding() -> None:
    few = [{"name": f"w{i}.example"} for i in range(MANY_DESTINATIONS)]
    assert len(found(*few)) == MANY_DESTINATIONS
    (finding,) = found(*few, {"name": "w99.example"}, {"name": "w99.example"})
    assert finding.dest == "many destinations (web)"
    assert finding.events == MANY_DESTINATIONS + 2
    assert (
        "13 destinations, the busiest: w99.example, w0.example, w1.example, w10.example, w11.example" in finding.reasons
    )


def test_uploads_are_told_and_count() -> None:
    (small,) = found({})
    (large,) = found({"orig_bytes": 50_000_000})
    assert large.score > small.score
    assert "sent 50 MB, received 9,000 bytes" in large.reasons


def test_the_order_of_flows_does_not_matter() -> None:
    flows = [{"name": f"w{i % 5}.example", "orig_ip": f"10.0.1.{i % 3}"} for i in range(40)] + [ASKED, SILENT]
    assert found(*flows) == found(*reversed(flows))


def test_proxies_are_learned_from_what_is_asked_of_them() -> None:
    outside = {"resp_ip": "203.0.113.80", "resp_port": 8080, "via_proxy": "203.0.113.80:8080"}
    once = {"resp_ip": "10.0.0.6", "resp_port": 8080, "via_proxy": "10.0.0.6:8080"}
    flows = [ASKED] * 4 + [{**ASKED, "orig_ip": "10.0.0.30"}, {}, once] + [outside] * 9
    assert learn_proxies(table(*flows), Site()) == [LearnedProxy("10.0.0.5", 3128, 2, 5)]
    cloud = [{**outside, "orig_ip": f"10.0.0.{i}"} for i in range(30, 33)]
    assert learn_proxies(table(*cloud), Site()) == [LearnedProxy("203.0.113.80", 8080, 3, 3)]


def test_columns_of_different_length_are_refused() -> None:
    flows = table({}, {})
    flows.app = ["tls"]
    with pytest.raises(ValueError, match="app has 1 rows for 2 flows"):
        find_bypass(flows, SITE)


def test_no_flows() -> None:
    assert find_bypass(table(), SITE) == ([], [])
