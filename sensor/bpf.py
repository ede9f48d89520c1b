"""Capture filters: tcpdump expressions compiled to the kernel's BPF by libpcap, through scapy, in another process.

    python -m sensor.bpf LINKTYPE EXPRESSION     writes one line "code jt jf k" an instruction

The sensor itself never loads scapy or libpcap: `compile_filter` starts this module, which ends with its answer.
"""

import re
import struct
import subprocess
import sys
from pathlib import Path

from sensor.errors import PrivilegeError, UsageError

_TIMEOUT_S = 60
_NO_LIBPCAP = 4
_MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS of the kernel
_VLAN = re.compile(r"(?<![\w.:-])vlan(?![\w.:-])")


def compile_filter(expression: str, link: int) -> bytes:
    """The program of an expression: struct sock_filter[], as SO_ATTACH_FILTER takes it.

    expression : as tcpdump has them; link : LINKTYPE_ of the frames
    Raises: UsageError for an expression that libpcap refuses, or with `vlan`; PrivilegeError without libpcap.
    """
    if _VLAN.search(expression):
        # the kernel has taken the tag off before the filter sees the frame, so libpcap's test would never hold
        raise UsageError(
            "a capture filter cannot ask for a vlan: the kernel takes the tag off first; "
            "leave it out and ask the flows for their vlan_id"
        )
    command = [sys.executable, "-m", "sensor.bpf", str(link), expression]
    root = str(Path(__file__).resolve().parent.parent)
    try:
        done = subprocess.run(
            command, cwd=root, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PrivilegeError(f"the capture filter could not be compiled: {error}") from error
    if done.returncode == _NO_LIBPCAP:
        raise PrivilegeError(
            f"the capture filter needs libpcap, which is not here ({done.stderr.strip()}); "
            "install it (Debian: libpcap0.8) or leave --filter out"
        )
    if done.returncode != 0:
        raise UsageError(f"capture filter {expression!r}: {done.stderr.strip() or 'libpcap refuses it'}")
    rows = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    if not 0 < len(rows) <= _MAX_INSTRUCTIONS:
        raise UsageError(
            f"capture filter {expression!r} compiles to {len(rows)} instructions; at most 4096 are allowed"
        )
    return b"".join(struct.pack("=HBBI", *row) for row in rows)


def main(link: int, expression: str) -> int:
    """Compile and write; the exit status."""
    try:
        from scapy.arch.common import compile_filter as compiled
        from scapy.error import Scapy_Exception
    except (ImportError, OSError) as error:
        print(error, file=sys.stderr)
        return _NO_LIBPCAP
    try:
        program = compiled(expression, linktype=link)
    except ImportError as error:  # scapy looks for libpcap only now
        print(error, file=sys.stderr)
        return _NO_LIBPCAP
    except Scapy_Exception as error:
        print(error, file=sys.stderr)
        return 2
    for i in range(program.bf_len):
        step = program.bf_insns[i]
        print(step.code, step.jt, step.jf, step.k)
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2]))
