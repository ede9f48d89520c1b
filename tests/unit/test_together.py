"""Beacons that go around the proxy as well."""

from dataclasses import replace

from analyzers.finding import Finding
from analyzers.together import raise_bypassing, ways_around

BEACON = Finding("beacon", "10.0.0.1", "c2.example", ("198.51.100.1",), 443, "tcp", 0.7, "medium", 1, 2, 30)
BYPASS = replace(BEACON, analyzer="bypass", score=0.5, severity="low")


def copy(**values: object) -> Finding:
    return replace(BEACON, reasons=[], **values)  # type: ignore[arg-type]


def test_the_channel_itself_or_one_beneath_counts() -> None:
    beneath = {"dest": "other.example", "resp_port": 8443, "proto": "tcp"}
    many = replace(BYPASS, dest="many destinations (web)", channels=[beneath])
    assert set(ways_around([BYPASS, many, BEACON])) == {
        ("10.0.0.1", "c2.example", 443, "tcp"),
        ("10.0.0.1", "other.example", 8443, "tcp"),
    }


def test_a_beacon_around_the_proxy_is_raised_and_says_so() -> None:
    around = frozenset(ways_around([BYPASS]))
    one, other, top = copy(), copy(dest="else.example"), copy(score=0.93, severity="high")
    raise_bypassing([one, other, top], around)
    assert (one.score, one.severity) == (0.85, "high")
    assert one.reasons == ["goes around the proxy as well, which raises the score by 0.15 at most"]
    assert (other.score, other.severity, other.reasons) == (0.7, "medium", [])
    assert (top.score, top.severity) == (0.94, "high")
