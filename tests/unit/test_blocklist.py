"""What may be put on a blocklist, what never, and how the file is written."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sensor.errors import UsageError
from sensor.response.blocklist import Entry, build, recheck, values_of, wanted
from sensor.response.files import write_atomically
from sensor.response.formats.form import Made
from sensor.response.lists import render
from sensor.response.rails import MANY_CLIENTS, SURE_CLIENTS, Rails
from sensor.response.seen import History, Seen, history_of
from sensor.site import Site, load_site, parse_address
from sensor.store.desk import Allowed
from sensor.store.match import parse_target
from sensor.store.store import Store
from tests.support.cli_store import BYPASS_IP, HOSTILE, RESOLVER, finding, make_store
from tests.support.lake_rows import buckets_of, columns_of, row

SITE = load_site(None)
OUTSIDE = "9.9.9.90"


NOW = 1_700_000_000_000_000_000


def ask(
    *findings: dict[str, Any],
    site: Site = SITE,
    seen: dict[str, Seen] | None = None,
    n_hosts: int = 0,
    allows: Sequence[Allowed] = (),
    force_shared: bool = False,
) -> Any:
    rows = [{"id": n, "state": "new"} | one for n, one in enumerate(findings, 1)]
    rails = Rails(site, allows, History(seen or {}, n_hosts), force_shared)
    return build(rows, rails, expires_ts=NOW)


def allow(dest: str, **options: Any) -> Allowed:
    row = {"id": 7, "dest": dest, "resp_port": -1} | options
    return Allowed(row, parse_target(dest), ())


def plain(entries: Sequence[Entry]) -> str:
    return render("plain", entries, Made(NOW, 1))


def to(dest: str, *dest_ips: str, **values: Any) -> dict[str, Any]:
    return finding(dest=dest, dest_ips=list(dest_ips), **values)


def values(*findings: dict[str, Any], **options: Any) -> list[str]:
    return [entry.value for entry in ask(*findings, **options).entries]


def test_names_and_their_addresses_sorted_each_once() -> None:
    listed = values(
        to("b.example.net", OUTSIDE), to("A.example.net.", OUTSIDE), to(OUTSIDE), to("2620:fe:0::7", "2620:fe::7")
    )
    assert listed == ["2620:fe::7", OUTSIDE, "a.example.net", "b.example.net"]


def test_an_entry_knows_its_finding() -> None:
    entry = ask(to(OUTSIDE, score=0.9), to(OUTSIDE, score=0.5)).entries[0]
    assert (entry.finding_id, entry.analyzer, entry.severity) == (1, "beacon", "critical")


@pytest.mark.parametrize("state", ["false-positive", "resolved"])
def test_settled_findings_bring_nothing(state: str) -> None:
    settled = to(OUTSIDE) | {"state": state}
    assert wanted([settled]) == []
    assert ask(settled).entries == []


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("10.1.2.3", "internal"),
        ("192.168.0.1", "internal"),
        ("fd00::1", "internal"),
        ("::ffff:10.0.0.1", "internal"),
        ("127.0.0.1", "internal"),
        ("::1", "internal"),
        ("fe80::1", "internal"),
        ("fe80::1%eth0", "one link"),
        ("169.254.169.254", "internal"),
        ("0.0.0.0", "never leaves"),
        ("::", "never leaves"),
        ("0.1.2.3", "reserved"),
        ("224.0.0.251", "multicast"),
        ("ff02::fb", "multicast"),
        ("255.255.255.255", "reserved"),
        ("240.0.0.1", "reserved"),
        ("198.18.0.1", "reserved"),
        ("64:ff9b::a00:1", "stands for 10.0.0.1, which is internal"),
        ("2002:a00:1::", "stands for 10.0.0.1, which is internal"),
        ("::10.0.0.1", "stands for 10.0.0.1, which is internal"),
        ("com", "neither"),
        ("co.jp", "public suffix"),
        ("github.io", "public suffix"),
        ("COM.", "neither"),
        ("printer.local", "local network"),
        ("dc01.corp", "local network"),
        ("1.0.0.10.in-addr.arpa", "local network"),
        ("localhost", "neither"),
        ("300.1.1.1", "neither"),
        ("010.0.0.1", "neither"),
        ("10.0.0", "neither"),
        ("0.0.0.0/0", "neither"),
        ("9.9.9.0/24", "neither"),
        ("a b.example.net", "neither"),
        ("a.example.net\n10.0.0.1", "neither"),
        ("a.example.net\n", "neither"),
        ("-a.example.net", "neither"),
        ("_dmarc.example.net", "neither"),
        ("a..example.net", "neither"),
        ("*.example.net", "neither"),
        ("b\u00fccher.example.net", "neither"),
        ("example.\uff4e\uff45\uff54", "neither"),
        ("x" * 64 + ".example.net", "neither"),
        (".".join(["abcdefg"] * 32) + ".net", "neither"),
        ("many destinations (web)", "neither"),
        (HOSTILE, "neither"),
        ("", "neither"),
    ],
)
def test_what_is_held_back(value: str, reason: str) -> None:
    chosen = ask(to(value))
    assert chosen.entries == []
    assert [(held.value, held.finding_id) for held in chosen.held] == [(value, 1)]
    assert reason in chosen.held[0].reason


@pytest.mark.parametrize(
    "value",
    ["203.0.113.7", "198.51.100.1", "2001:db8::1", "xn--bcher-kva.example.net", "a.b.co.jp", "x.github.io",
     "64:ff9b::909:95a", "1a.example.net"],
)  # fmt: skip
def test_what_is_listed(value: str) -> None:
    assert values(to(value)) == [value]


def test_an_internal_network_of_the_site_wins_over_everything() -> None:
    site = load_site(None, ["9.9.9.0/24", "203.0.113.0/24"])
    assert values(to(OUTSIDE), to("203.0.113.5"), to("::ffff:9.9.9.90"), site=site) == []


def test_proxies_and_resolvers_are_never_listed(tmp_path: Path) -> None:
    site_file = tmp_path / "site.toml"
    site_file.write_text('[proxies]\naddresses = ["9.9.9.90:3128"]\n')
    assert "proxy of the site" in ask(to(OUTSIDE), site=load_site(site_file)).held[0].reason
    for seen in (Seen(n_proxied=SURE_CLIENTS), Seen(n_resolved=SURE_CLIENTS)):
        assert "seen at work" in ask(to(OUTSIDE), seen={OUTSIDE: seen}, force_shared=True).held[0].reason


def test_one_that_answered_few_hosts_as_a_proxy_or_resolver_needs_force() -> None:
    """It may be an implant that wants its server never listed."""
    for seen in (Seen(n_proxied=SURE_CLIENTS - 1), Seen(n_resolved=1)):
        assert "seen at work" in ask(to(OUTSIDE), seen={OUTSIDE: seen}).held[0].reason
        assert values(to(OUTSIDE), seen={OUTSIDE: seen}, force_shared=True) == [OUTSIDE]


def test_an_address_that_serves_other_names_needs_force() -> None:
    seen = {OUTSIDE: Seen(names=frozenset({"c2.example.net", "shop.example.org", "www.example.org"}))}
    chosen = ask(to("c2.example.net", OUTSIDE), seen=seen)
    assert [entry.value for entry in chosen.entries] == ["c2.example.net"]
    assert "also serves shop.example.org and 1 other names" in chosen.held[0].reason
    assert values(to("c2.example.net", OUTSIDE), seen=seen, force_shared=True) == [OUTSIDE, "c2.example.net"]


def test_behind_a_proxy_only_the_name_counts() -> None:
    assert values(to("c2.example.net", OUTSIDE, via_proxy="10.0.0.8:3128")) == ["c2.example.net"]


def test_the_addresses_of_a_summary_are_no_one_partys() -> None:
    assert values(to("many destinations (web)", OUTSIDE, "1.1.1.2")) == []


def test_a_name_of_an_internal_host_is_held_back() -> None:
    assert values(to("intranet.example.net", "10.0.0.5")) == []


def test_what_is_listed_for_one_finding_is_not_told_as_held_back_for_another() -> None:
    chosen = ask(to(OUTSIDE), to("c2.example.net", OUTSIDE), seen={OUTSIDE: Seen(frozenset({"c2.example.net"}))})
    assert [entry.value for entry in chosen.entries] == [OUTSIDE, "c2.example.net"]
    assert chosen.held == []


def test_values_to_look_up() -> None:
    findings = [to("C2.example.net", OUTSIDE), to("1.1.1.2"), to("x y", "8.8.4.4")]
    assert values_of(findings) == ["1.1.1.2", OUTSIDE, "c2.example.net", "x y"]


@pytest.mark.parametrize(
    ("allowed", "value", "is_listed"),
    [
        (OUTSIDE, OUTSIDE, False),
        ("9.9.9.0/24", OUTSIDE, False),
        (OUTSIDE, "64:ff9b::909:95a", False),  # the same in NAT64's form
        ("example.net", "a.example.net", False),
        ("www.example.net", "example.net", False),  # blocking the domain would take the allowed name with it
        ("www.example.net", "example.org", True),
        ("9.9.8.0/24", OUTSIDE, True),
    ],
)
def test_what_is_allowed_is_never_listed(allowed: str, value: str, is_listed: bool) -> None:
    for force in (False, True):
        chosen = ask(to(value), allows=[allow(allowed, resp_port=80)], force_shared=force)
        assert [entry.value for entry in chosen.entries] == [value] * is_listed
        assert [held.reason for held in chosen.held] == ["is allowed by entry 7"] * (not is_listed)


def test_findings_that_are_allowed_bring_nothing() -> None:
    assert wanted([to(OUTSIDE) | {"state": "new", "allowed_by": 3}]) == []


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("8.8.8.8", "public DNS resolver"),
        ("2620:fe::9", "public DNS resolver"),
        ("update.microsoft.com", "update source"),
        ("au.windowsupdate.com", "update source"),
        ("microsoft.com", "update source"),  # they are below it
        ("deb.debian.org", "update source"),
        ("ocsp.digicert.com", "certificate status"),
        ("2.pool.ntp.org", "time source"),
    ],
)
def test_what_everybody_needs_is_never_listed(value: str, reason: str) -> None:
    assert reason in ask(to(value), force_shared=True).held[0].reason


@pytest.mark.parametrize(("value", "operator"), [("104.16.1.1", "Cloudflare"), ("2606:4700::1", "Cloudflare"),
                                                 ("151.101.1.1", "Fastly"), ("142.250.1.1", "Google")])  # fmt: skip
def test_front_ends_of_content_networks_need_force(value: str, operator: str) -> None:
    assert f"front end of {operator}" in ask(to(value)).held[0].reason
    (entry,) = ask(to(value), force_shared=True).entries
    assert entry.is_shared


def test_a_time_server_needs_force() -> None:
    seen = {OUTSIDE: Seen(is_time_server=True)}
    assert "time server" in ask(to(OUTSIDE), seen=seen).held[0].reason
    assert values(to(OUTSIDE), seen=seen, force_shared=True) == [OUTSIDE]


def test_a_destination_of_many_needs_force() -> None:
    for value in (OUTSIDE, "c2.example.net"):
        seen = {value: Seen(n_clients=MANY_CLIENTS)}
        assert values(to(value), seen=seen, n_hosts=1000) == [value]
        assert "contacted by 10 of the 30 hosts" in ask(to(value), seen=seen, n_hosts=30).held[0].reason
        assert values(to(value), seen=seen, n_hosts=30, force_shared=True) == [value]


def test_an_older_list_is_checked_again() -> None:
    entries = ask(to(OUTSIDE), to("c2.example.net"), to("104.16.1.1"), force_shared=True).entries
    again = recheck(entries, Rails(load_site(None, ["9.9.9.0/24"]), [allow("example.net")]))
    assert [entry.value for entry in again.entries] == ["104.16.1.1"]
    assert [held.value for held in again.held] == [OUTSIDE, "c2.example.net"]


def test_plain_text() -> None:
    assert plain(ask(to("b.example.net"), to(OUTSIDE)).entries) == f"{OUTSIDE}\nb.example.net\n"
    assert plain([]) == ""


# --- what the history knows ---


def test_what_the_history_knows(tmp_path: Path) -> None:
    with Store.open(make_store(tmp_path / "store")) as store:
        seen = history_of(store, [RESOLVER, BYPASS_IP, "203.0.113.66", "cdn.updates.example", OUTSIDE]).seen
        assert history_of(store, []) == History()
    assert seen[RESOLVER] == Seen(n_resolved=2)
    assert seen[BYPASS_IP] == Seen(names=frozenset({HOSTILE}), n_clients=2)
    assert seen["203.0.113.66"] == Seen(names=frozenset({"cdn.updates.example"}), n_clients=1)
    assert seen["cdn.updates.example"] == Seen(n_clients=1)
    assert OUTSIDE not in seen


def test_who_goes_below_a_name_goes_there_as_well(tmp_path: Path) -> None:
    names = {"portal.saas.example": range(20, 50), "saas.example": [60], "notsaas.example": range(70, 80)}
    rows = [
        row("flow", uid=f"F{i}", orig_ip=f"10.0.0.{i}", resp_ip=OUTSIDE, name=name, resp_bytes=9)
        for name, hosts in names.items()
        for i in hosts
    ]
    proxied = [row("flow", uid=f"P{i}", resp_ip="9.9.9.1", via_proxy="x", resp_bytes=i) for i in (0, 1)]
    questions = [
        row("dns", orig_ip="10.0.0.2", resp_ip=f"9.9.9.{i}", rcode=rcode) for i, rcode in ((2, ""), (3, "NOERROR"))
    ]
    with Store.open(tmp_path / "store", write=True) as store:
        store.lake.append("flow", "s-0", columns_of("flow", rows + proxied), buckets_of(rows + proxied))
        store.lake.append("dns", "s-0", columns_of("dns", questions), buckets_of(questions))
        seen = history_of(store, ["saas.example", "portal.saas.example", "9.9.9.1", "9.9.9.2", "9.9.9.3"]).seen
    assert seen["saas.example"].n_clients == 31
    assert seen["portal.saas.example"].n_clients == 30
    assert seen["9.9.9.1"].n_proxied == 1
    assert "9.9.9.2" not in seen  # asked, and never answered
    assert seen["9.9.9.3"].n_resolved == 1


# --- the file ---


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "list"
    target.write_text("old\n")
    write_atomically(target, "new\n")
    assert target.read_bytes() == b"new\n"
    assert target.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [target]


def test_an_empty_list_is_a_file(tmp_path: Path) -> None:
    write_atomically(tmp_path / "list", "")
    assert (tmp_path / "list").read_bytes() == b""


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "list")
    write_atomically(tmp_path / "link", "x\n")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "list").read_text() == "x\n"


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo"):
        with pytest.raises(UsageError, match="not a plain file"):
            write_atomically(path, "")
    assert (tmp_path / "fifo").is_fifo()


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "list"
    target.write_text("old\n")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UsageError, match="No space left"):
        write_atomically(target, "new\n")
    assert target.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [target]


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        write_atomically(tmp_path / "none" / "list", "")


def test_no_listed_address_is_internal_by_another_spelling() -> None:
    spellings = ["10.0.0.1", "::ffff:a00:1", "0:0:0:0:0:ffff:10.0.0.1", "64:ff9b::10.0.0.1", "2002:0a00:0001::1"]
    assert [value for value in values(*map(to, spellings)) if parse_address(value)] == []


def test_a_set_of_the_site_file_is_never_listed_either(tmp_path: Path) -> None:
    """What blocklists hold back and what roles may contact are the same sets."""
    (tmp_path / "sets.toml").write_text('[sets.antivirus]\nnames = ["signatures.example"]\n', encoding="utf-8")
    (tmp_path / "site.toml").write_text('[destinations]\nfiles = ["sets.toml"]\n', encoding="utf-8")
    site = load_site(tmp_path / "site.toml")
    assert "update source" in Rails(site).never("eu.signatures.example")
    assert Rails(load_site(None)).never("eu.signatures.example") == ""
