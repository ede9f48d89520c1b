"""Strobes, long connections and first contact: what is reported, how high, and what lowers it."""

from typing import Any

import pytest

from analyzers.beacon.context import Population
from analyzers.contacts import FirstContacts
from analyzers.finding import Finding
from analyzers.long_connection import REPORT_FROM_S, find_long_connections
from analyzers.long_connection import score as long_score
from analyzers.strobe import MIN_CONNECTIONS, RITA_CONNECTIONS, SLOT_S, find_strobes
from analyzers.strobe import score as strobe_score
from sensor.site import Site, load_site

T0, S, HOUR_S, DAY_S = 10**18, 10**9, 3600.0, 86_400.0
ALONE = Population(20, {})
PAIR: dict[str, Any] = {
    "orig_ip": "10.0.0.9",
    "dest": "c2.example",
    "dest_ips": ["203.0.113.7"],
    "via_proxy": "",
    "resp_port": 4444,
    "proto": "tcp",
    "orig_bytes": 52_000,
    "resp_bytes": 1_000,
    "first_ts": T0,
}
SLOT = PAIR | {"connections": 900, "silent": 0, "ports": 1, "last_ts": T0 + SLOT_S * S}


def slots(n: int, **values: Any) -> list[dict[str, Any]]:
    steps = [i * SLOT_S * S for i in range(n)]
    return [SLOT | {"first_ts": T0 + step, "last_ts": T0 + step + SLOT_S * S} | values for step in steps]


def held(open_s: float, **values: Any) -> dict[str, Any]:
    row = {"connections": 1, "longest_s": open_s, "open_s": open_s, "is_open": False, "pieces": 1}
    return PAIR | row | {"last_ts": T0 + int(open_s * S)} | values


def strobes(rows: list[dict[str, Any]], site: Site | None = None, population: Population = ALONE) -> list[Finding]:
    return find_strobes(rows, site or Site(), population)


def longs(*rows: dict[str, Any], site: Site | None = None, population: Population = ALONE) -> list[Finding]:
    return find_long_connections(rows, site or Site(), population)


def test_a_strobe_is_told_once_for_all_its_stretches() -> None:
    (found,) = strobes([*slots(3), *slots(1, connections=1200, silent=600, ports=40, dest_ips=["203.0.113.8"])])
    assert (found.analyzer, found.events, found.severity) == ("strobe", 3 * 900 + 1200, "low")
    assert found.dest_ips == ("203.0.113.7", "203.0.113.8")
    assert found.reasons[0] == (
        "3,900 connections in 4 stretches of 10 min, 1,200 in the busiest: 2.0 a second, where 1 a second is a strobe"
    )
    assert found.reasons[1:3] == ["15 % of them were not answered", "40 different ports in one stretch"]
    assert found.last_ts == T0 + 3 * SLOT_S * S


def test_what_rita_calls_a_strobe_is_medium_and_nothing_is_higher() -> None:
    assert strobe_score(MIN_CONNECTIONS, MIN_CONNECTIONS) == pytest.approx(0.3)
    assert strobe_score(RITA_CONNECTIONS, MIN_CONNECTIONS) == pytest.approx(0.6)
    assert strobe_score(10**9, 10**9) == pytest.approx(0.75)
    (day,) = strobes(slots(144, connections=600))
    assert (day.events, day.severity) == (RITA_CONNECTIONS, "medium")
    (flood,) = strobes(slots(200, connections=10**7))
    assert flood.severity == "medium"


def test_two_hours_are_told_a_work_day_is_medium_and_nothing_is_higher() -> None:
    assert longs(held(REPORT_FROM_S - 1)) == []
    assert long_score(REPORT_FROM_S) == pytest.approx(0.3)
    assert long_score(8 * HOUR_S) == pytest.approx(0.6)
    assert long_score(30 * DAY_S) == 0.75
    (short,) = longs(held(2.5 * HOUR_S))
    (day,) = longs(held(9 * HOUR_S, is_open=True, pieces=12))
    assert (short.severity, day.severity, day.analyzer) == ("low", "medium", "long-connection")
    assert day.reasons == [
        "1 connection of an hour or more, open for 9 h",
        "52 KB sent, 1,000 bytes received in that time",
        "put together from 12 flows with the same addresses and ports, silent for minutes between",
        "still open when the capture ended: it may be much longer",
    ]


