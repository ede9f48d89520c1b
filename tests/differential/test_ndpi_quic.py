"""QUIC server names against nDPI's, over every capture in which nDPI found one."""

import csv
from collections import defaultdict
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sensor.capture.reader import open_capture
from sensor.constants import PROTO_UDP
from sensor.decode.decoder import Decoder
from sensor.protocols import gquic, quic, tls
from sensor.protocols import quic_header as h
from tests.support.protocols import frames_of
from tests.support.quic import crypto_pieces, fresh_keys

Flow = tuple[int, int, int, int]  # client, port, server, port


def address(hi: Any, lo: Any) -> int:
    return int(hi) << 64 | int(lo)


def as_number(text: str) -> int:
    ip = ip_address(text)
    return int(ip) | 0xFFFF << 32 if ip.version == 4 else int(ip)


def wanted(path: Path) -> dict[str, dict[Flow, str]]:
    """nDPI's server names of QUIC flows by capture and flow."""
    names: dict[str, dict[Flow, str]] = defaultdict(dict)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["proto"] == "udp" and row["ndpi_proto"].startswith("QUIC") and row["hostname"]:
                ends = as_number(row["a_ip"]), int(row["a_port"]), as_number(row["b_ip"]), int(row["b_port"])
                names[row["pcap"]][ends] = row["hostname"]
    return names


class Client:
    """What one client sends, put together the plain way."""

    def __init__(self) -> None:
        self.keys = fresh_keys()
        self.plain = np.zeros(quic.PLAIN_ROOM, np.uint8)
        self.work = np.zeros(quic.WORK_WORDS, np.uint32)
        self.info = np.zeros(h.N_INFO, np.int64)
        self.heard: dict[int, bytes] = {}
        self.name = ""

    def hear(self, frames: NDArray[np.uint8], pos: int, end: int) -> None:
        while pos < end and not self.name:
            status = quic.open_initial(frames, pos, end, False, self.keys, self.plain, self.work, self.info)
            if status == h.NOT_QUIC:
                return
            if status == h.CLEAR_GOOGLE:
                offset, length = gquic.find_gquic_sni(frames, pos, end)
                self.name = frames[offset : offset + length].tobytes().decode()
                return
            self.heard.update(crypto_pieces(self.plain, int(self.info[h.PLAIN_BYTES]), self.info)[0])
            self.find_name()
            pos = int(self.info[h.NEXT])

    def find_name(self) -> None:
        stream = b""
        for offset in sorted(self.heard):
            if offset <= len(stream):
                stream = stream[:offset] + self.heard[offset] + stream[offset + len(self.heard[offset]) :]
        record = b"\x16\3\1" + len(stream).to_bytes(2, "big") + stream
        status, offset, length = tls.find_sni(frames_of(record), 0, len(record))
        if status == tls.HELLO_SNI:
            self.name = record[offset : offset + length].decode()


@pytest.mark.differential
def test_server_names_equal_ndpi(shared_data: Path) -> None:
    names = wanted(shared_data / "oracles" / "ndpi_flows.csv")
    assert sum(map(len, names.values())) >= 27
    for capture, flows in names.items():
        clients: dict[Flow, Client] = defaultdict(Client)
        decoder = Decoder()
        for batch in open_capture(str(shared_data / "oracles" / "ndpi" / capture)).batches():
            packets = decoder.decode(batch)
            for row in packets[(packets["proto"] == PROTO_UDP) & (packets["payload_cap"] > 0)]:
                source = address(row["src_hi"], row["src_lo"]), int(row["src_port"])
                target = address(row["dst_hi"], row["dst_lo"]), int(row["dst_port"])
                if (*source, *target) in flows:
                    pos = int(row["payload_off"])
                    clients[*source, *target].hear(batch.frames, pos, pos + int(row["payload_cap"]))
        assert {flow: clients[flow].name for flow in flows} == flows, capture
