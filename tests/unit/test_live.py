"""The parts of a live capture that need no network: accounts by the minute, backpressure, the clock, a dead disk."""

import queue
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensor.cli.live import describe_live, troubles
from sensor.errors import StoreError, UsageError
from sensor.flows.tracker import FlowTracker, Timeouts
from sensor.live import portion as portion_module
from sensor.live import worker as worker_module
from sensor.live.meter import INTERVAL_S, Meter
from sensor.live.metrics import exposition, serve
from sensor.live.portion import COUNTED, Inbox, Portion, QueueSink, Snapshot
from sensor.live.worker import Worker
from sensor.live.writer import Writer
from sensor.store.columns import HEALTH
from sensor.store.health import health_rows
from sensor.store.questions import flows
from sensor.store.store import Store
from tests.support.packets import CLIENT, SERVER, T0, Packet, S, rows_of

SOURCE = "live" + "ab" * 14


def snapshot(worker: int = 0, state: str = "up", words: list[str] | None = None, **counted: int) -> Snapshot:
    return Snapshot(
        worker=worker, counted=dict.fromkeys(COUNTED, 0) | counted,
        counters={"decode": {"ok": counted.get("packets", 0)}},
        flows_live=10, flows_max=100, ring_frac=0.1 * (worker + 1), state=state, oldest_ts=T0, newest_ts=T0 + worker,
        words=words or [],
    )  # fmt: skip


def test_workers_are_added_up_and_intervals_hold_what_came_in_them() -> None:
    meter = Meter(SOURCE, 0.0, T0)
    meter.take(snapshot(0, packets=100, dropped=1, words=["interface down"]))
    meter.take(snapshot(1, "down", packets=50))
    meter.wrote(7, 1000, 0.5)
    row = meter.row(30.0)
    assert set(row) == {field.name for field in HEALTH}
    assert (row["packets"], row["dropped"], row["rows"], row["bytes_written"], row["flush_s"]) == (150, 1, 7, 1000, 0.5)
    assert (row["state"], row["ring_frac"], row["flows_live"], row["words"]) == ("down", 0.2, 20, ["interface down"])
    assert not meter.turn(INTERVAL_S - 1, T0)
    assert meter.turn(INTERVAL_S, T0 + 60 * S)
    meter.take(snapshot(0, packets=110, dropped=1))
    row = meter.row(70.0)
    assert (row["number"], row["ts"], row["span_s"], row["packets"], row["dropped"]) == (1, T0 + 60 * S, 10.0, 10, 0)
    assert row["words"] == []
    assert meter.counters() == {"decode": {"ok": 160}}
    assert meter.span() == (T0, T0 + 1)


def tracker_with(sink: Any, n_flows: int) -> FlowTracker:
    tracker = FlowTracker(sink, max_flows=1024, buffer_rows=1024, timeouts=Timeouts())
    packets = [Packet(T0 + i, CLIENT, SERVER, 1000 + i, 9999, 17, b"x") for i in range(n_flows)]
    rows, frames = rows_of(packets)
    from sensor.capture.batch import Batch

    none = np.zeros(0, np.int64)
    shorts = np.zeros(0, np.uint16)
    tracker.add(Batch(frames, none, none, none, np.zeros(0, np.uint32), shorts, shorts), rows)
    return tracker


def test_time_passes_on_an_idle_link() -> None:
    inbox: Inbox = queue.Queue()
    tracker = tracker_with(QueueSink(inbox, "eth1"), 5)
    tracker.tick(T0 + 30 * S)
    assert tracker.live_flows == 5
    tracker.tick(T0 + 62 * S)
    assert tracker.live_flows == 0
    tracker.tick(T0 - 3600 * S)  # a clock set back
    tracker.drain()
    taken = inbox.get_nowait()
    assert isinstance(taken, Portion)
    assert taken.rows["flow"] == 5


def test_a_writer_that_does_not_keep_up_costs_rows_and_not_the_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portion_module, "PUT_TIMEOUT_S", 0.01)
    inbox: Inbox = queue.Queue(1)
    sink = QueueSink(inbox, "eth1")
    for expected in (0, 10, 20):  # five flows with an event each
        tracker_with(sink, 5).finish()
        assert sink.rows_lost == expected
    assert inbox.qsize() == 1


