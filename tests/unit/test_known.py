"""Known regular software: what is matched and what is not, and a data file that cannot label too much."""

import re
import tomllib
from datetime import date
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from publicsuffixlist import PublicSuffixList

from analyzers.known import find, label_of, parse

TEXT = resources.files("analyzers").joinpath("data/known_software.toml").read_text(encoding="utf-8")
DATA = tomllib.loads(TEXT)
ENTRIES: list[dict[str, Any]] = DATA["software"]
NAMES = [(entry["label"], name) for entry in ENTRIES for name in entry["names"]]
SUFFIXES = PublicSuffixList()

SHARED = {
    "amazonaws.com", "azure.com", "azureedge.net", "azurewebsites.net", "akamaiedge.net", "akamaihd.net", "apple.com",
    "cloudfront.net", "core.windows.net", "dropbox.com", "dropboxusercontent.com", "fastly.net", "googleapis.com",
    "googleusercontent.com", "google.com", "gstatic.com", "live.com", "microsoft.com", "mozilla.org", "office.com",
    "slack.com", "teams.microsoft.com", "windows.net", "zoomgov.com",
}  # fmt: skip
"""Domains too wide to be a label: strangers' content, or everything that one maker does."""


@pytest.mark.parametrize(
    ("dest", "proto", "port", "label"),
    [
        ("pool.ntp.org", "udp", 123, "NTP pool"),
        ("2.DEBIAN.Pool.NTP.org.", "udp", 123, "NTP pool"),
        ("pool.ntp.org", "tcp", 443, ""),
        ("evilpool.ntp.org", "udp", 123, ""),
        ("pool.ntp.org.evil.example", "udp", 123, ""),
        ("ntp.org", "udp", 123, ""),
        ("1-courier.push.apple.com", "tcp", 5223, "Apple push notifications"),
        ("ctldl.windowsupdate.com", "tcp", 80, "Windows Update"),
        ("r3.o.lencr.org", "tcp", 80, "certificate status (OCSP, CRL)"),
        ("v20.events.data.microsoft.com", "tcp", 443, "Windows and Office telemetry"),
        ("v20.events.data.microsoft.com", "tcp", 8443, ""),
        ("hooks.slack.com", "tcp", 443, ""),
        ("203.0.113.7", "tcp", 443, ""),
        ("", "udp", 123, ""),
        (".", "udp", 123, ""),
        ("a." * 20_000 + "pool.ntp.org", "udp", 123, ""),
    ],
)
def test_labels(dest: str, proto: str, port: int, label: str) -> None:
    assert label_of(dest, proto, port) == label


def test_behind_a_proxy_the_port_is_not_asked() -> None:
    assert label_of("mtalk.google.com", "tcp", 0) == "Google push (FCM)"


def test_an_interval_is_held_against_the_documented_one() -> None:
    ntp, push = find("pool.ntp.org", "udp", 123), find("push.apple.com", "tcp", 5223)
    assert ntp is not None
    assert push is not None
    assert ntp.keeps(64)
    assert ntp.keeps(1100)
    assert not ntp.keeps(5)
    assert push.keeps(5)  # nothing is documented


@given(st.text(max_size=300), st.sampled_from(["tcp", "udp", "icmp", "\x00"]), st.integers(-1, 70_000))
def test_any_text_is_survived_and_never_labelled_by_chance(dest: str, proto: str, port: int) -> None:
    label = label_of(dest, proto, port)
    plain = dest.lower().removesuffix(".")
    known = {name for _, name in NAMES}
    assert (not label) or any(plain == name or plain.endswith(f".{name}") for name in known)


def test_the_file_is_dated_and_every_entry_whole() -> None:
    assert isinstance(DATA["checked"], date)
    for entry in ENTRIES:
        assert entry.keys() <= {"label", "names", "endpoints", "period_s", "source", "read"}, entry["label"]
        assert entry["source"].startswith("https://")
        assert entry["names"] and entry["endpoints"]
        assert all(re.fullmatch(r"(tcp|udp)/[1-9][0-9]{0,4}", endpoint) for endpoint in entry["endpoints"])
        shortest, longest = entry.get("period_s", (1, 1))
        assert 0 < shortest <= longest
    labels = [entry["label"] for entry in ENTRIES]
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize(("label", "name"), NAMES, ids=[name for _, name in NAMES])
def test_no_name_is_wider_than_one_maker(label: str, name: str) -> None:
    assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", name), label
    assert SUFFIXES.privatesuffix(name) is not None, f"{name} is a public suffix: anyone can have a name under it"
    assert name not in SHARED
    assert not any(domain.endswith(f".{name}") for domain in SHARED)


def test_no_name_stands_twice_under_one_endpoint() -> None:
    for name, programs in parse(TEXT).items():
        endpoints = [endpoint for software in programs for endpoint in software.endpoints]
        assert len(set(endpoints)) == len(endpoints), name
