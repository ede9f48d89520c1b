"""tshark as second opinion on decoding: every frame of every shared capture, judged alone, field by field.

The frames of many captures are written into a few pcapng files, so tshark starts a few times instead of once a capture.
What the two see differently has to stand in tshark_accepted.toml, frame by frame, with its reason.
"""

import ipaddress
import os
import shutil
import struct
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from sensor import constants as c
from sensor.capture.reader import open_capture
from sensor.decode.decoder import Decoder
from sensor.errors import InputError

FIELDS = [
    "frame.protocols",
    "vlan.id",
    "ieee8021ad.id",
    "ip.src",
    "ip.dst",
    "ip.proto",
    "ip.hdr_len",
    "ip.len",
    "ip.frag_offset",
    "ipv6.src",
    "ipv6.dst",
    "ipv6.nxt",
    "ipv6.plen",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.flags",
    "tcp.len",
    "udp.srcport",
    "udp.dstport",
    "udp.length",
    "icmp.type",
    "icmp.code",
    "icmpv6.type",
    "icmpv6.code",
    "sctp.srcport",
    "sctp.dstport",
]
ALONE = (
    "tcp.desegment_tcp_streams:FALSE",
    "tcp.analyze_sequence_numbers:FALSE",
    "ip.defragment:FALSE",
    "ipv6.defragment:FALSE",
)
FRAMES_A_FILE = 25_000
ACCEPTED = Path(__file__).with_name("tshark_accepted.toml")
PROTO_OF = {"icmp": c.PROTO_ICMP, "tcp": c.PROTO_TCP, "udp": c.PROTO_UDP, "icmpv6": c.PROTO_ICMP6, "sctp": c.PROTO_SCTP}
EXTENSIONS = {"ah", "shim6", "mipv6", "hip"}


@dataclass(slots=True)
class Frame:
    """One captured frame and what we made of it: the innermost row, in tshark's terms."""

    name: str
    number: int
    link: int
    data: bytes
    wire_len: int
    ours: dict[str, object] = field(default_factory=dict)
    status: int = 0


def _address(high: int, low: int, version: int) -> str:
    if version == 4:
        return str(ipaddress.IPv4Address(int(low) & 0xFFFFFFFF))
    return str(ipaddress.IPv6Address((int(high) << 64) | int(low)))


def _ours(row: np.void) -> dict[str, object]:
    version = int(row["ip_version"])
    seen: dict[str, object] = {"vlans": [int(v) for v in (row["vlan_id"], row["inner_vlan_id"]) if v]}
    if version == 0:
        return seen
    seen["src"] = _address(row["src_hi"], row["src_lo"], version)
    seen["dst"] = _address(row["dst_hi"], row["dst_lo"], version)
    seen["proto"] = int(row["proto"])
    if row["fragment"] != c.FRAGMENT_LATER:
        seen["ports"] = (int(row["src_port"]), int(row["dst_port"]))
        seen["tcp_flags"] = int(row["tcp_flags"])
    seen["payload_len"] = int(row["payload_len"])
    return seen


def _frames_of(path: Path, name: str) -> Iterator[Frame]:
    decoder = Decoder()
    number = 0
    try:
        with open_capture(str(path)) as capture:
            for batch in capture.batches():
                packets = decoder.decode(batch)
                innermost = np.append(np.flatnonzero(np.diff(packets["frame"])), len(packets) - 1)
                for i, row in enumerate(packets[innermost]):
                    number += 1
                    data = batch.frames[batch.start[i] : batch.end[i]].tobytes()
                    yield Frame(
                        name, number, int(batch.link[i]), data, int(batch.wire_len[i]), _ours(row), int(row["status"])
                    )
    except InputError:
        pass  # how captures end is another test's matter


def _write_pcapng(path: Path, frames: list[Frame]) -> None:
    """One section with an interface for each link type (draft-ietf-opsawg-pcapng sections 4.1 to 4.3)."""
    links = sorted({frame.link for frame in frames})
    with path.open("wb") as file:
        file.write(struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28))
        for link in links:
            file.write(struct.pack("<IIHHII", 1, 20, link, 0, 0, 20))
        for number, frame in enumerate(frames):
            padded = frame.data + bytes(-len(frame.data) % 4)
            size = 32 + len(padded)
            head = (6, size, links.index(frame.link), 0, number, len(frame.data), frame.wire_len)
            file.write(struct.pack("<7I", *head) + padded + struct.pack("<I", size))


def _tshark(path: Path) -> list[list[str]]:
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,"]
    for option in ALONE:
        command += ["-o", option]
    for name in FIELDS:
        command += ["-e", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-500:]
    return [line.split("\t") for line in done.stdout.splitlines()]


