"""The Certificate handshake message of TLS up to 1.2: bytes in, a status and what the leaf certificate says out.

TLS 1.3 encrypts it. Nothing here is verified: names and times are what the sender claims. Takes the message without
records around it, of TLS or DTLS.
"""

import numpy as np
from numba import types

from sensor.jit import kernel
from sensor.protocols.reads import FRAMES, HELPER, LEAF, be16
from sensor.protocols.tls import NAME_BYTES_MAX
from sensor.protocols.tls_hello import message_body

NOT_CERTIFICATE = 0
CERTIFICATE = 1  # the leaf certificate, all there; or none, or a malformed one: filled with what could be read
CERTIFICATE_CUT = 2  # the bytes end before the leaf certificate does; what is filled is right

MOST_DNS_NAMES = 4
NO_TIME = -(1 << 62)

# `out` after a call: offset (into data) and length in bytes of each text, length 0 when absent, ...
DER = 0  # the leaf certificate as it was sent; only when all of it is there
SUBJECT = 2  # the last common name; when there is none, the last organisation
ISSUER = 4  # likewise
DNS_NAMES = 6  # MOST_DNS_NAMES spans, the first of the subject's alternative names, each 1 to 255 bytes
# ... then plain numbers
N_DNS_NAMES = DNS_NAMES + 2 * MOST_DNS_NAMES  # how many there are, MOST_ELEMENTS at most
NOT_BEFORE = N_DNS_NAMES + 1  # seconds since 1970, NO_TIME when unreadable
NOT_AFTER = N_DNS_NAMES + 2
IS_SELF_SIGNED = N_DNS_NAMES + 3  # 1: issuer and subject are the same bytes, and some
N_CERTIFICATE = N_DNS_NAMES + 4

MOST_ELEMENTS = 1000  # of any list in a certificate that are looked at

_CERTIFICATE = 11
_INTEGER = 0x02
_OCTETS = 0x04
_OID = 0x06
_BOOLEAN = 0x01
_UTC_TIME = 0x17
_GENERALIZED_TIME = 0x18
_SEQUENCE = 0x30
_SET = 0x31
_DNS_NAME = 0x82
_VERSION = 0xA0
_EXTENSIONS = 0xA3
_COMMON_NAME = 0x550403  # 2.5.4.3
_ORGANISATION = 0x55040A  # 2.5.4.10
_ALTERNATIVE_NAME = 0x551D11  # 2.5.29.17
_INT = types.int64
_OUT = types.int64[::1]
_ELEMENT = types.UniTuple(types.int64, 3)


@kernel(_ELEMENT(FRAMES, _INT, _INT), **LEAF)
def _open(data, at, stop):
    """Of the element at data[at:stop]: its tag, -1 when unreadable, where its content starts and should end.

    Definite lengths of up to three bytes and tags of one byte only (X.690 sections 8.1.2, 8.1.3 and 10.1).
    """
    if stop - at < 2 or data[at] & 0x1F == 0x1F:
        return -1, stop, stop
    tag, n_bytes = np.int64(data[at]), np.int64(data[at + 1])
    at += 2
    if n_bytes >= 0x80:
        n_more = n_bytes & 0x7F
        if n_more == 0 or n_more > 3 or n_more > stop - at:
            return -1, stop, stop
        n_bytes = np.int64(0)
        for i in range(n_more):
            n_bytes = (n_bytes << 8) | np.int64(data[at + i])
        at += n_more
    return tag, at, at + n_bytes


@kernel(_ELEMENT(FRAMES, _INT, _INT), **LEAF)
def _element(data, at, stop):
    """As `_open`, for an element all of which is at data[at:stop]; else its tag is -1."""
    tag, content, after = _open(data, at, stop)
    if after > stop:
        return -1, stop, stop
    return tag, content, after


@kernel(_INT(FRAMES, _INT, _INT), **HELPER)
def _oid(data, content, after):
    """An object identifier of three bytes as one number, else 0."""
    return ((np.int64(data[content]) << 16) | be16(data, content + 1)) if after - content == 3 else 0


