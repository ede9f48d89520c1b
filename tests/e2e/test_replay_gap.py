"""The silence that separates exchanges: chosen for a run or a site, and remembered with each source."""

from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from sensor.run import replay
from sensor.site import Site
from sensor.store.questions import events
from sensor.store.store import Store
from tests.support.command import caller

N_TURNS = 5
TURN_S = 0.5


def conversation(path: Path, client: str = "10.0.0.5") -> Path:
    """One connection in which the client speaks every TURN_S, and is answered at once."""
    ends = (
        {"src": client, "dst": "198.51.100.7", "sport": 40_000, "dport": 4444},
        {"src": "198.51.100.7", "dst": client, "sport": 4444, "dport": 40_000},
    )
    frames = []

    def add(at_s: float, side: int, flags: str, seq: int, ack: int, payload: bytes = b"") -> None:
        end = ends[side]
        tcp = TCP(sport=end["sport"], dport=end["dport"], flags=flags, seq=seq, ack=ack)
        frame = Ether() / IP(src=end["src"], dst=end["dst"]) / tcp / payload
        frame.time = 1_700_000_000 + at_s
        frames.append(frame)

    add(0.0, 0, "S", 100, 0)
    add(0.01, 1, "SA", 500, 101)
    add(0.02, 0, "A", 101, 501)
    for turn in range(N_TURNS):
        at_s = 0.03 + turn * TURN_S
        add(at_s, 0, "PA", 101 + turn * 4, 501 + turn * 4, b"\x01png")
        add(at_s + 0.01, 1, "PA", 501 + turn * 4, 105 + turn * 4, b"\x02png")
    wrpcap(str(path), frames)
    return path


def kinds(store_dir: Path) -> list[str]:
    with Store.open(store_dir) as store:
        return [row["kind"] for row in events(store, order="ts")[0]]


@pytest.mark.parametrize(
    ("gap_s", "n_exchanges", "recorded_ms"), [(1.0, 0, 1000), (0.2, N_TURNS - 1, 200), (0.0505, N_TURNS - 1, 50)]
)
def test_the_gap_of_the_site(tmp_path: Path, store_dir: Path, gap_s: float, n_exchanges: int, recorded_ms: int) -> None:
    capture = conversation(tmp_path / "a.pcap")
    report = replay([str(capture)], store_dir, site=Site(exchange_gap_s=gap_s), with_analysis=False)
    assert kinds(store_dir) == ["connection"] + ["exchange"] * n_exchanges
    assert report.sources[0].counters["settings"] == {"exchange_gap_ms": recorded_ms}
    with Store.open(store_dir) as store:
        assert store.health()["settings"] == {"exchange_gap_ms": [recorded_ms]}


def test_the_gap_of_a_run(
    tmp_path: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    kagami = caller(store_dir, monkeypatch, capfdbinary)
    one, two = conversation(tmp_path / "a.pcap"), conversation(tmp_path / "b.pcap", client="10.0.0.6")
    assert kagami("replay", str(one), "--no-analyze", "--gap", "0.2").code == 0
    assert "exchange gap 200 ms\n" in kagami("status").out
    again = kagami("replay", str(one), "--no-analyze", "--gap", "2")
    assert "--gap changes nothing" in again.err
    assert kinds(store_dir).count("exchange") == N_TURNS - 1
    assert kagami("replay", str(two), "--no-analyze").code == 0
    assert "exchange gap 200 ms or 800 ms\n" in kagami("status").out
    assert kinds(store_dir).count("exchange") == N_TURNS - 1


def test_the_gap_reaches_other_processes(tmp_path: Path, store_dir: Path) -> None:
    paths = [str(conversation(tmp_path / f"{n}.pcap", client=f"10.0.0.{n}")) for n in (5, 6)]
    replay(paths, store_dir, site=Site(exchange_gap_s=0.2), jobs=2, with_analysis=False)
    assert kinds(store_dir).count("exchange") == 2 * (N_TURNS - 1)
