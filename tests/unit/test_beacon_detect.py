"""Findings of the beacon analyzer: which channels are told, once each, with what words."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyzers.beacon import Beacons, measure_channels, score_beacons
from analyzers.beacon.context import Population, population_of
from analyzers.beacon.reasons import explain
from analyzers.beacon.tell import FORWARDED, MAX_BENEATH
from analyzers.finding import by_score, severity_of
from analyzers.series import Series
from sensor.shelf import shelf_in
from sensor.site import Site, load_site
from tests.support.series import START_NS, browsing, clock, make_series, missed, poisson

SITE = Site()
EXACT = np.arange(30) * 60.0


def found(channels: list[Any], site: Site = SITE, **columns: object) -> list[Any]:
    return score_beacons(make_series(channels, **columns), site)


def test_a_finding_in_full() -> None:
    times = np.delete(np.arange(32) * 60.0, [7, 20])
    times = times + np.random.default_rng(5).uniform(0, 3, len(times))
    (finding,) = found([times], dest_ips=[("198.51.100.7", "198.51.100.8")])
    assert (finding.analyzer, finding.orig_ip, finding.dest) == ("beacon", "10.0.0.1", "c0.example")
    assert finding.dest_ips == ("198.51.100.7", "198.51.100.8")
    assert (finding.resp_port, finding.proto, finding.events) == (443, "tcp", 30)
    assert finding.score > 0.75
    assert finding.severity == "medium"  # one host: nobody to compare with
    assert finding.first_ts == START_NS + round(times[0] * 1e9)
    assert finding.last_ts == START_NS + round(times[-1] * 1e9)
    assert finding.interval_s == pytest.approx(60, abs=1)
    assert 0 < finding.jitter_frac < 0.05
    assert (finding.outcome, finding.via_proxy) == ("", "")
    assert finding.techniques == ["T1071.001", "T1573"]
    first, chance, sizes = finding.reasons
    assert first.startswith("30 beats, one every ")
    assert first.endswith("for 31 min; 2 beats missed")
    assert "where chance would put at most" in chance
    assert sizes == "request sizes 310 bytes in 30 of 30"


def test_findings_are_sorted_and_repeatable() -> None:
    rng = np.random.default_rng(3)
    channels = [clock(rng, 60, 60, jitter) for jitter in (0.5, 0.0, 0.3, 0.1)]
    first, second = found(channels), found(channels)
    assert first == second
    assert [f.score for f in first] == sorted((f.score for f in first), reverse=True)
    assert len(first) == 4


def test_no_series_no_findings() -> None:
    assert found([]) == []


def test_too_few_beats_say_why() -> None:
    assert found([np.arange(3) * 60.0]) == []
    row = measure_channels(make_series([np.arange(3) * 60.0]))[0]
    assert explain(row) == ["3 beats: too few to judge regularity, which takes 4"]


def test_four_to_seven_beats_are_low_and_say_so() -> None:
    (four,) = found([np.arange(4) * 60.0])
    assert 0.4 <= four.score <= 0.5
    assert four.severity == "low"
    assert "only 4 beats: the score cannot pass 0.50 before there are 20" in four.reasons


def test_no_clock_no_finding() -> None:
    row = measure_channels(make_series([poisson(np.random.default_rng(11), 200)]))[0]
    assert found([poisson(np.random.default_rng(11), 200)]) == []
    assert explain(row)


@pytest.mark.parametrize(
    "address",
    [
        "10.1.1.1",
        "192.168.0.255",
        "224.0.0.251",
        "239.255.255.250",
        "255.255.255.255",
        "ff02::fb",
        "fe80::1",
        "fd00::1",
    ],
)
def test_destinations_that_are_not_outside(address: str) -> None:
    assert found([EXACT], dest=[address], dest_ips=[(address,)]) == []


def test_an_internal_address_is_outside_when_the_networks_say_so() -> None:
    columns: dict[str, Any] = {"orig_ip": ["172.18.0.3"], "dest": ["172.18.0.2"], "dest_ips": [("172.18.0.2",)]}
    assert found([EXACT], **columns) == []
    (finding,) = found([EXACT], load_site(None, ["172.18.0.3/32"]), **columns)
    assert finding.dest == "172.18.0.2"


def test_excluded_networks_are_not_judged() -> None:
    site = replace(SITE, excluded=load_site(None, ["198.51.100.0/24", "10.0.0.9/32"]).internal)
    assert found([EXACT], site) == []
    assert found([EXACT], site, dest_ips=[("203.0.113.1",)], orig_ip=["10.0.0.9"]) == []
    assert len(found([EXACT], site, dest_ips=[("203.0.113.1",)])) == 1


def test_an_originator_that_is_not_internal_is_said() -> None:
    (finding,) = found([EXACT], orig_ip=["147.32.80.37"])
    assert any("147.32.80.37 is not in the internal networks" in reason for reason in finding.reasons)


def test_behind_a_proxy_the_name_counts() -> None:
    proxy: dict[str, Any] = {"dest_ips": [("10.0.0.5",)], "via_proxy": ["10.0.0.5:3128"], "resp_port": [3128]}
    (finding,) = found([EXACT], **proxy, name_source=["proxy"])
    assert finding.via_proxy == "10.0.0.5:3128"
    assert "asked of the proxy 10.0.0.5:3128" in finding.reasons
    assert finding.techniques == ["T1071.001"]
    assert found([EXACT], **proxy, dest=["10.9.9.9"]) == []


@pytest.mark.parametrize(("proto", "port", "word"), [("udp", 123, "NTP"), ("udp", 53, "DNS"), ("udp", 3478, "STUN")])
def test_everyday_infrastructure_is_labelled_not_dropped(proto: str, port: int, word: str) -> None:
    (finding,) = found([EXACT], proto=[proto], resp_port=[port], name_source=["none"])
    assert finding.severity == "low"
    assert 0.4 <= finding.score < 0.6
    assert any(reason.startswith(f"this looks like {word}") for reason in finding.reasons)


def test_attempts_nobody_answers_are_a_beacon_too() -> None:
    (finding,) = found([EXACT], answered=False, orig_bytes=0, resp_bytes=0, kind=["attempt"], resp_port=[1177])
    assert finding.score > 0.75
    assert "none of 30 attempts was answered: the destination is blocked or gone, and still tried" in finding.reasons
    assert "T1571" in finding.techniques


def test_a_retry_storm_is_one_finding_at_most() -> None:
    rng = np.random.default_rng(9)
    storms = np.concatenate([start + np.cumsum(rng.uniform(0.5, 0.7, 6)) for start in np.arange(40) * 300.0])
    (finding,) = found([storms], answered=False, orig_bytes=0)
    assert finding.events == 240
    assert finding.interval_s == pytest.approx(300, rel=0.02)


def test_exchanges_in_long_connections_are_told() -> None:
    (finding,) = found([EXACT], kind=["exchange"])
    assert "the beats are exchanges inside long connections" in finding.reasons


def test_replies_in_long_connections_are_told() -> None:
    (finding,) = found([EXACT], kind=["reply"])
    assert "the beats are replies inside long connections: the server speaks first each time" in finding.reasons


def test_prevalence_lowers_where_there_are_enough_hosts() -> None:
    rng = np.random.default_rng(4)
    alone = found([clock(rng, 30, 60, 0.3)] + [[0.0]] * 7)
    assert len(alone) == 1
    assert "no other of the 8 hosts seen contacts this destination" in alone[0].reasons
    shared: dict[str, Any] = {"dest": ["update.example"] * 8, "dest_ips": [("198.51.100.1",)] * 8}
    together = found([clock(np.random.default_rng(4), 30, 60, 0.3)] + [[0.0]] * 7, **shared)
    assert 0.03 < alone[0].score - together[0].score <= 0.15
    assert "8 of the 8 hosts seen contact this destination, which lowers the score by 0.15" in together[0].reasons
    few = found([clock(np.random.default_rng(4), 30, 60, 0.3)] + [[0.0]] * 3, **{k: v[:4] for k, v in shared.items()})
    assert few[0].score == alone[0].score


def network(beacon: Any, n_hosts: int = 40) -> Series:
    """Hosts whose people browse from 9 to 12 and whose updaters all ask one server every hour, and one beacon."""
    rng = np.random.default_rng(8)
    channels, clients, dests = [beacon], ["10.0.0.1"], ["c2.example"]
    for host in range(n_hosts):
        ip = f"10.0.0.{host + 1}"
        for site in range(12):
            channels.append(9 * 3600 + browsing(rng, 60))
            clients.append(ip)
            dests.append(f"site{rng.integers(0, 60)}-{site}.example")
        channels.append(rng.uniform(0, 3600) + np.arange(24) * 3600.0)
        clients.append(ip)
        dests.append("update.example")
    series = make_series(channels, orig_ip=clients, dest=dests)
    series.orig_bytes = rng.lognormal(6.5, 0.7, len(series.ts_ns)).astype(np.int64)
    series.resp_bytes = rng.lognormal(8, 1, len(series.ts_ns)).astype(np.int64)
    series.orig_bytes[: len(beacon)], series.resp_bytes[: len(beacon)] = 310, 170  # of the beacon, which comes first
    return series


def test_in_a_network_the_odd_clock_is_told_and_the_common_one_is_not() -> None:
    series = network(clock(np.random.default_rng(6), 700, 120, 0.3))
    told = {(finding.orig_ip, finding.dest): finding for finding in score_beacons(series, SITE)}
    beacon = told.pop(("10.0.0.1", "c2.example"))
    assert beacon.interval_s == pytest.approx(120, rel=0.05)
    assert beacon.severity in ("medium", "high", "critical")
    assert any(reason.startswith("raised by ") for reason in beacon.reasons)
    assert all(dest != "update.example" for _, dest in told)
    assert all(finding.severity not in ("high", "critical") for finding in told.values())
    assert sum(finding.score >= beacon.score for finding in told.values()) <= 1  # of 480 that people visit


def test_a_network_is_judged_alike_in_parts_and_as_a_whole(tmp_path: Path) -> None:
    """Buckets of clients one by one, as a store is read and laid aside: the same findings, whatever the split."""
    series = network(clock(np.random.default_rng(6), 700, 120, 0.3))
    whole = score_beacons(series, SITE)
    with shelf_in(tmp_path, in_memory_bytes=1_000) as shelf:
        beacons = Beacons(SITE, population_of(series, SITE), shelf)
        for part in range(3):
            chosen = [i for i, ip in enumerate(series.orig_ip) if int(ip.rsplit(".", 1)[1]) % 3 == part]
            beacons.look(subset(series, chosen))
        parts = list(beacons.findings())
    assert len(parts) == 3
    assert sorted((finding for part in parts for finding in part), key=by_score) == whole


def subset(series: Series, chosen: list[int]) -> Series:
    columns = {name: [getattr(series, name)[i] for i in chosen] for name in ("orig_ip", "dest")}
    columns["dest_ips"] = [series.dest_ips[i] for i in chosen]
    rows = np.concatenate([np.arange(series.off[i], series.off[i + 1]) for i in chosen])
    part = make_series([(series.ts_ns[series.off[i] : series.off[i + 1]] - START_NS) / 1e9 for i in chosen], **columns)
    part.ts_ns, part.orig_bytes, part.resp_bytes = series.ts_ns[rows], series.orig_bytes[rows], series.resp_bytes[rows]
    return part


def rotation() -> Series:
    """One clock, three names on one address in random turn: no name alone keeps the beat."""
    rng = np.random.default_rng(12)
    times = clock(rng, 90, 60, 0.1)
    turn = rng.integers(0, 3, 90)
    return make_series([times[turn == k] for k in range(3)], orig_ip=["10.0.0.1"] * 3, dest_ips=[("198.51.100.9",)] * 3)


def test_names_on_one_address_are_taken_together() -> None:
    (finding,) = score_beacons(rotation(), SITE)
    assert finding.dest == "198.51.100.9"
    assert finding.events == 90
    assert finding.interval_s == pytest.approx(60, rel=0.05)
    assert "3 names of one address taken together: c0.example, c1.example, c2.example" in finding.reasons


def test_names_below_one_domain_are_taken_together() -> None:
    """As ns1, ns2 and ns3 of one domain, each with an address of its own."""
    series = rotation()
    series.dest = [f"ns{k}.c2.example.com" for k in range(3)]
    series.dest_ips = [(f"198.51.{k}.9",) for k in range(3)]
    (finding,) = score_beacons(series, SITE)
    assert finding.dest == "example.com"
    assert finding.dest_ips == ("198.51.0.9", "198.51.1.9", "198.51.2.9")
    assert any(reason.startswith("3 names below one domain taken together: ns0.c2") for reason in finding.reasons)


def test_addresses_of_one_block_are_taken_together() -> None:
    series = rotation()
    series.dest = [f"198.51.100.{k + 1}" for k in range(3)]
    series.dest_ips = [(dest,) for dest in series.dest]
    series.name_source = ["none"] * 3
    (finding,) = score_beacons(series, SITE)
    assert finding.dest in series.dest
    assert finding.interval_s == pytest.approx(60, rel=0.05)
    assert any(reason.startswith("3 addresses of one block taken together") for reason in finding.reasons)


def test_destinations_in_turn_are_taken_together() -> None:
    """Nothing in common but the manner: as many events of the same size, begun and ended together."""
    series = rotation()
    series.dest = ["a.example.com", "b.example.net", "c.example.org"]
    series.dest_ips = [(f"198.51.{k}.9",) for k in range(3)]
    (finding,) = score_beacons(series, SITE)
    assert finding.events == 90
    assert any(reason.startswith("3 destinations in the same manner taken together") for reason in finding.reasons)


@pytest.mark.parametrize(
    ("column", "shared", "words"),
    [
        ("ja4", "t13d1715h2_5b57614c22b0_3d5424432f57", "destinations of one JA4"),
        ("certificate", "0123456789abcdef" * 4, "servers of one certificate"),
    ],
)
def test_destinations_of_one_fingerprint_are_taken_together(column: str, shared: str, words: str) -> None:
    """Nothing in common but program or key: each server answers at a length and has a share of beats of its own."""
    rng = np.random.default_rng(14)
    times = clock(rng, 120, 60, 0.1)
    turn = rng.choice(3, 120, p=[0.6, 0.3, 0.1])
    columns: dict[str, Any] = {
        "dest": ["a.example.com", "b.example.net", "c.example.org"],
        "dest_ips": [(f"198.51.{k}.9",) for k in range(3)],
        "orig_ip": ["10.0.0.1"] * 3,
    }
    channels = [times[turn == k] for k in range(3)]
    apart = score_beacons(make_series(channels, **columns), SITE)
    assert all(finding.events < 120 for finding in apart)
    (finding,) = score_beacons(make_series(channels, **columns, **{column: [shared] * 3}), SITE)
    assert (finding.events, finding.interval_s) == (120, pytest.approx(60, rel=0.05))
    assert any(reason.startswith(f"3 {words} taken together") for reason in finding.reasons)
    other = make_series(channels, **columns, **{column: ["a", "b", ""]})
    assert [found.events for found in score_beacons(other, SITE)] == [found.events for found in apart]


def test_a_beacon_among_other_names_of_its_address_keeps_its_name() -> None:
    rng = np.random.default_rng(13)
    channels = [clock(rng, 60, 60, 0.1), poisson(rng, 300, 10)]
    (finding,) = found(channels, orig_ip=["10.0.0.1"] * 2, dest_ips=[("198.51.100.9",)] * 2)
    assert finding.dest == "c0.example"


def test_groups_do_not_cross_hosts_ports_or_proxies() -> None:
    for columns in (
        {"orig_ip": ["10.0.0.1", "10.0.0.2", "10.0.0.3"]},
        {"resp_port": [443, 444, 445]},
        {"via_proxy": ["10.0.0.5:3128"] * 3},
    ):
        series = rotation()
        for name, value in columns.items():
            setattr(series, name, value)
        assert all(finding.dest != "198.51.100.9" for finding in score_beacons(series, SITE))


def test_missed_beats_are_in_the_words() -> None:
    rng = np.random.default_rng(21)
    (finding,) = found([missed(rng, clock(rng, 100, 60, 0.05), 0.2)])
    assert "beats missed" in finding.reasons[0]


@pytest.mark.parametrize(
    ("score", "at_most", "severity"),
    [
        (0.4, "critical", "low"),
        (0.6, "critical", "medium"),
        (0.8, "critical", "high"),
        (0.95, "critical", "critical"),
        (0.99, "high", "high"),
        (0.9, "low", "low"),
    ],
)
def test_severity(score: float, at_most: str, severity: str) -> None:
    assert severity_of(score, at_most) == severity


def test_hosts_that_only_announce_themselves_are_nobody_to_compare_with() -> None:
    """A laboratory of one busy host, whose neighbours ask for names and services: the clock alone is judged."""
    neighbours = [[float(i)] for i in range(40)]
    clients = ["10.0.0.1", *(f"10.0.0.{i + 2}" for i in range(40))]
    (finding,) = found([EXACT, *neighbours], orig_ip=clients)
    assert finding.score > 0.75
    assert not any(reason.startswith("raised by") for reason in finding.reasons)


@pytest.mark.parametrize(
    ("n_hosts", "n_busy", "compared"), [(5, 5, True), (10, 5, True), (11, 5, False), (40, 10, True), (4, 4, False)]
)
def test_a_few_hosts_are_compared_where_they_are_most_of_the_network(n_hosts: int, n_busy: int, compared: bool) -> None:
    assert Beacons(SITE, Population(n_hosts, {}, None, n_busy)).is_network is compared


@pytest.mark.parametrize(("n_hosts", "are_one"), [(1, True), (6, False), (40, True)])
def test_among_a_few_hosts_channels_alike_are_no_group(n_hosts: int, are_one: bool) -> None:
    """Nearly every destination has one client there: that channels look like taking turns is chance."""
    series = rotation()
    series.dest = ["a.example.com", "b.example.net", "c.example.org"]
    series.dest_ips = [(f"198.51.{k}.9",) for k in range(3)]
    reasons = [r for finding in score_beacons(series, SITE, Population(n_hosts, {})) for r in finding.reasons]
    assert any("in the same manner taken together" in reason for reason in reasons) is are_one


def test_a_clock_that_nothing_answers_is_at_least_medium_in_a_network() -> None:
    series = network(clock(np.random.default_rng(6), 700, 120, 0.3))
    series.answered[:700] = False
    (finding,) = (f for f in score_beacons(series, SITE) if f.dest == "c2.example")
    assert finding.score >= 0.6
    assert any(reason.startswith("none of 700 attempts was answered") for reason in finding.reasons)


@pytest.mark.parametrize("by", ["domain", "address"])
def test_names_that_are_used_once_are_taken_together(by: str) -> None:
    """As a generator of names makes them: no name has a beat of its own, and there are more of them than 64."""
    times = clock(np.random.default_rng(14), 90, 60, 0.2)
    names = [f"x{k:03}.c2.example.com" if by == "domain" else f"x{k:03}.example" for k in range(90)]
    ips = [(f"198.51.{k}.9",) if by == "domain" else ("198.51.100.9",) for k in range(90)]
    (finding,) = found([[t] for t in times], orig_ip=["10.0.0.1"] * 90, dest=names, dest_ips=ips)
    assert finding.dest == ("example.com" if by == "domain" else "198.51.100.9")
    assert finding.events == 90
    assert finding.interval_s == pytest.approx(60, rel=0.05)
    assert len(finding.channels) == MAX_BENEATH
    assert any(reason.startswith("90 names ") for reason in finding.reasons)


def test_a_proxy_s_own_connections_are_its_clients_and_what_nobody_asked_for_is_its_own() -> None:
    beat = clock(np.random.default_rng(4), 60, 60, 0.05)
    findings = found(
        [beat, beat + 0.1, beat + 7.0],
        orig_ip=["10.0.0.1", "10.0.0.9", "10.0.0.9"],
        dest=["c2.example", "c2.example", "own.example"],
        via_proxy=["10.0.0.9:3128", "", ""],
    )
    by_whom = {(finding.orig_ip, finding.dest): finding for finding in findings}
    assert by_whom["10.0.0.1", "c2.example"].severity == by_whom["10.0.0.9", "own.example"].severity == "medium"
    forwarded = by_whom["10.0.0.9", "c2.example"]
    assert forwarded.severity == "low"
    assert f"this looks like {FORWARDED}; the score is lowered" in forwarded.reasons
