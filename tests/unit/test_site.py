"""The site file: what it says, what it must not say, and the question it answers for every address."""

import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from sensor.errors import UsageError
from sensor.site import DEFAULT_INTERNAL, Proxy, Site, load_site


def site_from(tmp_path: Path, text: str) -> Site:
    path = tmp_path / "site.toml"
    path.write_text(text, encoding="utf-8")
    return load_site(path)


def errors_of(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        site_from(tmp_path, text)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(str(tmp_path / "site.toml")) for line in lines)
    return lines


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("10.0.0.0", True),
        ("10.255.255.255", True),
        ("9.255.255.255", False),
        ("11.0.0.0", False),
        ("172.15.255.255", False),
        ("172.16.0.0", True),
        ("172.31.255.255", True),
        ("172.32.0.0", False),
        ("192.168.1.1", True),
        ("100.64.0.1", True),
        ("100.128.0.0", False),
        ("169.254.9.9", True),
        ("127.0.0.1", True),
        ("8.8.8.8", False),
        ("fd12::1", True),
        ("fe80::1", True),
        ("::1", True),
        ("2001:db8::1", False),
        ("::ffff:10.1.2.3", True),  # an IPv4-mapped address is its IPv4 address
        ("::ffff:8.8.8.8", False),
        ("", False),
        ("host.example", False),
    ],
)
def test_default_internal_networks(address: str, inside: bool) -> None:
    site = Site()
    assert site.is_internal(address) is inside
    assert site.internal_mask([address]) == [inside]


@pytest.mark.parametrize(
    ("address", "outside"),
    [
        ("8.8.8.8", True),
        ("2001:db8::1", True),
        ("10.0.0.1", False),
        ("224.0.0.251", False),
        ("239.255.255.250", False),
        ("ff02::fb", False),
        ("255.255.255.255", False),
        ("250.0.0.1", False),  # reserved, 240.0.0.0/4
        ("0.0.0.0", False),
        ("::", False),
        ("host.example", False),
    ],
)
def test_outside_is_another_partys_host(address: str, outside: bool) -> None:
    assert Site().is_outside(address) is outside


def test_local_addresses_stay_inside_when_the_networks_are_named() -> None:
    site = load_site(None, ["172.18.0.3/32"])
    assert site.is_internal("172.18.0.3")
    assert site.is_outside("172.18.0.2")
    assert site.is_outside("10.0.0.1")
    assert not site.is_outside("169.254.1.1")
    assert not site.is_outside("127.0.0.1")
    assert not site.is_outside("fe80::1")


def test_excluded_is_neither_inside_nor_outside_of_interest(tmp_path: Path) -> None:
    site = site_from(tmp_path, '[networks]\nexcluded = ["203.0.113.0/24", "10.9.0.0/16"]\n')
    assert site.internal == DEFAULT_INTERNAL
    assert site.is_excluded("203.0.113.7")
    assert not site.is_outside("203.0.113.7")
    assert site.is_outside("203.0.114.7")


def test_a_whole_file(tmp_path: Path) -> None:
    site = site_from(
        tmp_path,
        """
        [networks]
        internal = ["10.0.0.0/8", "fd00::/8", "198.51.100.0/24"]
        [proxies]
        addresses = ["10.0.0.5:3128", "10.0.0.6", "[fd00::5]:8080", "fd00::6"]
        [capture]
        exchange_gap_s = 0.25
        """,
    )
    assert site.exchange_gap_s == 0.25
    assert site.internal == tuple(ip_network(n) for n in ("10.0.0.0/8", "fd00::/8", "198.51.100.0/24"))
    assert site.proxies == (
        Proxy(ip_address("10.0.0.5"), 3128),
        Proxy(ip_address("10.0.0.6"), None),
        Proxy(ip_address("fd00::5"), 8080),
        Proxy(ip_address("fd00::6"), None),
    )
    assert site.is_proxy("10.0.0.5", 3128)
    assert not site.is_proxy("10.0.0.5", 80)
    assert site.is_proxy("10.0.0.6", 80)
    assert not site.is_proxy("10.0.0.7", 3128)
    assert not site.is_internal("192.168.0.1")


def test_no_file_and_no_words_give_the_defaults() -> None:
    assert load_site(None) == Site()


