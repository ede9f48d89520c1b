"""Kernels that turn columns into the bytes of Parquet pages: arrays in, bytes into the caller's buffer, a length back.

The encodings are those of the Apache Parquet format (parquet-format, Encodings.md): DELTA_BINARY_PACKED for integers,
DELTA_LENGTH_BYTE_ARRAY for text, RLE_DICTIONARY over a PLAIN dictionary for coded text. Every kernel takes the rows to
encode as an index, so that one column in memory feeds the files of many partitions without a copy in between.
Nothing here knows about files, headers or compression.
"""

import numba
import numpy as np

from sensor.jit import kernel

BLOCK_VALUES = 128  # values in a delta block: a multiple of 128
MINIBLOCK_VALUES = 32  # a multiple of 32
N_MINIBLOCKS = BLOCK_VALUES // MINIBLOCK_VALUES
MAX_VARINT_BYTES = 10
OUT_OF_RANGE = -1  # what a kernel returns for an offset or a code that points outside its array

_I32 = numba.types.Array(numba.types.int32, 1, "C", readonly=True)
_I64 = numba.types.Array(numba.types.int64, 1, "C", readonly=True)
_U8 = numba.types.Array(numba.types.uint8, 1, "C", readonly=True)
_OUT_I32 = numba.types.int32[::1]
_OUT_I64 = numba.types.int64[::1]
_OUT_U64 = numba.types.uint64[::1]
_OUT_U8 = numba.types.uint8[::1]
_INT = numba.types.int64


def delta_bound(n_values: int) -> int:
    """The most bytes that `n_values` values take in DELTA_BINARY_PACKED."""
    n_blocks = n_values // BLOCK_VALUES + 1
    return 4 * MAX_VARINT_BYTES + n_blocks * (MAX_VARINT_BYTES + N_MINIBLOCKS + 8 * BLOCK_VALUES)


def dictionary_bound(n_values: int, n_words: int, words_bytes: int) -> int:
    """The most bytes that a dictionary of `n_words` words and `n_values` indices into it take together."""
    return min(n_values, n_words) * 4 + words_bytes + MAX_VARINT_BYTES + 4 * (n_values + BLOCK_VALUES) + 8


@kernel()
def _store_8(out, pos, value):
    """Write eight bytes, least significant first; unsigned indices let the compiler make one store of them."""
    at = np.uint64(pos)
    for k in range(8):
        out[at + np.uint64(k)] = np.uint8((value >> np.uint64(8 * k)) & np.uint64(255))


@kernel()
def _copy(data, begin, length, out, pos):
    """Append data[begin:begin + length]; return the position after it.

    Short words are the rule, so eight bytes are loaded and stored at a time. What the last store writes too much is
    overwritten by what follows; the last bytes before an end of either array are copied one by one.
    """
    whole = max(np.int64(0), min(length, data.shape[0] - begin - 7, out.shape[0] - pos - 7))
    for done in range(0, whole, 8):
        at = np.uint64(begin + done)
        value = np.uint64(0)
        for k in range(8):
            value |= np.uint64(data[at + np.uint64(k)]) << np.uint64(8 * k)
        _store_8(out, pos + done, value)
    for done in range((whole + 7) & ~7, length):
        out[pos + done] = data[begin + done]
    return pos + length


@kernel()
def _put_varint(out, pos, value):
    """Write an unsigned LEB128 number; return the position after it."""
    while value >= np.uint64(128):
        out[pos] = np.uint8((value & np.uint64(127)) | np.uint64(128))
        value >>= np.uint64(7)
        pos += 1
    out[pos] = np.uint8(value)
    return pos + 1


