"""Slow, obvious twins of the kernels that read TLS handshake messages and of the fingerprints taken of them."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sensor.protocols.tls_certificate import MOST_DNS_NAMES, NO_TIME
from tests.support.tls import HELLO_CODES, HELLO_NUMBERS, HELLO_SPANS, RETRY_RANDOM, SERVER_NUMBERS, Facts, codes_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class OverError(Exception):
    """A read behind the end, or something that is not what it should be."""


class Reader:
    """Takes bytes off the front and complains when there are too few."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def bytes(self, n: int) -> bytes:
        if n > len(self.raw):
            raise OverError
        taken, self.raw = self.raw[:n], self.raw[n:]
        return taken

    def number(self, n: int) -> int:
        return int.from_bytes(self.bytes(n), "big")


def without_grease(codes: tuple[int, ...]) -> list[int]:
    return [code for code in codes if code not in {0x0A0A + 0x1010 * i for i in range(16)}]


def listed(data: bytes, n_length: int) -> bytes:
    """A list behind a length of that many bytes, as far as it goes."""
    return data[n_length : n_length + int.from_bytes(data[:n_length], "big")] if len(data) >= n_length else b""


def message_of(raw: bytes) -> tuple[bytes, bool, bool] | None:
    """(body, whether it is whole, whether it is DTLS) of a hello; None of anything else; the body empty: too short."""
    if len(raw) > 4 and raw[4] not in (0, 3):
        return None
    is_dtls = len(raw) > 4 and raw[4] == 0
    header = 12 if is_dtls else 4
    if len(raw) < header + 2:
        return b"", False, False
    length = body_bytes = int.from_bytes(raw[1:4], "big")
    if is_dtls:
        body_bytes = int.from_bytes(raw[9:12], "big")
        if raw[6:9] != bytes(3) or not 0 < body_bytes <= length:
            return None
    body = raw[header : header + body_bytes]
    if len(body) < 2 or body[0] != (0xFE if is_dtls else 3):
        return None
    return body, len(body) == length, is_dtls


def extensions_of(reader: Reader) -> Iterator[tuple[int, int, bytes | None]]:
    """(type, length, data or None when it is not all there) until the block ends or something is missing."""
    left = reader.number(2)
    while left > 0:
        kind, length = reader.number(2), reader.number(2)
        if length > len(reader.raw):
            yield kind, length, None
            raise OverError
        yield kind, length, reader.bytes(length)
        left -= 4 + length
    if left < 0 or reader.raw:
        raise OverError


def name_of(data: bytes, length: int) -> bytes:
    """The name in a server_name extension of `length` bytes, of which `data` can be read."""
    if length < 6 or len(data) < 5 or data[2] != 0:
        return b""
    n_bytes = int.from_bytes(data[3:5], "big")
    return data[5 : 5 + n_bytes] if 1 <= n_bytes <= min(255, length - 5) and 5 + n_bytes <= len(data) else b""


def first_name(alpn_list: bytes) -> bytes:
    name = listed(alpn_list, 1)
    return name if alpn_list and len(name) == alpn_list[0] else b""


def newest(data: bytes, is_dtls: bool) -> int:
    versions = [version for version in without_grease(codes_of(listed(data, 1))) if version]
    return (min if is_dtls else max)(versions, default=0)


def hello_twin(raw: bytes) -> Facts | None:
    """What a ClientHello says, field by field as the kernel is documented."""
    parts = message_of(raw)
    if raw[:1] != b"\1" or parts is None:
        return None
    body, is_whole, is_dtls = parts
    facts: Facts = dict.fromkeys(HELLO_NUMBERS, 0) | dict.fromkeys(HELLO_SPANS, b"") | dict.fromkeys(HELLO_CODES, ())
    facts |= {"is_whole": int(is_whole), "is_dtls": int(is_dtls), "is_malformed": int(is_whole)}
    reader = Reader(body)
    found: list[tuple[int, bytes]] = []
    try:
        facts["version"] = reader.number(2)
        reader.bytes(32)
        facts["session_id_bytes"] = reader.number(1)
        reader.bytes(facts["session_id_bytes"])
        if is_dtls:
            reader.bytes(reader.number(1))
        ciphers = reader.bytes(reader.number(2))
        n_compressions = reader.number(1)
        facts["ciphers"] = codes_of(ciphers)
        reader.bytes(n_compressions)
        if reader.raw or not is_whole:
            has_name = False
            rest = reader.raw[2:]
            for kind, length, data in extensions_of(reader):
                rest = rest[4:]
                if kind == 0 and not has_name:
                    has_name = True
                    facts |= {"has_sni": 1, "sni": name_of(rest, length)}
                rest = rest[length:]
                found += [] if data is None else [(kind, data)]
        facts["is_malformed"] = len(ciphers) % 2 if is_whole else 0
    except OverError:
        pass

    def first(kind: int, at_least: int) -> bytes:
        return next((data for other, data in found if other == kind and len(data) >= at_least), b"")

    types = tuple(kind for kind, _ in found)
    facts |= {"groups": codes_of(listed(first(10, 2), 2)), "formats": listed(first(11, 1), 1)}
    facts |= {"signatures": codes_of(listed(first(13, 2), 2)), "alpn_list": listed(first(16, 2), 2)}
    facts["alpn"] = first_name(facts["alpn_list"])
    facts["best_version"] = next((best for kind, data in found if kind == 43 and (best := newest(data, is_dtls))), 0)
    facts |= {"has_psk": int(41 in types), "has_early_data": int(42 in types), "has_ticket": int(first(35, 1) != b"")}
    facts |= {"has_ech": int(0xFE0D in types), "has_esni": int(0xFFCE in types)}
    facts |= {"n_ciphers": len(without_grease(facts["ciphers"])), "n_extensions": len(without_grease(types))}
    return facts | {"types": types if is_whole else ()}


