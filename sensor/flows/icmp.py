"""ICMP messages that answer each other share a flow; the others go one way.

Source: Community ID specification v1 and Zeek's ICMP flows, which pair the same types.
"""

import numpy as np
from numba import types as t

from sensor.constants import PROTO_ICMP
from sensor.jit import packet_kernel as kernel


@kernel(t.Tuple((t.int64, t.boolean))(t.int64, t.int64, t.int64))
def counterpart(proto, kind, code):
    """(second "port" of an ICMP flow, whether it has one direction only).

    For a type with an answer that is the type of the answer, for others the code.
    """
    if proto == PROTO_ICMP:
        if kind == 8 or kind == 0:  # echo
            return np.uint16(8 - kind), False
        if kind == 13 or kind == 14 or kind == 9 or kind == 10 or kind == 15 or kind == 16 or kind == 17 or kind == 18:
            pair = kind - 1 if kind == 14 or kind == 10 or kind == 16 or kind == 18 else kind + 1
            return np.uint16(pair), False
        return np.uint16(code), True
    if 128 <= kind <= 131 or kind == 144 or kind == 145:  # echo, multicast listener, home agent
        return np.uint16(kind + 1 if kind % 2 == 0 else kind - 1), False
    if 133 <= kind <= 136 or kind == 139 or kind == 140:  # router, neighbour, node information
        return np.uint16(kind + 1 if kind % 2 == 1 else kind - 1), False
    return np.uint16(code), True
