"""SSH: identification strings, algorithm lists, and the text and values of HASSH."""

import struct
from hashlib import md5
from pathlib import Path

import pytest

from sensor.protocols import ssh
from tests.support.payloads import find_kexinit, hassh_text, parse_banner, payloads

# both texts and their hashes stand in Brim's documentation, as Zeek with Salesforce's script logged them
KEX = (
    b"curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,"
    b"diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,"
)
CLIENT_KEX = KEX + (
    b"diffie-hellman-group-exchange-sha1,diffie-hellman-group14-sha256,diffie-hellman-group14-sha1,ext-info-c"
)
SERVER_KEX = KEX + b"diffie-hellman-group14-sha256,diffie-hellman-group14-sha1"
CIPHERS = (
    b"chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com"
)
MACS = (
    b"umac-64-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,"
    b"hmac-sha1-etm@openssh.com,umac-64@openssh.com,umac-128@openssh.com,hmac-sha2-256,hmac-sha2-512,hmac-sha1"
)
CLIENT_HASSH = "06046964c022c6407d15a27b12a6a4fb"
SERVER_HASSH = "b12d2871a1189eff20364cf5333619ee"
BANNER = b"SSH-2.0-OpenSSH_7.6p1 Ubuntu-4ubuntu0.3"


def packet(payload: bytes, padding: int | None = None) -> bytes:
    """RFC 4253 section 6, before keys."""
    if padding is None:
        padding = 8 - (5 + len(payload)) % 8
        padding += 8 if padding < 4 else 0
    return struct.pack(">IB", 1 + len(payload) + padding, padding) + payload + bytes(padding)


def kexinit(*lists: bytes) -> bytes:
    named = b"".join(struct.pack(">I", len(one)) + one for one in lists)
    return packet(b"\x14" + bytes(range(16)) + named + bytes(5))


LISTS = [b"kex", b"key", b"enc1", b"enc2", b"mac1", b"mac2", b"none", b"zlib"]
WHOLE = kexinit(*LISTS, b"", b"")


def test_published_hashes() -> None:
    one = kexinit(CLIENT_KEX, b"ssh-rsa", CIPHERS, b"x", MACS, b"x", b"none,zlib@openssh.com,zlib", b"x", b"", b"")
    assert md5(hassh_text(one)).hexdigest() == CLIENT_HASSH
    other = kexinit(SERVER_KEX, b"ssh-rsa", b"x", CIPHERS, b"x", MACS, b"x", b"none,zlib@openssh.com", b"", b"")
    assert md5(hassh_text(other, is_server=True)).hexdigest() == SERVER_HASSH
    assert md5(hassh_text(BANNER + b"\r\n" + other, is_server=True)).hexdigest() == SERVER_HASSH


def test_lists_and_texts() -> None:
    assert find_kexinit(WHOLE) == (ssh.KEXINIT, LISTS)
    assert find_kexinit(BANNER + b"\n" + WHOLE + b"more", before=b"\0\0") == (ssh.KEXINIT, LISTS)
    assert hassh_text(WHOLE) == b"kex;enc1;mac1;none"
    assert hassh_text(WHOLE, is_server=True) == b"kex;enc2;mac2;zlib"
    empty = kexinit(*[b""] * 10)
    assert find_kexinit(empty) == (ssh.KEXINIT, [b""] * 8)
    assert hassh_text(empty) == b";;;"


def test_text_that_does_not_fit() -> None:
    text = hassh_text(WHOLE)
    for room in range(len(text)):
        assert hassh_text(WHOLE, room=room) == b""
    assert hassh_text(WHOLE, room=len(text)) == text


def test_every_cut_has_the_lists_before_it() -> None:
    message = BANNER + b"\r\n" + WHOLE
    last = message.index(b"zlib") + 4
    for cut in range(1, len(message) + 1):
        status, lists = find_kexinit(message[:cut])
        if cut <= len(BANNER) + 2:
            assert status == ssh.NOT_KEXINIT
            continue
        assert status == (ssh.KEXINIT if cut >= last else ssh.KEXINIT_CUT)
        n_there = sum(one is not None for one in lists)
        assert lists == LISTS[:n_there] + [None] * (8 - n_there)
        assert (hassh_text(message[:cut], is_server=True) != b"") == (status == ssh.KEXINIT)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\1",
        b"\0\1",
        BANNER,
        BANNER + b"\r\n",
        b"SSH-" + b"x" * 300 + b"\n" + WHOLE,
        WHOLE[:5] + b"\x15" + WHOLE[6:],
        b"\0\1\0\0" + WHOLE[4:],
        struct.pack(">I", struct.unpack(">I", WHOLE[:4])[0] + 1) + WHOLE[4:],
        packet(b"\x14" + bytes(16) + bytes(45), padding=2),
        packet(b"\x14" + bytes(16)),
        kexinit(b"kex"),
        WHOLE.replace(b"\0\0\0\3key", b"\0\0\xff\3key"),
    ],
)
def test_no_kexinit(payload: bytes) -> None:
    assert find_kexinit(payload)[0] == ssh.NOT_KEXINIT


@pytest.mark.parametrize(
    ("payload", "want"),
    [
        (BANNER + b"\r\n", (ssh.BANNER, BANNER)),
        (BANNER + b"\n" + WHOLE, (ssh.BANNER, BANNER)),
        (b"Welcome\r\nSSH is here\n" + BANNER + b"\r\n", (ssh.BANNER, BANNER)),
        (BANNER, (ssh.BANNER_CUT, b"")),
        (b"SSH-", (ssh.BANNER_CUT, b"")),
        (b"SSH-1.99-\x1b[2J\xff\n", (ssh.BANNER, b"SSH-1.99-\x1b[2J\xff")),
        (b"SSH-2.0-" + b"x" * 400, (ssh.BANNER, b"SSH-2.0-" + b"x" * 245)),
        (b"", (ssh.NOT_SSH, b"")),
        (b"SSH", (ssh.NOT_SSH, b"")),
        (b" SSH-2.0-x\n", (ssh.NOT_SSH, b"")),
        (b"\0\nSSH-2.0-x\n", (ssh.NOT_SSH, b"")),
        (b"x" * 1100 + b"\nSSH-2.0-x\n", (ssh.NOT_SSH, b"")),
        (b"220 ftp\r\n", (ssh.NOT_SSH, b"")),
    ],
)
def test_banners(payload: bytes, want: tuple[int, bytes]) -> None:
    assert parse_banner(payload) == want
    assert parse_banner(payload, before=b"SSH-") == want


def test_capture(shared_data: Path) -> None:
    """tshark's own HASSH of this capture."""
    sent = [
        payload for _, port, payload in payloads(shared_data / "oracles/ndpi/custom_categories.pcapng") if port == 22
    ]
    texts = [text for payload in sent if (text := hassh_text(payload))]
    assert "d6593b3202a30b2aa9793a00f8647a0a" in {md5(text).hexdigest() for text in texts}
    assert any(parse_banner(payload)[0] == ssh.BANNER for payload in sent)
