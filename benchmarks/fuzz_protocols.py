"""Feed the protocol parsers with mutated payloads: no exception, no read or write outside of what they were given.

usage: NUMBA_DISABLE_JIT=1 python benchmarks/fuzz_protocols.py CORPUS_DIR -max_total_time=60   as Python: guided
       NUMBA_BOUNDSCHECK=1 python benchmarks/fuzz_protocols.py CORPUS_DIR -keep_seed=1 -max_total_time=60   as compiled

See fuzzing.py for the two ways. Each payload is read twice, alone in its array and with other bytes around it, and must
give the same answers: statuses that are known, spans inside the payload, nothing written beside the outputs. An input
is a payload behind one byte, the room for text. TLS has fuzz_names.py, QUIC fuzz_quic.py.
"""

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
    from sensor.protocols import app_tcp, app_tor, apps, dns, http, nbns, socks, ssh, text, tls

PORTS = (0, 53, 69, 123, 137, 500, 514, 547, 1812, 3389, 4500)
HTTP_TEXTS = (http.METHOD, http.URI, http.HOST, http.USER_AGENT, http.FORWARDED_FOR, http.VIA, http.CONTENT_TYPE)
Found = list[Any]


def look_http(at: Around, outputs: Outputs) -> Iterator[Any]:
    for parse, known in ((http.parse_request, range(4)), (http.parse_response, (0, 3, 4))):
        spans = outputs.take(http.N_SPANS, np.int32)
        status = int(parse(*at.all, spans))
        assert status in known
        yield status
        if status == http.NOT_HTTP:
            assert untouched(spans)
            continue
        yield at.spans(spans, HTTP_TEXTS)
        numbers = [int(spans[i]) for i in range(http.N_SPANS) if not any(i - text in (0, 1) for text in HTTP_TEXTS)]
        yield numbers
        assert spans[http.HOST + 1] <= http.HOST_BYTES_MAX
        assert 0 <= spans[http.HOST_PORT] <= 65535
        assert 0 <= spans[http.STATUS_CODE] <= 999
        assert 0 <= spans[http.HEAD_BYTES] <= at.end - at.pos
        assert spans[http.CONTENT_LENGTH] >= http.CHUNKED
        behind = int(http.next_request(*at.all, spans))
        assert behind == -1 or behind > at.pos
        yield behind - at.pos if behind >= 0 else -1


def look_socks(at: Around, outputs: Outputs) -> Iterator[Any]:
    spans, address = outputs.take(socks.N_SPANS, np.int32), outputs.take(2, np.uint64)
    status = int(socks.parse_socks(*at.all, spans, address))
    assert status in range(5)
    yield status
    if status == socks.REQUEST:
        yield at.span(spans[socks.HOST], spans[socks.HOST + 1], 255)
        yield at.span(at.pos, spans[socks.REQUEST_END] - at.pos)
        yield [int(spans[socks.PORT]), int(spans[socks.COMMAND]), int(spans[socks.VERSION]), *map(int, address)]
    else:
        assert untouched(spans)
        assert untouched(address)
    granted = int(socks.socks_granted(*at.all))
    assert granted in range(4)
    yield granted


def look_ssh(at: Around, outputs: Outputs, room: int) -> Iterator[Any]:
    status, offset, length = ssh.parse_banner(*at.all)
    assert status in range(3)
    yield int(status), at.span(offset, length, ssh.BANNER_BYTES_MAX)
    spans = outputs.take(ssh.N_SPANS, np.int32)
    status = int(ssh.find_kexinit(*at.all, spans))
    assert status in range(3)
    yield status
    if status == ssh.NOT_KEXINIT:
        return
    yield at.spans(spans, range(0, ssh.N_SPANS, 2))
    for is_server in (False, True):
        for n in (room, ssh.PACKET_BYTES_MAX):
            out = outputs.take(n)
            length = int(ssh.hassh_text(at.frames, spans, is_server, out))
            assert 0 <= length <= n
            assert (length > 0) <= (status != ssh.NOT_KEXINIT)
            yield out[:length].tobytes()


def look_dns(at: Around, outputs: Outputs, room: int) -> Iterator[Any]:
    for parse in (dns.parse_message, nbns.parse_nbns):
        qname, answers = outputs.take(room), outputs.take(room)
        addresses, info = outputs.take(8, np.uint64), outputs.take(dns.N_INFO, np.int64)
        status = int(parse(*at.all, qname, answers, addresses.reshape(4, 2), info))
        assert status in range(4)
        yield status
        if status == dns.NOT_DNS:
            continue
        assert 0 <= info[dns.QNAME_BYTES] <= min(room, dns.NAME_TEXT_MAX)
        assert 0 <= info[dns.ANSWERS_BYTES] <= room
        assert 0 <= info[dns.N_ADDRESSES] <= 4
        yield info.tolist(), addresses[: 2 * info[dns.N_ADDRESSES]].tolist()
        yield qname[: info[dns.QNAME_BYTES]].tobytes(), answers[: info[dns.ANSWERS_BYTES]].tobytes()


def look_apps(at: Around) -> Iterator[Any]:
    codes = [
        int(apps.identify(*at.all, is_orig, proto, port))
        for is_orig in (True, False)
        for proto in (6, 17, 1)
        for port in PORTS
    ]
    assert max(codes) < len(apps.APP_NAMES)
    yield codes
    yield at.span(*app_tcp.rdp_cookie(*at.all), 255)
    shape = int(app_tor.is_tor_like_name(at.frames, at.pos, at.end - at.pos))
    assert shape in range(3)
    yield shape
    status, offset, length = tls.find_sni(*at.all)
    yield int(status), at.span(offset, length, tls.NAME_BYTES_MAX)


def look(payload: bytes, before: bytes, after: bytes, room: int) -> Found:
    at, outputs = Around(payload, before, after), Outputs()
    found = [*look_http(at, outputs), *look_socks(at, outputs), *look_ssh(at, outputs, room)]
    found += [*look_dns(at, outputs, room), *look_apps(at)]
    outputs.check()
    return found


def one_input(data: bytes) -> None:
    room, payload = (data[0] * 4 if data else 0), data[1:]
    alone = look(payload, b"", b"", room)
    assert alone == look(payload, AROUND, AROUND, room), "bytes outside the payload changed the answer"
    for i, value in enumerate(alone):
        if isinstance(value, int):
            note(i, min(value, 20))
        elif isinstance(value, list):
            note(i, *((item > 0 if isinstance(item, int) else item[1] > 0) for item in value[:12]))
            note(i, len(value), *(value if i >= len(alone) - 4 else ()))
    if len(payload) >= 16:
        hi, lo = np.frombuffer(payload[:16], ">u8").astype(np.uint64)
        outputs = Outputs()
        assert 2 <= text.format_ip(hi, lo, outputs.take(text.IP_TEXT_MAX)) <= text.IP_TEXT_MAX
        outputs.check()


def seeds() -> Iterator[bytes]:
    for conversation in captured():
        for start in (0, 3 + int.from_bytes(conversation[1:3], "big")):
            length = int.from_bytes(conversation[start + 1 : start + 3], "big")
            if length:
                yield b"\x80" + conversation[start + 3 : start + 3 + length]


if __name__ == "__main__":
    fuzz(one_input, seeds)