def test_connections_side_by_side_do_not_add_up_beyond_the_time_there_was() -> None:
    (found,) = longs(held(3 * HOUR_S, connections=6) | {"open_s": 18 * HOUR_S})
    assert found.reasons[0] == ("6 connections of an hour or more, open for 3 h together, the longest for 3 h")
    assert found.score == pytest.approx(long_score(3 * HOUR_S), abs=1e-4)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"proto": "udp", "resp_port": 53}, "this looks like DNS:"),
        ({"dest": "1-courier.push.apple.com", "resp_port": 5223}, "this looks like Apple push notifications;"),
        ({"dest": "mtalk.google.com", "via_proxy": "10.0.0.5:3128", "resp_port": 3128}, "this looks like Google push"),
        ({"dest": "everyone.example"}, "5 of the 20 hosts seen contact this destination;"),
    ],
)
def test_everyday_destinations_stay_low_and_say_why(values: dict[str, Any], reason: str) -> None:
    population = Population(20, {"everyone.example": 5})
    (strobe,) = strobes(slots(144, **values), population=population)
    (long,) = longs(held(20 * HOUR_S, **values), population=population)
    for found in (strobe, long):
        assert found.severity == "low"
        assert any(said.startswith(reason) and "severity is lowered" in said for said in found.reasons)


def test_a_known_name_on_another_port_is_not_labelled() -> None:
    (found,) = longs(held(20 * HOUR_S, dest="1-courier.push.apple.com", resp_port=4444))
    assert found.severity == "medium"


@pytest.mark.parametrize(
    ("values", "judged"),
    [
        ({"dest": "files.example", "dest_ips": ["10.0.0.80"]}, False),
        ({"dest": "224.0.0.251", "dest_ips": ["224.0.0.251"]}, False),
        ({"dest": "outside.example", "dest_ips": ["10.0.0.5"], "via_proxy": "10.0.0.5:3128"}, True),
        ({"dest": "10.0.0.80", "dest_ips": ["10.0.0.5"], "via_proxy": "10.0.0.5:3128"}, False),
        ({"orig_ip": "192.0.2.1"}, True),
    ],
)
def test_who_is_judged(values: dict[str, Any], judged: bool) -> None:
    assert len(strobes(slots(2, **values))) == judged
    assert len(longs(held(9 * HOUR_S, **values))) == judged


def test_excluded_clients_are_not_judged(tmp_path: Any) -> None:
    path = tmp_path / "site.toml"
    path.write_text('[networks]\nexcluded = ["10.0.0.9/32"]\n', encoding="utf-8")
    site = load_site(path)
    assert strobes(slots(9), site=site) == []
    assert longs(held(9 * HOUR_S), site=site) == []


def test_first_contact_is_said_where_history_can_tell() -> None:
    day = int(DAY_S) * S
    contacts = FirstContacts(
        T0,
        {
            "new.example": {"10.0.0.9": T0 + 3 * day},
            "soon.example": {"10.0.0.9": T0 + day // 2},
            "ours.example": {"10.0.0.9": T0 + 5 * day, "10.0.0.2": T0, "10.0.0.3": T0 + 9 * day},
        },
    )
    assert contacts.sentences("10.0.0.9", "new.example") == [
        "first contact: in the 3 d kept before, no host was seen at this destination"
    ]
    assert contacts.sentences("10.0.0.9", "soon.example") == []
    assert contacts.sentences("10.0.0.9", "ours.example") == [
        "this host was first seen there 5 d after the first of 2 other hosts"
    ]
    assert contacts.sentences("10.0.0.9", "unknown.example") == []
    assert FirstContacts().sentences("10.0.0.9", "new.example") == []
    (found,) = find_long_connections([held(9 * HOUR_S, dest="new.example")], Site(), ALONE, contacts)
    assert any(said.startswith("first contact: ") for said in found.reasons)
