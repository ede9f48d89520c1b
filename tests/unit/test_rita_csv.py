"""`findings --format rita-csv`: RITA v5's header, its words, and what hostile text becomes."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from analyzers.finding import SEVERITIES
from sensor.cli import formats
from sensor.cli.main import cli
from sensor.response import rita
from sensor.response.rita_facts import Facts, History
from tests.support.cli_store import HOSTILE, finding, make_store
from tests.support.lake_rows import DAY_NS, NOON_NS

HEADER = (
    "Severity,Source IP,Destination IP,FQDN,Beacon Score,Strobe,Total Duration,Long Connection Score,Subdomains,"
    "C2 Over DNS Score,Threat Intel,Prevalence,First Seen,Missing Host Header,Connection Count,Total Bytes,"
    "Port:Proto:Service,Modifiers"
)
"""viewer/csv.go, as it stands in RITA v5."""

NOTHING = History({}, 0, {}, {}, NOON_NS)


def table(findings: list[dict[str, Any]], history: History = NOTHING) -> list[str]:
    rows = rita.rows(rita.grouped(findings), history, SEVERITIES)
    return b"".join(formats.rita_csv(rows, rita.COLUMNS, rita.QUOTED)).decode().splitlines()


def test_the_header_is_ritas_also_without_rows() -> None:
    assert table([]) == [HEADER]


def test_a_row_as_rita_writes_it() -> None:
    """The values of RITA's own example (viewer/csv_test.go), as far as kagami has such a thing."""
    pair = {"orig_ip": "10.55.100.111", "dest": "example.com"}
    findings = [
        finding(**pair, score=0.75, severity="high"),
        finding(**pair, analyzer="long-connection", severity="medium", first_ts=NOON_NS, last_ts=NOON_NS),
    ]
    history = History(
        {("10.55.100.111", "example.com"): Facts(2574, 10800.0, 24335500, ("80:tcp:http", "443:tcp:ssl"))},
        20, {"example.com": 7}, {"example.com": NOON_NS - 3 * DAY_NS}, NOON_NS,
    )  # fmt: skip
    assert table(findings, history)[1:] == [
        "High,10.55.100.111,::,example.com,0.75,false,10800,0.33333333,0,0,false,0.35,3 days ago,false,2574,24335500,"
        '"80:tcp:http,443:tcp:ssl",""'
    ]


def test_an_address_is_no_fqdn_and_a_strobe_is_said() -> None:
    (row,) = table([finding(analyzer="strobe", dest="203.0.113.7", severity="low", events=900, first_ts=NOON_NS)])[1:]
    assert row.startswith("Low,10.0.0.57,203.0.113.7,,0,true,0,0,")
    assert row.endswith(',0 minutes ago,false,900,0,"",""')


def test_the_time_of_a_long_connection_counts_whole() -> None:
    long = finding(analyzer="long-connection", severity="medium", first_ts=NOON_NS, last_ts=NOON_NS + DAY_NS)
    (row,) = csv.reader(table([long])[1:])
    assert (row[6], row[7]) == ("86400", "0.8")


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (0.0, "0 minutes ago"), (1 / 60, "1 minute ago"), (0.99, "59 minutes ago"), (1, "1 hour ago"),
        (23.9, "23 hours ago"), (24, "1 day ago"), (719, "29 days ago"), (720, "1 month ago"), (8759, "12 months ago"),
        (8760, "1 year ago"), (6 * 8760, "6 years ago"), (-5, "0 minutes ago"),
    ],
)  # fmt: skip
def test_first_seen_in_ritas_words(hours: float, words: str) -> None:
    assert rita.age(hours) == words


def test_ritas_steps_of_long_connections() -> None:
    hours = [0, 0.99, 1, 4, 8, 12, 100]
    assert [rita.long_score(h * 3600) for h in hours] == pytest.approx([0, 0, 0.2, 0.4, 0.6, 0.8, 0.8])
    assert rita.long_score(2.5 * 3600) == pytest.approx(0.3)


@pytest.mark.parametrize("dest", [HOSTILE, '=cmd|"/c calc"!A1', "a,b\nc", '"', "\u202egpj.exe", "x" * 15_000])
def test_hostile_names_stay_in_their_cell(dest: str) -> None:
    history = History({("10.0.0.57", dest): Facts(1, 0.0, 1, (f"80:{dest}:",))}, 0, {}, {}, NOON_NS)
    text = "\n".join(table([finding(dest=dest)], history))
    assert text.replace("\n", "").isprintable()
    (header, row) = csv.reader(io.StringIO(text), strict=True)
    assert len(row) == len(header) == 18
    assert not row[3].startswith(("=", "+", "-", "@"))


def test_the_command_writes_the_table_and_says_what_has_no_place(tmp_path: Path) -> None:
    store = str(make_store(tmp_path / "store"))
    done = CliRunner().invoke(cli, ["--store", store, "findings", "--format", "rita-csv"])
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == HEADER
    beacon = next(row for row in csv.DictReader(io.StringIO(done.stdout)) if row["FQDN"] == "cdn.updates.example")
    assert (beacon["Severity"], beacon["Connection Count"], beacon["Total Duration"]) == ("Critical", "40", "40")
    assert beacon["Port:Proto:Service"] == "443:tcp:ssl"
    assert "left out, since RITA has no column for their analyzer: 1 finding" in done.stderr


def test_one_format_at_a_time(tmp_path: Path) -> None:
    store = str(make_store(tmp_path / "store"))
    done = CliRunner().invoke(cli, ["--store", store, "findings", "--format", "rita-csv", "--json"])
    assert done.exit_code == 2
