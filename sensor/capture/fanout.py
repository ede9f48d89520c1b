"""Which worker a packet goes to: by the client's address, so that what belongs together is seen by one flow table.

In: nothing. Out: a program for PACKET_FANOUT_CBPF. Pure; a test runs it in an interpreter of its own.

The kernel's own symmetric hash keeps a connection together, but not a client's DNS questions with the connections that
follow from them, whose names they give. Here the client is the end with the higher port, which is the same end in both
directions. Everything without such an end goes by both addresses: fragments, tunnels, protocols without ports; what is
no plain IP goes to the first worker.

Source: linux/filter.h, and Documentation/networking/filter.rst for the negative offsets.
"""

import struct

from sensor.decode.tunnels import TUNNEL_PORTS

_NET = -0x100000 & 0xFFFFFFFF  # SKF_NET_OFF: offsets from the network header, whatever lies before it
_PROTOCOL = -0x1000 & 0xFFFFFFFF  # SKF_AD_OFF + SKF_AD_PROTOCOL: the ethertype
_LD_WORD, _LD_HALF, _LD_BYTE = 0x20, 0x28, 0x30  # BPF_LD | BPF_ABS
_TAX = 0x07
_JEQ, _JGT_X, _JEQ_X, _JA, _JSET = 0x15, 0x2D, 0x1D, 0x05, 0x45
_XOR_X, _MUL, _RSH = 0xAC, 0x24, 0x74
_RET_A, _RET_K = 0x16, 0x06
_GOLDEN = 0x9E3779B1  # 2**32 / golden ratio, made odd (Knuth 6.4): spreads neighbouring addresses

_Step = tuple[int, str | int, str | int, int]
"""code; where to go when true and when false (a label, or how many steps to skip); operand."""


def fanout_program() -> bytes:
    """struct sock_filter[] whose result, modulo the number of workers, chooses one."""
    steps: list[_Step | str] = [
        (_LD_HALF, 0, 0, _PROTOCOL),
        (_JEQ, "v4", 0, 0x0800),
        (_JEQ, "v6", "other", 0x86DD),
        *_version("v4", proto=9, ports=20, src=12, dst=16),
        *_version("v6", proto=6, ports=40, src=20, dst=36),
        "other",
        (_RET_K, 0, 0, 0),
        "mix",
        (_MUL, 0, 0, _GOLDEN),
        (_RSH, 0, 0, 16),
        (_RET_A, 0, 0, 0),
    ]
    return _assemble(steps)


def _version(name: str, *, proto: int, ports: int, src: int, dst: int) -> list[_Step | str]:
    """Steps for one IP version. Of an IPv6 address the last 32 bits count."""
    plain_ipv4: list[_Step | str] = [
        (_LD_BYTE, 0, 0, _NET),
        (_JEQ, 0, f"{name}-pair", 0x45),  # with options the ports lie elsewhere
        (_LD_HALF, 0, 0, _NET + 6),
        (_JSET, f"{name}-pair", 0, 0x3FFF),  # a fragment
    ]
    tunnels: list[_Step | str] = [(_JEQ, f"{name}-pair", 0, port) for port in TUNNEL_PORTS]
    return [
        name,
        *(plain_ipv4 if name == "v4" else []),
        (_LD_BYTE, 0, 0, _NET + proto),
        (_JEQ, 1, 0, 6),
        (_JEQ, 0, f"{name}-pair", 17),
        (_LD_HALF, 0, 0, _NET + ports),
        *tunnels,
        (_TAX, 0, 0, 0),
        (_LD_HALF, 0, 0, _NET + ports + 2),
        *tunnels,
        (_JEQ_X, f"{name}-pair", 0, 0),
        (_JGT_X, f"{name}-to-client", 0, 0),
        (_LD_WORD, 0, 0, _NET + src),
        (_JA, "mix", "mix", 0),
        f"{name}-to-client",
        (_LD_WORD, 0, 0, _NET + dst),
        (_JA, "mix", "mix", 0),
        f"{name}-pair",
        (_LD_WORD, 0, 0, _NET + src),
        (_TAX, 0, 0, 0),
        (_LD_WORD, 0, 0, _NET + dst),
        (_XOR_X, 0, 0, 0),
        (_JA, "mix", "mix", 0),
    ]


def _assemble(steps: list[_Step | str]) -> bytes:
    """Labels become distances."""
    places: dict[str, int] = {}
    code: list[_Step] = []
    for step in steps:
        if isinstance(step, str):
            places[step] = len(code)
        else:
            code.append(step)

    def skip(target: str | int, at: int) -> int:
        return target if isinstance(target, int) else places[target] - at - 1

    program = []
    for at, (operation, true, false, operand) in enumerate(code):
        if operation == _JA:
            program.append(struct.pack("=HBBI", operation, 0, 0, skip(true, at)))
        else:
            program.append(struct.pack("=HBBI", operation, skip(true, at), skip(false, at), operand & 0xFFFFFFFF))
    return b"".join(program)
