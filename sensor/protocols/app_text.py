"""Protocols told by text: a table of fixed beginnings, request lines, and greetings of mail and FTP servers.

Sources: RFC 4253 (ssh), 5321 (smtp), 959 (ftp), 3501 (imap), 1939 (pop3), 9112 (http), 3261 (sip), 7826 (rtsp),
1459 (irc), 6120 (xmpp), 5424 (syslog), BEP 3, 5 and 14 (bittorrent), what miners and pools send (stratum).
"""

import numpy as np
from numba import types
from numpy.typing import NDArray

from sensor.constants import (
    APP_FTP,
    APP_HTTP,
    APP_IRC,
    APP_NAMES,
    APP_NONE,
    APP_RTSP,
    APP_SIP,
    APP_SMTP,
    APP_STRATUM,
    APP_SYSLOG,
    PROTO_TCP,
    PROTO_UDP,
)
from sensor.jit import kernel
from sensor.protocols.http import method_bytes, version_digit, web_scheme_bytes
from sensor.protocols.reads import FRAMES, HELPER, be32

# --- fixed beginnings: (bytes, name, who sends them, transport, port of the responder or 0 for any) ---
_ANYONE = 0
_ORIG = 1
_RESP = 2
_BEGINNINGS: tuple[tuple[bytes, str, int, int, int], ...] = (
    (b"SSH-1.", "ssh", _ANYONE, PROTO_TCP, 0),
    (b"SSH-2.0-", "ssh", _ANYONE, PROTO_TCP, 0),
    (b"EHLO ", "smtp", _ORIG, PROTO_TCP, 0),
    (b"HELO ", "smtp", _ORIG, PROTO_TCP, 0),
    (b"ehlo ", "smtp", _ORIG, PROTO_TCP, 0),
    (b"helo ", "smtp", _ORIG, PROTO_TCP, 0),
    (b"MAIL FROM:", "smtp", _ORIG, PROTO_TCP, 0),
    (b"AUTH TLS\r\n", "ftp", _ORIG, PROTO_TCP, 0),
    (b"USER ", "ftp", _ORIG, PROTO_TCP, 21),
    (b"* OK ", "imap", _RESP, PROTO_TCP, 0),
    (b"* PREAUTH ", "imap", _RESP, PROTO_TCP, 0),
    (b"+OK ", "pop3", _RESP, PROTO_TCP, 0),
    (b"USER ", "pop3", _ORIG, PROTO_TCP, 110),
    (b"CAPA\r\n", "pop3", _ORIG, PROTO_TCP, 110),
    (b"STLS\r\n", "pop3", _ORIG, PROTO_TCP, 0),
    (b"\x13BitTorrent protocol", "bittorrent", _ANYONE, PROTO_TCP, 0),
    (b"d1:ad2:id20:", "bittorrent", _ANYONE, PROTO_UDP, 0),
    (b"d1:rd2:id20:", "bittorrent", _ANYONE, PROTO_UDP, 0),
    (b"d2:ip6:", "bittorrent", _RESP, PROTO_UDP, 0),
    (b"BT-SEARCH * HTTP/1.1\r\n", "bittorrent", _ANYONE, PROTO_UDP, 0),
    (b"RTSP/1.0 ", "rtsp", _RESP, PROTO_TCP, 0),
    (b"SIP/2.0 ", "sip", _ANYONE, PROTO_TCP, 0),
    (b"SIP/2.0 ", "sip", _ANYONE, PROTO_UDP, 0),
    (b"NICK ", "irc", _ORIG, PROTO_TCP, 0),
    (b"CAP LS", "irc", _ORIG, PROTO_TCP, 0),
    (b"NOTICE AUTH :", "irc", _RESP, PROTO_TCP, 0),
    (b"USER ", "irc", _ORIG, PROTO_TCP, 6667),
    (b"M-SEARCH * HTTP/1.1\r\n", "ssdp", _ANYONE, PROTO_UDP, 0),
    (b"NOTIFY * HTTP/1.1\r\n", "ssdp", _ANYONE, PROTO_UDP, 0),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2", _ORIG, PROTO_TCP, 0),
    (b"RFB 003.", "vnc", _ANYONE, PROTO_TCP, 0),
    (b"RFB 004.", "vnc", _ANYONE, PROTO_TCP, 0),
    (b"*1\r\n$", "redis", _ORIG, PROTO_TCP, 0),
    (b"*2\r\n$", "redis", _ORIG, PROTO_TCP, 0),
    (b"*3\r\n$", "redis", _ORIG, PROTO_TCP, 0),
    (b"AMQP\x00", "amqp", _ORIG, PROTO_TCP, 0),
    (b"<?xml version='1.0'?><stream:stream", "xmpp", _ANYONE, PROTO_TCP, 0),
    (b'<?xml version="1.0"?><stream:stream', "xmpp", _ANYONE, PROTO_TCP, 0),
    (b"<stream:stream", "xmpp", _ANYONE, PROTO_TCP, 0),
    (b"@RSYNCD: ", "rsync", _ANYONE, PROTO_TCP, 0),
)
_BEGINNING_MAX = 40
_TEXT: NDArray[np.uint8] = np.zeros((len(_BEGINNINGS), _BEGINNING_MAX), np.uint8)
_TEXT_BYTES: NDArray[np.int64] = np.array([len(row[0]) for row in _BEGINNINGS], np.int64)
_APP: NDArray[np.uint8] = np.array([APP_NAMES.index(row[1]) for row in _BEGINNINGS], np.uint8)
_SENDER: NDArray[np.uint8] = np.array([row[2] for row in _BEGINNINGS], np.uint8)
_PROTO: NDArray[np.uint8] = np.array([row[3] for row in _BEGINNINGS], np.uint8)
_PORT: NDArray[np.int64] = np.array([row[4] for row in _BEGINNINGS], np.int64)
for _row, _beginning in zip(_TEXT, _BEGINNINGS, strict=True):
    _row[: len(_beginning[0])] = np.frombuffer(_beginning[0], np.uint8)

