"""The page of a finding, its charts, and the progress line."""

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from sensor.cli.charts import bar, counts_in_slots, ratio_bins, sparkline
from sensor.cli.page import finding_page
from sensor.cli.pictures import histogram, timeline
from sensor.cli.progress import ProgressLine, describe
from sensor.cli.session import Session
from sensor.response.dossier import ACTIVITY_SLOTS as TIMELINE_SLOTS
from sensor.response.dossier import Dossier
from sensor.workdays import Calendar
from tests.support.cli_store import HOSTILE, N_BEATS, S, beats, finding
from tests.support.lake_rows import NOON_NS

FLOWS = beats()
EVENTS = [{"ts": flow["first_ts"], "orig_bytes": 512, "resp_bytes": 1_834} for flow in FLOWS]


def dossier(events: list[dict[str, Any]] = EVENTS, **values: Any) -> Dossier:
    row = {"id": 7, "state": "new", "note": "", "allowed_by": None} | finding(**values)
    return Dossier(finding=row, flows=FLOWS, events=events)


def page(width: int = 100, store: str = "", events: list[dict[str, Any]] = EVENTS, **values: Any) -> str:
    return "\n".join(finding_page(dossier(events, **values), width, store))


def test_it_says_why_when_and_what_to_do() -> None:
    text = page()
    assert text.startswith("Finding 7: beacon, critical (score 0.97, new)\n10.0.0.57 -> cdn.updates.example 443/tcp\n")
    assert f"- {N_BEATS} connections, one every 60 s within 2 %" in text
    assert "interval      60 s, spread 2%" in text
    assert f"{N_BEATS} events" in text
    assert f"and {N_BEATS - 8} more, {N_BEATS} flows kept in all" in text
    for title in (
        "Why",
        "What is known",
        "When",
        "Intervals",
        "Flows behind it",
        "What to do",
        "Commands to go on with",
    ):
        assert f"\n\n{title}\n" in text


@pytest.mark.parametrize("width", [20, 60, 80, 100, 300])
def test_text_fits_the_width(width: int) -> None:
    text = page(width, reasons=["word " * 100])
    commands = text.index("Commands to go on with")  # they are for copying, so they are not broken
    assert max(map(len, text[:commands].splitlines())) <= max(60, min(width, 100))


def test_hostile_text_is_shown_and_never_in_a_command() -> None:
    text = page(dest=HOSTILE, reasons=[HOSTILE], note=HOSTILE, via_proxy=HOSTILE, dest_ips=["198.51.100.23", HOSTILE])
    assert text.replace("\n", "").isprintable()
    assert "hunt 198.51.100.23" in text
    assert "calc" not in text[text.index("Commands to go on with") :]


def test_commands_are_quoted_for_the_shell() -> None:
    text = page(dest="x;reboot$(id)`id`", store="/tmp/my store")
    assert "kagami --store '/tmp/my store' hunt 'x;reboot$(id)`id`'" in text


def test_without_events_there_is_no_chart() -> None:
    text = page(events=[], interval_s=0.0, jitter_frac=0.0)
    assert "When" not in text
    assert "Intervals" not in text
    assert "interval  " not in text


def test_it_says_when_not_all_events_are_kept() -> None:
    assert "are kept" not in page()
    assert f"{N_BEATS} events, 41.8 s a mark, 1 at most; of 5,000, these are kept" in page(events=EVENTS) + "\n".join(
        finding_page(replace(dossier(), finding=dossier().finding | {"events": 5_000}), 100)
    )


def test_the_interval_and_its_multiples_are_named() -> None:
    ts, events = 0, []
    for gap_s in [60, 60.1, 60, 59.9, 120, 60, 180.2, 60]:
        events.append({"ts": ts})
        ts += int(gap_s * S)
    lines = list(histogram([*events, {"ts": ts}], 60.0))
    assert lines[0].endswith("the interval")
    assert sum(line.endswith("x 2") for line in lines) == 1
    assert lines[-1].endswith("x 3")
    assert not any("x" in line for line in histogram(events, 0))


def drawn(events: list[dict[str, Any]], **known: Any) -> list[str]:
    """The lines of a timeline."""
    return list(timeline(Dossier({"events": len(events)}, events=events, **known)))


def test_where_nothing_was_captured_is_marked() -> None:
    captures = [{"first_ts": 0, "last_ts": 29 * S}, {"first_ts": 50 * S, "last_ts": 59 * S}]
    events = [{"ts": 0}, {"ts": 59 * S}]
    lines = drawn(events, activity=[0, 1, 5] + [0] * 53, captures=captures)
    assert "x" * 18 in lines[2]
    assert lines[-1] == " x: nothing was captured"
    assert lines[-2].endswith("5 at most")
    assert not any("captured" in line for line in drawn(events, captures=[{"first_ts": 0, "last_ts": 60 * S}]))


def test_where_packets_were_lost_is_marked() -> None:
    captures = [{"first_ts": 0, "last_ts": 29 * S}]
    lines = drawn([{"ts": 0}, {"ts": 55 * S}], captures=captures, lossy=[{"first_ts": 10 * S, "last_ts": 12 * S}])
    assert lines[1] == " " + " " * 10 + "!!!" + " " * 17 + "x" * 26
    assert lines[-2:] == [" x: nothing was captured", " !: packets were lost"]