@kernel()
def _pack_bits(values, start, count, width, out, pos):
    """Append `count` values of `width` bits each, least significant bit first; return the position after them."""
    acc = np.uint64(0)
    filled = 0
    for i in range(start, start + count):
        value = values[i]
        acc |= value << np.uint64(filled)
        filled += width
        if filled >= 64:
            _store_8(out, pos, acc)
            pos += 8
            filled -= 64
            acc = np.uint64(0)
            if filled > 0:  # a shift by 64 would be undefined, and nothing of the value is left then
                acc = value >> np.uint64(width - filled)
    while filled > 0:
        out[pos] = np.uint8(acc & np.uint64(255))
        acc >>= np.uint64(8)
        pos += 1
        filled -= 8
    return pos


@kernel()
def _bit_width(value):
    """Bits needed for a number."""
    width = 0
    while value > np.uint64(0):
        value >>= np.uint64(1)
        width += 1
    return width


@kernel()
def _delta_pack(values, n, is_32_bit, out):
    """DELTA_BINARY_PACKED of values[:n] from out[0] on; return the number of bytes."""
    deltas = np.empty(BLOCK_VALUES, np.int64)
    reduced = np.empty(BLOCK_VALUES, np.uint64)
    pos = _put_varint(out, 0, np.uint64(BLOCK_VALUES))
    pos = _put_varint(out, pos, np.uint64(N_MINIBLOCKS))
    pos = _put_varint(out, pos, np.uint64(n))
    first = values[0] if n > 0 else np.int64(0)
    pos = _put_varint(out, pos, np.uint64((first << 1) ^ (first >> 63)))
    i = 1
    while i < n:
        m = min(BLOCK_VALUES, n - i)
        low = np.int64(0x7FFFFFFFFFFFFFFF)
        for k in range(m):
            delta = values[i + k] - values[i + k - 1]
            if is_32_bit:
                delta = np.int64(np.int32(delta))  # the reader adds in 32 bits, so the difference wraps there too
            deltas[k] = delta
            low = min(low, delta)
        for k in range(m):
            reduced[k] = np.uint64(deltas[k] - low)
        for k in range(m, BLOCK_VALUES):
            reduced[k] = np.uint64(0)
        pos = _put_varint(out, pos, np.uint64((low << 1) ^ (low >> 63)))
        widths = pos
        pos += N_MINIBLOCKS
        for block in range(N_MINIBLOCKS):
            start = block * MINIBLOCK_VALUES
            bits = np.uint64(0)
            for k in range(start, start + MINIBLOCK_VALUES):
                bits |= reduced[k]
            width = _bit_width(bits)
            out[widths + block] = np.uint8(width)
            if width > 0:
                pos = _pack_bits(reduced, start, MINIBLOCK_VALUES, width, out, pos)
        i += m
    return pos


@kernel(_INT(_I64, _I64, numba.types.boolean, _OUT_I64, _OUT_U8, _OUT_I64))
def encode_ints(values, rows, is_32_bit, scratch, out, bounds):
    """Integers in DELTA_BINARY_PACKED, and their smallest and largest in bounds[0] and bounds[1].

    values : int64[n_total]; for a 32-bit column all within int32
    rows : int64[n], each 0 to n_total - 1 (the caller made them)
    scratch : int64[>= n]
    out : uint8[>= delta_bound(n)]
    Returns: int64, bytes written.
    """
    n = rows.shape[0]
    low = np.int64(0x7FFFFFFFFFFFFFFF)
    high = -low - 1
    for i in range(n):
        value = values[rows[i]]
        scratch[i] = value
        low = min(low, value)
        high = max(high, value)
    bounds[0] = low
    bounds[1] = high
    return _delta_pack(scratch, n, is_32_bit, out)


