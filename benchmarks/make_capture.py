"""Makes a large capture from small ones: their flows again and again, with new clients, ports and start times.

In: pcap files (Ethernet, IPv4 TCP and UDP without options or fragments is taken). Out: one pcap with microseconds, in
time order; the same seed and inputs give the same bytes. Payloads stay as captured, so names are there to be found;
checksums are left stale, as on a mirror port behind checksum offload. Memory does not grow with the payload written.
"""

import argparse
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MAGICS = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
RECORD = 16
CHUNK_PACKETS = 1 << 15
MAX_FLOW_PACKETS = 400
MAX_FLOW_S = 120
START_S = 1_700_000_000
FIRST_CLIENT, CLIENTS = 0x0A000100, 6000  # 10.0.1.0 and on


@dataclass(slots=True)
class Templates:
    """Flows to copy: flow i is count[i] packets from first[i] on; packet j is length[j] bytes of the pool at offset[j].

    pool : uint8[n_bytes]
    offset, length, wire_len : int64[n_packets], bytes
    after_us : int64[n_packets], microseconds since the flow began
    outbound : bool[n_packets], sent by the originator
    first, count : int64[n_flows]
    """

    pool: NDArray[np.uint8]
    offset: NDArray[np.int64]
    length: NDArray[np.int64]
    wire_len: NDArray[np.int64]
    after_us: NDArray[np.int64]
    outbound: NDArray[np.bool_]
    first: NDArray[np.int64]
    count: NDArray[np.int64]


def packets(path: Path) -> Iterator[tuple[int, bytes, int]]:
    """Time in microseconds, bytes and wire length of each packet of an Ethernet pcap; nothing from any other file."""
    data = path.read_bytes()
    if data[:4] not in MAGICS or len(data) < 24:
        return
    order, ns_per_tick = MAGICS[data[:4]]
    if struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF != 1:
        return
    header, at = struct.Struct(order + "IIII"), 24
    while at + RECORD <= len(data):
        seconds, ticks, cap_len, wire_len = header.unpack_from(data, at)
        at += RECORD
        if at + cap_len > len(data):
            return
        yield seconds * 1_000_000 + ticks * ns_per_tick // 1000, data[at : at + cap_len], wire_len
        at += cap_len


def _endpoints(frame: bytes) -> tuple[bytes, bytes] | None:
    """Both ends (address and port) of a plain IPv4 TCP or UDP frame, else None."""
    if len(frame) < 42 or frame[12:15] != b"\x08\x00\x45" or frame[23] not in (6, 17) or frame[20] & 0x3F or frame[21]:
        return None
    return frame[26:30] + frame[34:36], frame[30:34] + frame[36:38]


def templates(paths: list[Path]) -> Templates:
    """The flows of 2 to MAX_FLOW_PACKETS packets in the captures. Raises ValueError when there is none."""
    flows: dict[tuple[object, ...], list[tuple[int, bytes, int, bytes]]] = {}
    for number, path in enumerate(paths):
        for ts_us, frame, wire_len in packets(path):
            ends = _endpoints(frame)
            if ends is not None:
                key = (number, frame[23], *sorted(ends))
                flows.setdefault(key, []).append((ts_us, frame, wire_len, ends[0]))
    kept = [flow for flow in flows.values() if 2 <= len(flow) <= MAX_FLOW_PACKETS]
    if not kept:
        raise ValueError("no IPv4 TCP or UDP flow in these captures: give Ethernet pcap files")
    flat = [(ts - flow[0][0], frame, wire, sender == flow[0][3]) for flow in kept for ts, frame, wire, sender in flow]
    afters, frames, wires, outbound = zip(*flat, strict=True)
    length = np.array([len(frame) for frame in frames], np.int64)
    count = np.array([len(flow) for flow in kept], np.int64)
    return Templates(
        pool=np.frombuffer(b"".join(frames), np.uint8),
        offset=np.cumsum(length) - length,
        length=length,
        wire_len=np.array(wires, np.int64),
        after_us=np.clip(afters, 0, MAX_FLOW_S * 1_000_000),
        outbound=np.array(outbound),
        first=np.cumsum(count) - count,
        count=count,
    )


