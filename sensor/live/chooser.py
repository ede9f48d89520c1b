"""One worker's part in keeping packets: what its batches have of them goes into buffers, full ones to the keeper.

It never waits: where no buffer is free, because the disk is too slow, packets are let go and counted.
"""

import queue
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sensor.capture.batch import Batch, empty_batch
from sensor.capture.keep import (
    AGE,
    FIRST_TS,
    LAST_TS,
    LOST,
    N_MARKS,
    N_TALLY,
    PACKETS,
    RULES,
    SUSPECT,
    USED,
    WAYS,
    keep_frames,
)
from sensor.constants import LINK_ETHERNET
from sensor.dtypes import PACKET
from sensor.flows.tracker import Timeouts

BUFFER_BYTES = 4 << 20


@dataclass(slots=True)
class Chunk:
    """Blocks of one link type, ready to be appended to a file.

    buffer : uint8[BUFFER_BYTES], of which the first `used` bytes are blocks
    packets : how many blocks; first_ts, last_ts : ns of the oldest and newest
    """

    buffer: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(BUFFER_BYTES, np.uint8))
    used: int = 0
    packets: int = 0
    first_ts: int = 0
    last_ts: int = 0
    link: int = LINK_ETHERNET


class Shelf:
    """The buffers of all workers and the keeper: free ones, and full ones on their way to the disk."""

    def __init__(self, n_chunks: int) -> None:
        self.free: queue.SimpleQueue[Chunk] = queue.SimpleQueue()
        self.full: queue.SimpleQueue[Chunk | None] = queue.SimpleQueue()
        for _ in range(n_chunks):
            self.free.put(Chunk())


Suspects = tuple[NDArray[np.void], NDArray[np.uint8]]
"""As keep.sorted_suspects gives them."""
NO_SUSPECTS: Suspects = (np.zeros(0, SUSPECT), np.zeros(N_MARKS, np.uint8))
_NO_BUFFER = np.zeros(0, np.uint8)


class Chooser:
    """Chooses what is kept of one worker's packets.

    flow_bytes : how much of each flow's beginning is kept, bytes of IP packets both ways; set from any thread
    suspects : the channels that are kept whole; set from any thread
    lost : packets for which no buffer was free, since the start
    """

    def __init__(self, shelf: Shelf, flow_bytes: int, max_flows: int) -> None:
        """max_flows : flows whose beginnings are remembered at once, about; loads the kernel"""
        self._shelf = shelf
        self.flow_bytes = flow_bytes
        self.suspects = NO_SUSPECTS
        bits = max(1, (2 * max_flows // WAYS - 1).bit_length())
        self._ages = np.zeros(WAYS << bits, AGE)
        self._rules = np.zeros(1, RULES)
        timeouts = Timeouts()
        self._rules["tcp_idle_s"], self._rules["idle_s"] = timeouts.tcp_idle_s, timeouts.udp_idle_s
        self._rules["shift"] = 64 - bits
        self._tally = np.zeros(N_TALLY, np.int64)
        self._chunk: Chunk | None = None
        self._link = LINK_ETHERNET
        self._run(0, empty_batch(), np.zeros(0, PACKET), np.zeros(0, np.uint64))

    @property
    def lost(self) -> int:
        """Packets for which no buffer was free, since the start."""
        return int(self._tally[LOST])

    def take(self, batch: Batch, packets: NDArray[np.void], codes: NDArray[np.uint64]) -> None:
        """Keep what is to be kept of a batch, whose frames are of one link type.

        packets, codes : PACKET[n] and uint64[n], as the flow tracker took them
        """
        if int(batch.link[0]) != self._link:
            self.flush()
            self._link = int(batch.link[0])
        self._rules["flow_bytes"] = self.flow_bytes
        self._rules["is_ethernet"] = self._link == LINK_ETHERNET
        first = 0
        while (first := self._run(first, batch, packets, codes)) < len(packets):
            self.flush()

    def _run(self, first: int, batch: Batch, packets: NDArray[np.void], codes: NDArray[np.uint64]) -> int:
        if self._chunk is None and len(packets):
            self._chunk = self._free_chunk()
        buffer = _NO_BUFFER if self._chunk is None else self._chunk.buffer
        next_row: int = keep_frames(
            *(packets, first, codes),
            *(batch.frames, batch.start, batch.end, batch.wire_len, batch.vlan_id),
            *(self._rules, self._ages, *self.suspects),
            *(buffer, buffer.view(np.uint32), self._tally),
        )
        return next_row

    def _free_chunk(self) -> Chunk | None:
        try:
            return self._shelf.free.get_nowait()
        except queue.Empty:
            return None

    def flush(self) -> None:
        """Hand over what was gathered."""
        chunk, tally = self._chunk, self._tally
        if chunk is None or not tally[PACKETS]:
            return
        chunk.used, chunk.packets, chunk.link = int(tally[USED]), int(tally[PACKETS]), self._link
        chunk.first_ts, chunk.last_ts = int(tally[FIRST_TS]), int(tally[LAST_TS])
        tally[[USED, PACKETS, FIRST_TS, LAST_TS]] = 0
        self._chunk = None
        self._shelf.full.put(chunk)
