"""JA3, JA3S and JA4 fingerprints of what tls_hello.py and tls_server.py read, which say what program speaks TLS, and
the certificate's.

Anyone can imitate the former: they find what does not hide. Most hellos and certificates have been seen before, so the
hashes are remembered under a keyed hash of the bytes they are taken of; see FINGERPRINTS.

Source: salesforce/ja3, README (JA3, JA3S); FoxIO, technical_details/JA4.md (JA4, the TLS client only).
"""

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

from sensor.jit import kernel
from sensor.protocols import md5 as _md5
from sensor.protocols import sha256 as _sha256
from sensor.protocols import tls_hello as hello_at
from sensor.protocols import tls_server as server_at
from sensor.protocols.md5 import md5
from sensor.protocols.reads import FRAMES, HELPER, LEAF, be16
from sensor.protocols.sha256 import sha256
from sensor.protocols.siphash import siphash13_text
from sensor.protocols.text import put_hex
from sensor.protocols.tls_hello import is_grease

JA3_BYTES = 32
JA4_BYTES = 36
CERTIFICATE_BYTES = 2 * _sha256.DIGEST_BYTES
TEXT_BYTES = 1 << 16  # all that a hello of one TLS record can need
_MOST_VALUES = 1 << 14
_SLOTS = 1 << 10
_FEW = 64
_HASHES_BYTES = 25  # of a JA4: two hashes of twelve digits and what stands between them

FINGERPRINTS = np.dtype(
    [
        ("key", np.uint64, (2,)),  # secret of the keyed hash, for the caller to set
        ("ja3_code", np.uint64, (_SLOTS,)),  # keyed hash of the text of a JA3 or JA3S, 0 free
        ("ja4_code", np.uint64, (_SLOTS,)),
        ("certificate_code", np.uint64, (_SLOTS,)),  # keyed hash of a certificate, 0 free
        ("ja3", np.uint8, (_SLOTS, JA3_BYTES)),  # the fingerprint, ASCII
        ("ja4", np.uint8, (_SLOTS, _HASHES_BYTES)),  # its part behind the first "_", ASCII
        ("certificate", np.uint8, (_SLOTS, CERTIFICATE_BYTES)),  # its fingerprint, ASCII
        ("work", np.uint32, (_sha256.WORK_WORDS,)),  # scratch from here on
        ("places", np.uint32, (256,)),
        ("values", np.uint16, (_MOST_VALUES,)),
        ("spare", np.uint16, (_MOST_VALUES,)),
        ("digest", np.uint8, (_sha256.DIGEST_BYTES,)),
        ("text", np.uint8, (TEXT_BYTES,)),
    ]
)
"""What the kernels remember, and their scratch: one record, zeroed, its key set, for all calls of one thread."""
FINGERPRINTS_REC = numba.from_dtype(FINGERPRINTS)

_ZERO = 0x30
_COMMA = 0x2C
_DASH = 0x2D
_UNDERSCORE = 0x5F
_INT = types.int64
_TEXT = types.uint8[::1]
_FIELDS = types.int32[::1]
_DIGITS: NDArray[np.uint8] = np.frombuffer(b"0123456789abcdef", np.uint8)


