"""Kernels that turn numbers of rows into words: uids as text, pool numbers as dictionary codes."""

import numpy as np

from sensor.jit import packet_kernel

UID_BYTES = 18
_ALPHABET = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", np.uint8)


@packet_kernel()
def uids(hi, lo, out):
    """Zeek-like names of flows: C and 17 base-62 digits of 128 bits. out : uint8[n, UID_BYTES]"""
    base = np.uint64(62)
    for i in range(hi.shape[0]):
        out[i, 0] = 67
        rest = hi[i]
        for j in range(1, 10):
            out[i, j] = _ALPHABET[np.int64(rest % base)]
            rest //= base
        rest = lo[i]
        for j in range(10, UID_BYTES):
            out[i, j] = _ALPHABET[np.int64(rest % base)]
            rest //= base


@packet_kernel()
def words(numbers, marks, codes, used):
    """Codes from 0 for pool numbers in order of appearance; return how many. marks : int32[pool], zeros, left so."""
    n = 0
    for i in range(numbers.shape[0]):
        number = numbers[i]
        if marks[number] == 0:
            used[n] = number
            n += 1
            marks[number] = n
        codes[i] = marks[number] - 1
    for i in range(n):
        marks[used[i]] = 0
    return n


@packet_kernel()
def cut(pool_text, pool_off, used, offsets, data):
    """Copy the used words of a pool end to end. offsets : int64[len(used) + 1], filled in before"""
    for i in range(used.shape[0]):
        start = pool_off[used[i]]
        for j in range(offsets[i + 1] - offsets[i]):
            data[offsets[i] + j] = pool_text[start + j]