@kernel(types.void(FRAMES, _INT, _INT, _INT, _OUT), **LEAF)
def _read_name(data, at, stop, field, out):
    """Fill a span with the last common name, else the last organisation, of the Name at data[at:stop]."""
    has_common_name = False
    for _ in range(MOST_ELEMENTS):
        tag, content, at = _element(data, at, stop)
        if tag != _SET:
            return
        tag, content, after = _element(data, content, at)  # several in one set are rare: the first counts
        if tag != _SEQUENCE:
            return
        tag, content, after_oid = _element(data, content, after)
        if tag != _OID:
            return
        kind = _oid(data, content, after_oid)
        tag, content, after = _element(data, after_oid, after)
        # UTF8, Printable, Teletex and IA5 strings; those of two or four bytes a letter are left alone
        is_text = tag == 0x0C or tag == 0x13 or tag == 0x14 or tag == 0x16
        if is_text and after > content and (kind == _COMMON_NAME or (kind == _ORGANISATION and not has_common_name)):
            has_common_name = kind == _COMMON_NAME
            out[field] = content
            out[field + 1] = after - content


@kernel(_INT(FRAMES, _INT), **HELPER)
def _two_digits(data, at):
    """The decimal number at data[at:at + 2]; anything else is very negative."""
    tens, ones = np.int64(data[at]) - 0x30, np.int64(data[at + 1]) - 0x30
    return 10 * tens + ones if 0 <= tens <= 9 and 0 <= ones <= 9 else -100000


@kernel(_INT(FRAMES, _INT, _INT, _INT), **LEAF)
def _read_time(data, tag, at, stop):
    """Seconds since 1970 of a UTCTime or GeneralizedTime of the form that RFC 5280 section 4.1.2.5 asks for."""
    if tag == _UTC_TIME and stop - at == 13:
        year = _two_digits(data, at)
        year += 2000 if year < 50 else 1900
        at += 2
    elif tag == _GENERALIZED_TIME and stop - at == 15:
        year = 100 * _two_digits(data, at) + _two_digits(data, at + 2)
        at += 4
    else:
        return NO_TIME
    month, day, hour = _two_digits(data, at), _two_digits(data, at + 2), _two_digits(data, at + 4)
    minute, second = _two_digits(data, at + 6), _two_digits(data, at + 8)
    if year < 1 or not 1 <= month <= 12 or not 1 <= day <= 31 or data[at + 10] != 0x5A:  # "Z"
        return NO_TIME
    if not 0 <= hour <= 23 or not 0 <= minute <= 59 or not 0 <= second <= 60:
        return NO_TIME
    if month < 3:  # years that begin in March have their leap day at the end
        year -= 1
        month += 12
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 1 - 719468
    return ((days * 24 + hour) * 60 + minute) * 60 + second


@kernel(types.void(FRAMES, _INT, _INT, _OUT), **LEAF)
def _read_alternative_names(data, at, stop, out):
    """Fill DNS_NAMES from the GeneralNames at data[at:stop] (RFC 5280 section 4.2.1.6)."""
    tag, at, stop = _element(data, at, stop)
    if tag != _SEQUENCE:
        return
    for _ in range(MOST_ELEMENTS):
        tag, content, at = _element(data, at, stop)
        if tag < 0:
            return
        if tag == _DNS_NAME and 1 <= at - content <= NAME_BYTES_MAX:
            n = out[N_DNS_NAMES]
            if n < MOST_DNS_NAMES:
                out[DNS_NAMES + 2 * n] = content
                out[DNS_NAMES + 2 * n + 1] = at - content
            out[N_DNS_NAMES] = n + 1


