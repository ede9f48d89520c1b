"""Times out as RFC 3339 and in as people write them; numbers as people read them."""

import pytest

from sensor.cli.human import human_bytes, human_duration, plural
from sensor.cli.times import NS, parse_when, rfc3339, short_time
from sensor.errors import UsageError

NOW_NS = 1_700_000_000 * NS  # 2023-11-14T22:13:20Z
DAY_START_NS = 1_699_920_000 * NS


@pytest.mark.parametrize(
    ("ts_ns", "text"),
    [
        (NOW_NS, "2023-11-14T22:13:20.000000000Z"),
        (NOW_NS + 1, "2023-11-14T22:13:20.000000001Z"),
        (0, "1970-01-01T00:00:00.000000000Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (-(2**63), "1677-09-21T00:12:43.145224192Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854775807Z"),
    ],
)
def test_rfc3339(ts_ns: int, text: str) -> None:
    assert rfc3339(ts_ns) == text
    assert parse_when(text, NOW_NS) == ts_ns
    assert short_time(ts_ns) == text[:10] + " " + text[11:19]


@pytest.mark.parametrize(
    ("text", "ts_ns"),
    [
        ("2023-11-14T22:13:20Z", NOW_NS),
        ("2023-11-14t22:13:20z", NOW_NS),
        ("2023-11-14 22:13:20", NOW_NS),
        ("2023-11-15T07:13:20+09:00", NOW_NS),
        ("2023-11-14T17:13:20.5-05:00", NOW_NS + NS // 2),
        ("2023-11-14T22:13", NOW_NS - 20 * NS),
        ("2023-11-14", DAY_START_NS),
        ("-24h", NOW_NS - 86_400 * NS),
        ("24h", NOW_NS - 86_400 * NS),
        ("7d", NOW_NS - 7 * 86_400 * NS),
        ("2w", NOW_NS - 14 * 86_400 * NS),
        ("90s", NOW_NS - 90 * NS),
        ("30m", NOW_NS - 1_800 * NS),
    ],
)
def test_times_that_people_write(text: str, ts_ns: int) -> None:
    assert parse_when(text, NOW_NS) == ts_ns


def test_a_date_that_ends_a_range_takes_in_its_day() -> None:
    assert parse_when("2023-11-14", NOW_NS, is_end=True) == DAY_START_NS + 86_400 * NS
    assert parse_when("2023-11-14T00:00:00Z", NOW_NS, is_end=True) == DAY_START_NS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2023-13-01",
        "2023-11-14T25:00:00Z",
        "24",
        "5y",
        "999999999w",
        "9999-01-01",
        "2023-11-14T22:13:20+9",
    ],
)
def test_other_words_are_errors_that_say_what_is_allowed(text: str) -> None:
    with pytest.raises(UsageError, match=r"RFC 3339.*-24h"):
        parse_when(text, NOW_NS)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.0351, "35.1 ms"), (1, "1 s"), (59.96, "60 s"), (60.2, "60.2 s"), (300, "5 min"), (5_400, "90 min"),
     (7_200, "2 h"), (86_400, "24 h"), (172_800, "2 d"), (-3, "-3 s")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@pytest.mark.parametrize(
    ("n_bytes", "text"), [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (999_960, "1.0 MB"), (3.4e9, "3.4 GB"),
                          (5e15, "5,000.0 TB")],
)  # fmt: skip
def test_bytes(n_bytes: float, text: str) -> None:
    assert human_bytes(n_bytes) == text


def test_plural() -> None:
    assert (plural(1, "flow"), plural(1_234, "flow")) == ("1 flow", "1,234 flows")