_BANNER_BYTES_MAX = 512
_JSON_BYTES_MAX = 200
_INT = types.int64
_CODE = types.int64(FRAMES, types.int64, types.int64)
_CODE_PORT = types.int64(FRAMES, types.int64, types.int64, types.int64)


@kernel(_INT(FRAMES, _INT, _INT, types.boolean, _INT, _INT), **HELPER)
def match_beginning(frames, pos, end, is_orig, proto, resp_port):
    """The protocol of the first fixed beginning that fits, 0 when none does."""
    sender = _ORIG if is_orig else _RESP
    first = frames[pos]
    for row in range(_TEXT.shape[0]):
        if _TEXT[row, 0] != first or _PROTO[row] != proto or end - pos < _TEXT_BYTES[row]:
            continue
        if (_SENDER[row] != _ANYONE and _SENDER[row] != sender) or (_PORT[row] != 0 and _PORT[row] != resp_port):
            continue
        n_same = 1
        while n_same < _TEXT_BYTES[row] and frames[pos + n_same] == _TEXT[row, n_same]:
            n_same += 1
        if n_same == _TEXT_BYTES[row]:
            return _APP[row]
    return APP_NONE


@kernel(_CODE, **HELPER)
def match_request(frames, pos, end):
    """http, sip or rtsp by the method and the form of the target."""
    if version_digit(frames, pos, end) >= 0:
        return APP_HTTP
    n_method = method_bytes(frames, pos, end)
    if n_method > 0 and pos + n_method + 1 < end:
        target = frames[pos + n_method + 1]
        is_connect = n_method == 7 and frames[pos] == 0x43
        if target in (0x2F, 0x2A) or is_connect or web_scheme_bytes(frames, pos + n_method + 1, end) > 0:
            return APP_HTTP
    # any method of capital letters, then "sip:", "sips:" or "rtsp://"
    at = pos
    while at < end and at - pos < 16 and (0x41 <= frames[at] <= 0x5A or frames[at] == 0x5F):
        at += 1
    if at == pos or at + 6 > end or frames[at] != 0x20:
        return APP_NONE
    word = be32(frames, at + 1)
    if word == 0x7369703A or (word == 0x73697073 and frames[at + 5] == 0x3A):
        return APP_SIP
    if word == 0x72747370 and frames[at + 5] == 0x3A:
        return APP_RTSP
    return APP_NONE


@kernel(_CODE_PORT, **HELPER)
def match_banner(frames, pos, end, resp_port):
    """smtp or ftp: a server's greeting "220 ..." by the word in it, else by the port."""
    if end - pos < 6 or frames[pos + 1] != 0x32 or frames[pos + 2] != 0x30:
        return APP_NONE
    if frames[pos + 3] != 0x20 and frames[pos + 3] != 0x2D:
        return APP_NONE
    for at in range(pos + 4, min(end, pos + _BANNER_BYTES_MAX) - 3):
        word = be32(frames, at) & 0xDFDFDFDF  # upper case
        if word == 0x534D5450:  # "SMTP"
            return APP_SMTP
        if word >> 8 == 0x465450:  # "FTP"
            return APP_FTP
    if resp_port == 21:
        return APP_FTP
    return APP_SMTP if resp_port in (25, 587, 2525) else APP_NONE


@kernel(_CODE, **HELPER)
def match_syslog(frames, pos, end):
    """syslog in the form of RFC 5424, told without a port: "<", digits, ">1 ", a year and "-"."""
    at = pos + 1
    while at < end and at - pos < 4 and 0x30 <= frames[at] <= 0x39:
        at += 1
    if at == pos + 1 or at + 8 > end or frames[at] != 0x3E or frames[at + 1] != 0x31 or frames[at + 2] != 0x20:
        return APP_NONE
    for i in range(at + 3, at + 7):
        if frames[i] < 0x30 or frames[i] > 0x39:
            return APP_NONE
    return APP_SYSLOG if frames[at + 7] == 0x2D else APP_NONE


@kernel(_CODE, **HELPER)
def match_irc_notice(frames, pos, end):
    """irc by a server's greeting: ":", its name, " NOTICE "."""
    for at in range(pos + 2, min(end, pos + 66) - 7):
        if frames[at] < 0x20:
            return APP_NONE
        if frames[at] == 0x20:
            is_notice = be32(frames, at + 1) == 0x4E4F5449 and be32(frames, at + 4) == 0x49434520
            return APP_IRC if is_notice else APP_NONE
    return APP_NONE


@kernel(_CODE, **HELPER)
def match_stratum(frames, pos, end):
    """stratum: what a miner first sends its pool, JSON with one of the methods or parameters only miners use."""
    for at in range(pos + 1, min(end, pos + _JSON_BYTES_MAX) - 7):
        upper = be32(frames, at)
        if upper == 0x226D696E and be32(frames, at + 4) == 0x696E672E:  # "mining.
            return APP_STRATUM
        if upper == 0x6574685F and be32(frames, at + 4) == 0x7375626D:  # eth_subm(itLogin)
            return APP_STRATUM
        if upper == 0x73223A7B and be32(frames, at + 4) == 0x226C6F67:  # (param)s":{"log(in"
            return APP_STRATUM
    return APP_NONE
