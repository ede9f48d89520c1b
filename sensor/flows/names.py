"""Which name a flow's destination goes by: from its own payload, else from what the client last resolved.

Trust rises in the order of SOURCE_*: an address a client resolved, an HTTP Host, a QUIC or TLS server name, a host
asked of a proxy. A later, better name replaces a weaker one; the first of its kind stays.
"""

import numba
import numpy as np
from numba import types as t

from sensor.flows.rows import FLOW_REC
from sensor.flows.state import CACHE, CACHE_NAMES
from sensor.jit import packet_kernel as kernel
from sensor.protocols.siphash import siphash13

CACHE_REC = numba.from_dtype(CACHE)
_TTL_FLOOR_NS = 3600 * 10**9  # clients and their applications hold on to addresses longer than the TTL says
_WAYS = 4  # places a name may stand in; the one that ages first is replaced


@kernel(t.int64(t.uint64))
def _set_of(code):
    return np.int64(code & np.uint64(CACHE_NAMES // _WAYS - 1)) * _WAYS


@kernel(t.void(CACHE_REC, t.uint64[::1], t.uint64, t.uint64, t.uint64, t.uint64, t.uint32, t.int64, t.int64))
def remember(cache, key, client_hi, client_lo, hi, lo, name, ts, ttl_s):
    """Note that `client` was told that (hi, lo) is `name`; client 0, 0 stands for anyone."""
    code = siphash13(key[0], key[1], client_hi, client_lo, hi, lo, np.uint64(1))
    start = _set_of(code)
    place = start
    for i in range(start, start + _WAYS):
        if cache.names[i]["code"] == code:
            place = i
            break
        if cache.names[i]["expiry"] < cache.names[place]["expiry"]:
            place = i
    cache.names[place]["code"] = code
    cache.names[place]["name"] = name
    cache.names[place]["expiry"] = ts + max(_TTL_FLOOR_NS, np.int64(ttl_s) * 1_000_000_000)


@kernel(t.uint32(CACHE_REC, t.uint64[::1], t.uint64, t.uint64, t.uint64, t.uint64, t.int64))
def remembered(cache, key, client_hi, client_lo, hi, lo, ts):
    """The name last noted for exactly this client and address, 0 when there is none or it has aged."""
    code = siphash13(key[0], key[1], client_hi, client_lo, hi, lo, np.uint64(1))
    start = _set_of(code)
    for i in range(start, start + _WAYS):
        if cache.names[i]["code"] == code and cache.names[i]["expiry"] >= ts:
            return cache.names[i]["name"]
    return np.uint32(0)


@kernel(t.uint32(CACHE_REC, t.uint64[::1], t.uint64, t.uint64, t.uint64, t.uint64, t.int64))
def recall(cache, key, client_hi, client_lo, hi, lo, ts):
    """The name last given to `client` for an address, else to anyone; 0 when none is known or it has aged."""
    name = remembered(cache, key, client_hi, client_lo, hi, lo, ts)
    return name if name else remembered(cache, key, np.uint64(0), np.uint64(0), hi, lo, ts)


@kernel(t.boolean(t.uint64, t.uint64))
def is_outside(hi, lo):
    """Whether an address is one of the public internet's, as far as that can be told without knowing the site."""
    if hi == 0 and lo >> np.uint64(32) == 0xFFFF:
        a, b = np.int64(lo >> np.uint64(24)) & 255, np.int64(lo >> np.uint64(16)) & 255
        return not (
            a in (0, 10, 127)
            or a >= 224
            or (a == 172 and 16 <= b < 32)
            or (a == 192 and b == 168)
            or (a == 169 and b == 254)
            or (a == 100 and 64 <= b < 128)
        )
    return hi >> np.uint64(61) == 1  # 2000::/3


@kernel(t.void(FLOW_REC, t.uint32, t.int64))
def give_name(f, name, source):
    """Let a flow go by a name, unless it has one that is trusted more, or one of the same kind."""
    if name and source > f["name_source"]:
        f["name_id"] = name
        f["name_source"] = np.uint8(source)
