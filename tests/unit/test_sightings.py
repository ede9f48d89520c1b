"""What hosts tell of themselves: ARP, DHCP and NetBIOS, and whatever looks a little like them."""

import struct
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sensor.decode.decoder import Decoder
from sensor.sightings import MAX_A_BATCH, Sightings
from sensor.store.hosts import facts
from sensor.store.store import Store
from sensor.store.summaries import save_host_facts, vendors
from tests.support.frames import batch_of
from tests.support.wire import Wire

CLIENT_MAC = bytes.fromhex("001122334455")
BROADCAST = b"\xff" * 6


def told(*frames: bytes) -> dict[Any, list[int]]:
    seen = Sightings()
    batch = batch_of(list(frames), ts_ns=list(range(len(frames))))
    seen.add(batch, Decoder().decode(batch))
    return seen.facts


def arp(address: bytes = b"\x0a\0\0\x05", mac: bytes = CLIENT_MAC, tag: bytes = b"") -> bytes:
    body = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + mac + address + bytes(6) + b"\x0a\0\0\x01"
    return BROADCAST + mac + tag + b"\x08\x06" + body


def ip_frame(src: str, dst: str, sport: int, dport: int, payload: bytes) -> bytes:
    wire = Wire()
    wire.udp(0, (src, sport), (dst, dport), payload)
    return wire.frames[0][1]


def dhcp(kind: int, *options: bytes, ciaddr: bytes = bytes(4), yiaddr: bytes = bytes(4)) -> bytes:
    head = struct.pack(">BBBBIHH", 1, 1, 6, 0, 7, 0, 0) + ciaddr + yiaddr + bytes(8) + CLIENT_MAC + bytes(10 + 192)
    return head + b"\x63\x82\x53\x63" + bytes([53, 1, kind]) + b"".join(options) + b"\xff"


def option(code: int, value: bytes) -> bytes:
    return bytes([code, len(value)]) + value


def request(*options: bytes) -> bytes:
    return ip_frame("0.0.0.0", "255.255.255.255", 68, 67, dhcp(3, *options))


def ack(address: bytes = b"\x0a\0\0\x07") -> bytes:
    return ip_frame("10.0.0.1", "10.0.0.7", 67, 68, dhcp(5, yiaddr=address))


def netbios(name: str = "PC07", suffix: int = 0, opcode: int = 5, flags: int = 0) -> bytes:
    padded = name.ljust(15).encode() + bytes([suffix])
    letters = b"".join(bytes([65 + (byte >> 4), 65 + (byte & 15)]) for byte in padded)
    head = struct.pack(">HHHHHH", 1, opcode << 11 | 0x110, 1, 0, 0, 1) + b"\x20" + letters + b"\0\0\x20\0\1"
    record = b"\xc0\x0c\0\x20\0\1\0\4\x93\xe0\0\6" + struct.pack(">H", flags) + b"\x0a\0\0\x07"
    return ip_frame("10.0.0.7", "10.0.0.255", 137, 137, head + record)


def test_arp_tells_the_mac() -> None:
    assert told(arp(), arp(), arp(address=bytes(4)), arp(mac=bytes(6))) == {
        ("10.0.0.5", "mac", "00:11:22:33:44:55"): [0, 1]
    }
    assert told(arp(tag=b"\x81\0\0\x05")) == {("10.0.0.5", "mac", "00:11:22:33:44:55"): [0, 0]}
    assert told(arp()[:41], arp().replace(b"\x08\x06", b"\x88\xcc", 1)) == {}


def test_dhcp_tells_mac_and_name_of_the_address_that_was_given() -> None:
    mac, name = ("10.0.0.7", "mac", "00:11:22:33:44:55"), ("10.0.0.7", "dhcp", "pc07")
    assert told(request(option(12, b"PC07")), ack()) == {mac: [1, 1], name: [1, 1]}
    assert told(request(option(81, b"\1\0\0PC07")), ack()) == {mac: [1, 1], name: [1, 1]}
    assert told(request(option(81, b"\4\0\0\4PC07")), ack()) == {mac: [1, 1]}  # not in ASCII
    assert told(request(option(12, b"PC07"))) == {}
    assert told(ack()) == {mac: [0, 0]}
    inform = ip_frame("10.0.0.7", "255.255.255.255", 68, 67, dhcp(8, option(12, b"PC07"), ciaddr=b"\x0a\0\0\x07"))
    assert told(inform) == {mac: [0, 0], name: [0, 0]}


def test_netbios_registrations_tell_the_name() -> None:
    assert told(netbios()) == {("10.0.0.7", "netbios", "pc07"): [0, 0]}
    assert told(netbios(opcode=8)) != {}
    assert told(netbios(opcode=0), netbios(suffix=0x20), netbios(flags=0x8000)) == {}


def test_hostile_names_stay_text() -> None:
    (_, (_, _, name)) = told(request(option(12, b"\x1b[31m\xff\n")), ack())
    assert name == "\x1b[31m\\xff\n"


@given(st.lists(st.sampled_from([arp(), request(option(12, b"a")), ack(), netbios()]), max_size=4), st.data())
def test_any_bytes_are_survived(frames: list[bytes], data: st.DataObject) -> None:
    broken = []
    for frame in frames:
        at = data.draw(st.integers(0, len(frame) - 1))
        piece = frame[:at] + data.draw(st.binary(max_size=4)) + frame[at + data.draw(st.integers(0, 4)) :]
        broken.append(piece[: data.draw(st.integers(0, len(piece)))])
    assert all(kind in ("mac", "dhcp", "netbios") for _, kind, _ in told(*broken))


def test_a_flood_is_read_in_part_and_the_rest_is_counted() -> None:
    seen = Sightings()
    batch = batch_of([arp(address=struct.pack(">I", 0x0A000001 + i)) for i in range(MAX_A_BATCH + 30)])
    seen.add(batch, Decoder().decode(batch))
    assert (len(seen.facts), seen.skipped) == (MAX_A_BATCH, 30)


def test_facts_are_kept_with_their_vendor(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store", write=True) as store:
        save_host_facts(store, {("10.0.0.5", "mac", "00:00:0c:01:02:03"): [5, 9], ("10.0.0.5", "dhcp", "pc05"): [5, 9]})
        save_host_facts(store, {("10.0.0.5", "mac", "00:00:0c:01:02:03"): [2, 4]})
        assert facts(store) == {
            "10.0.0.5": {"dhcp": [("pc05", "")], "mac": [("00:00:0c:01:02:03", "Cisco Systems, Inc")]}
        }
        assert store.db.execute("SELECT first_ts, last_ts FROM host_fact WHERE kind = 'mac'").fetchone() == (2, 9)


def test_the_longest_prefix_names_the_vendor_and_local_addresses_have_none() -> None:
    found = vendors(["00:1b:c5:00:00:01", "02:00:0c:01:02:03"])
    assert found["02:00:0c:01:02:03"] == ""
    assert found["00:1b:c5:00:00:01"] == "Converging Systems Inc."  # 36 bits
    assert vendors(["00:55:da:1a:00:01"])["00:55:da:1a:00:01"] == "KoolPOS Inc."  # 28


def test_a_real_lan(repo: Path) -> None:
    from sensor.capture.reader import open_capture

    seen, decoder = Sightings(), Decoder()
    for batch in open_capture(str(repo / "pcaps" / "home-lan" / "home-lan.pcapng")).batches():
        seen.add(batch, decoder.decode(batch))
    assert seen.skipped == 0
    assert ("192.168.152.1", "mac", "58:ef:68:10:8f:69") in seen.facts
