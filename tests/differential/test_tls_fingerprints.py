"""tshark and openssl as second opinions on TLS handshakes: every hello of every shared capture that lies in one packet.

Frames that may hold one are written into one pcapng file, so tshark starts once. A message that goes on in another
packet, or that tshark takes for something else, says nothing; every other difference fails, unless ACCEPTED says why.
"""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from sensor.capture.reader import open_capture
from sensor.decode.decoder import Decoder
from sensor.errors import InputError
from sensor.protocols import tls_certificate
from tests.support import tls_twins as twins
from tests.support.captures import enhanced_packet, interface, section
from tests.support.tls import Facts, Hello, Server, message, new_prints, parse_certificate

pytestmark = pytest.mark.differential

NAMES = (
    *("type", "version", "ciphersuite", "ja3", "ja3s"),
    *("extensions_server_name", "extensions_alpn_str", "extensions.supported_version"),
)
FIELDS = [f"{protocol}.handshake.{name}" for name in NAMES for protocol in ("tls", "dtls")]
ALONE = (
    *("ip.defragment", "tcp.desegment_tcp_streams", "tcp.analyze_sequence_numbers"),
    *("tls.desegment_ssl_records", "tls.desegment_ssl_application_data"),
)
CLIENT_HELLO, SERVER_HELLO = 1, 2
WITH_CERTIFICATES = (
    *("asyncrat-tls", "dridex-2020-06-03", "ms-teams", "sites"),
    *("tls_malicious_sha1", "tls_verylong_certificate"),
)


@dataclass
class Frame:
    """A captured frame and the handshake messages that begin in its payload."""

    name: str
    number: int
    link: int
    data: bytes
    messages: list[bytes]


def messages_of(payload: bytes) -> Iterator[bytes]:
    """Handshake messages in the records of one packet, of records that are all there: tshark reads no others."""
    while len(payload) >= 13:
        is_dtls = payload[1] == 0xFE
        header = 13 if is_dtls else 5
        size = int.from_bytes(payload[header - 2 : header], "big")
        record = payload[header : header + size]
        if len(record) < size:
            return
        if payload[0] == 22 and payload[1] in (3, 0xFE):
            while len(record) >= 4:
                size = int.from_bytes(record[1:4], "big") + (12 if is_dtls else 4)
                yield record[:size]
                record = record[size:]
        elif not 20 <= payload[0] <= 23:
            return
        payload = payload[header + len(record) :]


def frames_of(path: Path) -> Iterator[Frame]:
    """Frames whose innermost payload begins like a handshake record."""
    decoder = Decoder()
    first = 1
    try:
        with open_capture(str(path)) as capture:
            for batch in capture.batches():
                rows = decoder.decode(batch)
                rows = rows[(rows["payload_cap"] > 12) & (rows["is_carrier"] == 0)]
                at = rows["payload_off"].astype(np.int64)
                major = batch.frames[at + 1]
                likely = (batch.frames[at] == 22) & ((major == 3) | (major == 0xFE))
                for row in rows[likely]:
                    i, start = int(row["frame"]), int(row["payload_off"])
                    payload = batch.frames[start : start + int(row["payload_cap"])].tobytes()
                    data = batch.frames[batch.start[i] : batch.end[i]].tobytes()
                    yield Frame(path.name, first + i, int(batch.link[i]), data, list(messages_of(payload)))
                first += len(batch)
    except InputError:
        pass  # how captures end is another test's matter


def tshark(path: Path) -> list[dict[str, list[str]]]:
    """One dict a frame: each field's values, whether of TLS or DTLS."""
    command = ["tshark", "-n", "-r", str(path), "-d", "tcp.port==1-65535,tls", "-T", "fields"]
    command += ["-E", "aggregator=\x1f", "-E", "separator=\x1e"]
    for option in ALONE:
        command += ["-o", f"{option}:FALSE"]
    for field in FIELDS:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, check=True, timeout=120)
    found = []
    for line in done.stdout.decode("utf-8", "replace").split("\n")[:-1]:
        cells = [cell.split("\x1f") if cell else [] for cell in line.split("\x1e")]
        found.append({name: cells[2 * i] + cells[2 * i + 1] for i, name in enumerate(NAMES)})
    return found


