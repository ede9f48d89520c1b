"""What is said before encryption: versions and algorithms of SSH, the user in an RDP request."""

import numpy as np
from numba import types as t

from sensor.flows.facts import facts_of
from sensor.flows.pool import intern
from sensor.flows.rows import FLOW_REC, LOOKS
from sensor.flows.state import STATE_REC
from sensor.jit import packet_kernel as kernel
from sensor.protocols import md5, ssh
from sensor.protocols.app_tcp import RDP_COOKIE_KEY_BYTES, rdp_cookie
from sensor.protocols.reads import FRAMES
from sensor.protocols.text import put_hex


@kernel(t.int64(STATE_REC, FLOW_REC, FRAMES, t.int64, t.int64))
def take_banner(s, f, data, pos, end):
    """Note a client's version as its user agent; bytes read, -1 when it goes on."""
    status, off, length = ssh.parse_banner(data, pos, end)
    if status == ssh.BANNER_CUT:
        return np.int64(-1)
    if status == ssh.BANNER and not f["agent_id"]:
        f["agent_id"] = intern(s.pool, data, np.int64(off), np.int64(length))
        behind = np.int64(off) + np.int64(length)
        while behind < end and (data[behind] == 13 or data[behind] == 10):
            behind += 1
        return behind - pos
    return end - pos


@kernel(t.void(STATE_REC, FLOW_REC, FRAMES, t.boolean))
def take_hassh(s, f, data, is_server):
    """Note the HASSH of a side's algorithm lists, whose spans are in the scratch."""
    text = s.scratch.joined
    length = ssh.hassh_text(data, s.scratch.spans, is_server, text)
    if length > 0 and md5.md5(text, 0, length, text, 0, s.scratch.words):
        out = s.scratch.text
        put_hex(out, 0, text, 0, md5.DIGEST_BYTES)
        number = intern(s.pool, out, 0, 2 * md5.DIGEST_BYTES)
        fact = s.facts.rows[facts_of(s, f)]
        if is_server:
            fact["hassh_server_id"] = number
        else:
            fact["hassh_id"] = number


@kernel(t.boolean(STATE_REC, FLOW_REC, FRAMES, t.int64, t.int64))
def take_ssh_server(s, f, data, pos, end):
    """Note the algorithms of a server, which may stand right behind its version; whether they go on."""
    if ssh.parse_banner(data, pos, end)[0] == ssh.BANNER_CUT:
        return True
    status = ssh.find_kexinit(data, pos, end, s.scratch.spans)
    if status == ssh.KEXINIT:
        take_hassh(s, f, data, True)
        f["looked"][1] = LOOKS
    return status == ssh.KEXINIT_CUT


@kernel(t.void(STATE_REC, FLOW_REC, FRAMES, t.int64, t.int64))
def take_rdp_cookie(s, f, data, pos, end):
    """Note the user that an RDP client asks for as its user agent, with the word "mstshash=" as it was sent."""
    off, length = rdp_cookie(data, pos, end)
    if length > 0 and not f["agent_id"]:
        begin = np.int64(off) - RDP_COOKIE_KEY_BYTES
        f["agent_id"] = intern(s.pool, data, begin, np.int64(length) + RDP_COOKIE_KEY_BYTES)
