"""Packets of a live finding out of the files that the sensor kept: all that is there, and in words what is not."""

import json
import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sensor.capture.reader import content_hash, open_capture
from sensor.cli.main import run
from sensor.errors import InputError
from sensor.live.chooser import Chooser, Shelf
from sensor.live.keptfile import OpenFile
from sensor.pipeline import Pipeline
from sensor.response.carve import Carved, carve
from sensor.response.deep import dissect
from sensor.run import demo_capture, replay
from sensor.site import load_site
from sensor.store.findings import findings, flows_of_finding
from sensor.store.kept import kept_files, packets_folder
from sensor.store.store import Store
from tests.support.captures import Packet, packets_of
from tests.support.programs import needs

DEMO = demo_capture()
LIVE = "live" + "cd" * 14
FILE_PACKETS = 300


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kept") / "store"
    replay([str(DEMO)], path, site=load_site(None))
    return path


@pytest.fixture
def store(replayed: Path, store_dir: Path) -> Any:
    """The demo as if a live capture had seen it."""
    shutil.copytree(replayed, store_dir)
    with Store.open(store_dir, write=True) as opened:
        with opened.transaction():
            opened.db.execute("PRAGMA defer_foreign_keys = ON")
            opened.db.execute("UPDATE source SET content_hash = ?, path = 'eth1'", (LIVE,))
            opened.db.execute("UPDATE counter SET source = ?", (LIVE,))
        yield opened


def keep(store_dir: Path, flow_bytes: int) -> None:
    """Keep packets of the demo, in files of some hundred each."""
    pipeline, shelf = Pipeline(lambda out, pool: None), Shelf(2)
    chooser = Chooser(shelf, flow_bytes, 1 << 12)
    file = None
    with open_capture(str(DEMO)) as reader:
        for batch in reader.batches():
            rows = pipeline.take(batch)
            for first in range(0, len(rows), 500):
                chooser.take(batch, rows[first : first + 500], pipeline.tracker.codes[first : first + 500].copy())
                chooser.flush()
                while not shelf.full.empty():
                    chunk = shelf.full.get()
                    assert chunk is not None
                    file = file or OpenFile(packets_folder(store_dir), 1, "eth1", "")
                    file.append(chunk)
                    shelf.free.put(chunk)
                    if file.packets >= FILE_PACKETS:
                        file.finish()
                        file = None
    if file:
        file.finish()


def the_flows(store: Store) -> list[dict[str, Any]]:
    found = next(one for one in findings(store)[0] if one["dest"] == "192.0.2.66" and one["analyzer"] == "beacon")
    return flows_of_finding(store, found["id"])


def frames(path: Path) -> Counter[Packet]:
    with open_capture(str(path)) as reader:
        return Counter(packet for batch in reader.batches() for packet in packets_of(batch))


def test_everything_that_was_kept_is_carved(store: Store, store_dir: Path, tmp_path: Path) -> None:
    flows = the_flows(store)
    keep(store_dir, 1 << 30)
    assert len(kept_files(store_dir)) > 3
    carved = carve(store, flows, tmp_path / "kept.pcapng", max_packets=100_000)
    assert (carved.missing, carved.partial, carved.is_cut) == ({}, {}, False)
    assert carved.packets == sum(flow["orig_pkts"] + flow["resp_pkts"] for flow in flows) > 0
    assert sum(one["packets"] for one in carved.sources) == carved.packets
    assert {one["name"] for one in carved.sources} == {"demo.pcap"}
    with store.transaction():
        store.db.execute("PRAGMA defer_foreign_keys = ON")
        store.db.execute("UPDATE source SET content_hash = ?, path = ?", (content_hash(str(DEMO)), str(DEMO)))
        store.db.execute("UPDATE counter SET source = ?", (content_hash(str(DEMO)),))
    whole = carve(store, flows, tmp_path / "whole.pcapng", max_packets=100_000)
    assert whole.packets == carved.packets
    assert frames(tmp_path / "whole.pcapng") == frames(tmp_path / "kept.pcapng")


def reason(carved: Carved) -> str:
    assert len(carved.missing) + len(carved.partial) == 1
    return carved.missing.get("demo.pcap") or carved.partial["demo.pcap"]


def test_what_is_not_there_is_said(store: Store, store_dir: Path, tmp_path: Path) -> None:
    flows = the_flows(store)
    n_all = sum(flow["orig_pkts"] + flow["resp_pkts"] for flow in flows)
    nothing = carve(store, flows, tmp_path / "a", max_packets=100_000)
    assert reason(nothing).startswith(f"0 of {n_all} packets are there: the sensor keeps no packets")
    with pytest.raises(InputError, match=r"no packets to dissect: demo\.pcap: 0 of"):
        needs("tshark", "tshark")
        dissect(store, flows)

    keep(store_dir, 500)
    some = carve(store, flows, tmp_path / "b", max_packets=100_000)
    assert 0 < some.packets < n_all
    said = f"{some.packets} of {n_all} packets are there: a live sensor keeps the beginning of each connection"
    assert reason(some).startswith(said)
    assert "nothing is there from before" not in reason(some)

    files = kept_files(store_dir)
    files[0].path.unlink()
    assert "nothing is there from before 2017-10-01 18:" in reason(
        carve(store, flows, tmp_path / "c", max_packets=9999)
    )
    files[-1].path.write_bytes(b"removed and made anew")
    fewer = carve(store, flows, tmp_path / "d", max_packets=9999)
    assert fewer.packets < some.packets
    files[-1].path.unlink()
    assert "the newest may be in the file that is being written" in reason(
        carve(store, flows, tmp_path / "e", max_packets=9999)
    )


def test_a_limit_is_a_limit(store: Store, store_dir: Path, tmp_path: Path) -> None:
    keep(store_dir, 1 << 30)
    carved = carve(store, the_flows(store), tmp_path / "out.pcapng", max_packets=10)
    assert (carved.packets, carved.is_cut, carved.partial) == (10, True, {})


def test_the_manifest_names_each_kept_file_with_its_hash(store: Store, store_dir: Path, tmp_path: Path) -> None:
    keep(store_dir, 500)
    store.close()
    assert run(["evidence", "1", "-o", str(tmp_path / "case"), "--store", str(store_dir)]) == 0
    manifest = json.loads((tmp_path / "case" / "manifest.json").read_text())
    by_path = {one["path"]: SimpleNamespace(**one) for one in manifest["captures"]}
    assert {Path(path) for path in by_path} <= {file.path for file in kept_files(store_dir)}
    assert all(one.bytes == Path(path).stat().st_size and len(one.sha256) == 64 for path, one in by_path.items())
    assert sum(one.packets_of_all_its_files for one in by_path.values()) == manifest["packets"]
    assert manifest["captures_partial"]["demo.pcap"] in (tmp_path / "case" / "README.txt").read_text()
