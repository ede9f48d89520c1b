"""Stream buffers: a naive twin for `feed`, and messages that come cut, shuffled and twice through a whole tracker."""

import itertools
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sensor.flows import streams
from sensor.flows.rows import FLOW, new_record
from sensor.flows.state import MOST_RANGES, N_STREAMS, STATE, STREAM_BYTES, begin_streams, part
from tests.support.flow_cases import multiset
from tests.support.flows import Collected
from tests.support.packets import Packet, Tcp, track
from tests.support.protocols import client_hello, extension, records, server_name

KEY_STATE = np.zeros(1, STATE)
"""One state for all cases: it is large, and every case opens its own buffers."""
begin_streams(part(KEY_STATE, "streams"))


def open_one(owner_row: int = 7, side: int = 0, base: int = 1000) -> tuple[np.void, int]:
    flow = new_record(FLOW)
    return flow, int(streams.open_stream(KEY_STATE[0], flow, owner_row, side, base))


class Twin:
    """Bytes by offset, the first copy of each."""

    def __init__(self) -> None:
        self.bytes: dict[int, int] = {}

    def feed(self, offset: int, data: bytes) -> None:
        for at, byte in enumerate(data, offset):
            if 0 <= at < STREAM_BYTES:
                self.bytes.setdefault(at, byte)

    @property
    def in_order(self) -> bytes:
        return bytes(self.bytes[at] for at in itertools.takewhile(self.bytes.__contains__, itertools.count()))


PIECES = st.lists(st.tuples(st.integers(-20, 120), st.binary(min_size=1, max_size=40)), max_size=MOST_RANGES)


@given(PIECES)
def test_a_buffer_does_what_a_dictionary_does(pieces: list[tuple[int, bytes]]) -> None:
    _, slot = open_one()
    twin = Twin()
    mine = part(KEY_STATE, "streams").slots[slot]
    data = part(KEY_STATE, "streams").bytes[slot * STREAM_BYTES : (slot + 1) * STREAM_BYTES]
    for offset, piece in pieces:
        before = twin.in_order
        twin.feed(offset, piece)
        grew = streams.feed(KEY_STATE[0], slot, offset, np.frombuffer(b"##" + piece, np.uint8), 2, 2 + len(piece))
        assert grew == (twin.in_order != before)
        assert data[: mine["have"]].tobytes() == twin.in_order


@given(PIECES, st.integers(0, 60))
def test_moving_on_forgets_only_what_was_read(pieces: list[tuple[int, bytes]], used: int) -> None:
    _, slot = open_one()
    twin = Twin()
    for offset, piece in pieces:
        twin.feed(offset, piece)
        streams.feed(KEY_STATE[0], slot, offset, np.frombuffer(piece, np.uint8), 0, len(piece))
    mine = part(KEY_STATE, "streams").slots[slot]
    used = min(used, int(mine["have"]))
    streams.move_on(KEY_STATE[0], slot, used)
    assert mine["base"] == 1000 + used
    rest = {at - used: byte for at, byte in twin.bytes.items() if at >= used}
    start = slot * STREAM_BYTES
    assert mine["have"] == len(twin.in_order) - used
    whole = max(rest, default=-1) + 1
    streams.feed(KEY_STATE[0], slot, 0, np.zeros(200, np.uint8), 0, 200)
    got = part(KEY_STATE, "streams").bytes[start : start + whole].tobytes()
    assert all(got[at] == byte for at, byte in rest.items())


@pytest.mark.parametrize("offset", [STREAM_BYTES - 3, STREAM_BYTES, STREAM_BYTES + 5, -(2**31), 2**31 - 1])
def test_nothing_is_written_outside_a_buffer(offset: int) -> None:
    _, slot = open_one()
    buffers = part(KEY_STATE, "streams").bytes
    before = buffers.copy()
    streams.feed(KEY_STATE[0], slot, offset, np.full(50, 0xEE, np.uint8), 0, 50)
    changed = np.flatnonzero(buffers != before)
    assert ((changed >= slot * STREAM_BYTES) & (changed < (slot + 1) * STREAM_BYTES)).all()


def test_the_oldest_buffer_is_given_up_and_its_flow_notices() -> None:
    lost = int(part(KEY_STATE, "streams").meta[streams.GIVEN_UP])
    flow, _ = open_one(owner_row=1_000_000)
    others = [open_one(owner_row=n)[0] for n in range(N_STREAMS)]
    assert streams.stream_of(KEY_STATE[0], flow, 1_000_000, 0) == -1
    assert all(streams.stream_of(KEY_STATE[0], other, n, 0) >= 0 for n, other in enumerate(others))
    assert part(KEY_STATE, "streams").meta[streams.GIVEN_UP] > lost
    for n, other in enumerate(others):
        streams.close_streams(KEY_STATE[0], other, n)
    assert not part(KEY_STATE, "streams").slots["owner"].any()


N_BEFORE = N_STREAMS - 4


