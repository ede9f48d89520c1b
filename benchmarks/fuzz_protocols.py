"""Feed the protocol parsers with mutated payloads: no exception, no read or write outside of what they were given.

usage: NUMBA_DISABLE_JIT=1 python benchmarks/fuzz_protocols.py CORPUS_DIR -max_total_time=60
       NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=DIR python benchmarks/fuzz_protocols.py CORPUS_DIR -keep_seed=1 \\
           -max_total_time=60

The first way runs the kernels as Python, guided by coverage. The second runs them compiled, a hundred times faster but
unguided, so it should start from the corpus of the first and keep all of it; it needs a cache directory of its own:
numba would take kernels without the check from the usual one. Each payload is read twice, alone in its array and with
other bytes around it, and must give the same answers. An input is a payload behind one byte, the room for text.
"""

import os
import sys
from contextlib import nullcontext
from pathlib import Path

import atheris
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

GUIDED = os.environ.get("NUMBA_DISABLE_JIT") == "1"
if not GUIDED and os.environ.get("NUMBA_BOUNDSCHECK") != "1":
    sys.exit("set NUMBA_DISABLE_JIT=1 or NUMBA_BOUNDSCHECK=1: without one of them a stray read goes unseen")

# numba cannot compile instrumented code
with atheris.instrument_imports(include=["sensor.protocols"]) if GUIDED else nullcontext():
    from sensor.protocols import apps, dns, http, text, tls

AROUND = bytes(range(1, 250, 7))


class Outputs:
    """Fresh outputs for one look at a payload, and what came of it."""

    def __init__(self, payload: bytes, before: bytes, after: bytes, room: int) -> None:
        frames = np.frombuffer(before + payload + after, np.uint8)
        pos, end = len(before), len(before) + len(payload)
        spans, info = np.zeros(http.N_SPANS, np.int32), np.zeros(dns.N_INFO, np.int64)
        qname, answers, joined = (np.full(room + 1, 0xAA, np.uint8) for _ in range(3))
        addresses = np.zeros((4, 2), np.uint64)
        self.sni = tls.find_sni(frames, pos, end)
        self.joined_bytes = tls.join_records(frames, pos, end, joined[:room])
        self.http = http.parse_request(frames, pos, end, spans)
        self.dns = dns.parse_message(frames, pos, end, qname[:room], answers[:room], addresses, info)
        self.apps = [
            apps.identify(frames, pos, end, is_orig, proto, port)
            for is_orig in (True, False)
            for proto in (6, 17)
            for port in (0, 53, 69, 123, 500, 514, 547, 1812, 4500)
        ]
        assert qname[room] == answers[room] == joined[room] == 0xAA, "written behind an output"
        self.spans = [int(value) for value in spans]
        if self.http in (http.REQUEST, http.REQUEST_CUT):
            for at in (http.METHOD, http.URI, http.HOST, http.USER_AGENT):
                if self.spans[at + 1]:
                    self.spans[at] -= pos
        self.sni = (self.sni[0], self.sni[1] - pos if self.sni[2] else 0, self.sni[2])
        self.text = bytes(qname) + bytes(answers) if self.dns != dns.NOT_DNS else b""
        self.info = info.tolist() if self.dns != dns.NOT_DNS else []


def one_input(data: bytes) -> None:
    room = data[0] * 4 if data else 0
    payload = data[1:]
    alone = Outputs(payload, b"", b"", room)
    among = Outputs(payload, AROUND, AROUND, room)
    assert vars(alone) == vars(among), "bytes outside the payload changed the answer"
    if len(payload) >= 16:
        hi, lo = np.frombuffer(payload[:16], ">u8").astype(np.uint64)
        out = np.zeros(text.IP_TEXT_MAX, np.uint8)
        assert 2 <= text.format_ip(hi, lo, out) <= text.IP_TEXT_MAX


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