def server_twin(raw: bytes) -> Facts | None:
    """What a ServerHello says."""
    parts = message_of(raw)
    if raw[:1] != b"\2" or parts is None:
        return None
    body, is_whole, is_dtls = parts
    facts: Facts = dict.fromkeys(SERVER_NUMBERS, 0)
    facts |= {"is_whole": int(is_whole), "is_dtls": int(is_dtls), "is_malformed": int(is_whole)}
    reader = Reader(body)
    found: list[tuple[int, bytes]] = []
    try:
        facts["version"] = reader.number(2)
        random = reader.bytes(32)
        session_id_bytes = reader.number(1)
        facts |= {"is_retry": int(random == RETRY_RANDOM), "session_id_bytes": session_id_bytes}
        reader.bytes(session_id_bytes)
        if len(reader.raw) < 3:
            raise OverError
        facts["cipher"] = reader.number(2)
        reader.bytes(1)
        if reader.raw or not is_whole:
            for kind, _, data in extensions_of(reader):
                found += [] if data is None else [(kind, data)]
        facts["is_malformed"] = 0
    except OverError:
        pass
    facts["alpn_list"] = listed(next((data for kind, data in found if kind == 16 and len(data) >= 2), b""), 2)
    facts["alpn"] = first_name(facts["alpn_list"])
    versions = [int.from_bytes(data, "big") for kind, data in found if kind == 43 and len(data) == 2]
    facts |= {"best_version": next(filter(None, versions), 0), "n_extensions": len(found)}
    return facts | {"types": tuple(kind for kind, _ in found) if is_whole else ()}


# --- fingerprints ---


def ja3_text(facts: Facts) -> str:
    lists = (facts["ciphers"], facts["types"], facts["groups"])
    joined = ["-".join(str(code) for code in without_grease(codes)) for codes in lists]
    return ",".join([str(facts["version"]), *joined, "-".join(str(byte) for byte in facts["formats"])])


def ja3s_text(facts: Facts) -> str:
    return f"{facts['version']},{facts['cipher']}," + "-".join(str(kind) for kind in facts["types"])


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


VERSIONS = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2"}
VERSIONS |= {0xFEFF: "d1", 0xFEFD: "d2", 0xFEFC: "d3"}


def ja4_alpn(name: bytes) -> str:
    if not name:
        return "00"
    if all(byte < 0x80 and chr(byte).isalnum() for byte in (name[0], name[-1])):
        return chr(name[0]) + chr(name[-1])
    return name.hex()[0] + name.hex()[-1]


def hexadecimal(codes: list[int]) -> str:
    return ",".join(f"{code:04x}" for code in codes)


def short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else "0" * 12


def ja4(facts: Facts, transport: str = "t") -> str:
    ciphers, types = sorted(without_grease(facts["ciphers"])), sorted(without_grease(facts["types"]))
    version = VERSIONS.get(facts["best_version"] or facts["version"], "00")
    start = f"{'d' if facts['is_dtls'] else transport}{version}{'d' if facts['has_sni'] else 'i'}"
    start += f"{min(len(ciphers), 99):02}{min(len(types), 99):02}{ja4_alpn(facts['alpn'])}"
    listing = hexadecimal([kind for kind in types if kind not in (0, 16)])
    signatures = hexadecimal(without_grease(facts["signatures"]))
    if listing and signatures:
        listing += "_" + signatures
    return f"{start}_{short_hash(hexadecimal(ciphers))}_{short_hash(listing)}"


# --- certificates ---