def test_hours_in_which_nobody_works_are_marked() -> None:
    """A week from Friday 2025-11-21 00:00 UTC, with Labor Thanksgiving Day (observed on Monday) in it."""
    start = int(datetime(2025, 11, 21, tzinfo=UTC).timestamp()) * S
    end = start + 7 * 86_400 * S
    calendar = Calendar("UTC", country="JP")
    spans = [{"first_ts": a, "last_ts": b} for a, b in calendar.closed_spans(start, end)]
    holidays = [{"first_ts": a, "last_ts": b, "name": name} for a, b, name in calendar.holidays(start, end)]
    lines = drawn([{"ts": start + hour * 3_600 * S} for hour in (0, 9, 57, 87, 168)], closed=spans, holidays=holidays)
    marks, days = lines[1][1:], lines[2][1:]
    assert len(marks) == len(days) == TIMELINE_SLOTS
    slots = [marks[8 * day : 8 * day + 8] for day in range(7)]  # of three hours each
    assert [slot[3:6] for slot in slots] == ["   ", "---", "hhh", "hhh", "   ", "   ", "   "]
    assert slots[0][0] == slots[6][7] == "-"
    assert " -: nobody at work: 4 of 5 events" in lines
    assert any(line.startswith(" h: Labor Thanksgiving Day") for line in lines)
    assert max(map(len, lines)) <= 78


def test_without_a_calendar_hours_are_not_told() -> None:
    assert not any("work" in line for line in drawn([{"ts": 0}, {"ts": 86_400 * S}]))


def test_the_name_of_a_holiday_is_cleaned() -> None:
    day = {"first_ts": 0, "last_ts": 86_400 * S, "name": "\x1b[31m" + "x" * 300}
    lines = drawn([{"ts": 0}, {"ts": 80_000 * S}], closed=[day], holidays=[day])
    assert "\x1b" not in "".join(lines)
    assert max(map(len, lines)) <= 78


def test_a_long_timeline_shows_days() -> None:
    events = [{"ts": 0}, {"ts": 5 * 86_400 * S}]
    _, days, *_, last = drawn(events)
    assert days.count("|") == 5
    assert last == " |: midnight, UTC"


def test_sparkline() -> None:
    assert sparkline([]) == ""
    assert sparkline([0, 0]) == "  "
    assert sparkline([0, 1, 8, 1000]) == " ▁▁█"
    assert len(sparkline(list(range(50)))) == 50


def test_counts_in_slots_loses_nothing() -> None:
    assert counts_in_slots([0, 1, 2, 3, 9], 0, 9, 5) == [2, 2, 0, 0, 1]
    assert sum(counts_in_slots([NOON_NS + i * S for i in range(100)], NOON_NS, NOON_NS + 99 * S, 7)) == 100
    assert counts_in_slots([5, 5], 5, 5, 4) == [2, 0, 0, 0]


def test_ratio_bins() -> None:
    assert ratio_bins([], 8) == []
    assert ratio_bins([0.0, -1.0], 8) == []
    assert ratio_bins([60.0, 60.5, 61.0], 8) == [(60.0, 61.0, 3)]
    bins = ratio_bins([1.0, 2.0, 1000.0], 3)
    assert [n for _, _, n in bins] == [2, 0, 1]
    assert [low for low, _, _ in bins] == pytest.approx([1, 10, 100])


def test_bar_shows_even_the_smallest() -> None:
    assert [bar(0, 1000, 10), bar(1, 1000, 10), bar(1000, 1000, 10)] == ["", "█", "█" * 10]


def progress(**values: Any) -> Any:
    return SimpleNamespace(**{"source": "a.pcap", "bytes_done": 120_000_000, "bytes_total": 1_400_000_000,
                              "packets": 260_000, "seconds": 0.2} | values)  # fmt: skip


def test_progress_in_words() -> None:
    assert describe(progress()) == "a.pcap: 120.0 MB of 1.4 GB (8%), 260,000 packets, 1,300,000 packets/s, 2.13 s left"
    assert describe(progress(bytes_total=None)).startswith("a.pcap: 120.0 MB, 260,000 packets")
    assert describe(progress(seconds=0, bytes_done=0)) == "a.pcap: 0 B of 1.4 GB (0%), 260,000 packets, 0 packets/s"


@pytest.mark.parametrize(
    ("settings", "shown"), [({}, True), ({"is_quiet": True}, False), ({"has_progress": False}, False)]
)
def test_progress_is_shown_unless_unwanted(
    settings: dict[str, bool], shown: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensor.cli.progress.PLAIN_EVERY_S", 0.0)
    with ProgressLine(Session(**settings)) as line:  # type: ignore[arg-type]
        line(progress(source="\x1b[2Jx\n"))
    out, err = capsys.readouterr()
    assert out == ""
    assert ("\\x1b[2Jx\\n: 120.0 MB" in err) is shown
    assert "\x1b" not in err
