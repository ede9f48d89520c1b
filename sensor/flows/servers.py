"""Ports that servers listen on, to guess the originator of a flow whose start was not seen.

Source: the ports Zeek's stock protocol analyzers register as likely servers (its `likely_server_ports`).
"""

import numpy as np
from numba import types as t
from numpy.typing import NDArray

from sensor.jit import packet_kernel as kernel


def _bits(ports: list[int]) -> NDArray[np.uint64]:
    bits = np.zeros(1024, np.uint64)
    for port in ports:
        bits[port >> 6] |= np.uint64(1) << np.uint64(port & 63)
    return bits


# fmt: off
TCP_PORTS = _bits([
    21, 22, 25, 53, 80, 81, 88, 110, 135, 139, 143, 389, 443, 445, 502, 514, 563, 585, 587, 614, 631, 636, 989, 990,
    992, 993, 995, 1080, 1434, 1883, 2811, 3128, 3268, 3306, 3389, 5223, 5432, 6379, 6666, 6667, 6668, 6669, 8000,
    8080, 8883, 8888, 20000,
])
UDP_PORTS = _bits([
    53, 67, 88, 123, 137, 161, 162, 389, 443, 514, 784, 1812, 2123, 2152, 3268, 3389, 3544, 4789, 5060, 5072,
    5353, 5355, 6081, 20000,
])
# fmt: on


@kernel(t.boolean(t.Array(t.uint64, 1, "C", readonly=True), t.int64))
def is_likely_server(bits, port):
    """Whether a port is in a port set; bits : uint64[1024]."""
    return (bits[np.int64(port) >> 6] >> np.uint64(np.int64(port) & 63)) & np.uint64(1) != 0
