"""Values of filters: what is taken, and that a slip is told with the option, the value and what is allowed."""

from pathlib import Path
from typing import Any

import pytest

from sensor.cli import filters
from sensor.constants import APP_NAMES
from sensor.errors import UsageError
from sensor.protocols.dns_codes import qtype_name, rcode_name
from sensor.store.columns import CONN_STATES, EVENT_KINDS
from tests.support.cli_store import make_store
from tests.support.command import Call, caller

JA4 = "t13d1516h2_8daaf6152771_e5627efa2ab1"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("filters") / "store")


@pytest.fixture
def kagami(store: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Call:
    return caller(store, monkeypatch, capfdbinary)


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ("flows --host a.example", "'--host': 'a.example' is no address and no network such as 10.0.0.0/8"),
        ("flows --host 10.0.0.0/99", "'--host': '10.0.0.0/99' is no address and no network such as"),
        ("flows --dest a/b", "'--dest': 'a/b' is no address, no network such as 10.0.0.0/8, and no name"),
        ("flows --name 10.0.0.1", "'--name': '10.0.0.1' is an address or a network, no name such as example.com"),
        ("dns --name 2001:db8::/32", "'--name': '2001:db8::/32' is an address or a network"),
        ("flows --port 70000", "'--port': 70000 is not in the range 0<=x<=65535"),
        ("flows --proto tcpp", "'--proto': 'tcpp' is no protocol; allowed: tcp, udp, icmp, sctp, or a number"),
        ("flows --proto 256", "'--proto': '256' is no protocol"),
        ("flows --state SX", "'--state': 'SX' is none of S0, S1, SF, REJ"),
        ("flows --app htpp", "'--app': 'htpp' is none of amqp, bgp,"),
        ("events --app mdsn", "'--app': 'mdsn' is none of amqp"),
        ("dns --app http", "'--app': 'http' is none of dns, mdns, llmnr, nbns"),
        ("flows --ja3 " + JA4, f"'--ja3': '{JA4}' is no JA3 fingerprint; allowed: 32 hexadecimal digits"),
        (
            "flows --ja4 t13d1516h2",
            "'--ja4': 't13d1516h2' is no JA4 fingerprint; allowed: three parts such as",
        ),
        ("flows --user-agent=", "'--user-agent': '' is in every text; allowed: one character or more"),
        ("events --uri=", "'--uri': '' is in every text"),
        (
            "events --kind exchanges",
            "'--kind': 'exchanges' is none of connection, exchange, request, query, attempt, reply",
        ),
        ("events --method GE(T", "'--method': 'GE(T' is no HTTP method; allowed: a word such as GET"),
        ("dns --qtype AAA", "'--qtype': 'AAA' is no DNS type; allowed: A, AAAA, CNAME"),
        ("dns --qtype 65536", "'--qtype': '65536' is no DNS type"),
        ("dns --rcode NODOMAIN", "'--rcode': 'NODOMAIN' is none of NOERROR, FORMERR"),
        ("dns --answer a/b", "'--answer': 'a/b' is no address"),
        ("flows --direct --via-proxy", "choose one of --via-proxy and --direct"),
        ("events --via-proxy --direct", "choose one of --via-proxy and --direct"),
    ],
)
def test_the_option_the_value_and_what_is_allowed_are_told(kagami: Any, args: str, told: str) -> None:
    done = kagami(*args.split())
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("value", ["\x1b[2J", "a\nkagami: b", "\u202e", "x" * 10_000])
def test_a_hostile_value_is_told_escaped_and_bounded(kagami: Any, value: str) -> None:
    for option in ("--app", "--ja3", "--state", "--name", "--method"):
        done = kagami("events" if option == "--method" else "flows", option, value)
        assert done.err.replace("\n", "").isprintable()
        assert len(done.err) < 4_000
        assert sum(line.startswith("kagami: ") for line in done.err.splitlines()) <= 1


@pytest.mark.parametrize(
    ("check", "value", "taken"),
    [
        (filters.a_proto, "TCP", "tcp"),
        (filters.a_proto, "6", "tcp"),
        (filters.a_proto, "58", "icmp"),
        (filters.a_proto, "047", "ip-47"),
        (filters.a_proto, "IP-47", "ip-47"),
        (filters.a_state, "rsto", "RSTO"),
        (filters.an_app, "None", "none"),
        (filters.a_kind, "Attempt", "attempt"),
        (filters.a_qtype, "txt", "TXT"),
        (filters.a_qtype, "16", "TXT"),
        (filters.a_qtype, "TYPE28", "AAAA"),
        (filters.a_qtype, "type65280", "TYPE65280"),
        (filters.an_rcode, "nxdomain", "NXDOMAIN"),
        (filters.an_rcode, "none", "NONE"),
        (filters.a_ja3, "AB" * 16, "AB" * 16),
        (filters.a_ja4, JA4.upper(), JA4.upper()),
        (filters.a_ja4, "q13i0312h3_55b375c5d22e_06cda9e17597", "q13i0312h3_55b375c5d22e_06cda9e17597"),
        (filters.a_ja4, "tssd010000_000000000000_000000000000", "tssd010000_000000000000_000000000000"),
        (filters.a_method, "M-SEARCH", "M-SEARCH"),
        (filters.a_name, "_ldap._tcp.corp.example", "_ldap._tcp.corp.example"),
    ],
)
def test_values_that_are_taken(check: filters.Check, value: str, taken: str) -> None:
    assert check(value) == taken


def test_everything_that_rows_hold_may_be_asked_for() -> None:
    assert [filters.an_app(name) for name in APP_NAMES[1:]] == list(APP_NAMES[1:])
    assert [filters.a_state(state) for state in CONN_STATES] == list(CONN_STATES)
    assert [filters.a_kind(kind) for kind in EVENT_KINDS] == list(EVENT_KINDS)
    for code in (0, 1, 28, 65, 4711, 32768, 65535):
        assert filters.a_qtype(qtype_name(code)) == filters.a_qtype(str(code)) == qtype_name(code)
    for code in range(16):
        assert filters.an_rcode(rcode_name(code)) == rcode_name(code)


@pytest.mark.parametrize("digits", ["\u0661", "\uff11", "²", "1_0", "+1", " 1"])
def test_digits_are_ascii(digits: str) -> None:
    for check in (filters.a_proto, filters.a_qtype):
        with pytest.raises(UsageError):
            check(digits)
