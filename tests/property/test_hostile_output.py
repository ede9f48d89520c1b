"""Any text at all, through every way out: nothing acts on a terminal, nothing is lost unsaid, nothing breaks."""

import csv
import io
import json
from dataclasses import replace
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console

from sensor.cli import formats
from sensor.cli.clean import clean
from sensor.cli.columns import (
    ALLOWS,
    BLOCKLISTS,
    DNS,
    EVENTS,
    FINDING_GROUPS,
    FINDINGS,
    FLOWS,
    HITS,
    RELATIONS,
    TIMELINE,
    WATCHES,
    Kind,
    Row,
)
from sensor.cli.formats import json_value
from sensor.cli.page import finding_page
from sensor.cli.table import print_table
from sensor.cli.verbs.show import whole
from sensor.response.blocklist import Blocklist, Entry, build
from sensor.response.dossier import Dossier
from sensor.response.formats.form import Made
from sensor.response.formats.table import FORMS
from sensor.response.lists import render
from sensor.response.rails import Rails
from sensor.site import load_site, parse_address
from tests.support.cli_store import HOSTILE, beats, finding

CORPUS = [
    HOSTILE, "\x1b[2J\x1b[H", "\x1b]8;;http://x\x1b\\y", "\x9b2J", "\x90q\x9c", "[/]", "[bold", "[link=file:///]x[/link]",
    ":smile:", "\u202egpj.exe", "\u2066\u2069", "\u200d\u200c\u200b\ufeff", "\ud800", "\udcff\udc80", "\x00", "\x7f",
    "a\u0301" + "\u0301" * 500, "\U000e0001\U000e0041", "=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\uff1d1", '"',
    '","', "\r\n", "\\", "\\x1b", "\\\\t", "\u2028\u2029\u0085", "x" * 15_000, "\x1b" * 15_000, "NaN",
    "</script>", "%s%n", "{0}", "\u6f22" * 300,
]  # fmt: skip
HOSTILE_TEXT = st.one_of(
    st.sampled_from(CORPUS),
    st.text(st.characters(exclude_categories=[]), max_size=300),
    st.text(st.sampled_from("\x1b[]0;m\x9b\u202e\u200b\t\r\n\\=+-@'\",./ a1"), max_size=60),
)
SITE = load_site(None)
NOW = 1_700_000_000_000_000_000


def rows_of(text: str) -> list[tuple[Kind, Row]]:
    """A row of each kind with the text wherever a text can stand."""
    found: dict[str, Any] = {"id": 1, "state": text, "note": text} | finding(
        analyzer=text, orig_ip=text, dest=text, dest_ips=[text, text], via_proxy=text, outcome=text, reasons=[text],
        techniques=[text], severity=text, proto=text,
    )  # fmt: skip
    flow = {name: text if isinstance(value, str) else value for name, value in beats()[0].items()}
    event = dict.fromkeys(EVENTS.fields, text) | {"ts": 0, "resp_port": 1, "orig_bytes": 2, "resp_bytes": 3}
    event |= {"duration_s": 0.5, "answered": True}
    numbers = {
        "ts": 0,
        "first_ts": 0,
        "last_ts": 1,
        "count": 3,
        "events": 1,
        "orig_bytes": 1,
        "resp_bytes": 1,
        "score": 0.5,
    }
    times = {"made_ts": 0, "expires_ts": None, "removed_ts": None}
    return [
        (FINDINGS, found),
        (FLOWS, flow),
        (EVENTS, event),
        (DNS, dict.fromkeys(DNS.fields, text) | {"ts": -1, "ttl": 0}),
        (ALLOWS, dict.fromkeys(ALLOWS.fields, text) | {"resp_port": 1, "hosts": [text], **times}),
        (WATCHES, dict.fromkeys(WATCHES.fields, text) | times),
        (BLOCKLISTS, dict.fromkeys(BLOCKLISTS.fields, text) | times),
        (HITS, dict.fromkeys(HITS.fields, text) | {"dests": [text], **numbers}),
        (RELATIONS, dict.fromkeys(RELATIONS.fields, text) | {"strength": 0.5, "dests": [text], **numbers}),
        (FINDING_GROUPS, dict.fromkeys(FINDING_GROUPS.fields, text) | {"hosts": [text], "dests": [text], **numbers}),
        (TIMELINE, dict.fromkeys(TIMELINE.fields, text) | numbers),
    ]


def dossier_of(text: str) -> Dossier:
    """Everything known of a finding, with the text wherever the network or a person could have put it."""
    rows = [row for _, row in rows_of(text)]
    found, flow, event, dns = rows[:4]
    captures = [{"name": text, "path": text, "state": "damaged", "error": text, "packets": 1, "first_ts": 0,
                 "last_ts": 1, "counted": {f"capture.{text}": 3}}]  # fmt: skip
    allow = {"id": 1, "dest": text, "resp_port": -1, "hosts": [text], "reason": text, "who": text, "made_ts": 0,
             "expires_ts": 5, "removed_ts": None, "removed_by": text}  # fmt: skip
    return Dossier(
        finding=found | {"allowed_by": 1},
        flows=[flow] * 10,
        events=[event, {**event, "ts": 10**9}],
        dns=[dns],
        said=[{"made_ts": 0, "who": text, "state": text, "note": text}],
        allowed_by=allow,
        peers=[{"orig_ip": text, "first_ts": 0, "last_ts": 1, "events": 2}] * 20,
        first_contact_ts=10**9,
        before=[{"ts": 5, "kind": text, "what": text, "detail": text, "orig_bytes": 1, "resp_bytes": 2}],
        activity=[1, 2, 3],
        captures=captures,
    )


