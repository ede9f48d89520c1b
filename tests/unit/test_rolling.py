"""Rolling analysis and what it says of lossy time."""

import time
from pathlib import Path
from typing import Any

import pytest

from sensor import rolling
from sensor.analysis import analyze_store
from sensor.errors import StoreError
from sensor.losses import tell_losses
from sensor.rolling import MONTH_EVERY_NS, analyze_rolling
from sensor.site import Site
from sensor.store.columns import HEALTH
from sensor.store.findings import findings
from sensor.store.health import live_summary, save_health, shares
from sensor.store.store import Store
from tests.support.lake_rows import buckets_of, columns_of, row

S = 10**9
SHA = "ab" * 32
CLIENT, DEST = "10.0.0.57", "203.0.113.66"


def store_beats(store: Store, newest_ns: int, n: int, every_s: float, number: int) -> None:
    rows = [
        row("event", ts=newest_ns - int(i * every_s * S), uid=f"C{number}-{i}", orig_ip=CLIENT, resp_ip=DEST, dest=DEST,
            resp_port=443, proto="tcp", kind="connection", orig_bytes=100, resp_bytes=200, answered=True,
            name_source="none")
        for i in range(n)
    ]  # fmt: skip
    store.lake.append("event", store.segment_name(SHA, number), columns_of("event", rows), buckets_of(rows))


def test_the_day_is_scored_each_time_the_month_when_due_and_nothing_when_nothing_came(store_dir: Path) -> None:
    now = time.time_ns()
    with Store.open(store_dir, write=True) as store:
        store.begin_source(SHA, "eth1")
        store_beats(store, now - 3 * 24 * 3600 * S, 60, 3600, 0)  # a slow one, days ago
        report = analyze_rolling(store_dir, Site(), now)  # while the capture holds the store
        assert report.events == 0, "the day's own count"
        assert len(report.finding_ids) == 1
        again = analyze_rolling(store_dir, Site(), time.time_ns())
        assert again.notes == ["nothing was stored since the last rolling analysis"]
        store_beats(store, now, 60, 60, 1)
        later = time.time_ns()
        assert analyze_rolling(store_dir, Site(), later).events == 60
        assert [found["interval_s"] for found in findings(store)[0]] == [pytest.approx(60, rel=0.01)]
        store_beats(store, now, 2, 60, 2)
        assert analyze_rolling(store_dir, Site(), later + MONTH_EVERY_NS).finding_ids


def health(number: int, ts: int, **values: int) -> dict[str, object]:
    return {field.name: 0 for field in HEALTH} | {
        "source": SHA, "number": number, "ts": ts, "span_s": 60.0, "state": "up", "words": [], "seen": 1000,
        "packets": 1000, "acks": 500,
    } | values  # fmt: skip


def test_findings_of_lossy_time_say_so(store_dir: Path) -> None:
    now = time.time_ns()
    with Store.open(store_dir, write=True) as store:
        store.begin_source(SHA, "eth1")
        store_beats(store, now, 60, 60, 0)
        save_health(store, health(0, now - 2 * 3600 * S, dropped=500))  # before its time
        save_health(store, health(1, now - 60 * S))
        analyze_rolling(store_dir, Site(), now)
        assert not any("did not see" in reason for found in findings(store)[0] for reason in found["reasons"])
        save_health(store, health(2, now - 120 * S, dropped=100, ack_gaps=50, rows_lost=3))
        store_beats(store, now, 1, 60, 1)
        analyze_rolling(store_dir, Site(), time.time_ns())
        (found,) = findings(store)[0]
        assert found["reasons"][-1] == (
            "the sensor did not see everything in this time (0.05 of all packets were dropped on the sensor; "
            "0.05 of TCP acknowledgements were for bytes it never saw; 3 rows could not be stored): "
            "there may be more than is counted here"
        )
        (told,) = live_summary(store, now - 3600 * S)
        assert shares(told)["drop_frac"] == pytest.approx(0.05)
        assert shares(told)["one_sided_frac"] is None
        tell_losses(store, [])


def test_a_clock_that_was_ahead_once_stops_nothing(store_dir: Path) -> None:
    now = time.time_ns()
    nothing = ["nothing was stored since the last rolling analysis"]
    with Store.open(store_dir, write=True) as store:
        store.begin_source(SHA, "eth1")
        store_beats(store, now, 60, 60, 0)
        analyze_rolling(store_dir, Site(), now + 3650 * 24 * 3600 * S)
        assert analyze_rolling(store_dir, Site(), time.time_ns()).events == 60
        assert analyze_rolling(store_dir, Site(), time.time_ns()).notes == nothing


def test_what_retention_takes_away_meanwhile_is_looked_for_again(
    store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, failures = time.time_ns(), iter(["No such file or directory", "No such file or directory", "bad page"])

    def failing(*args: Any) -> Any:
        if words := next(failures, ""):
            raise StoreError(f"cannot read the events: {words}")
        return analyze_store(*args)

    with Store.open(store_dir, write=True) as store:
        store.begin_source(SHA, "eth1")
        store_beats(store, now, 60, 60, 0)
        monkeypatch.setattr(rolling, "analyze_store", failing)
        with pytest.raises(StoreError, match="bad page"):
            analyze_rolling(store_dir, Site(), now)
        failures = iter(["No such file or directory"])
        assert analyze_rolling(store_dir, Site(), now).events == 60
