"""Keeping packets: which ones, in how much room, for which findings, and what happens on a full disk."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sensor.capture.keep import sorted_suspects
from sensor.capture.reader import open_capture
from sensor.cli.verbs.status import describe
from sensor.doctor.machine import store_checks
from sensor.errors import UsageError
from sensor.live import keeper as keeper_module
from sensor.live.chooser import Chooser, Chunk, Shelf
from sensor.live.keeper import Keeper, KeepLimits
from sensor.live.keptfile import OpenFile
from sensor.networks import packet_address, parse_address
from sensor.site import Site, load_site
from sensor.sitefile import proposal
from sensor.store.desk import allow, triage
from sensor.store.kept import UNFINISHED, kept_files, kept_summary, name_of, overlapping, packets_folder
from sensor.store.prune import Limits, prune
from sensor.store.store import Store
from sensor.store.suspects import suspicious_channels
from tests.support.cli_store import finding
from tests.support.frames import batch_of
from tests.support.packets import CLIENT, SERVER, T0, Packet, S, Tcp, icmp, rows_of, udp

MIB = 1 << 20
NO_LIMIT = KeepLimits(flow_bytes=10**9, ring_bytes=1 << 40, floor_bytes=0)


def chosen(
    packets: list[Packet], flow_bytes: int, suspects: list[tuple[str, str, int, int]] | None = None
) -> list[int]:
    """The numbers of the packets that are kept; the lengths on the wire tell them apart in the file."""
    rows, _ = rows_of(packets)
    keys = [(frozenset({(p.src, p.src_port), (p.dst, p.dst_port)}), p.proto) for p in packets]
    codes = np.array([(1 + keys.index(key)) * 0x9E3779B97F4A7C15 & 2**64 - 1 for key in keys], np.uint64)
    shelf = Shelf(1)
    chooser = Chooser(shelf, flow_bytes, 1024)
    chooser.suspects = sorted_suspects(
        (packet_address(address(client)), packet_address(address(server)), port, proto)
        for client, server, port, proto in suspects or []
    )
    batch = batch_of(
        [bytes(20)] * len(rows), ts_ns=[p.ts_ns for p in packets], wire_lens=list(range(20, 20 + len(rows)))
    )
    chooser.take(batch, rows, codes)
    chooser.flush()
    if shelf.full.empty():
        return []
    chunk = shelf.full.get()
    assert chunk is not None
    words = chunk.buffer[: chunk.used].view(np.uint32).reshape(chunk.packets, -1)
    return [int(n) - 20 for n in words[:, 6]]


def address(text: str) -> Any:
    return parse_address(text)


def test_the_beginning_of_a_flow_is_kept_both_ways_and_the_rest_is_not() -> None:
    talk = Tcp().handshake()  # three packets of 40 bytes
    for _ in range(5):
        talk("P.", b"x" * 60).r("P.", b"y" * 360)  # 100 and 400
    assert chosen(talk.packets, 121) == [0, 1, 2, 3]
    assert chosen(talk.packets, 120) == [0, 1, 2]
    assert chosen(talk.packets, 221) == [0, 1, 2, 3, 4]
    assert chosen(talk.packets, 0) == []
    assert chosen(talk.packets, 10**6) == list(range(13))


def test_each_flow_has_a_beginning_of_its_own() -> None:
    packets = [udp(T0 + i, b"x" * 72, client=(CLIENT, 1000 + i % 3)) for i in range(9)]  # 100 bytes each
    assert chosen(packets, 150) == [0, 1, 2, 3, 4, 5]


def test_a_key_that_is_used_again_is_another_flow() -> None:
    first, second = Tcp().handshake()("P.", b"x" * 400), Tcp(start_ns=T0 + 5 * S).handshake()("P.", b"x" * 400)
    assert chosen([*first.packets, *second.packets], 81) == [0, 1, 2, 4, 5, 6]
    talk = Tcp().handshake()("P.", b"x" * 400, at=1)(".", at=2)("P.", b"x", at=303)
    assert chosen(talk.packets, 81) == [0, 1, 2, 5]
    assert chosen([udp(T0 + at * S, b"x" * 72) for at in (0, 1, 60, 61, 122)], 1) == [0, 4]


def test_a_suspicious_channel_is_kept_whole_and_nothing_beside_it() -> None:
    packets = [
        udp(T0, server=(SERVER, 53)), udp(T0, server=(SERVER, 53), back=True), udp(T0, server=(SERVER, 54)),
        udp(T0, server=("203.0.113.10", 53)), udp(T0, client=("10.0.0.6", 40000), server=(SERVER, 53)),
        *Tcp(server=(SERVER, 53))("S").packets, icmp(T0, 8), icmp(T0, 0, src=SERVER, dst=CLIENT),
        icmp(T0, 3, 3, src=SERVER, dst=CLIENT), icmp(T0, 8, dst="203.0.113.10"),
        udp(T0, client=("fd00::5", 1), server=("2001:db8::9", 443)),
        udp(T0, client=("fd00::5", 1), server=("2001:db8::9", 443), back=True),
    ]  # fmt: skip
    assert chosen(packets, 0, [(CLIENT, SERVER, 53, 17)]) == [0, 1]
    assert chosen(packets, 0, [(CLIENT, SERVER, 53, 6)]) == [5]
    assert chosen(packets, 0, [(CLIENT, SERVER, 0, 1)]) == [6, 7, 8]
    assert chosen(packets, 0, [("fd00::5", "2001:db8::9", 443, 17)]) == [10, 11]
    many = [(f"10.0.{i >> 8}.{i & 255}", SERVER, port, 17) for i in range(600) for port in (52, 54)]
    assert chosen(packets, 0, [*many, (CLIENT, SERVER, 53, 17)]) == [0, 1, 2]
    assert chosen(packets, 0, []) == []


def test_an_undecodable_packet_is_no_beginning() -> None:
    assert chosen([udp(T0, status=1), udp(T0)], 1000) == [1]


def test_without_a_free_buffer_packets_are_let_go_and_counted() -> None:
    rows, _ = rows_of([udp(T0 + i) for i in range(5)])
    batch = batch_of([bytes(60)] * 5)
    codes = np.ones(5, np.uint64)
    shelf = Shelf(1)
    chooser = Chooser(shelf, 1000, 16)
    held = shelf.free.get()
    chooser.take(batch, rows, codes)
    assert chooser.lost == 5
    shelf.free.put(held)
    chooser.take(batch, rows, codes)
    chooser.flush()
    chunk = shelf.full.get()
    assert chunk is not None
    assert (chunk.packets, chooser.lost) == (5, 5)


def test_a_full_buffer_goes_on_its_way_and_the_next_goes_on() -> None:
    n, size = 400, 200_000
    rows, _ = rows_of([udp(T0 + i) for i in range(n)])
    batch = batch_of([bytes(size)] * 20)
    shelf = Shelf(40)
    chooser = Chooser(shelf, 10**9, 16)
    for i in range(0, n, 20):
        part = rows[i : i + 20]
        part["frame"] = np.arange(20)
        chooser.take(batch, part, np.ones(20, np.uint64))
    chooser.flush()
    chunks = [shelf.full.get() for _ in range(shelf.full.qsize())]
    assert sum(chunk.packets for chunk in chunks if chunk) == n
    assert len(chunks) > n * size // (4 * MIB)
    assert all(chunk.used <= 4 * MIB for chunk in chunks if chunk)


def chunk_of(n_bytes: int, ts: int, packets: int = 1) -> Chunk:
    """Blocks of one frame each that fill so many bytes."""
    chunk = Chunk(used=n_bytes, packets=packets, first_ts=ts, last_ts=ts + packets - 1)
    size = n_bytes // packets
    words = chunk.buffer[:n_bytes].view(np.uint32).reshape(packets, -1)
    words[:, 0], words[:, 1], words[:, -1] = 6, size, size
    for i in range(packets):
        words[i, 3:7] = (ts + i) >> 32, (ts + i) & 0xFFFFFFFF, size - 32, size - 32
    return chunk


class Kept:
    """A keeper that is driven by hand, one chunk after the other, and what it said."""

    def __init__(self, store: Path, limits: KeepLimits) -> None:
        self.said: list[str] = []
        self.noted: list[str] = []
        store.mkdir(exist_ok=True)
        self.keeper = Keeper(store, "eth1", limits, n_workers=1, max_flows=16, tell=self.said.append,
                             note=self.noted.append)  # fmt: skip

    def write(self, *chunks: Chunk) -> dict[str, int]:
        for chunk in chunks:
            self.keeper._shelf.full.put(chunk)
            assert self.keeper._is_going_on()
        return self.keeper.counts()


def test_files_are_complete_when_they_have_their_name(store_dir: Path) -> None:
    kept = Kept(store_dir, NO_LIMIT)
    counts = kept.write(chunk_of(6400, T0 + 5, 100), chunk_of(640, T0, 10))
    assert counts == {"kept": 110, "kept_bytes": 7040, "kept_lost": 0}
    assert [path.name for path in packets_folder(store_dir).iterdir()] == [UNFINISHED]
    assert kept_files(store_dir) == []
    assert kept_summary(store_dir)["files"] == 1
    kept.keeper._complete()
    (file,) = kept_files(store_dir)
    assert (file.first_ts, file.last_ts) == (T0, T0 + 104)
    assert file.path.stat().st_mode & 0o777 == 0o640
    with open_capture(str(file.path)) as reader:
        assert sum(len(batch) for batch in reader.batches()) == 110
    assert kept_summary(store_dir) == {"files": 1, "bytes": file.size, "first_ts": T0, "last_ts": T0 + 104}


def test_the_oldest_goes_when_the_ring_is_full(store_dir: Path) -> None:
    limits = KeepLimits(flow_bytes=1, ring_bytes=MIB, floor_bytes=0)
    kept = Kept(store_dir, limits)
    for i in range(100):
        kept.write(chunk_of(32 << 10, T0 + i * S))
    kept.keeper._complete()
    files = kept_files(store_dir)
    assert MIB * 0.85 < sum(file.size for file in files) <= MIB
    assert files[-1].last_ts == T0 + 99 * S
    assert files[0].first_ts > T0 + 60 * S
    assert kept.keeper.counts()["kept_lost"] == 0
    # another capture goes on with what is there
    later = Kept(store_dir, limits)
    later.keeper.end()
    later.keeper.run()
    assert later.keeper._held_bytes == sum(file.size for file in files)
    files[0].path.unlink()  # as `kagami prune` may do meanwhile
    for i in range(100, 103):
        later.write(chunk_of(32 << 10, T0 + i * S))
    assert sum(file.size for file in kept_files(store_dir)) <= MIB


def test_a_full_disk_stops_keeping_and_is_told_once(store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(store_dir, KeepLimits(flow_bytes=1, ring_bytes=1 << 40, floor_bytes=10 << 30))
    free = 11 << 30
    monkeypatch.setattr(keeper_module.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    kept.write(chunk_of(640, T0, 10))
    kept.keeper._complete()
    free = 9 << 30
    counts = kept.write(chunk_of(640, T0, 10), chunk_of(640, T0, 10))
    assert counts == {"kept": 10, "kept_bytes": 640, "kept_lost": 20}
    assert kept_files(store_dir) == []  # what there was gave way to the history
    assert kept.said == ["packets are not kept, only counted: 9.00 GiB of the disk are free, 10 are to be left"]
    free = 11 << 30
    assert kept.write(chunk_of(640, T0, 10))["kept"] == 20
    assert kept.said[1:] == ["packets are kept again"]
    assert kept.noted == ["keeping packets stopped", "keeping packets again"]


def test_a_chunk_that_does_not_fit_leaves_nothing_behind(store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(store_dir, NO_LIMIT)
    kept.write(chunk_of(6400, T0, 100))
    write, room = os.pwrite, [1000]

    def fills_up(descriptor: int, data: Any, offset: int) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        n = write(descriptor, data[: room[0]], offset)
        room[0] -= n
        return n

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", fills_up)
        assert kept.write(chunk_of(6400, T0, 100))["kept_lost"] == 100
    assert kept.said == ["packets are not kept, only counted: No space left on device"]
    kept.write(chunk_of(640, T0 + S, 10))
    kept.keeper._complete()
    (file,) = kept_files(store_dir)
    with open_capture(str(file.path)) as reader:
        assert sum(len(batch) for batch in reader.batches()) == 110


def test_a_file_that_cannot_be_named_is_named_later(store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(store_dir, NO_LIMIT)
    kept.write(chunk_of(640, T0, 10))

    def fails(self: Path, target: Path) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", fails)
        kept.keeper._complete()
    assert kept_files(store_dir) == []
    kept.write(chunk_of(640, T0 + S, 10))
    kept.keeper._complete()
    assert [file.first_ts for file in kept_files(store_dir)] == [T0, T0 + S]


def test_another_link_type_begins_another_file(store_dir: Path) -> None:
    kept = Kept(store_dir, NO_LIMIT)
    raw = chunk_of(640, T0 + S, 10)
    raw.link = 101
    kept.write(chunk_of(640, T0, 10), raw)
    kept.keeper._complete()
    links = []
    for file in kept_files(store_dir):
        with open_capture(str(file.path)) as reader:
            links += [int(batch.link[0]) for batch in reader.batches()]
    assert links == [1, 101]


def test_files_of_the_same_time_do_not_replace_each_other(tmp_path: Path) -> None:
    for _ in range(3):
        file = OpenFile(tmp_path, 1, "eth1", "")
        file.append(chunk_of(640, T0, 10))
        file.finish()
    assert len(list(tmp_path.iterdir())) == 3


def test_names_tell_the_time() -> None:
    assert name_of(T0 + 5, T0 + 61 * S) == "20231114T221320.000000005-20231114T221421.000000000.pcapng"
    assert name_of(-5, 0).startswith("19700101T000000.000000000-")


def test_the_files_of_a_time(store_dir: Path) -> None:
    packets_folder(store_dir).mkdir(parents=True)
    for i in range(10):
        (packets_folder(store_dir) / name_of(T0 + i * 60 * S, T0 + i * 60 * S + 59 * S)).touch()
    for stray in (UNFINISHED, "notes.txt", "20231114T221320.5-x.pcapng", name_of(T0, T0).replace("1114T", "9999T")):
        (packets_folder(store_dir) / stray).touch()
    files = kept_files(store_dir)
    assert len(files) == 10

    def found(*spans: tuple[int, int]) -> list[int]:
        return [files.index(file) for file in overlapping(files, [(T0 + a * S, T0 + b * S) for a, b in spans])]

    assert found((0, 0)) == [0]
    assert found((59, 60)) == [0, 1]
    assert found((130, 135), (131, 132), (500, 9999)) == [2, 8, 9]
    assert found((-5, -1)) == []
    assert found() == []


@pytest.fixture
def store(store_dir: Path) -> Any:
    with Store.open(store_dir, write=True) as opened:
        yield opened


def ends(found: tuple[list[tuple[int, int, int, int]], int]) -> set[tuple[str, str, int, int]]:
    def text(value: int) -> str:
        return str(parse_address(f"{value >> 24 & 255}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}"))

    return {(text(client), text(server), port, proto) for client, server, port, proto in found[0]}


def test_suspicious_is_what_stands_at_medium_or_more(store: Store) -> None:
    hosts = [f"10.0.0.{i}" for i in range(1, 9)]
    severities = ("low", "medium", "high", "critical", "high", "high", "high", "high")
    ids = store.upsert_findings(
        [finding(orig_ip=host, severity=level) for host, level in zip(hosts, severities, strict=True)]
    )
    triage(store, [ids[4]], "false-positive", note="", who="me", made_ts=1)
    triage(store, [ids[5]], "resolved", note="", who="me", made_ts=1)
    triage(store, [ids[7]], "confirmed", note="", who="me", made_ts=1)
    allow(store, "cdn.updates.example", hosts=[hosts[6]], reason="ours", who="me", made_ts=1, expires_ts=100)
    kept = {hosts[1], hosts[2], hosts[3], hosts[7]}
    channels = suspicious_channels(store, 50, 100)
    assert ends(channels) == {(host, "203.0.113.66", 443, 6) for host in kept}
    assert channels[1] == 4
    assert len(suspicious_channels(store, 100, 100)[0]) == 5  # the entry has expired
    assert [len(suspicious_channels(store, 50, 3)[0]), suspicious_channels(store, 50, 3)[1]] == [3, 4]


def test_the_ends_of_a_suspicious_channel(store: Store) -> None:
    beneath = {"outcome": "", "events": 1, "orig_bytes": 1, "resp_bytes": 1, "first_ts": 1, "last_ts": 2, "label": ""}
    channel = {"dest_ips": [], "via_proxy": "", "resp_port": 53, "proto": "udp"} | beneath
    store.upsert_findings(
        [
            finding(orig_ip="10.0.0.1", via_proxy="10.0.0.238:3128", dest_ips=["10.0.0.238"]),
            finding(orig_ip="10.0.0.2", dest="203.0.113.1", dest_ips=["203.0.113.1"], proto="icmp", resp_port=0),
            finding(orig_ip="10.0.0.3", dest="x.example", dest_ips=["203.0.113.2", "203.0.113.3"]),
            finding(orig_ip="10.0.0.4", dest="nobody.example", dest_ips=[]),
            finding(orig_ip="10.0.0.5", dest="2 destinations", dest_ips=["203.0.113.4", "203.0.113.5"],
                    channels=[channel | {"dest": "203.0.113.4"}, channel | {"dest": "203.0.113.5", "resp_port": 54}]),
            finding(orig_ip="10.0.0.6", dest="y.example", proto=""),
        ]
    )  # fmt: skip
    assert ends(suspicious_channels(store, 0, 100)) == {
        ("10.0.0.1", "10.0.0.238", 3128, 6),
        ("10.0.0.2", "203.0.113.1", 0, 1), ("10.0.0.2", "203.0.113.1", 0, 58),
        ("10.0.0.3", "203.0.113.2", 443, 6), ("10.0.0.3", "203.0.113.3", 443, 6),
        ("10.0.0.5", "203.0.113.4", 53, 17), ("10.0.0.5", "203.0.113.5", 54, 17),
    }  # fmt: skip


def test_findings_are_looked_up_again_and_again(store: Store, store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(store_dir, NO_LIMIT)
    kept.keeper._refresh()
    (chooser,) = kept.keeper.choosers
    assert len(chooser.suspects[0]) == 0
    store.upsert_findings([finding(orig_ip=f"10.0.0.{i}") for i in range(1, 6)])
    kept.keeper._refresh()
    assert len(chooser.suspects[0]) == 5
    assert kept.said == ["suspicious channels that are kept whole: 5"]
    kept.said.clear()
    monkeypatch.setattr(keeper_module, "MAX_SUSPECTS", 3)
    kept.keeper._refresh()
    kept.keeper._refresh()
    assert len(chooser.suspects[0]) == 3
    assert kept.said == [
        "of 5 suspicious channels the gravest 3 are kept whole", "suspicious channels that are kept whole: 3",
    ]  # fmt: skip
    (store_dir / "kagami.sqlite").rename(store_dir / "aside")
    for _ in range(3):
        kept.keeper._refresh()
    assert len(chooser.suspects[0]) == 3
    assert "could not be looked up, those known stay" in kept.said[2]
    assert len(kept.said) == 3
    (store_dir / "aside").rename(store_dir / "kagami.sqlite")


def test_the_thread_ends_with_everything_written(store: Store, store_dir: Path) -> None:
    kept = Kept(store_dir, NO_LIMIT)
    kept.keeper.start()
    for i in range(3):
        kept.keeper._shelf.full.put(chunk_of(640, T0 + i, 10))
    kept.keeper.end()
    kept.keeper.join(30)
    assert kept.keeper.failure is None
    assert kept.keeper.counts()["kept"] == 30
    assert len(kept_files(store_dir)) == 1


def test_a_file_does_not_wait_for_the_end(store: Store, store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "FILE_S", 0.0)
    kept = Kept(store_dir, NO_LIMIT)
    for i in range(2):
        kept.keeper._shelf.full.put(chunk_of(640, T0 + i * S, 10))
    kept.keeper.end()
    kept.keeper.run()
    assert [file.first_ts for file in kept_files(store_dir)] == [T0, T0 + S]


def fill(store_dir: Path, times: range, size: int = MIB) -> None:
    packets_folder(store_dir).mkdir(exist_ok=True)
    for at in times:
        (packets_folder(store_dir) / name_of(at * S, at * S + S)).write_bytes(bytes(size))


def test_prune_lets_go_of_the_oldest(store: Store, store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = 86_400
    fill(store_dir, range(0, 10 * day, day))

    def left(limits: Limits) -> int:
        trial = prune(store, limits, 10 * day * S, is_trial=True)
        n = len(kept_files(store_dir))
        report = prune(store, limits, 10 * day * S)
        assert (report.packet_files, report.packet_bytes) == (trial.packet_files, trial.packet_bytes)
        assert n - report.packet_files == len(kept_files(store_dir))
        return len(kept_files(store_dir))

    assert left(Limits()) == 10
    assert left(Limits(lake_days=7.5)) == 7
    assert left(Limits(keep_gib=5 / 1024)) == 5
    usage = shutil.disk_usage(store_dir)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100 * MIB))
    assert left(Limits(free_gib=85 / 1024)) == 5
    assert left(Limits(free_gib=101 / 1024)) == 0  # a fifth more than the floor
    assert store.health()["kept"] == {"files": 0, "bytes": 0, "first_ts": None, "last_ts": None}


def test_status_and_doctor_know_of_them(store: Store, store_dir: Path) -> None:
    def line() -> list[str]:
        health = store.health() | {"proxies": [], "outlets": [], "findings_by_severity": {}, "live": []}
        return [text for text in describe(health) if text.startswith("packets ")]

    assert line() == []
    fill(store_dir, range(1_700_000_000, 1_700_000_003))
    assert line() == ["packets     3.1 MB in 3 files, 2023-11-14 22:13:20 to 2023-11-14 22:13:23 UTC"]

    def check(site: Site) -> Any:
        return {one.name: one for one in store_checks(store_dir, site, None)}.get("kept packets")

    assert check(Site()) is None
    assert check(Site(keep_packets=True, keep_gib=0.1)).status == "ok"
    warned = check(Site(keep_packets=True, keep_gib=1e6))
    assert (warned.status, "keep_gib" in warned.fix) == ("warn", True)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("keep_packets = 1", "keep_packets = 1; allowed: true or false"),
        ("keep_flow_bytes = -1", "keep_flow_bytes = -1; allowed: a whole number of bytes from 0 to"),
        ("keep_flow_bytes = 1.5", "keep_flow_bytes = 1.5; allowed: a whole number"),
        ("keep_gib = 0", "keep_gib = 0; allowed: a number of GiB from 0.1 to"),
        ("keep_gb = 5", "unknown key 'keep_gb'"),
    ],
)
def test_the_site_file_says_what_is_kept(tmp_path: Path, line: str, told: str) -> None:
    file = tmp_path / "site.toml"
    file.write_text(f"[capture]\n{line}\n")
    with pytest.raises(UsageError) as caught:
        load_site(file)
    assert told in str(caught.value)


def test_off_unless_somebody_wants_it(tmp_path: Path) -> None:
    assert not Site().keep_packets
    file = tmp_path / "site.toml"
    text = proposal(None)
    file.write_text(text)
    assert not load_site(file).keep_packets
    begins = text.index("# [capture]")
    file.write_text(text[:begins] + "\n".join(line.removeprefix("# ") for line in text[begins:].splitlines()))
    site = load_site(file)
    assert (site.keep_packets, site.keep_flow_bytes, site.keep_gib) == (True, 16_384, 10.0)
