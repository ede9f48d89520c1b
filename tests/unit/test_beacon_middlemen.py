"""Whose clock it is, where names are asked of DNS, proxies and resolvers go there for others, or nobody else does."""

from typing import Any

import numpy as np
import pytest

from analyzers.beacon import score_beacons
from analyzers.beacon.context import population_of
from analyzers.beacon.model import load_model
from analyzers.beacon.score import REPORT_FROM
from analyzers.beacon.tell import RESOLVED
from sensor.site import Site
from tests.support.series import clock, make_series

SITE = Site()
LONE = "a certain clock at a destination of its own"


def found(channels: list[Any], **columns: object) -> list[Any]:
    return score_beacons(make_series(channels, **columns), SITE)


def office(rng: np.random.Generator, n_hosts: int = 12) -> dict[str, list[Any]]:
    """Channels of hosts that look a name up before each visit: all ask ten names, and go to them by hand."""
    columns: dict[str, list[Any]] = {name: [] for name in ("times", "orig_ip", "dest", "dest_ips", "resp_port", "proto",
                                                           "name_source", "kind")}  # fmt: skip
    for host in range(n_hosts):
        for site in range(10):
            times = np.cumsum(rng.exponential(900, 40))
            _add(columns, times, f"10.0.0.{host + 20}", f"www.site{site}.example", f"198.51.100.{site + 1}")
    return columns


def _add(columns: dict[str, list[Any]], times: Any, client: str, name: str, ip: str = "") -> None:
    """A visit with its question before it; without an address only the question."""
    for at, ips, port, proto, source, kind in (
        (times - 0.02, ("10.0.0.2",), 53, "udp", "dns", "query"),
        (times, (ip,), 443, "tcp", "sni", "connection"),
    ):
        if kind == "query" or ip:
            values = (at, client, name, ips, port, proto, source, kind)
            for column, value in zip(columns.values(), values, strict=True):
                column.append(value)


def found_in(columns: dict[str, list[Any]]) -> list[Any]:
    rest = {name: values for name, values in columns.items() if name != "times"}
    is_query = np.array([kind == "query" for kind in columns["kind"]])
    sizes = np.repeat(np.where(is_query, 40, 900), [len(times) for times in columns["times"]])
    return found(columns["times"], orig_bytes=sizes, via_proxy=[""] * len(is_query), ja4=[""] * len(is_query),
                 certificate=[""] * len(is_query), **rest)  # fmt: skip


def test_a_question_for_a_name_is_no_peer_of_a_visit() -> None:
    """A visit's size is far from the middle of questions and visits; that spoke for malice on every host."""
    columns = office(np.random.default_rng(8))
    for host in range(12):
        _add(
            columns,
            clock(np.random.default_rng(host), 200, 300, 0.1),
            f"10.0.0.{host + 20}",
            "update.vendor.example",
            "198.51.100.77",
        )
    findings = found_in(columns)
    assert [finding for finding in findings if finding.severity in ("high", "critical")] == []
    assert not any("unlike the others" in reason for finding in findings for reason in finding.reasons)


def test_names_asked_of_an_inside_resolver_are_judged_where_nobody_goes_there() -> None:
    rng = np.random.default_rng(9)
    columns = office(rng)
    times = clock(rng, 600, 60, 0.2)
    for i, at in enumerate(times):
        _add(columns, np.array([at, at + 0.01]), "10.0.0.25", f"x{i}.tunnel.example")
        _add(columns, np.array([at + 0.001, at + 0.011]), "10.0.0.2", f"x{i}.tunnel.example")  # passed on
        columns["dest_ips"][-1] = ("9.9.9.9",)
    by_host = {finding.orig_ip: finding for finding in found_in(columns) if finding.dest == "tunnel.example"}
    assert by_host["10.0.0.25"].interval_s == pytest.approx(60, rel=0.05)
    assert by_host["10.0.0.25"].score > by_host["10.0.0.2"].score
    assert not any("looks like" in reason for reason in by_host["10.0.0.25"].reasons)
    assert by_host["10.0.0.2"].severity == "low"
    assert f"this looks like {RESOLVED}; the score is lowered" in by_host["10.0.0.2"].reasons
    visited = office(np.random.default_rng(8))
    _add(visited, times, "10.0.0.25", "beat.example", "198.51.100.99")
    told = [finding for finding in found_in(visited) if finding.dest == "beat.example"]
    assert [finding.resp_port for finding in told] == [443]  # its questions are part of the visits


def test_middlemen_are_not_counted_among_who_goes_there() -> None:
    series = make_series(
        [[1.0], [1.1], [1.2], [1.3], [1.4]],
        orig_ip=["10.0.0.20", "10.0.0.5", "10.0.0.5", "10.0.0.2", "10.0.0.21"],
        dest=["c2.example"] * 5,
        dest_ips=[("10.0.0.5",), ("198.51.100.1",), ("10.0.0.2",), ("9.9.9.9",), ("198.51.100.1",)],
        via_proxy=["10.0.0.5:3128", "", "", "", ""],
        resp_port=[3128, 443, 53, 53, 443],
        kind=["request", "connection", "query", "query", "connection"],
    )
    population = population_of(series, SITE)
    assert population.clients_of == {"c2.example": 2}
    assert population.askers_of == {"c2.example": 1}
    assert population.clients(series).tolist() == [2, 3, 1, 2, 2]


def test_a_mirror_of_one_side_does_not_make_destinations_dead() -> None:
    times = clock(np.random.default_rng(3), 100, 60, 0.1)
    for sent, is_dead in ((0, True), (500, False)):
        (finding,) = found([times], kind=["attempt"], answered=False, orig_bytes=sent, resp_bytes=0)
        assert any("attempts was answered" in reason for reason in finding.reasons) == is_dead


@pytest.mark.parametrize(("period_s", "n_clients"), [(60, 1), (300, 1), (900, 1), (900, 2)])
def test_a_certain_clock_at_a_destination_of_its_own_is_listed(period_s: float, n_clients: int) -> None:
    """Whose clock it is, the model may not know; that it is one, and goes on at night, a person has to see."""
    rng = np.random.default_rng(4)
    n_hosts, day_s = 14, 86_400
    channels, clients, dests = [], [], []
    for host in range(n_hosts):
        for site in range(12):  # people: at work for eight hours
            channels.append(28_800 + np.sort(rng.uniform(0, 28_800, 60)))
            clients.append(f"10.0.0.{host + 20}")
            dests.append(f"www{site}.example")
    for host in range(n_clients):
        channels.append(np.arange(0, day_s, period_s) + rng.normal(0, 0.01, len(np.arange(0, day_s, period_s))))
        clients.append(f"10.0.0.{host + 20}")
        dests.append("lone.example")
    findings = [one for one in found(channels, orig_ip=clients, dest=dests) if one.dest == "lone.example"]
    if n_clients == 1:
        (finding,) = findings
        assert finding.score >= REPORT_FROM
        logits = sum(part["amount"] for part in finding.parts if part["unit"] == "log odds")
        model = load_model()
        of_model = float(model.scores(np.array([logits]), n_hosts)[0])
        raised = [part["amount"] for part in finding.parts if part["name"] == LONE]
        assert sum(raised) == pytest.approx(finding.score - of_model, abs=2e-3)
    else:
        assert all(part["name"] != LONE for one in findings for part in one.parts)
