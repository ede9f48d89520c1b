"""New findings reach journal, syslog and webhook once each, in order, whatever the receiver does meanwhile."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.notify import notify, try_outlets
from sensor.outlets import senders as ways
from sensor.outlets.message import as_cef, as_json, journal_fields, summary, syslog_line
from sensor.settings import Outlets
from sensor.site import Site, load_site
from sensor.store.outbox import outlets_state
from sensor.store.store import Store
from tests.support.cli_store import HOSTILE, finding

FOUND: dict[str, Any] = finding() | {"id": 7, "state": "new", "note": ""}


class Receiver:
    """A webhook that takes what it is told to take."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                code = receiver.answers.pop(0) if receiver.answers else 204
                if code < 300:
                    receiver.told.append(body)
                    receiver.headers.append(dict(self.headers))
                self.send_response(code)
                if code == 302:
                    self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def dests(self) -> list[str]:
        return [told["finding"]["dest"] for told in self.told]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def store(store_dir: Path) -> Iterator[Store]:
    with Store.open(store_dir, write=True):
        pass
    with Store.open_for_notes(store_dir) as opened:
        yield opened


def put(store: Store, *dests: str, **values: Any) -> None:
    store.upsert_findings([finding(dest=dest, **values) for dest in dests])


def test_each_finding_once_and_in_order(store: Store, receiver: Receiver) -> None:
    outlets = Outlets(webhook=receiver.url)
    put(store, "before.example")
    store.db.execute("UPDATE outbox SET ts = ts - 25 * 3600 * 1000000000")
    assert [d.sent for d in notify(store, outlets)] == [0], "a new outlet begins with what was found in the last day"
    put(store, "a.example", "b.example")
    put(store, "a.example")  # found again: nothing new
    assert [d.sent for d in notify(store, outlets)] == [2]
    assert [d.sent for d in notify(store, outlets)] == [0]
    assert receiver.dests() == ["a.example", "b.example"]
    assert receiver.told[0] | {"finding": None} == {"schema_version": 1, "change": "new", "finding": None}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", receiver.told[0]["finding"]["first_ts"])


def test_nothing_is_lost_while_the_receiver_is_down(store: Store, receiver: Receiver) -> None:
    outlets = Outlets(webhook=receiver.url)
    notify(store, outlets)
    put(store, "a.example", "b.example", "c.example")
    receiver.answers = [204, 500]
    (delivery,) = notify(store, outlets)
    assert (delivery.sent, delivery.left) == (1, 2)
    assert "500" in delivery.error
    assert [(o["waiting"], "500" in o["error"]) for o in outlets_state(store)] == [(2, True)]
    receiver.answers = [302]  # nobody is followed elsewhere
    assert notify(store, outlets)[0].sent == 0
    assert notify(store, outlets)[0].sent == 2
    assert receiver.dests() == ["a.example", "b.example", "c.example"]
    assert [(o["waiting"], o["error"]) for o in outlets_state(store)] == [(0, "")]


def test_a_flood_of_findings_is_told_at_the_pace_allowed(store: Store, receiver: Receiver) -> None:
    outlets = Outlets(webhook=receiver.url, per_minute=10)
    notify(store, outlets)
    put(store, *(f"{i:02d}.example" for i in range(25)))
    assert [(d.sent, d.left) for _ in range(4) for d in notify(store, outlets)] == [(10, 15), (10, 5), (5, 0), (0, 0)]
    assert receiver.dests() == [f"{i:02d}.example" for i in range(25)]


def test_a_severity_is_told_when_it_is_first_reached(store: Store, receiver: Receiver) -> None:
    outlets = Outlets(webhook=receiver.url, min_severity="high")
    notify(store, outlets)
    for severity, score in (("low", 0.3), ("high", 0.9), ("medium", 0.7), ("high", 0.9), ("critical", 0.97)):
        put(store, "a.example", severity=severity, score=score)
        notify(store, outlets)
    assert [(t["change"], t["finding"]["severity"]) for t in receiver.told] == [
        ("graver", "high"),
        ("graver", "critical"),
    ]


def test_what_was_settled_meanwhile_is_not_told(store: Store, receiver: Receiver) -> None:
    outlets = Outlets(webhook=receiver.url)
    notify(store, outlets)
    put(store, "a.example", "b.example")
    with store.transaction():
        store.db.execute("UPDATE finding SET state = 'false-positive' WHERE dest = 'a.example'")
    notify(store, outlets)
    assert receiver.dests() == ["b.example"]


def test_a_token_is_read_from_its_file(store: Store, receiver: Receiver, tmp_path: Path) -> None:
    token = tmp_path / "token"
    outlets = Outlets(webhook=receiver.url, webhook_token_file=str(token))
    assert "No such file" in try_outlets(outlets)[0].error
    token.write_text("s3cret\n")
    assert try_outlets(outlets)[0].sent == 1
    assert receiver.headers[0]["Authorization"] == "Bearer s3cret"


