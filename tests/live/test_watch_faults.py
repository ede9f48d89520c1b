"""What happens to a sensor on a bad day: killed, its disk full, its cable pulled, its settings wrong, flooded."""

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from sensor.analysis import analyze
from sensor.site import Site
from sensor.store.findings import findings
from sensor.store.questions import dns
from sensor.store.store import Store
from tests.support.captures import pcap_header, pcap_record
from tests.support.command import KAGAMI
from tests.support.mirror import Namespace, Watch, notify_socket, until

FAST = "[capture]\nflush_s = 1\nring_mib = 16\n[retention]\nfree_gib = 0\n"
MAC = bytes.fromhex("02000000000102000000000f0800")


def ipv4(src: str, dst: str, proto: int, body: bytes, ident: int = 1) -> bytes:
    head = bytes((0x45, 0)) + (20 + len(body)).to_bytes(2, "big") + (ident & 0xFFFF).to_bytes(2, "big")
    return MAC + head + bytes((0, 0, 64, proto, 0, 0, *map(int, src.split(".")), *map(int, dst.split(".")))) + body


def dns_pair(number: int) -> list[bytes]:
    """A question for a name of its own, and its answer."""
    name = f"n{number:06d}".encode()
    question = bytes((len(name),)) + name + b"\x07example\0\0\1\0\1"
    port = 20_000 + number % 40_000
    frames = []
    for src, dst, ports, head, answer in (
        ("10.0.0.5", "10.0.0.2", (port, 53), b"\x01\0\0\1\0\0\0\0\0\0", b""),
        (
            "10.0.0.2",
            "10.0.0.5",
            (53, port),
            b"\x81\x80\0\1\0\1\0\0\0\0",
            b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xcb\0\x71\x07",
        ),
    ):
        body = (number & 0xFFFF).to_bytes(2, "big") + head + question + answer
        udp = b"".join(value.to_bytes(2, "big") for value in (*ports, 8 + len(body), 0))
        frames.append(ipv4(src, dst, 17, udp + body, number))
    return frames


def tcp(src: str, dst: str, ports: tuple[int, int], flags: int, seq: int, ack: int, payload: bytes = b"") -> bytes:
    head = ports[0].to_bytes(2, "big") + ports[1].to_bytes(2, "big") + seq.to_bytes(4, "big") + ack.to_bytes(4, "big")
    return ipv4(src, dst, 6, head + bytes((0x50, flags)) + b"\x20\0\0\0\0\0" + payload, seq)


def write(path: Path, frames: list[tuple[float, bytes]]) -> Path:
    path.write_bytes(pcap_header() + b"".join(pcap_record(int(at), int(at % 1 * 1e6), frame) for at, frame in frames))
    return path


def names_in(store_dir: Path) -> Counter[str]:
    with Store.open(store_dir) as store:
        return Counter(row["qname"] for row in dns(store)[0])


def _has_more_than(store: Path, n: int) -> bool:
    return names_in(store).total() > n


@pytest.mark.parametrize("n_kills", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_again_and_again(wire: Namespace, tmp_path: Path, n_kills: int) -> None:
    """What a reader saw before the kill is there after it, and nothing is there twice."""
    rng = random.Random(n_kills)
    frames = [frame for number in range(40_000) for frame in dns_pair(number)]
    # one long stream of names that never come again: 13 minutes of them, for a busy machine
    sender = wire.start(
        *("tcpreplay", "-q", "-i", "out", "--pps=100"),
        str(write(tmp_path / "names.pcap", [(i / 100, frame) for i, frame in enumerate(frames)])),
        stdout=subprocess.DEVNULL,
    )
    store = tmp_path / "store"
    before: Counter[str] = Counter()
    for _ in range(n_kills):
        with Watch(wire, store, "mirror", site=FAST) as watch:
            n_before = before.total()
            until(partial(_has_more_than, store, n_before))
            time.sleep(rng.uniform(0, 0.6))
            before = names_in(store)
            watch.process.kill()
            watch.process.wait()
        after = names_in(store)
        assert before.keys() <= after.keys()
        assert set(after.values()) == {1}
    sender.kill()
    sender.wait()
    with Store.open(store, write=True) as opened:
        assert opened.health()["sources"] == {"interrupted": n_kills}
        assert opened.db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert not list((store / "lake" / ".incoming").iterdir())


def test_a_full_disk_is_counted_and_then_used_again(wire: Namespace, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    wire.run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk))  # there inside only

    def ask(verb: str, *options: str) -> str:
        return wire.run(*KAGAMI, "-q", "--store", str(disk / "store"), verb, *options)

    def stored() -> int:
        return len(ask("dns").splitlines()) - 1

    captures = [
        write(tmp_path / f"{first}.pcap", [(0, frame) for n in range(first, first + 200) for frame in dns_pair(n)])
        for first in (0, 1000, 2000)
    ]
    with Watch(wire, disk / "store", "mirror", site=FAST, notes=tmp_path) as watch:
        wire.send("out", captures[0], "--pps=2000")
        until(lambda: stored() == 200)
        wire.run("dd", "if=/dev/zero", f"of={disk}/filler", "bs=4k", check=False)
        wire.send("out", captures[1], "--pps=2000")
        until(lambda: watch.counted("rows_lost") > 0)
        assert "not stored" in watch.said()
        assert watch.process.poll() is None
        wire.run("rm", str(disk / "filler"))
        wire.send("out", captures[2], "--pps=2000")
        until(lambda: "stored again" in watch.said())
        until(lambda: stored() >= 400)
        assert watch.stop() == 0
    names = Counter(line.split("\t")[3] for line in ask("dns").splitlines()[1:])
    assert set(names.values()) == {1}
    assert {f"n{n:06d}.example" for n in (*range(200), *range(2000, 2200))} <= names.keys()
    (live,) = json.loads(ask("status", "--json"))["live"]
    assert live["packets"] == 1200
    assert live["rows_lost"] > 0
    assert [word["what"] for word in live["words"]] == ["writing stopped", "writing again"]


