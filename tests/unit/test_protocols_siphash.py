"""SipHash against the paper's vector, CPython's own SipHash-1-3, and a plain twin."""

import os
import random
import struct
import subprocess
import sys

import numpy as np

from sensor.protocols.siphash import siphash13, siphash13_many

MASK = 2**64 - 1


def rotate(x: int, n: int) -> int:
    return (x << n | x >> 64 - n) & MASK


def sip_rounds(v: list[int], n: int) -> None:
    for _ in range(n):
        v[0] = (v[0] + v[1]) & MASK
        v[1] = rotate(v[1], 13) ^ v[0]
        v[0] = rotate(v[0], 32)
        v[2] = (v[2] + v[3]) & MASK
        v[3] = rotate(v[3], 16) ^ v[2]
        v[0] = (v[0] + v[3]) & MASK
        v[3] = rotate(v[3], 21) ^ v[0]
        v[2] = (v[2] + v[1]) & MASK
        v[1] = rotate(v[1], 17) ^ v[2]
        v[2] = rotate(v[2], 32)


def siphash(key: bytes, message: bytes, n_compress: int, n_final: int) -> int:
    """SipHash-c-d of any bytes, as the paper defines it."""
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) & 0xFF])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        sip_rounds(v, n_compress)
        v[0] ^= word
    v[2] ^= 0xFF
    sip_rounds(v, n_final)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def kernel_hash(key: bytes, message: bytes) -> int:
    words = struct.unpack("<7Q", key + message)
    return int(siphash13(*(np.uint64(word) for word in words)))


def test_the_twin_gives_the_papers_vector() -> None:
    # appendix A: key 00..0f, message 00..0e, SipHash-2-4
    assert siphash(bytes(range(16)), bytes(range(15)), 2, 4) == 0xA129CA6149BE45E5


def test_the_kernel_equals_the_twin() -> None:
    rng = random.Random(13)
    for _ in range(500):
        key, message = rng.randbytes(16), rng.randbytes(40)
        assert kernel_hash(key, message) == siphash(key, message, 1, 3)


def test_many_at_once_are_hashed_as_one_by_one() -> None:
    rng = np.random.default_rng(13)
    k0, k1 = (np.uint64(word) for word in rng.integers(0, 2**63, 2))
    words = rng.integers(0, 2**64, (5, 70), dtype=np.uint64)
    for n in (0, 1, 3, 64, 69):
        hashes = np.zeros(80, np.uint64)
        siphash13_many(k0, k1, words, n, hashes, 5)
        assert hashes[5 : 5 + n].tolist() == [int(siphash13(k0, k1, *words[:, i])) for i in range(n)]
        assert not hashes[:5].any()
        assert not hashes[5 + n :].any()


def test_the_kernel_equals_cpython() -> None:
    """With PYTHONHASHSEED=0, CPython hashes bytes with SipHash-1-3 under the zero key."""
    message = bytes(range(100, 140))
    program = f"import sys; print(sys.hash_info.algorithm, hash(bytes.fromhex('{message.hex()}')))"
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    algorithm, value = done.stdout.split()
    assert algorithm == "siphash13"
    assert kernel_hash(bytes(16), message) == int(value) & MASK
