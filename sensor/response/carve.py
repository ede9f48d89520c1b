"""The packets of chosen flows, out of the captures they came from, or those that a live sensor kept.

The captures are read and decoded once more, so packets inside VLANs and tunnels are found as they were then; whole
frames are copied, with all that is around them. A capture that is gone or has changed is told, never guessed at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sensor.errors import InputError
from sensor.networks import packet_address, packet_protos
from sensor.response.pcapng import PcapngWriter
from sensor.store.kept import KeptFile, kept_files, overlapping
from sensor.store.schema import LIVE_PREFIX, UNREAD_PREFIX
from sensor.store.store import Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WITHOUT_PORTS = (1, 58)
SLACK_NS = 1_000_000_000
"""Packets are looked for within a flow's time and so much around it: late acknowledgements are not in it."""

_Key = tuple[frozenset[tuple[int, int]], int]
"""Both ends as (address, port), and the protocol number; ICMP has no ports here."""


@dataclass(slots=True)
class Carved:
    """What was carved.

    sources : name, paths and packets of each capture that gave some; of a live one, each of its kept files
    missing : name -> why none of its packets could be had; partial : name -> why not all of them
    """

    packets: int = 0
    is_cut: bool = False
    sources: list[dict[str, Any]] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    partial: dict[str, str] = field(default_factory=dict)


def carve(store: Store, flows: Sequence[Mapping[str, Any]], path: Path, *, max_packets: int) -> Carved:
    """Copy the packets of flows into a new pcapng file, capture by capture.

    flows : rows of the flow table
    max_packets : no more than so many; then `is_cut`
    """
    found = Carved()
    by_source: dict[str, list[Mapping[str, Any]]] = {}
    for flow in flows:
        by_source.setdefault(flow["source"], []).append(flow)
    with PcapngWriter(path) as out:
        for name, mine in sorted(by_source.items()):
            sources = _sources(store, name, mine)
            if any(source["content_hash"].startswith(LIVE_PREFIX) for source in sources):
                _copy_kept(store.path, name, mine, out, found, max_packets)
                continue
            for source in sources:
                n_before = out.packets
                try:
                    _check_is_same(source)
                    found.is_cut |= _copy(_paths(source), _Wanted(mine), out, max_packets)
                except InputError as error:
                    found.missing[name] = str(error)
                if out.packets > n_before:
                    n_packets = out.packets - n_before
                    found.sources.append({"name": name, "paths": _paths(source), "packets": n_packets})
            if not sources:
                found.missing[name] = "the store knows no capture of this name and time"
        found.packets = out.packets
    return found