def _theirs(cells: list[str]) -> dict[str, object]:
    """The innermost IP packet that tshark saw, leaving out what an ICMP error quotes.

    Only what tshark really gives: a field that extension headers or a cut keep from being known is left out.
    """
    queues = {name: cell.split(",") if cell else [] for name, cell in zip(FIELDS, cells, strict=True)}

    def take(name: str) -> str:
        return queues[name].pop(0) if queues[name] else ""

    def number(name: str) -> int:
        return int(take(name) or "0", 0)

    vlans: list[int] = []
    seen: dict[str, object] = {}
    ip_payload: int | None = None
    l4 = ""
    for protocol in cells[0].split(":"):
        if protocol in ("vlan", "ieee8021ad") and not seen:
            vlan = number(f"{protocol}.id")
            if vlan and len(vlans) < 2:
                vlans.append(vlan)
        elif protocol in ("ip", "ipv6"):
            if l4 in ("icmp", "icmpv6"):
                break
            src, dst = take(f"{protocol}.src"), take(f"{protocol}.dst")
            if not src or not dst:  # the header is cut or invalid
                break
            l4 = ""
            seen = {"src": str(ipaddress.ip_address(src)), "dst": str(ipaddress.ip_address(dst))}
            if protocol == "ip":
                seen["proto"] = number("ip.proto")
                ip_payload = number("ip.len") - number("ip.hdr_len")
                if number("ip.frag_offset") == 0:
                    seen["ports"], seen["tcp_flags"] = (0, 0), 0
            else:
                seen["proto"] = number("ipv6.nxt")
                seen["ports"], seen["tcp_flags"] = (0, 0), 0
                ip_payload = number("ipv6.plen")
            seen["payload_len"] = ip_payload
        elif protocol.startswith("ipv6.") or protocol in EXTENSIONS:
            for name in ("proto", "payload_len"):
                seen.pop(name, None)
            ip_payload = None
        elif protocol in PROTO_OF and not l4 and seen:
            l4 = protocol
            seen["proto"] = PROTO_OF[l4]
            seen.pop("payload_len", None)
            if l4 in ("icmp", "icmpv6"):
                seen["ports"] = (number(f"{l4}.type"), number(f"{l4}.code"))
            else:
                seen["ports"] = (number(f"{l4}.srcport"), number(f"{l4}.dstport"))
            if l4 == "tcp":
                seen["tcp_flags"] = number("tcp.flags") & 0xFF
                if payload := take("tcp.len"):
                    seen["payload_len"] = int(payload)
            elif l4 == "udp":
                length = number("udp.length")
                if ip_payload is not None:
                    seen["payload_len"] = (min(length, ip_payload) if length else ip_payload) - 8
            elif ip_payload is not None:
                seen["payload_len"] = ip_payload - (12 if l4 == "sctp" else 8)
    return {"vlans": vlans, **seen}


def _differences(frame: Frame, theirs: dict[str, object]) -> list[str]:
    """Names of the fields that both give and see differently; "ip" when one sees an IP packet and the other none.

    A row whose status is not OK claims only what came before the trouble: no payload, and with an invalid IP header no
    addresses. It must not say so of a packet in which tshark reads on.
    """
    ours = frame.ours
    names = ["vlans"]
    if frame.status in (c.STATUS_TRUNCATED_IP, c.STATUS_MALFORMED_IP):
        if theirs.get("ports", (0, 0)) != (0, 0):
            names.append("ports")
    elif ("src" in ours) != ("src" in theirs):
        return ["ip"]
    elif frame.status in (c.STATUS_TRUNCATED_L4, c.STATUS_MALFORMED_L4):
        names += ["src", "dst", "proto", "ports"]
    else:
        names += ["src", "dst", "proto", "ports", "tcp_flags", "payload_len"]
    return [name for name in names if name in ours and name in theirs and ours[name] != theirs[name]]


@pytest.fixture(scope="module")
def frames(shared_data: Path) -> list[Frame]:
    """Every frame of every shared capture that kagami reads."""
    root = shared_data / "pcaps"
    paths = sorted(path for path in root.rglob("*") if path.is_file() and path.suffix != ".csv")
    return [frame for path in paths for frame in _frames_of(path, str(path.relative_to(root)))]


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_every_frame_agrees_with_tshark(frames: list[Frame], tmp_path: Path) -> None:
    accepted = tomllib.loads(ACCEPTED.read_text())["difference"]
    assert len(frames) > 100_000
    chunks = [frames[i : i + FRAMES_A_FILE] for i in range(0, len(frames), FRAMES_A_FILE)]
    paths = [tmp_path / f"{i}.pcapng" for i in range(len(chunks))]
    for path, chunk in zip(paths, chunks, strict=True):
        _write_pcapng(path, chunk)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        lines = [cells for cells_of_file in pool.map(_tshark, paths) for cells in cells_of_file]
    assert len(lines) == len(frames)

    unexplained: list[str] = []
    used: Counter[int] = Counter()
    for frame, cells in zip(frames, lines, strict=True):
        theirs = _theirs(cells)
        names = _differences(frame, theirs)
        if not names:
            continue
        for i, entry in enumerate(accepted):
            if frame.name == entry["file"] and frame.number in entry["frames"] and set(names) <= set(entry["fields"]):
                used[i] += 1
                break
        else:
            unexplained.append(f"{frame.name} frame {frame.number} {cells[0]}: {names} {frame.ours} {theirs}")
    assert not unexplained, f"{len(unexplained)} differences:\n" + "\n".join(unexplained[:20])
    stale = [
        f"{e['file']}: {len(e['frames']) - used[i]} frames"
        for i, e in enumerate(accepted)
        if used[i] != len(e["frames"])
    ]
    assert not stale, f"accepted differences that are gone: {stale}"