@pytest.mark.parametrize(
    ("answer", "is_taken"),
    [
        (b"SSH-2.0-x\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", True),
    ],
)
def test_a_receiver_that_speaks_no_http_is_an_error_and_one_that_took_it_has_it(answer: bytes, is_taken: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        (delivery,) = try_outlets(Outlets(webhook=f"http://127.0.0.1:{server.getsockname()[1]}/"))
        thread.join()
    assert (delivery.sent == 1, delivery.error == "") == (is_taken, is_taken)


def test_a_token_that_is_no_word_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("SECRET1\nSECRET2\n")
    (delivery,) = try_outlets(Outlets(webhook="http://127.0.0.1:9/", webhook_token_file=str(tmp_path / "token")))
    assert "one word" in delivery.error
    assert "SECRET" not in delivery.error


def test_syslog_over_udp_and_over_tcp(store: Store) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(10)
        assert try_outlets(Outlets(syslog=f"udp://127.0.0.1:{ear.getsockname()[1]}"))[0].error == ""
        assert re.match(rb"<85>1 \d{4}-.*Z \S+ kagami \d+ finding - CEF:0\|kagami\|kagami\|", ear.recv(9000))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        got: list[bytes] = []

        def listen() -> None:
            connection, _ = server.accept()
            with connection:
                while part := connection.recv(4096):
                    got.append(part)

        thread = threading.Thread(target=listen)
        thread.start()
        assert try_outlets(Outlets(syslog=f"tcp://127.0.0.1:{port}", syslog_format="json"))[0].error == ""
        thread.join()
    length, line = b"".join(got).split(b" ", 1)
    assert int(length) == len(line)
    assert json.loads(line.split(b" - ", 1)[1])["change"] == "test"
    assert "refused" in try_outlets(Outlets(syslog=f"tcp://127.0.0.1:{port}"))[0].error


def test_a_finding_too_long_for_a_datagram_is_shortened_where_it_says_so() -> None:
    long = FOUND | {"dest_ips": [f"203.0.113.{i % 256}" for i in range(2000)], "dest": "c2.example"}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(10)
        place = f"udp://127.0.0.1:{ear.getsockname()[1]}"
        (send,) = ways.senders(Outlets(syslog=place, syslog_format="json")).values()
        send(long, "new")
        told = json.loads(ear.recv(65_536).split(b" - ", 1)[1])["finding"]
        assert told["dest"] == "c2.example"
        assert told["dest_ips"] == long["dest_ips"][: len(told["dest_ips"])]
        assert len(told["dest_ips"]) + told["left_out"]["dest_ips"] == 2000
        with pytest.raises(OSError, match="a datagram holds 8,192"):
            send(long | {"dest_ips": [], "reasons": [], "dest": "x" * 9000}, "new")


def test_the_journal_gets_fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "JOURNAL_SOCKET", str(tmp_path / "journal"))
    assert try_outlets(Outlets(journal=True))[0].error
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "journal"))
        assert try_outlets(Outlets(journal=True))[0].error == ""
        fields = dict(line.split("=", 1) for line in ear.recv(9000).decode().splitlines())
    assert fields["SYSLOG_IDENTIFIER"] == "kagami"
    assert fields["KAGAMI_DEST"] == "test.example"


@given(st.text(max_size=60) | st.just(HOSTILE))
def test_no_text_ends_a_message_or_begins_another(text: str) -> None:
    hostile = FOUND | {"dest": text, "analyzer": text, "reasons": [text], "outcome": text}
    cef = as_cef(hostile, "new").decode("ascii")
    for line in (cef, summary(hostile, "new"), as_json(hostile, "new").decode("ascii")):
        assert line.isprintable()
    head = re.split(r"(?<!\\)(?:\\\\)*\|", cef, maxsplit=7)  # a bar in the extension needs no escape
    pairs = re.findall(r"(?:^| )(\w+)(?<!\\)=", head[7])
    assert pairs[:3] == ["externalId", "src", "dst"]
    assert all(re.fullmatch(r"[A-Z_]+=[ -~]*", line) for line in journal_fields(hostile, "new").decode().splitlines())
    assert json.loads(as_json(hostile, "new"))["finding"]["dest"] == text
    assert syslog_line(b"x", "high", text, 0, 1).decode("ascii").isprintable()


def test_outlets_in_the_site_file(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(
        '[outlets]\njournal = true\nsyslog = "tcp://10.0.0.9:601"\nsyslog_format = "json"\n'
        'webhook = "https://soc.example/hook"\nmin_severity = "high"\nper_minute = 5\n'
    )
    assert load_site(file).outlets == Outlets(
        True, "tcp://10.0.0.9:601", "json", "https://soc.example/hook", "", "high", 5
    )
    assert Site().outlets == Outlets()
    for line, told in (
        ('syslog = "10.0.0.9"', "allowed: udp://HOST or tcp://HOST or unix:///PATH"),
        ('webhook = "ftp://x"', "allowed: https://HOST or http://HOST"),
        ('syslog_format = "leef"', "allowed: cef, json"),
        ('journal = "yes"', "allowed: true or false"),
        ("per_minute = 0", "allowed: a whole number of messages from 1 to 10000"),
        ('webhook_token_file = "token"', "allowed: a path that begins with /"),
    ):
        file.write_text(f"[outlets]\n{line}\n")
        with pytest.raises(Exception, match=re.escape(told)):
            load_site(file)
