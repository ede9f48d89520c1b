"""Checks of one interface: what it is, what its card does to packets, and what comes in while one listens to it."""

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sensor.capture.afpacket import Ring, RingCounts
from sensor.capture.interface import dropped_before, interface_facts, interface_names
from sensor.constants import PROTO_TCP
from sensor.doctor.check import Check, fail, ok, warn
from sensor.doctor.offload import offloads, receive_queues
from sensor.errors import KagamiError
from sensor.flows.rows import CONN_STATES
from sensor.pipeline import Pipeline

_RING_MIB = 32
_LINK_BYTES = 14 + 4  # Ethernet with a tag
_FEW_FLOWS = 20
_UNANSWERED = CONN_STATES.index("S0")
_ONE_SIDED_FRAC, _DUPLICATE_FRAC, _LOSS_FRAC = 0.2, 0.05, 0.01


def interface_checks(name: str, listen_s: float) -> Iterator[Check]:
    """Everything about an interface; listening takes `listen_s` seconds."""
    facts = interface_facts(name)
    if facts is None:
        yield fail("interface", f"there is no {name}", f"one of: {', '.join(interface_names())}")
        return
    if facts.link is None:
        yield fail("interface", f"{name} has frames of hardware type {facts.hardware}", "watch an Ethernet interface")
        return
    if not facts.is_up:
        yield fail("interface", f"{name} is down", f"ip link set {name} up")
    elif not facts.is_running:
        yield fail("interface", f"{name} is up, but has no link", "check the cable and the switch's mirror port")
    else:
        yield ok("interface", f"{name} is up, MTU {facts.mtu_bytes}")
    if addresses := _addresses(name):
        yield warn(
            "addresses",
            f"{name} has {', '.join(addresses)}: the machine can be reached, and answers, through the mirror port",
            f"ip addr flush dev {name}; sysctl -w net.ipv6.conf.{name}.disable_ipv6=1",
        )
    yield from _card(name)
    if facts.is_up:
        yield from _listen(name, facts.mtu_bytes, listen_s)


