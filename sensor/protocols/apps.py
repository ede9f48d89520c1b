"""Which application protocol a payload starts with, told by its bytes and only seldom by the port.

What is not certain is 0: no name is better than a wrong one. Nothing here reads names: `tls`, `http` and `dns` do.
"""

import numpy as np
from numba import types

from sensor.constants import APP_HTTP, APP_NAMES, APP_NONE, APP_SSDP, APP_TLS, PROTO_TCP, PROTO_UDP
from sensor.jit import kernel
from sensor.protocols.app_tcp import match_tcp
from sensor.protocols.app_text import match_beginning, match_irc_notice, match_request, match_stratum, match_syslog
from sensor.protocols.app_udp import match_udp
from sensor.protocols.http import version_digit
from sensor.protocols.reads import FRAMES, LEAF
from sensor.protocols.tls import NOT_TLS, find_sni

__all__ = ["APP_NAMES", "identify"]

_INT = types.int64


@kernel(types.uint8(FRAMES, _INT, _INT, types.boolean, types.uint8, _INT), **LEAF)
def identify(frames, pos, end, is_orig, proto, resp_port):
    """The application protocol that `frames[pos:end]`, the first payload of a flow's direction, belongs to.

    is_orig : whether the originator sent it
    proto : uint8, IP protocol number; 0 is returned for others than TCP and UDP
    resp_port : the responder's port, asked only where bytes alone do not decide

    Returns an index into `APP_NAMES`, 0 when nothing is certain.
    """
    if pos < 0 or end > frames.shape[0] or end - pos < 3:
        return APP_NONE
    if proto not in (PROTO_TCP, PROTO_UDP):
        return APP_NONE
    if proto == PROTO_TCP and end - pos >= 6 and find_sni(frames, pos, end)[0] != NOT_TLS:
        return APP_TLS
    code = match_beginning(frames, pos, end, is_orig, np.int64(proto), resp_port)
    if code == APP_NONE and 0x41 <= frames[pos] <= 0x5A:
        code = match_request(frames, pos, end)
        if code == APP_HTTP and proto == PROTO_UDP:  # HTTP over UDP is how UPnP devices answer a search
            code = np.int64(APP_SSDP if version_digit(frames, pos, end) >= 0 else APP_NONE)
    if code == APP_NONE and frames[pos] == 0x3C:  # "<"
        code = match_syslog(frames, pos, end)
    if code == APP_NONE and proto == PROTO_TCP:
        if frames[pos] == 0x7B and is_orig:  # "{"
            code = match_stratum(frames, pos, end)
        elif frames[pos] == 0x3A and not is_orig:  # ":"
            code = match_irc_notice(frames, pos, end)
    if code == APP_NONE:
        if proto == PROTO_TCP:
            code = match_tcp(frames, pos, end, is_orig, resp_port)
        else:
            code = match_udp(frames, pos, end, is_orig, resp_port)
    return np.uint8(code)