@pytest.fixture(scope="module")
def frames(shared_data: Path) -> list[Frame]:
    """Each once: some captures are there twice, and tshark remembers connections."""
    paths = [path for folder in ("pcaps", "oracles") for path in sorted((shared_data / folder).rglob("*.*cap*"))]
    return list({frame.data: frame for path in paths for frame in frames_of(path)}.values())


def test_fingerprints_equal_their_twins(frames: list[Frame]) -> None:
    """JA4 has no second opinion here but the twin, which is held against FoxIO's published examples elsewhere."""
    prints = new_prints()
    seen: Counter[str] = Counter()
    for frame in frames:
        for raw in frame.messages:
            hello, server = Hello(raw), Server(raw)
            facts = hello.facts()
            assert facts == twins.hello_twin(raw)
            if facts is not None and facts["is_whole"]:
                assert hello.ja4(prints) == twins.ja4(facts)
                assert hello.ja3(prints) == twins.md5(twins.ja3_text(facts))
                seen["hello"] += 1
            facts = server.facts()
            assert facts == twins.server_twin(raw)
            if facts is not None and facts["is_whole"]:
                assert server.ja3s(prints) == twins.md5(twins.ja3s_text(facts))
                seen["server hello"] += 1
    print(dict(seen))
    assert seen["hello"] > 500
    assert seen["server hello"] > 300


def names_in(alpn_list: bytes) -> list[str]:
    names = []
    while alpn_list:
        names.append(alpn_list[1 : 1 + alpn_list[0]].decode("utf-8", "replace"))
        alpn_list = alpn_list[1 + alpn_list[0] :]
    return names


def numbers(texts: list[str]) -> list[int]:
    return [int(text, 0) for text in texts]


def newest(versions: list[int], is_dtls: int) -> int:
    return (min if is_dtls else max)(twins.without_grease(tuple(versions)), default=0)


def differences(raw: bytes, theirs: dict[str, list[str]], is_alone: bool) -> list[str]:
    """What differs of a hello; `is_alone`: its frame has no other, so that its fields can be told."""
    is_client = raw[0] == CLIENT_HELLO
    hello: Hello | Server = Hello(raw) if is_client else Server(raw)
    facts = hello.facts()
    assert facts is not None
    ja3 = hello.ja3(new_prints()) if isinstance(hello, Hello) else hello.ja3s(new_prints())
    offered = numbers(theirs["extensions.supported_version"])
    pairs: dict[str, tuple[object, object]] = {
        "version": (facts["version"], numbers(theirs["version"])[0]),
        "best version": (facts["best_version"], newest(offered, facts["is_dtls"])),
        "ALPN": (names_in(facts["alpn_list"]), theirs["extensions_alpn_str"]),
        "first ALPN": (facts["alpn"].decode("utf-8", "replace"), "".join(theirs["extensions_alpn_str"][:1])),
        "ciphers": (list(facts["ciphers"]) if is_client else [facts["cipher"]], numbers(theirs["ciphersuite"])),
    }
    if is_client:
        pairs["SNI"] = (facts["sni"].decode("utf-8", "replace"), "".join(theirs["extensions_server_name"][:1]))
    names = [] if ja3 in theirs["ja3" if is_client else "ja3s"] else [f"JA3 {ja3}"]
    return names + [f"{name} {ours!r} {other!r}" for name, (ours, other) in pairs.items() if is_alone and ours != other]


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_hellos_equal_tsharks(frames: list[Frame], tmp_path: Path) -> None:
    path = tmp_path / "hellos.pcapng"
    links = sorted({frame.link for frame in frames})
    packets = [enhanced_packet(i * 10**6, frame.data, links.index(frame.link)) for i, frame in enumerate(frames)]
    path.write_bytes(section() + b"".join(interface(link=link) for link in links) + b"".join(packets))
    lines = tshark(path)
    assert len(lines) == len(frames)
    seen: Counter[str] = Counter()
    different: list[str] = []
    for frame, theirs in zip(frames, lines, strict=True):
        hellos = [raw for raw in frame.messages if raw[0] in (CLIENT_HELLO, SERVER_HELLO)]
        for raw in hellos:
            kind = "client" if raw[0] == CLIENT_HELLO else "server"
            facts = Hello(raw).facts() if kind == "client" else Server(raw).facts()
            if str(raw[0]) not in theirs["type"]:
                seen[f"{kind}, encrypted to tshark"] += 1
            elif facts is None or not facts["is_whole"]:
                seen[f"{kind}, fragments that tshark puts together"] += 1
            elif facts["is_malformed"]:
                seen[f"{kind}, malformed"] += 1
            else:
                names = differences(raw, theirs, len(hellos) == 1)
                seen[f"{kind}, {'different' if names else 'equal'}"] += 1
                different += [f"{frame.name} frame {frame.number}: {names}"] if names else []
    print(dict(seen))
    assert not different, f"{len(different)} differences:\n" + "\n".join(different[:20])
    assert seen["client, equal"] > 500
    assert seen["server, equal"] > 300
    # tshark takes a hello behind ChangeCipherSpec for encrypted; in malformed ones it leaves the last commas out
    assert sum(seen.values()) - seen["client, equal"] - seen["server, equal"] < 20


