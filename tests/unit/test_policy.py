"""Roles, direct rules, the calendar and the sets of destinations, from a site file: what is read, and every mistake."""

from datetime import UTC, date, datetime, time
from ipaddress import ip_address
from pathlib import Path

import pytest

from sensor.destinations import load_destinations, suffixes_of
from sensor.errors import UsageError
from sensor.policy import ROLE_DEFAULTS, Allowed
from sensor.site import load_site
from sensor.workdays import NS, Calendar

GOOD = """
[proxies]
mode = "explicit"
[direct]
allow = [{ dest = "meetings.example.com", port = 443, from = ["10.0.0.0/16"], why = "video" }]
[[roles]]
role = "file"
hosts = ["10.0.0.11/32"]
[[roles]]
role = "server"
hosts = ["10.0.1.0/24"]
allow = ["windows-update", "dns", "*.Backup.example", "203.0.113.0/24"]
[calendar]
time_zone = "Asia/Tokyo"
working_hours = "09:00-17:30"
working_days = ["Mon", "tue", "wed"]
holidays = "JP"
closed = [2026-12-29]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "site.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_site_file_in_full(tmp_path: Path) -> None:
    site = load_site(write(tmp_path, GOOD))
    assert site.proxy_mode == "explicit"
    (rule,) = site.direct
    assert (rule.ports, str(rule.sources[0]), rule.why) == (frozenset({443}), "10.0.0.0/16", "video")
    file, server = site.role_of("10.0.0.11"), site.role_of("10.0.1.9")
    assert file is not None
    assert server is not None
    assert site.role_of("10.0.2.1") is None
    assert (file.name, file.allowed.words) == ("file", frozenset(ROLE_DEFAULTS["file"]))
    assert server.allowed.names == frozenset({"backup.example"})
    assert site.calendar == Calendar(
        "Asia/Tokyo", time(9), time(17, 30), frozenset({0, 1, 2}), "JP", frozenset({date(2026, 12, 29)})
    )


def test_tables_of_direct_rules_are_the_same(tmp_path: Path) -> None:
    site = load_site(write(tmp_path, '[[direct.allow]]\ndest = ["ntp", "a.example"]\nport = [80, 443]\n'))
    (rule,) = site.direct
    assert (rule.allowed.words, rule.allowed.names, rule.ports) == ({"ntp"}, {"a.example"}, {80, 443})


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    text = """
        [proxies]
        mode = "maybe"
        [direct]
        allow = [{ dest = "a b", port = 0 }, { ports = 1 }, 7]
        [[roles]]
        role = "filer"
        hosts = ["10.0.0.11/32"]
        [[roles]]
        role = "file"
        hosts = ["203.0.113.1/32", "10.0.0.1/8"]
        allow = ["windows-updates"]
        [[roles]]
        role = "dns"
        [calendar]
        time_zone = "Tokyo"
        working_hours = "9-17"
        working_days = ["monday", "someday"]
        holidays = "XX"
        closed = ["never"]
        opens = 3
        [destinations]
        files = ["missing.toml"]
    """
    with pytest.raises(UsageError) as raised:
        load_site(write(tmp_path, text))
    told = str(raised.value)
    for part in (
        "[proxies] mode = 'maybe'; allowed: auto, explicit, transparent, none",
        "[[direct.allow]] 1 dest holds 'a b'",
        "[[direct.allow]] 1 port = 0; allowed: a port or a list of ports, 1 to 65535",
        "[[direct.allow]] 2 unknown key 'ports'; known: dest, from, port, why",
        "[[direct.allow]] 2 names no dest",
        "[[direct.allow]] 3 = 7 must be a table",
        "[[roles]] 1 role = 'filer'; allowed: database, directory,",
        "[[roles]] 2 hosts holds '10.0.0.1/8', which has host bits set (meant 10.0.0.0/8?)",
        "[[roles]] file hosts holds 203.0.113.1/32, which is not in [networks] internal",
        "[[roles]] 3 has no hosts",
        "[calendar] time_zone = 'Tokyo'; allowed: an IANA name",
        "[calendar] working_hours = '9-17'",
        "[calendar] working_days = ['monday', 'someday']",
        "[calendar] holidays = 'XX'; allowed: the ISO 3166 code",
        "[calendar] closed = ['never']",
        "[calendar] unknown key 'opens'; known: closed, holidays, time_zone, working_days, working_hours",
        "missing.toml: cannot read the destinations: No such file",
    ):
        assert part in told


def test_unknown_sets_are_told_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'windows-updates'; known sets and services: antivirus, apple-update, "):
        load_site(write(tmp_path, '[[roles]]\nrole="file"\nhosts=["10.0.0.1/32"]\nallow=["windows-updates"]'))


@pytest.mark.parametrize(
    ("name", "address", "port", "proto", "sets", "is_covered"),
    [
        ("x.backup.example", None, 443, "tcp", (), True),
        ("backup.example.evil", None, 443, "tcp", (), False),
        ("", "203.0.113.7", 443, "tcp", (), True),
        ("", "203.0.114.7", 443, "tcp", (), False),
        ("", "203.0.114.7", 53, "udp", (), True),
        ("", "203.0.114.7", 53, "icmp", (), False),
        ("any", None, 443, "tcp", ("windows-update",), True),
        ("any", None, 443, "tcp", ("antivirus",), False),
    ],
)
def test_what_is_covered(
    name: str, address: str | None, port: int, proto: str, sets: tuple[str, ...], is_covered: bool
) -> None:
    allowed = Allowed(
        frozenset({"windows-update", "dns"}),
        frozenset({"backup.example"}),
        (load_site(None).internal[0].__class__("203.0.113.0/24"),),
    )
    parsed = ip_address(address) if address else None
    assert allowed.covers(name, parsed, port, proto, sets) is is_covered


# --- destinations ---


def test_every_bundled_set_says_where_it_comes_from() -> None:
    known = load_destinations()
    assert {"windows-update", "ntp", "revocation", "antivirus", "captive-portal", "push"} <= known.sets.keys()
    for found in known.sets.values():
        assert found.source
        assert found.date >= "2026"
        assert found.names
        assert all(name == name.lower() and "." in name and "*" not in name for name in found.names)
    assert known.doh_date >= "2026"
    assert all(ip_address(address) for address in known.doh_addresses)


def test_names_are_matched_at_the_border_of_a_label() -> None:
    known = load_destinations()
    assert [found.name for found in known.sets_of("AU.download.WindowsUpdate.com.", 80, "tcp")] == ["windows-update"]
    assert known.sets_of("notwindowsupdate.com", 80, "tcp") == []
    assert [found.name for found in known.sets_of("ctldl.windowsupdate.com", 80, "tcp")] == [
        "revocation",
        "windows-update",
    ]
    assert [found.name for found in known.sets_of("0.pool.ntp.org", 123, "udp")] == ["ntp"]
    assert known.sets_of("0.pool.ntp.org", 443, "tcp") == []
    assert known.is_doh("x.dns.nextdns.io", ())
    assert known.is_doh("", ("192.0.2.1", "9.9.9.9"))
    assert not known.is_doh("dns.nextdns.io.example", ("192.0.2.1",))
    assert suffixes_of("a.b.c") == ("a.b.c", "b.c", "c")


def test_own_sets_are_added_and_replace(tmp_path: Path) -> None:
    own = '[sets.backup]\nnames = ["*.Vault.example"]\nports = ["443/tcp"]\n[sets.push]\nnames = ["p.example"]\n'
    (tmp_path / "own.toml").write_text(own + '[doh]\nnames = ["doh.example"]\naddresses = []\n', encoding="utf-8")
    site = load_site(
        write(
            tmp_path,
            '[destinations]\nfiles = ["own.toml"]\n[[roles]]\nrole="file"\nhosts=["10.0.0.1/32"]\nallow=["backup"]',
        )
    )
    known = site.destinations
    assert [found.name for found in known.sets_of("a.vault.example", 443, "tcp")] == ["backup"]
    assert known.sets_of("push.apple.com", 5223, "tcp") == []
    assert (known.is_doh("doh.example", ()), known.is_doh("dns.google", ())) == (True, False)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('[sets.x]\nnames = "a"', "[sets.x] names = 'a'; allowed: a list of texts"),
        ('[sets.x]\nnames = []\nports = ["http"]', "[sets.x] ports holds 'http'"),
        ("[sets.x]\nname = []", "[sets.x] unknown key 'name'"),
        ("[set.x]\nname = []", "unknown section [set]"),
        ("sets = 3", "sets must be tables"),
        ("[doh]\nnames = [1]", "[doh] names = [1]; allowed: a list of texts"),
        ("x = ", "not valid TOML"),
    ],
)
def test_mistakes_in_own_sets(tmp_path: Path, text: str, part: str) -> None:
    (tmp_path / "own.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as raised:
        load_destinations([tmp_path / "own.toml"])
    assert part in str(raised.value)


# --- the calendar ---


def utc(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * NS  # type: ignore[misc, arg-type]


def test_days_off() -> None:
    calendar = Calendar("Asia/Tokyo", country="JP", closed=frozenset({date(2026, 12, 30)}))
    assert calendar.day_off(date(2026, 11, 23)) == "Labor Thanksgiving Day"
    assert calendar.day_off(date(2026, 12, 30)) == "day off"
    assert calendar.day_off(date(2026, 11, 22)) == "weekend"
    assert calendar.day_off(date(2026, 11, 24)) == ""


def test_the_spans_in_which_nobody_works_join_without_gaps() -> None:
    calendar = Calendar("Asia/Tokyo", time(9), time(18), country="JP")
    spans = list(calendar.closed_spans(utc(2026, 11, 20), utc(2026, 11, 25)))
    assert spans == [
        (utc(2026, 11, 20, 9), utc(2026, 11, 24)),  # Friday 18:00 over the holiday to Tuesday 9:00 in Tokyo
        (utc(2026, 11, 24, 9), utc(2026, 11, 25)),
    ]


def test_a_night_shift_and_a_change_of_the_clock() -> None:
    night = Calendar("Europe/Berlin", time(22), time(6))
    spans = list(night.closed_spans(utc(2026, 10, 22, 12), utc(2026, 10, 26, 12)))
    assert (utc(2026, 10, 23, 4), utc(2026, 10, 23, 20)) in spans  # summer time until 2026-10-25
    assert spans[-1] == (utc(2026, 10, 24, 4), utc(2026, 10, 26, 12) + 1)


def test_a_span_of_work_alone_has_no_closed_part() -> None:
    calendar = Calendar("UTC", time(8), time(18))
    assert list(calendar.closed_spans(utc(2026, 11, 24, 9), utc(2026, 11, 24, 10))) == []
