"""A sensor that keeps packets: the beginnings of flows, a beacon whole once it is a finding; and its bad days."""

import json
import signal
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sensor.analysis import analyze
from sensor.site import Site
from sensor.store.findings import findings
from sensor.store.kept import UNFINISHED, kept_files, packets_folder
from sensor.store.store import Store
from tests.live.test_watch_faults import beacon, dns_pair, names_in, tcp, write
from tests.support.captures import twin_read
from tests.support.mirror import KAGAMI, Namespace, Watch, until
from tests.support.programs import needs

KEEPS = "[capture]\nflush_s = 1\nring_mib = 16\nkeep_packets = true\nkeep_flow_bytes = {}\n[retention]\nfree_gib = 0\n"
CLIENT, SERVER = "10.0.0.57", "203.0.113.66"


def frames_of(path: Path) -> list[bytes]:
    packets, is_damaged = twin_read(path.read_bytes())
    assert not is_damaged
    return [packet.frame for packet in packets]


def frames_kept(store: Path) -> Counter[bytes]:
    return Counter(frame for file in kept_files(store) for frame in frames_of(file.path))


def beats(n: int, first: int = 0) -> list[tuple[float, bytes]]:
    """The beacon, from client ports of its own for each call."""
    return beacon(first + n, 0.7)[first * 7 :]


def send(wire: Namespace, path: Path, frames: Sequence[tuple[float, bytes]]) -> list[bytes]:
    wire.send("out", write(path, list(frames)))
    return [frame for _, frame in frames]


def test_evidence_has_the_packets_of_a_beacon(wire: Namespace, tmp_path: Path) -> None:
    store = tmp_path / "store"
    bulk = [(0.0, tcp("10.0.0.9", "198.51.100.9", (5000, 443), 0x10, i * 1000, 1, bytes(1000))) for i in range(50)]
    with Watch(wire, store, "mirror", site=KEEPS.format(201)) as watch:
        before = send(wire, tmp_path / "before.pcap", beats(14))
        send(wire, tmp_path / "bulk.pcap", bulk)
        until(lambda: watch.health()["rows"] > 14)
        analyze(store, site=Site())
        with Store.open(store) as opened:
            (found,) = findings(opened, analyzer="beacon", host=CLIENT)[0]
        until(lambda: "suspicious channels that are kept whole: 1" in watch.said())
        after = send(wire, tmp_path / "after.pcap", beats(14, first=14))
        assert watch.stop() == 0
        health = watch.health()
    # a beat is SYN, SYN-ACK, 120, 45 and then three times 40 bytes of IP: the first four begin within 201
    expected = [frame for i, frame in enumerate(before) if i % 7 < 4] + after
    kept = frames_kept(store)
    assert kept == Counter([*expected, bulk[0][1]])
    assert (health["kept"], health["kept_lost"]) == (len(expected) + 1, 0)
    analyze(store, site=Site())

    def evidence() -> dict[str, object]:
        told = wire.run(*KAGAMI, "--store", str(store), "evidence", str(found["id"]), "-o", str(tmp_path / "case"))
        assert f"not all packets of mirror: {len(expected)} of {len(before + after)} packets are there" in told
        manifest: dict[str, object] = json.loads((tmp_path / "case" / "manifest.json").read_text())
        return manifest

    manifest = evidence()
    assert frames_of(tmp_path / "case" / "packets.pcapng") == expected
    assert manifest["captures_missing"] == {}
    assert "the beginning of each connection" in str(manifest["captures_partial"])
    assert "the beginning of each connection" in (tmp_path / "case" / "README.txt").read_text()
    listed = [file.path.name for file in kept_files(store)]
    captures = manifest["captures"]
    assert isinstance(captures, list)
    assert [Path(one["path"]).name for one in captures] == listed
    assert all(len(one["sha256"]) == 64 for one in captures)
    needs("tshark", "tshark")
    page = wire.run(*KAGAMI, "--store", str(store), "show", str(found["id"]), "--deep")
    assert f"of {len(expected)} carved" in page
    status = wire.run(*KAGAMI, "--store", str(store), "status")
    assert f"{len(expected) + 1} packets kept in" in status