def _draw(count: NDArray[np.int64], n_packets: int, mean: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Templates whose copies have at least n_packets packets in all and about `mean` each.

    Short templates are drawn with one chance and long ones with another, chosen so that the mean comes out; where the
    captures' flows are all on one side of it, all have the same chance.
    """
    is_long = count > mean
    chance = np.ones(len(count))
    if is_long.any() and not is_long.all():
        short_mean, long_mean = count[~is_long].mean(), count[is_long].mean()
        share_long = (mean - short_mean) / (long_mean - short_mean)
        chance = np.where(is_long, share_long / is_long.sum(), (1 - share_long) / (~is_long).sum())
    chance /= chance.sum()
    draws = int(n_packets / (count * chance).sum() * 1.02) + 100
    picked = rng.choice(len(count), draws, p=chance)
    while count[picked].sum() < n_packets:
        picked = np.concatenate([picked, rng.choice(len(count), draws // 10 + 1, p=chance)])
    return picked[: int(np.searchsorted(np.cumsum(count[picked]), n_packets)) + 1]


def write(out: Path, source: Templates, n_packets: int, seed: int, seconds: float, mean: float) -> int:
    """Write n_packets packets of copied flows that start within `seconds`; returns the number of flows."""
    rng = np.random.default_rng(seed)
    picked = _draw(source.count, n_packets, mean, rng)
    count = source.count[picked]
    flow = np.repeat(np.arange(len(picked)), count)
    packet = np.arange(len(flow)) + np.repeat(source.first[picked] - (np.cumsum(count) - count), count)
    ts_us = rng.integers(0, int(seconds * 1e6), len(picked))[flow] + source.after_us[packet]
    order = np.argsort(ts_us, kind="stable")[:n_packets]
    flow, packet, ts_us = flow[order], packet[order], ts_us[order] + START_S * 1_000_000
    client = (FIRST_CLIENT + rng.integers(0, CLIENTS, len(picked))).astype(">u4").view(np.uint8).reshape(-1, 4)
    port = rng.integers(1025, 65536, len(picked)).astype(">u2").view(np.uint8).reshape(-1, 2)
    with out.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for at in range(0, len(packet), CHUNK_PACKETS):
            part = slice(at, at + CHUNK_PACKETS)
            _chunk(source, packet[part], ts_us[part], client[flow[part]], port[flow[part]]).tofile(file)
    return len(picked)


def _chunk(
    source: Templates,
    packet: NDArray[np.int64],
    ts_us: NDArray[np.int64],
    client: NDArray[np.uint8],
    port: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """The records of some packets as bytes: header, frame, and the originator's new address and port in it."""
    length = source.length[packet]
    stride = length + RECORD
    start = np.cumsum(stride) - stride
    # One gather copies all frames of the chunk; the 16 bytes before each are overwritten by its header.
    shift = np.repeat(source.offset[packet] - RECORD - start, stride)
    records = source.pool.take(np.arange(len(shift)) + shift, mode="clip")
    header = np.stack([ts_us // 1_000_000, ts_us % 1_000_000, length, source.wire_len[packet]], axis=1).astype("<u4")
    records[start[:, None] + np.arange(RECORD)] = header.view(np.uint8)
    outbound = source.outbound[packet]
    records[(start + RECORD + np.where(outbound, 26, 30))[:, None] + np.arange(4)] = client
    records[(start + RECORD + np.where(outbound, 34, 36))[:, None] + np.arange(2)] = port
    return records


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Make a large capture from the flows of small ones.")
    parser.add_argument("out", type=Path)
    parser.add_argument("captures", type=Path, nargs="+", help="Ethernet pcap files")
    parser.add_argument("--packets", type=int, default=3_000_000)
    parser.add_argument("--seconds", type=float, default=600, help="flows start within this time")
    parser.add_argument("--mean", type=float, default=8, help="packets of a flow, on average")
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    source = templates(words.captures)
    n_flows = write(words.out, source, words.packets, words.seed, words.seconds, words.mean)
    size_mb = words.out.stat().st_size / 1e6
    print(f"{words.packets} packets, {n_flows} flows of {len(source.count)} templates, {size_mb:.0f} MB: {words.out}")


if __name__ == "__main__":
    main()