def _sources(store: Store, name: str, flows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The captures of a name that cover some of the flows' time."""
    first_ts, last_ts = min(flow["first_ts"] for flow in flows), max(flow["last_ts"] for flow in flows)
    rows = store.db.execute(
        "SELECT content_hash, path FROM source WHERE name = ? AND last_ts >= ? AND first_ts <= ? ORDER BY first_ts",
        (name, first_ts, last_ts),
    )
    return [{"content_hash": content_hash, "path": path} for content_hash, path in rows.fetchall()]


def _copy_kept(
    store_path: Path,
    name: str,
    flows: Sequence[Mapping[str, Any]],
    out: PcapngWriter,
    found: Carved,
    max_packets: int,
) -> None:
    """Copy the packets of flows of a live capture out of the files that it kept, and say what is not in them."""
    wanted, n_found = _Wanted(flows), 0
    files = kept_files(store_path)
    for file in overlapping(files, wanted.spans()):
        n_before = out.packets
        try:
            found.is_cut |= _copy([str(file.path)], wanted, out, max_packets)
        except InputError:
            continue  # the sensor has just removed it, to make room
        if n_packets := out.packets - n_before:
            n_found += n_packets
            found.sources.append({"name": name, "paths": [str(file.path)], "packets": n_packets})
        if found.is_cut:
            return
    n_wanted = sum(flow["orig_pkts"] + flow["resp_pkts"] for flow in flows)
    if n_found < n_wanted:
        told = found.partial if n_found else found.missing
        told[name] = f"{n_found:,} of {n_wanted:,} packets are there: {_why_not_all(files, flows)}"


def _why_not_all(files: Sequence[KeptFile], flows: Sequence[Mapping[str, Any]]) -> str:
    """Why a live sensor's files may not have all packets of flows."""
    if not files:
        return (
            "the sensor keeps no packets ([capture] keep_packets), or has completed no file yet, which takes a minute"
        )
    said = ["a live sensor keeps the beginning of each connection, and the rest of suspicious ones only"]
    if files[0].first_ts > min(flow["first_ts"] for flow in flows):
        begins = datetime.fromtimestamp(files[0].first_ts // 1_000_000_000, UTC)
        said.append(f"nothing is there from before {begins:%Y-%m-%d %H:%M:%S} UTC")
    if files[-1].last_ts < max(flow["last_ts"] for flow in flows):
        said.append("the newest may be in the file that is being written, which takes a minute")
    return "; ".join(said)


def _check_is_same(source: Mapping[str, Any]) -> None:
    """Raise InputError when the capture is no longer what the store read."""
    from sensor.capture.reader import content_hash, likeness, open_rotated

    paths = _paths(source)
    if paths == ["-"]:
        raise InputError("it was read from a pipe, and no file of it is there")
    known = source["content_hash"]
    if known.startswith(UNREAD_PREFIX):  # its replay was broken off
        is_same = known.endswith((likeness(paths[0]), open_rotated(paths).likeness))
    else:  # a ring of one file has the hash of a ring all the same
        is_same = (len(paths) == 1 and content_hash(paths[0]) == known) or open_rotated(paths).content_hash == known
    if not is_same:
        raise InputError(f"{paths[0]}: is not what was replayed any more (its content has changed)")


def _paths(source: Mapping[str, Any]) -> list[str]:
    """The files of a capture: one, or those of a ring in their order."""
    return str(source["path"]).split("\n")


class _Wanted:
    """The flows whose packets are looked for, ready to be compared with packet rows."""

    def __init__(self, flows: Iterable[Mapping[str, Any]]) -> None:
        self._spans: dict[_Key, list[tuple[int, int]]] = {}
        sums: set[int] = set()
        for flow in flows:
            ends = [
                (packet_address(ip_address(flow["orig_ip"])), flow["orig_port"]),
                (packet_address(ip_address(flow["resp_ip"])), flow["resp_port"]),
            ]
            span = (flow["first_ts"] - SLACK_NS, flow["last_ts"] + SLACK_NS)
            sums.add((ends[0][0] ^ ends[1][0]) & 0xFFFF_FFFF_FFFF_FFFF)
            for proto in packet_protos(flow["proto"]):
                self._spans.setdefault(_key(ends[0], ends[1], proto), []).append(span)
        self._sums = np.array(sorted(sums), np.uint64)

    def spans(self) -> list[tuple[int, int]]:
        """The times in which packets are looked for, ns, both ends included."""
        return [span for spans in self._spans.values() for span in spans]

    def rows(self, packets: NDArray[np.void]) -> list[int]:
        """Frames of the batch that hold a packet of a flow, ascending, each once."""
        sums = packets["src_lo"] ^ packets["dst_lo"]  # the same both ways; a coarse sieve
        candidates = np.flatnonzero(np.isin(sums, self._sums) & (packets["ip_version"] > 0))
        names = ("src_hi", "src_lo", "dst_hi", "dst_lo", "src_port", "dst_port", "proto", "ts_ns", "frame")
        found = set()
        for values in zip(*(packets[name][candidates].tolist() for name in names), strict=True):
            src_hi, src_lo, dst_hi, dst_lo, src_port, dst_port, proto, ts_ns, frame = values
            key = _key((src_hi << 64 | src_lo, src_port), (dst_hi << 64 | dst_lo, dst_port), proto)
            if any(first <= ts_ns <= last for first, last in self._spans.get(key, ())):
                found.add(frame)
        return sorted(found)


def _copy(paths: list[str], wanted: _Wanted, out: PcapngWriter, max_packets: int) -> bool:
    """Copy a capture's wanted frames; a damaged one up to its damage. Returns whether the limit was met.

    Raises: InputError for a file that is no capture.
    """
    from sensor.capture.reader import open_capture, open_rotated
    from sensor.decode.decoder import Decoder
    from sensor.errors import DamagedCaptureError

    decoder = Decoder()
    with open_capture(paths[0]) if len(paths) == 1 else open_rotated(paths) as reader:
        try:
            for batch in reader.batches():
                for i in wanted.rows(decoder.decode(batch)):
                    if out.packets >= max_packets:
                        return True
                    frame = batch.frames[batch.start[i] : batch.end[i]].tobytes()
                    out.write(int(batch.ts_ns[i]), frame, int(batch.wire_len[i]), int(batch.link[i]))
        except DamagedCaptureError:
            pass  # what was kept of it when it was replayed is what can be carved
    return False


def _key(one: tuple[int, int], other: tuple[int, int], proto: int) -> _Key:
    if proto in _WITHOUT_PORTS:
        one, other = (one[0], 0), (other[0], 0)
    return frozenset((one, other)), proto
