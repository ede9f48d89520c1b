"""The batch: the unit of work that everything after `capture/` receives, from a file and from a NIC alike."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BATCH_PACKETS = 4096
"""The most frames in one. With more, what one step writes has left the processor's cache when the next one reads it."""


@dataclass(slots=True)
class Batch:
    """A slice of a capture: raw bytes and where each frame lies in them.

    The arrays may be reused by the source for its next batch: copy what must outlive the loop body.

    frames : uint8[n_bytes], read-only for users
    start, end : int64[n], frame i is frames[start[i]:end[i]]; 0 <= start <= end <= n_bytes
    ts_ns : int64[n], nanoseconds since 1970 UTC, in capture order (not always ascending)
    wire_len : uint32[n], length on the wire in bytes; more than end - start when cut by a snaplen
    link : uint16[n], LINKTYPE_ of each frame
    vlan_id : uint16[n], 802.1Q id that the NIC stripped from the frame and reported beside it, 0 none (files: 0)
    """

    frames: NDArray[np.uint8]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    ts_ns: NDArray[np.int64]
    wire_len: NDArray[np.uint32]
    link: NDArray[np.uint16]
    vlan_id: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.ts_ns)


def empty_batch() -> Batch:
    """A batch without frames."""
    none = np.zeros(0, np.int64)
    shorts = np.zeros(0, np.uint16)
    return Batch(np.zeros(1, np.uint8), none, none, none, np.zeros(0, np.uint32), shorts, shorts)
