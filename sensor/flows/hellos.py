"""What the two hellos of TLS say, also inside QUIC: server name, fingerprints, versions, the server's certificate."""

import numpy as np
from numba import types as t

from sensor.constants import APP_TLS
from sensor.flows.facts import facts_of
from sensor.flows.names import give_name
from sensor.flows.pool import intern
from sensor.flows.rows import FLOW_REC, NOTE_SNI_DIFFERS, SOURCE_SNI
from sensor.flows.state import STATE_REC
from sensor.jit import packet_kernel as kernel
from sensor.protocols.reads import FRAMES
from sensor.protocols.tls import HELLO_CUT, HELLO_NO_SNI, HELLO_SNI, HELLO_SPLIT, find_sni, join_records

NOT_HELLO, HELLO, HELLO_MORE = range(3)


@kernel(t.void(STATE_REC, FLOW_REC, t.uint32, t.int64))
def take_server_name(s, f, name, source):
    """Note the server name in a hello; inside a proxy's tunnel it may differ from what the proxy was asked for."""
    if name:
        s.facts.rows[facts_of(s, f)]["sni_id"] = name
        if f["proxy_id"] and f["name_id"] and f["name_id"] != name:
            f["notes"] |= np.uint16(NOTE_SNI_DIFFERS)
        give_name(f, name, source)


@kernel(t.int64(STATE_REC, FLOW_REC, FRAMES, t.int64, t.int64))
def take_client_hello(s, f, data, pos, end):
    """Read the ClientHello that the originator's bytes data[pos:end] begin with: NOT_HELLO, HELLO or HELLO_MORE."""
    status, off, length = find_sni(data, pos, end)
    if status == HELLO_CUT:
        return HELLO_MORE
    if status == HELLO_SPLIT:
        joined = join_records(data, pos, end, s.scratch.joined)
        status, off, length = find_sni(s.scratch.joined, 0, joined)
        if status == HELLO_SNI:
            take_server_name(s, f, intern(s.pool, s.scratch.joined, np.int64(off), np.int64(length)), SOURCE_SNI)
        elif status != HELLO_NO_SNI:
            return HELLO_MORE
    elif status == HELLO_SNI:
        take_server_name(s, f, intern(s.pool, data, np.int64(off), np.int64(length)), SOURCE_SNI)
    elif status != HELLO_NO_SNI:
        return NOT_HELLO
    if f["app"] == 0 or f["proxy_id"]:
        f["app"] = APP_TLS
    return HELLO
