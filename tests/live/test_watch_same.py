"""A capture on the wire gives the rows that the same packets give from a file, times apart."""

from pathlib import Path

import pytest

from sensor.analysis import analyze
from sensor.capture.reader import CaptureReader
from sensor.doctor.craft import conversation, to_pcap
from sensor.run import demo_capture, replay
from sensor.site import Site
from sensor.store.findings import findings
from sensor.store.store import Store
from tests.support.captures import pcap_header, pcap_record, read_all
from tests.support.mirror import NOT_COMPARED, Namespace, Recording, Watch, rows_of_store

ETHERNET_BYTES = 14
CASES = {
    "demo-3-workers": (None, "--mbps=20", ("--workers", "3")),
    "beacon-and-bypass": ("", "--multiplier=1", ()),
    "tls": ("c2/cc-test-3s.pcap", "--multiplier=15", ()),
}


def without_repeats(capture: Path, to: Path) -> Path:
    """Its packets, but for those that came before bit by bit.

    Played this fast, a repeat of the sender's is near enough to be taken for a copy of a mirror port; microseconds
    decide, by which two sockets differ.
    """
    packets, damage = read_all(CaptureReader(capture))
    assert damage is None
    first = {packet.frame[ETHERNET_BYTES:]: packet for packet in reversed(packets)}
    kept = sorted(first.values(), key=lambda packet: packet.ts_ns)
    records = (pcap_record(*divmod(packet.ts_ns // 1000, 10**6), packet.frame, packet.wire_len) for packet in kept)
    to.write_bytes(pcap_header() + b"".join(records))
    return to


@pytest.mark.parametrize("name", CASES)
def test_the_wire_and_the_file_give_the_same(
    wire: Namespace, tmp_path: Path, name: str, request: pytest.FixtureRequest
) -> None:
    shared, speed, options = CASES[name]
    if shared:
        capture = request.getfixturevalue("shared_data") / "pcaps" / shared
    elif shared is None:
        capture = without_repeats(demo_capture(), tmp_path / "demo.pcap")
    else:
        capture = tmp_path / "selftest.pcap"
        capture.write_bytes(to_pcap(conversation()))
    written = tmp_path / "wire.pcap"
    with Watch(wire, tmp_path / "live", "mirror", *options) as watch:
        recording = Recording(wire, "mirror", written)
        n_sent = wire.send("out", capture, speed)
        recording.stop()
        assert watch.stop() == 0
        assert watch.health()["packets"] == n_sent
    analyze(tmp_path / "live", site=Site())
    replay([str(written)], tmp_path / "file", site=Site())
    # what a client of another worker asked DNS is not known: see docs/limits.md
    without = (*NOT_COMPARED, "notes", "resolved") if options else NOT_COMPARED
    live, file = (rows_of_store(tmp_path / store, without) for store in ("live", "file"))
    # scores come from times, which two sockets have within microseconds of each other
    del live["finding"], file["finding"]
    assert {
        table: (live[table] - rows, rows - live[table]) for table, rows in file.items() if live[table] != rows
    } == {}
    assert claims(tmp_path / "live") == claims(tmp_path / "file")
    assert claims(tmp_path / "live") or name == "tls", "played too fast for a beacon"


def claims(store_dir: Path) -> set[tuple[object, ...]]:
    """What was found, without what depends on microseconds."""
    names = ("analyzer", "orig_ip", "dest", "resp_port", "proto", "severity", "outcome", "events", "via_proxy")
    with Store.open(store_dir) as store:
        return {tuple(row[name] for name in names) for row in findings(store)[0]}
