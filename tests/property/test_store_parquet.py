"""Any columns come back from a Parquet file as they went in, from two readers that share no code."""

import math
import struct
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.store.columnar import Column, bools, coded, constant, floats, ints, pack_words, text
from sensor.store.parquet import Scratch, write_parquet

INT32 = st.integers(-(2**31), 2**31 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)
WORDS = st.one_of(st.text(max_size=12), st.just(""), st.integers(0, 9).map(lambda n: "long" * 300 * n))


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Column], list[list[Any]], list[int]]:
    """Columns, the same as lists of values, and rows to take."""
    n = draw(st.one_of(st.integers(0, 5), st.integers(120, 140), st.integers(0, 700)))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)

    def repeated(elements: st.SearchStrategy[Any]) -> list[Any]:
        """n values out of a small drawn pool: long columns without drawing each value."""
        pool = draw(st.lists(elements, min_size=1, max_size=20))
        return [pool[i] for i in rng.integers(0, len(pool), n)]

    wide = repeated(INT64)
    narrow = repeated(INT32)
    times = np.cumsum(rng.integers(-5, 10**9, n)).tolist()
    random = rng.integers(-(2**63), 2**63 - 1, n).tolist()
    ports = repeated(st.integers(0, 65535))
    doubles = repeated(st.floats())
    flags = repeated(st.booleans())
    strings = repeated(WORDS)
    vocabulary = draw(st.lists(WORDS, min_size=1, max_size=40, unique=True))
    vocabulary += [f"word {i}" for i in range(draw(st.sampled_from([0, 0, 700])))]
    codes = rng.integers(0, len(vocabulary), n)
    word = draw(WORDS)
    columns = [
        ints("wide", np.array(wide, np.int64)),
        ints("narrow", np.array(narrow, np.int32)),
        ints("times", np.array(times, np.int64)),
        ints("random", np.array(random, np.int64)),
        ints("ports", np.array(ports, np.uint16)),
        floats("doubles", np.array(doubles, np.float64)),
        bools("flags", np.array(flags, np.bool_)),
        text("strings", *pack_words(strings)),
        coded("words", codes, *pack_words(vocabulary)),
        constant("word", word, n),
    ]
    values = [wide, narrow, times, random, ports, doubles, flags, strings, [vocabulary[c] for c in codes], [word] * n]
    rows = draw(st.sampled_from(["all", "none", "some", "shuffled"]))
    chosen = {
        "all": list(range(n)),
        "none": [],
        "some": np.flatnonzero(rng.random(n) < 0.3).tolist(),
        "shuffled": rng.permutation(n).tolist(),
    }[rows]
    return columns, values, chosen


def comparable(value: Any) -> Any:
    """Floats by their bits, except that one NaN is as good as another; everything else as it is."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    return value


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parquet") / "table.parquet"


SCRATCH = Scratch()  # used again by every example: nothing of one file may show in the next


@given(tables(), st.sampled_from([1, 7, 128, 129, 10_000]))
def test_two_readers_give_back_what_was_written(
    place: Path, table: tuple[list[Column], list[list[Any]], list[int]], row_group_rows: int
) -> None:
    columns, values, chosen = table
    if row_group_rows == 1:
        chosen = chosen[:20]
    rows = np.array(chosen, np.int64)
    size = write_parquet(place, columns, rows=rows, row_group_rows=row_group_rows, scratch=SCRATCH)
    assert size == place.stat().st_size
    names = [column.name for column in columns]
    expected = [[comparable(value[i]) for i in chosen] for value in values]

    arrow = pyarrow.parquet.read_table(place)
    assert arrow.column_names == names
    assert [[comparable(v) for v in arrow[name].to_pylist()] for name in names] == expected
    assert all(not field.nullable for field in arrow.schema)

    with duckdb.connect() as connection:
        result = connection.execute("SELECT * FROM read_parquet(?)", [str(place)])
        assert [column[0] for column in result.description] == names
        got = result.fetchall()
    assert [[comparable(row[i]) for row in got] for i in range(len(names))] == expected


@given(st.lists(st.binary(max_size=20), max_size=30), st.booleans())
def test_any_bytes_from_the_network_can_be_read_again(place: Path, values: list[bytes], as_words: bool) -> None:
    offsets, data = pack_words(values)
    column = coded("raw", np.arange(len(values)), offsets, data) if as_words else text("raw", offsets, data)
    write_parquet(place, [column])
    expected = [value.decode("utf-8", "backslashreplace") for value in values]
    assert pyarrow.parquet.read_table(place)["raw"].to_pylist() == expected
    with duckdb.connect() as connection:
        got = connection.execute("SELECT raw FROM read_parquet(?)", [str(place)]).fetchall()
    assert [value for (value,) in got] == expected


@given(st.lists(INT64, min_size=1, max_size=300), INT64)
def test_statistics_never_hide_a_row(place: Path, values: list[int], asked: int) -> None:
    """Readers leave out row groups by their smallest and largest value."""
    write_parquet(place, [ints("ts", np.array(values, np.int64))], row_group_rows=50)
    with duckdb.connect() as connection:
        for bound in (asked, values[0]):
            got = connection.execute("SELECT ts FROM read_parquet(?) WHERE ts >= ?", [str(place), bound]).fetchall()
            assert sorted(v for (v,) in got) == sorted(v for v in values if v >= bound)
    meta = pyarrow.parquet.read_metadata(place)
    for group in range(meta.num_row_groups):
        part = values[group * 50 : (group + 1) * 50]
        statistics = meta.row_group(group).column(0).statistics
        assert (statistics.min, statistics.max) == (min(part), max(part))
