"""What hosts tell of themselves beside their traffic: MAC addresses in ARP and DHCP, names in DHCP and NetBIOS.

In: batches with their packet rows. Out: a bounded set of facts (address, kind, value) with when each was told. A kernel
chooses these packets; they are few, so they are read in Python. Of a flood of them only so many a batch are, and the
rest is counted. Each is a claim of whoever sent it. This module never looks at other packets.

Sources: RFC 826 (ARP), RFC 2131 and 2132 (DHCP and its options), RFC 4702 (FQDN), RFC 1002 section 4.2 (NetBIOS).
"""

from ipaddress import IPv4Address

import numpy as np
from numba import types as t
from numpy.typing import NDArray

from sensor.capture.batch import Batch
from sensor.constants import LINK_ETHERNET, PROTO_UDP, STATUS_NOT_IP, STATUS_OK
from sensor.dtypes import PACKET_REC
from sensor.jit import packet_kernel
from sensor.protocols.reads import FRAMES, be16

MAC, DHCP_NAME, NETBIOS_NAME = "mac", "dhcp", "netbios"
MAX_FACTS = 1 << 16
MAX_A_BATCH = 2_000
MAX_NAME_BYTES = 255

Fact = tuple[str, str, str]
"""Address, kind, value."""

_MAGIC = b"\x63\x82\x53\x63"
_OPTIONS_AT = 240
_ACK = 5
_REGISTERS = (5, 8, 15)  # registration, and refresh in its two spellings
_WORKSTATION, _GROUP = 0, 0x80
_ARP, _VLAN = 0x0806, 0x8100
_OFFSETS = t.Array(t.int64, 1, "C", readonly=True)


class Sightings:
    """Facts gathered from the batches of a capture.

    facts : fact -> first and last told, nanoseconds
    skipped : packets of these kinds that were not read
    """

    def __init__(self) -> None:
        self.facts: dict[Fact, list[int]] = {}
        self.skipped = 0
        self._names_of: dict[bytes, str] = {}
        self._rows = np.zeros(MAX_A_BATCH, np.int64)

    def add(self, batch: Batch, packets: NDArray[np.void]) -> None:
        """Take what a batch tells. packets : its PACKET rows"""
        n = int(choose_packets(packets, batch.frames, batch.start, batch.end, batch.link, self._rows))
        self.skipped += max(n - MAX_A_BATCH, 0)
        for row in self._rows[: min(n, MAX_A_BATCH)]:
            self._read(batch, packets[row])

    def _read(self, batch: Batch, p: np.void) -> None:
        ts_ns, frame, begin = int(p["ts_ns"]), int(p["frame"]), int(p["payload_off"])
        if p["status"] == STATUS_NOT_IP:
            self._arp(batch.frames[batch.start[frame] : batch.end[frame]].tobytes(), ts_ns)
            return
        payload = batch.frames[begin : begin + int(p["payload_cap"])].tobytes()
        if p["src_port"] == 137:
            self._netbios(payload, ts_ns)
        else:
            self._dhcp(payload, ts_ns)

    def _arp(self, frame: bytes, ts_ns: int) -> None:
        at = 18 if frame[12:14] == b"\x81\x00" else 14
        if len(frame) >= at + 28 and frame[at : at + 6] == b"\x00\x01\x08\x00\x06\x04":
            self._note(frame[at + 14 : at + 18], MAC, _mac(frame[at + 8 : at + 14]), ts_ns)

    def _dhcp(self, message: bytes, ts_ns: int) -> None:
        if len(message) < _OPTIONS_AT or message[1:3] != b"\x01\x06" or message[236:240] != _MAGIC:
            return
        options = _options(message)
        hardware, name = message[28:34], _dhcp_name(options)
        if name:
            if len(self._names_of) >= MAX_FACTS:
                self._names_of.clear()
            self._names_of[hardware] = name
        is_ack = options.get(53) == bytes([_ACK])
        address = message[16:20] if is_ack and any(message[16:20]) else message[12:16]
        self._note(address, MAC, _mac(hardware), ts_ns)
        if told := name or (self._names_of.get(hardware, "") if is_ack else ""):
            self._note(address, DHCP_NAME, told, ts_ns)

    def _netbios(self, message: bytes, ts_ns: int) -> None:
        """A host registers its name: the question has it, the additional record its address."""
        if len(message) < 68 or message[2] >> 7 or (message[2] >> 3 & 15) not in _REGISTERS or message[12] != 32:
            return
        letters = message[13:45]
        if any(not 0x41 <= letter <= 0x50 for letter in letters):
            return
        name = bytes((high - 0x41) << 4 | low - 0x41 for high, low in zip(letters[::2], letters[1::2], strict=True))
        if name[15] == _WORKSTATION and not message[-6] & _GROUP:
            self._note(message[-4:], NETBIOS_NAME, _text(name[:15].rstrip(b" \0")), ts_ns)

    def _note(self, address: bytes, kind: str, value: str, ts_ns: int) -> None:
        if not any(address) or not value:
            return
        fact = (str(IPv4Address(address)), kind, value)
        span = self.facts.get(fact)
        if span is not None:
            span[0], span[1] = min(span[0], ts_ns), max(span[1], ts_ns)
        elif len(self.facts) < MAX_FACTS:
            self.facts[fact] = [ts_ns, ts_ns]
        else:
            self.skipped += 1


