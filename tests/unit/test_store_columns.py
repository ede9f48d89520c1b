"""The data dictionary, the contract and the code name the same columns."""

import re
from pathlib import Path

import pytest

from sensor.constants import APP_NAMES
from sensor.flows import rows
from sensor.store.columns import (
    CONN_STATES,
    DESK_TABLES,
    DNS,
    DNS_APPS,
    EVENT,
    EVENT_KINDS,
    FINDING,
    FINDING_CHANNEL,
    FINDING_PART,
    FLOW,
    HEALTH,
    HOST,
    LAKE_TABLES,
    LAKE_VERSION,
    NOTE_WORDS,
    PARTITION_TS,
    Field,
)
from sensor.store.schema import SCHEMA_VERSION, SOURCE_STATES

TABLES = {
    "flow": FLOW,
    "event": EVENT,
    "dns": DNS,
    "finding": FINDING,
    "finding_channel": FINDING_CHANNEL,
    "finding_part": FINDING_PART,
    "hosts": HOST,
    "health": HEALTH,
} | DESK_TABLES

CONTRACT = {
    "flow": """uid community_id first_ts last_ts duration_s proto orig_ip orig_port resp_ip resp_port vlan_id name
        name_source app via_proxy ja3 ja4 user_agent conn_state history orig_pkts resp_pkts orig_bytes resp_bytes
        orig_ip_bytes resp_ip_bytes end_reason source tunnel sni alpn tls_version ja3s hassh cert_subject cert_issuer
        cert_sha256 forwarded_for via resolved notes hassh_server""",
    "event": """ts uid orig_ip resp_ip resp_port proto dest name_source kind orig_bytes resp_bytes duration_s via_proxy
        answered method uri user_agent ja4 source status content_type""",
    "dns": "ts orig_ip resp_ip qname qtype rcode answers ttl source app proto",
    "finding": """id analyzer orig_ip dest dest_ips resp_port proto score severity first_ts last_ts events interval_s
        jitter_frac via_proxy outcome reasons techniques state note""",
    "health": """source number ts span_s state packets bytes seen dropped freezes nic_dropped ring_frac undecoded
        duplicates flows_live flows_max evicted tcp_flows one_sided acks ack_gaps rows rows_lost bytes_written flush_s
        words""",
    "finding_channel": """dest dest_ips resp_port proto via_proxy outcome events orig_bytes resp_bytes first_ts last_ts
        label""",
    "finding_part": "name amount unit",
    "hosts": "ip names macs vendor role first_ts last_ts flows services proxies direct_frac",
    "triage": "id finding_id made_ts who state note",
    "allow": "id dest resp_port hosts reason who made_ts expires_ts removed_ts removed_by",
    "watch": "id kind value origin reason who made_ts expires_ts",
    "blocklist": "id made_ts who format path serial sha256 entries",
}
"""Names that other people's scripts rely on; one may be added at the end, none may go."""


@pytest.mark.parametrize("table", TABLES)
def test_the_contract_is_kept(table: str) -> None:
    promised = CONTRACT[table].split()
    assert [field.name for field in TABLES[table]][: len(promised)] == promised


@pytest.mark.parametrize(("table", "fields"), TABLES.items())
def test_the_data_dictionary_is_complete(repo: Path, table: str, fields: tuple[Field, ...]) -> None:
    text = (repo / "docs" / "data-dictionary.md").read_text(encoding="utf-8")
    section = re.split(r"^##+ ", text.split(f"\n### {table}\n")[1], maxsplit=1, flags=re.M)[0]
    lines = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.*) \|$", section.replace("|  |", "|   |"), re.M)
    told = [(name, kind, unit.strip(), meaning) for name, kind, unit, meaning in lines]
    assert told == [(field.name, field.type, field.unit, field.meaning) for field in fields]


def test_every_source_state_is_explained(repo: Path) -> None:
    text = (repo / "docs" / "data-dictionary.md").read_text(encoding="utf-8")
    assert all(f"`{state}`" in text for state in SOURCE_STATES)


@pytest.mark.parametrize(("table", "fields"), LAKE_TABLES.items())
def test_columns_are_told_apart_and_explained(table: str, fields: tuple[Field, ...]) -> None:
    assert len({field.name for field in fields}) == len(fields)
    assert all(field.meaning.endswith(".") for field in fields)
    assert all(field.unit for field in fields if field.name.endswith(("_ts", "ts", "_s", "_bytes", "_pkts")))
    assert PARTITION_TS[table] in {field.name for field in fields if field.type == "int64"}


@pytest.mark.parametrize(("table", "fields"), LAKE_TABLES.items())
def test_columns_are_only_ever_added_at_the_end(table: str, fields: tuple[Field, ...]) -> None:
    """A row of the database is inserted by place, and a segment of an older version has the first columns."""
    versions = [field.since for field in fields]
    assert versions == sorted(versions)
    assert max(versions) <= LAKE_VERSION <= SCHEMA_VERSION


def test_every_column_that_came_later_says_so_in_the_dictionary(repo: Path) -> None:
    text = (repo / "docs" / "data-dictionary.md").read_text(encoding="utf-8")
    later = {field.since for fields in LAKE_TABLES.values() for field in fields} - {1}
    assert all(f"\n| {version} | " in text for version in sorted(later))


def test_the_words_of_columns_are_those_that_rows_have(repo: Path) -> None:
    assert sorted(CONN_STATES) == sorted(rows.CONN_STATES)
    assert rows.KIND_NAMES == EVENT_KINDS
    assert set(DNS_APPS) <= set(APP_NAMES)
    text = (repo / "docs" / "data-dictionary.md").read_text(encoding="utf-8")
    assert all(f"\n| `{word}` | {meaning} |\n" in text for word, meaning in NOTE_WORDS.items())
    assert not any(" " in word for word in NOTE_WORDS)


def test_the_words_of_notes_are_those_that_flows_write() -> None:
    assert set(NOTE_WORDS) == set(rows.NOTE_NAMES)
