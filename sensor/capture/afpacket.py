"""Frames from a network interface: a TPACKET_V3 ring that the kernel fills and the kernels of numba read in place.

In: the name of an interface. Out: the frames of each block of the ring as `Batch`es, their bytes the ring's own. Needs
CAP_NET_RAW and nothing else. Never decides what a frame means, and never writes into the ring but to give a block back.

Source: Documentation/networking/packet_mmap.rst and packet(7) of Linux. Everything is set before the socket is bound to
the interface, so no frame passes that the filter would have kept out.
"""

import ctypes
import errno
import mmap
import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from sensor.capture.batch import BATCH_PACKETS, Batch
from sensor.capture.fanout import fanout_program
from sensor.capture.interface import InterfaceFacts, interface_facts, must_be_watchable
from sensor.capture.ring import (
    BLOCK_FIRST,
    BLOCK_PACKETS,
    BLOCK_STATUS,
    N_RING_COUNTERS,
    RING_FRAMES,
    RING_HARDWARE_TIME,
    RING_OUTGOING,
    RING_WIRE_BYTES,
    walk_block,
)
from sensor.errors import PrivilegeError, UsageError

BLOCK_BYTES = 1 << 20
"""One block: what is handed over at once where frames come fast."""
RETIRE_MS = 100
"""A block that is not full is handed over after this time: what an idle link waits for its frames."""
DEFAULT_RING_MIB = 128
MIN_RING_MIB, MAX_RING_MIB = 8, 2032

_SOL_PACKET = 263
_RX_RING, _STATISTICS, _VERSION, _TIMESTAMP, _FANOUT, _IGNORE_OUTGOING = 5, 6, 10, 17, 18, 23
_ADD_MEMBERSHIP, _MR_PROMISC = 1, 1
_TPACKET_V3 = 2
_ETH_P_ALL = 0x0003
_SO_ATTACH_FILTER = 26
_RAW_HARDWARE = 1 << 6  # SOF_TIMESTAMPING_RAW_HARDWARE
_USER, _KERNEL = 1, 0  # TP_STATUS_ of a block
_FANOUT_DATA, _FANOUT_CBPF = 22, 6
_NOTHING = struct.pack("=HBBI", 0x06, 0, 0, 0)
"""A filter that no frame passes: BPF_RET with a length of 0."""


@dataclass(slots=True)
class RingCounts:
    """What was counted since the ring was opened.

    frames, wire_bytes : handed on
    seen, dropped : by the kernel's own count: frames that passed the filter, with those for which no block was free
    freezes : times that the kernel found every block taken
    outgoing : frames of this machine itself that were left out here; most kernels do it before
    hardware_time : frames that the network card had timed
    """

    frames: int = 0
    wire_bytes: int = 0
    seen: int = 0
    dropped: int = 0
    freezes: int = 0
    outgoing: int = 0
    hardware_time: int = 0


