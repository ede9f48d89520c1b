"""The shape of the server names that Tor makes up. A hint, and no more."""

from numba import types

from sensor.jit import kernel
from sensor.protocols.reads import FRAMES, LEAF, be32

NO_TOR_NAME = 0
TOR_LETTERS = 1  # the shape, in letters alone: so have "www.facebook.com" and most other names of the web
TOR_DIGITS = 2  # the shape, with digits among the letters, which few other names have

_LABEL_BYTES_MIN = 8
_LABEL_BYTES_MAX = 25


@kernel(types.int64(FRAMES, types.int64, types.int64), **LEAF)
def is_tor_like_name(data, off, length):
    """Whether `data[off:off + length]` is like a server name that Tor's clients and relays make up for TLS.

    Such a name is "www.", random letters of base32 (a to z and 2 to 7, lower case) and ".com", or ".net" in
    certificates of relays. Tor takes 4 to 25 letters; under 8 too many other names look the same, so those are left
    out. Ordinary names have this shape too: it says something only with the rest of the ClientHello (Tor's ciphers),
    a certificate under another such name, or a known relay's address. Tor clients written in Rust choose names of
    another kind.

    Returns NO_TOR_NAME, TOR_LETTERS or TOR_DIGITS; of true random names, one of five with 8 letters has no digit, and
    one of a hundred with 22.

    Source: `crypto_random_hostname` of Tor's sources, and the calls of it.
    """
    label_bytes = length - 8
    if off < 0 or off + length > data.shape[0] or not _LABEL_BYTES_MIN <= label_bytes <= _LABEL_BYTES_MAX:
        return NO_TOR_NAME
    suffix = be32(data, off + length - 4)
    if be32(data, off) != 0x7777772E or (suffix != 0x2E636F6D and suffix != 0x2E6E6574):
        return NO_TOR_NAME
    n_digits = 0
    for i in range(off + 4, off + length - 4):
        if 0x32 <= data[i] <= 0x37:
            n_digits += 1
        elif data[i] < 0x61 or data[i] > 0x7A:
            return NO_TOR_NAME
    return TOR_DIGITS if n_digits > 0 else TOR_LETTERS
