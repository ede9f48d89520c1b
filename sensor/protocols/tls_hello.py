"""The ClientHello handshake message: bytes in, a status, where its texts and lists lie and what it offers out.

Takes the message itself, without TLS records around it: `tls.join_records` or a QUIC CRYPTO stream gives it. DTLS
messages are known by their longer header. With Encrypted Client Hello all of this is the public, outer hello
(RFC 9849). Lists are spans, so that fingerprints (tls_fingerprint.py) need no second search.
"""

import numpy as np
from numba import types

from sensor.jit import kernel
from sensor.protocols.reads import FRAMES, HELPER, LEAF, be16
from sensor.protocols.tls import NAME_BYTES_MAX

NOT_HELLO = 0
HELLO = 1  # a whole ClientHello, or a malformed one: filled with what could be read (IS_MALFORMED)
HELLO_CUT = 2  # the bytes end before the hello does; what is filled is right, what is empty may come

# `hello` after a call: offset (into data) and length in bytes of each text and list, both 0 when absent, ...
SNI = 0  # the first host_name, 1 to 255 bytes of any value, as `tls.find_sni` finds it
ALPN = 2  # the first protocol name
ALPN_LIST = 4  # all of them, each behind a byte with its length
CIPHERS = 6  # cipher suites, two bytes each
EXTENSIONS = 8  # extensions, each type and length before its data; only of a hello that IS_WHOLE
GROUPS = 10  # supported groups, two bytes each
FORMATS = 12  # point formats, one byte each
SIGNATURES = 14  # signature algorithms, two bytes each
# ... then plain numbers
VERSION = 16  # legacy version, such as 0x0303
BEST_VERSION = 17  # the newest of supported_versions, GREASE left out; 0 none
N_CIPHERS = 18  # GREASE left out
N_EXTENSIONS = 19  # GREASE left out; of a cut hello those seen so far
SESSION_ID_BYTES = 20
IS_WHOLE = 21  # 1: nothing is missing at the end, the status is HELLO
IS_MALFORMED = 22  # 1: lengths contradict each other
IS_DTLS = 23
HAS_SNI = 24  # the extension is there, whatever is in it
HAS_ECH = 25  # Encrypted Client Hello; browsers also send it empty of meaning, so that it proves nothing
HAS_ESNI = 26  # its draft predecessor, encrypted server name
HAS_EARLY_DATA = 27
HAS_PSK = 28  # offers a pre-shared key: most often a TLS 1.3 resumption
HAS_TICKET = 29  # brings a session ticket: a TLS 1.2 resumption
N_HELLO = 30

_CLIENT_HELLO = 1
_TLS_MAJOR = 3
_DTLS_MAJOR = 0xFE
_HEADER_BYTES = 4
_DTLS_HEADER_BYTES = 12  # RFC 6347 section 4.2.2: message number, fragment offset and length besides
_RANDOM_BYTES = 32
_SERVER_NAME = 0
_EXT_GROUPS = 10
_EXT_FORMATS = 11
_EXT_SIGNATURES = 13
_EXT_ALPN = 16
_EXT_TICKET = 35
_EXT_PSK = 41
_EXT_EARLY_DATA = 42
_EXT_VERSIONS = 43
_EXT_ECH = 0xFE0D  # RFC 9849
_EXT_ESNI = 0xFFCE  # draft-ietf-tls-esni-02
_INT = types.int64
_HELLO = types.int32[::1]


@kernel(types.boolean(_INT), **HELPER)
def is_grease(value):
    """Whether a 16-bit code is one of those that mean nothing (RFC 8701): 0x0A0A, 0x1A1A, ... 0xFAFA."""
    return value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF


@kernel(types.UniTuple(_INT, 3)(FRAMES, _INT, _INT), **HELPER)
def message_body(data, pos, end):
    """Of the handshake message at `pos`, at least four bytes: where its body starts and should end, and can be read to.

    Of a DTLS message only the first fragment can be read, and nothing when this is another one.
    """
    length = (np.int64(data[pos + 1]) << 16) | be16(data, pos + 2)
    body = pos + _HEADER_BYTES
    if end - pos >= _DTLS_HEADER_BYTES and data[pos + 4] == 0:
        fragment_off = (np.int64(data[pos + 6]) << 16) | be16(data, pos + 7)
        fragment_bytes = (np.int64(data[pos + 9]) << 16) | be16(data, pos + 10)
        if fragment_off == 0 and 0 < fragment_bytes <= length:
            body = pos + _DTLS_HEADER_BYTES
            return body, body + length, min(body + fragment_bytes, end)
    return body, body + length, min(body + length, end)