def certificates_of(path: Path) -> set[bytes]:
    """Every certificate in a capture, put together by tshark."""
    field = "tls.handshake.certificate"
    command = ["tshark", "-n", "-r", str(path), "-Y", field, "-T", "fields", "-e", field, "-E", "aggregator=,"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return {bytes.fromhex(text) for text in done.stdout.replace("\n", ",").split(",") if text}


def openssl_says(der: bytes) -> Facts:
    command = ["openssl", "x509", "-inform", "DER", "-noout", "-subject", "-issuer", "-dates", "-ext", "subjectAltName"]
    command += ["-nameopt", "multiline,utf8,-esc_msb,-esc_ctrl"]
    done = subprocess.run(command, input=der, capture_output=True, check=True, timeout=20)
    text = done.stdout.decode("utf-8", "replace")

    def name(block: str) -> str:
        for field in ("commonName", "organizationName"):
            values = re.findall(rf"^ +{field} += (.*)$", block, re.MULTILINE)
            if values:
                return str(values[-1])
        return ""

    def seconds(field: str) -> int:
        raw = re.search(rf"^{field}=(.*) GMT$", text, re.MULTILINE)
        assert raw is not None
        return int(datetime.strptime(raw[1], "%b %d %H:%M:%S %Y").replace(tzinfo=UTC).timestamp())

    subject, _, rest = text.partition("issuer=")
    issuer, _, rest = rest.partition("notBefore=")
    times = {"not_before": seconds("notBefore"), "not_after": seconds("notAfter")}
    return {
        "subject": name(subject),
        "issuer": name(issuer),
        "dns_names": re.findall(r"DNS:([^,\n]+)", rest),
        **times,
    }


@pytest.mark.skipif(None in (shutil.which("openssl"), shutil.which("tshark")), reason="needs openssl and tshark")
def test_certificates_equal_openssls(shared_data: Path) -> None:
    paths = [path for path in sorted(shared_data.rglob("*.pcap*")) if path.stem in WITH_CERTIFICATES]
    found: set[bytes] = set().union(*(certificates_of(path) for path in paths))
    for der in sorted(found):
        sized = len(der).to_bytes(3, "big") + der
        raw = message(11, len(sized).to_bytes(3, "big") + sized)
        status, facts = parse_certificate(raw)
        assert facts == twins.certificate_twin(raw)
        assert facts is not None
        assert (status, facts["der"]) == (tls_certificate.CERTIFICATE, der)
        want = openssl_says(der)
        assert facts["n_dns_names"] == len(want["dns_names"])
        want["dns_names"] = want["dns_names"][: tls_certificate.MOST_DNS_NAMES]
        ours = {name: facts[name] for name in ("not_before", "not_after")}
        ours |= {name: facts[name].decode("utf-8", "replace") for name in ("subject", "issuer")}
        ours["dns_names"] = [name.decode("utf-8", "replace") for name in facts["dns_names"]]
        assert ours == want
    assert len(found) > 60
