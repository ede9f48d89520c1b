"""Feed the TLS readers, the fingerprints and the hashes with mutated handshakes, as fuzz_protocols.py does others.

usage: NUMBA_BOUNDSCHECK=1 python benchmarks/fuzz_names.py CORPUS_DIR -max_total_time=60   kernels as compiled
       NUMBA_DISABLE_JIT=1 python benchmarks/fuzz_names.py CORPUS_DIR -max_total_time=60   as Python: slow, as it hashes

An input is what one side sent, from its first record on, behind one byte, the room to join records in. Each message is
read as every kind there is, where it lies and joined.
"""

import hashlib
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import atheris
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from fuzzing import AROUND, GUIDED, Around, Outputs, captured, fuzz, note, untouched

# numba cannot compile instrumented code
with atheris.instrument_imports(include=["sensor.protocols"]) if GUIDED else nullcontext():
    from sensor.protocols import md5, sha256, tls, tls_certificate, tls_hello, tls_server
    from sensor.protocols import tls_fingerprint as prints_of

PRINTS = np.zeros(1, prints_of.FINGERPRINTS).view(np.recarray)[0]
PRINTS.key[:] = (1, 2)
HELLO_SPANS = tuple(range(tls_hello.SNI, tls_hello.VERSION, 2))
SERVER_SPANS = (tls_server.ALPN, tls_server.ALPN_LIST, tls_server.EXTENSIONS)
NAME_SPANS = tuple(range(tls_certificate.DNS_NAMES, tls_certificate.N_DNS_NAMES, 2))
JA3_LETTERS, JA4_LETTERS = frozenset(b"0123456789abcdef"), frozenset(range(0x21, 0x7F))


def fingerprint(make: Any, at: Around, values: Any, n_bytes: int, letters: frozenset[int], *more: int) -> Iterator[Any]:
    """A fingerprint is the same whether it is remembered or not, and made of its letters; one that has no room is not
    made."""
    outputs = Outputs()
    first, second, small = outputs.take(n_bytes), outputs.take(n_bytes), outputs.take(n_bytes - 1)
    PRINTS.ja3_code[:] = PRINTS.ja4_code[:] = 0
    made = bool(make(at.frames, values, *more, PRINTS, first))
    assert made == bool(make(at.frames, values, *more, PRINTS, second))
    assert not make(at.frames, values, *more, PRINTS, small)
    assert (first == second).all()
    assert set(first.tobytes()) <= letters if made else untouched(first)
    outputs.check()
    yield first.tobytes()


def look_hello(at: Around, outputs: Outputs) -> Iterator[Any]:
    hello = outputs.take(tls_hello.N_HELLO, np.int32)
    status = int(tls_hello.parse_client_hello(*at.all, hello))
    assert status in range(3)
    yield status
    if status == tls_hello.NOT_HELLO:
        assert untouched(hello)
        return
    yield at.spans(hello, HELLO_SPANS)
    yield hello[tls_hello.VERSION :].tolist()
    assert hello[tls_hello.SNI + 1] <= tls.NAME_BYTES_MAX
    assert hello[tls_hello.IS_WHOLE] == (status == tls_hello.HELLO)
    yield from fingerprint(prints_of.ja3, at, hello, prints_of.JA3_BYTES, JA3_LETTERS)
    for transport in b"tq":
        yield from fingerprint(prints_of.ja4, at, hello, prints_of.JA4_BYTES, JA4_LETTERS, transport)


def look_server(at: Around, outputs: Outputs) -> Iterator[Any]:
    server = outputs.take(tls_server.N_SERVER, np.int32)
    status = int(tls_server.parse_server_hello(*at.all, server))
    assert status in range(3)
    yield status
    if status == tls_server.NOT_SERVER_HELLO:
        assert untouched(server)
        return
    yield at.spans(server, SERVER_SPANS)
    yield server[tls_server.VERSION :].tolist()
    yield from fingerprint(prints_of.ja3s, at, server, prints_of.JA3_BYTES, JA3_LETTERS)


def look_certificate(at: Around, outputs: Outputs) -> Iterator[Any]:
    found = outputs.take(tls_certificate.N_CERTIFICATE, np.int64)
    status = int(tls_certificate.parse_certificate(*at.all, found))
    assert status in range(3)
    yield status
    if status == tls_certificate.NOT_CERTIFICATE:
        assert untouched(found)
        return
    texts = (tls_certificate.DER, tls_certificate.SUBJECT, tls_certificate.ISSUER)
    yield at.spans(found, texts) + at.spans(found, NAME_SPANS, tls.NAME_BYTES_MAX)
    yield found[tls_certificate.N_DNS_NAMES :].tolist()
    assert 0 <= found[tls_certificate.N_DNS_NAMES] <= tls_certificate.MOST_ELEMENTS
    start, n_bytes = int(found[tls_certificate.DER]), int(found[tls_certificate.DER + 1])
    digest, work = outputs.take(sha256.DIGEST_BYTES), outputs.take(sha256.WORK_WORDS, np.uint32)
    assert sha256.sha256(at.frames, start, start + n_bytes, digest, 0, work)
    assert digest.tobytes() == hashlib.sha256(at.frames[start : start + n_bytes]).digest()


def look(payload: bytes, before: bytes, after: bytes) -> list[Any]:
    at, outputs = Around(payload, before, after), Outputs()
    found = [*look_hello(at, outputs), *look_server(at, outputs), *look_certificate(at, outputs)]
    outputs.check()
    return found


def both(payload: bytes) -> None:
    alone = look(payload, b"", b"")
    assert alone == look(payload, AROUND, AROUND), "bytes outside the message changed the answer"
    for i, value in enumerate(alone):
        if isinstance(value, int):
            note(i, value)
        elif isinstance(value, list):
            note(len(alone), i, *((min(item, 4) if isinstance(item, int) else item[1] > 0) for item in value))


def one_input(data: bytes) -> None:
    room, payload = (data[0] * 80 if data else 0), data[1:]
    at, outputs = Around(payload, AROUND, AROUND), Outputs()
    joined = outputs.take(room)
    n_bytes = int(tls.join_records(*at.all, joined))
    assert 0 <= n_bytes <= min(room, len(payload))
    note(-1, n_bytes > 0, n_bytes == len(payload))
    for digest_of, kind in ((md5, "md5"), (sha256, "sha256")):
        digest, work = outputs.take(digest_of.DIGEST_BYTES), outputs.take(digest_of.WORK_WORDS, np.uint32)
        assert getattr(digest_of, kind)(*at.all, digest, 0, work)
        assert digest.tobytes() == hashlib.new(kind, payload).digest()
        assert not getattr(digest_of, kind)(*at.all, digest, 1, work)
    outputs.check()
    both(payload[tls.RECORD_HEADER_BYTES :])
    rest, found = joined[:n_bytes].tobytes()[tls.RECORD_HEADER_BYTES :], 0
    while len(rest) >= 4 and found < 3:  # the messages of a server's flight
        both(rest)
        rest, found = rest[4 + int.from_bytes(rest[1:4], "big") :], found + 1


def seeds() -> Iterator[bytes]:
    for conversation in captured():
        sides, at = {0: b"", 1: b""}, 0
        while at < len(conversation):
            length = int.from_bytes(conversation[at + 1 : at + 3], "big")
            if not conversation[at] & 2:
                sides[conversation[at]] += conversation[at + 3 : at + 3 + length]
            at += 3 + length
        yield from (b"\xff" + sent for sent in sides.values() if sent[:1] == b"\x16")


if __name__ == "__main__":
    fuzz(one_input, seeds)