def test_portions_are_not_overwritten_by_the_next(store_dir: Path) -> None:
    inbox: Inbox = queue.Queue()
    sink = QueueSink(inbox, "eth1")
    for n in (300, 200):
        tracker_with(sink, n).finish()
    with Store.open(store_dir, write=True) as store:
        for number in range(2):
            taken = inbox.get_nowait()
            assert isinstance(taken, Portion)
            for table, columns, bucket in taken.parts:
                store.lake.append(table, store.segment_name(SOURCE, number), columns, bucket)
        rows = list(flows(store)[0])
    assert len({(row["orig_port"], row["uid"]) for row in rows}) == 300
    assert len(rows) == 500


def test_a_clock_that_is_set_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    worker = Worker(0, lambda: pytest.fail("no ring"), queue.Queue(), source="nope0", timeouts=Timeouts(), flush_s=1,
                    max_flows=1024, tell=said.append)  # fmt: skip
    monkeypatch.setattr(worker, "_check_interface", lambda: None)
    now = time.time_ns
    worker._check()
    assert said == []
    monkeypatch.setattr(worker_module.time, "time_ns", lambda: now() + 3600 * S)
    worker._check()
    worker._check()
    monkeypatch.setattr(worker_module.time, "time_ns", now)
    worker._check()
    assert said == ["nope0: clock step +3600.0 s", "nope0: clock step -3600.0 s"]


def test_a_writer_whose_database_fails_keeps_the_rows_for_later(
    store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sensor.live import writer as writer_module

    said: list[str] = []
    inbox: Inbox = queue.Queue()
    save = writer_module.save_health
    with Store.open(store_dir, write=True) as store:
        store.begin_source(SOURCE, "eth1")
        writer = Writer(store, SOURCE, inbox, floor_bytes=0, settings={}, tell=said.append)

        def fails(*_: Any) -> None:
            raise StoreError("cannot write to the store: disk I/O error")

        monkeypatch.setattr(writer_module, "save_health", fails)
        writer._note(snapshot(packets=5))
        writer.meter.turn(time.monotonic() + INTERVAL_S, time.time_ns())
        writer._note(snapshot(packets=9))
        assert health_rows(store, 0, 2**62) == []
        monkeypatch.setattr(writer_module, "save_health", save)
        writer._note(snapshot(packets=9))
        assert [row["packets"] for row in health_rows(store, 0, 2**62)] == [5, 4]
        assert len(said) == 1
        inbox.put(None)
        writer.run()
        assert store.health()["sources"] == {"complete": 1}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, ""),
        ({"nic_dropped": 3}, "the interface dropped 3 packets"),
        ({"dropped": 1}, "the kernel dropped 1 packet:"),
        ({"loss_frac": 0.05}, "5 % of acknowledgements are for bytes nobody saw"),
        ({"one_sided_frac": 0.5}, "50 % of connections show one side only"),
        ({"duplicate_frac": 0.5}, "50 % of packets come twice"),
        ({"evicted": 2}, "2 flows had to be reported early"),
        ({"rows_lost": 2}, "2 rows could not be written"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(values: dict[str, Any], told: str) -> None:
    row = {field.name: 0 for field in HEALTH} | {
        "interface": "eth1", "run": "running", "state": "up", "last_ts": T0, "words": [], "drop_frac": 0.0,
        "loss_frac": None, "one_sided_frac": None, "duplicate_frac": None, "span_s": 3600.0,
    }  # fmt: skip
    said = list(troubles(row | values))
    assert len(said) == bool(told)
    assert not told or said[0].startswith(told)
    lines = list(describe_live(row | values, T0 + 10 * S))
    assert lines[0] == "live        eth1: up, watched"
    assert next(describe_live(row, T0 + 600 * S)).startswith("live        eth1: no sign of life since")


def test_metrics_are_served_on_the_loopback_only() -> None:
    page = exposition('e"th\\1', {"packets": 5, "ring_frac": 0.25, "flows_live": 7})
    assert page == (
        '# TYPE kagami_packets_total counter\nkagami_packets_total{interface="e\\"th\\\\1"} 5\n'
        '# TYPE kagami_ring_frac gauge\nkagami_ring_frac{interface="e\\"th\\\\1"} 0.25\n'
        '# TYPE kagami_flows_live gauge\nkagami_flows_live{interface="e\\"th\\\\1"} 7\n'
    )
    server = serve(0, lambda: page)
    try:
        host, port = server.server_address[:2]
        assert host == "127.0.0.1"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            assert answer.read().decode() == page
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60)
        with pytest.raises(UsageError, match="choose another port"):
            serve(int(port), lambda: page)
    finally:
        server.shutdown()
        server.server_close()