def _addresses(name: str) -> list[str]:
    try:
        said = subprocess.run(
            ["ip", "-brief", "address", "show", "dev", name], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except OSError:
        return []
    return said.split()[2:]


def _card(name: str) -> Iterator[Check]:
    features = offloads(name)
    joined = [feature for feature in ("gro", "lro") if features.get(feature)]
    if joined:
        yield warn(
            "offload",
            f"{' and '.join(joined)} on: packets are put together before they are seen, and some may be lost doing so",
            f"ethtool -K {name} {' '.join(f'{feature} off' for feature in joined)}",
        )
    else:
        yield ok("offload", "packets are not put together" if features else "the driver does not say")
    queues = receive_queues(name)
    if queues is not None and queues > 1:
        yield warn(
            "receive queues",
            f"{queues}: the two directions of a connection may come in the wrong order",
            f"ethtool -L {name} combined 1, or a symmetric hash (ethtool -X)",
        )


@dataclass(slots=True)
class _Sides:
    """A sink that keeps nothing: it counts which sides of TCP connections were seen."""

    tcp: int = 0
    one_sided: int = 0

    def __call__(self, out: Any, _pool: Any) -> None:
        flows = out.flows[: int(out.n[0])]
        is_tcp = flows["proto"] == PROTO_TCP
        one_sided = (flows["orig_pkts"] == 0) | ((flows["resp_pkts"] == 0) & (flows["conn_state"] != _UNANSWERED))
        self.tcp += int(np.count_nonzero(is_tcp))
        self.one_sided += int(np.count_nonzero(is_tcp & one_sided))


def _listen(name: str, mtu_bytes: int, listen_s: float) -> Iterator[Check]:
    sides = _Sides()
    pipeline = Pipeline(sides, max_flows=1 << 16, buffer_rows=1 << 12)
    pipeline.load_kernels()
    longest, tagged = 0, 0
    before = dropped_before(name)
    try:
        with Ring(name, ring_mib=_RING_MIB) as ring:
            deadline = time.monotonic() + listen_s
            while (left := deadline - time.monotonic()) > 0:
                if ring.wait(min(left, 0.25)):
                    for batch in ring.batches():
                        longest = max(longest, int(batch.wire_len.max()))
                        tagged += int(np.count_nonzero(batch.vlan_id))
                        pipeline.take(batch)
            counts = ring.counts()
    except KagamiError as error:
        yield fail("capture", str(error), "run it as root, or give the service its capability")
        return
    pipeline.tracker.finish()
    yield ok("capture", "the ring opens, and the interface takes packets for everyone")
    yield from _heard(name, counts, listen_s, dropped_before(name) - before)
    if counts.frames:
        yield from _content(name, pipeline, sides, longest - _LINK_BYTES, mtu_bytes, tagged)


def _heard(name: str, counts: RingCounts, listen_s: float, nic_dropped: int) -> Iterator[Check]:
    if not counts.frames:
        yield warn(
            "traffic",
            f"nothing came in within {listen_s:g} s",
            "check the mirror session on the switch: source ports, direction both, destination this cable",
        )
        return
    yield ok(
        "traffic", f"{counts.frames / listen_s:,.0f} packets/s, {counts.wire_bytes * 8 / listen_s / 1e6:,.1f} Mbit/s"
    )
    if counts.dropped or nic_dropped > 0:
        yield warn(
            "drops",
            f"{counts.dropped:,} packets were dropped for want of room, {max(nic_dropped, 0):,} by the interface",
            f"ethtool -G {name} rx 4096; a core of its own for the sensor; --workers; a --filter",
        )
    else:
        yield ok("drops", "none")


def _content(
    name: str, pipeline: Pipeline, sides: _Sides, longest_ip: int, mtu_bytes: int, tagged: int
) -> Iterator[Check]:
    flows = pipeline.tracker.counts
    if longest_ip > mtu_bytes:
        yield warn(
            "packet size",
            f"packets of {longest_ip} bytes, beyond the MTU of {mtu_bytes}: put together by offload, here or in a "
            "virtual switch",
            f"ethtool -K {name} gro off lro off tso off gso off; the same on the sender where it is a virtual one",
        )
    if tagged:
        yield ok("VLANs", f"{tagged:,} packets with a tag: their ids are kept")
    n_all = flows["packets"] + flows["duplicates"]
    if n_all and flows["duplicates"] / n_all > _DUPLICATE_FRAC:
        yield warn(
            "duplicates",
            f"{flows['duplicates'] / n_all:.0%} of packets come twice (they are left out of all counts)",
            "mirror each port once, or only one direction of every port",
        )
    else:
        yield ok("duplicates", f"{flows['duplicates']:,} packets")
    if sides.tcp < _FEW_FLOWS:
        yield ok("both directions", f"too few TCP connections to tell ({sides.tcp})")
    elif sides.one_sided / sides.tcp > _ONE_SIDED_FRAC:
        yield warn(
            "both directions",
            f"{sides.one_sided / sides.tcp:.0%} of {sides.tcp:,} TCP connections show one side only",
            "set the mirror session to both directions (rx and tx)",
        )
    else:
        yield ok("both directions", f"{sides.one_sided:,} of {sides.tcp:,} TCP connections show one side only")
    if flows["acks"] and flows["ack_gaps"] / flows["acks"] > _LOSS_FRAC:
        yield warn(
            "capture loss",
            f"{flows['ack_gaps'] / flows['acks']:.1%} of acknowledgements are for bytes nobody saw",
            "the mirror port is too slow for what is mirrored to it: mirror less, or to a faster port",
        )
    else:
        yield ok("capture loss", f"{flows['ack_gaps']:,} gaps in {flows['acks']:,} TCP acknowledgements")
