"""The table of benign captures: which ones count, and that nothing of medium or above goes unsaid."""

from typing import Any

from benchmarks import c2_table
from benchmarks.c2_table import Replayed
from benchmarks.quiet_table import INSIDE, catalogued, counts, page

CATALOG = """# Catalog

| file | source | ground truth |
|---|---|---|
| benign/a.pcap | somewhere | anything |
| c2/b.pcap | somewhere | malicious |

## proxy

| file | source | shows | ground truth |
|---|---|---|---|
| proxy/c.pcap | logs [rebuilt from Zeek logs] | x | benign; name in the request |
| proxy/d.pcap | logs | x | not benign |
| proxy/broken.pcap | logs | benign |
"""


def row(**values: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "analyzer": "beacon", "severity": "low", "score": 0.5, "orig_ip": "10.0.0.5", "dest": "x.example",
        "resp_port": 443, "proto": "tcp", "reasons": ["40 beats"],
    }  # fmt: skip
    return base | values


def test_benign_is_what_lies_there_or_is_called_so() -> None:
    assert catalogued(CATALOG) == {"benign/a.pcap": False, "proxy/c.pcap": True}


def test_counts_by_severity() -> None:
    rows = [row(), row(), row(severity="high"), row(analyzer="strobe", severity="medium")]
    assert counts(rows, "beacon") == "0 / 1 / 0 / 2"
    assert counts(rows, "strobe") == "0 / 0 / 1 / 0"
    assert counts(rows, "bypass") == ""


def test_the_page_tells_every_finding_of_medium_or_above() -> None:
    quiet = Replayed([row()], 1000, 720.0, 2)
    loud = Replayed(
        [row(severity="high", dest="a|b\x1b[31m", score=0.9), row(severity="medium"), row(reasons=[INSIDE])],
        50,
        60_000.0,
        9,
    )
    text = page({"benign/a.pcap": quiet, "proxy/c.pcap": loud}, {"benign/a.pcap": False, "proxy/c.pcap": True})
    assert "| benign/a.pcap | 12.0 h | 1,000 | 2 | 0 / 0 / 0 / 1 |  |" in text
    assert "| proxy/c.pcap (rebuilt) | - | 50 | 9 | 0 / 1 / 1 / 0 | 1 |" in text
    assert "| **all 2** | | 1,050 | 11 | 0 / 1 / 1 / 1 | 1 |" in text
    assert "1.0 host-days" in text
    assert "- low: 1 in all, 1.00" in text
    assert "| c | high | 0.90 | beacon | 10.0.0.5 | a b [31m | 443/tcp | 40 beats |" in text
    assert "| c | medium | 0.50 |" in text
    assert "\x1b" not in text


def test_both_tables_know_beats_inside_connections_by_the_same_words() -> None:
    assert INSIDE == c2_table.INSIDE
