"""One clock inside the connections to many destinations is one finding, and nothing of it is lost."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from analyzers.beacon.keepalive import FOLD_BELOW, LABEL, MIN_DESTS, Told, fold_keepalives
from analyzers.beacon.tell import Channel
from analyzers.finding import Finding

ONE = Finding("beacon", "10.0.0.1", "a.example", ("192.0.2.1",), 443, "tcp", 0.6, "medium", 10, 20, 12, 42.0, 0.01)


def told(dest: str, interval_s: float = 42.0, kind: str = "exchange", **changes: object) -> Told:
    finding = replace(ONE, dest=dest, interval_s=interval_s, **changes)  # type: ignore[arg-type]
    return finding, Channel(finding, kind, None, 10, 20)


def many(n: int, **changes: object) -> list[Told]:
    return [told(f"site-{i}.com", 42.0 + 0.1 * (i % 8), **changes) for i in range(n)]  # type: ignore[arg-type]


def test_one_clock_for_many_is_one_finding() -> None:
    (one,) = fold_keepalives(many(20))
    assert (one.severity, one.events, one.interval_s) == ("low", 240, 42.3)
    assert one.dest == "many destinations (connections kept open)"
    assert one.reasons[0] == "20 destinations every 42.3 s, inside their connections: one clock for all of them"
    assert {row["dest"] for row in one.channels} == {f"site-{i}.com" for i in range(20)}
    assert {row["label"] for row in one.channels} == {LABEL}


def test_what_is_not_that_stays_as_it_is() -> None:
    for members in (
        many(MIN_DESTS - 1),
        many(20, kind="connection"),
        many(20, score=FOLD_BELOW),
        [told(f"host-{i}.one-maker.com") for i in range(20)],
        [told(f"site-{i}.com", 10.0 * 1.2**i) for i in range(20)],
        [told(f"site-{i}.com", orig_ip=f"10.0.0.{i}") for i in range(20)],
        [told(f"site-{i}.com", via_proxy=f"10.0.1.{i}:3128") for i in range(20)],
    ):
        assert fold_keepalives(members) == [finding for finding, _ in members]


def test_an_implant_beside_them_stays_alone() -> None:
    implants = [told("c2.example", 60.0), told("loud.example", score=0.9), told("new.example", kind="connection")]
    left = [finding.dest for finding in fold_keepalives(many(20) + implants)]
    assert left == ["c2.example", "loud.example", "new.example", "many destinations (connections kept open)"]


def test_clocks_of_a_host_are_told_together_and_hosts_apart() -> None:
    slow = [told(f"push-{i}.com", 300.0) for i in range(9)]
    elsewhere = many(9, orig_ip="10.0.0.2")
    first, second = sorted(fold_keepalives(many(12) + slow + elsewhere), key=lambda finding: finding.orig_ip)
    assert [reason.made["values"] for reason in first.reasons[:2]] == [
        {"n_dests": 12, "interval_s": 42.3},
        {"n_dests": 9, "interval_s": 300.0},
    ]
    assert (len(first.channels), len(second.channels)) == (21, 9)


PACES = st.sampled_from([30.0, 30.5, 42.0, 42.4, 60.0]) | st.floats(1, 1000)
KINDS = st.sampled_from(["exchange", "exchange", "reply", "query"])


@given(st.lists(st.tuples(st.integers(0, 30), PACES, KINDS), max_size=40))
def test_every_destination_is_told_once(members: list[tuple[int, float, str]]) -> None:
    given = [told(f"site-{i}-{n}.com", s, kind) for n, (i, s, kind) in enumerate(members)]
    folded = fold_keepalives(given)
    dests = [row["dest"] for one in folded for row in one.channels] + [one.dest for one in folded if not one.channels]
    assert sorted(dests) == sorted(finding.dest for finding, _ in given)
