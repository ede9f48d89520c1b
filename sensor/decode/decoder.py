"""From a batch of frames to packet rows: the one door to decoding.

It keeps what outlives a batch: the row array that is used again, the fragment table, and counters. It never raises for
what a frame holds: trouble is a status in the row.
"""

import secrets

import numpy as np
from numpy.typing import NDArray

from sensor import constants as c
from sensor.capture.batch import Batch
from sensor.decode.dissect import MAX_ROWS_A_FRAME
from sensor.decode.fragments import FRAGMENT, N_FRAGMENTS
from sensor.decode.kernels import decode_frames
from sensor.dtypes import PACKET

_INT64 = np.iinfo(np.int64)
_MAX_BATCH_BYTES = 2**31 - 1  # PACKET.payload_off is int32


class Decoder:
    """Decodes batches in capture order.

    Counters are cumulative over all batches:

    status_counts : int64[len(STATUS_NAMES)], rows by STATUS_*
    tunnel_counts : int64[len(TUNNEL_NAMES)], rows by the innermost tunnel around them
    link_counts : frames by LINKTYPE_
    span_ns : int64[2], times of the oldest and the newest frame; the first is the greater one before any frame
    """

    def __init__(self) -> None:
        self.status_counts: NDArray[np.int64] = np.zeros(len(c.STATUS_NAMES), np.int64)
        self.tunnel_counts: NDArray[np.int64] = np.zeros(len(c.TUNNEL_NAMES), np.int64)
        self._link_counts: NDArray[np.int64] = np.zeros(2**16, np.int64)
        self.span_ns: NDArray[np.int64] = np.array([_INT64.max, _INT64.min])
        self._packets: NDArray[np.void] = np.empty(0, PACKET)
        self._blank: NDArray[np.void] = np.zeros(1, PACKET)
        self._fragments: NDArray[np.void] = np.zeros(N_FRAGMENTS, FRAGMENT)
        self._secret = np.frombuffer(secrets.token_bytes(16), np.uint64).copy()
        self._takes_short_way = True

    @property
    def link_counts(self) -> dict[int, int]:
        """Frames decoded so far by LINKTYPE_, only those met."""
        return {int(link): int(self._link_counts[link]) for link in np.flatnonzero(self._link_counts)}

    def decode(self, batch: Batch) -> NDArray[np.void]:
        """Decode every frame of a batch.

        Returns PACKET[n_rows], n_rows >= len(batch), in frame order; the carrier rows of UDP tunnels come right before
        the row of the packet inside. It is a view of an array that the next call fills anew: copy what must outlive it.

        Raises ValueError when the batch's bytes are 2 GiB or more, which no source makes.
        """
        if len(batch.frames) > _MAX_BATCH_BYTES:
            raise ValueError(f"a batch of {len(batch.frames)} bytes: payload offsets reach only {_MAX_BATCH_BYTES}")
        n_needed = len(batch) * MAX_ROWS_A_FRAME
        if len(self._packets) < n_needed:
            self._packets = np.zeros(n_needed, PACKET)
        n_rows = decode_frames(
            batch.frames,
            batch.start,
            batch.end,
            batch.ts_ns,
            batch.wire_len,
            batch.link,
            batch.vlan_id,
            self._takes_short_way,
            self._packets,
            self._fragments,
            self._secret,
            self._blank,
            self.status_counts,
            self._link_counts,
            self.tunnel_counts,
            self.span_ns,
        )
        return self._packets[:n_rows]