def test_what_was_on_the_disk_before_a_kill_is_there_after_it(wire: Namespace, tmp_path: Path) -> None:
    store = tmp_path / "store"
    unfinished = packets_folder(store) / UNFINISHED
    frames = [frame for number in range(20_000) for frame in dns_pair(number)]
    sender = wire.start(
        *("tcpreplay", "-q", "-i", "out", "--pps=300"),
        str(write(tmp_path / "names.pcap", [(0, frame) for frame in frames])),
        stdout=subprocess.DEVNULL,
    )
    n_on_disk = 0
    for _ in range(3):
        with Watch(wire, store, "mirror", "--workers", "2", site=KEEPS.format(10**6)) as watch:
            until(lambda: unfinished.exists() and unfinished.stat().st_size > 20_000)
            n_on_disk = sum(frames_kept(store).values()) + len(twin_read(unfinished.read_bytes())[0])
            watch.process.kill()
            watch.process.wait()
    sender.kill()
    sender.wait()
    with Watch(wire, store, "mirror", site="") as watch:  # also one that keeps nothing completes the file
        assert "kept packets of a capture that was broken off are there" in watch.said()
        assert watch.stop() == 0
    assert not unfinished.exists()
    kept = frames_kept(store)
    assert sum(kept.values()) >= n_on_disk > 0
    assert set(kept.values()) == {1}
    assert len(kept_files(store)) == 3
    assert kept.keys() <= set(frames)


def test_a_full_disk_stops_keeping_and_not_the_capture(wire: Namespace, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    wire.run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk))  # there inside only
    captures = [
        write(tmp_path / f"{first}.pcap", [(0, frame) for n in range(first, first + 200) for frame in dns_pair(n)])
        for first in (0, 1000, 2000)
    ]
    with Watch(wire, disk / "store", "mirror", site=KEEPS.format(10**6), notes=tmp_path) as watch:
        wire.send("out", captures[0], "--pps=2000")
        until(lambda: "unfinished" in wire.run("find", str(disk / "store" / "packets"), check=False))
        wire.run("dd", "if=/dev/zero", f"of={disk}/filler", "bs=4k", check=False)
        wire.send("out", captures[1], "--pps=2000")
        until(lambda: "packets are not kept" in watch.said())
        assert watch.process.poll() is None
        wire.run("rm", str(disk / "filler"))
        wire.send("out", captures[2], "--pps=2000")
        until(lambda: "packets are kept again" in watch.said())
        assert watch.stop() == 0
    status = json.loads(wire.run(*KAGAMI, "-q", "--store", str(disk / "store"), "status", "--json"))
    (live,) = status["live"]
    assert live["packets"] == 1200
    assert live["kept"] + live["kept_lost"] == 1200
    assert 0 < live["kept_lost"] <= 800
    assert {"keeping packets stopped", "keeping packets again"} <= {word["what"] for word in live["words"]}
    copy = tmp_path / "copy"
    wire.run("cp", "-r", str(disk / "store"), str(copy))
    assert sum(frames_kept(copy).values()) == live["kept"]


def test_keeping_is_switched_on_and_off_while_the_capture_goes_on(wire: Namespace, tmp_path: Path) -> None:
    store = tmp_path / "store"
    off, on = KEEPS.format(10**6).replace("true", "false"), KEEPS.format(10**6)

    def ask(number: int) -> None:
        send(wire, tmp_path / f"{number}.pcap", [(0, frame) for frame in dns_pair(number)])
        until(lambda: f"n{number:06d}.example" in names_in(store))

    with Watch(wire, store, "mirror", site=off) as watch:
        ask(1)
        for turn, site in enumerate((on, off), 1):
            watch.site.write_text(site)
            watch.process.send_signal(signal.SIGHUP)
            until(lambda turn=turn: watch.said().count("was read again") == turn)
            ask(1 + turn)
        assert watch.stop() == 0
        assert watch.health()["kept"] == 2
    assert frames_kept(store) == Counter(dns_pair(2))
