"""The proxy mode of small made networks, from packets to what is said of it and what is judged."""

from collections.abc import Callable
from pathlib import Path

from sensor.analysis import AnalyzeReport
from sensor.run import replay
from sensor.site import Site, load_site
from sensor.store.findings import findings
from sensor.store.store import Store
from tests.support.wire import Talk, Wire, client_hello, dns_answer, dns_question, record

START_S = 1_763_400_000.0
CLIENTS = tuple(f"10.0.0.{n}" for n in range(20, 26))
RESOLVER = "10.0.0.1"


def visit(wire: Wire, at_s: float, client: str, site: int, via: str = "") -> None:
    """A name is looked up and its page fetched directly."""
    name, address = f"www{site}.example", f"198.51.100.{site}"
    wire.asked(at_s - 1, client, (RESOLVER, 53), dns_question(site, name), dns_answer(site, name, address))
    head = f"HTTP/1.1 200 OK\r\n{via}Content-Length: 2\r\n\r\nok".encode()
    Talk(wire, at_s, client, (address, 80)).open().ask(f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode(), head).close()


def tls(wire: Wire, at_s: float, client: str, address: str, port: int) -> None:
    """A TLS connection to an address that DNS never told."""
    Talk(wire, at_s, client, (address, port)).open().ask(client_hello(""), record(0x16, b"h" * 600)).close()


def analyzed(
    path: Path, write: Callable[[Wire], None], site: Site | None = None
) -> tuple[AnalyzeReport, set[tuple[str, str]]]:
    wire = Wire()
    write(wire)
    wire.save(path / "made.pcap")
    report = replay([str(path / "made.pcap")], path / "store", site=site or load_site(None)).analysis
    assert report is not None
    with Store.open(path / "store") as store:
        return report, {(row["analyzer"], row["dest"]) for row in findings(store)[0] if row["analyzer"] != "beacon"}


def everybody(wire: Wire, via: str = "") -> None:
    for number, client in enumerate(CLIENTS):
        for site in range(1, 9):
            visit(wire, START_S + 700 * site**1.7 + 61 * number, client, site, via if site != 3 else "")
    for i in range(7):
        tls(wire, START_S + 900 * i**1.6, CLIENTS[0], "203.0.113.66", 4444)


def test_without_a_proxy_direct_web_is_no_finding_but_an_address_that_dns_never_told_is(tmp_path: Path) -> None:
    report, found = analyzed(tmp_path, everybody)
    assert report.notes[0] == "proxy mode none: no proxy is declared in the site file and none was seen at work"
    assert found == {("egress", "203.0.113.66")}


def test_a_proxy_that_nobody_asks_is_learned_from_what_answers_name(tmp_path: Path) -> None:
    report, found = analyzed(tmp_path, lambda wire: everybody(wire, "Via: 1.1 gate.example (squid/6.1)\r\n"))
    told = "7 of 8 web sites answer 6 hosts through '1.1 gate.example (squid/6.1)', which nobody asked"
    assert report.notes[0] == f"proxy mode transparent: {told}"
    assert found == {("bypass", "203.0.113.66")}


def test_a_declared_mode_is_believed(tmp_path: Path) -> None:
    report, found = analyzed(tmp_path, everybody, Site(proxy_mode="explicit"))
    assert report.notes[0] == "proxy mode explicit: the site file says so"
    assert found == {("bypass", "203.0.113.66")}  # the web sites are contacted by all hosts alike
    assert any("www1.example is contacted directly by 6 hosts alike" in note for note in report.notes)