def test_internal_words_replace_the_file(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text('[networks]\ninternal = ["10.0.0.0/8"]\nexcluded = ["10.9.0.0/16"]\n', encoding="utf-8")
    site = load_site(path, ["192.0.2.0/24"])
    assert site.internal == (ip_network("192.0.2.0/24"),)
    assert site.excluded == (ip_network("10.9.0.0/16"),)


def test_all_errors_at_once(tmp_path: Path) -> None:
    lines = errors_of(
        tmp_path,
        """
        spare = 1
        [networks]
        internal = ["10.0.0.1/8", "nonsense", 7]
        inside = []
        [proxies]
        addresses = ["10.0.0.5:0", "10.0.0.5:99999", "proxy.example:3128", "fd00::5:3128:", "10.0.0.6", "10.0.0.6"]
        [proxy]
        addresses = []
        """,
    )
    text = "\n".join(lines)
    assert len(lines) == 11
    known = "[[roles]], [calendar], [capture], [destinations], [direct], [networks], [outlets], [proxies], [retention]"
    assert f"unknown section [spare]; known: {known}" in text
    assert "unknown section [proxy]" in text
    assert "[networks] unknown key 'inside'; known: excluded, internal" in text
    assert "'10.0.0.1/8', which has host bits set (meant 10.0.0.0/8?); allowed: networks in CIDR form" in text
    assert "[networks] internal holds 'nonsense'; allowed" in text
    assert "[networks] internal holds 7; allowed" in text
    for bad in ("10.0.0.5:0", "10.0.0.5:99999", "proxy.example:3128", "fd00::5:3128:"):
        assert f"[proxies] addresses holds {bad!r}; allowed" in text
    assert "[proxies] addresses holds '10.0.0.6' twice" in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('networks = "10.0.0.0/8"', "networks = '10.0.0.0/8' must be a table, written [networks]"),
        ('[networks]\ninternal = "10.0.0.0/8"', "internal = '10.0.0.0/8' must be a list of networks"),
        ("[networks]\ninternal = []", "internal is empty; allowed: at least one network"),
        ('[networks]\ninternal = ["0.0.0.0/0"]', "with every address inside, nothing could be outside"),
        ('[networks]\ninternal = ["224.0.0.0/8"]', "which is multicast"),
        (
            '[networks]\ninternal = ["10.1.0.0/16"]\nexcluded = ["10.0.0.0/8"]',
            "excluded holds 10.0.0.0/8, which takes in the whole internal network 10.1.0.0/16",
        ),
        (
            '[networks]\nexcluded = ["10.1.0.0/16"]\n[proxies]\naddresses = ["10.1.0.5:3128"]',
            "addresses holds 10.1.0.5, which [networks] excluded leaves out",
        ),
        (
            '[proxies]\naddresses = ["10.1.0.5:3128", "10.1.0.5"]',
            "addresses holds 10.1.0.5 with port 3128 and also without a port",
        ),
        ("[networks\n", "not valid TOML"),
    ],
)
def test_what_a_file_must_not_say(tmp_path: Path, text: str, said: str) -> None:
    lines = errors_of(tmp_path, text)
    assert len(lines) == 1
    assert said in lines[0]


@pytest.mark.parametrize("value", ["0.05", "1", "3600", "3600.0", "2.5e1"])
def test_the_gap_between_exchanges(tmp_path: Path, value: str) -> None:
    gap_s = site_from(tmp_path, f"[capture]\nexchange_gap_s = {value}").exchange_gap_s
    assert gap_s == float(value)
    assert isinstance(gap_s, float)


@pytest.mark.parametrize("value", ["0", "0.049", "-1", "3600.1", "nan", "inf", "true", '"1"', "[1]", "10" * 50])
def test_gaps_that_make_no_sense(tmp_path: Path, value: str) -> None:
    (line,) = errors_of(tmp_path, f"[capture]\nexchange_gap_s = {value}")
    assert "[capture] exchange_gap_s = " in line
    assert line.endswith("allowed: a number of seconds from 0.05 to 3600")


def test_the_default_gap_is_that_of_the_tracker() -> None:
    from sensor.flows.tracker import Timeouts

    assert Site().exchange_gap_s == Timeouts().gap_s


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the site file"):
        load_site(tmp_path / "none.toml")


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_bytes(b"[networks]\n\xff")
    with pytest.raises(UsageError, match="byte 11"):
        load_site(path)


def test_bad_word_on_the_command_line() -> None:
    with pytest.raises(UsageError, match=r"--internal holds '10\.0\.0\.1/8', which has host bits set"):
        load_site(None, ["10.0.0.1/8"])
    with pytest.raises(UsageError, match="nothing could be outside"):
        load_site(None, ["0.0.0.0/0"])


def test_loads_nothing_slow() -> None:
    code = "import sys, sensor.site; print(sorted({'numpy', 'numba', 'msgspec'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