def test_the_floor_of_free_space_is_kept(wire: Namespace, tmp_path: Path) -> None:
    site = FAST.replace("free_gib = 0", "free_gib = 1000000")
    with Watch(wire, tmp_path / "store", "mirror", site=site) as watch:
        wire.send("out", write(tmp_path / "a.pcap", [(0, frame) for frame in dns_pair(1)]))
        until(lambda: "not stored" in watch.said())
        assert "1e+06 GiB to be left; run `kagami prune`" in watch.said()
        assert watch.stop() == 0
        assert watch.health()["rows_lost"] > 0
    assert not names_in(tmp_path / "store")


def test_the_interface_goes_down_up_away_and_comes_back(wire: Namespace, tmp_path: Path) -> None:
    with Watch(wire, tmp_path / "store", "mirror", site=FAST) as watch:
        wire.send("out", write(tmp_path / "a.pcap", [(0, frame) for frame in dns_pair(1)]))
        wire.run("ip", "link", "set", "mirror", "down")
        until(lambda: "interface down" in watch.said())
        wire.run("ip", "link", "set", "mirror", "up")
        until(lambda: "interface up" in watch.said())
        wire.send("out", write(tmp_path / "b.pcap", [(0, frame) for frame in dns_pair(2)]))
        wire.run("ip", "link", "del", "mirror")
        until(lambda: "interface gone" in watch.said())
        wire.veth("out", "mirror")
        until(lambda: watch.said().count("interface up") == 2)
        wire.send("out", write(tmp_path / "c.pcap", [(0, frame) for frame in dns_pair(3)]))
        time.sleep(0.5)
        assert watch.stop() == 0
        health = watch.health()
    assert set(names_in(tmp_path / "store")) == {"n000001.example", "n000002.example", "n000003.example"}
    assert [word for word in health["words"] if word != "interface no-carrier"] == [
        *("interface down", "interface up", "interface gone", "interface up"),
    ]
    assert health["state"] == "stopped"
    assert health["packets"] == health["seen"] == 6


def test_a_bad_site_file_is_refused_and_the_old_one_goes_on(wire: Namespace, tmp_path: Path) -> None:
    with Watch(wire, tmp_path / "store", "mirror", site=FAST) as watch:
        watch.site.write_text("[capture]\nflush_s = -3\n")
        watch.process.send_signal(signal.SIGHUP)
        until(lambda: "not taken" in watch.said())
        assert "flush_s = -3; allowed: a number of seconds from 1 to 3600" in watch.said()
        watch.site.write_text(FAST + "[networks]\ninternal = ['10.0.0.0/8']\n")
        watch.process.send_signal(signal.SIGHUP)
        until(lambda: "was read again" in watch.said())
        assert watch.stop() == 0
        assert watch.health()["words"] == ["site file refused", "site file reloaded"]


def test_signals_may_come_at_any_moment(wire: Namespace, tmp_path: Path) -> None:
    """Thousands, so that some interrupt whatever the main thread does between two waits."""
    rng = random.Random(11)
    with Watch(wire, tmp_path / "store", "mirror", site=FAST) as watch:
        for _ in range(3000):
            watch.process.send_signal(signal.SIGHUP)
            time.sleep(rng.random() * 0.002)
        assert watch.stop() == 0
        assert watch.said().count("was read again") > 100
        assert watch.health()["state"] == "stopped"


def test_a_second_capture_is_refused_and_analysis_is_not(wire: Namespace, tmp_path: Path) -> None:
    with Watch(wire, tmp_path / "store", "mirror", site=FAST) as watch:
        told = wire.run(*KAGAMI, "--store", str(tmp_path / "store"), "watch", "-i", "mirror", check=False)
        assert f"process {watch.process.pid} is writing to the store" in told
        analyze(tmp_path / "store", site=Site())
        assert watch.stop(signal.SIGINT) == 130


