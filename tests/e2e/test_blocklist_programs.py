"""The programs that shall read the lists read them: every format that a program in Debian or PyPI knows, also empty.

Firewalls are only asked inside network namespaces of their own, which end with the process.
"""

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sensor.response.blocklist import ADDRESS, DOMAIN, Entry
from sensor.response.formats.form import Made
from sensor.response.formats.table import FORMS
from sensor.response.lists import render, sign
from sensor.response.quarantine import Suspect
from sensor.response.quarantine import render as render_quarantine
from tests.support.programs import needs

NOW = 1_764_064_800_000_000_000
DAY = 86_400_000_000_000
MADE = Made(NOW, NOW // 1_000_000_000)

WORDS = ("40 beats, one every 60 s", "\x1b[31m\u202e\n'\";}")
BASE = Entry("203.0.113.7", ADDRESS, 1, "beacon", "critical", 0.97, WORDS, 443, 40,
             NOW - 2 * DAY, NOW - DAY, NOW + 7 * DAY)  # fmt: skip
V6 = ["2001:db8::5", "2001:db8:1:2:3:4:5:6", "2600::", "2600::1:0:0:1", "2a00:1:0:1::"]
NAMES = ["evil.example.net", "a.evil.example.net", "xn--bcher-kva.example.org", f"{'x' * 63}.{'y' * 63}.{'z' * 63}.net"]
ENTRIES = sorted(
    [
        BASE,
        replace(BASE, value="198.51.100.0", is_shared=True, severity="low"),
        *(replace(BASE, value=value, finding_id=2, resp_port=0) for value in V6),
        *(replace(BASE, value=name, kind=DOMAIN, finding_id=3, first_ts=NOW, last_ts=NOW) for name in NAMES),
    ],
    key=lambda entry: entry.value,
)
LISTS = pytest.mark.parametrize("entries", [ENTRIES, []], ids=["entries", "empty"])


def accepted(*command: str, feed: Path | None = None) -> str:
    with (feed or Path("/dev/null")).open("rb") as source:
        done = subprocess.run(command, stdin=source, capture_output=True, timeout=60, check=False)
    told = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 0, told
    return told


def in_namespace(*command: str, feed: Path | None = None) -> str:
    """Run a command in a network namespace of its own."""
    unshare = needs("unshare", "util-linux")
    if subprocess.run([unshare, "-n", "true"], capture_output=True, check=False).returncode:
        pytest.skip("network namespaces cannot be made here (needs CAP_SYS_ADMIN)")
    return accepted(unshare, "-n", *command, feed=feed)


def written(tmp_path: Path, form: str, entries: Sequence[Entry]) -> Path:
    path = tmp_path / f"list.{form}"
    path.write_text(render(form, entries, MADE), encoding="utf-8")
    return path


@LISTS
def test_nft_takes_it_twice_and_keeps_what_it_says(tmp_path: Path, entries: list[Entry]) -> None:
    nft = needs("nft", "nftables")
    path = written(tmp_path, "nftables", entries)
    in_namespace(nft, "-c", "-f", str(path))
    told = in_namespace("sh", "-c", f"{nft} -f {path} && {nft} -f {path} && {nft} -j list table inet kagami")
    sets = {one["set"]["name"]: one["set"].get("elem", []) for one in json.loads(told)["nftables"] if "set" in one}
    for name, version in (("block4", ":"), ("block6", ".")):
        expected = {entry.value for entry in entries if entry.kind == ADDRESS and version not in entry.value}
        assert {element["elem"]["val"] for element in sets[name]} == expected


@LISTS
def test_ipset_restores_it_twice(tmp_path: Path, entries: list[Entry]) -> None:
    ipset = needs("ipset", "ipset")
    path = written(tmp_path, "ipset", entries)
    told = in_namespace("sh", "-c", f"{ipset} restore < {path} && {ipset} restore < {path} && {ipset} save")
    added = set(re.findall(r"^add kagami[46] (\S+) timeout \d+", told, re.M))
    assert added == {entry.value for entry in entries if entry.kind == ADDRESS}
    assert re.findall(r"^create (\S+)", told, re.M) == ["kagami4", "kagami6"]


@LISTS
def test_squid_parses_it_without_a_word(tmp_path: Path, entries: list[Entry]) -> None:
    squid = needs("squid", "squid")
    path = written(tmp_path, "squid", entries)
    config = tmp_path / "squid.conf"
    config.write_text(f"http_port 3128\ninclude {path}\nhttp_access deny all\n", encoding="utf-8")
    told = accepted(squid, "-k", "parse", "-f", str(config))
    assert not re.search(r"warning|fatal|bungled|error", told, re.I), told


@LISTS
def test_named_loads_it_as_a_zone(tmp_path: Path, entries: list[Entry]) -> None:
    told = accepted(needs("named-checkzone", "bind9-utils"), "rpz.kagami", str(written(tmp_path, "rpz", entries)))
    assert f"loaded serial {MADE.serial}" in told
    assert "ignoring" not in told
    if entries:
        whole = accepted(needs("named-checkzone", "bind9-utils"), "-D", "rpz.kagami", str(tmp_path / "list.rpz"))
        assert "128.6.5.4.3.2.1.db8.2001.rpz-ip.rpz.kagami" in whole
        assert "128.zz.2600.rpz-ip.rpz.kagami" in whole


@LISTS
def test_unbound_takes_it(tmp_path: Path, entries: list[Entry]) -> None:
    path = written(tmp_path, "unbound", entries)
    config = tmp_path / "unbound.conf"
    config.write_text(
        f'server:\n    chroot: ""\n    username: ""\n    directory: "{tmp_path}"\ninclude: {path}\n', encoding="utf-8"
    )
    assert "no errors" in accepted(needs("unbound-checkconf", "unbound"), str(config))


@LISTS
def test_stix2_reads_it(tmp_path: Path, entries: list[Entry]) -> None:
    stix2 = pytest.importorskip("stix2", reason="stix2 is not here (extra `test`)")
    text = render("stix", entries, MADE)
    bundle = stix2.parse(text, allow_custom=False)
    indicators = [one for one in bundle.objects if one.type == "indicator"]
    assert len(indicators) == len(entries)
    assert len({one["id"] for one in json.loads(text)["objects"]}) == 1 + 4 * len(entries)
    for one in bundle.objects:
        if one.type in ("ipv4-addr", "ipv6-addr", "domain-name"):
            assert one.id == type(one)(value=one.value).id  # the library makes the same identifier
    assert render("stix", entries, replace(MADE, serial=9)) == text  # the same findings are the same objects


@LISTS
def test_pymisp_reads_it(entries: list[Entry]) -> None:
    pymisp = pytest.importorskip("pymisp", reason="pymisp is not here (extra `test`)")
    event = pymisp.MISPEvent()
    event.load(render("misp", entries, MADE))
    told = {attribute.value: attribute.to_ids for attribute in event.attributes}
    assert told == {entry.value: not entry.is_shared for entry in entries}
    assert all(attribute.type in ("ip-dst", "domain") for attribute in event.attributes)
    event.to_json()


_RULE = re.compile(
    r"drop (ip|dns|tls|http) (?:\$HOME_NET|any) any -> (?:\[[0-9a-f.:]+\]|any) any "
    r'\(msg:"[\w ]+"; (?:(?:dns\.query|tls\.sni|http\.host); dotprefix; content:"\.[a-z0-9.-]+"; endswith; '
    r"(?:nocase; )?)?"
    r"metadata:kagami_finding \d+; classtype:trojan-activity; sid:(\d+); rev:1;\)"
)
"""As far as the rules here go: https://docs.suricata.io/en/latest/rules/intro.html"""


@LISTS
def test_suricata_rules_by_their_grammar(entries: list[Entry]) -> None:
    rules = [line for line in render("suricata", entries, MADE).splitlines() if not line.startswith("#")]
    matches = [_RULE.fullmatch(rule) for rule in rules]
    assert all(matches)
    sids = [int(match[2]) for match in matches if match]
    assert len(set(sids)) == len(sids) == sum(1 if entry.kind == ADDRESS else 3 for entry in entries)
    assert all(1_000_000_000 <= sid < 1 << 31 for sid in sids)


@LISTS
def test_zeek_intel_by_its_grammar(entries: list[Entry]) -> None:
    head, *lines = render("zeek-intel", entries, MADE).splitlines()
    assert head == "#fields\tindicator\tindicator_type\tmeta.source\tmeta.desc\tmeta.url"
    cells = [line.split("\t") for line in lines]
    assert all(len(line) == 5 and all(line) for line in cells)
    kinds = {ADDRESS: "Intel::ADDR", DOMAIN: "Intel::DOMAIN"}
    assert [(line[0], line[1]) for line in cells] == [(entry.value, kinds[entry.kind]) for entry in entries]


def test_lists_of_lines() -> None:
    edl = render("edl", ENTRIES, MADE)
    assert "#" not in edl
    assert "\nevil.example.net\n*.evil.example.net\n" in edl
    values = [line for line in render("pf", ENTRIES, MADE).splitlines() if not line.startswith("#")]
    assert values[:2] == ["198.51.100.0", "203.0.113.7"]
    assert len(values) == 2 + len(V6)
    names = {line.split()[1] for line in render("hosts", ENTRIES, MADE).splitlines() if not line.startswith("#")}
    assert names == set(NAMES)


def test_a_name_below_another_is_left_out_where_one_covers_both() -> None:
    squid = render("squid", ENTRIES, MADE)
    assert "dstdomain .evil.example.net" in squid
    assert ".a.evil.example.net" not in squid


@pytest.mark.parametrize("form", FORMS)
def test_the_same_entries_give_the_same_text(form: str) -> None:
    assert render(form, ENTRIES, MADE) == render(form, list(ENTRIES), MADE)


def test_quarantine_is_taken_by_nft(tmp_path: Path) -> None:
    hosts = [Suspect(ip, (1,), "high", 0.9, 0, 0) for ip in ("10.0.0.57", "fd00::57")]
    for name, found in (("some", hosts), ("none", [])):
        path = tmp_path / name
        path.write_text(render_quarantine("nftables", found, NOW), encoding="utf-8")
        in_namespace(needs("nft", "nftables"), "-c", "-f", str(path))


def test_a_signature_verifies(tmp_path: Path) -> None:
    keygen = needs("ssh-keygen", "openssh-client")
    key, path = tmp_path / "key", written(tmp_path, "plain", ENTRIES)
    accepted(keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    for _ in range(2):  # a second one replaces the first
        sign(path, key)
    public = key.with_suffix(".pub").read_text(encoding="utf-8")
    (tmp_path / "signers").write_text(f"ann {public}", encoding="utf-8")
    verify = (keygen, "-Y", "verify", "-f", str(tmp_path / "signers"), "-I", "ann", "-n", "kagami-blocklist")
    assert "Good" in accepted(*verify, "-s", f"{path}.sig", feed=path)
