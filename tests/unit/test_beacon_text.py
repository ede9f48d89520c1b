"""Numbers in sentences."""

import pytest

from analyzers import text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 s"),
        (0.45, "0.45 s"),
        (1.5, "1.5 s"),
        (12.0, "12 s"),
        (119.0, "119 s"),
        (120.0, "2 min"),
        (660.0, "11 min"),
        (7200.0, "2 h"),
        (172_800.0, "2 d"),
        (8_640_000.0, "100 d"),
    ],
)
def test_duration(seconds: float, words: str) -> None:
    assert text.duration(seconds) == words


@pytest.mark.parametrize(("seconds", "words"), [(60.12, "60.1 s"), (0.6, "0.6 s"), (300.0, "300 s"), (900.0, "15 min")])
def test_interval(seconds: float, words: str) -> None:
    assert text.interval(seconds) == words


@pytest.mark.parametrize(
    ("n", "words"),
    [(1, "1 byte"), (310, "310 bytes"), (12_340, "12.3 KB"), (4_100_000, "4.1 MB"), (7_000_000_000, "7 GB")],
)
def test_size(n: int, words: str) -> None:
    assert text.size(n) == words


@pytest.mark.parametrize(("share", "words"), [(0.0, "0 %"), (0.004, "0.4 %"), (0.03, "3 %"), (1.0, "100 %")])
def test_percent(share: float, words: str) -> None:
    assert text.percent(share) == words


def test_count() -> None:
    assert text.count(1, "beat") == "1 beat"
    assert text.count(1234, "beat") == "1,234 beats"
    assert text.count(2, "stretch", "stretches") == "2 stretches"