@kernel(_INT(_TEXT, _INT, _INT), **HELPER)
def _put_decimal(text, at, value):
    """Write `value`, 0 to 65535, in decimal, which takes five bytes of room; a division by a constant is none."""
    if value >= 10000:
        text[at] = np.uint8(_ZERO + value // 10000)
        at += 1
    if value >= 1000:
        text[at] = np.uint8(_ZERO + value // 1000 % 10)
        at += 1
    if value >= 100:
        text[at] = np.uint8(_ZERO + value // 100 % 10)
        at += 1
    if value >= 10:
        text[at] = np.uint8(_ZERO + value // 10 % 10)
        at += 1
    text[at] = np.uint8(_ZERO + value % 10)
    return at + 1


@kernel(_INT(_TEXT, _INT, FRAMES, _INT, _INT), **HELPER)
def _put_codes(text, at, data, start, n_bytes):
    """Write a list of 16-bit codes, GREASE left out, with "-" between them and "," behind."""
    first = at
    for i in range(start, start + n_bytes - 1, 2):
        code = be16(data, i)
        if not is_grease(code):
            at = _put_decimal(text, at, code)
            text[at] = np.uint8(_DASH)
            at += 1
    at = at if at == first else at - 1
    text[at] = np.uint8(_COMMA)
    return at + 1


@kernel(_INT(_TEXT, _INT, FRAMES, _INT, _INT, types.boolean), **HELPER)
def _put_types(text, at, data, start, n_bytes, with_grease):
    """Write the types of a list of extensions with "-" between them."""
    first = at
    here = start
    while here + 4 <= start + n_bytes:
        kind = be16(data, here)
        if with_grease or not is_grease(kind):
            at = _put_decimal(text, at, kind)
            text[at] = np.uint8(_DASH)
            at += 1
        here += 4 + be16(data, here + 2)
    return at if at == first else at - 1


@kernel(types.uint64(FINGERPRINTS_REC, FRAMES, _INT, _INT), **HELPER)
def _code_of(prints, data, at, n_bytes):
    """The keyed hash of data[at:at + n_bytes], never 0."""
    code = siphash13_text(prints.key[0], prints.key[1], data, at, n_bytes)
    return code if code else np.uint64(1)


@kernel(types.void(FINGERPRINTS_REC, _INT, _TEXT), **LEAF)
def _finish_ja3(prints, length, out):
    """Write the MD5 of the text in hexadecimal to `out`."""
    code = _code_of(prints, prints.text, 0, length)
    slot = np.int64(code & np.uint64(_SLOTS - 1))
    known = prints.ja3[slot]
    if prints.ja3_code[slot] != code:
        md5(prints.text, 0, length, prints.digest, 0, prints.work)
        put_hex(known, 0, prints.digest, 0, _md5.DIGEST_BYTES)
        prints.ja3_code[slot] = code
    for i in range(JA3_BYTES):
        out[i] = known[i]


@kernel(types.boolean(FRAMES, _FIELDS, FINGERPRINTS_REC, _TEXT), **LEAF)
def ja3(data, hello, prints, out):
    """Write the JA3 of a ClientHello to out[:JA3_BYTES], uint8, ASCII.

    data, hello : as given to and filled by `tls_hello.parse_client_hello`
    prints : a FINGERPRINTS record

    Returns False, with `out` untouched, when the hello is not whole or too long for `prints`. A malformed one has the
    JA3 of what could be read.
    """
    need = 3 * (hello[hello_at.CIPHERS + 1] + hello[hello_at.GROUPS + 1]) + 2 * hello[hello_at.EXTENSIONS + 1]
    need += 4 * hello[hello_at.FORMATS + 1] + 16
    if not hello[hello_at.IS_WHOLE] or need > TEXT_BYTES or out.shape[0] < JA3_BYTES:
        return False
    text = prints.text
    at = _put_decimal(text, 0, np.int64(hello[hello_at.VERSION]))
    text[at] = np.uint8(_COMMA)
    at = _put_codes(text, at + 1, data, np.int64(hello[hello_at.CIPHERS]), np.int64(hello[hello_at.CIPHERS + 1]))
    start, n_bytes = np.int64(hello[hello_at.EXTENSIONS]), np.int64(hello[hello_at.EXTENSIONS + 1])
    at = _put_types(text, at, data, start, n_bytes, False)
    text[at] = np.uint8(_COMMA)
    at = _put_codes(text, at + 1, data, np.int64(hello[hello_at.GROUPS]), np.int64(hello[hello_at.GROUPS + 1]))
    first = at
    start = np.int64(hello[hello_at.FORMATS])
    for i in range(start, start + np.int64(hello[hello_at.FORMATS + 1])):
        at = _put_decimal(text, at, np.int64(data[i]))
        text[at] = np.uint8(_DASH)
        at += 1
    _finish_ja3(prints, at if at == first else at - 1, out)
    return True


@kernel(types.boolean(FRAMES, _FIELDS, FINGERPRINTS_REC, _TEXT), **LEAF)
def ja3s(data, server, prints, out):
    """Write the JA3S of a ServerHello to out[:JA3_BYTES], uint8, ASCII.

    data, server : as given to and filled by `tls_server.parse_server_hello`; the rest is as for `ja3`
    """
    n_bytes = np.int64(server[server_at.EXTENSIONS + 1])
    if not server[server_at.IS_WHOLE] or 2 * n_bytes + 16 > TEXT_BYTES or out.shape[0] < JA3_BYTES:
        return False
    text = prints.text
    at = _put_decimal(text, 0, np.int64(server[server_at.VERSION]))
    text[at] = np.uint8(_COMMA)
    at = _put_decimal(text, at + 1, np.int64(server[server_at.CIPHER]))
    text[at] = np.uint8(_COMMA)
    at = _put_types(text, at + 1, data, np.int64(server[server_at.EXTENSIONS]), n_bytes, True)
    _finish_ja3(prints, at, out)
    return True


@kernel(types.void(FINGERPRINTS_REC, _INT), **LEAF)
def _sort(prints, n):
    """Sort values[:n]: few by insertion, many by one byte and then the other, in time that no order can draw out."""
    values = prints.values
    if n <= _FEW:
        for i in range(1, n):
            value = values[i]
            j = i
            while j > 0 and values[j - 1] > value:
                values[j] = values[j - 1]
                j -= 1
            values[j] = value
        return
    spare, places = prints.spare, prints.places
    for shift in (0, 8):
        for byte in range(256):
            places[byte] = 0
        for i in range(n):
            places[(np.int64(values[i]) >> shift) & 0xFF] += 1
        place = np.int64(0)
        for byte in range(256):
            place += places[byte]
            places[byte] = np.uint32(place - places[byte])
        for i in range(n):
            digit = (np.int64(values[i]) >> shift) & 0xFF
            spare[places[digit]] = values[i]
            places[digit] += 1
        values, spare = spare, values


@kernel(_INT(_TEXT, _INT, _INT), **HELPER)
def _put_code(text, at, code):
    """Write a 16-bit code as four hexadecimal digits and a comma."""
    text[at] = _DIGITS[code >> 12]
    text[at + 1] = _DIGITS[(code >> 8) & 15]
    text[at + 2] = _DIGITS[(code >> 4) & 15]
    text[at + 3] = _DIGITS[code & 15]
    text[at + 4] = np.uint8(_COMMA)
    return at + 5


@kernel(_INT(FINGERPRINTS_REC, _INT, _INT), **LEAF)
def _put_sorted(prints, at, n):
    """Write the first `n` values in ascending order with "," between them."""
    _sort(prints, n)
    for i in range(n):
        at = _put_code(prints.text, at, np.int64(prints.values[i]))
    return at - 1 if n else at


@kernel(_INT(_INT), **HELPER)
def _version_text(version):
    """The two characters that a JA4 has for a version, as one 16-bit number."""
    if 0x0301 <= version <= 0x0304:
        return 0x3130 + version - 0x0301  # "10" to "13"
    if version == 0x0300:
        return 0x7333  # "s3"
    if version == 0x0002:
        return 0x7332  # "s2"
    if version == 0xFEFF:
        return 0x6431  # "d1"
    if version == 0xFEFD:
        return 0x6432  # "d2"
    if version == 0xFEFC:
        return 0x6433  # "d3"
    return 0x3030


@kernel(types.boolean(_INT), **HELPER)
def _is_alphanumeric(byte):
    """Whether a byte is an ASCII letter or digit."""
    return 0x30 <= byte <= 0x39 or 0x41 <= byte <= 0x5A or 0x61 <= byte <= 0x7A


@kernel(types.void(_TEXT, _INT, _INT), **HELPER)
def _put_count(out, at, count):
    """Write a number of things in two digits, 99 when there are more."""
    count = 99 if count > 99 else count
    out[at] = np.uint8(_ZERO + count // 10)
    out[at + 1] = np.uint8(_ZERO + count % 10)


@kernel(types.void(FRAMES, _FIELDS, _INT, _TEXT), **HELPER)
def _put_facts(data, hello, transport, out):
    """Write the ten characters that a JA4 begins with, and the "_" behind them."""
    out[0] = np.uint8(0x64 if hello[hello_at.IS_DTLS] else transport)  # "d"
    best = np.int64(hello[hello_at.BEST_VERSION])
    version = _version_text(best if best else np.int64(hello[hello_at.VERSION]))
    out[1] = np.uint8(version >> 8)
    out[2] = np.uint8(version & 0xFF)
    out[3] = np.uint8(0x64 if hello[hello_at.HAS_SNI] else 0x69)  # "d", "i"
    _put_count(out, 4, np.int64(hello[hello_at.N_CIPHERS]))
    _put_count(out, 6, np.int64(hello[hello_at.N_EXTENSIONS]))
    first, last = np.int64(_ZERO), np.int64(_ZERO)
    n_bytes = np.int64(hello[hello_at.ALPN + 1])
    if n_bytes > 0:
        start = np.int64(hello[hello_at.ALPN])
        first, last = np.int64(data[start]), np.int64(data[start + n_bytes - 1])
        if not (_is_alphanumeric(first) and _is_alphanumeric(last)):
            first, last = np.int64(_DIGITS[first >> 4]), np.int64(_DIGITS[last & 15])
    out[8] = np.uint8(first)
    out[9] = np.uint8(last)
    out[10] = np.uint8(_UNDERSCORE)


@kernel(types.void(FINGERPRINTS_REC, _INT, _INT, _INT, _TEXT), **HELPER)
def _put_hash(prints, start, stop, at, out):
    """Write twelve digits of the SHA-256 of text[start:stop] to out[at:], zeros when that is empty."""
    if start == stop:
        for i in range(12):
            out[at + i] = np.uint8(_ZERO)
    else:
        sha256(prints.text, start, stop, prints.digest, 0, prints.work)
        put_hex(out, at, prints.digest, 0, 6)


@kernel(types.boolean(FRAMES, _FIELDS, _INT, FINGERPRINTS_REC, _TEXT), **LEAF)
def ja4(data, hello, transport, prints, out):
    """Write the JA4 of a ClientHello to out[:JA4_BYTES], uint8, ASCII.

    data, hello : as given to and filled by `tls_hello.parse_client_hello`
    transport : ord("t") over TCP, ord("q") over QUIC; a DTLS hello gets its "d" by itself
    prints : a FINGERPRINTS record

    Returns False, with `out` untouched, when the hello is not whole or too long for `prints`. A malformed one has the
    JA4 of what could be read.
    """
    ciphers, ciphers_bytes = np.int64(hello[hello_at.CIPHERS]), np.int64(hello[hello_at.CIPHERS + 1])
    here, extensions_bytes = np.int64(hello[hello_at.EXTENSIONS]), np.int64(hello[hello_at.EXTENSIONS + 1])
    signatures, signatures_bytes = np.int64(hello[hello_at.SIGNATURES]), np.int64(hello[hello_at.SIGNATURES + 1])
    need = 3 * (ciphers_bytes + signatures_bytes) + 2 * extensions_bytes + 16
    if not hello[hello_at.IS_WHOLE] or need > TEXT_BYTES or out.shape[0] < JA4_BYTES:
        return False
    text, values = prints.text, prints.values
    if max(ciphers_bytes // 2, extensions_bytes // 4) > _MOST_VALUES:
        return False
    n = 0
    for i in range(ciphers, ciphers + ciphers_bytes - 1, 2):
        code = be16(data, i)
        if not is_grease(code):
            values[n] = np.uint16(code)
            n += 1
    middle = _put_sorted(prints, 0, n)
    stop = here + extensions_bytes
    n = 0
    while here + 4 <= stop:
        kind = be16(data, here)
        if not is_grease(kind) and kind != 0x0000 and kind != 0x0010:  # server_name, ALPN
            values[n] = np.uint16(kind)
            n += 1
        here += 4 + be16(data, here + 2)
    text[middle] = np.uint8(_UNDERSCORE)
    length = _put_sorted(prints, middle + 1, n)
    if n > 0:
        first = length
        text[length] = np.uint8(_UNDERSCORE)
        length += 1
        for i in range(signatures, signatures + signatures_bytes - 1, 2):
            code = be16(data, i)
            if not is_grease(code):
                length = _put_code(text, length, code)
        length = length - 1 if length > first + 1 else first
    code = _code_of(prints, prints.text, 0, length)
    slot = np.int64(code & np.uint64(_SLOTS - 1))
    known = prints.ja4[slot]
    if prints.ja4_code[slot] != code:
        _put_hash(prints, 0, middle, 0, known)
        known[12] = np.uint8(_UNDERSCORE)
        _put_hash(prints, middle + 1, length, 13, known)
        prints.ja4_code[slot] = code
    _put_facts(data, hello, transport, out)
    for i in range(_HASHES_BYTES):
        out[11 + i] = known[i]
    return True


@kernel(types.void(FRAMES, _INT, _INT, FINGERPRINTS_REC, _TEXT), **LEAF)
def certificate_fingerprint(data, at, n_bytes, prints, out):
    """Write the SHA-256 of the certificate data[at:at + n_bytes] (DER) to out[:CERTIFICATE_BYTES], ASCII."""
    code = _code_of(prints, data, at, n_bytes)
    slot = np.int64(code & np.uint64(_SLOTS - 1))
    known = prints.certificate[slot]
    if prints.certificate_code[slot] != code:
        sha256(data, at, at + n_bytes, prints.digest, 0, prints.work)
        put_hex(known, 0, prints.digest, 0, _sha256.DIGEST_BYTES)
        prints.certificate_code[slot] = code
    for i in range(CERTIFICATE_BYTES):
        out[i] = known[i]