@kernel(_INT(_I64, _U8, _I64, _OUT_I64, _OUT_U8))
def encode_text(offsets, data, rows, scratch, out):
    """Text in DELTA_LENGTH_BYTE_ARRAY: all lengths, then all bytes.

    offsets : int64[n_total + 1], ascending; value i is data[offsets[i]:offsets[i + 1]]
    data : uint8[n_bytes]
    rows : int64[n], each 0 to n_total - 1
    scratch : int64[>= n]
    out : uint8[>= delta_bound(n) + bytes of all values taken]
    Returns: int64, bytes written, or OUT_OF_RANGE when offsets do not fit `data` or `out`.
    """
    n = rows.shape[0]
    total = np.int64(0)
    is_run = True  # rows that follow each other have their text in one piece
    for i in range(n):
        is_run = is_run and rows[i] == rows[0] + i
        begin = offsets[rows[i]]
        end = offsets[rows[i] + 1]
        if begin < 0 or end < begin or end > data.shape[0]:
            return OUT_OF_RANGE
        scratch[i] = end - begin
        total += end - begin
    pos = _delta_pack(scratch, n, True, out)
    if total > out.shape[0] - pos:
        return OUT_OF_RANGE
    if is_run and n > 0:
        return _copy(data, offsets[rows[0]], total, out, pos)
    for i in range(n):
        pos = _copy(data, offsets[rows[i]], scratch[i], out, pos)
    return pos


@kernel(_INT(_I32, _I64, _I64, _U8, _OUT_I32, _OUT_I32, _OUT_I32, _OUT_U8, _OUT_I64))
def encode_coded(codes, rows, offsets, data, index, used, renamed, out, sizes):
    """Coded text as a dictionary of the words that these rows use, followed by the indices into it.

    codes : int32[n_total], word of each row
    rows : int64[n], each 0 to n_total - 1
    offsets, data : int64[n_words + 1] and uint8[n_bytes], the words
    index : int32[>= n_words], all -1 on entry and again on return
    used, renamed : int32[>= n], scratch
    out : uint8[>= dictionary_bound(n, n_words, n_bytes)]
    sizes : int64[2], gets the number of words used and the bytes of the PLAIN dictionary
    Returns: int64, bytes written in all, or OUT_OF_RANGE when a code or an offset points outside.
    """
    n = rows.shape[0]
    n_words = offsets.shape[0] - 1
    n_used = 0
    pos = np.int64(0)
    bad = False
    for i in range(n):
        code = codes[rows[i]]
        if code < 0 or code >= n_words:
            bad = True
            break
        new = index[code]
        if new < 0:
            begin = offsets[code]
            end = offsets[code + 1]
            length = end - begin
            if begin < 0 or length < 0 or end > data.shape[0] or length > out.shape[0] - pos - 4:
                bad = True
                break
            new = np.int32(n_used)
            index[code] = new
            used[n_used] = code
            n_used += 1
            for k in range(4):
                out[pos + k] = np.uint8((length >> (8 * k)) & 255)
            pos += 4
            pos = _copy(data, begin, length, out, pos)
        renamed[i] = new
    for i in range(n_used):
        index[used[i]] = -1
    sizes[0] = n_used
    sizes[1] = pos
    if bad:
        return OUT_OF_RANGE
    width = max(_bit_width(np.uint64(max(n_used - 1, 0))), 1)
    n_groups = (n + 7) // 8  # a bit-packed run holds whole groups of eight
    if MAX_VARINT_BYTES + 1 + n_groups * width > out.shape[0] - pos:
        return OUT_OF_RANGE
    out[pos] = np.uint8(width)
    pos += 1
    if n_used == 1:
        pos = _put_varint(out, pos, np.uint64(n) << np.uint64(1))  # one run of the same index
        out[pos] = np.uint8(0)
        return pos + 1
    pos = _put_varint(out, pos, (np.uint64(n_groups) << np.uint64(1)) | np.uint64(1))
    block = np.empty(BLOCK_VALUES, np.uint64)
    for start in range(0, n_groups * 8, BLOCK_VALUES):
        m = min(BLOCK_VALUES, n_groups * 8 - start)
        for k in range(m):
            block[k] = np.uint64(renamed[start + k]) if start + k < n else np.uint64(0)
        pos = _pack_bits(block, 0, m, width, out, pos)
    return pos
