"""`kagami site` and `kagami hosts` on the made office: every role guessed, and a file that can be used as it is."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sensor.cli.main import run
from sensor.run import replay
from sensor.site import load_site
from sensor.store.columns import HOST
from tests.support import office


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("office")
    office.build(path / "office.pcap", days=5)
    replay([str(path / "office.pcap")], path / "store", site=load_site(None), with_analysis=False)
    return path / "store"


@pytest.fixture
def kagami(store: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*words: str, site: Path | None = None) -> tuple[int, str, str]:
        chosen = ["--site", str(site)] if site else []
        code = run(["--store", str(store), *chosen, *words])
        out, err = capfd.readouterr()
        return code, out, err

    return call


def test_every_role_is_guessed_and_the_file_is_good(kagami: Any, tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    code, out, err = kagami("site", "init", "-o", str(path))
    assert (code, out) == (0, "")
    assert f"wrote {path}" in err
    site = load_site(path)
    roles = {str(role.hosts[0].network_address): role.name for role in site.roles}
    assert roles == {office.DIRECTORY: "directory", office.FILES: "file", office.MAIL: "mail"}
    assert [(str(proxy.address), proxy.port) for proxy in site.proxies] == [(office.PROXY, office.PROXY_PORT)]
    assert [str(net) for net in site.internal] == ["10.0.0.0/8"]
    text = path.read_text(encoding="utf-8")
    assert "# guessed: 10.30.0.11 answers smb to 30 hosts" in text
    assert "# seen: 30 hosts in 10.30.1.0/24" in text
    assert "# Outside resolvers that hosts ask: 198.51.100.53" in text
    assert kagami("site", "check", str(path))[1].startswith(f"{path}: good (1 internal network, 1 proxy, 3 roles, ")
    assert kagami("site", "init", "-o", str(path))[0] == 2  # never over a file that is there


def test_init_without_a_store_says_so_and_is_a_good_file(tmp_path: Path, capfd: Any) -> None:
    assert run(["--store", str(tmp_path / "none"), "site", "init"]) == 0
    out, err = capfd.readouterr()
    assert "there is no store" in err
    (tmp_path / "site.toml").write_text(out, encoding="utf-8")
    assert load_site(tmp_path / "site.toml").internal == load_site(None).internal
    assert "# No directory server was seen" in out


def test_check_tells_every_mistake_and_exits_with_2(kagami: Any, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('[networks]\ninternal = ["x"]\n[calendar]\nholidays = "Japan"\n', encoding="utf-8")
    code, out, err = kagami("site", "check", site=path)
    assert (code, out) == (2, "")
    assert "internal holds 'x'" in err
    assert "holidays = 'Japan'" in err
    assert kagami("site", "check")[0] == 2


def test_check_compiles_the_capture_filter(kagami: Any, tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text('[capture]\nfilter = "tcp prot 80"\n')
    code, _, err = kagami("site", "check", str(path))
    assert code == 2
    assert "[capture] filter: capture filter 'tcp prot 80'" in err
    path.write_text('[capture]\nfilter = "tcp port 80"\n')
    assert kagami("site", "check", str(path))[0] == 0


def test_hosts_are_told_with_what_they_are(kagami: Any) -> None:
    code, out, err = kagami("hosts", "--json")
    rows = {row["ip"]: row for row in json.loads(out)}
    assert code == 0
    assert "proxy mode explicit" in err
    assert rows.keys() == {*office.CLIENTS, *office.SERVERS}
    assert list(rows[office.FILES]) == [field.name for field in HOST]
    assert rows[office.FILES]["names"] == ["files.office.example"]
    assert (rows[office.DIRECTORY]["role"], rows[office.PROXY]["role"]) == ("directory?", "proxy?")
    assert rows[office.DIRECTORY]["services"][:2] == ["dns (53/udp)", "kerberos (88/udp)"]
    client = rows[office.CLIENTS[1]]
    assert client["names"] == ["pc02"]
    assert client["proxies"] == [f"{office.PROXY}:{office.PROXY_PORT}"]
    assert 0 < client["direct_frac"] < 0.5
    assert rows[office.PROXY]["direct_frac"] == 1


def test_hosts_are_chosen_by_address_and_role(kagami: Any) -> None:
    rows = list(csv.DictReader(io.StringIO(kagami("hosts", "--role", "file", "--role", "proxy", "--csv")[1])))
    assert [row["ip"] for row in rows] == [office.PROXY, office.FILES]
    assert len(json.loads(kagami("hosts", "--host", "10.30.1.0/28", "--json")[1])) == 15


def test_hosts_that_were_up_during_a_holiday(kagami: Any, tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(
        '[calendar]\ntime_zone = "Asia/Tokyo"\nholidays = "JP"\nclosed = [2026-11-17]\nworking_hours = "09:00-18:00"',
        encoding="utf-8",
    )
    up = json.loads(kagami("hosts", "--during", "2026-11-17", "--json", site=path)[1])
    assert len(up) == 34  # in this office people come all the same
    away = {row["ip"]: row for row in json.loads(kagami("hosts", "--during", "away", "--json", site=path)[1])}
    assert away.keys() == {row["ip"] for row in up}
    night = json.loads(kagami("hosts", "--during", "2026-11-15..2026-11-15", "--json")[1])
    assert night == []
    assert kagami("hosts", "--during", "away")[0] == 2
    assert kagami("hosts", "--during", "2026-13-01")[0] == 2
