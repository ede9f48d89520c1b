"""Packets of a finding out of the captures they came from, and what tshark reads in them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sensor.capture.reader import open_capture
from sensor.errors import InputError
from sensor.response import deep
from sensor.response.carve import carve
from sensor.response.deep import dissect
from sensor.run import demo_capture, replay
from sensor.site import load_site
from sensor.store.findings import findings, flows_of_finding
from sensor.store.store import Store
from tests.support.captures import Packet, packets_of
from tests.support.programs import needs

REPO = Path(__file__).resolve().parents[2]
DEMO = demo_capture()
HOST, DEST, PORT = "192.168.152.57", "192.0.2.66", 8888


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("carve") / "demo.pcap"
    copy.write_bytes(DEMO.read_bytes())
    return copy


@pytest.fixture(scope="module")
def store_path(capture: Path) -> Path:
    path = capture.parent / "store"
    replay([str(capture)], path, site=load_site(None))
    return path


@pytest.fixture
def store(store_path: Path) -> Store:  # type: ignore[misc]
    with Store.open(store_path) as store:
        yield store


def beacon(store: Store) -> int:
    return int(next(one["id"] for one in findings(store)[0] if one["dest"] == DEST and one["analyzer"] == "beacon"))


def frames(path: Path) -> list[Packet]:
    with open_capture(str(path)) as reader:
        return [packet for batch in reader.batches() for packet in packets_of(batch)]


def test_every_packet_of_the_conversation_and_no_other(store: Store, capture: Path, tmp_path: Path) -> None:
    flows = flows_of_finding(store, beacon(store))
    carved = carve(store, flows, tmp_path / "out.pcapng", max_packets=100_000)
    assert (carved.missing, carved.is_cut) == ({}, False)
    assert carved.sources == [{"name": "demo.pcap", "paths": [str(capture)], "packets": carved.packets}]
    assert carved.packets == sum(flow["orig_pkts"] + flow["resp_pkts"] for flow in flows) > 0
    tshark = needs("tshark", "tshark")
    wanted = subprocess.run(
        [tshark, "-r", str(capture), "-Y", f"ip.addr=={HOST} && ip.addr=={DEST} && tcp.port=={PORT}", "-T", "fields",
         "-e", "frame.number"], capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    every = frames(capture)
    assert frames(tmp_path / "out.pcapng") == [every[int(number) - 1] for number in wanted]


def test_a_limit_is_kept_and_told(store: Store, tmp_path: Path) -> None:
    carved = carve(store, flows_of_finding(store, beacon(store)), tmp_path / "out.pcapng", max_packets=10)
    assert (carved.packets, carved.is_cut) == (10, True)
    assert len(frames(tmp_path / "out.pcapng")) == 10


def test_a_capture_that_is_gone_or_changed_is_told(store: Store, capture: Path, tmp_path: Path) -> None:
    flows = flows_of_finding(store, beacon(store))
    aside = capture.with_suffix(".aside")
    capture.rename(aside)
    try:
        assert "cannot be read" in carve(store, flows, tmp_path / "a", max_packets=10).missing["demo.pcap"]
        with pytest.raises(InputError, match="no packets to dissect: demo"):
            dissect(store, flows)
        capture.write_bytes(aside.read_bytes()[:-1])
        assert "has changed" in carve(store, flows, tmp_path / "b", max_packets=10).missing["demo.pcap"]
    finally:
        aside.replace(capture)
    unknown = [flow | {"source": "other.pcap"} for flow in flows]
    assert "knows no capture" in carve(store, unknown, tmp_path / "c", max_packets=10).missing["other.pcap"]


def test_the_files_of_a_ring_are_read_in_their_order(capture: Path, tmp_path: Path) -> None:
    editcap = needs("editcap", "wireshark-common")
    subprocess.run([editcap, "-F", "pcap", "-c", "2000", str(capture), str(tmp_path / "ring.pcap")], check=True)
    files = [str(path) for path in tmp_path.glob("ring*.pcap")]
    assert len(files) == 3
    replay(files, tmp_path / "store", site=load_site(None), rotated=True)
    with Store.open(tmp_path / "store") as store:
        flows = flows_of_finding(store, beacon(store))
        carved = carve(store, flows, tmp_path / "out.pcapng", max_packets=100_000)
        assert carved.missing == {}
        assert sorted(carved.sources[0]["paths"]) == sorted(files)
        assert carved.packets == sum(flow["orig_pkts"] + flow["resp_pkts"] for flow in flows)
        Path(files[1]).unlink()
        assert "cannot be read" in str(carve(store, flows, tmp_path / "b", max_packets=10).missing)


def test_the_microscope(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    needs("tshark", "tshark")
    (tmp_path / "config.ini").write_text("[tshark]\ntshark_path = /bin/false\n")
    monkeypatch.chdir(tmp_path)  # a config.ini in the current folder chooses pyshark's tshark, if it may
    told = dissect(store, flows_of_finding(store, beacon(store)))
    assert told["error"] == ""
    assert told["packets"] > 0
    methods = {row["value"] for row in told["rows"] if row["field"] == "request_method"}
    assert methods == {"GET"} or methods


def test_a_dissection_that_takes_too_long_is_stopped(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("tshark", "tshark")
    monkeypatch.setattr(deep, "TIMEOUT_S", 0.01)
    with pytest.raises(InputError, match="was stopped"):
        dissect(store, flows_of_finding(store, beacon(store)))


def test_a_capture_that_breaks_off_gives_what_came_before(tmp_path: Path) -> None:
    (tmp_path / "cut.pcap").write_bytes(DEMO.read_bytes()[:-20])
    call = [sys.executable, "-m", "sensor.response.microscope", "cut.pcap", needs("tshark", "tshark")]
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    done = subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, check=True)
    told = json.loads(done.stdout)
    assert told["rows"]
    assert told["packets"] == 400 or "cut short" in told["error"]


def test_a_capture_that_is_none_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "none.pcap").write_bytes(b"no capture")
    call = [sys.executable, "-m", "sensor.response.microscope", "none.pcap", needs("tshark", "tshark")]
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    done = subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert json.loads(done.stdout)["error"]
