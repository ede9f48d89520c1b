"""The data dictionary, the contract and the code name the same columns."""

import re
from pathlib import Path

import pytest

from sensor.store.columns import DNS, EVENT, FINDING, FLOW, LAKE_TABLES, PARTITION_TS, Field
from sensor.store.schema import SOURCE_STATES

TABLES = {"flow": FLOW, "event": EVENT, "dns": DNS, "finding": FINDING}

CONTRACT = {
    "flow": """uid community_id first_ts last_ts duration_s proto orig_ip orig_port resp_ip resp_port vlan_id name
        name_source app via_proxy ja3 ja4 user_agent conn_state history orig_pkts resp_pkts orig_bytes resp_bytes
        orig_ip_bytes resp_ip_bytes end_reason source""",
    "event": """ts uid orig_ip resp_ip resp_port proto dest name_source kind orig_bytes resp_bytes duration_s via_proxy
        answered method uri user_agent ja4 source""",
    "dns": "ts orig_ip resp_ip qname qtype rcode answers ttl",
    "finding": """id analyzer orig_ip dest dest_ips resp_port proto score severity first_ts last_ts events interval_s
        jitter_frac via_proxy outcome reasons techniques state note""",
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
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.*) \|$", section.replace("|  |", "|   |"), re.M)
    rows = [(name, kind, unit.strip(), meaning) for name, kind, unit, meaning in rows]
    assert rows == [(field.name, field.type, field.unit, field.meaning) for field in fields]


def test_every_source_state_is_explained(repo: Path) -> None:
    text = (repo / "docs" / "data-dictionary.md").read_text(encoding="utf-8")
    assert all(f"`{state}`" in text for state in SOURCE_STATES)


@pytest.mark.parametrize(("table", "fields"), LAKE_TABLES.items())
def test_columns_are_told_apart_and_explained(table: str, fields: tuple[Field, ...]) -> None:
    assert len({field.name for field in fields}) == len(fields)
    assert all(field.meaning.endswith(".") for field in fields)
    assert all(field.unit for field in fields if field.name.endswith(("_ts", "ts", "_s", "_bytes", "_pkts")))
    assert PARTITION_TS[table] in {field.name for field in fields if field.type == "int64"}