@kernel(types.Tuple((types.boolean, _INT, _INT, _INT))(FRAMES, _INT, _INT), **HELPER)
def hello_body(data, pos, end):
    """Whether the message at data[pos:end], not empty, may be a hello, and what `message_body` says of it.

    The body begins with the version. Where the bytes end before that, the three numbers are 0.
    """
    has_version = end - pos > _HEADER_BYTES
    is_dtls = has_version and data[pos + 4] == 0  # the upper half of a message number
    if has_version and not is_dtls and data[pos + 4] != _TLS_MAJOR:
        return False, 0, 0, 0
    if end - pos < (_DTLS_HEADER_BYTES if is_dtls else _HEADER_BYTES) + 2:
        return True, 0, 0, 0
    body, body_end, limit = message_body(data, pos, end)
    major = _DTLS_MAJOR if is_dtls else _TLS_MAJOR
    return limit >= body + 2 and data[body] == major, body, body_end, limit


@kernel(types.void(FRAMES, _INT, _INT, _INT, _HELLO), **HELPER)
def _take_list(data, at, stop, field, hello):
    """Fill a span from a list of 16-bit codes behind its length; one that is too long is taken as far as it goes."""
    if hello[field] == 0 and stop - at >= 2:
        hello[field] = np.int32(at + 2)
        hello[field + 1] = np.int32(min(be16(data, at), stop - at - 2) & ~1)


@kernel(types.void(FRAMES, _INT, _INT, _HELLO), **HELPER)
def _take_versions(data, at, stop, hello):
    """Fill BEST_VERSION. DTLS counts down: 0xFEFC is newer than 0xFEFD."""
    if hello[BEST_VERSION] != 0 or at >= stop:
        return
    stop = min(at + 1 + np.int64(data[at]), stop)
    best = np.int64(0)
    for i in range(at + 1, stop - 1, 2):
        version = be16(data, i)
        is_newer = version < best if hello[IS_DTLS] and best != 0 else version > best
        if is_newer and version != 0 and not is_grease(version):
            best = version
    hello[BEST_VERSION] = np.int32(best)


@kernel(types.void(FRAMES, _INT, _INT, _INT, _HELLO), **HELPER)
def take_alpn(data, at, stop, field, hello):
    """Fill the span `field` with the first name of an ALPN extension (RFC 7301 section 3.1), the next with the list."""
    if hello[field + 2] != 0 or stop - at < 2:
        return
    stop = min(at + 2 + be16(data, at), stop)
    at += 2
    hello[field + 2] = np.int32(at)
    hello[field + 3] = np.int32(stop - at)
    if at < stop and at + 1 + np.int64(data[at]) <= stop:
        hello[field] = np.int32(at + 1)
        hello[field + 1] = np.int32(data[at])


@kernel(types.void(FRAMES, _INT, _INT, _INT, _HELLO), **HELPER)
def _take_extension(data, kind, at, stop, hello):
    """Note what one extension, its data at data[at:stop], says. Of several of one type the first list counts."""
    if kind == _EXT_GROUPS:
        _take_list(data, at, stop, GROUPS, hello)
    elif kind == _EXT_FORMATS:
        if hello[FORMATS] == 0 and at < stop:
            hello[FORMATS] = np.int32(at + 1)
            hello[FORMATS + 1] = np.int32(min(np.int64(data[at]), stop - at - 1))
    elif kind == _EXT_SIGNATURES:
        _take_list(data, at, stop, SIGNATURES, hello)
    elif kind == _EXT_ALPN:
        take_alpn(data, at, stop, ALPN, hello)
    elif kind == _EXT_TICKET:
        hello[HAS_TICKET] |= np.int32(at < stop)
    elif kind == _EXT_PSK:
        hello[HAS_PSK] = 1
    elif kind == _EXT_EARLY_DATA:
        hello[HAS_EARLY_DATA] = 1
    elif kind == _EXT_VERSIONS:
        _take_versions(data, at, stop, hello)
    elif kind == _EXT_ECH:
        hello[HAS_ECH] = 1
    elif kind == _EXT_ESNI:
        hello[HAS_ESNI] = 1


