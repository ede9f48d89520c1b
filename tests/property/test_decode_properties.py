"""What holds for any frame: nothing is read outside it, batches do not matter, a cut frame tells no other story."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sensor import constants as c
from sensor.capture.batch import Batch
from sensor.decode.decoder import Decoder
from tests.property.test_decode_twin import frames as nearly_right_frames
from tests.support.checked import run_checked
from tests.support.frames import batch_of, decode, real_frames

LINKS = (
    sorted(value for name, value in vars(c).items() if name.startswith("LINK_"))
    + [c.LINK_ETHERNET] * 10
    + [2, 147, 65535]
)
# Openings that lead deep into the decoder: random bytes alone hardly pass an ethertype.
ETHERNET = "02" * 12
UDP4 = ETHERNET + "0800" + "45000060000000004011" + "0000" + "0a0000010a000002"
GRE4 = ETHERNET + "0800" + "4500006000000000402f" + "0000" + "0a0000010a000002"
OPENINGS = [
    bytes.fromhex(opening)
    for opening in (
        "",
        ETHERNET + "0800" + "4500",
        ETHERNET + "86dd" + "60000000",
        ETHERNET + "8100" + "0007" + "88a8" + "0008" + "0800" + "45",
        ETHERNET + "8847" + "00010140",
        ETHERNET + "8864" + "1100" + "0005" + "0040" + "0021" + "45",
        ETHERNET + "8903" + "0040",
        UDP4,
        UDP4 + "12b512b500400000" + "08",  # VXLAN
        UDP4 + "086817c100400000" + "06",  # GENEVE
        UDP4 + "0868086800400000" + "34ff",  # GTP-U
        UDP4 + "0dd80dd800400000" + "0001",  # Teredo
        UDP4 + "13d013d000400000" + "f1f20129",  # AYIYA
        GRE4,
        GRE4 + "7000",  # with routing
        GRE4 + "100022eb",  # ERSPAN III
        ETHERNET + "86dd" + "60000000006000ff" + "20" * 32,  # hop-by-hop options
        ETHERNET + "86dd" + "60000000006033ff" + "20" * 32,  # authentication header
        "0000" + "1f00" + "00" * 4,
        "02000000" + "0000" * 2,
    )
]


@st.composite
def any_frames(draw: st.DrawFn) -> tuple[bytes, int, int, int]:
    """(bytes, link type, bytes on the wire, stripped tag)."""
    if draw(st.integers(0, 3)) == 0:
        frame, wire_len = draw(nearly_right_frames())
        return frame, c.LINK_ETHERNET, wire_len, 0
    frame = draw(st.sampled_from(OPENINGS)) + draw(st.binary(max_size=120))
    wire_len = draw(st.sampled_from([0, 0, 1, 1000, 2**31, 2**32 - 1]))
    return frame, draw(st.sampled_from(LINKS)), min(len(frame) + wire_len, 2**32 - 1), draw(st.sampled_from([0, 0, 5]))


def batch_from(generated: list[tuple[bytes, int, int, int]], first: int = 0) -> Batch:
    """A batch of generated frames, a millisecond apart; `first` is the number of the first one."""
    bytes_, links, wire_lens, vlans = (list(column) for column in zip(*generated, strict=True))
    times = [(first + i) * 1_000_000 for i in range(len(generated))]
    return batch_of(bytes_, links, times, wire_lens, vlans)


def check_rows(rows: NDArray[np.void], batch: Batch) -> None:
    """What every row promises."""
    assert (np.diff(rows["frame"].astype(np.int64)) >= 0).all()
    assert set(rows["frame"].tolist()) == set(range(len(batch)))
    assert (rows["ts_ns"] == batch.ts_ns[rows["frame"]]).all()
    start, end = batch.start[rows["frame"]], batch.end[rows["frame"]]
    has_payload = rows["payload_cap"] != 0
    payload_end = rows["payload_off"].astype(np.int64) + rows["payload_cap"]
    assert (rows["payload_cap"] >= 0).all()
    assert (rows["payload_cap"] <= rows["payload_len"]).all()
    assert (~has_payload | (rows["payload_off"] >= start)).all()
    assert (~has_payload | (payload_end <= end)).all()
    assert (rows["status"] < len(c.STATUS_NAMES)).all()
    assert (rows["tunnel"] < len(c.TUNNEL_NAMES)).all()
    assert (rows["tunnel_depth"] <= c.MAX_TUNNELS).all()
    assert ((rows["tunnel"] == 0) == (rows["tunnel_depth"] == 0)).all()
    followed = np.append(rows["frame"][1:] == rows["frame"][:-1], False)
    assert (rows["is_carrier"][followed] == 1).all()
    assert ((rows["is_carrier"] == 0) | followed | (rows["fragment"] == c.FRAGMENT_LATER)).all()
    assert (rows["vlan_id"] < 4096).all()
    assert (rows["pad"] == 0).all()


@given(st.lists(any_frames(), min_size=1, max_size=8))
def test_any_bytes_under_any_link_type_are_survived(generated: list[tuple[bytes, int, int, int]]) -> None:
    batch = batch_from(generated)
    decoder = Decoder()
    rows = decode(batch, decoder)
    check_rows(rows, batch)
    assert decoder.status_counts.sum() == decoder.tunnel_counts.sum() == len(rows)
    assert sum(decoder.link_counts.values()) == len(batch)


@given(st.lists(any_frames(), min_size=2, max_size=12), st.data())
def test_splitting_a_batch_changes_nothing(generated: list[tuple[bytes, int, int, int]], data: st.DataObject) -> None:
    at = data.draw(st.integers(1, len(generated) - 1))
    generated = generated + generated  # so that fragments meet their first
    whole = decode(batch_from(generated))
    decoder = Decoder()
    parts = [decode(batch_from(generated[:at]), decoder), decode(batch_from(generated[at:], at), decoder)]
    skipped_bytes = sum(len(frame) for frame, *_ in generated[:at])
    parts[1]["frame"] += at
    parts[1]["payload_off"][parts[1]["payload_off"] > 0] += skipped_bytes
    joined = np.concatenate(parts)
    joined["payload_off"][joined["payload_cap"] == 0] = whole["payload_off"][whole["payload_cap"] == 0]
    assert joined.tobytes() == whole.tobytes()


@given(st.lists(any_frames(), min_size=1, max_size=8))
def test_the_short_way_gives_what_the_long_way_gives(generated: list[tuple[bytes, int, int, int]]) -> None:
    short, long = Decoder(), Decoder()
    long._takes_short_way = False
    batch = batch_from(generated)
    assert decode(batch, short).tobytes() == decode(batch, long).tobytes()
    assert short.link_counts == long.link_counts
    assert short.status_counts.tolist() == long.status_counts.tolist()
    assert short.tunnel_counts.tolist() == long.tunnel_counts.tolist()


@given(any_frames(), st.binary(min_size=1, max_size=80), st.binary(max_size=80))
def test_bytes_around_a_frame_are_not_read(generated: tuple[bytes, int, int, int], before: bytes, after: bytes) -> None:
    frame, link, wire_len, vlan = generated
    alone = batch_from([generated])
    among = Batch(
        np.frombuffer(before + frame + after, np.uint8),
        np.array([len(before)]),
        np.array([len(before) + len(frame)]),
        alone.ts_ns,
        np.array([wire_len], np.uint32),
        np.array([link], np.uint16),
        np.array([vlan], np.uint16),
    )
    first, second = decode(alone), decode(among)
    second["payload_off"] -= np.where(second["payload_off"] > 0, len(before), 0).astype(np.int32)
    first["payload_off"][first["payload_cap"] == 0] = second["payload_off"][second["payload_cap"] == 0] = 0
    assert first.tobytes() == second.tobytes()


def addresses_of(row: np.void) -> list[bytes]:
    """The addresses of a row as they stood in the frame; none for those left zero."""
    size, halves = (4, 1) if row["ip_version"] == 4 else (16, 2)
    pairs = [(row["src_hi"], row["src_lo"]), (row["dst_hi"], row["dst_lo"])]
    values = [(int(high) << 64 if halves == 2 else 0) | int(low) for high, low in pairs]
    return [(value & (1 << size * 8) - 1).to_bytes(size, "big") for value in values if value]


@given(any_frames(), st.data())
def test_a_cut_frame_gives_only_addresses_it_holds(generated: tuple[bytes, int, int, int], data: st.DataObject) -> None:
    frame, link, wire_len, vlan = generated
    cut = data.draw(st.integers(0, len(frame)))
    batch = batch_from([(frame[:cut], link, max(wire_len, len(frame)), vlan)])
    rows = decode(batch)
    check_rows(rows, batch)
    whole = decode(batch_from([(frame, link, max(wire_len, len(frame)), vlan)]))
    for row in rows:
        for address in addresses_of(row):
            assert address in frame[:cut]
    assert len(rows) <= len(whole)
    for row, full in zip(rows, whole, strict=False):
        if full["is_carrier"] and row["status"] == c.STATUS_OK:
            assert addresses_of(row) == addresses_of(full)


def mutated(frame: bytes, random: np.random.Generator) -> bytes:
    """The frame with some bytes changed, perhaps cut or grown."""
    changed = bytearray(frame)
    for _ in range(int(random.integers(0, 4))):
        if changed:
            changed[int(random.integers(0, min(len(changed), 120)))] = int(random.integers(0, 256))
    kind = random.integers(0, 3)
    if kind == 0:
        return bytes(changed[: int(random.integers(0, len(changed) + 1))])
    return bytes(changed + bytes(int(random.integers(0, 8)))) if kind == 1 else bytes(changed)


def test_mutated_real_frames_keep_the_promises(shared_data: Path) -> None:
    random = np.random.default_rng(1)
    frames = real_frames(sorted((shared_data / "pcaps").rglob("*.pcap*")), each=40)
    assert len(frames) > 5000
    short, long = Decoder(), Decoder()
    long._takes_short_way = False
    long._secret = short._secret
    for _ in range(3):
        batch = batch_of([mutated(frame, random) for _, frame in frames], [link for link, _ in frames])
        rows = decode(batch, short)
        check_rows(rows, batch)
        assert rows.tobytes() == decode(batch, long).tobytes()


BOUNDS_CHECKED = """
import sys
from pathlib import Path
import numpy as np
from sensor.decode.decoder import Decoder
from tests.property.test_decode_properties import LINKS, OPENINGS, mutated
from tests.support.frames import batch_of, real_frames

