"""Packets that a mirror port shows twice (both ports of a path mirrored, or a VLAN and its port).

A copy has the IP identification, sequence numbers, lengths and checksum of a packet that came moments before from the
same side; a retransmission comes later and has a new identification. Copies are counted and left out of all sums.
"""

import numpy as np

from sensor.constants import FRAGMENT_NONE
from sensor.jit import kernel

COPY_NS = 10_000_000  # a mirror's second copy lags by its queue, never by a retransmission timer
COPY_NO_ID_NS = 100_000  # without an identification (IPv6, some IPv4), real repeats look alike: only at once


@kernel()
def is_duplicate(f, d, p):
    """Whether packet p of side d is a copy of one of that side's last four; else note it."""
    if p["fragment"] != FRAGMENT_NONE:
        return False
    sign = np.uint64(p["ip_id"]) << np.uint64(48) | np.uint64(p["l4_checksum"]) << np.uint64(32) | np.uint64(p["seq"])
    sign = sign * np.uint64(0x9E3779B97F4A7C15) + np.uint64(p["ack"])
    sign ^= np.uint64(p["ip_len"]) << np.uint64(8) | np.uint64(p["tcp_flags"])
    sign = sign * np.uint64(0xD6E8FEB86659FD93)
    code = np.uint32(sign >> np.uint64(32)) | np.uint32(1)  # never 0: that is an empty place
    lag = p["ts_ns"] - f["dup_ts"][d]
    if 0 <= lag <= (COPY_NS if p["ip_id"] != 0 else COPY_NO_ID_NS):
        for i in range(4):
            if f["dup_sign"][4 * d + i] == code:
                if f["duplicates"] < 65535:
                    f["duplicates"] += np.uint16(1)
                return True
    place = np.int64(f["dup_next"][d])
    f["dup_sign"][4 * d + place] = code
    f["dup_next"][d] = np.uint8((place + 1) & 3)
    f["dup_ts"][d] = p["ts_ns"]
    return False