@kernel(types.void(FRAMES, _INT, _INT, _INT, _HELLO), **HELPER)
def _take_name(data, at, length, limit, hello):
    """Fill SNI from the first server_name extension, `at` its header, by the rule of `tls.find_sni`."""
    if hello[HAS_SNI]:
        return
    hello[HAS_SNI] = 1
    if length < 6 or at + 9 > limit or data[at + 6] != _SERVER_NAME:
        return
    n_bytes = be16(data, at + 7)
    if 1 <= n_bytes <= NAME_BYTES_MAX and n_bytes <= length - 5 and at + 9 + n_bytes <= limit:
        hello[SNI] = np.int32(at + 9)
        hello[SNI + 1] = np.int32(n_bytes)


@kernel(types.boolean(FRAMES, _INT, _INT, _INT, _HELLO), **HELPER)
def _read_extensions(data, at, extensions_end, limit, hello):
    """Walk the extensions at data[at:extensions_end]; whether they end where they should and before `limit`."""
    start = at
    while at < extensions_end:
        if at + 4 > limit:
            break
        kind = be16(data, at)
        length = be16(data, at + 2)
        if kind == _SERVER_NAME:
            _take_name(data, at, length, limit, hello)
        if at + 4 + length > limit:
            break
        _take_extension(data, kind, at + 4, at + 4 + length, hello)
        hello[N_EXTENSIONS] += not is_grease(kind)
        at += 4 + length
    hello[EXTENSIONS] = np.int32(start)
    hello[EXTENSIONS + 1] = np.int32(at - start)
    return at == extensions_end


@kernel(types.boolean(FRAMES, _INT, _INT, _INT, _HELLO), **HELPER)
def _read_body(data, at, body_end, limit, hello):
    """Read a ClientHello from its version on; whether all of it is at data[at:limit] and its lengths fit."""
    at += 2 + _RANDOM_BYTES
    if at >= limit:
        return False
    hello[SESSION_ID_BYTES] = np.int32(data[at])
    at += 1 + np.int64(data[at])
    if hello[IS_DTLS]:  # the cookie
        if at >= limit:
            return False
        at += 1 + np.int64(data[at])
    if at + 2 > limit:
        return False
    ciphers_bytes = be16(data, at)
    at += 2
    if at + ciphers_bytes >= limit:
        return False
    hello[CIPHERS] = np.int32(at)
    hello[CIPHERS + 1] = np.int32(ciphers_bytes & ~1)
    for i in range(at, at + ciphers_bytes - 1, 2):
        hello[N_CIPHERS] += not is_grease(be16(data, i))
    at += ciphers_bytes
    at += 1 + np.int64(data[at])  # compression methods
    if at == body_end and at == limit:  # a hello from before extensions
        return ciphers_bytes & 1 == 0
    if at + 2 > limit:
        return False
    fits = _read_extensions(data, at + 2, at + 2 + be16(data, at), limit, hello)
    return fits and at + 2 + be16(data, at) == body_end and ciphers_bytes & 1 == 0


@kernel(_INT(FRAMES, _INT, _INT, _HELLO), **LEAF)
def parse_client_hello(data, pos, end, hello):
    """Read the ClientHello handshake message that starts at `data[pos:end]`; bytes behind it are not looked at.

    hello : int32[N_HELLO], filled as this module's constants say, unless the status is NOT_HELLO (then untouched)

    Returns NOT_HELLO, HELLO or HELLO_CUT. Of an extension sent twice the first counts. SNI is filled from a cut hello
    as soon as the name is there.

    Source: RFC 8446 sections 4.1.2 and 4.2, RFC 5246 section 7.4.1.2, RFC 6066 section 3, RFC 7301, RFC 6347.
    """
    if pos < 0 or pos >= end or end > data.shape[0] or hello.shape[0] < N_HELLO or data[pos] != _CLIENT_HELLO:
        return NOT_HELLO
    is_hello, body, body_end, limit = hello_body(data, pos, end)
    if not is_hello:
        return NOT_HELLO
    for i in range(N_HELLO):
        hello[i] = 0
    if limit == 0:
        return HELLO_CUT
    hello[IS_DTLS] = data[body] == _DTLS_MAJOR
    hello[VERSION] = np.int32(be16(data, body))
    fits = _read_body(data, body, body_end, limit, hello)
    if limit < body_end:
        hello[EXTENSIONS] = hello[EXTENSIONS + 1] = 0
        return HELLO_CUT
    hello[IS_WHOLE] = 1
    hello[IS_MALFORMED] = not fits
    return HELLO