@packet_kernel(
    t.int64(
        *(PACKET_REC[::1], FRAMES, _OFFSETS, _OFFSETS),
        *(t.Array(t.uint16, 1, "C", readonly=True), t.int64[::1]),
    )
)
def choose_packets(
    packets: NDArray[np.void],
    frames: NDArray[np.uint8],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    link: NDArray[np.uint16],
    rows: NDArray[np.int64],
) -> np.int64:
    """Which packets are ARP (in Ethernet, also behind one 802.1Q tag), DHCP or NetBIOS names; returns how many are.

    packets : PACKET[n]; frames to link : columns of the batch they came from
    rows : int64[], out: indexes of the first of these packets, as many as fit
    """
    n = np.int64(0)
    for i in range(packets.shape[0]):
        p = packets[i]
        if p["status"] == STATUS_OK:
            if p["proto"] != PROTO_UDP:
                continue
            src, dst = p["src_port"], p["dst_port"]
            if not (67 <= src <= 68 and 67 <= dst <= 68) and not (src == 137 and dst == 137):
                continue
        elif p["status"] == STATUS_NOT_IP:
            frame = np.int64(p["frame"])
            at = start[frame] + 12
            if link[frame] != LINK_ETHERNET or end[frame] - start[frame] < 42:
                continue
            if be16(frames, at if be16(frames, at) != _VLAN else at + 4) != _ARP:
                continue
        else:
            continue
        if n < rows.shape[0]:
            rows[n] = i
        n += 1
    return n


def _options(message: bytes) -> dict[int, bytes]:
    """DHCP options by their code, the first of each; those that a broken length cuts off are left."""
    found: dict[int, bytes] = {}
    at = _OPTIONS_AT
    while at + 1 < len(message) and message[at] != 255:
        if message[at] == 0:
            at += 1
            continue
        length = message[at + 1]
        if at + 2 + length > len(message):
            break
        found.setdefault(message[at], message[at + 2 : at + 2 + length])
        at += 2 + length
    return found


def _dhcp_name(options: dict[int, bytes]) -> str:
    """The host name (option 12), else the fully qualified one (option 81) where it is in ASCII."""
    if name := options.get(12, b"").rstrip(b"\0"):
        return _text(name)
    full = options.get(81, b"")
    return _text(full[3:].rstrip(b"\0")) if len(full) > 3 and not full[0] & 4 else ""


def _mac(raw: bytes) -> str:
    return raw.hex(":") if any(raw) and raw != b"\xff" * 6 else ""


def _text(raw: bytes) -> str:
    return raw[:MAX_NAME_BYTES].decode("utf-8", "backslashreplace").lower()
