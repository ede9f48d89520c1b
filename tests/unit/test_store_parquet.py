"""The Parquet writer on chosen inputs: what it refuses, what costs nothing, what its footers say."""

from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from sensor.store import thrift
from sensor.store.columnar import bools, coded, constant, floats, ints, pack_words, text
from sensor.store.parquet import Scratch, write_parquet


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [
        ("uint8", "int32"),
        ("int16", "int32"),
        ("uint16", "int32"),
        ("int32", "int32"),
        ("uint32", "int64"),
        ("int64", "int64"),
    ],
)
def test_integers_keep_their_range(tmp_path: Path, dtype: str, stored: str) -> None:
    info = np.iinfo(dtype)
    values = np.array([info.min, info.max, 0, info.max], dtype)
    write_parquet(tmp_path / "t", [ints("n", values)])
    table = pyarrow.parquet.read_table(tmp_path / "t")
    assert str(table.schema.field("n").type) == stored
    assert table["n"].to_pylist() == values.tolist()


@pytest.mark.parametrize("values", [np.array([1], np.uint64), np.array([1.5])])
def test_integers_that_do_not_fit_are_refused(values: np.ndarray) -> None:
    with pytest.raises(TypeError, match="does not fit int64"):
        ints("n", values)


def test_columns_of_different_length_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="b has 2 rows, a has 3"):
        write_parquet(tmp_path / "t", [floats("a", np.zeros(3)), bools("b", np.zeros(2))])


@pytest.mark.parametrize("code", [-1, 2, 2**31 - 1])
def test_a_code_outside_its_words_is_refused_and_the_scratch_stays_usable(tmp_path: Path, code: int) -> None:
    words = pack_words(["a", "b"])
    scratch = Scratch()
    with pytest.raises(ValueError, match="column c: a code or an offset"):
        write_parquet(tmp_path / "t", [coded("c", [1, 0, code], *words)], scratch=scratch)
    write_parquet(tmp_path / "t", [coded("c", [1, 0, 1], *words)], scratch=scratch)
    assert pyarrow.parquet.read_table(tmp_path / "t")["c"].to_pylist() == ["b", "a", "b"]


@pytest.mark.parametrize("offsets", [[0, 5, 3], [0, 2, 9], [-1, 2, 3], []])
@pytest.mark.parametrize("make", [text, lambda name, o, d: coded(name, [0, 1], o, d)], ids=["text", "coded"])
def test_offsets_outside_the_data_are_refused(tmp_path: Path, offsets: list[int], make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="column c"):
        write_parquet(tmp_path / "t", [make("c", np.array(offsets, np.int64), np.frombuffer(b"abc", np.uint8))])


@pytest.mark.parametrize("rows", [[-1], [3]])
def test_rows_outside_the_table_are_refused(tmp_path: Path, rows: list[int]) -> None:
    with pytest.raises(ValueError, match="not within 0 to 2"):
        write_parquet(tmp_path / "t", [floats("a", np.zeros(3))], rows=np.array(rows, np.int64))


def test_valid_utf8_stays_and_split_characters_are_shown_as_bytes(tmp_path: Path) -> None:
    data = np.frombuffer("é日x".encode(), np.uint8)
    whole = text("whole", np.array([0, 2, 5, 6]), data)
    split = text("split", np.array([0, 1, 5, 6]), data)  # the first value ends inside a character
    write_parquet(tmp_path / "t", [whole, split])
    table = pyarrow.parquet.read_table(tmp_path / "t")
    assert table["whole"].to_pylist() == ["é", "日", "x"]
    assert table["split"].to_pylist() == ["\\xc3", "\\xa9日", "x"]


def test_constant_columns_cost_nothing(tmp_path: Path) -> None:
    n = 100_000
    columns = [
        constant("source", "office.pcap", n),
        ints("vlan_id", np.zeros(n, np.uint16)),
        text("uri", *pack_words([""] * n)),
    ]
    assert write_parquet(tmp_path / "t", columns) < 20_000  # 0.2 bytes a row for three columns, headers included


def test_a_dictionary_holds_only_the_words_in_use(tmp_path: Path) -> None:
    words = pack_words([f"word {i}" for i in range(100_000)])
    size = write_parquet(tmp_path / "t", [coded("c", np.arange(100_000), *words)], rows=np.array([70_000, 5, 70_000]))
    assert size < 1_000
    assert pyarrow.parquet.read_table(tmp_path / "t")["c"].to_pylist() == ["word 70000", "word 5", "word 70000"]


def test_row_groups_are_bounded_and_every_column_is_required(tmp_path: Path) -> None:
    write_parquet(tmp_path / "t", [ints("a", np.arange(10))], row_group_rows=4)
    meta = pyarrow.parquet.read_metadata(tmp_path / "t")
    assert [meta.row_group(i).num_rows for i in range(meta.num_row_groups)] == [4, 4, 2]
    assert meta.schema.column(0).max_definition_level == 0
    assert meta.created_by == "kagami"


def test_the_file_is_not_for_the_world(tmp_path: Path) -> None:
    write_parquet(tmp_path / "t", [ints("a", np.arange(3))])
    assert (tmp_path / "t").stat().st_mode & 0o007 == 0


@pytest.mark.parametrize(
    ("value", "encoded"),
    [(0, "00"), (-1, "01"), (1, "02"), (63, "7e"), (-64, "7f"), (64, "8001"), (2**63 - 1, "fe" + "ff" * 8 + "01")],
)
def test_thrift_numbers(value: int, encoded: str) -> None:
    assert thrift.zigzag(value).hex() == encoded


def test_thrift_lists_say_their_length() -> None:
    assert thrift.i32s(1, [1, 2]).hex() == "19250204"
    assert thrift.i32s(1, [0] * 16)[:3].hex() == "19f510"