def element(reader: Reader, tag: int | None = None, is_cut: bool = False) -> tuple[int, Reader]:
    """The next element's tag and content; of the wanted tag, if any; with `is_cut` as much of it as there is."""
    found = reader.number(1)
    if found & 0x1F == 0x1F or (tag is not None and found != tag):
        raise OverError
    length = reader.number(1)
    if length >= 0x80:
        if not 1 <= length & 0x7F <= 3:
            raise OverError
        length = reader.number(length & 0x7F)
    return found, Reader(reader.bytes(min(length, len(reader.raw)) if is_cut else length))


def name_in(reader: Reader) -> bytes:
    names: dict[bytes, bytes] = {}
    try:
        while reader.raw:
            pair = element(element(reader, 0x31)[1], 0x30)[1]
            oid = element(pair, 0x06)[1].raw
            try:
                tag, text = element(pair)
            except OverError:
                continue
            if tag in (0x0C, 0x13, 0x14, 0x16) and text.raw:
                names[oid] = text.raw
    except OverError:
        pass
    return names.get(b"\x55\4\3") or names.get(b"\x55\4\x0a") or b""


def time_of(tag: int, raw: bytes) -> int:
    text = raw.decode("latin-1")
    if tag == 0x17 and len(text) == 13 and text[:2].isascii() and text[:2].isdigit():
        text = ("20" if int(text[:2]) < 50 else "19") + text
    elif tag != 0x18:
        return NO_TIME
    if len(text) != 15 or text[14] != "Z" or not (text[:14].isascii() and text[:14].isdigit()):
        return NO_TIME
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:8])
    hour, minute, second = int(text[8:10]), int(text[10:12]), int(text[12:14])
    if year < 1 or not 1 <= month <= 12 or not 1 <= day <= 31 or hour > 23 or minute > 59 or second > 60:
        return NO_TIME
    since = datetime(year, month, 1, tzinfo=UTC) - EPOCH
    since += timedelta(days=day - 1, hours=hour, minutes=minute, seconds=second)
    return since.days * 86400 + since.seconds


def certificate_twin(raw: bytes) -> Facts | None:
    """What a TLS Certificate message says of its leaf."""
    if raw[:1] != b"\x0b":
        return None
    facts: Facts = {"der": b"", "subject": b"", "issuer": b"", "dns_names": [], "n_dns_names": 0}
    facts |= {"not_before": NO_TIME, "not_after": NO_TIME, "is_self_signed": 0}
    header, length = 4, int.from_bytes(raw[1:4], "big")
    n_fragment = int.from_bytes(raw[9:12], "big")
    if len(raw) >= 12 and raw[4] == 0 and raw[6:9] == bytes(3) and 0 < n_fragment <= length:
        header, length = 12, n_fragment
    reader = Reader(raw[header : header + length] if len(raw) >= 4 else b"")
    try:
        reader.number(3)
        length = reader.number(3)
        if length == 0:
            raise OverError
        facts["der"] = reader.raw[:length] if len(reader.raw) >= length else b""
        whole = element(Reader(reader.raw[:length]), 0x30, is_cut=True)[1]
        tbs = element(whole, 0x30, is_cut=True)[1]
        tag, _ = element(tbs)
        if tag == 0xA0:
            tag, _ = element(tbs)
        if tag != 2:
            raise OverError
        element(tbs, 0x30)
        issuer = element(tbs, 0x30)[1]
        issuer_raw = issuer.raw
        facts["issuer"] = name_in(issuer)
        validity = element(tbs, 0x30)[1]
        for name in ("not_before", "not_after"):
            try:
                tag, text = element(validity)
            except OverError:
                break
            facts[name] = time_of(tag, text.raw)
        subject = element(tbs, 0x30)[1]
        facts["is_self_signed"] = int(subject.raw == issuer_raw != b"")
        facts["subject"] = name_in(subject)
        for _ in range(4):
            tag, content = element(tbs, is_cut=True)
            if tag == 0xA3:
                facts |= alternative_names(element(content, 0x30, is_cut=True)[1])
                break
    except OverError:
        pass
    return facts


def alternative_names(extensions: Reader) -> Facts:
    names = []
    try:
        while True:
            one = element(extensions, 0x30)[1]
            if not one.raw.startswith(b"\6\3\x55\x1d\x11"):
                continue
            one.bytes(5)
            tag, value = element(one)
            if tag == 1:
                tag, value = element(one)
            if tag == 4:
                general = element(value, 0x30)[1]
                while general.raw:
                    tag, name = element(general)
                    names += [name.raw] if tag == 0x82 and 1 <= len(name.raw) <= 255 else []
            break
    except OverError:
        pass
    return {"dns_names": names[:MOST_DNS_NAMES], "n_dns_names": len(names)}
