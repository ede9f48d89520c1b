"""What holds for any packets: batches, buffers, clocks and directions do not matter, and none is lost."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.flows import tracker as trackers
from sensor.flows.tracker import Timeouts
from tests.support.checked import run_checked
from tests.support.flow_cases import ADDRESSES, everything, multiset, packets, random_rows
from tests.support.flows import Collected
from tests.support.packets import T0, Packet, S, rows_of, track, track_rows, udp

INT64_MAX = 2**63 - 1
UIDS = ("uid_hi", "uid_lo")
TIMES = ("ts", "first_ts", "last_ts")
CASES = settings(max_examples=100)


@pytest.fixture(autouse=True, scope="module")
def _small_pool() -> Iterator[None]:
    """Most cases need few texts, and a new pool of the full size costs more than the case."""
    with mock.patch.object(trackers, "MOST_BYTES", 1 << 18), mock.patch.object(trackers, "MOST_TEXTS", 1 << 12):
        yield


def accounted(got: Collected) -> int:
    """Packets in flow rows, left out as copies, or not for flows."""
    in_rows = sum(row["orig_pkts"] + row["resp_pkts"] for row in got.flows)
    assert in_rows == got.counts["packets"]
    return int(in_rows + got.counts["duplicates"] + got.counts["not_flow"])


@given(packets(), st.lists(st.integers(0, 40), max_size=6))
@CASES
def test_batches_change_nothing(given_packets: list[Packet], cuts: list[int]) -> None:
    rows, frames = rows_of(given_packets)
    whole, parts = track_rows(rows, frames), track_rows(rows, frames, cuts)
    assert everything(whole) == everything(parts)
    assert whole.counts == parts.counts
    assert accounted(whole) == len(given_packets)


@given(packets())
@CASES
def test_the_hash_key_changes_nothing(given_packets: list[Packet]) -> None:
    first, second = track(given_packets), track(given_packets)
    assert everything(first) == everything(second)


def moved(rows: list[dict[str, Any]], by_ns: int) -> list[dict[str, Any]]:
    return [row | {name: row[name] + by_ns for name in TIMES if name in row} for row in rows]


@given(packets(), st.integers(-T0 + 3600 * S, 2 * T0))
@CASES
def test_shifting_all_times_shifts_only_times(given_packets: list[Packet], by_ns: int) -> None:
    here = track(given_packets)
    there = track([replace(packet, ts_ns=packet.ts_ns + by_ns) for packet in given_packets])
    for before, after in ((here.flows, there.flows), (here.events, there.events), (here.dns, there.dns)):
        assert multiset(moved(before, by_ns), *UIDS) == multiset(after, *UIDS)


HASHED = (*UIDS, "bucket", "orig_hi", "orig_lo", "resp_hi", "resp_lo", "notes")  # a note asks whether one is public


@given(packets(), st.permutations(ADDRESSES))
@CASES
def test_other_addresses_change_only_addresses(given_packets: list[Packet], others: list[str]) -> None:
    other = dict(zip(ADDRESSES, others, strict=True))

    def renamed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        changed = []
        for row in rows:
            texts: dict[str, Any] = {
                name: other.get(row[name], row[name]) for name in ("orig_ip", "resp_ip", "dest") if name in row
            }
            if row.get("via_proxy"):
                ip, port = row["via_proxy"].rsplit(":", 1)
                texts["via_proxy"] = f"{other[ip]}:{port}"
            changed.append(row | texts)
        return changed

    here = track(given_packets)
    there = track([replace(packet, src=other[packet.src], dst=other[packet.dst]) for packet in given_packets])
    for before, after in ((here.flows, there.flows), (here.events, there.events), (here.dns, there.dns)):
        assert multiset(renamed(before), *HASHED) == multiset(after, *HASHED)


WILD_TIMES = st.one_of(
    st.sampled_from([0, 1, -1, T0, T0 + S, INT64_MAX, -INT64_MAX - 1, INT64_MAX - 1, 4_000_000_000 * S]),
    st.sampled_from([INT64_MAX - seconds * S for seconds in (5, 60, 300, 3600)]),  # a timeout before the end of time
    st.integers(-INT64_MAX - 1, INT64_MAX),
    st.integers(T0 - 400 * S, T0 + 400 * S),
)


@given(packets(min_size=2), st.data())
@settings(max_examples=200)
def test_no_order_of_times_loses_a_packet(given_packets: list[Packet], data: st.DataObject) -> None:
    n = len(given_packets)
    times = data.draw(st.lists(WILD_TIMES, min_size=n, max_size=n))
    wild = [replace(packet, ts_ns=ts_ns) for packet, ts_ns in zip(given_packets, times, strict=True)]
    got = track(wild)
    assert accounted(got) == n
    assert all(row["first_ts"] <= row["last_ts"] for row in got.flows)
    assert all(event["duration_ns"] >= 0 for event in got.events)
    stamps = set(times)
    assert all(row["first_ts"] in stamps and row["last_ts"] in stamps for row in got.flows)
    assert all(event["ts"] in stamps for event in got.events)


@pytest.mark.parametrize("seconds", [5, 60, 300])
def test_a_deadline_at_the_end_of_time_loses_nothing(seconds: int) -> None:
    timeouts = Timeouts(udp_idle_s=seconds)
    assert accounted(track([udp(INT64_MAX - seconds * S)], timeouts=timeouts)) == 1


SUMS = ("orig_pkts", "resp_pkts", "orig_ip_bytes", "resp_ip_bytes")


def sums(got: Collected) -> list[int]:
    return [sum(row[name] for row in got.flows) for name in SUMS]


@given(packets(max_size=60), st.integers(12, 20))
@CASES
def test_small_buffers_give_the_same_rows(given_packets: list[Packet], buffer_rows: int) -> None:
    large, small = track(given_packets), track(given_packets, buffer_rows=buffer_rows)
    assert multiset(large.flows) == multiset(small.flows)
    assert multiset(large.events) == multiset(small.events)
    assert sum(row["has_query"] for row in large.dns) <= sum(row["has_query"] for row in small.dns)
    assert accounted(small) == len(given_packets)


@given(packets(max_size=60), st.integers(1, 6))
@CASES
def test_a_small_table_gives_the_same_sums(given_packets: list[Packet], max_flows: int) -> None:
    large, small = track(given_packets), track(given_packets, max_flows=max_flows, buffer_rows=16)
    assert accounted(small) == len(given_packets)
    assert len(small.flows) >= len(large.flows)
    if large.counts["duplicates"] == small.counts["duplicates"]:
        assert sum(sums(large)) == sum(sums(small))


@given(packets(max_size=60))
@CASES
def test_a_small_pool_loses_texts_but_no_packets(given_packets: list[Packet]) -> None:
    with mock.patch.object(trackers, "MOST_TEXTS", 1 << 6), mock.patch.object(trackers, "MOST_BYTES", 1 << 10):
        small = track(given_packets, buffer_rows=64)
    large = track(given_packets)
    assert accounted(small) == len(given_packets)
    assert sums(large) == sums(small)
    assert multiset(small.events, "dest", "uri", "name_source", "user_agent", "method", "via_proxy") == multiset(
        large.events, "dest", "uri", "name_source", "user_agent", "method", "via_proxy"
    )


def test_random_rows_are_survived() -> None:
    random = np.random.default_rng(1)
    for n in (1, 10, 3000):
        rows, frames = random_rows(random, n)
        got = track_rows(rows, frames, max_flows=64, buffer_rows=64)
        assert accounted(got) == n
        again = track_rows(rows, frames, range(0, n, 7), max_flows=64, buffer_rows=64)
        assert everything(got)[0] == everything(again)[0]


BOUNDS_CHECKED = """
import sys
from unittest import mock
import numpy as np
from sensor.flows import tracker as trackers
from tests.support.flow_cases import random_rows
from tests.support.packets import track_rows

random = np.random.default_rng(2)
rows, frames = random_rows(random, 10)
rows["payload_off"], rows["proto"] = len(frames), 17
rows["payload_cap"] = rows["payload_len"] = 100
rows["status"] = rows["fragment"] = rows["is_carrier"] = rows["ip_id"] = 0
try:  # a payload behind the bytes, which no decoder makes, shows that the check is on
    track_rows(rows, frames)
except IndexError:
    pass
else:
    sys.exit("bounds are not checked")
n_rows = 0
for case in range(60):
    rows, frames = random_rows(random, 500)
    with mock.patch.object(trackers, "MOST_TEXTS", 1 << 12), mock.patch.object(trackers, "MOST_BYTES", 1 << 17):
        track_rows(rows, frames, range(0, 500, 50), max_flows=int(random.integers(1, 100)), buffer_rows=64)
    n_rows += len(rows)
print(n_rows)
"""


@pytest.mark.slow
def test_no_index_leaves_its_array() -> None:
    assert int(run_checked("-c", BOUNDS_CHECKED)) == 30_000
