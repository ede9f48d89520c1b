"""First payloads of each protocol, and payloads that are like them but are not."""

import struct

import pytest

from sensor.constants import PROTO_SCTP, PROTO_TCP, PROTO_UDP
from sensor.protocols.app_tcp import rdp_cookie
from sensor.protocols.app_tor import NO_TOR_NAME, TOR_DIGITS, TOR_LETTERS, is_tor_like_name
from sensor.protocols.apps import APP_NAMES
from tests.support.protocols import client_hello, frames_of, identify, query, records, response, server_name, wire_name

NAME = wire_name(b"www", b"example", b"com")
HELLO = records(client_hello(server_name(b"a.example")))


def tpkt(body: bytes) -> bytes:
    return b"\3\0" + struct.pack(">H", 4 + len(body)) + body


def x224(code: int, rest: bytes) -> bytes:
    return tpkt(bytes([5 + len(rest) + 1, code]) + bytes(5) + rest)


def netbios(message: bytes) -> bytes:
    return struct.pack(">I", len(message)) + message


def der(tag: int, body: bytes) -> bytes:
    length = bytes([len(body)]) if len(body) < 128 else b"\x82" + struct.pack(">H", len(body))
    return bytes([tag]) + length + body


AS_REQ = der(0x6A, der(0x30, b"\xa1\3\2\1\5\xa2\3\2\1\x0a" + bytes(200)))
KRB_ERROR = der(0x7E, der(0x30, b"\xa0\3\2\1\5\xa1\3\2\1\x1e" + bytes(60)))
STUN = struct.pack(">HHI", 1, 8, 0x2112A442) + bytes(12 + 8)
QUIC = b"\xc3\0\0\0\1\x08" + bytes(8) + b"\0" + bytes(1180)
DTLS = b"\x16\xfe\xff" + bytes(8) + struct.pack(">H", 40) + bytes(40)
DHCP = b"\1\1\6\0" + bytes(232) + bytes.fromhex("63825363") + b"\x35\1\1\xff"
IKE = bytes(16) + b"\x21\x20\x22\x08" + bytes(4) + struct.pack(">I", 28)
SNMP = der(0x30, b"\2\1\1\4\6public" + der(0xA0, bytes(20)))
SNMP3 = der(0x30, b"\2\1\3" + der(0x30, bytes(14)))
BIND = der(0x30, b"\2\1\7" + der(0x60, b"\2\1\3\4\0\x80\0"))
BIND_REPLY = der(0x30, b"\2\1\7" + der(0x61, b"\x0a\1\0\4\0\4\0"))
CLDAP = der(0x30, b"\2\2\1\0" + der(0x63, b"\4\0\x0a\1\0"))
STARTTLS = der(0x30, b"\2\1\1" + der(0x77, b"\x80\x161.3.6.1.4.1.1466.20037"))
BIND_RPC = b"\5\0\x0b\3\x10\0\0\0\x48\0\0\0" + bytes(60)
TDS = b"\x12\1\0\x2f\0\0\1\0" + b"\0" + bytes(38)
MYSQL = struct.pack("<I", 60) + b"\x0a8.0.36\0" + bytes(52)
RESET = b"\x38sessions" + bytes(5)
ANSWER = b"\x40sessionS" + b"\1\0\0\0\0" + b"sessions" + bytes(4)
REPLAY = b"\0\0\0\1" + b"\x63\x21\x46\xb8"  # packet id and time
RESET_AUTH = RESET[:9] + bytes(range(20)) + REPLAY + RESET[9:]
ANSWER_AUTH = ANSWER[:9] + bytes(range(64)) + REPLAY + ANSWER[9:]
RESET_CRYPT = RESET[:9] + REPLAY + bytes(range(37))
WG_DATA = b"\4\0\0\0" + b"peer" + struct.pack("<Q", 19) + bytes(64)
DATAGRAM = b"\x11\x02\0\1\xc0\0\2\1\0\x8a" + struct.pack(">HH", 100, 0) + b"\x20" + bytes(99)
RPC_UDP = b"\4\0\x20\0\x10\0\0\0" + bytes(66) + struct.pack("<H", 20) + bytes(4 + 20)
UTP = b"\x41\0\x12\x34" + b"time" + bytes(4) + b"\0\4\0\0" + b"\0\1\0\0"
STUN_OLD = struct.pack(">HH", 1, 8) + b"0123456789abcdef" + struct.pack(">HHI", 3, 4, 0)
RDP_SYN = b"\xff\xff\xff\xff\0\x40\0\1" + bytes(1224)
PPTP = struct.pack(">HHIHH", 156, 1, 0x1A2B3C4D, 1, 0) + bytes(144)
MINER = b'{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"4B","pass":"x","agent":"XMRig/6"}}\n'
STARTUP = struct.pack(">II", 20, 0x30000) + b"user\0bob\0\0\0\0"[:12]