def encodable(text: str) -> str:
    """The text as JSON carries it: without lone surrogates."""
    return text.encode("utf-8", "backslashreplace").decode()


@given(HOSTILE_TEXT)
@example(HOSTILE)
def test_clean_text_is_harmless_and_stays_as_it_is(text: str) -> None:
    shown = clean(text)
    assert shown.isprintable()
    shown.encode("utf-8")
    assert clean(shown) == shown
    if all(" " <= char <= "~" for char in text):
        assert shown == text


@given(HOSTILE_TEXT, st.integers(1, 300))
def test_clean_text_keeps_its_bound(text: str, limit: int) -> None:
    shown = clean(text, limit)
    assert len(shown) <= limit
    assert shown.isprintable()
    assert shown == clean(text) or shown.endswith("…")


@given(HOSTILE_TEXT)
def test_json_gives_the_text_back(text: str) -> None:
    for kind, row in rows_of(text):
        array, lines = (b"".join(formats.lines(form, [row, row], kind.fields)).decode() for form in ("json", "ndjson"))
        assert array.replace("\n", "").isprintable()
        assert json.loads(array) == [json.loads(line) for line in lines.splitlines()]
        for name, value in json.loads(array)[0].items():
            if row.get(name) == text:
                assert value == encodable(text)


@given(HOSTILE_TEXT)
def test_csv_and_tsv_stay_in_shape(text: str) -> None:
    for kind, row in rows_of(text):
        table = b"".join(formats.lines("csv", [row, row], kind.fields)).decode()
        parsed = list(csv.reader(io.StringIO(table, newline=""), strict=True))
        assert [len(line) for line in parsed] == [len(kind.fields)] * 3
        assert table.replace("\r\n", "").isprintable()
        for cell in parsed[1]:
            assert not cell.startswith(("=", "@", "\t", "\r", "\uff1d", "\uff20"))
            assert not cell.startswith(("+", "-")) or float(cell) is not None
        tsv = b"".join(formats.lines("tsv", [row, row], kind.fields)).decode()
        assert [line.count("\t") for line in tsv.split("\n")] == [len(kind.fields) - 1] * 3 + [0]
        assert tsv.replace("\t", "").replace("\n", "").isprintable()


@given(HOSTILE_TEXT, st.sampled_from([40, 80, 200]))
def test_tables_and_pages_show_it_harmlessly(text: str, width: int) -> None:
    for kind, row in rows_of(text):
        out = io.StringIO()
        print_table(Console(file=out, width=width, color_system=None), [row], kind.table)
        assert out.getvalue().replace("\n", "").isprintable()
    page = finding_page(dossier_of(text), width, store=text)
    assert all(line.isprintable() for line in page)
    told = json_value(whole(dossier_of(text))).decode()
    assert told.isprintable()
    assert json.loads(told)["before"][0]["what"] == encodable(text)


@given(HOSTILE_TEXT, st.lists(HOSTILE_TEXT | st.ip_addresses().map(str), max_size=4))
def test_a_blocklist_holds_only_outside_addresses_and_plain_names(dest: str, dest_ips: list[str]) -> None:
    rows = [{"id": 1, "state": "new"} | finding(dest=dest, dest_ips=dest_ips)]
    chosen: Blocklist = build(rows, Rails(SITE), expires_ts=NOW)
    assert render("plain", chosen.entries, Made(NOW, 1)).count("\n") == len(chosen.entries)
    for entry in chosen.entries:
        address = parse_address(entry.value)
        if address is None:
            assert entry.value.replace("-", "").replace(".", "").isalnum()
            assert entry.value.isascii()
            assert entry.value == entry.value.lower()
        else:
            assert not SITE.is_internal(address)
            assert not (address.is_multicast or address.is_loopback or address.is_link_local or address.is_unspecified)


@given(HOSTILE_TEXT)
def test_what_is_told_of_an_entry_acts_in_no_format(text: str) -> None:
    """Everything but the value, which passed the rails, may be the network's words."""
    entry = Entry("c2.example.net", "domain", 1, "beacon", "high", 0.9, (text,), 443, 1, 0, 0, NOW)
    other = replace(entry, value="9.9.9.90", kind="address")
    for form in FORMS:
        made = render(form, [other, entry], Made(NOW, 1))
        assert made.isascii()
        assert made.replace("\n", "").replace("\t" if form == "zeek-intel" else "\n", "").isprintable()
        if form in ("stix", "misp"):
            json.loads(made)
        else:
            plain = render(form, [replace(other, reasons=()), replace(entry, reasons=())], Made(NOW, 1))
            assert made == plain  # the network's words are in the sidecar alone