@kernel(types.void(FRAMES, _INT, _INT, _OUT), **LEAF)
def _read_extensions(data, at, stop, out):
    """Look for the subject's alternative names among the extensions at data[at:stop]."""
    tag, at, after = _open(data, at, stop)
    stop = min(stop, after) if tag == _SEQUENCE else at
    for _ in range(MOST_ELEMENTS):
        tag, content, at = _element(data, at, stop)
        if tag != _SEQUENCE:
            return
        tag, content, after = _element(data, content, at)
        if tag == _OID and _oid(data, content, after) == _ALTERNATIVE_NAME:
            tag, content, after = _element(data, after, at)
            if tag == _BOOLEAN:  # critical
                tag, content, after = _element(data, after, at)
            if tag == _OCTETS:
                _read_alternative_names(data, content, after, out)
            return


@kernel(types.void(FRAMES, _INT, _INT, _OUT), **LEAF)
def _read_certificate(data, at, stop, out):
    """Walk the certificate that starts at data[at:stop] as far as it makes sense (RFC 5280 section 4.1)."""
    for _ in range(2):  # Certificate, TBSCertificate: either may be cut
        tag, at, after = _open(data, at, stop)
        if tag != _SEQUENCE:
            return
        stop = min(stop, after)
    tag, content, after = _element(data, at, stop)
    if tag == _VERSION:
        tag, content, after = _element(data, after, stop)
    if tag != _INTEGER:  # the serial number
        return
    tag, content, after = _element(data, after, stop)  # the signature's algorithm
    if tag != _SEQUENCE:
        return
    tag, issuer, issuer_end = _element(data, after, stop)
    if tag != _SEQUENCE:
        return
    _read_name(data, issuer, issuer_end, ISSUER, out)
    tag, content, after = _element(data, issuer_end, stop)
    if tag != _SEQUENCE:
        return
    tag, content, end = _element(data, content, after)
    out[NOT_BEFORE] = _read_time(data, tag, content, end)
    tag, content, end = _element(data, end, after)
    out[NOT_AFTER] = _read_time(data, tag, content, end)
    tag, content, at = _element(data, after, stop)
    if tag != _SEQUENCE:
        return
    _read_name(data, content, at, SUBJECT, out)
    is_same = at - content == issuer_end - issuer and at > content
    for i in range(at - content if is_same else 0):
        is_same = is_same and data[content + i] == data[issuer + i]
    out[IS_SELF_SIGNED] = is_same
    for _ in range(4):  # the key, then up to three that may be left out, the extensions last
        tag, content, at = _open(data, at, stop)
        if tag == _EXTENSIONS:
            _read_extensions(data, content, min(at, stop), out)
        if tag == _EXTENSIONS or at > stop:
            return


@kernel(_INT(FRAMES, _INT, _INT, _OUT), **LEAF)
def parse_certificate(data, pos, end, out):
    """Read the leaf of the Certificate handshake message that starts at `data[pos:end]`.

    out : int64[N_CERTIFICATE], filled as this module's constants say, unless the status is NOT_CERTIFICATE (untouched)

    Returns NOT_CERTIFICATE, CERTIFICATE or CERTIFICATE_CUT; the rest of the chain may be missing. What is odd ends the
    search, and what was found before stays. A certificate's fingerprint is the SHA-256 of DER.

    Source: RFC 5246 section 7.4.2, RFC 5280 section 4, RFC 6347.
    """
    if pos < 0 or pos >= end or end > data.shape[0] or out.shape[0] < N_CERTIFICATE or data[pos] != _CERTIFICATE:
        return NOT_CERTIFICATE
    for i in range(N_CERTIFICATE):
        out[i] = 0
    out[NOT_BEFORE] = out[NOT_AFTER] = NO_TIME
    if end - pos < 4:
        return CERTIFICATE_CUT
    body, body_end, limit = message_body(data, pos, end)
    status = CERTIFICATE_CUT if limit < body_end else CERTIFICATE
    if limit - body < 6:  # no room for both lengths, or no certificate
        return status
    leaf = body + 6
    leaf_bytes = (np.int64(data[body + 3]) << 16) | be16(data, body + 4)
    if leaf_bytes == 0:
        return status
    if leaf_bytes <= limit - leaf:
        out[DER] = leaf
        out[DER + 1] = leaf_bytes
        status = CERTIFICATE
    _read_certificate(data, leaf, min(leaf + leaf_bytes, limit), out)
    return status