decoder = Decoder()
batch = batch_of([bytes(60)])
try:  # an end behind the bytes, which no source makes, shows that the check is on
    batch.frames = batch.frames[:10]
    decoder.decode(batch)
except IndexError:
    pass
else:
    sys.exit("bounds are not checked")
random = np.random.default_rng(2)
links = random.choice(LINKS, len(OPENINGS) * 150).tolist()
tails = [random.bytes(int(size)) for size in random.integers(0, 90, len(links))]
frames = [(link, opening + tail) for link, opening, tail in zip(links, OPENINGS * 150, tails, strict=True)]
if len(sys.argv) > 1:
    frames += real_frames(sorted(Path(sys.argv[1]).rglob("*.pcap*")), each=12)
for link, frame in frames:  # one frame a batch: the array ends where the frame does
    changed = mutated(frame, random)
    more_on_the_wire = int(random.choice([0, 1, 1000]))  # a snaplen cuts where no length field says so
    decoder.decode(batch_of([changed], link, wire_lens=[len(changed) + more_on_the_wire]))
print(len(frames))
"""


@pytest.mark.parametrize("with_captures", [False, True])
def test_no_index_leaves_its_array(with_captures: bool, request: pytest.FixtureRequest) -> None:
    arguments = [str(request.getfixturevalue("shared_data") / "pcaps")] if with_captures else []
    assert int(run_checked("-c", BOUNDS_CHECKED, *arguments)) >= 3000