@pytest.fixture(scope="module")
def nearly_full() -> tuple[NDArray[np.void], dict[str, NDArray[Any]], NDArray[np.void]]:
    """A state in which all but four buffers are taken, what it says of them, and the flows that have them."""
    state = np.zeros(1, STATE)
    mine = part(state, "streams")
    begin_streams(mine)
    flows = np.zeros(N_BEFORE, FLOW).view(np.recarray)
    for row in range(N_BEFORE):
        streams.open_stream(state[0], flows[row], row, 0, 0)
    return state, {name: mine[name].copy() for name in mine.dtype.names if name != "bytes"}, flows


@given(choices=st.lists(st.integers(0, 2**30), max_size=60))
def test_free_buffers_are_taken_first_then_the_oldest(nearly_full: Any, choices: list[int]) -> None:
    """Beside a list of who has a buffer, oldest first; they run out."""
    state, before, flows_before = nearly_full
    for name, values in before.items():
        part(state, "streams")[name][:] = values
    flows = dict(enumerate(flows_before.copy()))
    held = list(range(N_BEFORE))
    lost = 0
    for row, choice in enumerate(choices, N_STREAMS):
        if choice % 3 == 0:
            gone = held.pop(choice % len(held))
            streams.close_stream(state[0], flows[gone], gone, 0)
            continue
        flows[row] = new_record(FLOW)
        if len(held) == N_STREAMS:
            held.pop(0)
            lost += 1
        streams.open_stream(state[0], flows[row], row, 0, 0)
        held.append(row)
    assert [row for row in flows if streams.stream_of(state[0], flows[row], row, 0) >= 0] == held
    assert part(state, "streams").meta[streams.GIVEN_UP] == lost


# --- messages through a tracker ---


def hello(name: bytes, padding: int = 0) -> bytes:
    """A ClientHello in records, its name behind `padding` bytes of another extension."""
    return records(client_hello(extension(21, bytes(padding)) + server_name(name)))


HELLO = hello(b"office.example")
REQUEST = b"GET /a/b?c=1 HTTP/1.1\r\nUser-Agent: agent/1\r\nHost: office.example\r\nAccept: */*\r\n\r\n"


def conversation(pieces: list[tuple[int, bytes]]) -> list[Packet]:
    """A connection whose originator sends these pieces (offset, bytes), in this order, then is answered."""
    c = Tcp().handshake()
    for offset, piece in pieces:
        c("P.", piece, seq=1001 + offset)
    c.next[0] = 1001 + max((offset + len(piece) for offset, piece in pieces), default=0)
    return c.r("P.", b"\x15\x03\x03\0\2\2\x28").close().packets


def cut(message: bytes, edges: list[int]) -> list[tuple[int, bytes]]:
    places = [0, *sorted({edge % len(message) for edge in edges} - {0}), len(message)]
    return [(a, message[a:b]) for a, b in itertools.pairwise(places)]


def name_and_app(got: Collected) -> tuple[str, str, str]:
    (flow,) = got.flows
    return flow["name"], flow["name_source"], flow["app"]


@pytest.mark.parametrize("message", [HELLO, REQUEST], ids=["hello", "request"])
def test_a_message_cut_at_every_byte_names_its_flow(message: bytes) -> None:
    whole = name_and_app(track(conversation([(0, message)])))
    assert whole[0] == "office.example"
    for edge in range(1, len(message)):
        assert name_and_app(track(conversation(cut(message, [edge])))) == whole, edge


@given(
    st.sampled_from([HELLO, REQUEST]),
    st.lists(st.integers(1, 600), max_size=5),
    st.randoms(use_true_random=False),
    st.lists(st.integers(0, 5), max_size=3),
)
@settings(max_examples=150, deadline=None)
def test_order_and_repetition_change_no_name(
    message: bytes, edges: list[int], rng: random.Random, repeated: list[int]
) -> None:
    pieces = cut(message, edges)
    sent = pieces + [pieces[n % len(pieces)] for n in repeated]
    rng.shuffle(sent)
    got = track(conversation(sent))
    assert name_and_app(got) == name_and_app(track(conversation([(0, message)])))
    assert sum(event["kind"] == "request" for event in got.events) == (message is REQUEST)


def test_a_hello_larger_than_any_packet_is_read() -> None:
    large = hello(b"quantum.example", padding=4000)
    assert name_and_app(track(conversation(cut(large, [1400, 2800, 4100]))))[0] == "quantum.example"


def test_a_hello_that_never_ends_leaves_a_note_and_no_buffer() -> None:
    endless = records(client_hello(extension(21, bytes(60_000)) + server_name(b"late.example")), 16_000, 16_000, 16_000)
    got = track(conversation(cut(endless, list(range(1400, 60_000, 1400)))))
    assert [flow["notes"] for flow in got.flows] == ["names-lost"]


def test_bytes_that_were_not_captured_are_not_waited_for_without_end() -> None:
    c = Tcp().handshake()
    for n in range(1, 40):
        c("P.", REQUEST if n == 30 else b"x" * 50, seq=1001 + 100 * n)
    got = track(c.packets)
    assert got.flows[0]["notes"] == "names-lost"


def test_batches_change_nothing_about_what_waits() -> None:
    packets = conversation(cut(HELLO, [3, 90, 200]))
    assert multiset(track(packets).flows) == multiset(track(packets, buffer_rows=16).flows)
