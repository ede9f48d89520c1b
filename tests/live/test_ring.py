"""The ring on a real interface: every frame once and whole, tags, times, filters, and drops counted to the packet."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.captures import pcap_header, pcap_record
from tests.support.mirror import Namespace

READ = """
import json, select, sys, time
from sensor.bpf import compile_filter
from sensor.capture.afpacket import Ring
options = json.loads(sys.argv[1])
expression, interface, waits, stops_at = (options.pop(name, other) for name, other in
                                          (("filter", ""), ("interface", "mirror"), ("waits", False), ("stops_at", 0)))
ring = Ring(interface, filter_program=compile_filter(expression, 1) if expression else b"", **options)
list(ring.batches())
print("ready", flush=True)
if waits:
    sys.stdin.read()
seen, is_over = [], False
while ring.wait(0.5) or not is_over:  # all is sent when the input ends; a block comes 100 ms later at the most
    is_over = is_over or bool(select.select([sys.stdin], [], [], 0)[0])
    if stops_at and len(seen) >= stops_at and not is_over:
        ring.stop_intake()
        is_over = True
    for batch in ring.batches():
        for i in range(len(batch)):
            frame = batch.frames[batch.start[i] : batch.end[i]].tobytes()
            seen.append((frame.hex(), int(batch.ts_ns[i]), int(batch.wire_len[i]), int(batch.vlan_id[i])))
counts = ring.counts()
print(json.dumps({"frames": seen, "counts": {n: getattr(counts, n) for n in counts.__slots__},
                  "now": time.time_ns()}))
ring.close()
"""


def ip_frame(number: int, payload: bytes = b"", tag: bytes = b"", proto: int = 17) -> bytes:
    length = 28 + len(payload)
    head = bytes.fromhex("02000000000102000000000f") + tag + b"\x08\x00"
    ip = bytes((0x45, 0)) + length.to_bytes(2, "big") + number.to_bytes(2, "big") + bytes((0, 0, 64, proto, 0, 0))
    udp = (5000).to_bytes(2, "big") + (6000).to_bytes(2, "big") + (8 + len(payload)).to_bytes(2, "big") + b"\0\0"
    return head + ip + bytes((10, 0, 0, 1)) + bytes((192, 0, 2, 1)) + udp + payload


def capture(path: Path, frames: list[bytes]) -> Path:
    path.write_bytes(pcap_header() + b"".join(pcap_record(1, i, frame) for i, frame in enumerate(frames)))
    return path


def read(wire: Namespace, sent: Path, *options: str, **reader: Any) -> dict[str, Any]:
    """What the ring gave while a capture was sent.

    reader : `waits`: it reads when all was sent; `stops_at`: it stops the intake after so many frames; options of Ring
    """
    process = wire.start(sys.executable, "-c", READ, json.dumps(reader), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    sent_packets = wire.send("out", sent, *options)
    told: dict[str, Any] = json.loads(process.communicate(timeout=60)[0])
    assert process.returncode == 0
    return told | {"sent": sent_packets}


def test_every_frame_comes_once_whole_and_in_order(wire: Namespace, tmp_path: Path) -> None:
    frames = [ip_frame(i, bytes(i % 251 for _ in range(i * 7 % 8000))) for i in range(1, 1500)]
    told = read(wire, capture(tmp_path / "a.pcap", frames), "--topspeed")
    assert [frame for frame, *_ in told["frames"]] == [frame.hex() for frame in frames]
    assert [wire_len for _, _, wire_len, _ in told["frames"]] == [len(frame) for frame in frames]
    times = [ts for _, ts, _, _ in told["frames"]]
    assert times == sorted(times)
    assert 0 < told["now"] - times[0] < 60 * 10**9
    assert any(ts % 1000 for ts in times), "times have nanoseconds"
    assert told["counts"]["seen"] == told["counts"]["frames"] == len(frames)
    assert told["counts"]["dropped"] == told["counts"]["freezes"] == told["counts"]["outgoing"] == 0
    assert told["counts"]["wire_bytes"] == sum(map(len, frames))


def test_tags_that_the_kernel_took_off_are_told_beside_the_frame(wire: Namespace, tmp_path: Path) -> None:
    tags = [
        b"",
        bytes.fromhex("81000005"),
        bytes.fromhex("81006ffe"),
        bytes.fromhex("88a80007") + bytes.fromhex("81000009"),
    ]
    told = read(wire, capture(tmp_path / "a.pcap", [ip_frame(i, tag=tag) for i, tag in enumerate(tags)]))
    assert [vlan for *_, vlan in told["frames"]] == [0, 5, 0xFFE, 7]
    assert told["frames"][1][0] == ip_frame(1).hex()
    assert told["frames"][3][0] == ip_frame(3, tag=bytes.fromhex("81000009")).hex()


def test_a_filter_keeps_out_what_does_not_match(wire: Namespace, tmp_path: Path) -> None:
    frames = [ip_frame(i, proto=17 if i % 3 else 6) for i in range(300)]
    told = read(wire, capture(tmp_path / "a.pcap", frames), filter="udp and host 10.0.0.1")
    assert len(told["frames"]) == told["counts"]["seen"] == 200


def test_what_this_machine_sends_counts_only_when_asked_for(wire: Namespace, tmp_path: Path) -> None:
    sent = capture(tmp_path / "a.pcap", [ip_frame(i) for i in range(50)])
    for takes, n in ((False, 0), (True, 50)):
        assert len(read(wire, sent, interface="out", takes_outgoing=takes)["frames"]) == n


def test_sent_is_seen_and_dropped_to_the_packet(wire: Namespace, tmp_path: Path) -> None:
    """A reader that does nothing while more comes than its ring holds."""
    sent = capture(tmp_path / "a.pcap", [ip_frame(i, bytes(1000)) for i in range(3000)])
    told = read(wire, sent, "--loop", "8", "--pps", "20000", ring_mib=8, waits=True)
    counts = told["counts"]
    assert counts["dropped"] > 0
    assert counts["freezes"] > 0
    assert (
        told["sent"]
        == counts["seen"]
        == counts["frames"] + counts["dropped"]
        == len(told["frames"]) + counts["dropped"]
    )


def test_all_that_was_seen_is_handed_on_when_the_intake_stops_amid_traffic(wire: Namespace, tmp_path: Path) -> None:
    sent = capture(tmp_path / "a.pcap", [ip_frame(i) for i in range(2000)])
    told = read(wire, sent, "--pps", "1000", stops_at=300)
    assert 300 <= len(told["frames"]) < told["sent"]
    assert told["counts"]["seen"] == told["counts"]["frames"] == len(told["frames"])
