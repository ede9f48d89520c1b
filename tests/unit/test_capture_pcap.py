"""The classic capture file: every magic, both byte orders, cut frames, absurd lengths."""

from pathlib import Path

import pytest

from sensor.capture.pcap import MAGICS
from sensor.capture.reader import open_capture
from sensor.errors import DamagedCaptureError, NotACaptureError
from tests.support.captures import Packet, packets_of, pcap_header, pcap_record, read_all, twin_read

MICRO, NANO, MODIFIED = 0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34


def write(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / "a.pcap"
    path.write_bytes(data)
    return str(path)


def test_the_magics_are_the_six_of_the_draft() -> None:
    assert len(MAGICS) == 6
    assert MAGICS[b"\xd4\xc3\xb2\xa1"] == (MICRO, False)
    assert MAGICS[b"\xa1\xb2\x3c\x4d"] == (NANO, True)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "ts_ns"), [(MICRO, 7_000_005_000), (NANO, 7_000_000_005), (MODIFIED, 7_000_005_000)])
def test_every_form_in_both_byte_orders(tmp_path: Path, order: str, magic: int, ts_ns: int) -> None:
    record = pcap_record(7, 5, b"frame", wire_len=1500, order=order, modified=magic == MODIFIED)
    path = write(tmp_path, pcap_header(order, magic, network=113) + record * 2)
    reader = open_capture(path)
    packets, damage = read_all(reader)
    assert packets == [Packet(ts_ns, b"frame", 1500, 113)] * 2
    assert damage is None
    assert reader.interfaces[0].link == 113
    assert reader.interfaces[0].ts_exponent == (9 if magic == NANO else 6)


def test_header_alone_is_a_capture_of_no_packets(tmp_path: Path) -> None:
    reader = open_capture(write(tmp_path, pcap_header()))
    assert read_all(reader) == ([], None)
    assert reader.packets == 0


def test_upper_bits_of_the_link_type_announce_an_fcs_and_are_not_the_link(tmp_path: Path) -> None:
    path = write(tmp_path, pcap_header(network=0x2400_0001) + pcap_record(1, 0, b"frameFCSS"))
    assert read_all(open_capture(path))[0] == [Packet(10**9, b"frameFCSS", 9, 1)]


def test_largest_seconds_and_fraction_do_not_overflow(tmp_path: Path) -> None:
    path = write(tmp_path, pcap_header() + pcap_record(2**32 - 1, 2**32 - 1, b"x"))
    reader = open_capture(path)
    assert read_all(reader)[0][0].ts_ns == (2**32 - 1) * 10**9 + (2**32 - 1) * 1000
    assert reader.anomalies == {"timestamp_fraction_too_large": 1}


def test_oddities_are_counted_and_kept(tmp_path: Path) -> None:
    records = [pcap_record(5, 0, b"ab"), pcap_record(4, 999_999, b"cd", wire_len=0), pcap_record(4, 999_999, b"")]
    reader = open_capture(write(tmp_path, pcap_header() + b"".join(records)))
    packets, _ = read_all(reader)
    assert [packet.wire_len for packet in packets] == [2, 2, 0]
    assert reader.anomalies == {"timestamp_backwards": 1, "wire_len_below_captured": 1}


def test_absurd_length_stops_there_with_the_place_named(tmp_path: Path) -> None:
    good = pcap_record(1, 0, b"good")
    bad = pcap_record(2, 0, b"")[:8] + (262145).to_bytes(4, "little") * 2
    path = write(tmp_path, pcap_header() + good * 3 + bad + bytes(300_000))
    packets, damage = read_all(open_capture(path))
    assert len(packets) == 3
    assert damage is not None
    assert path in damage
    assert f"byte {24 + 3 * 20}, packet 4:" in damage
    assert "the 3 packets before it were read" in damage


def test_declared_snaplen_raises_the_bound_but_not_without_limit(tmp_path: Path) -> None:
    big = pcap_record(1, 0, bytes(3 << 20))  # larger than the read buffer
    path = write(tmp_path, pcap_header(snaplen=4 << 20) + big + pcap_record(2, 0, b"after"))
    packets, damage = read_all(open_capture(path))
    assert [len(packet.frame) for packet in packets] == [3 << 20, 5]
    assert damage is None
    path = write(tmp_path, pcap_header(snaplen=2**32 - 1) + (2**31).to_bytes(4, "little") * 4)
    packets, damage = read_all(open_capture(path))
    assert packets == []
    assert damage is not None
    assert "a record length" in damage


@pytest.mark.parametrize("cut", range(1, 44))
def test_cut_anywhere_keeps_what_is_whole(tmp_path: Path, cut: int) -> None:
    data = pcap_header() + pcap_record(1, 0, b"abcd") * 2
    path = write(tmp_path, data[: len(data) - cut])
    if len(data) - cut < 24:
        with pytest.raises(DamagedCaptureError, match="file header"):
            list(open_capture(path).batches())
        return
    packets, damage = read_all(open_capture(path))
    assert packets == twin_read(data)[0][: (len(data) - cut - 24) // 20]
    assert (damage is None) == ((len(data) - cut - 24) % 20 == 0)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (pcap_header()[:4] + b"\x01\x00\x04\x00" + pcap_header()[8:], "pcap version 1.4"),
        (pcap_header()[:4] + b"\x02\x00\x03\x00" + pcap_header()[8:], "pcap version 2.3"),
        (pcap_header(network=0x0030_0000), "reserved link-type bits"),
    ],
)
def test_headers_that_kagami_does_not_read(tmp_path: Path, data: bytes, found: str) -> None:
    with pytest.raises(NotACaptureError, match=found):
        open_capture(write(tmp_path, data))


def test_more_packets_than_a_batch_holds(tmp_path: Path) -> None:
    records = b"".join(pcap_record(i, 0, i.to_bytes(4, "little")) for i in range(100_000))
    path = write(tmp_path, pcap_header() + records)
    seconds: list[int] = []
    sizes = []
    for batch in open_capture(path).batches():
        sizes.append(len(batch))
        for packet in packets_of(batch):
            assert packet.frame == (packet.ts_ns // 10**9).to_bytes(4, "little")
            seconds.append(packet.ts_ns // 10**9)
    assert seconds == list(range(100_000))
    assert max(sizes) <= 32768
