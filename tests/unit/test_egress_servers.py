"""Servers that go out: roles guessed and declared, what each allows, and what is said of the rest."""

from ipaddress import ip_network
from typing import Any

import pytest

from analyzers.egress import guess_roles, judge_servers, servers_of
from analyzers.finding import Finding
from sensor.policy import Allowed, Role, default_role
from sensor.site import Site
from sensor.store.egress import SERVICE_PORTS
from tests.support.egress import HOST, SILENT, T0, egress_table, times

HOUR_NS = 3_600_000_000_000
S = 10**9


def service(ip: str, port: int, clients: int) -> tuple[str, int, str, int, int, int]:
    return ip, port, "tcp", clients, T0, T0 + HOUR_NS


def found(*rows: dict[str, Any], role: str = "file", proxied: tuple[Any, ...] = (), **options: Any) -> list[Finding]:
    servers = servers_of(Site(), {HOST: (role, "answers smb to 9 hosts")}, [HOST])
    known: dict[str, Any] = {"first_seen": {}, "beats": {}} | options
    return judge_servers(egress_table(*rows), proxied, Site(), servers, known["first_seen"], known["beats"])


def test_roles_are_guessed_from_what_hosts_answer() -> None:
    services = [
        *(service("10.0.0.10", port, 30) for port in (53, 88, 389, 445)),
        *(service("10.0.0.11", port, 30) for port in (445, 3389)),
        service("10.0.0.12", 25, 20), service("10.0.0.13", 445, 2), service("10.0.0.14", 1433, 2),
        service("10.0.0.1", 53, 30), service("10.0.0.15", 80, 30),
    ]  # fmt: skip
    guessed = guess_roles(services, SERVICE_PORTS)
    assert {ip: role for ip, (role, _) in guessed.items()} == {
        "10.0.0.10": "directory", "10.0.0.11": "file", "10.0.0.12": "mail", "10.0.0.14": "database", "10.0.0.1": "dns",
    }  # fmt: skip
    assert guessed["10.0.0.11"][1] == "answers rdp to 30 hosts, smb to 30 hosts"


def test_declared_roles_come_first_and_only_some_guesses_are_judged() -> None:
    declared = Role("print", (ip_network("10.0.0.11/32"),), Allowed())
    guessed = {"10.0.0.11": ("file", "x"), "10.0.0.12": ("mail", "y"), "10.0.0.1": ("dns", "z")}
    servers = servers_of(Site(roles=(declared,)), guessed, ["10.0.0.11", "10.0.0.12", "10.0.0.1", "10.0.0.99"])
    assert {ip: (server.role.name, server.why) for ip, server in servers.items()} == {
        "10.0.0.11": ("print", ""),
        "10.0.0.12": ("mail", "y"),
    }


@pytest.mark.parametrize(
    ("role", "values", "is_allowed"),
    [
        ("file", {"dest": "au.download.windowsupdate.com"}, True),
        ("file", {"dest": "windowsupdate.com.evil.example"}, False),
        ("file", {"dest": "crl3.digicert.com", "resp_port": 80}, True),
        ("file", {"dest": "198.51.100.7", "proto": "udp", "resp_port": 123, "app": "ntp", "orig_bytes": 480}, True),
        ("file", {"dest": "198.51.100.7", "proto": "udp", "resp_port": 53, "app": "dns"}, False),
        ("directory", {"dest": "198.51.100.7", "proto": "udp", "resp_port": 53, "app": "dns"}, True),
        ("directory", {"dest": "198.51.100.7", "resp_port": 853}, False),
        ("mail", {"dest": "mx.example", "resp_port": 25, "app": "smtp"}, True),
        ("mail", {"dest": "mx.example", "resp_port": 443}, False),
        ("file", {"proto": "icmp", "resp_port": 0, "app": "", "orig_bytes": 320}, True),
    ],
)
def test_what_a_role_allows(role: str, values: dict[str, Any], is_allowed: bool) -> None:
    assert (found(values, role=role) == []) is is_allowed


def test_a_finding_says_what_to_act_on() -> None:
    (finding,) = found({**times(2), "first_ts": T0 + 50 * HOUR_NS, "last_ts": T0 + 51 * HOUR_NS}, first_seen={HOST: T0})
    assert (finding.analyzer, finding.dest, finding.outcome, finding.severity) == (
        "server-egress", "www.example", "established", "high",
    )  # fmt: skip
    assert finding.reasons == [
        "2 connections to the outside that its role does not allow within 60 min: 2 established",
        "it got out",
        "web: 443/tcp",
        "sent 1,500 bytes, received 9,000 bytes",
        "a file server (guessed: it answers smb to 9 hosts; name it in the site file to keep or correct that)",
        "its role allows linux-update, ntp, revocation, windows-update outside",
        "for the first time: nothing of this kind in the 2.08 d it was seen before",
    ]


def test_blocked_attempts_of_servers_are_told_and_those_at_a_beat_are_high() -> None:
    blocked = {**SILENT, **times(30, "unanswered")}
    (finding,) = found(blocked)
    assert (finding.outcome, finding.severity) == ("unanswered", "medium")
    (finding,) = found(blocked, beats={(HOST, "www.example", 443, "tcp"): (60.0, 0.1)})
    assert (finding.severity, finding.interval_s) == ("high", 60.0)


def test_the_way_through_the_proxy_is_judged_by_name() -> None:
    asked = (HOST, "drop.example", 3128, "tcp", "10.0.0.5:3128", 3, 0, 900, 5000, T0, T0 + 60 * S, 0)
    update = (HOST, "au.download.windowsupdate.com", 3128, "tcp", "10.0.0.5:3128", 3, 0, 900, 5000, T0, T0, 0)
    denied = (HOST, "deny.example", 3128, "tcp", "10.0.0.5:3128", 3, 3, 900, 5000, T0, T0, 0)
    other = ("10.0.0.77", "drop.example", *asked[2:])
    findings = found(proxied=(asked, update, denied, other))
    assert [(finding.dest, finding.outcome, finding.via_proxy) for finding in findings] == [
        ("drop.example", "established", "10.0.0.5:3128"),
        ("deny.example", "refused", "10.0.0.5:3128"),
    ]
    assert (
        findings[0].reasons[0]
        == "3 connections through the proxy, which its role does not allow, within 60 s: 3 established"
    )


def test_every_role_has_a_default() -> None:
    for name in ("directory", "dns", "file", "mail", "print", "database", "update", "server"):
        assert default_role(name).allowed.words >= {"windows-update", "ntp"}
