"""The flow table and the text pool against dictionaries, and what happens when they are full."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.constants import PROTO_ICMP, PROTO_TCP
from sensor.dtypes import PACKET
from sensor.flows import pool as pools
from sensor.flows import table as tables
from sensor.flows import tracker as trackers
from sensor.flows.keys import hash_packets, key_code
from sensor.flows.rows import new_record
from sensor.flows.state import new_state
from sensor.flows.tracker import FlowTracker
from tests.support.flows import Collector
from tests.support.packets import SERVER, T0, Packet, S, Tcp, batches_of, rows_of, track, udp
from tests.support.protocols import query, wire_name

KEY = np.array([11, 22], np.uint64)
N_FLOWS = 16
U64 = np.uint64

# --- keys ---


def test_both_directions_have_one_hash_unless_the_key_has_one_direction_only() -> None:
    rng = random.Random(9)
    state = new_state(KEY, 2, 2, 16, 64)
    sides = [(rng.choice([0, rng.getrandbits(64)]), rng.getrandbits(64), rng.getrandbits(16)) for _ in range(150)]
    packets = np.zeros(300, PACKET)
    for i, ((a_hi, a_lo, a_port), (b_hi, b_lo, b_port)) in enumerate(zip(sides, sides[1:] + sides[:1], strict=True)):
        for row, numbers in (
            (i, (a_hi, a_lo, b_hi, b_lo, a_port, b_port)),
            (i + 150, (b_hi, b_lo, a_hi, a_lo, b_port, a_port)),
        ):
            packets[["src_hi", "src_lo", "dst_hi", "dst_lo", "src_port", "dst_port"]][row] = numbers
    packets["proto"] = PROTO_TCP
    codes = np.zeros(300, np.uint64)
    hash_packets(state, packets, codes)
    assert codes[:150].tolist() == codes[150:].tolist()
    assert len(set(codes.tolist())) == 150
    for p, code in zip(packets[:5], codes, strict=False):
        port = np.uint32(int(p["src_port"]) << 16 | int(p["dst_port"]))
        ends = p["src_hi"], p["src_lo"], p["dst_hi"], p["dst_lo"]
        assert key_code(state["table"][0], *ends, port, PROTO_TCP, False) == code
    packets["proto"], packets["src_port"], packets["dst_port"] = PROTO_ICMP, 3, 3
    hash_packets(state, packets, codes)
    assert len(set(codes.tolist())) == 300


# --- the table ---

Key = tuple[int, int, int]  # (originator, responder, ports); addresses are small numbers here


def code_of(key: Key) -> np.uint64:
    """A bad hash on purpose: few slots, few tags, so that keys meet in every way."""
    return U64((sum(key) % 3) << 32 | (key[0] + key[1] * 5) % 7 * 5 % 32)


def find(table: Any, key: Key, *, back: bool = False, one_way: bool = False) -> int:
    orig, resp, ports = key
    code = code_of(key)
    if back:
        orig, resp, ports = resp, orig, ports >> 16 | (ports & 0xFFFF) << 16
    zero = U64(0)
    return int(
        tables.find(table, code, zero, U64(orig), zero, U64(resp), np.uint32(ports), np.uint8(PROTO_TCP), one_way)
    )


def insert(table: Any, key: Key) -> int:
    row = int(tables.insert(table, code_of(key)))
    if row >= 0:
        flow = table.flows[row]
        assert flow["orig_lo"] == flow["key_port"] == flow["ip_bytes"].sum() == flow["history"].sum() == 0
        flow["orig_lo"], flow["resp_lo"], flow["key_port"], flow["proto"] = *key, PROTO_TCP
        flow["history"] = 65  # whatever is here must be gone from the row's next life
        table.deadline[row] = 5
    return row


def new_table() -> Any:
    table = new_record(tables.TABLE)
    tables.begin_table(table, N_FLOWS, KEY)
    return table


KEYS = [(orig, resp, ports) for orig in range(4) for resp in range(4, 8) for ports in (7 << 16 | 80, 80 << 16 | 7)]


@given(st.lists(st.tuples(st.sampled_from("iiird"), st.integers(0, len(KEYS) - 1)), max_size=120))
def test_the_table_does_what_a_dictionary_does(steps: list[tuple[str, int]]) -> None:
    table = new_table()
    twin: dict[Key, int] = {}
    for step, number in steps:
        key = KEYS[number]
        if step == "i" and key not in twin:
            row = insert(table, key)
            assert (row >= 0) == (len(twin) < N_FLOWS)
            assert row not in twin.values()
            if row >= 0:
                twin[key] = row
        elif step in "rd" and key in twin:
            tables.remove(table, np.int64(twin.pop(key)))
        assert table.meta[tables.META_FREE] == N_FLOWS - len(twin)
        assert (table.deadline[:N_FLOWS] != tables.NEVER).sum() == len(twin)
        assert (table.slots != 0).sum() == len(twin)
    for key in KEYS:
        assert find(table, key) == find(table, key, back=True) == twin.get(key, -1)
        assert find(table, key, back=True, one_way=True) == -1


def test_a_full_cycle_leaves_the_table_as_new() -> None:
    table = new_table()
    for _ in range(50):
        rows = [insert(table, key) for key in KEYS[:N_FLOWS]]
        assert sorted(rows) == list(range(N_FLOWS))
        assert insert(table, KEYS[N_FLOWS]) == -1
        random.Random(len(rows)).shuffle(rows)
        for row in rows:
            tables.remove(table, np.int64(row))
    assert not table.slots.any()


def test_the_index_grows_with_the_flows_and_loses_none() -> None:
    table = new_record(tables.TABLE)
    tables.begin_table(table, 1000, KEY)
    codes = np.random.default_rng(5).integers(0, 2**64, 1000, dtype=np.uint64)
    codes[::3] = codes[0]  # one long run of slots
    zero, sizes = U64(0), set()

    def row_of(n: int) -> int:
        return int(tables.find(table, codes[n], zero, U64(n), zero, zero, np.uint32(n), np.uint8(PROTO_TCP), False))

    for n in range(1000):
        row = int(tables.insert(table, codes[n]))
        flow = table.flows[row]
        flow["orig_lo"], flow["key_port"], flow["proto"] = n, n, PROTO_TCP
        table.deadline[row] = n
        sizes.add(int(tables.n_slots(table)))
    assert sizes == {32, 64, 128, 256, 512, 1024, 2048}
    assert [int(table.flows[row_of(n)]["orig_lo"]) for n in range(1000)] == list(range(1000))
    for n in range(0, 1000, 2):
        tables.remove(table, np.int64(row_of(n)))
    assert [row_of(n) >= 0 for n in range(1000)] == [n % 2 == 1 for n in range(1000)]
    assert (table.slots != 0).sum() == 500


# --- eviction ---


def flow_number(n: int, ts_ns: int) -> Packet:
    return udp(ts_ns, client=(f"10.0.{n >> 8}.{n & 255}", 1000))


def number_of(row: dict[str, Any]) -> int:
    return int(row["orig_lo"]) & 0xFFFF


def test_the_idlest_flows_are_evicted_first() -> None:
    begun = [flow_number(n, T0 + n) for n in range(16)]
    again = [flow_number(0, T0 + 20), flow_number(3, T0 + 21)]
    newer = [flow_number(n, T0 + 10 + n) for n in range(16, 20)]
    got = track([*begun, *again, *newer], max_flows=16)
    assert [number_of(row) for row in got.flows if row["end_reason"] == "evicted"] == [1, 2, 4, 5]
    assert got.counts["evicted"] == 4
    assert sum(row["orig_pkts"] for row in got.flows) == 22


@pytest.mark.parametrize("step_ns", [0, 1000])
@pytest.mark.parametrize("max_flows", [1, 2, 64, 100])
def test_a_flood_of_keys_never_takes_more_than_the_table_has(max_flows: int, step_ns: int) -> None:
    collector = Collector()
    tracker = FlowTracker(collector, max_flows=max_flows, buffer_rows=32)
    rows, frames = rows_of([flow_number(n, T0 + n * step_ns) for n in range(1000)])
    for batch, part in batches_of(rows, frames, range(0, 1000, 50)):
        tracker.add(batch, part)
        live = int((tracker._table.deadline[:max_flows] != tables.NEVER).sum())
        assert live == max_flows - tracker._table.meta[tables.META_FREE] <= max_flows
    tracker.finish()
    assert sorted(number_of(row) for row in collector.got.flows) == list(range(1000))
    evicted = [row for row in collector.got.flows if row["end_reason"] == "evicted"]
    assert tracker.counts["evicted"] == len(evicted) >= 1000 - max_flows
    assert len(collector.got.events) == 1000


# --- the pool ---


class SmallPool:
    """A pool and the list of its texts, as it should be."""

    def __init__(self, n_texts: int, n_bytes: int) -> None:
        self.pool = new_record(pools.POOL)
        pools.begin_pool(self.pool, n_texts, n_bytes, KEY)
        self.n_texts, self.n_bytes = n_texts, n_bytes
        self.twin: dict[bytes, int] = {b"": 0}
        self.lost = 0

    def intern(self, text: bytes) -> int:
        return int(pools.intern(self.pool, np.frombuffer(b"##" + text, np.uint8), np.int64(2), np.int64(len(text))))

    def check(self, text: bytes) -> None:
        text_kept = text[: pools.MAX_TEXT_BYTES]
        number = self.intern(text)
        if text_kept not in self.twin:
            used = sum(map(len, self.twin))
            if len(self.twin) >= self.n_texts or used + len(text_kept) > self.n_bytes:
                self.lost += 1
                assert number == 0
                return
            self.twin[text_kept] = len(self.twin)
        assert number == self.twin[text_kept]


TEXTS = st.one_of(
    st.binary(max_size=3),
    st.binary(min_size=7, max_size=17),
    st.sampled_from([b"a" * n for n in (8, 9, 16, 1023, 1024, 1025, 1100)]),
    st.sampled_from([b"\0", b"\0\0", b"\0" * 8, b"\0" * 9]),
)


@given(st.lists(TEXTS, max_size=80), st.integers(1, 40), st.integers(0, 3000))
def test_the_pool_does_what_a_dictionary_does(given_texts: list[bytes], n_texts: int, n_bytes: int) -> None:
    small = SmallPool(n_texts, n_bytes)
    for text in given_texts:
        small.check(text)
    assert pools.texts(small.pool) == [text.decode("utf-8", "replace") for text in small.twin]
    assert small.pool.meta[:3].tolist() == [len(small.twin), sum(map(len, small.twin)), small.lost]
    for text, number in small.twin.items():
        assert small.intern(text) == number


@given(st.lists(TEXTS, min_size=1, max_size=30), st.data())
def test_what_is_kept_means_the_same_in_the_new_pool(given_texts: list[bytes], data: st.DataObject) -> None:
    old, new = SmallPool(64, 1 << 16), SmallPool(64, 1 << 16)
    for text in given_texts:
        old.check(text)
    words = list(old.twin)
    kept = data.draw(st.lists(st.sampled_from(words), max_size=40))
    numbers = np.array([old.twin[word] for word in kept], np.uint32)
    pools.keep(new.pool, old.pool, numbers)
    for word, number in zip(kept, numbers.tolist(), strict=True):
        assert new.intern(word) == number
    assert new.pool.meta[0] == len(set(kept) | {b""})


def test_a_text_is_found_although_another_has_its_slot() -> None:
    small = SmallPool(1 << 10, 1 << 14)
    words = [str(n).encode() for n in range(1000)]
    for word in words + words:
        small.check(word)
    assert small.pool.meta[0] == 1001


# --- a full pool must neither stop nor hang the tracker ---


class Watchful:
    """A sink that gives up when the tracker asks for a drain without getting anywhere."""

    def __init__(self, most_calls: int) -> None:
        self.collector = Collector()
        self.most_calls = most_calls

    def __call__(self, out: Any, pool: Any) -> None:
        self.most_calls -= 1
        assert self.most_calls > 0, "drained again and again: the tracker hangs"
        self.collector(out, pool)


@pytest.fixture
def small_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "MOST_TEXTS", 1 << 9)
    monkeypatch.setattr(trackers, "MOST_BYTES", 1 << 14)


@pytest.mark.usefixtures("small_pool")
def test_a_flood_from_more_addresses_than_the_pool_has_room_for() -> None:
    sink = Watchful(300)
    tracker = FlowTracker(sink, max_flows=1 << 10, buffer_rows=1 << 10)
    rows, frames = rows_of([flow_number(n, T0 + n) for n in range(3000)])
    for batch, part in batches_of(rows, frames, range(0, 3000, 500)):
        tracker.add(batch, part)
    tracker.finish()
    assert sum(row["orig_pkts"] for row in sink.collector.got.flows) == 3000
    assert {row["orig_ip"] for row in sink.collector.got.flows} == {f"10.0.{n >> 8}.{n & 255}" for n in range(3000)}


@pytest.mark.usefixtures("small_pool")
def test_a_flood_of_questions_without_answers() -> None:
    sink = Watchful(300)
    tracker = FlowTracker(sink, max_flows=1 << 10, buffer_rows=1 << 12)
    packets = [
        udp(
            T0 + n,
            query(wire_name(b"%060d" % n, b"example", b"org"), txid=n),
            server=(SERVER, 53),
            client=("10.0.0.5", 1000 + n % 8),
        )
        for n in range(1500)
    ]
    for batch, part in batches_of(*rows_of(packets), range(0, 1500, 500)):
        tracker.add(batch, part)
    tracker.finish()
    assert sorted(row["qname"] for row in sink.collector.got.dns) == [f"{n:060d}.example.org" for n in range(1500)]
    assert all(row["has_query"] for row in sink.collector.got.dns)


@pytest.mark.usefixtures("small_pool")
def test_names_survive_the_compaction_of_the_pool() -> None:
    sink = Watchful(300)
    tracker = FlowTracker(sink, max_flows=1 << 10, buffer_rows=1 << 12)
    packets = []
    for n in range(200):
        conversation = Tcp(client=("10.0.0.5", 1000 + n), start_ns=T0 + n * S // 100).handshake()
        conversation("P.", b"GET /%d HTTP/1.1\r\nHost: h%d.example\r\nUser-Agent: a%d\r\n\r\n" % (n, n, n))
        packets += conversation.packets
    packets.sort(key=lambda packet: packet.ts_ns)
    for batch, part in batches_of(*rows_of(packets), range(0, len(packets), 100)):
        tracker.add(batch, part)
    tracker.finish()
    got = sink.collector.got
    assert sum(row["orig_pkts"] for row in got.flows) == 600
    named = [row for row in got.flows if row["name"]]
    assert named
    assert all(row["name"] == f"h{row['orig_port'] - 1000}.example" for row in named)
    assert all(row["user_agent"] in ("", f"a{row['orig_port'] - 1000}") for row in got.flows)
    assert len(named) == 200 or tracker.counts["texts_lost"] > 0


def test_a_compacted_pool_takes_only_what_is_in_use() -> None:
    """The rest was never written, so it is no memory: a long capture must not grow by it."""
    pool, other = (new_record(pools.POOL) for _ in range(2))
    for one in (pool, other):
        pools.begin_pool(one, 64, 1 << 10, KEY)
    for name in (b"a.example", b"b.example"):
        pools.intern(other, np.frombuffer(name, np.uint8), 0, len(name))
    pool.text[18:] = 7
    pool.off[4:] = -1
    pools.take_over(pool, other)
    assert pools.texts(pool) == ["", "a.example", "b.example"]
    assert pools.intern(pool, np.frombuffer(b"b.example", np.uint8), 0, 9) == 2
    assert (pool.text[18:] == 7).all()
    assert (pool.off[4:] == -1).all()
