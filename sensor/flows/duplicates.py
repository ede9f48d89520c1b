"""Packets that a mirror port shows twice (both ports of a path mirrored, or a VLAN and its port).

A copy has the IP identification, sequence numbers, lengths and checksum of a packet that came moments before from the
same side; a retransmission comes later and has a new identification. Copies are counted and left out of all sums.
"""

import numpy as np
from numba import types as t

from sensor.constants import FRAGMENT_NONE
from sensor.dtypes import PACKET_REC
from sensor.flows.rows import FLOW_REC
from sensor.jit import packet_kernel as kernel
from sensor.protocols.reads import FRAMES

COPY_NS = 10_000_000  # a mirror's second copy lags by its queue, never by a retransmission timer
COPY_NO_ID_NS = 100_000  # without an identification (IPv6, some IPv4), real repeats look alike: only at once


@kernel(t.uint64(PACKET_REC, FRAMES))
def _payload_sample(p, frames):
    """First and last bytes of a payload as one word; where checksums are left to the NIC, lengths alone look alike."""
    word = np.uint64(0)
    n = np.int64(p["payload_cap"])
    pos = np.int64(p["payload_off"])
    for i in range(min(n, np.int64(16))):
        word = word * np.uint64(257) + np.uint64(frames[pos + i])
    for i in range(max(np.int64(0), n - 8), n):
        word = word * np.uint64(257) + np.uint64(frames[pos + i])
    return word


@kernel(t.boolean(FLOW_REC, t.int64, PACKET_REC, FRAMES), forceinline=True)
def is_duplicate(f, d, p, frames):
    """Whether packet p of side d is a copy of one of that side's last four; else note it.

    Fragments are not judged; nor a tunnel's outer packets, whose inner ones are.
    """
    if p["fragment"] != FRAGMENT_NONE or p["is_carrier"]:
        return False
    sign = np.uint64(p["ip_id"]) << np.uint64(48) | np.uint64(p["l4_checksum"]) << np.uint64(32) | np.uint64(p["seq"])
    sign = sign * np.uint64(0x9E3779B97F4A7C15) + np.uint64(p["ack"])
    sign ^= np.uint64(p["ip_len"]) << np.uint64(8) | np.uint64(p["tcp_flags"])
    sign = sign * np.uint64(0xD6E8FEB86659FD93)
    if p["ip_id"] == 0:
        sign = (sign ^ _payload_sample(p, frames)) * np.uint64(0x9E3779B97F4A7C15)
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