def test_what_systemd_is_told(wire: Namespace, tmp_path: Path) -> None:
    ear = notify_socket(tmp_path / "notify")
    with (
        ear,
        Watch(wire, tmp_path / "store", "mirror", site=FAST, env={"NOTIFY_SOCKET": str(tmp_path / "notify")}) as watch,
    ):
        assert ear.recv(4096) == b"READY=1"
        heard = [ear.recv(4096).decode() for _ in range(6)]
        assert "WATCHDOG=1" in heard
        assert any(line.startswith("STATUS=mirror up: 0 packets, 0 dropped") for line in heard)
        watch.process.send_signal(signal.SIGSTOP)  # nothing moves on: nothing is told
        time.sleep(0.5)
        ear.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                ear.recv(4096)
        time.sleep(2)
        with pytest.raises(BlockingIOError):
            ear.recv(4096)
        ear.setblocking(True)
        watch.process.send_signal(signal.SIGCONT)
        assert watch.stop() == 0
        heard = []
        while "STOPPING=1" not in heard:
            heard.append(ear.recv(4096).decode())


def beacon(n_beats: int, every_s: float) -> list[tuple[float, bytes]]:
    """Short connections to one server, evenly spaced."""
    client, server = "10.0.0.57", "203.0.113.66"
    frames = []
    for beat in range(n_beats):
        at, ports = beat * every_s, (40_000 + beat, 8443)
        back = (ports[1], ports[0])
        for step, (src, dst, way, flags, seq, ack, payload) in enumerate(
            (
                (client, server, ports, 0x02, 1, 0, b""),
                (server, client, back, 0x12, 1, 2, b""),
                (client, server, ports, 0x18, 2, 2, b"beat" * 20),
                (server, client, back, 0x18, 2, 82, b"sleep"),
                (client, server, ports, 0x11, 82, 7, b""),
                (server, client, back, 0x11, 7, 83, b""),
                (client, server, ports, 0x10, 83, 8, b""),
            )
        ):
            frames.append((at + step * 0.002, tcp(src, dst, way, flags, seq, ack, payload)))
    return frames


@pytest.mark.slow
def test_a_beacon_is_found_in_a_flood_and_memory_stays(wire: Namespace, tmp_path: Path) -> None:
    """SYNs of ever new connections, from anywhere or as like each other as they can be, as fast as they go."""
    rng = random.Random(5)
    flood = []
    for i in range(0, 120_000, 2):
        src = ".".join(str(rng.randrange(1, 255)) for _ in range(4))
        ports = (rng.randrange(1024, 65536), rng.randrange(1, 65536))
        flood.append((0.0, tcp(src, "198.51.100.9", ports, 2, i, 0)))
        flood.append((0.0, tcp(f"172.16.{i >> 16}.1", "198.51.100.9", (i & 0xFFFF, 80), 2, i, 0)))
    beats = write(tmp_path / "beacon.pcap", beacon(14, 0.7))
    with Watch(wire, tmp_path / "store", "mirror", site=FAST.replace("ring_mib = 16", "max_flows = 20000")) as watch:
        flooding = wire.start(
            *("tcpreplay", "-q", "-i", "out", "--pps=40000", "--loop=100", "--preload-pcap"),
            str(write(tmp_path / "flood.pcap", flood)),
            stdout=subprocess.DEVNULL,
        )
        until(lambda: watch.counted("evicted") > 100_000, 300)  # the table and all buffers were full more than once
        resident_kib = _resident_kib(watch.process.pid)
        wire.send("out", beats)
        assert _resident_kib(watch.process.pid) < resident_kib * 1.1
        flooding.kill()
        flooding.wait()
        assert watch.stop() == 0
        health = watch.health()
    assert health["evicted"] > 20_000
    assert health["seen"] == health["packets"] + health["dropped"]
    analyze(tmp_path / "store", site=Site())
    with Store.open(tmp_path / "store") as store:
        found, _ = findings(store, analyzer="beacon", host="10.0.0.57")
    assert [row["dest"] for row in found] == ["203.0.113.66"]
    assert 0.6 < found[0]["interval_s"] < 1.4  # a busy machine sends late


def _resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def test_without_the_capability_it_says_what_is_missing(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("takes the capability away, which needs root")
    done = subprocess.run(
        ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", *KAGAMI, "watch", "-i", "lo"],
        capture_output=True, text=True, check=False, env=os.environ | {"KAGAMI_STORE": str(tmp_path / "store")},
    )  # fmt: skip
    assert done.returncode == 4
    assert "needs the capability CAP_NET_RAW" in done.stderr