class Ring:
    """An open ring on one interface. Close it, or use it in a `with` block.

    interface : InterfaceFacts, as it was when the ring was opened
    """

    def __init__(
        self,
        name: str,
        *,
        ring_mib: int = DEFAULT_RING_MIB,
        filter_program: bytes = b"",
        fanout_group: int | None = None,
        takes_outgoing: bool = False,
    ) -> None:
        """Open the ring and begin to capture.

        ring_mib : memory of the ring, MIN_RING_MIB to MAX_RING_MIB
        filter_program : struct sock_filter[] (see sensor.bpf), empty for everything
        fanout_group : a number, 0 to 65535; rings of one group share the interface's frames, see sensor.capture.fanout
        takes_outgoing : whether what this machine sends counts; a mirror port sends nothing
        Raises: UsageError for an interface that cannot be captured from, PrivilegeError without CAP_NET_RAW.
        """
        self.interface = must_be_watchable(name)
        self.n_blocks = max(MIN_RING_MIB, min(ring_mib, MAX_RING_MIB)) * (1 << 20) // BLOCK_BYTES
        self._takes_outgoing = takes_outgoing
        self._counters = np.zeros(N_RING_COUNTERS, np.int64)
        self._kernel_counts = np.zeros(3, np.int64)  # seen, dropped, freezes
        self._next = 0
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        except PermissionError as error:
            raise PrivilegeError(
                f"capturing from {name} needs the capability CAP_NET_RAW: run it as root or as the installed service "
                "(`kagami service install`)"
            ) from error
        try:
            self._set_up(filter_program, takes_outgoing)
            self._socket.bind((name, _ETH_P_ALL))
            if fanout_group is not None:
                self._option(_FANOUT, fanout_group | _FANOUT_CBPF << 16)
                _give_program(self._socket, _SOL_PACKET, _FANOUT_DATA, fanout_program())
        except OSError as error:
            self.close()
            raise _refused(name, error, self.n_blocks) from error

    def _option(self, option: int, value: Any) -> None:
        self._socket.setsockopt(_SOL_PACKET, option, value)

    def _set_up(self, filter_program: bytes, takes_outgoing: bool) -> None:
        self._option(_VERSION, _TPACKET_V3)
        # the card's own time where it is switched on, else the kernel's
        self._option(_TIMESTAMP, _RAW_HARDWARE)
        if not takes_outgoing:
            try:
                self._option(_IGNORE_OUTGOING, 1)
            except OSError as error:  # Linux before 4.20: walk_block leaves them out
                if error.errno != errno.ENOPROTOOPT:
                    raise
        if filter_program:
            _give_program(self._socket, socket.SOL_SOCKET, _SO_ATTACH_FILTER, filter_program)
        frame_bytes = 1 << 11  # only its product counts in version 3
        self._option(
            _RX_RING,
            struct.pack(
                "=7I",
                *(BLOCK_BYTES, self.n_blocks, frame_bytes, self.n_blocks * (BLOCK_BYTES // frame_bytes)),
                *(RETIRE_MS, 0, 0),
            ),
        )
        self._map = mmap.mmap(self._socket.fileno(), self.n_blocks * BLOCK_BYTES)
        ring = np.frombuffer(self._map, np.uint8).reshape(self.n_blocks, BLOCK_BYTES)
        self._blocks = list(ring)
        self._halves = list(ring.view(np.uint16))
        self._words = list(ring.view(np.uint32))
        self._place = np.zeros(2, np.int64)
        self._start, self._end, self._ts_ns = (np.zeros(BATCH_PACKETS, np.int64) for _ in range(3))
        self._wire_len = np.zeros(BATCH_PACKETS, np.uint32)
        self._vlan_id = np.zeros(BATCH_PACKETS, np.uint16)
        self._link = np.full(BATCH_PACKETS, self.interface.link, np.uint16)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN | select.POLLERR)
        membership = struct.pack("=iHH8x", self.interface.index, _MR_PROMISC, 0)
        if not self.interface.is_loopback:
            self._option(_ADD_MEMBERSHIP, membership)

    def fileno(self) -> int:
        """The socket, for poll."""
        return self._socket.fileno()

    def wait(self, timeout_s: float) -> bool:
        """Wait until a block is ready; False after the time, or when the interface went down."""
        if self._words[self._next][BLOCK_STATUS] & _USER:
            return True
        events = [event for _, event in self._poll.poll(timeout_s * 1000)]
        if any(event & select.POLLERR for event in events):
            # the interface went down; the error is told until somebody reads it
            self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            time.sleep(timeout_s)
        return any(event & select.POLLIN for event in events)

    def batches(self) -> Iterator[Batch]:
        """The blocks that are ready, at most one round of the ring. A block goes back to the kernel when the next one
        is asked for, so whatever is to last must have been copied by then.
        """
        for _ in range(self.n_blocks):
            words = self._words[self._next]
            if not words[BLOCK_STATUS] & _USER:
                return
            block = self._blocks[self._next]
            self._place[:] = words[BLOCK_FIRST], words[BLOCK_PACKETS]
            while n := walk_block(
                *(block, self._halves[self._next], words, self._place, int(self._takes_outgoing)),
                *(self._start, self._end, self._ts_ns, self._wire_len, self._vlan_id, self._counters),
            ):
                yield Batch(
                    *(block, self._start[:n], self._end[:n], self._ts_ns[:n]),
                    *(self._wire_len[:n], self._link[:n], self._vlan_id[:n]),
                )
            words[BLOCK_STATUS] = _KERNEL
            self._next = (self._next + 1) % self.n_blocks

    def stop_intake(self) -> None:
        """Let no further frame in. What is in the ring still comes, the block being filled after RETIRE_MS, so that
        every frame that the kernel counted as seen is handed on or dropped.
        """
        _give_program(self._socket, socket.SOL_SOCKET, _SO_ATTACH_FILTER, _NOTHING)

    def occupancy(self) -> float:
        """Share of the ring's blocks that wait to be read, 0 to 1."""
        # the kernel fills them in order, so what waits follows the next one
        n = 0
        while n < self.n_blocks and self._words[(self._next + n) % self.n_blocks][BLOCK_STATUS] & _USER:
            n += 1
        return n / self.n_blocks

    def counts(self) -> RingCounts:
        """Everything counted so far."""
        # reading them sets the kernel's own to zero
        answer = self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 12)
        self._kernel_counts += np.frombuffer(answer, np.uint32)
        seen, dropped, freezes = (int(n) for n in self._kernel_counts)
        slots = (RING_FRAMES, RING_WIRE_BYTES, RING_OUTGOING, RING_HARDWARE_TIME)
        frames, wire_bytes, outgoing, hardware_time = (int(self._counters[slot]) for slot in slots)
        return RingCounts(frames, wire_bytes, seen, dropped, freezes, outgoing, hardware_time)

    def interface_now(self) -> InterfaceFacts | None:
        """The interface as it is now; None when it is gone, or when another one has its name."""
        facts = interface_facts(self.interface.name)
        return facts if facts is not None and facts.index == self.interface.index else None

    def close(self) -> None:
        """Stop capturing. Batches must not be used any more: their memory is gone."""
        self._socket.close()
        # the views hold the mapping open; it goes with the last of them
        self._blocks, self._halves, self._words = [], [], []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _give_program(receiver: socket.socket, level: int, option: int, program: bytes) -> None:
    """Hand over BPF as struct sock_fprog; the kernel copies the steps, so they need not outlive the call."""
    steps = ctypes.create_string_buffer(program)
    receiver.setsockopt(level, option, struct.pack("HP", len(program) // 8, ctypes.addressof(steps)))


def _refused(name: str, error: OSError, ring_mib: int) -> UsageError | PrivilegeError:
    if error.errno in (errno.EPERM, errno.EACCES):
        return PrivilegeError(f"the kernel refuses to capture from {name}: {error.strerror}; CAP_NET_RAW is needed")
    if error.errno == errno.ENOMEM:
        return UsageError(
            f"no memory for a ring of {ring_mib} MiB on {name}; choose a smaller one ([capture] ring_mib)"
        )
    return UsageError(f"cannot capture from {name}: {error.strerror or os.strerror(error.errno or 0)}")