ORIG, RESP = True, False
TCP, UDP = PROTO_TCP, PROTO_UDP


@pytest.mark.parametrize(
    ("payload", "is_orig", "proto", "resp_port", "want"),
    [
        (HELLO, ORIG, TCP, 8443, "tls"),
        (b"\x15\3\3\0\2\2\x28", RESP, TCP, 443, "tls"),
        (b"GET / HTTP/1.1\r\n", ORIG, TCP, 4444, "http"),
        (b"CONNECT a:443 HTTP/1.1\r\n", ORIG, TCP, 8080, "http"),
        (b"POST http://a/ HTTP/1.1\r\n", ORIG, TCP, 8080, "http"),
        (b"HTTP/1.1 200 OK\r\n", RESP, TCP, 80, "http"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ORIG, TCP, 80, "http2"),
        (query(NAME), ORIG, UDP, 53, "dns"),
        (response(NAME), RESP, UDP, 5300, "dns"),
        (struct.pack(">H", len(query(NAME))) + query(NAME), ORIG, TCP, 53, "dns"),
        (query(NAME), ORIG, UDP, 5353, "mdns"),
        (query(NAME), ORIG, UDP, 5355, "llmnr"),
        (query(wire_name(b"C" * 32), 32), ORIG, UDP, 137, "nbns"),
        (query(wire_name(b"C" * 32), 32), ORIG, UDP, 1137, "dns"),
        (query(wire_name(b"Q" * 32), 32), ORIG, UDP, 137, "dns"),
        (b"\x81\0\0\x44\x20" + bytes(67), ORIG, TCP, 139, "netbios"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", RESP, TCP, 22, "ssh"),
        (b"SSH-1.99-x", ORIG, TCP, 2222, "ssh"),
        (QUIC, ORIG, UDP, 443, "quic"),
        (QUIC[:1] + bytes.fromhex("6b3343cf") + QUIC[5:], ORIG, UDP, 443, "quic"),
        (b"\x80\0\0\0\0\0\x08" + bytes(8) + b"\0\0\0\1", RESP, UDP, 443, "quic"),
        (b"\x0d" + bytes(8) + b"Q043" + bytes(20), ORIG, UDP, 443, "quic"),
        (b"220 mx.example ESMTP Postfix\r\n", RESP, TCP, 2525, "smtp"),
        (b"220 mx.example\r\n", RESP, TCP, 25, "smtp"),
        (b"EHLO me\r\n", ORIG, TCP, 587, "smtp"),
        (b"220-FileZilla Server\r\n220 ftp here\r\n", RESP, TCP, 2121, "ftp"),
        (b"220 welcome\r\n", RESP, TCP, 21, "ftp"),
        (b"USER bob\r\n", ORIG, TCP, 21, "ftp"),
        (b"USER bob\r\n", ORIG, TCP, 110, "pop3"),
        (b"+OK ready\r\n", RESP, TCP, 110, "pop3"),
        (b"* OK IMAP4rev1\r\n", RESP, TCP, 143, "imap"),
        (x224(0xE0, b"\1\0\x08\0\3\0\0\0"), ORIG, TCP, 3390, "rdp"),
        (x224(0xE0, b"Cookie: mstshash=bob\r\n"), ORIG, TCP, 3390, "rdp"),
        (x224(0xD0, b"\2\0\x08\0\2\0\0\0"), RESP, TCP, 3390, "rdp"),
        (x224(0xE0, b""), ORIG, TCP, 3389, "rdp"),
        (netbios(b"\xfeSMB" + bytes(60)), ORIG, TCP, 445, "smb"),
        (netbios(b"\xffSMB" + bytes(40)), ORIG, TCP, 445, "smb"),
        (netbios(AS_REQ), ORIG, TCP, 88, "kerberos"),
        (AS_REQ, ORIG, UDP, 88, "kerberos"),
        (KRB_ERROR, RESP, UDP, 88, "kerberos"),
        (BIND, ORIG, TCP, 389, "ldap"),
        (BIND_REPLY, RESP, TCP, 389, "ldap"),
        (CLDAP, ORIG, UDP, 389, "ldap"),
        (STARTTLS, ORIG, TCP, 389, "ldap"),
        (SNMP, ORIG, UDP, 161, "snmp"),
        (SNMP3, ORIG, UDP, 161, "snmp"),
        (b"\x23" + bytes(47), ORIG, UDP, 123, "ntp"),
        (STUN, ORIG, UDP, 3478, "stun"),
        (STUN, ORIG, TCP, 3478, "stun"),
        (b"\5\1\0", ORIG, TCP, 1080, "socks"),
        (b"\5\2\0\2", ORIG, TCP, 9050, "socks"),
        (b"\4\1\1\xbb\x0a\0\0\1\0", ORIG, TCP, 9050, "socks"),
        (b"\4\1\1\xbb\0\0\0\1me\0a.example\0", ORIG, TCP, 9050, "socks"),
        (b"\x13BitTorrent protocol" + bytes(48), ORIG, TCP, 6881, "bittorrent"),
        (b"d1:ad2:id20:" + bytes(40), ORIG, UDP, 6881, "bittorrent"),
        (DTLS, ORIG, UDP, 4433, "dtls"),
        (b"REGISTER sip:a.example SIP/2.0\r\n", ORIG, UDP, 5060, "sip"),
        (b"OPTIONS sips:a.example SIP/2.0\r\n", ORIG, TCP, 5061, "sip"),
        (b"SIP/2.0 200 OK\r\n", RESP, UDP, 5060, "sip"),
        (b"OPTIONS rtsp://cam/ RTSP/1.0\r\n", ORIG, TCP, 554, "rtsp"),
        (b"RTSP/1.0 200 OK\r\n", RESP, TCP, 554, "rtsp"),
        (b"NICK bot\r\nUSER a b c :d\r\n", ORIG, TCP, 9999, "irc"),
        (b"M-SEARCH * HTTP/1.1\r\nHOST: x\r\n", ORIG, UDP, 1900, "ssdp"),
        (b"HTTP/1.1 200 OK\r\n", RESP, UDP, 1900, "ssdp"),
        (DHCP, ORIG, UDP, 67, "dhcp"),
        (b"\1\0\0\1" + bytes(20), ORIG, UDP, 547, "dhcpv6"),
        (BIND_RPC, ORIG, TCP, 135, "dcerpc"),
        (b"\x10\x10\0\4MQTT\4\2\0\x3c\0\4abcd", ORIG, TCP, 1883, "mqtt"),
        (MYSQL, RESP, TCP, 3306, "mysql"),
        (bytes.fromhex("0000000804d2162f"), ORIG, TCP, 5432, "postgresql"),
        (STARTUP, ORIG, TCP, 5432, "postgresql"),
        (TDS, ORIG, TCP, 1433, "mssql"),
        (b"RFB 003.008\n", RESP, TCP, 5900, "vnc"),
        (b"\xff\xfd\x18\xff\xfd\x20", RESP, TCP, 23, "telnet"),
        (b"*1\r\n$4\r\nPING\r\n", ORIG, TCP, 6379, "redis"),
        (b"AMQP\0\0\x09\1", ORIG, TCP, 5672, "amqp"),
        (b"<stream:stream to='a'>", ORIG, TCP, 5222, "xmpp"),
        (b"\xff" * 16 + b"\0\x1d\1" + bytes(10), ORIG, TCP, 179, "bgp"),
        (b"\1\0\0\0" + bytes(144), ORIG, UDP, 51820, "wireguard"),
        (b"\x38" + b"sessionid"[:8] + bytes(5), ORIG, UDP, 1194, "openvpn"),
        (IKE, ORIG, UDP, 500, "ike"),
        (bytes(4) + IKE, ORIG, UDP, 4500, "ike"),
        (b"\1\7\0\x14" + bytes(16), ORIG, UDP, 1812, "radius"),
        (b"<34>Oct 11 22:14:15 host su: x", ORIG, UDP, 514, "syslog"),
        (b"\0\1boot.bin\0octet\0", ORIG, UDP, 69, "tftp"),
        (b"ehlo me\r\n", ORIG, TCP, 2525, "smtp"),
        (b"\5\1\2\1\1b\1p\5\1\0\3\1a\0\x50", ORIG, TCP, 9999, "socks"),
        (b"\4\1\1\xbb\x0a\0\0\1me\0", ORIG, TCP, 9050, "socks"),
        (struct.pack(">H", 28) + STUN, ORIG, TCP, 3478, "stun"),
        (STUN_OLD, ORIG, UDP, 13958, "stun"),
        (QUIC[:1] + b"\x0a\x0a\x0a\x0a" + QUIC[5:] + bytes(50), ORIG, UDP, 443, "quic"),
        (WG_DATA, RESP, UDP, 5060, "wireguard"),
        (b"\2\0\0\0" + bytes(88), RESP, UDP, 51820, "wireguard"),
        (b"\3\0\0\0" + bytes(60), RESP, UDP, 51820, "wireguard"),
        (ANSWER, RESP, UDP, 443, "openvpn"),
        (RESET_AUTH, ORIG, UDP, 443, "openvpn"),
        (RESET_AUTH.replace(REPLAY, b"\0\0\0\5" + REPLAY[4:]), ORIG, UDP, 443, "openvpn"),
        (ANSWER_AUTH, RESP, UDP, 443, "openvpn"),
        (RESET_CRYPT, ORIG, UDP, 443, "openvpn"),
        (b"\x50" + RESET_CRYPT[1:] + bytes(300), ORIG, UDP, 443, "openvpn"),
        (RESET_CRYPT.replace(REPLAY, b"\x0f\1\0\1" + REPLAY[4:]), ORIG, UDP, 443, "openvpn"),
        (struct.pack(">H", 14) + RESET, ORIG, TCP, 443, "openvpn"),
        (struct.pack(">H", len(RESET_AUTH)) + RESET_AUTH, ORIG, TCP, 443, "openvpn"),
        (struct.pack(">H", len(ANSWER)) + ANSWER, RESP, TCP, 443, "openvpn"),
        (DATAGRAM, ORIG, UDP, 138, "netbios"),
        (RPC_UDP, ORIG, UDP, 34964, "dcerpc"),
        (UTP, ORIG, UDP, 6881, "bittorrent"),
        (UTP[:1] + b"\2" + UTP[2:] + b"\0\x08" + bytes(8), ORIG, UDP, 6881, "bittorrent"),
        (bytes.fromhex("0000041727101980") + bytes(4) + b"txid", ORIG, UDP, 80, "bittorrent"),
        (b"BT-SEARCH * HTTP/1.1\r\nHost: x\r\n", ORIG, UDP, 6771, "bittorrent"),
        (RDP_SYN, ORIG, UDP, 3389, "rdp"),
        (b"<22>1 2021-04-18T14:51:48+04:00 phone x", ORIG, TCP, 52173, "syslog"),
        (b"<165>1 2003-10-11T22:14:15.003Z host", ORIG, UDP, 9999, "syslog"),
        (b":irc.example NOTICE * :*** Looking up", RESP, TCP, 7000, "irc"),
        (b'<?xml version="1.0"?><stream:stream to=', ORIG, TCP, 5222, "xmpp"),
        (PPTP, ORIG, TCP, 1723, "pptp"),
        (b'{"id":1,"method":"mining.subscribe","params":[]}\n', ORIG, TCP, 3333, "stratum"),
        (b'{"worker": "eth1.0", "method": "eth_submitLogin"}\n', ORIG, TCP, 9999, "stratum"),
        (MINER, ORIG, TCP, 443, "stratum"),
        (b"@RSYNCD: 31.0\n", RESP, TCP, 873, "rsync"),
        (b"\x17\x24\x0a\x20\0" + bytes(32), ORIG, TCP, 5938, "teamviewer"),
        (b"\x17\x24\x0a\1\0x\x17\x24\x28\x18", ORIG, TCP, 5938, "teamviewer"),
        (b"\x11\x30\x36\0\x18" + bytes(43), RESP, TCP, 5938, "teamviewer"),
    ],
)
def test_first_payload(payload: bytes, is_orig: bool, proto: int, resp_port: int, want: str) -> None:
    assert identify(payload, is_orig, proto, resp_port) == want
    assert identify(payload, is_orig, proto, resp_port, before=b"\x16\3\1\2\0\1") == want
    assert identify(payload, is_orig, PROTO_SCTP, resp_port) == ""


def test_every_name_has_a_case() -> None:
    mark = next(mark for mark in test_first_payload.pytestmark if mark.name == "parametrize")
    assert {case[4] for case in mark.args[1]} == set(APP_NAMES) - {"", "websocket"}
    assert len(set(APP_NAMES)) == len(APP_NAMES) <= 256


@pytest.mark.parametrize(
    ("payload", "is_orig", "proto", "resp_port"),
    [
        (b"", ORIG, TCP, 443),
        (b"\x16\3\1", ORIG, TCP, 443),
        (bytes(64), ORIG, TCP, 443),
        (b"\xff" * 12, ORIG, TCP, 23),
        (b"GETTING started\r\n", ORIG, TCP, 80),
        (b"PUT away\r\n", ORIG, TCP, 80),
        (b"+OK\r\n", RESP, TCP, 6379),  # redis
        (b"220 hi\r\n", RESP, TCP, 4444),
        (b"EHLO me\r\n", RESP, TCP, 25),
        (tpkt(b"\x08\2\0\1" + bytes(20)), ORIG, TCP, 1720),  # H.323
        (x224(0xE0, b"\xc0\1\x0a\xc1\2\1\0\xc2\2\1\2"), ORIG, TCP, 102),  # S7
        (b"\5\1\0\0", ORIG, TCP, 1080),
        (netbios(AS_REQ.replace(b"\xa1\3\2\1\5", b"\xa1\3\2\1\4")), ORIG, TCP, 88),
        (der(0x30, bytes(20)), ORIG, TCP, 389),
        (SNMP + b"\0", ORIG, UDP, 161),
        (STUN[:4] + bytes(4) + STUN[8:], ORIG, UDP, 3478),
        (QUIC[:1] + b"\x0a\x0a\x0a\x0a" + QUIC[5:], ORIG, UDP, 443),
        (QUIC[:5] + b"\x15" + QUIC[6:], ORIG, UDP, 443),
        (b"\x23" + bytes(46), ORIG, UDP, 123),
        (DTLS[:-1], ORIG, UDP, 4433),
        (query(NAME)[:-1] + b"\7", ORIG, UDP, 53),
        (query(NAME)[:20], ORIG, UDP, 53),
        (b"\1\0\0\0" + bytes(145), ORIG, UDP, 51820),
        (IKE[:-1] + b"\x1d", ORIG, UDP, 500),
        (b"\0\1boot.bin\0octal\0"[:12], ORIG, UDP, 69),
        (MYSQL, ORIG, TCP, 3306),
        (b"\5\1\2\1\1b\1pX", ORIG, TCP, 1080),
        (b"\5\1\0", RESP, TCP, 1080),
        (b"\4\1\1\xbb\x0a\0\0\1me\0more", ORIG, TCP, 1080),
        (QUIC[:1] + b"\x0a\x0a\x0a\x0a" + QUIC[5:900], ORIG, UDP, 443),
        (QUIC[:1] + b"\x0a\x0a\x0a\x0a" + QUIC[5:] + bytes(50), RESP, UDP, 443),
        (WG_DATA + b"\0", ORIG, UDP, 51820),
        (WG_DATA[:14] + b"\1" + WG_DATA[15:], ORIG, UDP, 51820),
        (b"\4\0\0\0" + bytes(12), ORIG, UDP, 51820),
        (b"\3\0\0\0" + bytes(61), ORIG, UDP, 51820),
        (b"\x39" + RESET[1:], ORIG, UDP, 1194),
        (b"\x28" + RESET[1:], ORIG, UDP, 1194),
        (RESET[:-1] + b"\1", ORIG, UDP, 1194),
        (RESET_AUTH + b"\0", ORIG, UDP, 1194),
        (RESET_AUTH.replace(REPLAY, bytes(4) + REPLAY[4:]), ORIG, UDP, 1194),
        (RESET_CRYPT.replace(REPLAY, REPLAY[:4] + b"\x80" + REPLAY[5:]), ORIG, UDP, 1194),
        (struct.pack(">H", 15) + RESET, ORIG, TCP, 1194),
        (DATAGRAM[:-1], ORIG, UDP, 138),
        (RPC_UDP + b"\0", ORIG, UDP, 34964),
        (UTP[:8] + b"\1" + UTP[9:], ORIG, UDP, 6881),
        (UTP[:20] + b"\0", ORIG, UDP, 6881),
        (RDP_SYN[:-1], ORIG, UDP, 3389),
        (STUN_OLD[:-1], ORIG, UDP, 13958),
        (STUN_OLD[:20] + b"\1\0" + STUN_OLD[22:], ORIG, UDP, 13958),
        (b"<22>2 2021-04-18T14:51:48+04:00", ORIG, TCP, 514),
        (b"<>1 2021-04-18T14:51:48+04:00", ORIG, TCP, 514),
        (b"<22>1 202x-04-18T14:51:48+04:00", ORIG, TCP, 514),
        (b":irc.example NOTICES * :*** Looking up", RESP, TCP, 7000),
        (b":irc.example NOTICE * :*** Looking up", ORIG, TCP, 7000),
        (PPTP + b"\0", ORIG, TCP, 1723),
        (PPTP[:4] + b"\0" + PPTP[5:], ORIG, TCP, 1723),
        (b'{"method":"login","user":"x"}', ORIG, TCP, 443),
        (MINER, RESP, TCP, 443),
        (b"{" + b" " * 300 + MINER, ORIG, TCP, 443),
        (b"\x17\x24\x0a\x20\0" + bytes(31), ORIG, TCP, 5938),
        (b"\x11\x30\x36\0\x18" + bytes(44), RESP, TCP, 5938),
    ],
)
def test_no_certain_name(payload: bytes, is_orig: bool, proto: int, resp_port: int) -> None:
    assert identify(payload, is_orig, proto, resp_port) == ""


def cookie(payload: bytes, before: bytes = b"\3\0") -> bytes:
    frames = before + payload
    offset, length = rdp_cookie(frames_of(frames), len(before), len(frames))
    return frames[offset : offset + length]


def test_rdp_cookies() -> None:
    request = x224(0xE0, b"Cookie: mstshash=DOMAIN\\bo\r\n" + b"\1\0\x08\0\3\0\0\0")
    assert cookie(request) == b"DOMAIN\\bo"
    assert cookie(x224(0xE0, b"Cookie: mstshash=" + b"x" * 200 + b"\r\n")) == b"x" * 200
    for cut in range(request.index(b"\r")):
        assert cookie(request[:cut]) == b""
    assert cookie(tpkt(b"\xff\xe0" + bytes(5) + b"Cookie: mstshash=" + b"x" * 255 + b"\r\n")) == b"x" * 255
    assert cookie(tpkt(b"\xff\xe0" + bytes(5) + b"Cookie: mstshash=" + b"x" * 256 + b"\r\n")) == b""
    assert cookie(x224(0xE0, b"Cookie: mstshash=\r\n")) == b""
    assert cookie(x224(0xE0, b"Cookie: msts=3640205228.15629.0000\r\n")) == b""
    assert cookie(x224(0xD0, b"Cookie: mstshash=bob\r\n")) == b""


@pytest.mark.parametrize(
    ("name", "want"),
    [
        (b"www.4gk67zpn3brh7qxg.com", TOR_DIGITS),
        (b"www.e4od3hnssyu6g.com", TOR_DIGITS),
        (b"www.e4od3hnssyu6g.net", TOR_DIGITS),
        (b"www.abcdefgh.com", TOR_LETTERS),
        (b"www.facebook.com", TOR_LETTERS),
        (b"www." + b"a" * 25 + b".com", TOR_LETTERS),
        (b"www." + b"a" * 26 + b".com", NO_TOR_NAME),
        (b"www.abcdefg.com", NO_TOR_NAME),
        (b"www.abcdefg1.com", NO_TOR_NAME),
        (b"www.abcdefg8.com", NO_TOR_NAME),
        (b"www.Abcdefgh.com", NO_TOR_NAME),
        (b"www.abcd.efgh.com", NO_TOR_NAME),
        (b"www.abcd-fgh.com", NO_TOR_NAME),
        (b"www.abcdefgh.org", NO_TOR_NAME),
        (b"web.abcdefgh.com", NO_TOR_NAME),
        (b"", NO_TOR_NAME),
    ],
)
def test_names_like_those_of_tor(name: bytes, want: int) -> None:
    assert is_tor_like_name(frames_of(b"x" + name), 1, len(name)) == want
    assert is_tor_like_name(frames_of(name), 1, len(name)) == NO_TOR_NAME
